//! How the rest of the program talks to the swarm task: typed calls over a bounded queue.

mod direct;
mod private;
mod shares;

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use proto::{
    channel::RoomName,
    chat::InvalidChat,
    direct::{
        inbox::{MAX_PEOPLE, ReadThrough},
        outbox::NotWritten,
    },
    hlc::{MAX_ADVANCE_MS, Timestamp},
    ids::{Author, EventId},
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub(crate) use self::shares::vault_error;
pub use self::shares::{FetchRequest, ShareError, ShareRequest, Target};
pub use crate::letters::page::DirectFilter;
use crate::{
    files::vault::Vault,
    letters::records::Place,
    model::{DirectMessage, Found, Member, Message, NodeEvent, Peer, Person, Room, Status},
    store::{Before, Request, Store, StoreError},
    swarm::{lookups, private as private_rooms, shares as file_shares},
    view,
};

/// Calls waiting for the swarm task. More are refused with [`CallError::Overloaded`]: a caller that waits would only hide
/// that the node is behind.
pub const MAX_QUEUED_CALLS: usize = 1_024;

/// Messages in one page of history.
pub const MAX_HISTORY_LIMIT: usize = 10_000;

/// Bytes of the name that a user gives to a contact.
pub const MAX_CONTACT_NAME_BYTES: usize = 64;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The node has too much to do. Try again.
    #[error("the node has too much to do; try again")]
    Overloaded,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Stopped,
    /// The node is not in that room. The caller's to mend.
    #[error("this node is not in the room '{0}'; to come in: node join {0}")]
    NotInRoom(RoomName),
    /// The lobby cannot be left.
    #[error("every node is in the lobby; it cannot be left")]
    CannotLeaveLobby,
    /// Already in as many rooms as a node may be.
    #[error("this node is in {0} rooms, which is the most it can be in; leave one first")]
    TooManyRooms(usize),
    /// `before` names a message that is not in the room.
    #[error("there is no message {0} in that room")]
    NoSuchMessage(EventId),
    /// The text cannot be sent.
    #[error(transparent)]
    InvalidChat(#[from] InvalidChat),
    /// There is no direct message of that id.
    #[error("there is no direct message {0}")]
    NoSuchDirectMessage(String),
    /// The peer's id holds no key to write to.
    #[error("{0} cannot be written to: only Ed25519 peer ids can")]
    NotAnAuthor(PeerId),
    /// The direct message cannot be sent.
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    /// The contact's name cannot be used. The caller's to mend.
    #[error(
        "a contact's name has 1 to {MAX_CONTACT_NAME_BYTES} bytes, no invisible characters, and is nothing like a peer id"
    )]
    ContactName,
    /// So many keys were made lately that none may be forgotten yet.
    #[error("too many keys were made lately; try again in a few days")]
    TooManyKeys,
    /// As many people are known, by having been named, blocked or written to, as can be.
    #[error(
        "{MAX_PEOPLE} people are known, which is the most there can be; to know others, start with a new data directory"
    )]
    TooManyPeople,
    /// Who is named, blocked or was written to is none. The caller's to mend.
    #[error(
        "only strangers' messages can be thrown away, and this is somebody whom you named, blocked or wrote to; to hear nothing more: node \
         contact block PEER"
    )]
    NoStranger,
    /// A private room cannot be made, joined or changed like that.
    #[error(transparent)]
    PrivateRoom(#[from] proto::private::rooms::Refused),
    /// Files cannot be shared or fetched like that.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The store refused or failed; nothing was sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T, CallError>>;

/// A call on its way to the swarm task.
#[derive(Debug)]
pub(crate) enum Command {
    Status(Answer<Status>),
    Peers(Answer<Vec<Peer>>),
    Rooms(Answer<Vec<Room>>),
    Who(RoomName, Answer<Vec<Member>>),
    Join(RoomName, Answer<()>),
    Leave(RoomName, Answer<()>),
    Say(RoomName, String, Answer<Message>),
    Dial(Multiaddr, Answer<()>),
    Sync(Answer<()>),
    Provide(lookups::Key, Answer<()>),
    StopProviding(lookups::Key, Answer<()>),
    FindProviders(lookups::Key, usize, Answer<Found>),
    Message(Author, String, Answer<DirectMessage>),
    MarkRead(Author, Vec<ReadThrough>, Answer<()>),
    Dismiss(Author, Vec<Place>, Answer<()>),
    People(Answer<Vec<Person>>),
    NameContact(Author, Option<String>, Answer<()>),
    Block(Author, bool, Answer<()>),
    RotateKey(Answer<()>),
    Private(private_rooms::Command),
    Shares(file_shares::Command),
    Shutdown(Answer<()>),
}

/// A running node. Cheap to clone; the node runs until [`Handle::shutdown`].
#[derive(Clone)]
pub struct Handle {
    pub(crate) peer_id: PeerId,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) events: broadcast::Sender<NodeEvent>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<dyn Vault>,
    /// Where the history of private rooms lies.
    pub(crate) private: watch::Receiver<private_rooms::Names>,
    pub(crate) clock: Arc<dyn crate::clock::Clock>,
}

impl Handle {
    /// This node's peer id.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The node's own state.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] or [`CallError::Stopped`], as every call.
    pub async fn status(&self) -> Result<Status, CallError> {
        self.call(Command::Status).await
    }

    /// Known peers, connected ones first.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn peers(&self) -> Result<Vec<Peer>, CallError> {
        self.call(Command::Peers).await
    }

    /// Rooms this node is in, by name.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn rooms(&self) -> Result<Vec<Room>, CallError> {
        self.call(Command::Rooms).await
    }

    /// Who is in a room now, this node included, by name.
    ///
    /// # Errors
    /// [`CallError::NotInRoom`].
    pub async fn who(&self, room: RoomName) -> Result<Vec<Member>, CallError> {
        self.call(|answer| Command::Who(room, answer)).await
    }

    /// Joins a room, durably. Joining twice is fine.
    ///
    /// # Errors
    /// [`CallError::TooManyRooms`], [`CallError::Store`].
    pub async fn join(&self, room: RoomName) -> Result<(), CallError> {
        self.call(|answer| Command::Join(room, answer)).await
    }

    /// Leaves a room, durably. Its history stays on disk.
    ///
    /// # Errors
    /// [`CallError::NotInRoom`], [`CallError::CannotLeaveLobby`], [`CallError::Store`].
    pub async fn leave(&self, room: RoomName) -> Result<(), CallError> {
        self.call(|answer| Command::Leave(room, answer)).await
    }

    /// A page of a room's messages, oldest first: the newest `limit` ones (at most [`MAX_HISTORY_LIMIT`]), or the newest before
    /// the message `before`. Rooms left long ago can be read too. Messages that claim a time over a minute ahead of our
    /// clock are left out until they are due.
    ///
    /// # Errors
    /// [`CallError::NoSuchMessage`], [`CallError::Store`].
    pub async fn history(
        &self,
        room: RoomName,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Message>, CallError> {
        let due = Timestamp::from_ms(self.clock.now().wall_ms.saturating_add(MAX_ADVANCE_MS + 1));
        let limit = limit.min(MAX_HISTORY_LIMIT);
        let (reply, answer) = oneshot::channel();
        let before_point = before.map_or(Before::Time(due), Before::Event);
        let channels = self.private.borrow().get(&room).cloned().unwrap_or_else(|| vec![room.channel()]);
        self.store.submit(Request::History { channels, before: before_point, limit, reply })?;
        let page = answer.await.map_err(|_| StoreError::Closed)??;
        let events = match (page, before) {
            (Some(events), _) => events,
            (None, Some(id)) => return Err(CallError::NoSuchMessage(id)),
            (None, None) => Vec::new(),
        };
        Ok(events.iter().filter_map(|event| view::message(&room, event)).collect())
    }

    /// Says something in a room. Returns once the message would survive a power cut, whether or not anybody is there to
    /// hear it.
    ///
    /// # Errors
    /// [`CallError::NotInRoom`], [`CallError::InvalidChat`], [`CallError::Store`].
    pub async fn say(&self, room: RoomName, text: String) -> Result<Message, CallError> {
        self.call(|answer| Command::Say(room, text, answer)).await
    }

    /// Dials an address now.
    ///
    /// # Errors
    /// See [`Handle::status`]. Whether the dial succeeds is reported as an event.
    pub async fn dial(&self, address: Multiaddr) -> Result<(), CallError> {
        self.call(|answer| Command::Dial(address, answer)).await
    }

    /// Compares every room with a connected peer now instead of at its time.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn sync(&self) -> Result<(), CallError> {
        self.call(Command::Sync).await
    }

    /// Tells the network, through Kademlia, that this node has what `key` names. Returns at once; the record travels for a few
    /// round trips, and is laid anew as long as the node runs.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] when too much is provided already.
    pub async fn provide(&self, key: lookups::Key) -> Result<(), CallError> {
        self.call(|answer| Command::Provide(key, answer)).await
    }

    /// No longer lays that record. Other nodes forget it in time.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn stop_providing(&self, key: lookups::Key) -> Result<(), CallError> {
        self.call(|answer| Command::StopProviding(key, answer)).await
    }

    /// Searches Kademlia for nodes that have what `key` names; ends when `wanted` are known or everyone near the key was asked.
    /// Finding nobody is not an error.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] when too many searches are under way.
    pub async fn find_providers(&self, key: lookups::Key, wanted: usize) -> Result<Found, CallError> {
        self.call(|answer| Command::FindProviders(key, wanted, answer)).await
    }

    /// Says goodbye, writes what is left, and stops. Returns when the store is closed.
    ///
    /// # Errors
    /// [`CallError::Stopped`] when it was stopping already.
    pub async fn shutdown(&self) -> Result<(), CallError> {
        self.call(Command::Shutdown).await
    }

    /// Everything that happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.subscribe()
    }

    async fn call<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, CallError> {
        let (answer, receiver) = oneshot::channel();
        self.commands.try_send(command(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CallError::Stopped,
        })?;
        receiver.await.map_err(|_| CallError::Stopped)?
    }
}
