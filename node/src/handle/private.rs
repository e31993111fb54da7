//! Calls about private rooms.

use std::collections::BTreeSet;

use libp2p::PeerId;
use proto::{
    channel::RoomName,
    ids::Author,
    private::{Invite, rooms::Whom},
};

use super::{CallError, Command, Handle};
use crate::{
    model::{Invitation, JoinedRoom, Rotation},
    swarm::private,
};

impl Handle {
    /// Makes a private room of which this node is the owner, durably, and comes into it.
    ///
    /// # Errors
    /// [`CallError::PrivateRoom`], [`CallError::Store`].
    pub async fn create_private(&self, name: RoomName) -> Result<Invitation, CallError> {
        self.call(|answer| Command::Private(private::Command::Create(name, answer))).await
    }

    /// Comes into a private room by a link, durably, and dials the addresses in it. The room is called here as the link says, or as
    /// `name`.
    ///
    /// # Errors
    /// [`CallError::PrivateRoom`], [`CallError::Store`].
    pub async fn join_private(&self, invite: Invite, name: Option<RoomName>) -> Result<JoinedRoom, CallError> {
        self.call(|answer| Command::Private(private::Command::Join(Box::new(invite), name, answer))).await
    }

    /// The link to a private room.
    ///
    /// # Errors
    /// [`CallError::PrivateRoom`].
    pub async fn invitation(&self, name: RoomName) -> Result<Invitation, CallError> {
        self.call(|answer| Command::Private(private::Command::Invite(name, answer))).await
    }

    /// Makes a new key for a private room of this node's, durably, and has all members but `without` told of it, as soon as they can be
    /// reached.
    ///
    /// # Errors
    /// [`CallError::PrivateRoom`], [`CallError::NotInRoom`], [`CallError::NotAnAuthor`], [`CallError::Store`].
    pub async fn rotate_private(&self, name: RoomName, without: &[PeerId]) -> Result<Rotation, CallError> {
        let whom = Whom::AllBut(authors(without)?);
        self.call(|answer| Command::Private(private::Command::Rotate(name, whom, answer))).await
    }

    /// The same, but of the members that this node has seen only `only` are told. Somebody who has come under a second identity does
    /// not slip in with that.
    ///
    /// # Errors
    /// See [`Handle::rotate_private`].
    pub async fn rotate_private_only(&self, name: RoomName, only: &[PeerId]) -> Result<Rotation, CallError> {
        let whom = Whom::Only(authors(only)?);
        self.call(|answer| Command::Private(private::Command::Rotate(name, whom, answer))).await
    }

    /// The members of a private room of this node's that would be told of a new key: those that it has seen there, present or not.
    ///
    /// # Errors
    /// [`CallError::PrivateRoom`].
    pub async fn private_members(&self, name: RoomName) -> Result<Vec<PeerId>, CallError> {
        let members = self.call(|answer| Command::Private(private::Command::Members(name, answer))).await?;
        Ok(members.iter().filter_map(Author::peer_id).collect())
    }
}

fn authors(peers: &[PeerId]) -> Result<BTreeSet<Author>, CallError> {
    peers.iter().map(|peer| Author::from_peer_id(peer).ok_or(CallError::NotAnAuthor(*peer))).collect()
}
