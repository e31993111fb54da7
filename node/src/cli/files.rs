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
