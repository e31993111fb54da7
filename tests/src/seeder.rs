//! A peer that shares a file as no node would: it sends wrong bytes, or nothing, or lies about what it has. It shares no code with the
//! node's own swarm, only the wire types.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_stream as stream;
use proto::{
    blob::{Blocks, outline::Outline},
    transfer::message::{
        Delivery, MAX_LANE_FRAME_BYTES, MAX_QUESTION_BYTES, Met, Order, Piece, Refusal, Reply, ShareAnswer,
        ShareQuestion, Tree,
    },
    wire,
};

use crate::attacker::RawCodec;

const SHARES: StreamProtocol = StreamProtocol::new("/starling/share/1");
const LANES: StreamProtocol = StreamProtocol::new("/starling/block/1");

/// Bytes that one who vanishes gives before.
const BEFORE_VANISHING: usize = 2;

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Honest,
    /// Changes a byte of each block.
    Corrupt,
    /// Sends hashes that are not those of the file.
    WrongHashes,
    /// Never answers on a lane.
    Stall,
    /// Sends a byte a second.
    Trickle,
    /// Says that it has all, and then of each block that it lacks it.
    Lie,
    /// Sends what nobody asked for.
    Babble,
    /// Is gone after a few blocks.
    Vanish,
    /// Sends a wrong block, and closes the lane before anybody can have looked at it.
    HitAndRun,
}

/// The peer. It leaves when it is dropped.
pub struct Seeder {
    /// Its peer id.
    pub peer_id: PeerId,
    /// Where it listens, with its peer id.
    pub address: Multiaddr,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    shares: request_response::Behaviour<RawCodec>,
    lanes: stream::Behaviour,
}

/// What it shares.
struct Shared {
    outline: Outline,
    bytes: Vec<u8>,
    fault: Fault,
    asked: Arc<AtomicUsize>,
}

impl Seeder {
    /// One that listens and shares a file of these bytes.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn open(outline: Outline, bytes: Vec<u8>, fault: Fault) -> Self {
        let keypair = Keypair::generate_ed25519();
        let mut swarm = swarm(&keypair);
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("it can listen");
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let peer_id = keypair.public().to_peer_id();
        let asked: Arc<AtomicUsize> = Arc::default();
        let shared = Arc::new(Shared { outline, bytes, fault, asked: Arc::clone(&asked) });
        let task = tokio::spawn(run(swarm, shared));
        Self { peer_id, address: address.with(Protocol::P2p(peer_id)), asked, task }
    }

    /// Pieces that it was asked for and gave as its fault has it: blocks, or hashes if these are wrong.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Seeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn swarm(keypair: &Keypair) -> Swarm<Behaviour> {
    let public = keypair.public();
    let behaviour = |_: &Keypair| Behaviour {
        identify: identify::Behaviour::new(identify::Config::new("/starling/1".into(), public)),
        ping: ping::Behaviour::default(),
        shares: request_response::Behaviour::with_codec(
            RawCodec,
            [(SHARES, ProtocolSupport::Full)],
            request_response::Config::default(),
        ),
        lanes: stream::Behaviour::new(),
    };
    SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("noise takes any key")
        .with_behaviour(behaviour)
        .expect("behaviours do not fail")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

async fn run(mut swarm: Swarm<Behaviour>, shared: Arc<Shared>) {
    let mut lanes = swarm.behaviour().lanes.new_control().accept(LANES).expect("only once");
    let (gone, mut vanished) = tokio::sync::mpsc::channel(1);
    loop {
        tokio::select! {
            Some((_, lane)) = lanes.next() => {
                let (shared, gone) = (Arc::clone(&shared), gone.clone());
                tokio::spawn(async move {
                    // The getter may have closed it.
                    let _ = serve(lane, &shared).await;
                    if shared.fault == Fault::Vanish {
                        // It vanishes once.
                        let _ = gone.send(()).await;
                    }
                });
            }
            Some(()) = vanished.recv() => return,
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(BehaviourEvent::Shares(request_response::Event::Message {
                    message: request_response::Message::Request { request, channel, .. }, ..
                })) = event {
                    let answer = match wire::decode::<ShareQuestion, MAX_QUESTION_BYTES>(&request) {
                        Ok(question) => shared.answer(question),
                        Err(_) => ShareAnswer::Unavailable,
                    };
                    // It may be gone.
                    let _ = swarm.behaviour_mut().shares.send_response(channel, wire::encode(&answer));
                }
            }
        }
    }
}

impl Shared {
    fn answer(&self, question: ShareQuestion) -> ShareAnswer {
        match question {
            ShareQuestion::Meet { share } if share == self.outline.content().id() => ShareAnswer::Met(Met {
                content: Some(self.outline.content()),
                name: "file".into(),
                have: Some(Blocks::all(self.outline.layout().blocks())),
                others: Vec::new(),
            }),
            ShareQuestion::Meet { .. } => ShareAnswer::Unknown,
            ShareQuestion::Layer { of: Tree::File(file), range, .. } => {
                let part = self.outline.layer(file).and_then(|layer| layer.part(range).ok());
                let Some(mut part) = part else { return ShareAnswer::Lacks };
                if self.fault == Fault::WrongHashes {
                    self.asked.fetch_add(1, Ordering::Relaxed);
                    part.hashes[0][0] ^= 1;
                }
                ShareAnswer::Layer(part)
            }
            ShareQuestion::Layer { .. } => ShareAnswer::Lacks,
            ShareQuestion::Tell { .. } => ShareAnswer::Noted,
        }
    }

    fn block(&self, block: u32) -> Vec<u8> {
        let parts = self.outline.layout().block(block);
        parts.flat_map(|part| self.bytes[part.offset as usize..][..part.len as usize].to_vec()).collect()
    }
}

async fn serve(mut lane: Stream, shared: &Shared) -> io::Result<()> {
    loop {
        let mut len = [0; 2];
        lane.read_exact(&mut len).await?;
        let mut frame = vec![0; usize::from(u16::from_be_bytes(len))];
        lane.read_exact(&mut frame).await?;
        let order = wire::decode::<Order, MAX_LANE_FRAME_BYTES>(&frame).map_err(io::Error::other)?;
        let Order::Ask { number, piece: Piece::Block(block), .. } = order else { continue };
        let before = shared.asked.fetch_add(1, Ordering::Relaxed);
        let mut bytes = shared.block(block);
        let head = |number: u64, reply: Reply| framed(&Delivery { number, reply });
        match shared.fault {
            Fault::Stall => std::future::pending::<()>().await,
            Fault::Vanish if before >= BEFORE_VANISHING => return Ok(()),
            Fault::Lie => {
                lane.write_all(&head(number, Reply::Refused(Refusal::Lacks))).await?;
                lane.flush().await?;
                continue;
            }
            Fault::Babble => {
                lane.write_all(&head(number + 1_000_000, Reply::Bytes(5))).await?;
                lane.write_all(b"hello").await?;
            }
            Fault::Corrupt | Fault::HitAndRun => bytes[0] ^= 1,
            Fault::Honest | Fault::WrongHashes | Fault::Trickle | Fault::Vanish => {}
        }
        lane.write_all(&head(number, Reply::Bytes(bytes.len() as u32))).await?;
        if shared.fault == Fault::Trickle {
            for byte in &bytes {
                lane.write_all(&[*byte]).await?;
                lane.flush().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        lane.write_all(&bytes).await?;
        lane.flush().await?;
        if shared.fault == Fault::HitAndRun {
            return lane.close().await;
        }
    }
}

fn framed(delivery: &Delivery) -> Vec<u8> {
    let frame = wire::encode(delivery);
    let mut bytes = (frame.len() as u16).to_be_bytes().to_vec();
    bytes.extend(frame);
    bytes
}
