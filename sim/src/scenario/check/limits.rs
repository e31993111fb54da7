//! How much a scenario may ask for. The bounds keep a slip of the pen from filling memory; none of them is in the way of an
//! experiment that two cores can run in a day.

/// Virtual seconds of a run, at most: a week.
pub const MAX_DURATION_S: u64 = 7 * 24 * 3600;
/// Hosts, at most, that are whole nodes: at half a megabyte each, what 24 GiB hold.
pub const MAX_HOSTS_NODES: usize = 50_000;
/// Hosts, at most, that are only cores.
pub const MAX_HOSTS_CORES: usize = 1_000_000;
/// Groups, at most: the report has a line for each pair.
pub const MAX_GROUPS: usize = 64;
/// Regions, at most: the matrix is written by hand.
pub const MAX_REGIONS: usize = 64;
/// Rooms that a group joins besides the lobby, at most.
pub const MAX_ROOMS: usize = 64;
/// Events, at most.
pub const MAX_EVENTS: usize = 1_000;
/// Kinds of talk, at most.
pub const MAX_CHATS: usize = 64;
/// Milliseconds of latency, at most: to geostationary orbit it is 120, to the moon 1,300.
pub const MAX_LATENCY_MS: f64 = 10_000.0;
/// Jitter, at most: ten times the latency on average.
pub const MAX_JITTER: f64 = 10.0;
/// Share of packets lost, at most: beyond it connections do not come up, and a partition says what is meant.
pub const MAX_LOSS: f64 = 0.5;
/// Milliseconds that a queue holds, at most.
pub const MAX_QUEUE_MS: u64 = 60_000;
/// Connected peers of a node, at most: as many as there can be.
pub const MAX_CONNECTIONS: usize = MAX_HOSTS_NODES;
/// Kademlia's k, at most: far above any network's.
pub const MAX_KADEMLIA_K: usize = 1_000;
/// Kilobits a second of a link, at most: a terabit.
pub const MAX_KBIT_S: u64 = 1_000_000_000;
/// Seconds until a NAT forgets a mapping, at most.
pub const MAX_EXPIRES_S: u64 = MAX_DURATION_S;
/// Seconds of a session or a gap, at least, where a distribution names one: hosts that come and go faster do nothing else.
pub const MIN_SPAN_S: f64 = 1.0;
/// Seconds of a session or a gap, at most.
pub const MAX_SPAN_S: f64 = 365.0 * 24.0 * 3600.0;
/// Shape of a Weibull distribution, at least: below it most sessions last milliseconds.
pub const MIN_SHAPE: f64 = 0.2;
/// Shape of a Weibull distribution, at most: there all sessions are as good as equal.
pub const MAX_SHAPE: f64 = 20.0;
/// Milliseconds that a clock is off, at most: ten years.
pub const MAX_CLOCK_MS: u64 = 10 * 365 * 24 * 3_600_000;
/// Parts per million that a clock runs wrong, at most: a tenth.
pub const MAX_DRIFT_PPM: u64 = 100_000;
/// Milliseconds that a batch takes to be durable, at most.
pub const MAX_SYNC_MS: u64 = 60_000;
/// Messages a second in one kind of talk, over all hosts, at most.
pub const MAX_CHAT_PER_S: f64 = 1_000.0;
/// Characters of a message, at most: what fits in one event.
pub const MAX_CHAT_BYTES: usize = proto::chat::MAX_TEXT_BYTES;
/// Kinds of direct messages, at most.
pub const MAX_DIRECTS: usize = 64;
/// Direct messages a second of one kind, over all hosts that write, at most.
pub const MAX_DIRECT_PER_S: f64 = 1_000.0;
/// Characters of a direct message, at least: each says who wrote it to whom, by which it is told from all others.
pub const MIN_DIRECT_BYTES: usize = 40;
/// Characters of a direct message, at most: what fits in one letter.
pub const MAX_DIRECT_BYTES: usize = proto::direct::letter::MAX_TEXT_BYTES;
/// Files, at most.
pub const MAX_FILES: usize = 64;
/// Mebibytes of a file, at most: all of it is made and hashed before the run begins, and again for each host that gets it.
pub const MAX_FILE_MIB: u64 = 4 * 1024;
/// Messages a second of one hostile host, at most.
pub const MAX_HOSTILE_PER_S: f64 = 10_000.0;
/// Lookups a second, over all hosts, at most.
pub const MAX_LOOKUPS_PER_S: f64 = 10_000.0;
/// Keys that are looked up, at most.
pub const MAX_KEYS: usize = 1_000_000;
