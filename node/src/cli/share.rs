//! `node share`: has the node hash a file or a folder, and shows how far that is.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use proto::{blob::path::FileName, channel::RoomName};
use serde::Serialize;

use super::{
    Failure,
    bars::Bars,
    client::{Client, Target},
    output::{Output, files, one_line},
    signals::Signals,
    sizes::{bytes, percent, speed},
    torrent,
};
use crate::{
    api::routes::files::ShareBody,
    files::Symlinks,
    model::{Hashing, Share},
};

/// The first pause before the node is asked again, and the longest: what is small is hashed at once.
const ASK_MS: (u64, u64) = (10, 250);

/// Between two reports with `--json`.
pub const REPORT: Duration = Duration::from_secs(1);

/// What to share.
#[derive(Debug, Args)]
pub struct ShareArguments {
    #[command(flatten)]
    pub target: Target,
    /// A file or a folder; it is shared where it is, as long as it is not changed
    path: PathBuf,
    /// Copy it, so that it can be changed or deleted where it is
    #[arg(long)]
    copy: bool,
    /// What to call it [default: as it is called there]
    #[arg(long)]
    name: Option<FileName>,
    /// Announce it in this room
    #[arg(long, conflicts_with = "print_torrent")]
    room: Option<RoomName>,
    /// Share what symbolic links in a folder lead to; else a folder with one is refused
    #[arg(long)]
    follow_symlinks: bool,
    /// Share nothing: write a BitTorrent v2 metainfo file for the same bytes; needs no node
    #[arg(long, conflicts_with = "copy")]
    print_torrent: bool,
    /// The new file for the metainfo [default: standard output]
    #[arg(short, long, value_name = "FILE", requires = "print_torrent")]
    output: Option<PathBuf>,
}

/// The last line with `--json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    root: &'a str,
    link: Option<&'a str>,
    size: Option<u64>,
    name: &'a str,
}

/// Shares something.
///
/// # Errors
/// [`Failure`].
pub async fn share(arguments: ShareArguments, out: Output) -> Result<(), Failure> {
    let ShareArguments { target, path, copy, name, room, follow_symlinks, print_torrent, output } = arguments;
    if print_torrent {
        let symlinks = if follow_symlinks { Symlinks::Follow } else { Symlinks::Refuse };
        return torrent::print(path, name, symlinks, output.as_deref(), out).await;
    }
    let body =
        ShareBody { path: absolute(&path)?, name: name.map(|name| name.as_str().to_owned()), copy, follow_symlinks };
    let client = target.find()?;
    let mut signals = Signals::listen(false).map_err(Failure::failed)?;
    let hashing = client.share(&body).await?;
    let share = hashed(&client, hashing, out, &mut signals).await?;
    if let Some(room) = &room {
        client.announce_share(room, &share.root).await?;
    }
    let Share { root, link, size, name, .. } = &share;
    out.show(&Told { root, link: link.as_deref(), size: *size, name }, |_| files::now_shared(&share))
}

/// A path as the node can use it, which has another working directory.
///
/// # Errors
/// [`Failure::Usage`] for one that is no text.
pub fn absolute(path: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let text = absolute.into_os_string().into_string();
    text.map_err(|path| Failure::Usage(format!("'{}' is not UTF-8; rename it", path.display())))
}

/// Waits for a hashing to end, and shows how far it is. Ctrl-C ends it at the node.
///
/// # Errors
/// [`Failure`].
pub async fn hashed(client: &Client, hashing: Hashing, out: Output, signals: &mut Signals) -> Result<Share, Failure> {
    let id = hashing.id;
    tokio::select! {
        share = wait(client, hashing, out) => share,
        () = signals.next() => {
            // It may have ended just now; then there is nothing to end.
            let _ = client.cancel_hashing(id).await;
            Err(Failure::Interrupted("stopped reading; nothing has changed".into()))
        }
    }
}

async fn wait(client: &Client, mut hashing: Hashing, out: Output) -> Result<Share, Failure> {
    let mut show = Shown::new(out);
    let (mut pause, longest) = ASK_MS;
    loop {
        if let Some(error) = &hashing.error {
            return Err(Failure::Failed(one_line(error)));
        }
        if let Some(share) = hashing.share {
            return Ok(share);
        }
        show.show(&hashing)?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        pause = (pause * 2).min(longest);
        hashing = client.hashing(hashing.id).await?;
    }
}

/// How far a hashing is, on a screen or as JSON.
pub struct Shown {
    out: Output,
    bars: Option<Bars>,
    began: Instant,
    reported: Option<Instant>,
}

impl Shown {
    /// Nothing yet.
    pub fn new(out: Output) -> Self {
        Self { out, bars: Bars::new(out), began: Instant::now(), reported: None }
    }

    /// It is so far.
    ///
    /// # Errors
    /// See [`Output::object`].
    pub fn show(&mut self, hashing: &Hashing) -> Result<(), Failure> {
        let Hashing { hashed_bytes, total_bytes, .. } = hashing;
        if let Some(bars) = &mut self.bars {
            // What is not looked at yet is not counted yet.
            let of = *total_bytes.max(hashed_bytes);
            let fast = hashed_bytes * 1_000 / (self.began.elapsed().as_millis() as u64).max(1);
            let text = format!("{} % of {}, {}", percent(*hashed_bytes, of), bytes(of), speed(fast));
            bars.draw(&format!("reading {}", one_line(&hashing.path)), (*hashed_bytes, of), text, Vec::new());
        }
        if self.out.json && self.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            self.out.object(hashing)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::{Fixture, files::hashing};

    #[tokio::test]
    async fn a_hashing_is_asked_for_until_it_ends() {
        let node = Fixture::start().await;
        let client = node.client();
        let ended = async |id| wait(&client, Hashing { id, ..hashing("/tmp/x") }, Output { json: false }).await;
        assert_eq!(ended(5).await.unwrap().name, "murmuration.mp4");
        let failure = ended(6).await.unwrap_err();
        assert!(failure.code() == 1 && !failure.to_string().contains('\u{1b}'), "{failure:?}");
        assert!(ended(7).await.unwrap_err().to_string().contains("number 7"));
    }

    #[test]
    fn the_last_line_has_four_keys_in_their_order() {
        let told = Told { root: "ab", link: Some("starling:file/AQ"), size: Some(9), name: "x" };
        let text = serde_json::to_string(&told).unwrap();
        assert_eq!(text, r#"{"root":"ab","link":"starling:file/AQ","size":9,"name":"x"}"#);
    }

    #[test]
    fn paths_are_made_absolute_here() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("x/y")).unwrap(), here.join("x/y").to_str().unwrap());
        assert_eq!(absolute(Path::new("/x")).unwrap(), "/x");
    }
}
