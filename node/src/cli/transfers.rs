//! `node transfers` and `node shared`: what is fetched, and what is shared.

use std::{collections::BTreeMap, time::Duration};

use clap::{Args, ValueEnum};
use proto::channel::RoomName;
use serde_json::json;

use super::{
    Failure,
    bars::Bars,
    client::{Client, Target},
    meant::{find, find_all},
    output::{Output, files},
    share::hashed,
    signals::Signals,
};
use crate::model::{Share, ShareState};

/// How often the node is asked, with `--watch`.
const WATCH: Duration = Duration::from_secs(1);

/// What to do with what is fetched.
#[derive(Debug, Args)]
pub struct TransferArguments {
    #[command(flatten)]
    pub target: Target,
    /// What to do
    #[arg(value_enum, default_value_t)]
    action: TransferAction,
    /// Which: a root, its beginning, the name, or a link [default for list: all]
    #[arg(value_name = "ROOT", required_if_eq_any([("action", "pause"), ("action", "resume"), ("action", "cancel")]))]
    which: Vec<String>,
    /// Show them until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// What one does with what is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum TransferAction {
    /// Show what is not complete
    #[default]
    List,
    /// Have it stand still, also when the node is started again
    Pause,
    /// Have it go on
    Resume,
    /// Fetch it no more, and remove what is here of it
    Cancel,
}

/// What to do with what is shared.
#[derive(Debug, Args)]
pub struct SharedArguments {
    #[command(flatten)]
    pub target: Target,
    /// What to do
    #[arg(value_enum, default_value_t)]
    action: SharedAction,
    /// Which: a root, its beginning, the name, or a link [default for list: all]
    #[arg(value_name = "ROOT", required_if_eq_any([("action", "unshare"), ("action", "verify")]))]
    which: Vec<String>,
    /// Show what was announced in this room, and how many nodes have it
    #[arg(long, conflicts_with = "which")]
    room: Option<RoomName>,
}

/// What one does with what is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SharedAction {
    /// Show what is complete
    #[default]
    List,
    /// Share it no more; the files stay where they are
    Unshare,
    /// Read all of it, to see whether it is what it was
    Verify,
}

fn is_transfer(share: &Share) -> bool {
    !matches!(share.state, ShareState::Complete | ShareState::Changed)
}

/// As what it is, whichever list it was asked for in.
fn shown(share: &Share) -> String {
    if is_transfer(share) { files::transfer(share) } else { files::shared(share) }
}

/// Those that are listed: those that the user names, or all.
fn listed(mut shares: Vec<Share>, which: &[String], wanted: impl Fn(&Share) -> bool) -> Result<Vec<Share>, Failure> {
    if which.is_empty() {
        shares.retain(wanted);
        return Ok(shares);
    }
    which.iter().map(|text| find(text, &shares).cloned().map_err(Failure::failed)).collect()
}

/// Carries out `node transfers`.
///
/// # Errors
/// [`Failure`].
pub async fn transfers(arguments: TransferArguments, out: Output) -> Result<(), Failure> {
    let TransferArguments { target, action, which, watch } = arguments;
    if watch && action != TransferAction::List {
        return Err(Failure::usage("--watch goes with list"));
    }
    let client = target.find()?;
    if action == TransferAction::List {
        if watch {
            return self::watch(&client, &which, out).await;
        }
        let shares = listed(client.shares().await?, &which, is_transfer)?;
        return out.list(&shares, "nothing is being fetched", shown);
    }
    for share in find_all(&client, &which).await? {
        match action {
            TransferAction::Pause | TransferAction::Resume => {
                let share = client.pause_share(&share.root, action == TransferAction::Pause).await?;
                out.show(&share, files::transfer)?;
            }
            TransferAction::Cancel if is_transfer(&share) => {
                client.unshare(&share.root).await?;
                out.show(&json!({ "cancelled": share.root, "name": share.name }), |_| {
                    format!("{} is fetched no more, and what was here of it is removed", files::name(&share))
                })?;
            }
            TransferAction::Cancel => return Err(wrong(&share, "is complete", "node shared unshare")),
            TransferAction::List => {}
        }
    }
    Ok(())
}

fn wrong(share: &Share, is: &str, instead: &str) -> Failure {
    let (name, root) = (files::name(share), files::short_root(share));
    Failure::Failed(format!("{name} {is}; did you mean: {instead} {root}"))
}

/// Carries out `node shared`.
///
/// # Errors
/// [`Failure`].
pub async fn shared(arguments: SharedArguments, out: Output) -> Result<(), Failure> {
    let SharedArguments { target, action, which, room } = arguments;
    let client = target.find()?;
    if let Some(room) = room {
        let all = client.announced_shares(&room, true).await?;
        return out.list(
            &all,
            "nothing was announced there; announce something with: node share PATH --room ROOM",
            files::announced,
        );
    }
    if action == SharedAction::List {
        let shares = listed(client.shares().await?, &which, |share| !is_transfer(share))?;
        return out.list(&shares, "nothing is shared; share something with: node share PATH", shown);
    }
    let mut changed = Vec::new();
    for share in find_all(&client, &which).await? {
        match action {
            _ if is_transfer(&share) => return Err(wrong(&share, "is not complete", "node transfers cancel")),
            SharedAction::Unshare => {
                client.unshare(&share.root).await?;
                out.show(&json!({ "unshared": share.root, "name": share.name }), |_| {
                    format!("{} is shared no more", files::name(&share))
                })?;
            }
            SharedAction::Verify => {
                let share = verify(&client, &share, out).await?;
                changed.extend((share.state == ShareState::Changed).then(|| files::name(&share)));
            }
            SharedAction::List => {}
        }
    }
    if changed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("changed: {}", changed.join(", ")))) }
}

/// Has a share read anew, and says whether it is what it was.
async fn verify(client: &Client, share: &Share, out: Output) -> Result<Share, Failure> {
    let mut signals = Signals::listen(false).map_err(Failure::failed)?;
    let hashing = client.verify_share(&share.root).await?;
    let share = hashed(client, hashing, out, &mut signals).await?;
    out.show(&share, |share| match share.state {
        ShareState::Changed => format!("{} is not what it was: {}", files::name(share), files::reason(share)),
        _ => format!("{} is what it was", files::name(share)),
    })?;
    Ok(share)
}

/// Shows what is fetched, again and again.
async fn watch(client: &Client, which: &[String], out: Output) -> Result<(), Failure> {
    let mut bars = Bars::new(out);
    if bars.is_none() && !out.json {
        return Err(Failure::usage("--watch needs a terminal; use --json in scripts"));
    }
    let mut before: BTreeMap<String, Share> = BTreeMap::new();
    loop {
        let all = client.shares().await?;
        // What is named may come to be complete, or be gone.
        let is_shown = |share: &Share| which.is_empty() || which.iter().any(|text| find(text, &all) == Ok(share));
        let shown: Vec<&Share> = all.iter().filter(|share| is_shown(share)).collect();
        let complete = |share: &&&Share| !is_transfer(share) && before.contains_key(&share.root);
        match &mut bars {
            Some(bars) => {
                shown.iter().filter(complete).for_each(|share| bars.say(&files::transfer(share)));
                let lines: Vec<String> =
                    shown.iter().filter(|share| is_transfer(share)).map(|share| files::transfer(share)).collect();
                bars.lines(if lines.is_empty() { vec!["nothing is being fetched".into()] } else { lines });
            }
            None => {
                let is_news = |share: &&&Share| is_transfer(share) || complete(share);
                let news = shown.iter().filter(is_news).filter(|share| before.get(&share.root) != Some(**share));
                news.copied().try_for_each(|share| out.object(share))?;
            }
        }
        before = shown
            .iter()
            .filter(|share| is_transfer(share))
            .map(|share| (share.root.clone(), (*share).clone()))
            .collect();
        tokio::time::sleep(WATCH).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::files::sample;

    #[test]
    fn what_is_fetched_and_what_is_shared_are_listed_apart_unless_they_are_named() {
        let share = |digit: &str, state| Share { root: digit.repeat(64), name: digit.into(), ..sample(state) };
        let all = vec![
            share("1", ShareState::Complete),
            share("2", ShareState::Fetching),
            share("3", ShareState::Changed),
            share("4", ShareState::Failed),
        ];
        let names = |which: &[&str], wanted: fn(&Share) -> bool| -> Result<String, Failure> {
            let which: Vec<String> = which.iter().map(|text| (*text).to_owned()).collect();
            Ok(listed(all.clone(), &which, wanted)?.iter().map(|share| share.name.as_str()).collect())
        };
        assert_eq!(names(&[], is_transfer).unwrap(), "24");
        assert_eq!(names(&[], |share| !is_transfer(share)).unwrap(), "13");
        assert_eq!(names(&["1111", "4"], is_transfer).unwrap(), "14");
        assert!(names(&["5555"], is_transfer).is_err());
    }
}
