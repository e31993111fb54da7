//! The chat prompt, for `node run` on a terminal and for `node chat`. Both talk to the node through its API.

use std::{collections::HashSet, path::PathBuf};

use proto::{channel::RoomName, direct::letter::MAX_TEXT_BYTES};

use super::{
    Failure,
    client::{Client, Target, Which},
    entry::{Entry, HELP},
    follow::{Follow, Following, News, Wanted},
    input,
    names::Names,
    output::{self, direct, files},
    reading::Shown,
    terminal::{Terminal, Typed},
};
use crate::model::{DirectMessage, DirectState, NodeEvent};

/// The file in the data directory that remembers what was typed.
pub const HISTORY_FILE: &str = "prompt-history";

/// Messages shown when a room is entered.
const RECENT_MESSAGES: usize = 20;

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
    let follow = Follow::start(target, client.clone(), Wanted::Everything).await?;
    let terminal = Terminal::open(history_file)?;
    let mut session = Session {
        client,
        terminal,
        room,
        own_peer_id,
        shown: HashSet::new(),
        names: Names::default(),
        read: Shown::default(),
        files: files::Told::default(),
        last_state: None,
    };
    session.terminal.print(&greeting);
    let result = session.run(Following::start(follow)).await;
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
    names: Names,
    /// Direct messages on the screen.
    read: Shown,
    /// What was told of files.
    files: files::Told,
    /// What was told last of messages to whom, so that of many it is told once.
    last_state: Option<(String, DirectState)>,
}

impl Session {
    async fn run(&mut self, mut news: Following) -> Result<(), Failure> {
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
                item = news.next() => self.show(item?).await,
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
            Entry::Message { to, text } => self.write(&to, &text).await?,
            Entry::Inbox(count) => self.show_inbox(count).await?,
            Entry::Join(room) => {
                client.join(&room).await?;
                self.room = room;
                self.show_recent(RECENT_MESSAGES).await?;
            }
            Entry::Accept(invite) => {
                let joined = client.join_private(&invite.link(), None).await?;
                self.room = joined.room.parse().map_err(Failure::failed)?;
                self.show_recent(RECENT_MESSAGES).await?;
            }
            Entry::Invite => {
                let invitation = client.invitation(&self.room).await?;
                self.terminal.print(&format!("{}\n! whoever has this link can read along", invitation.link));
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

    /// Writes to one person. The message is shown when it is reported, which says to whom it goes. Whoever answers has read.
    async fn write(&mut self, to: &str, text: &str) -> Result<(), Failure> {
        input::check(text, MAX_TEXT_BYTES)?;
        let to = self.client.find(to).await?;
        self.client.message(&to, text).await?;
        self.names.forget();
        // It is written, whatever becomes of this; the inbox marks it too.
        let _ = self.read.mark(&self.client, Some(&to)).await;
        Ok(())
    }

    async fn show_inbox(&mut self, count: usize) -> Result<(), Failure> {
        let messages = self.client.direct(Which::default(), count).await?;
        self.names = Names::ask(&self.client).await?;
        if messages.is_empty() {
            self.terminal.print("(no direct messages)");
        }
        for message in &messages {
            self.terminal.print(&format!("@ {}", direct::direct(message, &self.own_peer_id, &self.names)));
            self.read.note(message, &self.own_peer_id);
        }
        for author in self.read.mark(&self.client, None).await? {
            let author = self.names.get(&author);
            self.terminal
                .print(&format!("! more from {author} is unread, and nothing of it marked as read: /inbox 1000"));
        }
        Ok(())
    }

    async fn show_direct(&mut self, message: &DirectMessage) {
        self.last_state = None;
        self.names.refresh(&self.client).await;
        self.terminal.print(&direct::direct_chat_line(message, &self.own_peer_id, &self.names));
        self.read.note(message, &self.own_peer_id);
    }

    async fn show_state(&mut self, to: String, state: DirectState) {
        self.names.refresh(&self.client).await;
        let told = direct::direct_notice(&self.names.get(&to), state);
        let now = Some((to, state));
        if self.last_state != now
            && let Some(text) = told
        {
            self.last_state = now;
            self.terminal.print(&format!("@ {text}"));
        }
    }

    async fn show(&mut self, news: News) {
        match news {
            News::Message(message) if self.shown.remove(&message.id) => {}
            News::Message(message) => self.terminal.print(&output::chat_line(&message, self.room.as_str())),
            News::Direct(message) => self.show_direct(&message).await,
            News::Event(NodeEvent::DirectState { to, state, .. }) => self.show_state(to, state).await,
            News::Event(event) => {
                if let Some(text) = output::notice(&event, &self.own_peer_id).or_else(|| self.files.notice(&event)) {
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
            News::DirectLeftOut => {
                self.terminal.print("! you missed so many direct messages that older ones are left out; see /inbox");
            }
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
