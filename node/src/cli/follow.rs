//! Following rooms and direct messages: every message once, in the face of lost reports and of nodes that stop and start again.
//!
//! The WebSocket tells what happens from now on. When reports were left out ([`NodeEvent::Lagged`]) or the connection was
//! lost, what came meanwhile is read from history. To know what is new there, a follower remembers the ids of the newest
//! messages of each room, at first [`BASELINE_MESSAGES`] and then at most [`MAX_REMEMBERED`]. Messages that are older than
//! all it remembers are shown when they are reported, but are not looked for in history: this is the one way to miss one. How far
//! direct messages are is not looked for.

mod direct;
mod following;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use following::Following;
use futures::StreamExt;
use proto::{channel::RoomName, hlc::Timestamp};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{
    Failure,
    client::{Client, PAGE_MESSAGES, Socket, Target},
};
use crate::model::{DirectMessage, Message, NodeEvent};

/// Messages of a room remembered at the start: ten pages, read in a moment.
const BASELINE_MESSAGES: usize = 10 * PAGE_MESSAGES;

/// Messages of a room, or direct ones, remembered at most, some 100 bytes each. Past that the oldest are forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// Messages of a room, or direct ones, filled in at once at most. Past that the older ones are left out, and the user is told.
const MAX_FILLED: usize = 100_000;

/// The first pause before looking for a node that stopped, and the longest.
const RETRY_MS: (u64, u64) = (200, 5_000);

/// What to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One room, in which the node is.
    Room(RoomName),
    /// All rooms that the node is in.
    Rooms,
    /// Direct messages.
    Direct,
    /// All rooms, and direct messages.
    Everything,
}

impl Wanted {
    fn room(&self, name: &str) -> bool {
        match self {
            Self::Room(room) => room.as_str() == name,
            Self::Rooms | Self::Everything => true,
            Self::Direct => false,
        }
    }

    fn direct(&self) -> bool {
        matches!(self, Self::Direct | Self::Everything)
    }
}

/// What a follower has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A message, never the same twice.
    Message(Box<Message>),
    /// A direct message, never the same twice.
    Direct(Box<DirectMessage>),
    /// Something else that happened.
    Event(NodeEvent),
    /// The node stopped answering; it is looked for.
    Lost,
    /// The node answers again.
    Back,
    /// So much was missed in a room that the older part is left out.
    LeftOut {
        /// The room.
        room: String,
    },
    /// So many direct messages were missed that the older ones are left out.
    DirectLeftOut,
}

/// A message's place in its room and its name.
type Key = (u64, String);

fn key(message: &Message) -> Key {
    (message.hlc, message.id.clone())
}

/// The messages of one room that were seen.
#[derive(Debug, Default)]
struct Seen {
    newest: BTreeSet<Key>,
    /// Nothing up to this time is looked for in history.
    floor: u64,
}

impl Seen {
    /// Nothing seen, and nothing from before now to be looked for.
    fn from_now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let floor = Timestamp::from_ms(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).0;
        Self { newest: BTreeSet::new(), floor }
    }

    /// A room's newest messages, of which there were more if `messages` is as long as was asked for.
    fn from_newest(messages: &[Message], asked: usize) -> Self {
        let newest: BTreeSet<Key> = messages.iter().map(key).collect();
        let floor = if messages.len() < asked { 0 } else { newest.first().map_or(0, |(hlc, _)| *hlc) };
        Self { newest, floor }
    }

    /// Notes a message; whether it is new.
    fn insert(&mut self, message: &Message) -> bool {
        let new = self.newest.insert(key(message));
        if self.newest.len() > MAX_REMEMBERED
            && let Some((hlc, _)) = self.newest.pop_first()
        {
            self.floor = self.floor.max(hlc);
        }
        new
    }

    /// Whether a message found in history was missed.
    fn lacks(&self, message: &Message) -> bool {
        message.hlc > self.floor && !self.newest.contains(&key(message))
    }
}

/// Follows what is wanted.
pub struct Follow {
    target: Target,
    client: Client,
    wanted: Wanted,
    rooms: BTreeMap<String, Seen>,
    direct: direct::Seen,
    socket: Option<Socket>,
    queue: VecDeque<News>,
}

impl Follow {
    /// Starts to follow, from now on.
    ///
    /// # Errors
    /// [`Failure`] when the node does not answer or is not in the room that is wanted.
    pub async fn start(target: Target, client: Client, wanted: Wanted) -> Result<Self, Failure> {
        let joined = client.rooms().await?;
        if let Wanted::Room(room) = &wanted
            && !joined.iter().any(|have| have.room == room.as_str())
        {
            let message = format!("this node is not in the room '{room}'; join it first: node join '{room}'");
            return Err(Failure::Failed(message));
        }
        let mut rooms = BTreeMap::new();
        for room in joined.into_iter().map(|room| room.room).filter(|room| wanted.room(room)) {
            let newest = client.history(&room, None, BASELINE_MESSAGES).await?;
            rooms.insert(room, Seen::from_newest(&newest, BASELINE_MESSAGES));
        }
        let direct = if wanted.direct() { direct::Seen::start(&client).await? } else { direct::Seen::default() };
        let mut follow = Self { target, client, wanted, rooms, direct, socket: None, queue: VecDeque::new() };
        follow.connect().await?;
        Ok(follow)
    }

    /// What is new. Waits for a node that stopped to come back, for as long as it takes.
    ///
    /// # Errors
    /// [`Failure`] when the node refuses for a reason that waiting does not mend.
    pub async fn next(&mut self) -> Result<News, Failure> {
        loop {
            if let Some(news) = self.queue.pop_front() {
                return Ok(news);
            }
            let Some(socket) = &mut self.socket else {
                self.reconnect().await;
                continue;
            };
            match socket.next().await {
                Some(Ok(Frame::Text(text))) => {
                    let event = serde_json::from_str(&text).map_err(Failure::failed)?;
                    self.take(event).await;
                }
                Some(Ok(Frame::Close(_)) | Err(_)) | None => self.lose(),
                Some(Ok(_)) => {}
            }
        }
    }

    async fn take(&mut self, event: NodeEvent) {
        match event {
            NodeEvent::Message(message) => {
                if self.wanted.room(&message.room)
                    && self.rooms.entry(message.room.clone()).or_insert_with(Seen::from_now).insert(&message)
                {
                    self.queue.push_back(News::Message(Box::new(message)));
                }
            }
            NodeEvent::Direct(message) => {
                if self.wanted.direct() && self.direct.insert(&message.id) {
                    self.queue.push_back(News::Direct(Box::new(message)));
                }
            }
            NodeEvent::Lagged { .. } => {
                if self.fill().await.is_err() {
                    self.lose();
                }
            }
            NodeEvent::RoomJoined { room } => {
                if self.wanted.room(&room) {
                    self.rooms.entry(room.clone()).or_insert_with(Seen::from_now);
                }
                self.queue.push_back(News::Event(NodeEvent::RoomJoined { room }));
            }
            other => self.queue.push_back(News::Event(other)),
        }
    }

    fn lose(&mut self) {
        if self.socket.take().is_some() {
            self.queue.push_back(News::Lost);
        }
    }

    async fn reconnect(&mut self) {
        let (mut pause, longest) = RETRY_MS;
        loop {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            // The node may be back at another port.
            if let Ok(client) = self.target.find() {
                self.client = client;
                if self.connect().await.is_ok() {
                    self.queue.push_front(News::Back);
                    return;
                }
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Opens the WebSocket and then reads what came since the last report.
    async fn connect(&mut self) -> Result<(), Failure> {
        let socket = self.client.events().await?;
        self.fill().await?;
        self.socket = Some(socket);
        Ok(())
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let names: Vec<String> = self.rooms.keys().cloned().collect();
        for room in names {
            self.fill_room(&room).await?;
        }
        if self.wanted.direct() {
            self.fill_direct().await?;
        }
        Ok(())
    }

    async fn fill_direct(&mut self) -> Result<(), Failure> {
        let missed = self.direct.missed(&self.client).await?;
        if missed.left_out {
            self.queue.push_back(News::DirectLeftOut);
        }
        for message in missed.messages {
            if self.direct.insert(&message.id) {
                self.queue.push_back(News::Direct(Box::new(message)));
            }
        }
        Ok(())
    }

    async fn fill_room(&mut self, room: &str) -> Result<(), Failure> {
        let Some(seen) = self.rooms.get(room) else { return Ok(()) };
        let mut missed: Vec<Message> = Vec::new();
        let mut before: Option<String> = None;
        let mut left_out = false;
        loop {
            let page = self.client.page(room, before.as_deref(), PAGE_MESSAGES).await?;
            let Some(oldest) = page.first() else { break };
            before = Some(oldest.id.clone());
            let complete = page.len() < PAGE_MESSAGES || oldest.hlc <= seen.floor;
            missed.extend(page.into_iter().rev().filter(|message| seen.lacks(message)));
            left_out = missed.len() >= MAX_FILLED;
            if complete || left_out {
                break;
            }
        }
        if left_out {
            self.queue.push_back(News::LeftOut { room: room.into() });
        }
        let seen = self.rooms.entry(room.into()).or_default();
        for message in missed.into_iter().rev() {
            if seen.insert(&message) {
                self.queue.push_back(News::Message(Box::new(message)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(hlc: u64) -> Message {
        Message {
            id: format!("{hlc:064x}"),
            room: "lobby".into(),
            author: "a".into(),
            name: "a".into(),
            seq: hlc,
            hlc,
            at: String::new(),
            text: String::new(),
        }
    }

    #[test]
    fn a_message_is_new_once() {
        let mut seen = Seen::from_newest(&[message(1), message(3)], 10);
        assert!(!seen.insert(&message(1)));
        assert!(seen.lacks(&message(2)), "it came late, between two that were there");
        assert!(seen.insert(&message(2)) && !seen.insert(&message(2)) && !seen.lacks(&message(2)));
    }

    #[test]
    fn what_is_older_than_all_that_is_remembered_is_not_looked_for() {
        let seen = Seen::from_newest(&[message(5), message(6)], 2);
        assert!(!seen.lacks(&message(4)) && seen.lacks(&message(7)));
        assert!(!Seen::from_now().lacks(&message(7)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_not_shown_again() {
        let mut seen = Seen::default();
        for hlc in 1..=MAX_REMEMBERED as u64 + 10 {
            assert!(seen.insert(&message(hlc)));
        }
        assert_eq!(seen.newest.len(), MAX_REMEMBERED);
        assert!((1..=10).all(|hlc| !seen.lacks(&message(hlc))));
    }
}
