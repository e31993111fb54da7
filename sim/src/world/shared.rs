//! What the tasks around a node tell the world: shown messages, connections, lookups. All of it is noted at once, under a lock that
//! nobody waits for, since a run has one thread.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libp2p::PeerId;
use node::{
    handle::Handle,
    letters::records::Place,
    model::{DirectMessage, NodeEvent},
};
use proto::{blob::BlobId, channel::RoomName};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{files::Files, history::Deed, ledger::Ledger, mail::Mail, vault};

/// One lookup and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lookup {
    /// When it began, in milliseconds.
    pub at_ms: u64,
    /// Milliseconds that it took.
    pub took_ms: u64,
    /// Questions asked.
    pub requests: u64,
    /// Whether a provider was found.
    pub found: bool,
}

/// The notes.
pub struct Notes {
    /// What was said and shown.
    pub ledger: Ledger,
    /// What was written to whom.
    pub mail: Mail,
    /// Who fetches which files, and how far they are.
    pub files: Files,
    /// By hostile host and who asked: questions for blocks.
    pub asked_of_liars: BTreeMap<(usize, PeerId), u64>,
    /// By host, the hosts it is connected to.
    pub connected: Vec<BTreeSet<u32>>,
    /// Lookups in the order in which they began. One that has not ended has found nothing.
    pub lookups: Vec<Lookup>,
    /// Hosts whose node has said goodbye and stopped, with the numbers of their lives.
    pub left: Vec<(usize, u32)>,
    /// Never iterated.
    by_peer_id: HashMap<String, u32>,
}

impl Notes {
    /// Notes that a lookup began, and returns its index.
    pub fn begin_lookup(&mut self, at_ms: u64) -> usize {
        self.lookups.push(Lookup { at_ms, took_ms: 0, requests: 0, found: false });
        self.lookups.len() - 1
    }
}

/// The notes, and the time.
#[derive(Clone)]
pub struct Shared {
    notes: Arc<Mutex<Notes>>,
    start: Instant,
}

impl Shared {
    /// Empty notes on hosts with these names and peer ids.
    pub fn new(start: Instant, names: Vec<String>, peer_ids: Vec<String>) -> Self {
        let hosts = peer_ids.len();
        let notes = Notes {
            ledger: Ledger::new(hosts),
            mail: Mail::new(names.clone(), peer_ids.clone()),
            files: Files::new(names),
            asked_of_liars: BTreeMap::new(),
            connected: vec![BTreeSet::new(); hosts],
            lookups: Vec::new(),
            left: Vec::new(),
            by_peer_id: peer_ids.into_iter().zip(0..).collect(),
        };
        Self { notes: Arc::new(Mutex::new(notes)), start }
    }

    /// The notes.
    pub fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds from the start.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes what a node reports, until it ends. A user who comes `back` reads the history first: what became durable just before a crash is
    /// reported by nobody.
    pub async fn watch(self, host: usize, handle: Handle, rooms: Vec<RoomName>, back: bool) {
        let mut reports = handle.subscribe();
        // Read in the history, and perhaps still to be reported.
        let mut read = if back { self.catch_up(host, &handle, &rooms).await } else { BTreeSet::new() };
        loop {
            match reports.recv().await {
                Ok(NodeEvent::Message(message)) => {
                    if let Some(id) = event_id(&message.id).filter(|id| !read.remove(id)) {
                        self.lock().ledger.shown(self.now_ms(), host, id);
                    }
                }
                Ok(NodeEvent::Direct(message)) => self.shown(host, &handle, message),
                Ok(event) => self.note(host, event),
                Err(RecvError::Lagged(_)) => {
                    // What is retained is in the history, too.
                    reports = handle.subscribe();
                    read = self.catch_up(host, &handle, &rooms).await;
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// A direct message became durable on a host's disk.
    pub fn stored(&self, host: usize, place: Place, message: &DirectMessage) {
        let now_ms = self.now_ms();
        self.lock().mail.stored(now_ms, host, place, message);
    }

    /// The vault of a host did something with a file.
    pub fn did(&self, host: usize, root: BlobId, deed: vault::Deed) {
        let now_ms = self.now_ms();
        let notes = &mut *self.lock();
        if let Some(file) = notes.files.did(now_ms, host, root, deed) {
            notes.ledger.history.note(host, now_ms, Deed::Fetched(file as u32));
        }
    }

    /// Somebody asked a hostile host for a block.
    pub fn asked_liar(&self, host: usize, asker: PeerId) {
        *self.lock().asked_of_liars.entry((host, asker)).or_default() += 1;
    }

    /// A node shows its user a direct message. Every other user reads what comes.
    fn shown(&self, host: usize, handle: &Handle, message: DirectMessage) {
        let now_ms = self.now_ms();
        let mut notes = self.lock();
        let Some(author) = notes.mail.shown(now_ms, host, &message) else { return };
        notes.ledger.history.note(host, now_ms, Deed::Got(author as u32));
        let Some(from) = message.from.parse().ok().filter(|_| host.is_multiple_of(2)) else { return };
        notes.mail.read(author, host);
        let handle = handle.clone();
        tokio::spawn(async move {
            // `Err` when the node stops, or its disk refuses; then the message is as unread as before.
            let _ = handle.mark_read(from, None).await;
        });
    }

    fn note(&self, host: usize, event: NodeEvent) {
        let now_ms = self.now_ms();
        let mut notes = self.lock();
        match event {
            NodeEvent::PeerConnected { peer_id, .. } => {
                if let Some(&other) = notes.by_peer_id.get(&peer_id) {
                    notes.connected[host].insert(other);
                    notes.ledger.history.note(host, now_ms, Deed::Connected(other));
                }
            }
            NodeEvent::PeerDisconnected { peer_id } => {
                if let Some(&other) = notes.by_peer_id.get(&peer_id) {
                    notes.connected[host].remove(&other);
                    notes.ledger.history.note(host, now_ms, Deed::Disconnected(other));
                }
            }
            NodeEvent::DirectState { id, state, .. } => {
                if let Some(number) = notes.mail.told(now_ms, host, &id, state) {
                    let to = notes.mail.letters()[number].to as u32;
                    notes.ledger.history.note(host, now_ms, Deed::Told(to, state));
                }
            }
            NodeEvent::Share(share) => notes.files.told(now_ms, host, &share),
            _ => {}
        }
    }

    /// Reports were missed: history has every message. Returns those that it read.
    async fn catch_up(&self, host: usize, handle: &Handle, rooms: &[RoomName]) -> BTreeSet<[u8; 32]> {
        let mut read = BTreeSet::new();
        for room in rooms {
            // `Err` when the node stops; then there is nobody to read it.
            let Ok(messages) = handle.history(room.clone(), None, node::handle::MAX_HISTORY_LIMIT).await else {
                return read;
            };
            let now_ms = self.now_ms();
            let mut notes = self.lock();
            for id in messages.iter().filter_map(|message| event_id(&message.id)) {
                notes.ledger.read(now_ms, host, id);
                read.insert(id);
            }
        }
        read
    }
}

/// The bytes of an id in hexadecimal.
pub fn event_id(text: &str) -> Option<[u8; 32]> {
    let mut id = [0; 32];
    hex::decode_to_slice(text, &mut id).ok().map(|()| id)
}
