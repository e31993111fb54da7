//! Says that it has a file, and gives something else.
//!
//! It provides the file's root in Kademlia, and meets everybody it is connected with, so that those who fetch the file learn of it from
//! those who know it. Hashes, and what it does not lie about, are true: whoever gives nothing but nonsense is found out too soon.
//!
//! | fault | hashes | blocks |
//! |---|---|---|
//! | wrong-bytes | right | one byte changed |
//! | wrong-hashes | one bit changed | right |
//! | lacks | right | each is refused, as not there |
//! | stall | right | never answered |
//! | trickle | right | a byte a second |
//! | vanish | right | [`BEFORE_VANISHING`], then it is gone |
//! | babble | right | an answer to a question that nobody asked, before each |

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, future::BoxFuture};
use libp2p::{PeerId, Stream, kad::RecordKey};
use proto::{
    blob::Blocks,
    time::Now,
    transfer::message::{
        Delivery, MAX_LANE_FRAME_BYTES, Met, Order, Piece, Refusal, Reply, ShareAnswer, ShareQuestion, Tree,
    },
    wire,
};

use super::peer::{Peer, Trick};
use crate::{scenario::Fault, truth::Truth};

/// Blocks that one who vanishes gives before.
const BEFORE_VANISHING: usize = 2;

/// Milliseconds from the first time that the root is provided to the second; twice as long to the third, and so on.
const PROVIDE_MS: u64 = 4_000;

/// Peers that are met in one look.
const MAX_MET: usize = 8;

/// Lies about a file.
pub struct LyingSeeder {
    lie: Arc<Lie>,
    met: BTreeSet<PeerId>,
    provide_at_ms: u64,
    wait_ms: u64,
}

/// What its lanes have in common.
struct Lie {
    truth: Arc<Truth>,
    fault: Fault,
    /// Blocks that were asked for in this life.
    asked: AtomicUsize,
    /// Is told of each, and by whom.
    told: Arc<dyn Fn(PeerId) + Send + Sync>,
}

impl LyingSeeder {
    /// Lies so from now on.
    pub fn new(now: Now, truth: Arc<Truth>, fault: Fault, told: Arc<dyn Fn(PeerId) + Send + Sync>) -> Self {
        let lie = Lie { truth, fault, asked: AtomicUsize::new(0), told };
        Self { lie: Arc::new(lie), met: BTreeSet::new(), provide_at_ms: now.mono_ms, wait_ms: PROVIDE_MS }
    }
}

impl Trick for LyingSeeder {
    /// Provides what is due, and meets those who are new.
    fn act(&mut self, peer: &mut Peer) {
        let now_ms = peer.now().mono_ms;
        let root = self.lie.truth.root();
        if now_ms >= self.provide_at_ms && !peer.connected.is_empty() {
            self.provide_at_ms = now_ms + self.wait_ms;
            self.wait_ms *= 2;
            // `Err` when there are too many.
            let _ = peer.swarm.behaviour_mut().kad.start_providing(RecordKey::new(&root.0));
        }
        self.met.retain(|met| peer.connected.contains(met));
        let new: Vec<PeerId> = peer.connected.difference(&self.met).take(MAX_MET).copied().collect();
        for new in new {
            self.met.insert(new);
            let question = wire::encode(&ShareQuestion::Meet { share: root });
            peer.swarm.behaviour_mut().shares.send_request(&new, question);
        }
    }

    fn answer_share(&mut self, question: ShareQuestion) -> ShareAnswer {
        self.lie.answer(question)
    }

    fn lane(&mut self, from: PeerId, lane: Stream) -> Option<BoxFuture<'static, ()>> {
        let lie = Arc::clone(&self.lie);
        let serve = async move {
            // The getter may have closed it.
            let _ = lie.serve(from, lane).await;
        };
        Some(serve.boxed())
    }

    fn is_over(&self) -> bool {
        self.lie.has_vanished()
    }
}

impl Lie {
    fn has_vanished(&self) -> bool {
        self.fault == Fault::Vanish && self.asked.load(Ordering::Relaxed) > BEFORE_VANISHING
    }

    fn answer(&self, question: ShareQuestion) -> ShareAnswer {
        let outline = self.truth.outline();
        match question {
            ShareQuestion::Meet { share } if share == self.truth.root() => ShareAnswer::Met(Met {
                content: Some(outline.content()),
                name: self.truth.name().as_str().into(),
                have: Some(Blocks::all(outline.layout().blocks())),
                others: Vec::new(),
            }),
            ShareQuestion::Meet { .. } => ShareAnswer::Unknown,
            ShareQuestion::Layer { share, of: Tree::File(file), range } if share == self.truth.root() => {
                let part = outline.layer(file).and_then(|layer| layer.part(range).ok());
                let Some(mut part) = part else { return ShareAnswer::Lacks };
                if self.fault == Fault::WrongHashes
                    && let Some(hash) = part.hashes.first_mut()
                {
                    hash[0] ^= 1;
                }
                ShareAnswer::Layer(part)
            }
            ShareQuestion::Layer { .. } => ShareAnswer::Lacks,
            ShareQuestion::Tell { .. } => ShareAnswer::Noted,
        }
    }

    /// Answers on a lane, until the other side closes it.
    async fn serve(&self, from: PeerId, mut lane: Stream) -> io::Result<()> {
        loop {
            let mut len = [0; 2];
            lane.read_exact(&mut len).await?;
            let mut frame = vec![0; usize::from(u16::from_be_bytes(len))];
            lane.read_exact(&mut frame).await?;
            let order = wire::decode::<Order, MAX_LANE_FRAME_BYTES>(&frame).map_err(io::Error::other)?;
            let Order::Ask { number, piece: Piece::Block(block), .. } = order else { continue };
            self.asked.fetch_add(1, Ordering::Relaxed);
            (self.told)(from);
            if self.has_vanished() {
                return Ok(());
            }
            let mut bytes = self.truth.block(block);
            match self.fault {
                Fault::Stall => std::future::pending::<()>().await,
                Fault::Lacks => {
                    lane.write_all(&framed(number, Reply::Refused(Refusal::Lacks))).await?;
                    lane.flush().await?;
                    continue;
                }
                Fault::Babble => {
                    lane.write_all(&framed(number + 1_000_000, Reply::Bytes(5))).await?;
                    lane.write_all(b"hello").await?;
                }
                Fault::WrongBytes => bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1),
                Fault::WrongHashes | Fault::Trickle | Fault::Vanish => {}
            }
            lane.write_all(&framed(number, Reply::Bytes(bytes.len() as u32))).await?;
            if self.fault == Fault::Trickle {
                for byte in &bytes {
                    lane.write_all(&[*byte]).await?;
                    lane.flush().await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                continue;
            }
            lane.write_all(&bytes).await?;
            lane.flush().await?;
        }
    }
}

/// A delivery as it stands on a lane.
fn framed(number: u64, reply: Reply) -> Vec<u8> {
    let frame = wire::encode(&Delivery { number, reply });
    // Frames of a lane are short.
    let mut bytes = (frame.len() as u16).to_be_bytes().to_vec();
    bytes.extend(frame);
    bytes
}
