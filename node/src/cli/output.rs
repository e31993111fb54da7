//! What commands print: JSON lines for programs, or text for people.
//!
//! Text that peers wrote never reaches a terminal as it is: control characters could move the cursor, set the title or
//! forge lines, and direction overrides could make a line read as something else. JSON keeps everything: it escapes control
//! characters itself, and programs want what was written.

pub mod direct;
pub mod files;

use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use super::Failure;
use crate::{
    model::{Member, Message, NodeEvent, Peer, PrivateRoom, Room, Status},
    people::short_id,
};

/// Standard output of one command.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether to print JSON.
    pub json: bool,
}

impl Output {
    /// Prints one line of text.
    ///
    /// # Errors
    /// [`Failure::NobodyReads`].
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Prints one JSON object on a line of its own.
    ///
    /// # Errors
    /// See [`Output::line`].
    pub fn object(self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string(value).map_err(Failure::failed)?)
    }

    /// Prints a value as JSON or, made by `text`, for people.
    ///
    /// # Errors
    /// See [`Output::line`].
    pub fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json { self.object(value) } else { self.line(&text(value)) }
    }

    /// Prints each value on a line of its own, as JSON or for people; people read `none` when there is nothing.
    ///
    /// # Errors
    /// See [`Output::line`].
    pub fn list<T: Serialize>(self, values: &[T], none: &str, text: impl Fn(&T) -> String) -> Result<(), Failure> {
        if values.is_empty() && !self.json {
            return self.line(none);
        }
        values.iter().try_for_each(|value| self.show(value, &text))
    }
}

/// Text of one line, with everything replaced that is not just a character to read.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) || c == '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Text that may have several lines; those after the first are indented, so that none looks like a message of its own.
pub fn many_lines(text: &str) -> String {
    let lines: Vec<String> = text
        .trim_end_matches('\n')
        .split('\n')
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            line.chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
        })
        .collect();
    lines.join("\n    | ")
}

/// Characters that do something to a terminal other than standing in their place. Tabs are left to the caller.
fn is_unsafe(c: char) -> bool {
    let directs = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    (c.is_control() && c != '\t') || directs || breaks
}

/// A name that others chose, with what tells people of one name apart.
pub fn who(name: &str, peer_id: &str) -> String {
    let (name, id) = (one_line(name), one_line(short_id(peer_id)));
    if name.ends_with(&id) { name } else { format!("{name} ({id})") }
}

/// A time of the API in the user's time zone, to the second.
fn local_time(at: &str, format: &str) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => one_line(at),
    }
}

/// A message with its date, for `history` and `tail`.
pub fn message(message: &Message) -> String {
    let time = local_time(&message.at, "%Y-%m-%d %H:%M:%S");
    let (room, who) = (one_line(&message.room), who(&message.name, &message.author));
    format!("{time} [{room}] {who}: {}", many_lines(&message.text))
}

/// A message in the prompt, where `room` is the current one.
pub fn chat_line(message: &Message, room: &str) -> String {
    let time = local_time(&message.at, "%H:%M");
    let place = if message.room == room { String::new() } else { format!("[{}] ", one_line(&message.room)) };
    format!("{time} {place}{}: {}", who(&message.name, &message.author), many_lines(&message.text))
}

/// A member of a room.
pub fn member(member: &Member) -> String {
    let own = if member.is_self { "  (this node)" } else { "" };
    let status = if member.status.is_empty() { String::new() } else { format!("  {}", one_line(&member.status)) };
    format!("{}  {}{own}{status}", one_line(&member.name), one_line(&member.peer_id))
}

/// A peer.
pub fn peer(peer: &Peer) -> String {
    let state = match (&peer.banned, peer.connected) {
        (Some(reason), _) => format!("kept out: {}", one_line(reason)),
        (None, true) => "connected".into(),
        (None, false) => "not connected".into(),
    };
    let rtt = peer.rtt_us.map(|rtt| format!("  {}.{:01} ms", rtt / 1_000, rtt % 1_000 / 100)).unwrap_or_default();
    let addresses: Vec<String> = peer.addresses.iter().map(|address| one_line(address)).collect();
    format!("{}  {state}{rtt}  {}", one_line(&peer.peer_id), addresses.join(" "))
}

/// A room.
pub fn room(room: &Room) -> String {
    let frozen = match room.frozen_logs {
        0 => String::new(),
        count => format!(", {} taken back from authors who wrote two histories", plural(count, "log")),
    };
    let Room { room, events, present, private, .. } = room;
    let key = match private {
        None => String::new(),
        Some(PrivateRoom { epoch: 0, .. }) => "  (private)".into(),
        Some(PrivateRoom { epoch, .. }) => format!("  (private, key changed {})", times(*epoch)),
    };
    format!("{}  {}, {} here{frozen}{key}", one_line(room), plural(*events, "message"), present)
}

fn times(count: u32) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

fn plural(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// The node's state, in a few lines.
pub fn status(status: &Status) -> String {
    let mut lines = vec![
        format!("{} ({}), version {}", one_line(&status.name), status.peer_id, status.version),
        format!("up {}, store {}", duration(status.uptime_s), one_line(&status.store)),
        format!(
            "{} connected, {} known; {}, {}",
            plural(status.connected_peers, "peer"),
            status.known_peers,
            plural(status.rooms, "room"),
            plural(status.events, "event")
        ),
    ];
    if status.closed_network {
        lines.push("closed network: only holders of the network key".into());
    }
    if status.undelivered > 0 {
        lines.push(format!("{} on the way to others", plural(status.undelivered, "direct message")));
    }
    lines.extend(
        status.mailboxes.iter().map(|peer| format!("while away, direct messages are kept by {}", one_line(peer))),
    );
    if let Some(kept) = &status.mailbox {
        let (letters, nodes) = (plural(kept.letters, "direct message"), plural(kept.recipients, "node"));
        lines.push(format!("keeps {letters} for {nodes}"));
    }
    lines.extend(status.listen.iter().map(|address| format!("listens on {address}")));
    lines.extend(status.refused.iter().map(|refused| format!("refused {}: {}", refused.count, refused.reason)));
    lines.extend(status.warnings.iter().map(|warning| format!("warning: {}", one_line(warning))));
    lines.join("\n")
}

fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{} {hours} h", plural(days, "day")),
    }
}

/// Something that happened other than a message, for the prompt; `None` for what people need not see.
pub fn notice(event: &NodeEvent, own_peer_id: &str) -> Option<String> {
    match event {
        NodeEvent::Joined(member) | NodeEvent::Left(member) if member.peer_id == own_peer_id => None,
        NodeEvent::Joined(member) => Some(format!("* {} is in {}", who(&member.name, &member.peer_id), member.room)),
        NodeEvent::Left(member) => Some(format!("* {} left {}", who(&member.name, &member.peer_id), member.room)),
        NodeEvent::RoomRotated { room, .. } => {
            Some(format!("* {} has a new key; who was left out reads nothing new", one_line(room)))
        }
        NodeEvent::Warning { text } => Some(format!("! {}", one_line(text))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(name: &str, text: &str) -> Message {
        Message {
            id: "00".repeat(32),
            room: "lobby".into(),
            author: "12D3KooWabcdef".into(),
            name: name.into(),
            seq: 1,
            hlc: 1,
            at: "2026-01-02T03:04:05.678Z".into(),
            text: text.into(),
        }
    }

    #[test]
    fn escape_sequences_and_direction_overrides_are_disarmed() {
        let line = message(&sample("Eve\u{202e}", "\u{1b}]0;owned\u{7}\u{9b}2J\rforged\u{2028}line\u{0}"));
        assert!(!line.contains(['\u{1b}', '\u{7}', '\u{9b}', '\r', '\u{2028}', '\u{0}', '\u{202e}']), "{line:?}");
        assert!(line.contains("forged"));
    }

    #[test]
    fn a_message_of_many_lines_cannot_look_like_two_messages() {
        let line = message(&sample("Eve", "hi\n2026-01-02 03:04:05 [lobby] Bob: I agree\n"));
        assert_eq!(line.lines().count(), 2);
        assert!(line.lines().nth(1).unwrap().starts_with("    | "), "{line}");
        assert_eq!(message(&sample("Eve\nBob: I agree", "hi")).lines().count(), 1);
    }

    #[test]
    fn people_of_one_name_are_told_apart() {
        assert_eq!(who("Ada", "12D3KooWabcdef"), "Ada (abcdef)");
        assert_eq!(who("starling-abcdef", "12D3KooWabcdef"), "starling-abcdef");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!([9, 61, 7_261, 90_000].map(duration), ["9 s", "1 min", "2 h 1 min", "1 day 1 h"]);
    }

    proptest! {
        #[test]
        fn whatever_peers_send_is_safe_and_no_longer_than_they_sent_it(name in ".*", text in any::<String>()) {
            let line = chat_line(&sample(&name, &text), "lobby");
            prop_assert!(line.chars().all(|c| c == '\n' || !is_unsafe(c)));
            prop_assert!(line.split('\n').skip(1).all(|line| line.starts_with("    | ")));
        }
    }
}
