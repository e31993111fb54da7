//! A lane on which we get blocks.
//!
//! | a question is | when | then |
//! |---|---|---|
//! | open | it was sent | delivered, refused, or taken back |
//! | taken back | nobody wants the answer any more | its bytes are thrown away, if they come |
//! | delivered | its bytes are here | kept or found wrong by the vault; up to [`MAX_IN_HAND`] at a time, and nothing more is read meanwhile |
//!
//! A peer that sends what was not asked for, or more than a block, has broken the protocol; the lane ends.

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    io::{AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf},
    stream::FuturesUnordered,
};
use libp2p::Stream;
use proto::transfer::{
    MAX_BLOCK_BYTES,
    download::MAX_REQUESTS_EACH,
    message::{Delivery, Order, Piece, Refusal, Reply},
};
use tokio::sync::mpsc;

use super::{Asked, Ends, LaneEvent, frames};
use crate::files::vault::{Vault, VaultError};

/// Blocks that the vault is given at a time: as many as keep a disk and a core busy while the next is read from the stream.
const MAX_IN_HAND: usize = 4;

/// Orders on their way to the lane's task: what may be open, and as many that are taken back. More fail.
pub const MAX_ORDERS: usize = 2 * (MAX_REQUESTS_EACH + 64);

/// Seconds after which a lane on which nothing is asked is closed: the connection may have no other use.
const IDLE: Duration = Duration::from_secs(30);

/// How long a peer may take to read a few orders. Meanwhile nothing else is done on the lane.
const WRITE: Duration = Duration::from_secs(20);

/// Bytes read from the stream at once, for frames: blocks are read past it.
const BUFFER_BYTES: usize = 4 * 1024;

/// What a lane brings.
#[derive(Debug)]
pub enum Got {
    /// A whole piece is here: so many bytes. What becomes of it is told next.
    Received(u64, u32),
    /// A block was right, and is being kept.
    Kept(u64),
    /// A block was wrong.
    Wrong(u64),
    /// A block could not be kept.
    NotKept(u64, VaultError),
    /// The bytes of a piece that is not to be kept. Whoever wants it checks it.
    Bytes(u64, Vec<u8>),
    /// Nothing will come.
    Refused(u64, Refusal),
}

/// The swarm's end of such a lane.
pub struct Getting {
    orders: mpsc::Sender<Wanted>,
}

impl Getting {
    /// A lane over a stream, and the task that is to be run for it.
    pub fn new(
        ends: Ends,
        stream: Stream,
        vault: Arc<dyn Vault>,
        events: mpsc::Sender<LaneEvent>,
    ) -> (Self, BoxFuture<'static, ()>) {
        let (orders, receiver) = mpsc::channel(MAX_ORDERS);
        let (read, write) = stream.split();
        let task = async move {
            let mut lane = Lane {
                ends,
                vault,
                events: events.clone(),
                open: HashMap::new(),
                taken_back: 0,
                in_hand: FuturesUnordered::new(),
            };
            if let Err(error) = lane.run(receiver, read, write).await {
                tracing::debug!(peer = %ends.peer, "a lane ended: {error}");
            }
            // What came whole is checked and kept, and told of, also after the end: else nobody knows that it is to be asked for again.
            while let Some(got) = lane.in_hand.next().await {
                if lane.tell(got).await.is_err() {
                    return;
                }
            }
            // The swarm's task may have ended.
            let _ = events.send(LaneEvent::Ended(ends.lane)).await;
        };
        (Self { orders }, task.boxed())
    }

    /// Asks for a piece, which the vault is to keep, or which is wanted here; whether there was room for the question.
    pub fn ask(&self, asked: Asked, keep: bool) -> bool {
        self.orders.try_send(Wanted::Piece { asked, keep }).is_ok()
    }

    /// Takes a question back.
    pub fn take_back(&self, number: u64) {
        // If there is no room the answer comes, and is not looked at.
        let _ = self.orders.try_send(Wanted::Nothing(number));
    }
}

/// What the swarm's task says.
#[derive(Debug)]
enum Wanted {
    /// A piece, to be kept or to be handed over.
    Piece { asked: Asked, keep: bool },
    /// No more that of this number.
    Nothing(u64),
}

struct Lane {
    ends: Ends,
    vault: Arc<dyn Vault>,
    events: mpsc::Sender<LaneEvent>,
    /// Never iterated. At most as many as the downloads ask.
    open: HashMap<u64, (Asked, bool)>,
    /// Questions that were taken back: so many answers may still come.
    taken_back: usize,
    in_hand: FuturesUnordered<BoxFuture<'static, Got>>,
}

impl Lane {
    async fn run(
        &mut self,
        mut orders: mpsc::Receiver<Wanted>,
        read: ReadHalf<Stream>,
        mut write: WriteHalf<Stream>,
    ) -> io::Result<()> {
        let deliveries = deliveries(BufReader::with_capacity(BUFFER_BYTES, read));
        let mut deliveries = std::pin::pin!(deliveries);
        loop {
            let is_idle = self.open.is_empty() && self.in_hand.is_empty();
            tokio::select! {
                biased;
                Some(got) = self.in_hand.next() => self.tell(got).await?,
                order = orders.recv() => match order {
                    Some(order) => self.order(order, &mut orders, &mut write).await?,
                    None => return Ok(()),
                },
                delivery = deliveries.next(), if self.in_hand.len() < MAX_IN_HAND => match delivery {
                    Some(delivery) => {
                        let (delivery, bytes) = delivery?;
                        if let Reply::Bytes(_) = delivery.reply {
                            let received = Order::Received { number: delivery.number };
                            send(&mut write, &frames::encoded(&received)).await?;
                        }
                        self.delivered(delivery, bytes).await?;
                    }
                    None => return Ok(()),
                },
                () = tokio::time::sleep(IDLE), if is_idle => return Ok(()),
            }
        }
    }

    /// Sends an order, and those that wait behind it.
    async fn order(
        &mut self,
        first: Wanted,
        more: &mut mpsc::Receiver<Wanted>,
        write: &mut WriteHalf<Stream>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Wanted::Piece { asked, keep } => {
                    let Asked { number, share, piece } = asked;
                    self.open.insert(number, (asked, keep));
                    bytes.extend(frames::encoded(&Order::Ask { number, share, piece }));
                }
                // It may be answered already.
                Wanted::Nothing(number) if self.open.remove(&number).is_some() => {
                    self.taken_back += 1;
                    bytes.extend(frames::encoded(&Order::TakeBack { number }));
                }
                Wanted::Nothing(_) => {}
            }
            next = more.try_recv().ok();
        }
        send(write, &bytes).await
    }

    async fn delivered(&mut self, delivery: Delivery, bytes: Vec<u8>) -> io::Result<()> {
        let Some((asked, keep)) = self.open.remove(&delivery.number) else {
            // Not every answer that was taken back comes; none comes that was not asked for.
            self.taken_back = self.taken_back.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
            return Ok(());
        };
        match (delivery.reply, asked.piece) {
            (Reply::Refused(why), _) => self.tell(Got::Refused(asked.number, why)).await,
            (Reply::Bytes(len), Piece::Block(block)) if keep => {
                self.tell(Got::Received(asked.number, len)).await?;
                let written = self.vault.write(asked.share, block, bytes);
                self.in_hand.push(Box::pin(async move {
                    match written.await {
                        Ok(()) => Got::Kept(asked.number),
                        Err(VaultError::Wrong) => Got::Wrong(asked.number),
                        Err(error) => Got::NotKept(asked.number, error),
                    }
                }));
                Ok(())
            }
            (Reply::Bytes(_), _) => self.tell(Got::Bytes(asked.number, bytes)).await,
        }
    }

    async fn tell(&mut self, got: Got) -> io::Result<()> {
        self.events.send(LaneEvent::Got(self.ends.lane, got)).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Sends orders.
async fn send(write: &mut WriteHalf<Stream>, orders: &[u8]) -> io::Result<()> {
    let sent = async {
        write.write_all(orders).await?;
        write.flush().await
    };
    tokio::time::timeout(WRITE, sent).await?
}

/// What comes on the stream, each with its bytes. Reading is not cancel safe, so that it must not be a branch of a `select!` itself.
fn deliveries(io: BufReader<ReadHalf<Stream>>) -> impl futures::Stream<Item = io::Result<(Delivery, Vec<u8>)>> {
    futures::stream::try_unfold(io, |mut io| async move {
        let Some(delivery) = frames::read::<Delivery>(&mut io).await? else { return Ok(None) };
        let mut bytes = Vec::new();
        if let Reply::Bytes(len) = delivery.reply {
            if len > MAX_BLOCK_BYTES {
                return Err(io::ErrorKind::InvalidData.into());
            }
            bytes.reserve_exact(len as usize);
            let read = (&mut io).take(len.into()).read_to_end(&mut bytes).await?;
            if read < len as usize {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some(((delivery, bytes), io)))
    })
}
