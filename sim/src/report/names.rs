//! The names of everything that a report may hold, with what each means. Checks refer to figures by these names.

/// What a number is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share between 0 and 1.
    Share,
    /// Milliseconds of virtual time.
    Milliseconds,
    /// Seconds of virtual time.
    Seconds,
    /// Bytes.
    Bytes,
    /// Just a number.
    Count,
}

/// Which way a number should go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It only describes the run, or how busy the machine was that made it.
    Neither,
}

/// A name and its meaning.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    /// As in files.
    pub name: &'static str,
    /// Counted in this.
    pub unit: Unit,
    /// Which way it should go.
    pub better: Better,
    /// In plain words.
    pub meaning: &'static str,
}

const fn name(name: &'static str, unit: Unit, better: Better, meaning: &'static str) -> Name {
    Name { name, unit, better, meaning }
}

/// Single numbers of a run.
pub const FIGURES: &[Name] = &[
    name("said", Unit::Count, Better::Neither, "messages said and durable at their author"),
    name("refused", Unit::Count, Better::Lower, "messages that the author's node refused, such as on a full disk"),
    name(
        "delivered",
        Unit::Share,
        Better::Higher,
        "of all messages and hosts of the room that were up at the end: shown there",
    ),
    name("delivered_live", Unit::Share, Better::Higher, "of all messages and hosts up since before: shown within 10 s"),
    name("latency_p50_ms", Unit::Milliseconds, Better::Lower, "from said to shown, the middle"),
    name(
        "latency_p99_ms",
        Unit::Milliseconds,
        Better::Lower,
        "from said to shown, all but one in a hundred; hosts up since before",
    ),
    name("path_p50_ms", Unit::Milliseconds, Better::Neither, "one-way latency between two random hosts, the middle"),
    name(
        "path_p99_ms",
        Unit::Milliseconds,
        Better::Neither,
        "one-way latency between two random hosts, all but one in a hundred",
    ),
    name(
        "latency_p99_over_path_p99",
        Unit::Count,
        Better::Lower,
        "how many times the network's own the messages' latency is",
    ),
    name(
        "duplicates",
        Unit::Count,
        Better::Lower,
        "copies of a gossip message that a host got besides the first, on average",
    ),
    name(
        "heal_to_equal_s",
        Unit::Seconds,
        Better::Lower,
        "from the last heal until all hosts of each room held what was said before it; not measured if they never did",
    ),
    name("direct_written", Unit::Count, Better::Neither, "direct messages written and durable at their author"),
    name("direct_refused", Unit::Count, Better::Lower, "direct messages that the author's node did not take"),
    name("direct_delivered", Unit::Share, Better::Higher, "of the direct messages written: durable at their recipient"),
    name(
        "direct_told",
        Unit::Share,
        Better::Higher,
        "of the direct messages written: their author's node knows that they arrived",
    ),
    name(
        "direct_by_mailbox",
        Unit::Share,
        Better::Neither,
        "of the direct messages written: their author was told that a mailbox keeps them",
    ),
    name(
        "direct_apart",
        Unit::Share,
        Better::Neither,
        "of the direct messages written: arrived before their author and their recipient were ever up together",
    ),
    name("direct_p50_s", Unit::Seconds, Better::Lower, "from written to durable at the recipient, the middle"),
    name(
        "direct_p99_s",
        Unit::Seconds,
        Better::Lower,
        "from written to durable at the recipient, all but one in a hundred of those that arrived",
    ),
    name(
        "direct_live_p99_s",
        Unit::Seconds,
        Better::Lower,
        "the same, of those whose recipient was up when they were written",
    ),
    name("mailbox_letters", Unit::Count, Better::Lower, "sealed letters that mailboxes still keep at the end"),
    name("mailbox_named", Unit::Count, Better::Higher, "mailboxes that a host's card names, on average at the end"),
    name("file_wanted", Unit::Count, Better::Neither, "files that hosts were to fetch, each host by itself"),
    name("file_completed", Unit::Share, Better::Higher, "of these: complete, checked and durable"),
    name("file_p50_s", Unit::Seconds, Better::Lower, "from asked for to complete, the middle of those that are"),
    name("file_last_s", Unit::Seconds, Better::Lower, "from when the first asked for a file until the last had it"),
    name("file_best_s", Unit::Seconds, Better::Neither, "the least in which that is possible with their bandwidth"),
    name("file_last_over_best", Unit::Count, Better::Lower, "how many times the least possible the last one's time is"),
    name("file_bytes_seeders", Unit::Bytes, Better::Lower, "bytes of blocks that seeders read for others"),
    name("file_bytes_getters", Unit::Bytes, Better::Neither, "bytes of blocks that those who fetch read for others"),
    name(
        "file_overhead",
        Unit::Share,
        Better::Lower,
        "bytes sent for blocks besides those that were kept, by those: headers, what was sent twice, what was wrong",
    ),
    name("file_wrong", Unit::Share, Better::Lower, "of the blocks that came: wrong, and refused"),
    name("file_asked_of_liars", Unit::Count, Better::Lower, "blocks that one host asked of one hostile host, at most"),
    name("lookups", Unit::Count, Better::Neither, "Kademlia lookups begun"),
    name("lookups_found", Unit::Share, Better::Higher, "of the lookups for keys whose provider was up: found one"),
    name("lookup_p50_ms", Unit::Milliseconds, Better::Lower, "from the question to the first provider, the middle"),
    name(
        "lookup_p99_ms",
        Unit::Milliseconds,
        Better::Lower,
        "from the question to the first provider, all but one in a hundred",
    ),
    name("lookup_requests", Unit::Count, Better::Lower, "questions that one lookup asked, on average"),
    name("connections", Unit::Count, Better::Neither, "connected peers of a host, on average at the end"),
    name("bytes_per_host_s", Unit::Bytes, Better::Lower, "bytes that a host sends a second, on average"),
    name(
        "presence_error",
        Unit::Share,
        Better::Lower,
        "of pairs of hosts of the lobby at the end: who is shown wrongly, or not shown",
    ),
    name("banned_honest", Unit::Count, Better::Lower, "honest hosts that honest hosts keep out"),
    name("banned_hostile", Unit::Share, Better::Higher, "hostile hosts that at least one honest host keeps out"),
    name("memory_per_host", Unit::Bytes, Better::Neither, "memory of this process at its most, by hosts"),
    name(
        "cpu_per_host_us_s",
        Unit::Count,
        Better::Neither,
        "microseconds of processor that a host costs a virtual second",
    ),
    name("speed", Unit::Count, Better::Neither, "virtual seconds in a real second"),
];

/// Numbers over time.
pub const SERIES: &[Name] = &[
    name("delivered", Unit::Share, Better::Higher, "shown within 10 s, of the messages said in that span"),
    name("latency_p50_ms", Unit::Milliseconds, Better::Lower, "from said to shown, the middle"),
    name("latency_p99_ms", Unit::Milliseconds, Better::Lower, "from said to shown, all but one in a hundred"),
    name("duplicates", Unit::Count, Better::Lower, "copies besides the first, on average"),
    name("hosts", Unit::Count, Better::Neither, "hosts up"),
    name("connections", Unit::Count, Better::Neither, "connected peers of a host, on average"),
    name("bytes_per_host_s", Unit::Bytes, Better::Lower, "bytes that a host sends a second"),
    name("undelivered", Unit::Count, Better::Lower, "direct messages on their way"),
    name("file_came", Unit::Share, Better::Higher, "of all bytes that hosts want of files: durable"),
    name("file_done", Unit::Count, Better::Higher, "files complete, each host by itself"),
    name("file_seeders_bytes_s", Unit::Bytes, Better::Lower, "bytes of blocks that seeders give a second"),
    name("file_getters_bytes_s", Unit::Bytes, Better::Higher, "bytes of blocks that those who fetch give a second"),
    name("lookups_found", Unit::Share, Better::Higher, "lookups that found a provider"),
    name("lookup_p50_ms", Unit::Milliseconds, Better::Lower, "time of a lookup, the middle"),
    name("different", Unit::Count, Better::Lower, "hosts whose room differs from what most hold"),
];

/// The figure of a name.
pub fn figure(name: &str) -> Option<&'static Name> {
    FIGURES.iter().find(|figure| figure.name == name)
}

/// The series of a name.
pub fn series(name: &str) -> Option<&'static Name> {
    SERIES.iter().find(|series| series.name == name)
}
