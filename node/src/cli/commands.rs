//! The commands that ask a running node.

use std::{
    io::{self, IsTerminal, Read},
    path::Path,
};

use proto::chat::MAX_TEXT_BYTES;

use super::{
    Command, Failure,
    client::{Client, Target},
    follow::{Follow, News},
    output::{self, Output},
    prompt::{self, Chat},
};
use crate::{config::create_network_key, data_dir::Place};

/// Carries out a client's command.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: Command, out: Output) -> Result<(), Failure> {
    match command {
        Command::Run(_) | Command::NetworkKey { .. } => Err(Failure::usage("not a command for a running node")),
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
        Command::Join { target, room } => {
            target.find()?.join(&room).await?;
            out.show(&serde_json::json!({ "joined": room.as_str() }), |_| format!("joined {room}"))
        }
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
            let message = client.say(&room.room, &read_text(&text)?).await?;
            if out.json { out.object(&message) } else { Ok(()) }
        }
        Command::History { target, room, limit, before } => {
            let before = before.map(|id| id.to_string());
            let messages = target.find()?.history(room.room.as_str(), before.as_deref(), limit).await?;
            out.list(&messages, "no messages", output::message)
        }
        Command::Tail { target, room } => {
            let (target, client) = target.pin()?;
            tail(Follow::start(target, client, room).await?, out).await
        }
        Command::Chat { target, room } => {
            let (target, client) = target.pin()?;
            chat(target, client, room.room).await
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

/// The text to say: the words of the command line, or standard input for `-`.
fn read_text(words: &[String]) -> Result<String, Failure> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    // One byte more than fits is enough for the node to say that it is too long.
    let most = MAX_TEXT_BYTES as u64 + 2;
    io::stdin().lock().take(most).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::failed("what standard input gives is not UTF-8 text"),
        _ => Failure::Failed(format!("cannot read standard input: {error}")),
    })?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

async fn tail(mut follow: Follow, out: Output) -> Result<(), Failure> {
    loop {
        match follow.next().await? {
            News::Message(message) => out.show(&*message, output::message)?,
            News::Lost => eprint("the node has stopped; waiting for it to come back (Ctrl-C to leave)"),
            News::Back => eprint("the node is back"),
            News::LeftOut { room } => eprint(&format!("so much was missed in {room} that older messages are left out")),
            News::Event(_) => {}
        }
    }
}

fn eprint(text: &str) {
    use io::Write;
    // What is said here is a comfort; nobody has to be reading it.
    let _ = writeln!(io::stderr(), "{text}");
}

async fn chat(target: Target, client: Client, room: proto::channel::RoomName) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage("`node chat` needs a terminal; use `node tail` and `node say` in scripts"));
    }
    let place = Place::resolve(target.data_dir.as_deref()).map_err(Failure::failed)?;
    // Where the node is not of this machine's data directories, what is typed is remembered nowhere.
    let history_file = place.running().map(|(path, _)| path.join(prompt::HISTORY_FILE)).unwrap_or_default();
    let greeting = "Type a message and press Enter; /help lists the commands. The node goes on when you leave.".into();
    prompt::chat(Chat { target, client, room, history_file, greeting }).await
}
