//! Questions over a connection of their own, under an identity made for it: whoever is asked learns the address that it comes from, and
//! not who asks.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    identity::Keypair,
    request_response::{Event, Message, ProtocolSupport},
    swarm::{self, SwarmEvent, dial_opts::DialOpts},
};
use proto::{
    direct::{
        card::Mailbox,
        message::{DirectAnswer, DirectQuestion},
        outbox,
    },
    ids::Author,
};
use rand::{Rng, rngs::StdRng};
use tokio::sync::mpsc;

use crate::{
    spawn::{ConnectionTasks, Spawn},
    swarm::behaviour::{self, CALL_TIMEOUT_S, PLAIN_QUESTION_BYTES},
    transport::Transports,
};

/// Such connections at a time. Each costs a handshake and some 100 kB. Further questions come to nothing, and are asked again later.
pub const MAX_CONVERSATIONS: usize = 64;

/// How long one may take from the dial to the answer.
const PATIENCE: Duration = Duration::from_secs(2 * CALL_TIMEOUT_S);

/// How long the other side is given to see the connection close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The outbox, which leaves letters.
    Deposit(outbox::RequestId),
    /// The search for this author's card.
    Card(Author),
}

/// What came of a question.
#[derive(Debug)]
pub struct Came {
    /// Who wanted to know.
    pub asker: Asker,
    /// Who was asked.
    pub node: PeerId,
    /// The answer, if there is one.
    pub answer: Option<DirectAnswer>,
}

/// Asks such questions.
pub struct Anonymous {
    transports: Arc<dyn Transports>,
    spawn: Arc<dyn Spawn>,
    rng: StdRng,
    sender: mpsc::Sender<Came>,
    receiver: mpsc::Receiver<Came>,
    under_way: usize,
}

impl Anonymous {
    /// Asks by connections of these transports. Identities are made from `rng`.
    pub fn new(transports: Arc<dyn Transports>, spawn: Arc<dyn Spawn>, rng: StdRng) -> Self {
        // Each conversation sends once.
        let (sender, receiver) = mpsc::channel(MAX_CONVERSATIONS);
        Self { transports, spawn, rng, sender, receiver, under_way: 0 }
    }

    /// Whether another question may be asked.
    pub fn has_room(&self) -> bool {
        self.under_way < MAX_CONVERSATIONS
    }

    /// Asks a node. What comes of it is told by [`Anonymous::next`]; `false` if nothing will, because nothing was done.
    pub fn ask(&mut self, asker: Asker, node: &Mailbox, question: DirectQuestion) -> bool {
        if !self.has_room() {
            return false;
        }
        let Ok(node_id) = PeerId::from_bytes(&node.peer) else { return false };
        let addresses: Vec<Multiaddr> = node.addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        self.under_way += 1;
        let (transports, spawn, sender) = (Arc::clone(&self.transports), Arc::clone(&self.spawn), self.sender.clone());
        self.spawn.spawn(Box::pin(async move {
            // Making a transport is work, and reads files: nobody but this task waits for it.
            let mut conversation = prepare(&*transports, spawn, secret, node_id, addresses, question);
            let answer = match &mut conversation {
                Some(conversation) => tokio::time::timeout(PATIENCE, conversation.hold()).await.ok().flatten(),
                None => None,
            };
            // Whoever asked may be gone.
            let _ = sender.send(Came { asker, node: node_id, answer }).await;
            if let Some(conversation) = conversation {
                conversation.end().await;
            }
        }));
        true
    }

    /// Waits for what comes of the next question; for ever when none is under way. Cancel safe.
    pub async fn next(&mut self) -> Came {
        match self.receiver.recv().await {
            Some(came) => {
                self.under_way -= 1;
                came
            }
            None => std::future::pending().await,
        }
    }
}

fn prepare(
    transports: &dyn Transports,
    spawn: Arc<dyn Spawn>,
    secret: [u8; 32],
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    question: DirectQuestion,
) -> Option<Conversation> {
    let keypair = Keypair::ed25519_from_bytes(secret).ok()?;
    let transport = transports.transport(&keypair).ok()?;
    Some(Conversation::new(&keypair, transport, spawn, peer, addresses, question))
}

/// One question and its answer.
struct Conversation {
    swarm: Swarm<libp2p::request_response::Behaviour<crate::swarm::codec::DirectCodec>>,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    question: Option<DirectQuestion>,
}

impl Conversation {
    fn new(
        keypair: &Keypair,
        transport: Boxed<(PeerId, StreamMuxerBox)>,
        spawn: Arc<dyn Spawn>,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        question: DirectQuestion,
    ) -> Self {
        let config = swarm::Config::with_executor(ConnectionTasks(spawn)).with_idle_connection_timeout(PATIENCE);
        let behaviour = behaviour::direct(ProtocolSupport::Outbound, PLAIN_QUESTION_BYTES);
        let swarm = Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config);
        Self { swarm, peer, addresses, question: Some(question) }
    }

    async fn hold(&mut self) -> Option<DirectAnswer> {
        let options = DialOpts::peer_id(self.peer).addresses(std::mem::take(&mut self.addresses)).build();
        self.swarm.dial(options).ok()?;
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => {
                    if let Some(question) = self.question.take() {
                        self.swarm.behaviour_mut().send_request(&self.peer, Ok(question));
                    }
                }
                SwarmEvent::Behaviour(Event::Message { message: Message::Response { response, .. }, .. }) => {
                    return response.ok();
                }
                SwarmEvent::Behaviour(Event::OutboundFailure { .. })
                | SwarmEvent::OutgoingConnectionError { .. }
                | SwarmEvent::ConnectionClosed { .. } => return None,
                _ => {}
            }
        }
    }

    /// A connection that is not closed would stay open on the other side until that notices.
    async fn end(mut self) {
        if self.swarm.disconnect_peer_id(self.peer).is_err() {
            return;
        }
        let closed =
            async { while !matches!(self.swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {} };
        // Late is no worse than never.
        let _ = tokio::time::timeout(FAREWELL, closed).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rand::SeedableRng;

    use super::*;
    use crate::{
        spawn::TokioSpawn,
        transport::{TransportError, memory_transport},
    };

    /// Counts the transports that were made.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Transports for Counting {
        fn transport(&self, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, TransportError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            memory_transport(keypair)
        }
    }

    #[tokio::test]
    async fn whoever_asks_waits_for_no_transport_and_without_room_none_is_made() {
        let made = Arc::new(Counting::default());
        let transports = Arc::clone(&made) as Arc<dyn Transports>;
        let mut anonymous = Anonymous::new(transports, Arc::new(TokioSpawn), StdRng::from_seed([7; 32]));
        // Nobody is there.
        let node = Mailbox { peer: PeerId::random().to_bytes(), addresses: vec!["/memory/1".to_owned()] };
        let asker = Asker::Card(Author([0; 32]));
        let mut ask = || anonymous.ask(asker, &node, DirectQuestion::Card(Author([0; 32])));
        assert!((0..MAX_CONVERSATIONS).all(|_| ask()));
        assert!(!ask());
        assert_eq!(made.0.load(Ordering::Relaxed), 0);
        for _ in 0..MAX_CONVERSATIONS {
            assert_eq!(anonymous.next().await.answer, None);
        }
        assert_eq!(made.0.load(Ordering::Relaxed), MAX_CONVERSATIONS);
        assert!(anonymous.has_room());
    }
}
