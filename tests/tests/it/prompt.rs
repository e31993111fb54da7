//! The chat prompt on a terminal.

use harness::{Node, NodeOptions, binary::node_binary, eventually, require, seconds, skip, terminal::Terminal};
use node::model::NodeEvent;
use tempfile::TempDir;

struct Prompt {
    terminal: Terminal,
    data: TempDir,
}

impl Prompt {
    async fn start(other: &Node) -> Option<Self> {
        if let Err(reason) = require(&["tmux"]) {
            skip("prompt", &reason);
            return None;
        }
        let data = TempDir::new().unwrap();
        let bootstrap = other.address_with("/tcp/");
        let arguments = ["run", "--name", "typist", "--no-mdns", "--api", "127.0.0.1:0"];
        let addresses = ["--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", &bootstrap];
        let environment = [("STARLING_DATA_DIR", data.path().to_str().unwrap())];
        let terminal = Terminal::start(node_binary(), &[&arguments[..], &addresses].concat(), &environment);
        let prompt = Self { terminal, data };
        let joined = |event: &NodeEvent| matches!(event, NodeEvent::Joined(member) if member.name == "typist");
        other.feed.wait_for("the typist joins", seconds(30), joined).await;
        prompt.shows_typed("lobby>").await;
        Some(prompt)
    }

    /// Waits until the last line of the screen, where the user types, ends with `typed`.
    async fn shows_typed(&self, typed: &str) {
        eventually(&format!("'{typed}' stands on the last line"), seconds(15), async || {
            let screen = self.terminal.screen();
            let last = screen.last().is_some_and(|line| line.ends_with(typed));
            if last { Ok(()) } else { Err(screen.join("\n")) }
        })
        .await;
    }

    async fn shows_line_with(&self, words: &[&str]) -> usize {
        eventually(&format!("a line with {words:?}"), seconds(15), async || {
            let screen = self.terminal.screen();
            let line = screen.iter().position(|line| words.iter().all(|word| line.contains(word)));
            line.ok_or_else(|| screen.join("\n"))
        })
        .await
    }
}

async fn hears(node: &Node, text: &str) {
    let heard = |event: &NodeEvent| matches!(event, NodeEvent::Message(message) if message.text == text && message.name == "typist");
    node.feed.wait_for(text, seconds(20), heard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_line_is_said_and_messages_of_others_do_not_tear_the_line_being_typed() {
    let other = Node::start(NodeOptions::named("other")).await;
    let Some(prompt) = Prompt::start(&other).await else { return };

    prompt.terminal.type_text("hello from the prompt");
    prompt.shows_typed("hello from the prompt").await;
    prompt.terminal.press("Enter");
    hears(&other, "hello from the prompt").await;
    prompt.shows_typed("lobby>").await;

    prompt.terminal.type_text("half a sent");
    prompt.shows_typed("half a sent").await;
    other.say("lobby", "an interruption").await;
    let interruption = prompt.shows_line_with(&["other", "an interruption"]).await;
    prompt.shows_typed("half a sent").await;
    assert!(interruption < prompt.terminal.screen().len() - 1, "it stands above: {:#?}", prompt.terminal.screen());
    let torn = prompt.terminal.screen().iter().filter(|line| line.contains("half a")).count();
    assert_eq!(torn, 1, "{:#?}", prompt.terminal.screen());
    prompt.terminal.type_text("ence");
    prompt.terminal.press("Enter");
    hears(&other, "half a sentence").await;
    prompt.shows_typed("lobby>").await;

    // The line before can be had again, as in any shell.
    prompt.terminal.press("Up");
    prompt.shows_typed("half a sentence").await;
    prompt.terminal.press("C-u");

    let left = |event: &NodeEvent| matches!(event, NodeEvent::Left(member) if member.name == "typist");
    prompt.terminal.press("C-d");
    other.feed.wait_for("the typist leaves", seconds(15), left).await;
    eventually("the program ends", seconds(15), async || {
        // The screen may be gone a moment after the terminal was still there, so it is not asked for.
        if prompt.terminal.is_alive() { Err("it still runs") } else { Ok(()) }
    })
    .await;
    assert!(prompt.data.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_cannot_drive_the_terminal() {
    let other = Node::start(NodeOptions::named("other")).await;
    let Some(prompt) = Prompt::start(&other).await else { return };
    prompt.terminal.type_text("my line");
    prompt.shows_typed("my line").await;
    // Clears the screen and goes to its first line, where a terminal takes it at its word.
    other.say("lobby", "before\u{1b}[2J\u{1b}[Hafter").await;
    let line = prompt.shows_line_with(&["before", "after"]).await;
    prompt.shows_typed("my line").await;
    assert!(line < prompt.terminal.screen().len() - 1, "{:#?}", prompt.terminal.screen());
}
