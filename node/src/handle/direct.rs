//! Calls about direct messages and the people who exchange them.

use libp2p::PeerId;
use proto::{
    direct::{inbox::ReadThrough, letter::LetterId},
    ids::Author,
};

use super::{CallError, Command, DirectFilter, Handle, MAX_CONTACT_NAME_BYTES, MAX_HISTORY_LIMIT};
use crate::{
    letters::page,
    model::{DirectMessage, Person},
    people,
};

impl Handle {
    /// Writes to somebody. Returns once the message would survive a power cut; it is then delivered whenever that is possible, however long
    /// that takes.
    ///
    /// # Errors
    /// [`CallError::NotAnAuthor`], [`CallError::NotWritten`], [`CallError::Store`].
    pub async fn message(&self, to: PeerId, text: String) -> Result<DirectMessage, CallError> {
        let to = author(to)?;
        self.call(|answer| Command::Message(to, text, answer)).await
    }

    /// Direct messages, oldest first; those of one author in the order in which they were written.
    ///
    /// # Errors
    /// [`CallError::NoSuchDirectMessage`], [`CallError::NotAnAuthor`], [`CallError::Store`].
    pub async fn messages(&self, mut filter: DirectFilter) -> Result<Vec<DirectMessage>, CallError> {
        if let Some(peer) = filter.peer {
            author(peer)?;
        }
        filter.limit = filter.limit.min(MAX_HISTORY_LIMIT);
        let found = page::messages(&*self.store, &filter).await?;
        let before = filter.before.map(|id| page::hex(&id)).unwrap_or_default();
        found.ok_or(CallError::NoSuchDirectMessage(before))
    }

    /// The user has read the messages of somebody that are here: all, or up to this one.
    ///
    /// # Errors
    /// [`CallError::NoSuchDirectMessage`], [`CallError::NotAnAuthor`], [`CallError::Store`].
    pub async fn mark_read(&self, from: PeerId, through: Option<LetterId>) -> Result<(), CallError> {
        let from = author(from)?;
        let read = match through {
            None => vec![ReadThrough::All],
            Some(id) => {
                let streams = page::read_through(&*self.store, from, id).await?;
                let streams = streams.ok_or_else(|| CallError::NoSuchDirectMessage(page::hex(&id)))?;
                streams.into_iter().map(|(stream, seq)| ReadThrough::Stream(stream, seq)).collect()
            }
        };
        self.call(|answer| Command::MarkRead(from, read, answer)).await
    }

    /// Throws a stranger's messages away, and makes room for others': those of strangers are kept up to a number. It may write again.
    ///
    /// # Errors
    /// [`CallError::NoStranger`], [`CallError::NotAnAuthor`], [`CallError::Store`].
    pub async fn dismiss(&self, peer: PeerId) -> Result<(), CallError> {
        let who = author(peer)?;
        // What comes from now on is kept.
        let letters = page::places(&*self.store, who).await?;
        self.call(|answer| Command::Dismiss(who, letters, answer)).await
    }

    /// Everybody this node knows, contacts first, by name.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn people(&self) -> Result<Vec<Person>, CallError> {
        self.call(Command::People).await
    }

    /// Gives somebody a name, or another one, or takes it away, durably.
    ///
    /// # Errors
    /// [`CallError::ContactName`], [`CallError::NotAnAuthor`], [`CallError::TooManyPeople`], [`CallError::Store`].
    pub async fn name_contact(&self, peer: PeerId, name: Option<String>) -> Result<(), CallError> {
        let who = author(peer)?;
        let name = name.map(|name| name.trim().to_owned());
        if name
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.len() > MAX_CONTACT_NAME_BYTES || !people::may_name(name))
        {
            return Err(CallError::ContactName);
        }
        self.call(|answer| Command::NameContact(who, name, answer)).await
    }

    /// Takes no direct messages from somebody any more, or takes them again, durably.
    ///
    /// # Errors
    /// [`CallError::NotAnAuthor`], [`CallError::TooManyPeople`], [`CallError::Store`].
    pub async fn block(&self, peer: PeerId, blocked: bool) -> Result<(), CallError> {
        let who = author(peer)?;
        self.call(|answer| Command::Block(who, blocked, answer)).await
    }

    /// Makes a new key for letters to us now. The ones before open what was sealed for them until that has expired.
    ///
    /// # Errors
    /// [`CallError::TooManyKeys`], [`CallError::Store`].
    pub async fn rotate_key(&self) -> Result<(), CallError> {
        self.call(Command::RotateKey).await
    }
}

fn author(peer: PeerId) -> Result<Author, CallError> {
    Author::from_peer_id(&peer).filter(|author| author.public_key().is_some()).ok_or(CallError::NotAnAuthor(peer))
}
