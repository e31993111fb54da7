//! Direct messages and people, for people to read.
//!
//! In a prompt for rooms, what is about direct messages begins with `@`: a room's message begins with its time, whatever its author
//! is called, and the lines after its first with `|`. Where the terminal breaks a long line is for its author to choose, so the
//! beginning is bold as well, which no text of others can be.

use super::{local_time, many_lines, one_line, plural};
use crate::{
    cli::names::{Names, label},
    model::{DirectMessage, DirectState, Person, SafetyNumber},
};

/// The beginning of a direct message in a prompt.
const BOLD: &str = "\x1b[1m";

const AS_BEFORE: &str = "\x1b[0m";

/// Groups of a safety number on one line.
const GROUPS_A_LINE: usize = 4;

/// Whether a message is the user's own, and whom it was exchanged with.
fn sides<'a>(message: &'a DirectMessage, own_peer_id: &str) -> (bool, &'a str) {
    let ours = message.from == own_peer_id;
    (ours, if ours { &message.to } else { &message.from })
}

/// How far a message is, in a word; nothing of one that came and was read.
fn state_of(message: &DirectMessage, ours: bool) -> &'static str {
    match (ours, message.state) {
        (true, DirectState::Queued) => " [queued]",
        (true, DirectState::Sent) => " [sent]",
        (true, DirectState::Delivered) => " [delivered]",
        (true, DirectState::Read) => " [read]",
        (true, DirectState::Refused) => " [refused]",
        (true, DirectState::Failed) => " [failed]",
        (false, DirectState::Read) => "",
        (false, _) => " [new]",
    }
}

fn from_or_to(message: &DirectMessage, own_peer_id: &str, names: &Names) -> String {
    let (ours, other) = sides(message, own_peer_id);
    format!("{} {}", if ours { "to" } else { "from" }, names.get(other))
}

/// A message with its date and how far it is, for `inbox`.
pub fn direct(message: &DirectMessage, own_peer_id: &str, names: &Names) -> String {
    let time = local_time(&message.at, "%Y-%m-%d %H:%M:%S");
    let state = state_of(message, sides(message, own_peer_id).0);
    format!("{time} {}{state}: {}", from_or_to(message, own_peer_id, names), many_lines(&message.text))
}

/// A message in the prompt, among those of rooms.
pub fn direct_chat_line(message: &DirectMessage, own_peer_id: &str, names: &Names) -> String {
    let time = local_time(&message.at, "%H:%M");
    let from_or_to = from_or_to(message, own_peer_id, names);
    format!("{BOLD}@ {time} {from_or_to}:{AS_BEFORE} {}", many_lines(&message.text))
}

/// A message in a prompt for one person alone. How far it is is told of those that are not new.
pub fn conversation_line(message: &DirectMessage, own_peer_id: &str, names: &Names, with_state: bool) -> String {
    let time = local_time(&message.at, "%H:%M");
    let (ours, other) = sides(message, own_peer_id);
    let who = if ours { "you".to_owned() } else { names.get(other) };
    let state = if with_state { state_of(message, ours) } else { "" };
    format!("{time} {who}{state}: {}", many_lines(&message.text))
}

/// What became of a message of the user's; nothing of what the user need not know.
pub fn direct_notice(to: &str, state: DirectState) -> Option<String> {
    match state {
        DirectState::Queued | DirectState::Sent => None,
        DirectState::Delivered => Some(format!("delivered to {to}")),
        DirectState::Read => Some(format!("read by {to}")),
        DirectState::Refused => Some(format!("{to} does not take your messages")),
        DirectState::Failed => Some(format!("the program of {to} could make nothing of your message")),
    }
}

/// Somebody, for `contact list`.
pub fn person(person: &Person) -> String {
    let mut facts = vec![one_line(&person.peer_id)];
    if person.blocked {
        facts.push("blocked".into());
    }
    if person.contact.is_some() && !person.names.is_empty() {
        let names: Vec<String> = person.names.iter().map(|name| one_line(name)).collect();
        facts.push(format!("goes by {}", names.join(", ")));
    }
    if person.connected {
        facts.push("connected".into());
    }
    if person.messages > 0 {
        facts.push(plural(person.messages, "message"));
    }
    format!("{}  {}", label(person), facts.join("  "))
}

/// The digits of a safety number as they are compared, line by line.
pub fn safety_number(number: &SafetyNumber) -> String {
    let lines = number.groups.chunks(GROUPS_A_LINE).map(|groups| format!("    {}", groups.join("  ")));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        cli::output::{chat_line, is_unsafe},
        model::Message,
    };

    fn message(from: &str, state: DirectState, text: &str) -> DirectMessage {
        let to = if from == "me" { "12D3KooWabcdef" } else { "me" };
        let at = "2026-01-02T03:04:05.678Z".into();
        DirectMessage { id: "00".repeat(32), from: from.into(), to: to.into(), at, text: text.into(), state }
    }

    #[test]
    fn both_directions_are_shown_with_how_far_they_are() {
        let names = Names::default();
        let line = |from, state| direct(&message(from, state, "hello"), "me", &names)[20..].to_owned();
        assert_eq!(line("me", DirectState::Queued), "to …abcdef [queued]: hello");
        assert_eq!(line("me", DirectState::Read), "to …abcdef [read]: hello");
        assert_eq!(line("12D3KooWabcdef", DirectState::Delivered), "from …abcdef [new]: hello");
        assert_eq!(line("12D3KooWabcdef", DirectState::Read), "from …abcdef: hello");
    }

    #[test]
    fn only_what_the_user_waits_for_is_told_of_a_message() {
        let told = |state| direct_notice("Ada", state).is_some();
        use DirectState::{Delivered, Failed, Queued, Read, Refused, Sent};
        assert!(!told(Queued) && !told(Sent));
        assert!([Delivered, Read, Refused, Failed].into_iter().all(told));
    }

    #[test]
    fn a_safety_number_stands_in_three_lines_of_four_groups() {
        let groups: Vec<String> = (0..12).map(|group| format!("{group:05}")).collect();
        let number = SafetyNumber { peer_id: "x".into(), digits: groups.concat(), groups };
        let text = safety_number(&number);
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().last().unwrap().trim(), "00008  00009  00010  00011");
    }

    proptest! {
        #[test]
        fn no_message_in_a_room_looks_like_a_direct_one(name in ".*", text in any::<String>()) {
            let said = Message {
                id: String::new(), room: "lobby".into(), author: "12D3KooWabcdef".into(), name, seq: 1, hlc: 1,
                at: "2026-01-02T03:04:05.678Z".into(), text: text.clone(),
            };
            prop_assert!(chat_line(&said, "lobby").lines().all(|line| !line.starts_with('@')));
            let line = direct_chat_line(&message("12D3KooWabcdef", DirectState::Delivered, &text), "me", &Names::default());
            let (head, rest) = line.split_once(AS_BEFORE).unwrap();
            let bold = head.strip_prefix(BOLD).unwrap_or_default();
            prop_assert!(bold.starts_with("@ ") && !bold.contains('\n'));
            prop_assert!(rest.split('\n').skip(1).all(|line| line.starts_with("    | ")));
            prop_assert!(rest.chars().all(|c| c == '\n' || !is_unsafe(c)));
        }
    }
}
