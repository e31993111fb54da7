//! `node message`, `node inbox`, and the key.

use clap::Subcommand;
use proto::direct::letter::MAX_TEXT_BYTES;

use super::{
    Failure,
    client::{Client, Target, Which},
    commands::eprint,
    contacts::{self, ContactCommand},
    input,
    names::Names,
    output::{Output, direct},
    reading::Shown,
};
use crate::model::DirectMessage;

/// Messages that `node inbox` shows when nobody says how many.
const INBOX_MESSAGES: usize = 50;

/// What one does with people, one by one.
#[derive(Debug, Subcommand)]
pub enum DirectCommand {
    /// Write to somebody; the message arrives whenever that is possible
    Message {
        #[command(flatten)]
        target: Target,
        /// To whom: a contact's name, a display name, a peer id, or its beginning
        peer: String,
        /// What to write; - reads it from standard input
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Show direct messages, oldest first, and mark them as read
    Inbox {
        #[command(flatten)]
        target: Target,
        /// Only those from and to this person
        #[arg(long, value_name = "PEER")]
        peer: Option<String>,
        /// Only those that came and were not read
        #[arg(long)]
        unread: bool,
        /// The newest so many; 0 for all
        #[arg(long, default_value_t = INBOX_MESSAGES)]
        limit: usize,
        /// All of them
        #[arg(long, conflicts_with = "limit")]
        all: bool,
        /// Leave unread what is shown
        #[arg(long)]
        keep_unread: bool,
    },
    /// Name, block and verify people
    #[command(subcommand)]
    Contact(ContactCommand),
    /// The key for which direct messages to you are sealed
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What one does with the key.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new one now; keys of before still open what is on its way
    Rotate(Target),
}

impl DirectCommand {
    /// Which node it is for.
    pub fn target_mut(&mut self) -> &mut Target {
        match self {
            Self::Message { target, .. } | Self::Inbox { target, .. } | Self::Key(KeyCommand::Rotate(target)) => target,
            Self::Contact(command) => command.target_mut(),
        }
    }
}

/// Which messages `node inbox` shows.
struct Shows<'a> {
    peer: Option<&'a str>,
    unread: bool,
    limit: usize,
    keep_unread: bool,
}

/// Carries out a command about direct messages.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: DirectCommand, out: Output) -> Result<(), Failure> {
    match command {
        DirectCommand::Message { target, peer, text } => message(target.find()?, &peer, &text, out).await,
        DirectCommand::Inbox { target, peer, unread, limit, all, keep_unread } => {
            let limit = if all || limit == 0 { usize::MAX } else { limit };
            inbox(target.find()?, Shows { peer: peer.as_deref(), unread, limit, keep_unread }, out).await
        }
        DirectCommand::Contact(command) => contacts::carry_out(command, out).await,
        DirectCommand::Key(KeyCommand::Rotate(target)) => {
            target.find()?.rotate_key().await?;
            out.show(&serde_json::json!({ "rotated": true }), |_| {
                "direct messages to you are sealed for a new key from now on".into()
            })
        }
    }
}

async fn message(client: Client, peer: &str, text: &[String], out: Output) -> Result<(), Failure> {
    let text = input::message_text(text, MAX_TEXT_BYTES)?;
    let to = client.find(peer).await?;
    let message = client.message(&to, &text).await?;
    if out.json {
        return out.object(&message);
    }
    let to = Names::ask(&client).await?.get(&to);
    out.line(&format!("queued for {to}; node inbox shows how far it is"))
}

async fn inbox(client: Client, shows: Shows<'_>, out: Output) -> Result<(), Failure> {
    let Shows { peer, unread, limit, keep_unread } = shows;
    let peer = match peer {
        Some(peer) => Some(client.find(peer).await?),
        None => None,
    };
    let messages = client.direct(Which { peer: peer.as_deref(), unread }, limit).await?;
    let own = client.id().await?.peer_id;
    let names = Names::ask(&client).await?;
    let none = if unread { "nothing unread" } else { "no direct messages" };
    out.list(&messages, none, |message| direct::direct(message, &own, &names))?;
    if keep_unread {
        return Ok(());
    }
    for author in mark_read(&client, &messages, &own).await? {
        eprint(&older_unread(&names.get(&author)));
    }
    Ok(())
}

/// Marks as read what was shown. Returns those of whom there is more that is unread.
async fn mark_read(client: &Client, messages: &[DirectMessage], own: &str) -> Result<Vec<String>, Failure> {
    let mut shown = Shown::default();
    for message in messages {
        shown.note(message, own);
    }
    shown.mark(client, None).await
}

/// Says that not all that is unread was shown.
pub fn older_unread(author: &str) -> String {
    format!("more from {author} is unread and not shown, and nothing of it marked as read: node inbox --unread --all")
}
