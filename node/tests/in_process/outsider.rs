//! A peer that subscribes to every topic it sees, hears what it can, and asks whatever bytes a test gives it.

use std::{collections::BTreeSet, io, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, gossipsub, identify,
    identity::Keypair,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
};
use node::transport::memory_transport;
use proto::{
    call::{MAX_QUESTION_BYTES, Question},
    wire,
};

use crate::PATIENCE;

/// Puts bytes on a stream as they are.
#[derive(Clone, Copy, Default)]
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
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: futures::AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        self.read_request(protocol, io).await
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
        protocol: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.write_request(protocol, io, bytes).await
    }
}

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    identify: identify::Behaviour,
    gossip: gossipsub::Behaviour,
    questions: request_response::Behaviour<RawCodec>,
}

pub struct Outsider {
    pub peer_id: PeerId,
    swarm: Swarm<Behaviour>,
    /// Topics that peers subscribe to, as they said.
    pub topics: BTreeSet<String>,
    /// Gossip and questions that came, as bytes.
    pub heard: Vec<Vec<u8>>,
    pub hung_up_on: bool,
}

impl Outsider {
    pub fn new(secret: u8) -> Self {
        let keypair = Keypair::ed25519_from_bytes([secret; 32]).unwrap();
        let config = gossipsub::ConfigBuilder::default()
            .validation_mode(gossipsub::ValidationMode::None)
            .max_transmit_size(8 << 20)
            .message_id_fn(|message| proto::live::message_id(message.topic.as_str(), &message.data).to_vec().into())
            .build()
            .unwrap();
        let behaviour = Behaviour {
            identify: identify::Behaviour::new(identify::Config::new("/starling/1".into(), keypair.public())),
            gossip: gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).unwrap(),
            questions: request_response::Behaviour::with_codec(
                RawCodec,
                [(StreamProtocol::new("/starling/channel/1"), ProtocolSupport::Full)],
                request_response::Config::default(),
            ),
        };
        let peer_id = keypair.public().to_peer_id();
        let config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
        let swarm = Swarm::new(memory_transport(&keypair).unwrap(), behaviour, peer_id, config);
        Self { peer_id, swarm, topics: BTreeSet::new(), heard: Vec::new(), hung_up_on: false }
    }

    pub fn dial(&mut self, address: &Multiaddr) {
        self.swarm.dial(address.clone()).unwrap();
    }

    /// Listens for a while.
    pub async fn listen(&mut self, time: Duration) {
        let forever = async {
            loop {
                self.turn().await;
            }
        };
        // It goes on until the time is over.
        let _ = tokio::time::timeout(time, forever).await;
    }

    /// Sends a frame on a topic to all neighbours.
    pub fn gossip(&mut self, topic: &str, frame: Vec<u8>) {
        // Nobody may be there to hear it.
        let _ = self.swarm.behaviour_mut().gossip.publish(gossipsub::IdentTopic::new(topic), frame);
    }

    /// Asks a peer, and returns the answer's bytes; none if it hangs up.
    pub async fn ask(&mut self, peer: PeerId, frame: Vec<u8>) -> Option<Vec<u8>> {
        let id = self.swarm.behaviour_mut().questions.send_request(&peer, frame);
        let answered = async {
            loop {
                if let Some((of, answer)) = self.turn().await
                    && of == id
                {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap()
    }

    async fn turn(&mut self) -> Option<(request_response::OutboundRequestId, Option<Vec<u8>>)> {
        use request_response::{Event, Message};
        match self.swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. })) => {
                self.topics.insert(topic.to_string());
                let topic = gossipsub::IdentTopic::new(topic.to_string());
                self.swarm.behaviour_mut().gossip.subscribe(&topic).unwrap();
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                self.heard.push(message.data);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Questions(event)) => match event {
                Event::Message { message: Message::Request { request, channel, .. }, .. } => {
                    let answer = match wire::decode::<Question, MAX_QUESTION_BYTES>(&request) {
                        Ok(question) => wire::encode(&question.topic.unavailable()),
                        Err(_) => Vec::new(),
                    };
                    self.heard.push(request);
                    // It may have hung up meanwhile.
                    let _ = self.swarm.behaviour_mut().questions.send_response(channel, answer);
                }
                Event::Message { message: Message::Response { request_id, response }, .. } => {
                    return Some((request_id, Some(response)));
                }
                Event::OutboundFailure { request_id, .. } => return Some((request_id, None)),
                _ => {}
            },
            SwarmEvent::ConnectionClosed { num_established: 0, .. } => self.hung_up_on = true,
            _ => {}
        }
        None
    }
}
