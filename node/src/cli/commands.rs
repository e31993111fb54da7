//! The commands that ask a running node.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use proto::chat::MAX_TEXT_BYTES;

use super::{
    Command, Failure,
    client::{Client, Target},
    conversation::{self, Conversation},
    direct, files,
    follow::{Follow, News, Wanted},
    input,
    output::{self, Output},
    prompt::{self, Chat},
    rooms,
};
use crate::{config::create_network_key, data_dir::Place};

/// Carries out a client's command.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: Command, out: Output) -> Result<(), Failure> {
    match command {
        Command::Run(_) | Command::Relay(_) | Command::NetworkKey { .. } => {
            Err(Failure::usage("not a command for a running node"))
        }
        Command::Status(target) => out.show(&target.find()?.status().await?, output::status),
        Command::Peers(target) => out.list(&target.find()?.peers().await?, "no peers are known", output::peer),
        Command::Rooms(target) => out.list(&target.find()?.rooms().await?, "in no room", output::room),
        Command::Id(target) => {
            let id = target.find()?.id().await?;
            out.show(&id, |id| [std::slice::from_ref(&id.peer_id), id.listen.as_slice()].concat().join("\n"))
        }
        Command::Who { target, room } => {
            out.list(&target.find()?.who(&room.room).await?, "nobody is here", output::member)
        }
        Command::Room(command) => rooms::carry_out(command, out).await,
        Command::Join { target, room, name } => rooms::join(&target, room, name, out).await,
        Command::Leave { target, room } => {
            target.find()?.leave(&room).await?;
            out.show(&serde_json::json!({ "left": room.as_str() }), |_| format!("left {room}"))
        }
        Command::Stop(target) => {
            let stopped = target.stop().await?;
            let place = stopped.as_ref().map(|directory| format!(" in {}", directory.display())).unwrap_or_default();
            out.show(&serde_json::json!({ "stopped": true, "data_dir": stopped }), |_| {
                format!("the node{place} has stopped")
            })
        }
        Command::Say { target, room, text } => {
            let client = target.find()?;
            let message = client.say(&room.room, &input::message_text(&text, MAX_TEXT_BYTES)?).await?;
            if out.json { out.object(&message) } else { Ok(()) }
        }
        Command::History { target, room, limit, before } => {
            let before = before.map(|id| id.to_string());
            let messages = target.find()?.history(room.room.as_str(), before.as_deref(), limit).await?;
            out.list(&messages, "no messages", output::message)
        }
        Command::Tail { target, room } => {
            let (target, client) = target.pin()?;
            let wanted = room.map_or(Wanted::Rooms, Wanted::Room);
            tail(Follow::start(target, client, wanted).await?, out).await
        }
        Command::Direct(command) => direct::carry_out(command, out).await,
        Command::Files(command) => files::carry_out(command, out).await,
        Command::Chat { target, room, with } => {
            let (target, client) = target.pin()?;
            match with {
                Some(peer) => chat_with(target, client, &peer).await,
                None => chat(target, client, room.room).await,
            }
        }
    }
}

/// Makes a network key.
///
/// # Errors
/// [`Failure::Failed`] when the file cannot be written or is there already.
pub fn network_key(path: &Path, out: Output) -> Result<(), Failure> {
    let key = create_network_key(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Failed(format!("{} exists, and keys are never overwritten; choose another file", path.display()))
        }
        _ => Failure::Failed(format!("cannot write {}: {error}", path.display())),
    })?;
    let value = serde_json::json!({ "file": path, "fingerprint": key.fingerprint().to_string() });
    out.show(&value, |_| {
        format!(
            "wrote {0}; give a copy to everybody who shall be let in, and start with: node --network-key {0}",
            path.display()
        )
    })
}

async fn tail(mut follow: Follow, out: Output) -> Result<(), Failure> {
    loop {
        match follow.next().await? {
            News::Message(message) => out.show(&*message, output::message)?,
            News::Lost => eprint("the node has stopped; waiting for it to come back (Ctrl-C to leave)"),
            News::Back => eprint("the node is back"),
            News::LeftOut { room } => eprint(&format!("so much was missed in {room} that older messages are left out")),
            News::Event(_) | News::Direct(_) | News::DirectLeftOut => {}
        }
    }
}

/// Says something on standard error.
pub fn eprint(text: &str) {
    // What is said here is a comfort; nobody has to be reading it.
    let _ = writeln!(io::stderr(), "{text}");
}

async fn chat(target: Target, client: Client, room: proto::channel::RoomName) -> Result<(), Failure> {
    needs_terminal("`node chat` needs a terminal; use `node tail` and `node say` in scripts")?;
    let history_file = history_file(&target)?;
    let greeting = "Type a message and press Enter; /help lists the commands. The node goes on when you leave.".into();
    prompt::chat(Chat { target, client, room, history_file, greeting }).await
}

async fn chat_with(target: Target, client: Client, peer: &str) -> Result<(), Failure> {
    needs_terminal("`node chat` needs a terminal; use `node inbox` and `node message` in scripts")?;
    let history_file = history_file(&target)?;
    let peer = client.find(peer).await?;
    conversation::chat(Conversation { target, client, peer, history_file }).await
}

fn needs_terminal(otherwise: &str) -> Result<(), Failure> {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if is_terminal { Ok(()) } else { Err(Failure::usage(otherwise)) }
}

/// Where to remember what is typed: nowhere, if the node is not of this machine's data directories.
fn history_file(target: &Target) -> Result<PathBuf, Failure> {
    let place = Place::resolve(target.data_dir.as_deref()).map_err(Failure::failed)?;
    Ok(place.running().map(|(path, _)| path.join(prompt::HISTORY_FILE)).unwrap_or_default())
}
