//! Events by the hundred thousand, written into the store of a node that does not run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use harness::{Node, NodeOptions};
use node::store::{
    Batch, Request, Store,
    sled::{Options, SledStore},
};
use proto::{
    Keypair,
    channel::{LOBBY, RoomName},
    chat::ChatMessage,
    event::{Event, SignedEvent},
    hlc::Timestamp,
    ids::{EventId, LogId},
    signature::Signer,
};
use tokio::sync::oneshot;

/// Events in one commit.
const COMMIT_EVENTS: usize = 500;

/// Authors who take turns.
const AUTHORS: u64 = 10;

/// Whether each event has a signature of its own, as those have that were said one by one, or one for each commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// As it comes about when people talk.
    Each,
    /// Much quicker to make.
    Last,
}

/// A stopped node whose lobby holds `count` events of about 200 bytes, by authors who are not there.
pub async fn node_holding(count: u64, signed: Signed) -> Node {
    let mut node = Node::start(NodeOptions::named("keeper")).await;
    assert_eq!(node.stop().await, Some(0));
    let opened = SledStore::open(&store_directory(node.data_dir()), Options::new(1)).expect("the store opens");
    let mut logs: Vec<Log> = (0..AUTHORS).map(Log::new).collect();
    let now = u64::try_from(std::time::UNIX_EPOCH.elapsed().expect("past 1970").as_millis()).expect("it fits");
    let mut time = Timestamp::from_ms(now - count);
    let mut made = 0;
    while made < count {
        for log in &mut logs {
            let commit = COMMIT_EVENTS.min(usize::try_from(count - made).expect("it fits"));
            let events = log.write(commit, &mut time, signed);
            made += events.len() as u64;
            if events.is_empty() {
                break;
            }
            let (reply, answer) = oneshot::channel();
            let batch = Batch { events, ..Batch::default() };
            opened.store.submit(Request::Commit { batch, reply }).expect("the store takes it");
            answer.await.expect("the store answers").expect("the store keeps it");
        }
    }
    let (reply, answer) = oneshot::channel();
    opened.store.submit(Request::Close { reply }).expect("the store takes it");
    answer.await.expect("the store answers").expect("the store closes");
    drop(opened);
    node
}

/// The directory that a store marks with its format.
fn store_directory(data_dir: &Path) -> PathBuf {
    let mut entries = fs::read_dir(data_dir).expect("a data directory").flatten().map(|entry| entry.path());
    entries.find(|path| path.join("format").is_file()).expect("the node has a store")
}

struct Log {
    signer: Signer,
    id: LogId,
    seq: u64,
    prev: EventId,
}

impl Log {
    fn new(number: u64) -> Self {
        let signer = Signer::new(Keypair::generate_ed25519()).expect("the key is Ed25519");
        Self { signer, id: LogId(number), seq: 0, prev: EventId::NONE }
    }

    fn write(&mut self, count: usize, time: &mut Timestamp, signed: Signed) -> Vec<SignedEvent> {
        let channel = LOBBY.parse::<RoomName>().expect("a name").channel();
        let mut events: Vec<SignedEvent> = Vec::with_capacity(count);
        for number in 0..count {
            *time = Timestamp(time.0 + 1);
            self.seq += 1;
            // Some 90 characters make an event of 200 bytes.
            let text = format!("{:>90}", format!("event {} of a long conversation, as long as people write", self.seq));
            let body = ChatMessage::new("author", &text).expect("it can be said").to_body();
            let (author, log, seq, prev, hlc) = (self.signer.author(), self.id, self.seq, self.prev, *time);
            let event = Event { channel, author, log, seq, prev, hlc, body };
            self.prev = event.id();
            events.push(if signed == Signed::Each || number + 1 == count {
                SignedEvent::create(&self.signer, event)
            } else {
                SignedEvent { id: self.prev, event, signature: None }
            });
        }
        events
    }
}
