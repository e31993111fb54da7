//! The commands about files, in one place.

use clap::Subcommand;

use super::{
    Failure,
    client::Target,
    get::{self, GetArguments},
    limits::{self, LimitArguments, StoreCommand},
    output::Output,
    share::{self, ShareArguments},
    transfers::{self, SharedArguments, TransferArguments},
};

/// What one does with files.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// Share a file or a folder; prints a link for others
    Share(ShareArguments),
    /// Get what others share; Ctrl-C pauses it, and the same command goes on
    Get(GetArguments),
    /// Show, pause, resume and cancel what is fetched
    Transfers(TransferArguments),
    /// Show, verify and unshare what is shared
    Shared(SharedArguments),
    /// Show and set how fast files come and go; until the node stops
    Limits(LimitArguments),
    /// What shares take of the disk, besides files that stand where you have them
    #[command(subcommand)]
    Store(StoreCommand),
}

impl FileCommand {
    /// Which node it is for.
    pub fn target_mut(&mut self) -> &mut Target {
        match self {
            Self::Share(arguments) => &mut arguments.target,
            Self::Get(arguments) => &mut arguments.target,
            Self::Transfers(arguments) => &mut arguments.target,
            Self::Shared(arguments) => &mut arguments.target,
            Self::Limits(arguments) => &mut arguments.target,
            Self::Store(command) => command.target_mut(),
        }
    }
}

/// Carries out a command about files.
///
/// # Errors
/// [`Failure`].
pub async fn carry_out(command: FileCommand, out: Output) -> Result<(), Failure> {
    match command {
        FileCommand::Share(arguments) => share::share(arguments, out).await,
        FileCommand::Get(arguments) => get::get(arguments, out).await,
        FileCommand::Transfers(arguments) => transfers::transfers(arguments, out).await,
        FileCommand::Shared(arguments) => transfers::shared(arguments, out).await,
        FileCommand::Limits(arguments) => limits::limits(arguments, out).await,
        FileCommand::Store(command) => limits::store(command, out).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Arguments;

    fn parse(words: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["node"], words].concat())
    }

    #[test]
    fn files_have_commands_in_words_as_one_says_them() {
        for words in [
            &["share", "photos"][..],
            &["share", "photos", "--copy", "--name", "holidays", "--follow-symlinks", "--json"],
            &["share", "--print-torrent", "photos", "-o", "photos.torrent"],
            &["get", "starling:file/AQ"],
            &[
                "get",
                "x.torrent",
                "-o",
                "in/",
                "--select",
                "*.jpg",
                "--select",
                "*.txt",
                "--peer",
                "/ip4/192.0.2.1/tcp/1",
            ],
            &["get", "x", "--detach"],
            &["transfers"],
            &["transfers", "--watch", "--json"],
            &["transfers", "list", "--data-dir", "x"],
            &["transfers", "--data-dir", "x", "pause", "abcd", "photos"],
            &["transfers", "resume", "abcd"],
            &["transfers", "cancel", "abcd"],
            &["shared"],
            &["shared", "unshare", "abcd", "photos"],
            &["shared", "verify", "abcd"],
            &["limits"],
            &["limits", "--up", "10MiB", "--down", "none", "--transfer", "abcd"],
            &["store", "usage"],
            &["store", "gc", "--json"],
        ] {
            assert!(parse(words).is_ok(), "{words:?}: {:?}", parse(words).err());
        }
    }

    #[test]
    fn mistakes_name_what_is_wrong() {
        for (words, word) in [
            (&["share"][..], "PATH"),
            (&["share", "x", "--name", "../x"], "--name"),
            (&["share", "x", "-o", "y"], "--print-torrent"),
            (&["share", "x", "--print-torrent", "--copy"], "--copy"),
            (&["get"], "LINK"),
            (&["transfers", "pause"], "ROOT"),
            (&["transfers", "verify", "x"], "cancel"),
            (&["shared", "unshare"], "ROOT"),
            (&["limits", "--up", "fast"], "10MiB"),
            (&["store"], "gc"),
        ] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{words:?}: {error}");
        }
    }
}
