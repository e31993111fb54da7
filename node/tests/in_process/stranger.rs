//! A peer of its own making that asks a node about letters.

use std::time::Instant;

use futures::StreamExt;
use libp2p::{
    PeerId, StreamProtocol, Swarm,
    identity::Keypair,
    request_response::{self, Event, Message, ProtocolSupport},
    swarm::SwarmEvent,
};
use node::{store::memory::MemoryStore, swarm::DirectSettings, transport::memory_transport};
use proto::{
    direct::{
        letter::Envelope,
        mailbox,
        message::{DirectAnswer, DirectQuestion, MAX_ANSWER_BYTES, Refusal},
    },
    ids::{Author, LogId},
    seal::{KeyId, Sealed},
    wire,
};

use crate::{Node, PATIENCE, outsider::RawCodec, start, start_with};

struct Stranger(Swarm<request_response::Behaviour<RawCodec>>);

impl Stranger {
    async fn connect(secret: u8, node: &Node) -> Self {
        let keypair = Keypair::ed25519_from_bytes([secret; 32]).unwrap();
        let behaviour = request_response::Behaviour::with_codec(
            RawCodec,
            [(StreamProtocol::new("/starling/direct/1"), ProtocolSupport::Outbound)],
            request_response::Config::default(),
        );
        let config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE);
        let mut swarm =
            Swarm::new(memory_transport(&keypair).unwrap(), behaviour, keypair.public().to_peer_id(), config);
        swarm.dial(node.address.clone()).unwrap();
        while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        Self(swarm)
    }

    fn ask(&mut self, of: PeerId, question: &DirectQuestion) {
        self.0.behaviour_mut().send_request(&of, wire::encode(question));
    }

    /// The next answer; none if one will not come.
    async fn answer(&mut self) -> Option<DirectAnswer> {
        let answer = async {
            loop {
                match self.0.select_next_some().await {
                    SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
                        return wire::decode::<DirectAnswer, MAX_ANSWER_BYTES>(&response).ok();
                    }
                    SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => return None,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap()
    }
}

fn envelope(to: PeerId, bytes: usize) -> Envelope {
    let to = Author::from_peer_id(&to).unwrap();
    Envelope { to, key: KeyId([9; 8]), sealed: Sealed { encapsulated: [0; 32], ciphertext: vec![7; bytes] } }
}

#[tokio::test]
async fn a_large_deposit_is_refused_by_a_node_that_keeps_none_and_looked_at_by_a_mailbox() {
    let plain = start(121, &[]).await;
    let direct = DirectSettings { mailbox: Some(mailbox::Settings::default()), ..DirectSettings::default() };
    let keeping = start_with(122, &[], MemoryStore::new(LogId(122)), direct).await;
    for (secret, node, is_looked_at) in [(123, &plain, false), (124, &keeping, true)] {
        let mut stranger = Stranger::connect(secret, node).await;
        let id = node.handle.peer_id();
        stranger.ask(id, &DirectQuestion::Deposit(vec![envelope(id, 30_000); 20]));
        assert_eq!(stranger.answer().await, Some(DirectAnswer::Refused(Refusal::NotWanted)));
        let refused = node.handle.status().await.unwrap().refused;
        assert_eq!(refused.iter().any(|refusal| refusal.reason == "mailbox_not_wanted"), is_looked_at, "{refused:?}");
        // It was no offence.
        stranger.ask(id, &DirectQuestion::Card(Author([0; 32])));
        assert_eq!(stranger.answer().await, Some(DirectAnswer::Card(None)));
    }
}

#[tokio::test]
async fn a_stranger_that_brings_letters_without_end_is_put_off_and_another_is_heard() {
    let node = start(125, &[]).await;
    let id = node.handle.peer_id();
    let (mut flood, mut other) = (Stranger::connect(126, &node).await, Stranger::connect(127, &node).await);
    let letter = DirectQuestion::Deliver(envelope(id, 600));
    let is_looked_at = |answer: &Option<DirectAnswer>| matches!(answer, Some(DirectAnswer::Refused(_)));
    let (began, mut looked_at) = (Instant::now(), 0);
    (0..16).for_each(|_| flood.ask(id, &letter));
    for _ in 0..2_000 {
        looked_at += u64::from(is_looked_at(&flood.answer().await));
        flood.ask(id, &letter);
    }
    // Its burst and its rate.
    let most = 1_000 + 100 * (began.elapsed().as_secs() + 1);
    assert!((1_000..=most).contains(&looked_at), "{looked_at} of at most {most}");
    other.ask(id, &letter);
    assert!(is_looked_at(&other.answer().await));
}
