//! What a line typed at the prompt means.

use proto::{channel::RoomName, private::Invite};

use super::rooms::{Destination, invitation};

/// Messages that `/history` and `/inbox` show when nobody says how many.
const HISTORY_MESSAGES: usize = 20;

/// What `/help` shows.
pub const HELP: &str = "\
/who                who is in this room
/rooms              the rooms you are in
/join ROOM          join a room and switch to it; for a private one, give the invitation
/invite             the invitation to this private room
/leave [ROOM]       leave a room (this one)
/room ROOM          switch to a room you are in
/history [N]        the last N messages of this room
/msg PEER TEXT      write to one person alone; names with blanks stand in quotes
/inbox [N]          the last N direct messages
/peers              nodes this one knows
/status             how this node is doing
/quit               leave (also Ctrl-D)
Anything else is said in the room; begin with // to say something that starts with /.";

/// A line typed at the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An empty line.
    Nothing,
    /// Something to say in the current room.
    Say(String),
    /// `/help`
    Help,
    /// `/who`
    Who,
    /// `/rooms`
    Rooms,
    /// `/join`
    Join(RoomName),
    /// `/join` with an invitation
    Accept(Box<Invite>),
    /// `/invite`
    Invite,
    /// `/leave`, the current room when none is named
    Leave(Option<RoomName>),
    /// `/room`
    Switch(RoomName),
    /// `/peers`
    Peers,
    /// `/status`
    Status,
    /// `/history`
    History(usize),
    /// `/msg`
    Message {
        /// To whom.
        to: String,
        /// What.
        text: String,
    },
    /// `/inbox`
    Inbox(usize),
    /// `/quit`
    Quit,
}

/// Whether a line holds a secret that is not to be remembered: an invitation.
pub fn is_secret(line: &str) -> bool {
    line.split_whitespace().any(Invite::is_meant)
}

impl Entry {
    /// Reads a line; the error is a hint for the user.
    ///
    /// # Errors
    /// For commands that do not exist or lack what they need.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return Ok(if line.is_empty() { Self::Nothing } else { Self::Say(line.into()) });
        };
        if command.starts_with('/') {
            return Ok(Self::Say(command.into()));
        }
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let room = || match rest {
            "" => Err(format!("which room? /{name} ROOM")),
            text => text.parse::<RoomName>().map_err(|error| error.to_string()),
        };
        let count = || match rest.parse() {
            _ if rest.is_empty() => Ok(HISTORY_MESSAGES),
            Ok(count) if count > 0 => Ok(count),
            _ if name == "inbox" => Err(format!(
                "how many messages? /inbox {HISTORY_MESSAGES}; those of one person: node inbox --peer NAME"
            )),
            _ => Err(format!("how many messages? /{name} {HISTORY_MESSAGES}")),
        };
        match name {
            "help" | "h" | "?" => Ok(Self::Help),
            "who" => Ok(Self::Who),
            "rooms" => Ok(Self::Rooms),
            "join" => match rest.parse::<Destination>() {
                _ if rest.is_empty() => room().map(Self::Join),
                Ok(Destination::Link(link)) => invitation(&link).map(|invite| Self::Accept(Box::new(invite))),
                Ok(Destination::Room(_) | Destination::StandardInput) => room().map(Self::Join),
                Err(error) => Err(error.to_string()),
            },
            "invite" => Ok(Self::Invite),
            "leave" if rest.is_empty() => Ok(Self::Leave(None)),
            "leave" => room().map(|room| Self::Leave(Some(room))),
            "room" => room().map(Self::Switch),
            "peers" => Ok(Self::Peers),
            "status" => Ok(Self::Status),
            "history" => count().map(Self::History),
            "inbox" => count().map(Self::Inbox),
            "msg" => message(rest),
            "quit" | "exit" | "q" => Ok(Self::Quit),
            other => Err(format!("there is no command /{other}; /help lists them")),
        }
    }
}

/// Whom to write to and what: the first word, or what stands in quotes, and the rest.
fn message(rest: &str) -> Result<Entry, String> {
    let (to, text) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("the name's second \" is missing: /msg \"NAME\" TEXT")?,
        None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
    };
    let (to, text) = (to.trim(), text.trim());
    if to.is_empty() {
        return Err("to whom, and what? /msg PEER TEXT".into());
    }
    if text.is_empty() {
        return Err(format!("what do you want to write? /msg {to} TEXT"));
    }
    Ok(Entry::Message { to: to.into(), text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_users_expect() {
        let room = |name: &str| name.parse::<RoomName>().unwrap();
        for (line, expected) in [
            ("", Entry::Nothing),
            ("  ", Entry::Nothing),
            (" hello there ", Entry::Say("hello there".into())),
            ("//etc/passwd", Entry::Say("/etc/passwd".into())),
            ("/who", Entry::Who),
            ("/join  Rust Birds", Entry::Join(room("rust birds"))),
            ("/leave", Entry::Leave(None)),
            ("/leave birds", Entry::Leave(Some(room("birds")))),
            ("/room birds", Entry::Switch(room("birds"))),
            ("/history", Entry::History(HISTORY_MESSAGES)),
            ("/history 5", Entry::History(5)),
            ("/msg ada  shall we  meet? ", Entry::Message { to: "ada".into(), text: "shall we  meet?".into() }),
            ("/msg \"Ada Lovelace\" hi", Entry::Message { to: "Ada Lovelace".into(), text: "hi".into() }),
            ("/msg ada \"quoted\"", Entry::Message { to: "ada".into(), text: "\"quoted\"".into() }),
            ("/inbox", Entry::Inbox(HISTORY_MESSAGES)),
            ("/inbox 3", Entry::Inbox(3)),
            ("/quit", Entry::Quit),
        ] {
            assert_eq!(Entry::parse(line), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn lines_with_invitations_are_not_remembered() {
        assert!(is_secret("/join starling:room/AAAA") && is_secret("/msg bob starling:room/AAAA"));
        assert!(!is_secret("/join garden") && !is_secret("what is a starling:room ?"));
    }

    #[test]
    fn a_line_that_means_nothing_gets_a_hint() {
        for (line, hint) in [
            ("/frob", "/help"),
            ("/", "/help"),
            ("/join", "/join ROOM"),
            ("/join starling:room/AAAA", "copy it again"),
            ("/history many", "/history 20"),
            ("/history 0", "/history 20"),
            ("/inbox all", "/inbox 20"),
            ("/msg", "/msg PEER TEXT"),
            ("/msg ada", "/msg ada TEXT"),
            ("/msg \"Ada Lovelace hi", "second \""),
            ("/msg \"\" hi", "to whom"),
        ] {
            let error = Entry::parse(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}
