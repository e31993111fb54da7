//! `node limits` and `node store`: how fast bytes come and go, and what they take of the disk.

use clap::{Args, Subcommand};

use super::{
    Failure,
    client::Target,
    meant::find_all,
    output::{Output, files},
    sizes::{Limit, bytes},
};
use crate::model::TransferLimits;

/// How fast bytes may come and go.
#[derive(Debug, Args)]
pub struct LimitArguments {
    #[command(flatten)]
    pub target: Target,
    /// The most that may go out in a second, such as 10MiB or 500k; 0 lets nothing out, none lifts the limit
    #[arg(long, value_name = "SIZE")]
    up: Option<Limit>,
    /// The most that may come in a second
    #[arg(long, value_name = "SIZE")]
    down: Option<Limit>,
    /// Of this share only: its root, the beginning of that, its name, or a link
    #[arg(long, value_name = "ROOT")]
    transfer: Option<String>,
}

/// What shares take of the disk, besides files that stand where you have them.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show how much it is
    Usage(Target),
    /// Remove what nothing needs
    Gc(Target),
}

impl StoreCommand {
    /// Which node it is for.
    pub fn target_mut(&mut self) -> &mut Target {
        match self {
            Self::Usage(target) | Self::Gc(target) => target,
        }
    }
}

/// Carries out `node limits`: shows them, after changing those that are given.
///
/// # Errors
/// [`Failure`].
pub async fn limits(arguments: LimitArguments, out: Output) -> Result<(), Failure> {
    let LimitArguments { target, up, down, transfer } = arguments;
    let client = target.find()?;
    let share = find_all(&client, transfer.as_slice()).await?.pop();
    let before = match &share {
        Some(share) => TransferLimits { up: share.up_limit, down: share.down_limit },
        None => client.limits().await?,
    };
    let after = changed(before, up, down);
    if after != before {
        client.limit(share.as_ref().map(|share| share.root.as_str()), after).await?;
    }
    out.show(&after, files::limits)
}

/// What is not given stays.
fn changed(before: TransferLimits, up: Option<Limit>, down: Option<Limit>) -> TransferLimits {
    TransferLimits {
        up: up.map_or(before.up, |Limit(limit)| limit),
        down: down.map_or(before.down, |Limit(limit)| limit),
    }
}

/// Carries out `node store`.
///
/// # Errors
/// [`Failure`].
pub async fn store(command: StoreCommand, out: Output) -> Result<(), Failure> {
    match command {
        StoreCommand::Usage(target) => out.show(&target.find()?.store_usage().await?, files::usage),
        StoreCommand::Gc(target) => {
            let freed = target.find()?.collect_garbage().await?;
            out.show(&freed, |freed| format!("{} are free again", bytes(freed.freed_bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_not_given_stays_and_none_lifts_one() {
        let before = TransferLimits { up: Some(1), down: Some(2) };
        assert_eq!(changed(before, None, None), before);
        assert_eq!(changed(before, Some(Limit(None)), None), TransferLimits { up: None, down: Some(2) });
        assert_eq!(changed(before, None, Some(Limit(Some(0)))), TransferLimits { up: Some(1), down: Some(0) });
    }
}
