//! `node room` and `node join`.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    str::FromStr,
};

use clap::Subcommand;
use proto::{
    channel::{MAX_ROOM_NAME_CHARS, RoomName, RoomNameError},
    private::{InvalidInvite, Invite, MAX_INVITE_BYTES},
};

use super::{
    Failure,
    client::Target,
    commands::eprint,
    input,
    names::Names,
    output::{Output, one_line},
};
use crate::api::routes::private::RotateRequest;

/// Bytes read from standard input: the longest link, and blanks around it.
const MAX_LINK_BYTES: usize = 2 * MAX_INVITE_BYTES;

/// What one does with rooms beside talking.
#[derive(Debug, Subcommand)]
pub enum RoomCommand {
    /// Join a room, or make a private one and print its invitation
    Create {
        #[command(flatten)]
        target: Target,
        /// What it is called
        name: RoomName,
        /// Only those who have the invitation can read it
        #[arg(long)]
        private: bool,
    },
    /// Print the invitation to a private room
    Invite {
        #[command(flatten)]
        target: Target,
        /// The room
        room: RoomName,
    },
    /// Change the key of a private room that you created: those who stay are told, others read nothing new
    Rotate {
        #[command(flatten)]
        target: Target,
        /// The room
        room: RoomName,
        /// Tell these members and nobody else: the sure way, since somebody may have come under a second name too
        #[arg(long, value_name = "PEER", value_delimiter = ',', conflicts_with = "without")]
        only: Vec<String>,
        /// Tell all members that were seen but this one; may be given more than once
        #[arg(long, value_name = "PEER")]
        without: Vec<String>,
        /// Do not ask before members are told
        #[arg(long)]
        yes: bool,
    },
}

/// Where one wants to come in.
#[derive(Clone, PartialEq, Eq)]
pub enum Destination {
    /// An open room, or one that this node has.
    Room(RoomName),
    /// What begins as an invitation does, or is too long for a name. A secret, and so not to be part of an error.
    Link(String),
    /// A link that standard input gives, so that it stands in no list of processes.
    StandardInput,
}

/// Links are not shown.
impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Room(room) => write!(f, "Room({room})"),
            Self::Link(_) => f.write_str("Link(hidden)"),
            Self::StandardInput => f.write_str("StandardInput"),
        }
    }
}

impl FromStr for Destination {
    type Err = RoomNameError;

    fn from_str(text: &str) -> Result<Self, RoomNameError> {
        if text == "-" {
            return Ok(Self::StandardInput);
        }
        match text.parse() {
            // Also what is damaged: an open room of that name would be a surprise.
            _ if text.trim().starts_with("starling:") => Ok(Self::Link(text.into())),
            Err(RoomNameError::TooLong(_)) => Ok(Self::Link(text.into())),
            name => name.map(Self::Room),
        }
    }
}

/// Reads an invitation. What is wrong with it is said without saying it again.
///
/// # Errors
/// A hint for the user.
pub fn invitation(link: &str) -> Result<Invite, String> {
    link.parse().map_err(|error| match error {
        InvalidInvite::Prefix if link.trim().chars().count() > MAX_ROOM_NAME_CHARS => {
            format!("a room's name has at most {MAX_ROOM_NAME_CHARS} characters; if this is meant to be an invitation, {error}")
        }
        error => error.to_string(),
    })
}

impl RoomCommand {
    /// Which node it is for.
    pub fn target_mut(&mut self) -> &mut Target {
        match self {
            Self::Create { target, .. } | Self::Invite { target, .. } | Self::Rotate { target, .. } => target,
        }
    }
}

/// Carries out a command about rooms.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: RoomCommand, out: Output) -> Result<(), Failure> {
    match command {
        RoomCommand::Create { target, name, private: false } => join(&target, Destination::Room(name), None, out).await,
        RoomCommand::Create { target, name, private: true } => {
            let invitation = target.find()?.create_private(&name).await?;
            out.show(&invitation, |invitation| invitation.link.clone())?;
            warn(out);
            Ok(())
        }
        RoomCommand::Invite { target, room } => {
            let invitation = target.find()?.invitation(&room).await?;
            out.show(&invitation, |invitation| invitation.link.clone())?;
            warn(out);
            Ok(())
        }
        RoomCommand::Rotate { target, room, only, without, yes } => {
            let only = if only.is_empty() { None } else { Some(only) };
            rotate(&target, &room, RotateRequest { without, only }, yes || !io::stdin().is_terminal(), out).await
        }
    }
}

/// Changes a room's key. Unless it is `agreed`, the user is shown first who is told.
async fn rotate(
    target: &Target,
    room: &RoomName,
    mut whom: RotateRequest,
    agreed: bool,
    out: Output,
) -> Result<(), Failure> {
    let client = target.find()?;
    let names = Names::ask(&client).await?;
    if !agreed {
        let told = client.would_be_told(room, &whom).await?;
        if !confirm(&told_lines(&told, &names), io::stdin().lock(), io::stderr()) {
            return Err(Failure::failed("nothing was changed"));
        }
        // Who came in meanwhile was not shown.
        whom = RotateRequest { without: Vec::new(), only: Some(told) };
    }
    let rotation = client.rotate_private(room, &whom).await?;
    out.show(&rotation, |rotation| format!("{}\n{}", rotation.link, told_lines(&rotation.told, &names)))?;
    warn(out);
    Ok(())
}

/// Each with name and peer id: a name is not proven.
fn told_lines(told: &[String], names: &Names) -> String {
    if told.is_empty() {
        return "is told: nobody; give the new invitation to those who are to stay".into();
    }
    let lines: Vec<String> =
        told.iter().map(|peer| format!("is told: {}, {}", names.get(peer), one_line(peer))).collect();
    lines.join("\n")
}

/// Whether the user agrees. What cannot be asked or read is no consent.
fn confirm(what: &str, mut answers: impl BufRead, mut terminal: impl Write) -> bool {
    let mut answer = String::new();
    let asked = write!(terminal, "{what}\nChange the key? [y/N] ").and_then(|()| terminal.flush());
    let heard = asked.and_then(|()| answers.read_line(&mut answer));
    heard.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Comes into a room, by its name or by a link.
///
/// # Errors
/// [`Failure`].
pub async fn join(
    target: &Target,
    destination: Destination,
    name: Option<RoomName>,
    out: Output,
) -> Result<(), Failure> {
    let link = match destination {
        Destination::Room(_) if name.is_some() => {
            return Err(Failure::usage(
                "--as goes with an invitation: a room that is joined by its name has that name",
            ));
        }
        Destination::Room(room) => {
            target.find()?.join(&room).await?;
            return out.show(&serde_json::json!({ "joined": room.as_str() }), |_| format!("joined {room}"));
        }
        Destination::Link(link) => link,
        Destination::StandardInput => {
            let link = input::read_text(io::stdin().lock(), MAX_LINK_BYTES)?;
            if link.trim().is_empty() {
                return Err(Failure::usage("standard input is empty; give an invitation: starling:room/…"));
            }
            link
        }
    };
    // Said here, a damaged link is wrong usage.
    invitation(&link).map_err(Failure::Usage)?;
    let joined = target.find()?.join_private(&link, name.as_ref()).await?;
    out.show(&serde_json::json!({ "joined": joined.room, "epoch": joined.epoch }), |_| {
        format!("joined {}", joined.room)
    })
}

/// What people should know about a link that they see.
fn warn(out: Output) {
    if !out.json {
        eprint(
            "Whoever has this link can read along: give it only to those who may. They come in with: node join LINK",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_changed_only_after_a_clear_yes_to_those_who_are_told() {
        let lines = told_lines(&["12D3KooWaaaaaa".into(), "12D3KooWbbbbbb".into()], &Names::default());
        assert_eq!(lines, "is told: …aaaaaa, 12D3KooWaaaaaa\nis told: …bbbbbb, 12D3KooWbbbbbb");
        assert!(told_lines(&[], &Names::default()).contains("nobody"));
        for (answer, agreed) in
            [("y\n", true), ("YES\n", true), ("", false), ("\n", false), ("n\n", false), ("yep\n", false)]
        {
            let mut shown = Vec::new();
            assert_eq!(confirm(&lines, answer.as_bytes(), &mut shown), agreed, "{answer:?}");
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.starts_with(&lines) && shown.ends_with("[y/N] "), "{shown}");
        }
        assert!(!confirm(&lines, &[0xff, b'\n'][..], io::sink()));
    }

    #[test]
    fn a_destination_is_a_name_a_link_or_standard_input() {
        let room = "starling".parse().unwrap();
        assert_eq!("Starling".parse(), Ok(Destination::Room(room)));
        assert_eq!("-".parse(), Ok(Destination::StandardInput));
        let link: Destination = "starling:room/AAAA".parse().unwrap();
        assert_eq!(link, Destination::Link("starling:room/AAAA".into()));
        assert_eq!(format!("{link:?}"), "Link(hidden)");
        assert_eq!("".parse::<Destination>(), Err(RoomNameError::Empty));
        let cut = format!("tarling:room/{}", "A".repeat(100));
        assert_eq!(cut.parse(), Ok(Destination::Link(cut.clone())));
        let error = invitation(&cut).unwrap_err();
        assert!(error.contains("starling:room/") && !error.contains("AAA"), "{error}");
        assert!(invitation("starling:room/AAAA").unwrap_err().contains("copy it again"));
    }
}
