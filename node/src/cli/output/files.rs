//! Files that are shared and fetched, for people to read. Names and paths of shares are chosen by whoever made them.

use std::collections::BTreeMap;

use super::{duration, one_line, plural};
use crate::{
    cli::{
        names::Names,
        sizes::{bytes, limit, percent, speed},
    },
    model::{AnnouncedShare, NodeEvent, Share, ShareFile, SharePeer, ShareState, StoreUsage, TransferLimits},
};

/// Digits of a root that tell shares apart at a glance.
const SHORT_DIGITS: usize = 8;

/// Files that are shown while they come; of more there is a line that says how many.
const MAX_SHOWN_FILES: usize = 5;

/// Peers that are shown while files come; the same.
const MAX_SHOWN_PEERS: usize = 8;

/// Seconds over which the node counts what came from a peer.
const RECENT_S: u64 = 20;

/// Enough of a root to tell its share from others, as a rule.
pub fn short_root(share: &Share) -> String {
    one_line(&share.root.chars().take(SHORT_DIGITS).collect::<String>())
}

/// What a share is called. One whose name is not known yet the node calls by its root.
pub fn name(share: &Share) -> String {
    if share.name == share.root { format!("{}…", short_root(share)) } else { one_line(&share.name) }
}

/// Where it is.
pub fn place(share: &Share) -> String {
    share.place.as_deref().map_or_else(|| "a place that is not known yet".into(), one_line)
}

/// Why it is as it is.
pub fn reason(share: &Share) -> String {
    share.reason.as_deref().map_or_else(|| "the node does not say why".into(), one_line)
}

fn because(share: &Share) -> String {
    share.reason.as_deref().map(|reason| format!(": {}", one_line(reason))).unwrap_or_default()
}

/// How much is done, how fast, how long it takes, who helps.
pub fn how_far(share: &Share) -> String {
    let Share { wanted_bytes, done_bytes, peers, seeders, .. } = share;
    let part = format!("{} % of {}", percent(*done_bytes, *wanted_bytes), bytes(*wanted_bytes));
    let who = match (*peers, *seeders) {
        (0, _) => "nobody has it here now".to_owned(),
        (peers, 0) => plural(peers, "peer"),
        (peers, seeders) => format!("{}, {seeders} with all of it", plural(peers, "peer")),
    };
    match share.state {
        ShareState::Asking => format!("asks what is in it, {who}"),
        ShareState::Fetching => {
            let eta = share.eta_s.map(|seconds| format!(", {} left", duration(seconds))).unwrap_or_default();
            format!("{part}, {}{eta}, {who}", speed(share.down_bytes_s))
        }
        ShareState::Paused => format!("paused at {part}{}", because(share)),
        ShareState::Finishing => "all is here, and is put in its place".into(),
        ShareState::Complete => format!("complete, in {}", place(share)),
        ShareState::Changed => format!("changed{}", because(share)),
        ShareState::Failed => format!("failed{}", because(share)),
    }
}

/// A share for `transfers`.
pub fn transfer(share: &Share) -> String {
    format!("{}  {}  {}", short_root(share), name(share), how_far(share))
}

/// A share for `shared`.
pub fn shared(share: &Share) -> String {
    let mut facts = Vec::new();
    match (share.folder, share.files) {
        (Some(true), Some(files)) => facts.push(format!("folder of {}", plural(files, "file"))),
        (Some(true), None) => facts.push("folder".into()),
        _ => {}
    }
    facts.extend(share.size.map(bytes));
    facts.push(plural(share.peers, "peer"));
    if share.uploaded_bytes > 0 {
        facts.push(format!("{} given, {}", bytes(share.uploaded_bytes), speed(share.up_bytes_s)));
    }
    let place = if share.copied { "copied".into() } else { place(share) };
    let changed = if share.state == ShareState::Changed { format!("  {}", how_far(share)) } else { String::new() };
    format!("{}  {}  {}  {place}{changed}", short_root(share), name(share), facts.join(", "))
}

/// A share that was announced in a room.
pub fn announced(share: &AnnouncedShare) -> String {
    let AnnouncedShare { number, name, folder, size, author_name, seeders, .. } = share;
    let kind = if *folder { "folder, " } else { "" };
    let seeders = match seeders {
        Some(0) => ", nobody has it now".to_owned(),
        Some(count) => format!(", {} with it", plural(*count, "node")),
        None => String::new(),
    };
    format!("{number}  {}  {kind}{}, by {}{seeders}", one_line(name), bytes(*size), one_line(author_name))
}

/// A share that came to be.
pub fn now_shared(share: &Share) -> String {
    let size = share.size.map(|size| format!(", {}", bytes(size))).unwrap_or_default();
    let link = share.link.as_deref().map(|link| format!("\nlink: {}", one_line(link))).unwrap_or_default();
    format!("{} is shared{size}\nroot: {}{link}", name(share), one_line(&share.root))
}

/// What is to be seen below the bar while a share comes: files under way, and peers. `for_s` is how long it has been looked at.
pub fn below(files: &[ShareFile], peers: &[SharePeer], names: &Names, for_s: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let wanted = || files.iter().filter(|file| file.wanted);
    if files.len() > 1 {
        let done = wanted().filter(|file| file.done_bytes >= file.size).count();
        lines.push(format!("  {done} of {} complete", plural(wanted().count() as u64, "file")));
        let under_way: Vec<&ShareFile> =
            wanted().filter(|file| file.done_bytes > 0 && file.done_bytes < file.size).collect();
        lines.extend(under_way.iter().take(MAX_SHOWN_FILES).map(|file| self::file(file)));
        lines.extend(more(under_way.len(), MAX_SHOWN_FILES, "file"));
    }
    let mut peers: Vec<&SharePeer> = peers.iter().collect();
    peers.sort_by(|one, other| other.recent_bytes.cmp(&one.recent_bytes).then_with(|| one.peer_id.cmp(&other.peer_id)));
    lines.extend(peers.iter().take(MAX_SHOWN_PEERS).map(|peer| self::peer(peer, names, for_s)));
    lines.extend(more(peers.len(), MAX_SHOWN_PEERS, "peer"));
    lines
}

fn more(count: usize, shown: usize, thing: &str) -> Option<String> {
    (count > shown).then(|| format!("  and {}", plural((count - shown) as u64, &format!("more {thing}"))))
}

fn file(file: &ShareFile) -> String {
    format!("  {:>3} % of {:>9}  {}", percent(file.done_bytes, file.size), bytes(file.size), one_line(&file.path))
}

fn peer(peer: &SharePeer, names: &Names, for_s: u64) -> String {
    let came = speed(peer.recent_bytes / for_s.clamp(1, RECENT_S));
    let has = match (peer.blocks, peer.of) {
        (Some(blocks), Some(of)) if of > 0 => format!("  has {} %", percent(blocks, of)),
        _ => String::new(),
    };
    let busy = if peer.choking { "  gives to others" } else { "" };
    format!("  {}  {}  {came}{has}{busy}", names.get(&peer.peer_id), one_line(&peer.path))
}

/// What shares take of the disk.
pub fn usage(usage: &StoreUsage) -> String {
    let StoreUsage { copied_bytes, partial_bytes, outline_bytes, garbage_bytes } = usage;
    let hint = if *garbage_bytes > 0 { "; node store gc removes it" } else { "" };
    [
        format!("copied files: {}", bytes(*copied_bytes)),
        format!("not complete: {}", bytes(*partial_bytes)),
        format!("known about shares: {}", bytes(*outline_bytes)),
        format!("needed by nothing: {}{hint}", bytes(*garbage_bytes)),
    ]
    .join("\n")
}

/// Limits.
pub fn limits(limits: &TransferLimits) -> String {
    format!("up: {}\ndown: {}", limit(limits.up), limit(limits.down))
}

/// What a prompt tells of shares: that they are complete, or cannot be. How far they are is told once a second, and would fill it.
#[derive(Debug, Default)]
pub struct Told {
    /// By root: shares that are not complete, and how far they were. At most as many as the node has.
    under_way: BTreeMap<String, ShareState>,
}

impl Told {
    /// What to tell of this, in one line.
    pub fn notice(&mut self, event: &NodeEvent) -> Option<String> {
        let share = match event {
            NodeEvent::Share(share) => share,
            NodeEvent::Unshared { root } => {
                self.under_way.remove(root);
                return None;
            }
            _ => return None,
        };
        if share.state == ShareState::Complete {
            let before = self.under_way.remove(&share.root)?;
            let what = if before == ShareState::Changed { "is what it was again" } else { "is complete" };
            return Some(format!("* {} {what}: {}", name(share), place(share)));
        }
        let before = self.under_way.insert(share.root.clone(), share.state);
        let is_told = match share.state {
            ShareState::Failed | ShareState::Changed => true,
            // By a full disk, not by the user.
            ShareState::Paused => share.reason.is_some(),
            _ => false,
        };
        (is_told && before != Some(share.state)).then(|| format!("! {} {}", name(share), how_far(share)))
    }
}

/// A share, for tests.
#[cfg(test)]
pub fn sample(state: ShareState) -> Share {
    Share {
        root: format!("abcd12{}", "0".repeat(58)),
        name: "murmuration.mp4".into(),
        folder: Some(false),
        size: Some(2_048),
        files: Some(1),
        state,
        reason: None,
        place: Some("/home/ada/murmuration.mp4".into()),
        copied: false,
        link: Some("starling:file/AQ".into()),
        added_at: "2026-01-01T00:00:00.000Z".into(),
        wanted_bytes: 2_048,
        done_bytes: 512,
        peers: 2,
        seeders: 1,
        down_bytes_s: 1_024,
        up_bytes_s: 0,
        eta_s: Some(90),
        uploaded_bytes: 0,
        down_limit: None,
        up_limit: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::output::is_unsafe;

    const STATES: [ShareState; 7] = [
        ShareState::Asking,
        ShareState::Fetching,
        ShareState::Paused,
        ShareState::Finishing,
        ShareState::Complete,
        ShareState::Changed,
        ShareState::Failed,
    ];

    fn of_peer(peer_id: &str, recent_bytes: u64) -> SharePeer {
        SharePeer {
            peer_id: peer_id.into(),
            address: "/ip4/192.0.2.1/tcp/1".into(),
            path: "direct".into(),
            blocks: Some(1),
            of: Some(4),
            recent_bytes,
            asked_bytes: 0,
            choking: false,
        }
    }

    fn of_file(path: &str, done_bytes: u64) -> ShareFile {
        ShareFile { path: path.into(), size: 1_024, done_bytes, wanted: true, root: String::new() }
    }

    #[test]
    fn a_line_tells_how_far_how_fast_how_long_and_from_how_many() {
        let line = transfer(&sample(ShareState::Fetching));
        assert_eq!(
            line,
            "abcd1200  murmuration.mp4  25 % of 2.0 KiB, 1.0 KiB/s, 1 min left, 2 peers, 1 with all of it"
        );
        let full = Share { reason: Some("the disk is full".into()), ..sample(ShareState::Paused) };
        assert_eq!(how_far(&full), "paused at 25 % of 2.0 KiB: the disk is full");
        let given = Share { uploaded_bytes: 1_024, ..sample(ShareState::Complete) };
        let line = shared(&given);
        assert_eq!(
            line,
            "abcd1200  murmuration.mp4  2.0 KiB, 2 peers, 1.0 KiB given, 0 B/s  /home/ada/murmuration.mp4"
        );
    }

    #[test]
    fn a_share_without_a_name_is_not_told_by_a_line_of_digits() {
        let share = sample(ShareState::Asking);
        assert_eq!(name(&Share { name: share.root.clone(), ..share }), "abcd1200…");
    }

    #[test]
    fn files_under_way_and_peers_are_shown_up_to_a_number() {
        let files: Vec<ShareFile> =
            (0..9).map(|n| of_file(&format!("f{n}"), if n == 0 { 1_024 } else { 256 })).collect();
        let peers: Vec<SharePeer> = (0..10).map(|n| of_peer(&format!("12D3KooWaaaaa{n}"), n * 20_480)).collect();
        let lines = below(&files, &peers, &Names::default(), 100);
        assert_eq!(lines[0], "  1 of 9 files complete");
        assert_eq!(lines[1], "   25 % of   1.0 KiB  f1");
        assert_eq!(lines[6], "  and 3 more files");
        assert_eq!(lines[7], "  …aaaaa9  direct  9.0 KiB/s  has 25 %");
        assert_eq!(lines.last().unwrap(), "  and 2 more peers");
        let young = below(&[], &peers[1..2], &Names::default(), 2);
        assert_eq!(young, ["  …aaaaa1  direct  10.0 KiB/s  has 25 %"], "a file alone has no lines of its own");
    }

    #[test]
    fn a_prompt_is_told_once_that_something_is_complete_and_never_how_far_it_is() {
        let mut told = Told::default();
        let mut tell = |state, reason: Option<&str>| {
            let share = Share { reason: reason.map(str::to_owned), ..sample(state) };
            told.notice(&NodeEvent::Share(Box::new(share)))
        };
        assert_eq!(tell(ShareState::Complete, None), None, "the user shared it");
        for state in [ShareState::Asking, ShareState::Fetching, ShareState::Fetching, ShareState::Finishing] {
            assert_eq!(tell(state, None), None);
        }
        let complete = tell(ShareState::Complete, None);
        assert_eq!(complete.as_deref(), Some("* murmuration.mp4 is complete: /home/ada/murmuration.mp4"));
        assert_eq!(tell(ShareState::Complete, None), None, "it is given to others");
        assert_eq!(tell(ShareState::Paused, None), None, "the user paused it");
        tell(ShareState::Fetching, None);
        assert!(tell(ShareState::Paused, Some("the disk is full")).unwrap().contains("the disk is full"));
        assert_eq!(tell(ShareState::Paused, Some("the disk is full")), None);
        assert!(tell(ShareState::Failed, Some("nobody has it")).is_some());
        let gone = NodeEvent::Unshared { root: sample(ShareState::Failed).root };
        assert_eq!(told.notice(&gone), None);
        assert_eq!(told.notice(&NodeEvent::Share(Box::new(sample(ShareState::Complete)))), None, "it is another");
    }

    /// Text with more than its share of characters that drive a terminal.
    fn hostile() -> impl Strategy<Value = String> {
        let bad = prop::sample::select(vec!['\u{1b}', '\u{9b}', '\n', '\r', '\t', '\u{202e}', '\u{2028}']);
        prop::collection::vec(prop_oneof![any::<char>(), bad], 0..12).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn whatever_a_share_is_called_is_safe_on_a_terminal_and_stays_on_its_line(text in hostile()) {
            for state in STATES {
                let share = Share {
                    name: text.clone(), reason: Some(text.clone()), place: Some(text.clone()), root: format!("{text}0"),
                    ..sample(state)
                };
                let prompt = Told::default().notice(&NodeEvent::Share(Box::new(share.clone())));
                for line in [transfer(&share), shared(&share), prompt.unwrap_or_default()] {
                    prop_assert!(!line.chars().any(|c| is_unsafe(c) || c == '\t'), "{line:?}");
                }
                prop_assert!(!now_shared(&share).chars().any(|c| c != '\n' && is_unsafe(c)));
                prop_assert_eq!(now_shared(&share).lines().count(), 3);
            }
            let peer = SharePeer { path: text.clone(), ..of_peer(&text, 1) };
            let files = [of_file(&text, 1), of_file(&text, 2)];
            for line in below(&files, &[peer], &Names::default(), 1) {
                prop_assert!(!line.chars().any(|c| is_unsafe(c) || c == '\t'), "{line:?}");
            }
        }
    }
}
