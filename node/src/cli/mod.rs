//! The command line. `node run` is the program itself; the other commands are clients of a running node's API.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | fine |
//! | 1 | failed; standard error says why |
//! | 2 | wrong usage |
//! | 3 | no node is running |
//! | 130 | ended with Ctrl-C; standard error says how to go on |

mod bars;
pub mod client;
mod commands;
mod contacts;
mod conversation;
mod direct;
mod entry;
mod failure;
mod files;
mod follow;
mod get;
mod input;
mod limits;
mod logging;
mod meant;
mod names;
mod output;
mod prompt;
mod qr;
mod reading;
mod rooms;
mod run;
mod share;
mod signals;
mod sizes;
mod terminal;
mod torrent;
mod transfers;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
pub use failure::Failure;
use proto::{
    channel::{LOBBY, RoomName},
    ids::EventId,
};

use self::{
    client::Target,
    direct::DirectCommand,
    files::FileCommand,
    output::Output,
    rooms::{Destination, RoomCommand},
};
use crate::config::Options;

/// Messages that `node history` shows when nobody says how many.
const HISTORY_MESSAGES: usize = 50;

/// Chat with no server at all: rooms, presence and history, kept by the people in them.
#[derive(Debug, Parser)]
#[command(name = "node", version, after_help = "Without a command, `node` is `node run`.")]
struct Arguments {
    #[command(flatten)]
    run: RunArguments,
    /// Print JSON, one object on each line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Default, Args)]
struct RunArguments {
    #[command(flatten)]
    options: Options,
    /// Read options from this TOML file; flags win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
struct InRoom {
    /// The room
    #[arg(long, default_value = LOBBY)]
    room: RoomName,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node: on a terminal with a chat prompt, else quietly until it is told to stop
    Run(Box<RunArguments>),
    /// Run a node for others on a machine that is always on: keeps direct messages for those who are away
    Relay(Box<RunArguments>),
    /// Chat through the running node
    Chat {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        room: InRoom,
        /// Chat with this person instead of a room: a name, a peer id, or its beginning
        #[arg(long, value_name = "PEER", conflicts_with = "room")]
        with: Option<String>,
    },
    /// Say something in a room
    Say {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        room: InRoom,
        /// What to say; - reads it from standard input
        #[arg(required = true)]
        text: Vec<String>,
    },
    #[command(flatten)]
    Direct(DirectCommand),
    #[command(flatten)]
    Files(FileCommand),
    /// Show a room's last messages, oldest first
    History {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        room: InRoom,
        /// Messages at most
        #[arg(long, default_value_t = HISTORY_MESSAGES)]
        limit: usize,
        /// Only messages before this one
        #[arg(long, value_name = "ID")]
        before: Option<EventId>,
    },
    /// Show messages as they come
    Tail {
        #[command(flatten)]
        target: Target,
        /// Only this room [default: all rooms]
        #[arg(long)]
        room: Option<RoomName>,
    },
    /// Show who is in a room
    Who {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        room: InRoom,
    },
    /// Show the rooms the node is in
    Rooms(Target),
    /// Make rooms, invite into private ones, change their keys
    #[command(subcommand)]
    Room(RoomCommand),
    /// Join a room
    Join {
        #[command(flatten)]
        target: Target,
        /// The room, or an invitation to a private one; - reads an invitation from standard input, where other users of this machine cannot see it
        room: Destination,
        /// What to call a private room here [default: as the invitation says]
        #[arg(long = "as", value_name = "NAME")]
        name: Option<RoomName>,
    },
    /// Leave a room; its history stays
    Leave {
        #[command(flatten)]
        target: Target,
        /// The room
        room: RoomName,
    },
    /// Show how the node is doing
    Status(Target),
    /// Show the nodes that this one knows
    Peers(Target),
    /// Show the node's peer id and addresses
    Id(Target),
    /// Stop the running node
    Stop(Target),
    /// Make a key for a closed network and write it to a new file
    NetworkKey {
        /// The file; give a copy to everybody who shall be let in
        file: PathBuf,
    },
}

/// Carries out the command line.
pub fn main() -> ExitCode {
    logging::hook_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody may be reading; the exit code says the same.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match carry_out(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn carry_out(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { run: before, json, command } = arguments;
    match command {
        None => run::run(before.options, before.config, json),
        Some(Command::Run(after)) => run::run(after.options.or(before.options), after.config.or(before.config), json),
        Some(Command::Relay(after)) => {
            let options = Options { mailbox: true, ..after.options.or(before.options) };
            run::run(options, after.config.or(before.config), json)
        }
        Some(Command::NetworkKey { file }) => commands::network_key(&file, Output { json }),
        Some(mut command) => {
            let outer = for_clients(before)?;
            if let Some(target) = command.target_mut() {
                target.data_dir = target.data_dir.take().or(outer.data_dir);
                target.api = target.api.or(outer.api);
            }
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
            let result = runtime.block_on(commands::carry_out(command, Output { json }));
            // A thread may still wait for the terminal.
            runtime.shutdown_background();
            result
        }
    }
}

/// Options that stand before a client's command. Only those that clients have too are of use there.
fn for_clients(before: RunArguments) -> Result<Target, Failure> {
    let RunArguments { options, config } = before;
    let target = Target { data_dir: options.data_dir.clone(), api: options.api, token_file: None };
    let rest = Options { data_dir: None, api: None, ..options };
    if rest != Options::default() || config.is_some() {
        let message = "options of `node run` do not go with other commands; `node help` shows which has which";
        return Err(Failure::usage(message));
    }
    Ok(target)
}

impl Command {
    fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Run(_) | Self::Relay(_) | Self::NetworkKey { .. } => None,
            Self::Direct(command) => Some(command.target_mut()),
            Self::Files(command) => Some(command.target_mut()),
            Self::Room(command) => Some(command.target_mut()),
            Self::Chat { target, .. }
            | Self::Say { target, .. }
            | Self::History { target, .. }
            | Self::Tail { target, .. }
            | Self::Who { target, .. }
            | Self::Join { target, .. }
            | Self::Leave { target, .. } => Some(target),
            Self::Rooms(target)
            | Self::Status(target)
            | Self::Peers(target)
            | Self::Id(target)
            | Self::Stop(target) => Some(target),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["node"], words].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_of_run_may_stand_before_or_after_it() {
        for words in [
            &["--name", "Ada", "--no-mdns"][..],
            &["--name", "Ada", "run", "--no-mdns"],
            &["run", "--name", "Ada", "--no-mdns"],
        ] {
            let arguments = parse(words).unwrap();
            let options = match arguments.command {
                Some(Command::Run(after)) => after.options.or(arguments.run.options),
                None => arguments.run.options,
                other => panic!("{other:?}"),
            };
            assert!(options.no_mdns && options.name.is_some(), "{words:?}");
        }
    }

    #[test]
    fn json_may_stand_anywhere() {
        assert!(parse(&["--json", "status"]).unwrap().json);
        assert!(parse(&["status", "--json"]).unwrap().json);
        assert!(parse(&["say", "hello", "--json"]).unwrap().json);
    }

    #[test]
    fn direct_messages_and_private_rooms_have_commands_in_words_as_one_says_them() {
        for words in [
            &["message", "ada", "shall", "we", "meet?"][..],
            &["message", "12D3KooW", "-"],
            &["inbox"],
            &["inbox", "--peer", "ada", "--unread", "--all", "--keep-unread"],
            &["inbox", "--limit", "0"],
            &["chat", "--with", "ada"],
            &["chat", "--room", "birds"],
            &["contact", "add", "12D3KooW", "Ada", "Lovelace"],
            &["contact", "list", "--all", "--json"],
            &["contact", "rename", "ada", "Countess"],
            &["contact", "remove", "ada"],
            &["contact", "block", "ada"],
            &["contact", "unblock", "ada"],
            &["contact", "verify", "ada"],
            &["key", "rotate"],
            &["relay", "--name", "always-on"],
            &["room", "create", "garden"],
            &["room", "create", "garden", "--private", "--json"],
            &["room", "invite", "garden"],
            &["room", "rotate", "garden", "--without", "eve", "--without", "mallory"],
            &["room", "rotate", "garden", "--only", "bob,carol", "--only", "dave", "--yes"],
            &["join", "starling:room/AAAA", "--as", "shed"],
            &["join", "-"],
        ] {
            assert!(parse(words).is_ok(), "{words:?}: {:?}", parse(words).err());
        }
    }

    #[test]
    fn the_data_directory_may_stand_before_or_behind_any_command() {
        for words in
            [&["--data-dir", "x", "contact", "verify", "ada"][..], &["contact", "verify", "--data-dir", "x", "ada"]]
        {
            let mut arguments = parse(words).unwrap();
            let target = arguments.command.as_mut().and_then(Command::target_mut).unwrap();
            assert!(target.data_dir.is_some() || arguments.run.options.data_dir.is_some(), "{words:?}");
        }
    }

    #[test]
    fn options_of_run_before_another_command_are_wrong_usage() {
        let arguments = parse(&["--name", "Ada", "status"]).unwrap();
        assert!(matches!(carry_out(arguments), Err(Failure::Usage(_))));
    }

    #[test]
    fn mistakes_name_what_is_wrong() {
        for (words, word) in [
            (&["--bootstrap", "/ip4/127.0.0.1/tpc/1"][..], "'tpc'"),
            (&["--name", ""], "name"),
            (&["join", ""], "empty"),
            (&["room", "create", ""], "empty"),
            (&["room", "rotate"], "ROOM"),
            (&["history", "--before", "xyz"], "64 hexadecimal digits"),
            (&["say"], "TEXT"),
            (&["message", "ada"], "TEXT"),
            (&["message"], "PEER"),
            (&["inbox", "--limit", "few"], "few"),
            (&["inbox", "--all", "--limit", "5"], "--limit"),
            (&["chat", "--with", "ada", "--room", "birds"], "--room"),
            (&["contact"], "verify"),
            (&["contact", "add", "ada"], "NAME"),
            (&["contact", "verify"], "PEER"),
            (&["key"], "rotate"),
            (&["frobnicate"], "frobnicate"),
        ] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{words:?}: {error}");
        }
    }
}
