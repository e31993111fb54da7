//! Peers that ask over real connections, and read what they are answered or do not.

use std::{io, sync::Arc, time::Duration};

use futures::{AsyncRead, AsyncWrite, StreamExt};
use libp2p::{
    StreamProtocol, Swarm,
    identity::Keypair,
    request_response::{Message, ProtocolSupport, ResponseChannel},
    swarm::{self, SwarmEvent},
};
use proto::{
    direct::letter::Envelope,
    ids::Author,
    seal::{KeyId, Sealed},
};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    swarm::{
        Resources,
        behaviour::{self, BehaviourEvent},
        codec::DirectCodec,
    },
    transport::memory_transport,
};

/// Reads no answer before it is let to.
#[derive(Clone)]
struct Reluctant(Arc<Semaphore>);

impl request_response::Codec for Reluctant {
    type Protocol = StreamProtocol;
    type Request = Result<DirectQuestion, DecodeError>;
    type Response = Result<DirectAnswer, DecodeError>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Self::Request> {
        DirectCodec::default().read_request(protocol, io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Self::Response> {
        self.0.acquire().await.unwrap().forget();
        DirectCodec::default().read_response(protocol, io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        question: Self::Request,
    ) -> io::Result<()> {
        DirectCodec::default().write_request(protocol, io, question).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        answer: Self::Response,
    ) -> io::Result<()> {
        DirectCodec::default().write_response(protocol, io, answer).await
    }
}

type Asker = Swarm<request_response::Behaviour<Reluctant>>;

fn keypair(n: u8) -> Keypair {
    Keypair::ed25519_from_bytes([n; 32]).unwrap()
}

fn config() -> swarm::Config {
    swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60))
}

struct Asked {
    peer: PeerId,
    id: InboundRequestId,
    question: DirectQuestion,
    way_back: ResponseChannel<Result<DirectAnswer, DecodeError>>,
}

/// Who is asked.
struct Mailbox {
    swarm: Swarm<Behaviour>,
    questions: Questions,
}

impl Mailbox {
    async fn new() -> Self {
        let keypair = keypair(1);
        let behaviour = Behaviour::new(&keypair, 0, (false, true), Resources::default(), None).unwrap();
        let mut swarm =
            Swarm::new(memory_transport(&keypair).unwrap(), behaviour, keypair.public().to_peer_id(), config());
        swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
        while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
        Self { swarm, questions: Questions::default() }
    }

    /// A peer that is connected.
    async fn asker(&mut self, n: u8, may_read: &Arc<Semaphore>) -> Asker {
        let keypair = keypair(n);
        let behaviour = request_response::Behaviour::with_codec(
            Reluctant(Arc::clone(may_read)),
            [(behaviour::DIRECT_PROTOCOL, ProtocolSupport::Outbound)],
            request_response::Config::default(),
        );
        let mut asker =
            Swarm::new(memory_transport(&keypair).unwrap(), behaviour, keypair.public().to_peer_id(), config());
        asker.dial(self.swarm.listeners().next().unwrap().clone()).unwrap();
        let mut connected = 0;
        while connected < 2 {
            connected += tokio::select! {
                event = self.swarm.select_next_some() => usize::from(matches!(event, SwarmEvent::ConnectionEstablished { .. })),
                event = asker.select_next_some() => usize::from(matches!(event, SwarmEvent::ConnectionEstablished { .. })),
            };
        }
        asker
    }

    /// The next question, while the asker does its part.
    async fn asked(&mut self, asker: &mut Asker) -> Asked {
        loop {
            let event = tokio::select! {
                event = self.swarm.select_next_some() => event,
                _ = asker.select_next_some() => continue,
            };
            if let SwarmEvent::Behaviour(BehaviourEvent::Direct(Event::Message {
                peer,
                message: Message::Request { request_id: id, request, channel: way_back },
                ..
            })) = event
            {
                return Asked { peer, id, question: request.unwrap(), way_back };
            }
        }
    }

    /// Whether a question is taken on, and under which token.
    fn take(&mut self, asked: Asked) -> Option<u64> {
        let Asked { peer, id, question, way_back } = asked;
        self.questions.asked(self.swarm.behaviour_mut(), (peer, &question), id, way_back)
    }

    async fn take_next(&mut self, asker: &mut Asker, question: DirectQuestion) -> Option<u64> {
        asker.behaviour_mut().send_request(self.swarm.local_peer_id(), Ok(question));
        let asked = self.asked(asker).await;
        self.take(asked)
    }

    /// Lets the asker hear so many answers.
    async fn answers_of(&mut self, asker: &mut Asker, count: usize) -> Vec<DirectAnswer> {
        let mut heard = Vec::new();
        while heard.len() < count {
            tokio::select! {
                event = self.swarm.select_next_some() => self.note(&event),
                event = asker.select_next_some() => {
                    if let SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) = event {
                        heard.push(response.unwrap());
                    }
                }
            }
        }
        heard
    }

    fn note(&mut self, event: &SwarmEvent<BehaviourEvent>) {
        if let SwarmEvent::Behaviour(BehaviourEvent::Direct(
            Event::ResponseSent { request_id, .. } | Event::InboundFailure { request_id, .. },
        )) = event
        {
            self.questions.sent(*request_id);
        }
    }

    /// Time for what is under way to arrive.
    async fn wait(&mut self) {
        let events = async {
            loop {
                let event = self.swarm.select_next_some().await;
                self.note(&event);
            }
        };
        // It goes on until the time is over.
        let _ = tokio::time::timeout(Duration::from_millis(300), events).await;
    }
}

const COLLECT: DirectQuestion = DirectQuestion::Collect { after: None };

fn page() -> DirectAnswer {
    let sealed = Sealed { encapsulated: [0; 32], ciphertext: vec![7; 32 * 1024] };
    let envelope = Envelope { to: Author([0; 32]), key: KeyId([0; 8]), sealed };
    DirectAnswer::Letters { envelopes: vec![envelope; 20], more: true }
}

#[tokio::test]
async fn whoever_does_not_read_the_pages_that_it_asked_for_is_answered_no_further_ones_until_it_does() {
    let mut mailbox = Mailbox::new().await;
    let may_read = Arc::new(Semaphore::new(0));
    let mut asker = mailbox.asker(2, &may_read).await;
    for _ in 0..COLLECTS.per_peer {
        let token = mailbox.take_next(&mut asker, COLLECT).await.unwrap();
        mailbox.questions.answer(mailbox.swarm.behaviour_mut(), token, page());
    }
    // Answered, and not read.
    mailbox.wait().await;
    assert_eq!(mailbox.take_next(&mut asker, COLLECT).await, None);
    // What else it asks is taken on.
    assert!(mailbox.take_next(&mut asker, DirectQuestion::Card(Author([0; 32]))).await.is_some());
    may_read.add_permits(COLLECTS.per_peer + 1);
    let heard = mailbox.answers_of(&mut asker, COLLECTS.per_peer + 1).await;
    assert!(heard.contains(&DirectAnswer::Unavailable) && heard.contains(&page()));
    mailbox.wait().await;
    assert!(mailbox.take_next(&mut asker, COLLECT).await.is_some());
}

#[tokio::test]
async fn peers_that_do_not_read_hold_a_few_pages_in_all_and_keep_nobody_else_from_asking() {
    let mut mailbox = Mailbox::new().await;
    let (may_read, mut askers) = (Arc::new(Semaphore::new(0)), Vec::new());
    for n in 0..COLLECTS.total {
        let mut asker = mailbox.asker(2 + n as u8, &may_read).await;
        assert!(mailbox.take_next(&mut asker, COLLECT).await.is_some());
        askers.push(asker);
    }
    let mut last = mailbox.asker(200, &may_read).await;
    assert_eq!(mailbox.take_next(&mut last, COLLECT).await, None);
    assert!(mailbox.take_next(&mut last, DirectQuestion::Card(Author([0; 32]))).await.is_some());
    // One goes, and makes room.
    drop(askers.pop());
    mailbox.wait().await;
    mailbox.questions.forget_gone();
    assert!(mailbox.take_next(&mut last, COLLECT).await.is_some());
}
