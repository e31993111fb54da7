//! A lane on which we give blocks.
//!
//! | a question is | when | then |
//! |---|---|---|
//! | open | it came | the swarm's task says whether it is served, or the peer takes it back |
//! | being answered | its turn has come | read by the vault, up to [`MAX_READ_AHEAD`] at a time, and sent in their order |
//! | on its way | it was sent | the peer says that it is there; if that takes longer than [`ARRIVE`], the lane ends |
//!
//! While [`MAX_OPEN`] questions are open, no more are read: a peer that asks and asks waits at its own end.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt, TryFutureExt,
    future::BoxFuture,
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
};
use libp2p::Stream;
use proto::transfer::{
    MAX_BLOCK_BYTES,
    message::{Delivery, Order, Piece, Refusal, Reply},
    upload::MAX_QUEUED_EACH,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};

use super::{Answer, Asked, Ends, LaneEvent, frames};
use crate::files::{
    lock,
    vault::{Vault, VaultError},
};

/// Blocks that are read while one is sent.
const MAX_READ_AHEAD: usize = 4;

/// Questions of one lane that are not answered: as many as a peer may queue, and some for manifests and for refusals.
const MAX_OPEN: usize = MAX_QUEUED_EACH + 64;

/// Orders that are read of one lane in a second: each is work for the swarm's task, and two for each block of full length at that rate are
/// more than any network carries. The rest waits at the peer's end.
const MAX_ORDERS_A_SECOND: u32 = 8_000;

const SECOND: Duration = Duration::from_secs(1);

/// How long a peer may take to read one block: slower than 2 KiB/s is of no use to it, and keeps blocks in memory here.
const WRITE: Duration = Duration::from_secs(120);

/// How long blocks may be on their way to a peer: as many as the network takes at once, at that rate.
const ARRIVE: Duration = Duration::from_secs(240);

/// How often it is looked whether one was for too long.
const LOOK: Duration = Duration::from_secs(20);

/// What happens on a lane.
#[derive(Debug)]
pub enum Told {
    /// The peer wants a piece.
    Asked(Asked),
    /// It does not want it any more.
    TakenBack(u64),
    /// A piece is there: so many bytes, in so many milliseconds.
    Arrived {
        /// The question.
        number: u64,
        /// Bytes.
        bytes: u32,
        /// Milliseconds from the answer until the peer had said so.
        took_ms: u64,
    },
    /// It did not, because the vault does not have it any more, or cannot read it now.
    Failed(Asked, VaultError),
}

/// The swarm's end of such a lane.
pub struct Giving {
    answers: mpsc::Sender<Answer>,
    open: Arc<Semaphore>,
}

impl Giving {
    /// A lane over a stream, and the task that is to be run for it.
    pub fn new(
        ends: Ends,
        stream: Stream,
        vault: Arc<dyn Vault>,
        events: mpsc::Sender<LaneEvent>,
    ) -> (Self, BoxFuture<'static, ()>) {
        let (answers, receiver) = mpsc::channel(MAX_OPEN);
        let open = Arc::new(Semaphore::new(MAX_OPEN));
        let (read, write) = stream.split();
        let away = Away::default();
        let reading = Reading { ends, events: events.clone(), open: Arc::clone(&open), away: away.clone() };
        let writing = Writing { ends, events: events.clone(), open: Arc::clone(&open), away: away.clone(), vault };
        let task = async move {
            let first = tokio::select! {
                read = reading.run(read) => read,
                written = writing.run(receiver, write) => written,
                () = away.too_long() => Err(io::ErrorKind::TimedOut.into()),
            };
            if let Err(error) = first {
                tracing::debug!(peer = %ends.peer, "a lane ended: {error}");
            }
            // The swarm's task may have ended.
            let _ = events.send(LaneEvent::Ended(ends.lane)).await;
        };
        (Self { answers, open }, task.boxed())
    }

    /// Answers a question. There is room for as many as are open.
    pub fn answer(&self, answer: Answer) {
        // If the lane has ended, that is told.
        let _ = self.answers.try_send(answer);
    }

    /// A question that was taken back needs no answer.
    pub fn forget(&self) {
        self.open.add_permits(1);
    }
}

/// Pieces on their way, by number: how many bytes, and since when. No more than the uploads serve to one peer at a time.
#[derive(Clone, Default)]
struct Away(Arc<Mutex<BTreeMap<u64, (u32, Instant)>>>);

impl Away {
    /// A piece goes out.
    fn sent(&self, number: u64, bytes: u32, since: Instant) {
        lock(&self.0).insert(number, (bytes, since));
    }

    /// It is there. `None` if it was not on its way.
    fn arrived(&self, number: u64) -> Option<(u32, Instant)> {
        lock(&self.0).remove(&number)
    }

    /// Waits until one is on its way for too long.
    async fn too_long(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if lock(&self.0).values().any(|(_, since)| since.elapsed() > ARRIVE) {
                return;
            }
        }
    }
}

struct Reading {
    ends: Ends,
    events: mpsc::Sender<LaneEvent>,
    open: Arc<Semaphore>,
    away: Away,
}

impl Reading {
    async fn run(self, mut read: ReadHalf<Stream>) -> io::Result<()> {
        let (mut since, mut orders) = (Instant::now(), 0);
        loop {
            if orders >= MAX_ORDERS_A_SECOND {
                tokio::time::sleep_until(since + SECOND).await;
            }
            if since.elapsed() >= SECOND {
                (since, orders) = (Instant::now(), 0);
            }
            orders += 1;
            let permit = self.open.acquire().await.map_err(io::Error::other)?;
            let Some(order) = frames::read(&mut read).await? else { return Ok(()) };
            let told = match order {
                Order::Ask { number, share, piece } => {
                    // Given back when the question is answered.
                    permit.forget();
                    Told::Asked(Asked { number, share, piece })
                }
                Order::TakeBack { number } => Told::TakenBack(number),
                Order::Received { number } => {
                    let (bytes, since) = self.away.arrived(number).ok_or(io::ErrorKind::InvalidData)?;
                    let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                    Told::Arrived { number, bytes, took_ms }
                }
            };
            tell(&self.events, self.ends, told).await?;
        }
    }
}

struct Writing {
    ends: Ends,
    events: mpsc::Sender<LaneEvent>,
    open: Arc<Semaphore>,
    away: Away,
    vault: Arc<dyn Vault>,
}

/// What is to be written, and what became of it.
enum Ready {
    Bytes(Asked, Vec<u8>, Instant),
    Failed(Asked, VaultError),
    Refused(u64, Refusal),
}

impl Writing {
    async fn run(self, answers: mpsc::Receiver<Answer>, mut write: WriteHalf<Stream>) -> io::Result<()> {
        let answers = futures::stream::unfold(answers, |mut answers| async move {
            answers.recv().await.map(|answer| (answer, answers))
        });
        let mut ready = std::pin::pin!(answers.map(|answer| self.prepare(answer)).buffered(MAX_READ_AHEAD));
        while let Some(ready) = ready.next().await {
            let (delivery, bytes) = match &ready {
                Ready::Bytes(asked, bytes, _) => {
                    (delivery(asked.number, Reply::Bytes(bytes.len() as u32)), bytes.as_slice())
                }
                Ready::Failed(asked, why) => (delivery(asked.number, Reply::Refused(refusal(why))), [].as_slice()),
                Ready::Refused(number, why) => (delivery(*number, Reply::Refused(*why)), [].as_slice()),
            };
            if let Ready::Bytes(asked, bytes, since) = &ready {
                // Before it is sent, or the peer could say that it is there before that is known.
                self.away.sent(asked.number, bytes.len() as u32, *since);
            }
            let sent = async {
                write.write_all(&frames::encoded(&delivery)).await?;
                write.write_all(bytes).await?;
                write.flush().await
            };
            tokio::time::timeout(WRITE, sent).await??;
            self.open.add_permits(1);
            match ready {
                Ready::Failed(asked, error) => tell(&self.events, self.ends, Told::Failed(asked, error)).await?,
                Ready::Bytes(..) | Ready::Refused(..) => {}
            }
        }
        Ok(())
    }

    fn prepare(&self, answer: Answer) -> BoxFuture<'static, Ready> {
        match answer {
            Answer::Refuse(number, why) => futures::future::ready(Ready::Refused(number, why)).boxed(),
            Answer::Serve(asked) => {
                let since = Instant::now();
                let bytes = match asked.piece {
                    Piece::Manifest(chunk) => self.vault.manifest_chunk(asked.share, chunk),
                    Piece::Block(block) => self.vault.read(asked.share, block),
                };
                let checked = bytes.map_ok_or_else(
                    move |error| Ready::Failed(asked, error),
                    move |bytes| match bytes.len() <= MAX_BLOCK_BYTES as usize {
                        true => Ready::Bytes(asked, bytes, since),
                        false => Ready::Failed(asked, VaultError::Unknown),
                    },
                );
                checked.boxed()
            }
        }
    }
}

/// What a peer is told: who lacks what it said it had is taken for a liar, who cannot read it just now is asked again.
fn refusal(why: &VaultError) -> Refusal {
    match why {
        VaultError::Unknown | VaultError::Lost(_) => Refusal::Lacks,
        VaultError::Changed(_) => Refusal::Gone,
        _ => Refusal::Busy,
    }
}

fn delivery(number: u64, reply: Reply) -> Delivery {
    Delivery { number, reply }
}

async fn tell(events: &mpsc::Sender<LaneEvent>, ends: Ends, told: Told) -> io::Result<()> {
    events.send(LaneEvent::Told(ends.lane, told)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}
