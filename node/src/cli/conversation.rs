//! `node chat --with`: a prompt for one person.

use std::{collections::HashSet, path::PathBuf};

use proto::direct::letter::MAX_TEXT_BYTES;

use super::{
    Failure,
    client::{Client, Target, Which},
    entry::Entry,
    follow::{Follow, Following, News, Wanted},
    input,
    names::Names,
    output::{self, direct},
    reading::Shown,
    terminal::{Terminal, Typed},
};
use crate::model::{DirectMessage, DirectState, NodeEvent};

/// Messages shown at the start.
const RECENT_MESSAGES: usize = 20;

/// What `/help` shows.
const HELP: &str = "\
/history [N]        the last N messages
/status             how this node is doing
/quit               leave (also Ctrl-D)
Anything else is written to this person; begin with // to write something that starts with /.";

/// A conversation that is about to begin.
pub struct Conversation {
    /// How to find the node again when it was restarted.
    pub target: Target,
    /// The node.
    pub client: Client,
    /// The other's peer id.
    pub peer: String,
    /// Where to remember what was typed.
    pub history_file: PathBuf,
}

/// Chats until the user quits.
///
/// # Errors
/// [`Failure`] when the node cannot be reached at the start, or the terminal breaks.
pub async fn chat(conversation: Conversation) -> Result<(), Failure> {
    let Conversation { target, client, peer, history_file } = conversation;
    let own = client.id().await?.peer_id;
    let names = Names::ask(&client).await?;
    let news = Following::start(Follow::start(target, client.clone(), Wanted::Direct).await?);
    let terminal = Terminal::open(history_file)?;
    terminal.print(&format!(
        "You write to {}, {peer}. Press Enter to send; /help lists the commands. The node goes on when you leave.",
        names.get(&peer)
    ));
    let mut session = Session {
        client,
        terminal,
        peer,
        own,
        names,
        on_screen: HashSet::new(),
        shown: Shown::default(),
        last_state: None,
    };
    let result = session.run(news).await;
    session.terminal.close().await;
    result
}

struct Session {
    client: Client,
    terminal: Terminal,
    peer: String,
    own: String,
    names: Names,
    /// Messages on the screen that will be reported again: those typed here, and those of the history.
    on_screen: HashSet<String>,
    shown: Shown,
    /// What was told last, so that of many messages it is told once.
    last_state: Option<DirectState>,
}

impl Session {
    async fn run(&mut self, mut news: Following) -> Result<(), Failure> {
        self.show_recent(RECENT_MESSAGES).await?;
        self.prompt();
        loop {
            tokio::select! {
                typed = self.terminal.line() => match typed {
                    Typed::Line(line) => {
                        if !self.obey(&line).await {
                            return Ok(());
                        }
                        self.prompt();
                    }
                    Typed::End => return Ok(()),
                    Typed::Broken(reason) => return Err(Failure::Failed(format!("the terminal broke: {reason}"))),
                },
                item = news.next() => {
                    self.show(item?).await;
                    if !news.has_more() {
                        self.mark_read().await;
                    }
                }
            }
        }
    }

    fn prompt(&self) {
        self.terminal.prompt(&format!("{}> ", self.names.get(&self.peer)));
    }

    /// Does what a line says; whether the chat goes on. What goes wrong is shown.
    async fn obey(&mut self, line: &str) -> bool {
        let result = match Entry::parse(line) {
            Ok(Entry::Quit) => return false,
            Ok(entry) => self.carry_out(entry).await,
            Err(hint) => Err(Failure::Usage(hint)),
        };
        if let Err(failure) = result {
            self.terminal.print(&format!("! {failure}"));
        }
        true
    }

    async fn carry_out(&mut self, entry: Entry) -> Result<(), Failure> {
        match entry {
            Entry::Nothing | Entry::Quit => {}
            Entry::Say(text) => {
                input::check(&text, MAX_TEXT_BYTES)?;
                let written = self.client.message(&self.peer, &text).await?;
                self.last_state = None;
                self.on_screen.insert(written.id);
            }
            Entry::Help => self.terminal.print(HELP),
            Entry::Status => self.terminal.print(&output::status(&self.client.status().await?)),
            Entry::History(count) => self.show_recent(count).await?,
            _ => {
                let name = self.names.get(&self.peer);
                return Err(Failure::Usage(format!(
                    "this prompt is for {name} alone; for rooms and other people there is node chat, and node inbox in another terminal"
                )));
            }
        }
        Ok(())
    }

    /// Shows the last messages.
    async fn show_recent(&mut self, count: usize) -> Result<(), Failure> {
        let which = Which { peer: Some(&self.peer), unread: false };
        let messages = self.client.direct(which, count).await?;
        self.names.refresh(&self.client).await;
        // Those not reported yet will be, and are then on the screen already. What is never reported again stays, so that it starts anew.
        self.on_screen = messages.iter().map(|message| message.id.clone()).collect();
        for message in &messages {
            self.terminal.print(&direct::conversation_line(message, &self.own, &self.names, true));
            self.shown.note(message, &self.own);
        }
        self.mark_read().await;
        Ok(())
    }

    /// Tells the other one what stands on the screen now. What does not work now is tried again with what comes next.
    async fn mark_read(&mut self) {
        if let Ok(left) = self.shown.mark(&self.client, Some(&self.peer)).await
            && !left.is_empty()
        {
            self.terminal.print("! more is unread and not shown here: /history 1000");
        }
    }

    async fn show(&mut self, news: News) {
        match news {
            News::Direct(message) => self.show_message(&message).await,
            News::Event(NodeEvent::DirectState { to, state, .. }) if to == self.peer => {
                let told = direct::direct_notice(&self.names.get(&to), state);
                if self.last_state != Some(state)
                    && let Some(text) = told
                {
                    self.last_state = Some(state);
                    self.terminal.print(&format!("* {text}"));
                }
            }
            News::Event(NodeEvent::Warning { text }) => self.terminal.print(&format!("! {}", output::one_line(&text))),
            News::Lost => self.terminal.print("! the node has stopped; waiting for it to come back (/quit to leave)"),
            News::Back => self.terminal.print("* the node is back"),
            News::DirectLeftOut => {
                self.terminal.print("! you missed so much that older messages are left out; see /history")
            }
            News::Event(_) | News::Message(_) | News::LeftOut { .. } => {}
        }
    }

    async fn show_message(&mut self, message: &DirectMessage) {
        let exchanged = [&message.from, &message.to].contains(&&self.peer);
        if !exchanged || self.on_screen.remove(&message.id) {
            return;
        }
        self.last_state = None;
        self.names.refresh(&self.client).await;
        self.terminal.print(&direct::conversation_line(message, &self.own, &self.names, false));
        self.shown.note(message, &self.own);
    }
}
