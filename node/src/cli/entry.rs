//! What a line typed at the prompt means.

use proto::channel::RoomName;

/// Messages that `/history` shows when nobody says how many.
const HISTORY_MESSAGES: usize = 20;

/// What `/help` shows.
pub const HELP: &str = "\
/who                who is in this room
/rooms              the rooms you are in
/join ROOM          join a room and switch to it
/leave [ROOM]       leave a room (this one)
/room ROOM          switch to a room you are in
/history [N]        the last N messages of this room
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
    /// `/quit`
    Quit,
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
        match name {
            "help" | "h" | "?" => Ok(Self::Help),
            "who" => Ok(Self::Who),
            "rooms" => Ok(Self::Rooms),
            "join" => room().map(Self::Join),
            "leave" if rest.is_empty() => Ok(Self::Leave(None)),
            "leave" => room().map(|room| Self::Leave(Some(room))),
            "room" => room().map(Self::Switch),
            "peers" => Ok(Self::Peers),
            "status" => Ok(Self::Status),
            "history" if rest.is_empty() => Ok(Self::History(HISTORY_MESSAGES)),
            "history" => match rest.parse() {
                Ok(count) if count > 0 => Ok(Self::History(count)),
                _ => Err(format!("how many messages? /history {HISTORY_MESSAGES}")),
            },
            "quit" | "exit" | "q" => Ok(Self::Quit),
            other => Err(format!("there is no command /{other}; /help lists them")),
        }
    }
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
            ("/quit", Entry::Quit),
        ] {
            assert_eq!(Entry::parse(line), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn a_line_that_means_nothing_gets_a_hint() {
        for (line, hint) in [
            ("/frob", "/help"),
            ("/", "/help"),
            ("/join", "/join ROOM"),
            ("/history many", "/history 20"),
            ("/history 0", "/history 20"),
        ] {
            let error = Entry::parse(line).unwrap_err();
            assert!(error.contains(hint), "{line}: {error}");
        }
    }
}
