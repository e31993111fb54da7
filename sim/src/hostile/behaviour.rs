//! The protocols of a hostile host: those of a node, so that it is taken for one.

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, gossipsub, identify,
    identity::Keypair,
    kad, ping,
    request_response::{self, ProtocolSupport},
    swarm::NetworkBehaviour,
};
use proto::{call, direct::message, event::MAX_EVENT_BYTES, live, transfer};

use super::{StartError, codec::Bytes};

/// The name of the nodes' Kademlia network.
const KAD: StreamProtocol = StreamProtocol::new("/starling/kad/1");

/// The nodes' protocol of questions about channels.
const QUESTIONS: StreamProtocol = StreamProtocol::new("/starling/channel/1");

/// What identify shows: the name and version of a node, and the number by which one run of it is told from another.
const AGENT: &str = "starling/0.1.0 (00000bad)";

/// Peers in each of Kademlia's buckets, allocated ahead.
const BUCKET_PEERS: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// Gossip neighbours that it would like to have: more than any node has, so that it grafts whomever it meets.
const MESH: usize = 16;

/// Seconds until a question that is left open is closed from here: longer than any node waits.
const OPEN_S: u64 = 60;

/// The nodes' protocol of letters.
const LETTERS: StreamProtocol = StreamProtocol::new("/starling/direct/1");

/// The nodes' protocol of questions about shares.
const SHARES: StreamProtocol = StreamProtocol::new("/starling/share/1");

/// The nodes' protocol of blocks.
pub const LANES: StreamProtocol = StreamProtocol::new("/starling/block/1");

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    /// Finding peers.
    pub kad: kad::Behaviour<kad::store::MemoryStore>,
    /// Gossip.
    pub gossip: gossipsub::Behaviour,
    /// About channels.
    pub questions: request_response::Behaviour<Bytes>,
    /// About letters.
    pub letters: request_response::Behaviour<Bytes>,
    /// About shares.
    pub shares: request_response::Behaviour<Bytes>,
    /// Blocks of shares.
    pub lanes: libp2p_stream::Behaviour,
}

/// libp2p refused a configuration.
pub fn refused(what: &'static str, reason: String) -> StartError {
    StartError::Refused { what, reason }
}

/// All protocols, for the owner of a key.
///
/// # Errors
/// [`StartError::Refused`].
pub fn behaviour(keypair: &Keypair) -> Result<Behaviour, StartError> {
    let peer_id = keypair.public().to_peer_id();
    let identify = identify::Config::new("/starling/1".into(), keypair.public()).with_agent_version(AGENT.into());
    let asked = |protocol, codec| {
        let config = request_response::Config::default().with_request_timeout(Duration::from_secs(OPEN_S));
        request_response::Behaviour::with_codec(codec, [(protocol, ProtocolSupport::Full)], config)
    };
    let channels = Bytes { question: call::MAX_QUESTION_BYTES, answer: call::MAX_ANSWER_BYTES };
    let letters = Bytes { question: message::MAX_QUESTION_BYTES, answer: message::MAX_ANSWER_BYTES };
    let (question, answer) = (transfer::message::MAX_QUESTION_BYTES, transfer::message::MAX_ANSWER_BYTES);
    Ok(Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        kad: kademlia(peer_id),
        gossip: gossip()?,
        questions: asked(QUESTIONS, channels),
        letters: asked(LETTERS, letters),
        shares: asked(SHARES, Bytes { question, answer }),
        lanes: libp2p_stream::Behaviour::new(),
    })
}

/// It serves, keeps nobody's provider records, and names nobody of whom it is not told to.
fn kademlia(peer_id: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KAD);
    config.set_kbucket_size(BUCKET_PEERS);
    config.set_kbucket_inserts(kad::BucketInserts::Manual);
    config.set_periodic_bootstrap_interval(None);
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let mut kad = kad::Behaviour::with_config(peer_id, kad::store::MemoryStore::new(peer_id), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip() -> Result<gossipsub::Behaviour, StartError> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| {
            gossipsub::MessageId::from(live::message_id(message.topic.as_str(), &message.data).to_vec())
        })
        .mesh_n(MESH)
        .mesh_n_low(MESH / 2)
        .mesh_n_high(MESH * 2)
        // As a node's, or what nodes send would be refused.
        .max_transmit_size(MAX_EVENT_BYTES + 16 * 1024)
        .max_control_message_size(256 * 1024)
        .build()
        .map_err(|error| refused("gossip", error.to_string()))?;
    let mut gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)
        .map_err(|error| refused("gossip", error.to_owned()))?;
    let scoring = gossipsub::PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        ..gossipsub::PeerScoreParams::default()
    };
    gossip
        .with_peer_score(scoring, gossipsub::PeerScoreThresholds::default())
        .map_err(|error| refused("gossip's scores", error))?;
    Ok(gossip)
}
