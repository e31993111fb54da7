//! The chat prompt, for `node run` on a terminal and for `node chat`. Both talk to the node through its API.

use std::{collections::HashSet, path::PathBuf};

use proto::channel::RoomName;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    Failure,
    client::{Client, Target},
    entry::{Entry, HELP},
    follow::{Follow, News},
    output,
    terminal::{Terminal, Typed},
};
use crate::model::NodeEvent;

/// The file in the data directory that remembers what was typed.
pub const HISTORY_FILE: &str = "prompt-history";

/// Messages shown when a room is entered.
const RECENT_MESSAGES: usize = 20;

/// News waiting for the prompt; past that the follower waits, and fills in from history what it misses.
const MAX_QUEUED_NEWS: usize = 256;

/// A chat that is about to begin.
pub struct Chat {
    /// How to find the node again when it was restarted.
    pub target: Target,
    /// The node.
    pub client: Client,
    /// The room to begin in; joined when the node is not in it.
    pub room: RoomName,
    /// Where to remember what was typed.
    pub history_file: PathBuf,
    /// What to show first.
    pub greeting: String,
}

/// Chats until the user quits.
///
/// # Errors
/// [`Failure`] when the node cannot be reached at the start, or the terminal breaks.
pub async fn chat(chat: Chat) -> Result<(), Failure> {
    let Chat { target, client, room, history_file, greeting } = chat;
    let own_peer_id = client.id().await?.peer_id;
    client.join(&room).await?;
    let follow = Follow::start(target, client.clone(), None).await?;
    let terminal = Terminal::open(history_file)?;
    let mut session = Session { client, terminal, room, own_peer_id, shown: HashSet::new() };
    session.terminal.print(&greeting);
    let result = session.run(follow).await;
    session.terminal.close().await;
    result
}

struct Session {
    client: Client,
    terminal: Terminal,
    room: RoomName,
    own_peer_id: String,
    /// Messages on the screen that will be reported again: those typed here, and those shown when a room was entered.
    shown: HashSet<String>,
}

impl Session {
    async fn run(&mut self, follow: Follow) -> Result<(), Failure> {
        let (sender, mut news) = mpsc::channel(MAX_QUEUED_NEWS);
        let _follower = Follower(tokio::spawn(forward(follow, sender)));
        self.show_recent(RECENT_MESSAGES).await?;
        self.prompt();
        loop {
            tokio::select! {
                typed = self.terminal.line() => match typed {
                    Typed::Line(line) => {
                        if self.obey(&line).await == Next::End {
                            return Ok(());
                        }
                        self.prompt();
                    }
                    Typed::End => return Ok(()),
                    Typed::Broken(reason) => return Err(Failure::Failed(format!("the terminal broke: {reason}"))),
                },
                item = news.recv() => match item {
                    Some(Ok(item)) => self.show(item),
                    Some(Err(failure)) => return Err(failure),
                    None => return Err(Failure::failed("the node's reports ended")),
                },
            }
        }
    }

    fn prompt(&self) {
        self.terminal.prompt(&format!("{}> ", output::one_line(self.room.as_str())));
    }

    /// Does what a line says. What goes wrong is shown, and the chat goes on.
    async fn obey(&mut self, line: &str) -> Next {
        let result = match Entry::parse(line) {
            Ok(Entry::Quit) => return Next::End,
            Ok(entry) => self.carry_out(entry).await,
            Err(hint) => Err(Failure::Usage(hint)),
        };
        if let Err(failure) = result {
            self.terminal.print(&format!("! {failure}"));
        }
        Next::GoOn
    }

    async fn carry_out(&mut self, entry: Entry) -> Result<(), Failure> {
        let client = self.client.clone();
        match entry {
            Entry::Nothing | Entry::Quit => {}
            Entry::Say(text) => {
                let said = client.say(&self.room, &text).await?;
                self.shown.insert(said.id);
            }
            Entry::Help => self.terminal.print(HELP),
            Entry::Who => self.list(&client.who(&self.room).await?, output::member),
            Entry::Rooms => self.list(&client.rooms().await?, output::room),
            Entry::Peers => self.list(&client.peers().await?, output::peer),
            Entry::Status => self.terminal.print(&output::status(&client.status().await?)),
            Entry::History(count) => self.show_recent(count).await?,
            Entry::Join(room) => {
                client.join(&room).await?;
                self.room = room;
                self.show_recent(RECENT_MESSAGES).await?;
            }
            Entry::Switch(room) => {
                if !client.rooms().await?.iter().any(|have| have.room == room.as_str()) {
                    return Err(Failure::Failed(format!("you are not in '{room}'; /join {room}")));
                }
                self.room = room;
                self.show_recent(RECENT_MESSAGES).await?;
            }
            Entry::Leave(room) => {
                let room = room.unwrap_or_else(|| self.room.clone());
                client.leave(&room).await?;
                self.terminal.print(&format!("* you left {}", output::one_line(room.as_str())));
                if room == self.room
                    && let Ok(lobby) = proto::channel::LOBBY.parse()
                {
                    self.room = lobby;
                }
            }
        }
        Ok(())
    }

    fn list<T>(&self, items: &[T], text: impl Fn(&T) -> String) {
        if items.is_empty() {
            self.terminal.print("(nobody and nothing)");
        }
        for item in items {
            self.terminal.print(&format!("  {}", text(item)));
        }
    }

    /// Shows the current room's last messages.
    async fn show_recent(&mut self, count: usize) -> Result<(), Failure> {
        // Those not reported yet will be, and are then on the screen already. What is never reported again stays in the
        // set, so that it starts anew each time: a report that is still on its way may then be shown a second time, next to
        // the history that the user asked for.
        let messages = self.client.history(self.room.as_str(), None, count).await?;
        self.shown = messages.iter().map(|message| message.id.clone()).collect();
        for message in &messages {
            self.terminal.print(&output::chat_line(message, self.room.as_str()));
        }
        Ok(())
    }

    fn show(&mut self, news: News) {
        match news {
            News::Message(message) if self.shown.remove(&message.id) => {}
            News::Message(message) => self.terminal.print(&output::chat_line(&message, self.room.as_str())),
            News::Event(event) => {
                if let Some(text) = output::notice(&event, &self.own_peer_id) {
                    self.terminal.print(&text);
                }
                if let NodeEvent::RoomLeft { room } = event
                    && room == self.room.as_str()
                    && let Ok(lobby) = proto::channel::LOBBY.parse()
                {
                    self.room = lobby;
                }
            }
            News::Lost => self.terminal.print("! the node has stopped; waiting for it to come back (/quit to leave)"),
            News::Back => self.terminal.print("* the node is back"),
            News::LeftOut { room } => {
                self.terminal
                    .print(&format!("! you missed so much in {room} that older messages are left out; see /history"));
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    End,
}

async fn forward(mut follow: Follow, sender: mpsc::Sender<Result<News, Failure>>) {
    loop {
        let news = follow.next().await;
        let failed = news.is_err();
        if sender.send(news).await.is_err() || failed {
            return;
        }
    }
}

/// A task that ends with its owner.
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}
