//! A peer that speaks the protocols of a node on the wire and keeps none of their rules: whatever bytes a test gives it, it
//! sends. It shares no code with the node's own swarm, only the wire types.

use std::{collections::HashMap, io, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, gossipsub, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise, ping,
    request_response::{self, OutboundRequestId, ProtocolSupport},
    swarm::{DialError, NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use proto::{
    call::{MAX_QUESTION_BYTES, Question},
    channel::RoomName,
    chat::ChatMessage,
    event::{Event, Run, SignedEvent},
    hlc::Timestamp,
    ids::{EventId, LogId},
    signature::Signer,
    wire,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::node::Node;

/// The node's protocol of questions about channels.
const QUESTIONS: StreamProtocol = StreamProtocol::new("/starling/channel/1");

/// From dialing to being a gossip neighbour in the room.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of the longest answer it reads.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Puts bytes on a stream as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: futures::AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read_all(io).await
    }

    async fn read_response<T: futures::AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        read_all(io).await
    }

    async fn write_request<T: futures::AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.close().await
    }

    async fn write_response<T: futures::AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await?;
        io.close().await
    }
}

async fn read_all<T: futures::AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    questions: request_response::Behaviour<RawCodec>,
}

enum Order {
    Gossip(Vec<u8>, oneshot::Sender<Result<(), String>>),
    Ask(Vec<u8>, oneshot::Sender<Result<Vec<u8>, String>>),
}

/// What it answers to every question of the node.
pub type Answer = fn(&[u8]) -> Vec<u8>;

/// The answer of a node that cannot tell.
fn unavailable(question: &[u8]) -> Vec<u8> {
    match wire::decode::<Question, MAX_QUESTION_BYTES>(question) {
        Ok(question) => wire::encode(&question.topic.unavailable()),
        Err(_) => Vec::new(),
    }
}

/// A hostile peer, connected to one node. It leaves when it is dropped.
pub struct Attacker {
    /// Its peer id.
    pub peer_id: PeerId,
    keypair: Keypair,
    room: RoomName,
    signer: Signer,
    orders: mpsc::Sender<Order>,
    connected: watch::Receiver<bool>,
}

impl Attacker {
    /// A new peer that joins `room` as a gossip neighbour of `node`; it answers every question as a peer does that cannot.
    ///
    /// # Errors
    /// Why it did not get in.
    pub async fn connect(node: &Node, room: &str) -> Result<Self, String> {
        Self::connect_answering(node, room, unavailable).await
    }

    /// As [`Attacker::connect`], with answers to the node's questions.
    ///
    /// # Errors
    /// Why it did not get in.
    pub async fn connect_answering(node: &Node, room: &str, answer: Answer) -> Result<Self, String> {
        Self::connect_as(Keypair::generate_ed25519(), node, room, answer).await
    }

    /// The same peer once more, on a new connection.
    ///
    /// # Errors
    /// Why it did not get in.
    pub async fn reconnect(&self, node: &Node, room: &str) -> Result<Self, String> {
        Self::connect_as(self.keypair.clone(), node, room, unavailable).await
    }

    async fn connect_as(keypair: Keypair, node: &Node, room: &str, answer: Answer) -> Result<Self, String> {
        let room: RoomName = room.parse().expect("a room's name");
        let address: Multiaddr = node.address_with("/tcp/").parse().expect("a multiaddr");
        let Some(Protocol::P2p(target)) = address.iter().last() else { panic!("{address} names no peer") };
        let mut swarm = swarm(&keypair);
        let topic = gossipsub::IdentTopic::new(room.channel().topic());
        swarm.behaviour_mut().gossip.subscribe(&topic).map_err(|error| error.to_string())?;
        swarm.dial(address).map_err(|error: DialError| error.to_string())?;

        let (orders, received) = mpsc::channel(64);
        let (ready, is_ready) = oneshot::channel();
        let (connection, connected) = watch::channel(false);
        let task = Task { swarm, target, topic, answer, ready: Some(ready), connection, asked: HashMap::new() };
        tokio::spawn(task.run(received));
        match tokio::time::timeout(CONNECT_TIMEOUT, is_ready).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err("the connection closed".into()),
            Err(_) => return Err("it did not become a gossip neighbour".into()),
        }
        let signer = Signer::new(keypair.clone()).expect("the key is Ed25519");
        Ok(Self { peer_id: keypair.public().to_peer_id(), keypair, room, signer, orders, connected })
    }

    /// Sends a frame on the room's topic. It came to the connection when this returns.
    ///
    /// # Errors
    /// Why it could not be sent; also when the node has hung up.
    pub async fn gossip(&self, frame: Vec<u8>) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Gossip(frame, reply)).await.map_err(|_| "it was hung up on")?;
        answer.await.map_err(|_| "it was hung up on")?
    }

    /// Sends a frame as a question and returns the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(&self, frame: Vec<u8>) -> Result<Vec<u8>, String> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Ask(frame, reply)).await.map_err(|_| "it was hung up on")?;
        answer.await.map_err(|_| "it was hung up on")?
    }

    /// Whether the node has hung up.
    pub fn is_hung_up_on(&self) -> bool {
        !*self.connected.borrow()
    }

    /// Its name as the author of events.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// An event that it may send, the first of a new log: said `ahead_ms` in the future.
    pub fn event(&self, log: u64, text: &str, ahead_ms: u64) -> Event {
        let now = std::time::UNIX_EPOCH.elapsed().expect("it is past 1970").as_millis();
        Event {
            channel: self.room.channel(),
            author: self.signer.author(),
            log: LogId(log),
            seq: 1,
            prev: EventId::NONE,
            hlc: Timestamp::from_ms(u64::try_from(now).expect("it fits") + ahead_ms),
            body: ChatMessage::new("mallory", text).expect("it can be said").to_body(),
        }
    }

    /// A run of one signed event.
    pub fn run(&self, event: Event) -> Run {
        Run::from_events(&[SignedEvent::create(&self.signer, event)]).expect("one signed event is a run")
    }
}

fn swarm(keypair: &Keypair) -> Swarm<Behaviour> {
    SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("TCP works")
        .with_behaviour(behaviour)
        .expect("the behaviour is infallible")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

fn behaviour(keypair: &Keypair) -> Behaviour {
    // Room for frames that no node would send.
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::None)
        .max_transmit_size(8 << 20)
        .message_id_fn(|message| gossipsub::MessageId::from(message_id(&message.data)))
        .build()
        .expect("a valid configuration");
    let gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config);
    Behaviour {
        identify: identify::Behaviour::new(identify::Config::new("/starling/1".into(), keypair.public())),
        ping: ping::Behaviour::default(),
        gossip: gossip.expect("a valid configuration"),
        questions: request_response::Behaviour::with_codec(
            RawCodec,
            [(QUESTIONS, ProtocolSupport::Full)],
            request_response::Config::default(),
        ),
    }
}

/// Any injective id does: it is only for its own duplicate cache.
fn message_id(data: &[u8]) -> Vec<u8> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish().to_be_bytes().to_vec()
}

struct Task {
    swarm: Swarm<Behaviour>,
    target: PeerId,
    topic: gossipsub::IdentTopic,
    answer: Answer,
    ready: Option<oneshot::Sender<()>>,
    connection: watch::Sender<bool>,
    asked: HashMap<OutboundRequestId, oneshot::Sender<Result<Vec<u8>, String>>>,
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                event = self.swarm.select_next_some() => match event {
                    SwarmEvent::ConnectionEstablished { .. } => {
                        self.connection.send_replace(true);
                    }
                    SwarmEvent::OutgoingConnectionError { .. } => return,
                    SwarmEvent::ConnectionClosed { num_established: 0, .. } => {
                        self.connection.send_replace(false);
                        return;
                    }
                    SwarmEvent::Behaviour(event) => self.note(event),
                    _ => {}
                },
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let behaviour = self.swarm.behaviour_mut();
        match order {
            Order::Gossip(frame, reply) => {
                let sent = behaviour.gossip.publish(self.topic.clone(), frame);
                // Whoever asked may not care.
                let _ = reply.send(sent.map(drop).map_err(|error| error.to_string()));
            }
            Order::Ask(frame, reply) => {
                let request = behaviour.questions.send_request(&self.target, frame);
                self.asked.insert(request, reply);
            }
        }
    }

    fn note(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. }) if topic == self.topic.hash() => {
                if let Some(ready) = self.ready.take() {
                    let _ = ready.send(());
                }
            }
            BehaviourEvent::Questions(request_response::Event::Message { message, .. }) => match message {
                request_response::Message::Request { request, channel, .. } => {
                    // The node may have hung up meanwhile.
                    let _ = self.swarm.behaviour_mut().questions.send_response(channel, (self.answer)(&request));
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some(reply) = self.asked.remove(&request_id) {
                        let _ = reply.send(Ok(response));
                    }
                }
            },
            BehaviourEvent::Questions(request_response::Event::OutboundFailure { request_id, error, .. }) => {
                if let Some(reply) = self.asked.remove(&request_id) {
                    let _ = reply.send(Err(error.to_string()));
                }
            }
            _ => {}
        }
    }
}
