//! The libp2p protocols of a node, and why each setting that is not the default is what it is.

use std::time::Duration;

use libp2p::{
    StreamProtocol, allow_block_list, connection_limits, gossipsub, identify, identity::Keypair, kad, mdns,
    memory_connection_limits, ping, request_response, swarm::NetworkBehaviour, swarm::behaviour::toggle::Toggle,
};
use prometheus_client::registry::Registry;
use proto::{
    direct::{letter::MAX_ENVELOPE_BYTES, message::MAX_QUESTION_BYTES, outbox},
    event::MAX_EVENT_BYTES,
    live,
};

use super::{
    Resources, StartError,
    codec::{ChannelCodec, DirectCodec, ShareCodec},
    lanes,
};

/// The name of our Kademlia network; never the public IPFS one.
pub const KAD_PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/kad/1");

/// The protocol of questions about channels.
pub const CHANNEL_PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/channel/1");

/// The protocol of letters.
pub const DIRECT_PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/direct/1");

/// The protocol of questions about shares.
pub const SHARE_PROTOCOL: StreamProtocol = StreamProtocol::new("/starling/share/1");

/// What identify shows as the protocol version.
pub const PROTOCOL_VERSION: &str = "/starling/1";

/// What identify shows as the program.
pub const AGENT: &str = concat!("starling/", env!("CARGO_PKG_VERSION"));

/// Connections in all. Each costs about 100 kB and a task.
pub const MAX_CONNECTIONS: u32 = 512;

/// Connections that others made, in all: whoever connects in numbers must leave room for our own dials.
pub const MAX_INBOUND_CONNECTIONS: u32 = 384;

const _: () = assert!(MAX_INBOUND_CONNECTIONS < MAX_CONNECTIONS);

/// Connections to one peer: TCP and QUIC dialed from both sides at once, a relayed one, and one to spare.
pub const MAX_CONNECTIONS_PER_PEER: u32 = 6;

/// Connections being set up, each way: what a burst of dials may hold before it has proved any identity.
pub const MAX_PENDING_CONNECTIONS: u32 = 64;

/// Topics that one peer may subscribe to, as far as we keep track. gossipsub's default of 100 drops the whole hello of a
/// peer in more rooms.
pub const MAX_TOPICS_PER_PEER: usize = 1_024;

/// Bytes in one gossip frame: the largest event, and the 16 KiB that gossipsub's size check, which measures its read buffer
/// and not the frame, wants to spare.
pub const MAX_GOSSIP_BYTES: usize = MAX_EVENT_BYTES + 16 * 1024;

/// Bytes of control messages in one gossip frame. The default of 16 KiB is overrun by an IHAVE of a busy room, which closes
/// the stream; the fifth time gossipsub is off on that connection for good.
pub const MAX_GOSSIP_CONTROL_BYTES: usize = 256 * 1024;

/// Ids in one IHAVE: at 22 bytes each they stay far below [`MAX_GOSSIP_CONTROL_BYTES`].
pub const MAX_IHAVE_IDS: usize = 2_500;

/// Seconds until a question without an answer has failed.
pub const CALL_TIMEOUT_S: u64 = 20;

/// Questions about channels under way on one connection, both ways together.
pub const MAX_CALLS_PER_CONNECTION: usize = 64;

/// Questions about letters under way on one connection, both ways together: each way as many as an outbox asks at a time, and a few for
/// a collector and for streams that are being closed. Each may be read into memory before anybody looks at it. Of more, those that come
/// are dropped, and those that go out have failed; whoever asked tries again later.
pub const MAX_LETTERS_PER_CONNECTION: usize = 2 * (outbox::WINDOW + 4);

/// Questions about shares under way on one connection, both ways together. Each may be read into memory before anybody looks at it.
pub const MAX_SHARE_CALLS_PER_CONNECTION: usize = 64;

/// Bytes of a question about letters that a node takes which keeps none for others: one letter, where most questions are far
/// smaller. Those that are larger are for mailboxes.
pub const PLAIN_QUESTION_BYTES: usize = 64 * 1024;

const _: () = assert!(MAX_ENVELOPE_BYTES + 64 <= PLAIN_QUESTION_BYTES);
const _: () = assert!(PLAIN_QUESTION_BYTES <= MAX_QUESTION_BYTES);

/// Keys that others and we provide, as far as we keep track: about 200 bytes each. kad's default of 1,024 counts our own too,
/// and is soon filled by a stranger.
pub const MAX_PROVIDED_KEYS: usize = 32_768;

/// Seconds between pings. With [`PING_TIMEOUT_S`] the time in which a broken link is noticed. Pings are a third of what an idle
/// connection sends; mappings of NATs that keep to RFC 4787 last two minutes.
pub const PING_INTERVAL_S: u64 = 20;

/// Seconds until a ping counts as lost: an overloaded machine answers late.
pub const PING_TIMEOUT_S: u64 = 15;

const _: () = assert!(MAX_IHAVE_IDS * 22 * 4 < MAX_GOSSIP_CONTROL_BYTES);

/// Gossip with a bound on subscriptions.
pub type Gossip = gossipsub::Behaviour<
    gossipsub::IdentityTransform,
    gossipsub::MaxCountSubscriptionFilter<gossipsub::AllowAllSubscriptionFilter>,
>;

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// First, so that what they deny costs nobody else anything.
    pub blocked: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    /// Bounds on connections.
    pub limits: connection_limits::Behaviour,
    /// No new connections when memory runs out.
    pub memory: Toggle<memory_connection_limits::Behaviour>,
    /// Who is there, and where it listens.
    pub identify: identify::Behaviour,
    /// Whether it is still there.
    pub ping: ping::Behaviour,
    /// Finding peers.
    pub kad: kad::Behaviour<kad::store::MemoryStore>,
    /// Finding peers on the local network.
    pub mdns: Toggle<mdns::tokio::Behaviour>,
    /// Live events and presence.
    pub gossip: Gossip,
    /// Questions and answers about channels.
    pub calls: request_response::Behaviour<ChannelCodec>,
    /// Questions and answers about letters.
    pub direct: request_response::Behaviour<DirectCodec>,
    /// Questions and answers about shares.
    pub shares: request_response::Behaviour<ShareCodec>,
    /// Streams for blocks.
    pub lanes: lanes::behaviour::Behaviour,
}

impl Behaviour {
    /// All protocols, configured. The incarnation tells this run of the node from the one before; a node that keeps letters for others
    /// takes larger questions. What gossip counts goes into the registry, if there is one.
    ///
    /// # Errors
    /// [`StartError::Behaviour`] when one refuses its configuration.
    pub fn new(
        keypair: &Keypair,
        incarnation: u32,
        (with_mdns, keeps_letters): (bool, bool),
        resources: Resources,
        registry: Option<&mut Registry>,
    ) -> Result<Self, StartError> {
        let peer_id = keypair.public().to_peer_id();
        Ok(Self {
            blocked: allow_block_list::Behaviour::default(),
            limits: connection_limits::Behaviour::new(
                connection_limits::ConnectionLimits::default()
                    .with_max_established(Some(MAX_CONNECTIONS))
                    .with_max_established_incoming(Some(MAX_INBOUND_CONNECTIONS))
                    .with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
                    .with_max_pending_incoming(Some(MAX_PENDING_CONNECTIONS))
                    .with_max_pending_outgoing(Some(MAX_PENDING_CONNECTIONS)),
            ),
            memory: resources.memory_bytes.map(memory_connection_limits::Behaviour::with_max_bytes).into(),
            identify: identify::Behaviour::new(
                identify::Config::new(PROTOCOL_VERSION.into(), keypair.public())
                    .with_agent_version(format!("{AGENT} ({incarnation:08x})"))
                    // A node that begins to listen elsewhere is found there at once.
                    .with_push_listen_addr_updates(true),
            ),
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(Duration::from_secs(PING_INTERVAL_S))
                    .with_timeout(Duration::from_secs(PING_TIMEOUT_S)),
            ),
            kad: kademlia(peer_id, resources),
            mdns: mdns(peer_id, with_mdns).into(),
            gossip: gossip(registry)?,
            calls: request_response::Behaviour::with_codec(
                ChannelCodec::default(),
                [(CHANNEL_PROTOCOL, request_response::ProtocolSupport::Full)],
                calls(MAX_CALLS_PER_CONNECTION),
            ),
            direct: direct(
                request_response::ProtocolSupport::Full,
                if keeps_letters { MAX_QUESTION_BYTES } else { PLAIN_QUESTION_BYTES },
            ),
            shares: request_response::Behaviour::with_codec(
                ShareCodec::default(),
                [(SHARE_PROTOCOL, request_response::ProtocolSupport::Full)],
                calls(MAX_SHARE_CALLS_PER_CONNECTION),
            ),
            lanes: lanes::behaviour::Behaviour::default(),
        })
    }
}

fn calls(per_connection: usize) -> request_response::Config {
    request_response::Config::default()
        .with_request_timeout(Duration::from_secs(CALL_TIMEOUT_S))
        .with_max_concurrent_streams(per_connection)
}

/// Questions about letters, with or without answering any; those that come are of at most so many bytes.
pub fn direct(
    support: request_response::ProtocolSupport,
    question_bytes: usize,
) -> request_response::Behaviour<DirectCodec> {
    let codec = DirectCodec::taking(question_bytes);
    request_response::Behaviour::with_codec(codec, [(DIRECT_PROTOCOL, support)], calls(MAX_LETTERS_PER_CONNECTION))
}

fn kademlia(peer_id: libp2p::PeerId, resources: Resources) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KAD_PROTOCOL);
    config.set_query_timeout(Duration::from_secs(30));
    // `routing` refreshes.
    config.set_periodic_bootstrap_interval(None);
    config.set_kbucket_size(resources.kademlia_k);
    config.set_replication_factor(resources.kademlia_k);
    // Whoever makes itself known goes in by way of `routing`.
    config.set_kbucket_inserts(kad::BucketInserts::Manual);
    // Nobody stores records here: we only use providers, and those are admitted one by one.
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    let store = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: MAX_PROVIDED_KEYS,
        ..kad::store::MemoryStoreConfig::default()
    };
    let store = kad::store::MemoryStore::with_config(peer_id, store);
    let mut kad = kad::Behaviour::with_config(peer_id, store, config);
    // Left alone, kad is a client until an external address is confirmed, and two clients never find each other. Until
    // reachability is measured every node serves.
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn mdns(peer_id: libp2p::PeerId, wanted: bool) -> Option<mdns::tokio::Behaviour> {
    if !wanted {
        return None;
    }
    mdns::tokio::Behaviour::new(mdns::Config::default(), peer_id)
        .inspect_err(|error| {
            tracing::warn!("not looking for nodes on the local network: mDNS does not work here: {error}")
        })
        .ok()
}

fn gossip(registry: Option<&mut Registry>) -> Result<Gossip, StartError> {
    let refused = |what, reason: String| StartError::Behaviour { what, reason };
    let config = gossipsub::ConfigBuilder::default()
        // We sign events ourselves and check that once, after duplicates are dropped; gossipsub would check each duplicate.
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        // A message is passed on only when it is verified and durable here.
        .validate_messages()
        // Over the topic and the whole frame: with an id over the event alone, a copy with a broken signature that
        // comes first would make gossip drop the true one as a duplicate. 20 bytes keep IHAVEs short.
        .message_id_fn(|message| {
            gossipsub::MessageId::from(live::message_id(message.topic.as_str(), &message.data).to_vec())
        })
        // Each message reaches a node about once for each mesh link but one; with six links, duplicates are most of the work of
        // a busy room. Four keep the mesh connected, IHAVEs fill holes within a second, and repair carries what is lost. A node
        // with three is a hop farther away from all others.
        .mesh_n(4)
        .mesh_n_low(4)
        .mesh_n_high(6)
        // Of the places in a mesh that is too large, so many go to those that brought most. The rest are drawn by lot, and some to
        // peers that we dialed: whoever is fast, or talks much, must not get all.
        .retain_scores(2)
        .mesh_outbound_min(2)
        // How often the mesh is looked at for peers that bring nothing, in heartbeats of a second.
        .opportunistic_graft_ticks(20)
        // IHAVEs to so many others a second, and to a quarter of them where there are more: what they too miss, repair brings.
        .gossip_lazy(3)
        .gossip_factor(0.25)
        .max_transmit_size(MAX_GOSSIP_BYTES)
        .max_control_message_size(MAX_GOSSIP_CONTROL_BYTES)
        .max_control_messages_sent(MAX_IHAVE_IDS)
        // A burst of a thousand messages a second must fit the queue to a neighbour; repair brings what does not.
        .connection_handler_queue_len(10_000)
        .build()
        .map_err(|error| refused("gossip", error.to_string()))?;
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: gossipsub::AllowAllSubscriptionFilter {},
        max_subscribed_topics: MAX_TOPICS_PER_PEER,
        max_subscriptions_per_request: MAX_TOPICS_PER_PEER,
    };
    let mut gossip = Gossip::new_with_subscription_filter(gossipsub::MessageAuthenticity::Anonymous, config, filter)
        .map_err(|error| refused("gossip", error.to_owned()))?;
    if let Some(registry) = registry {
        gossip = gossip.with_metrics(registry.sub_registry_with_prefix("gossip"), gossipsub::MetricsConfig::default());
    }
    gossip.with_peer_score(scoring(), thresholds()).map_err(|error| refused("gossip", error))?;
    Ok(gossip)
}

/// When what a peer brought so far has consequences.
fn thresholds() -> gossipsub::PeerScoreThresholds {
    gossipsub::PeerScoreThresholds {
        // Half of the mesh has brought next to nothing for twenty seconds: peers that did are taken in.
        opportunistic_graft_threshold: 0.25,
        ..Default::default()
    }
}

/// Scores by what a peer was first to bring, invalid messages and protocol abuse.
fn scoring() -> gossipsub::PeerScoreParams {
    gossipsub::PeerScoreParams {
        // Many honest nodes share an address: a household, a carrier's NAT, one machine in a test.
        ip_colocation_factor_weight: 0.0,
        ..Default::default()
    }
}

/// How a room's topic is scored.
pub fn topic_scoring() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        topic_weight: 1.0,
        // By default a second in the mesh counts as much as a thousand messages, and whoever holds its tongue is never replaced.
        time_in_mesh_weight: 0.0,
        // For each thing that it was first to bring; half of that is forgotten in ten seconds. The cap lets two promises that are
        // not kept at once cost more than anything brought is worth.
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_decay: 0.933,
        first_message_deliveries_cap: 20.0,
        // The penalty for delivering little is squared and starts after 5 s: in a quiet room everybody would be graylisted.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        ..Default::default()
    }
}
