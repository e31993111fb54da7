//! `node get`: has the node fetch something, and shows how far it is until it is complete.
//!
//! The transfer is the node's. Ctrl-C has it pause, durably, and a later `get` of the same goes on where it was.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use proto::{
    blob::link::{InvalidLink, Wanted},
    channel::RoomName,
};

use super::{
    Failure,
    bars::Bars,
    client::{Client, Target},
    commands::eprint,
    names::Names,
    output::{Output, files, one_line},
    share::{REPORT, absolute},
    signals::Signals,
    torrent,
};
use crate::{
    api::routes::transfers::TransferRequest,
    files::Select,
    model::{AnnouncedShare, Share, ShareFile, ShareState},
};

/// How often the node is asked how far it is.
const LOOK: Duration = Duration::from_millis(250);

/// Files of a folder that are looked at one by one; of larger ones only the total is shown.
const MAX_LISTED_FILES: u64 = 256;

/// What to get.
#[derive(Debug, Args)]
pub struct GetArguments {
    #[command(flatten)]
    pub target: Target,
    /// What: a link, a root, or a BitTorrent v2 metainfo file; with --room, a number or a name of what was announced there
    #[arg(value_name = "LINK")]
    what: String,
    /// Where to: into a directory that exists or ends in /, else just there [default: into the current directory]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// The room in which it was announced
    #[arg(long)]
    room: Option<RoomName>,
    /// Only files of a folder whose path fits; may be given several times
    #[arg(long, value_name = "GLOB")]
    select: Vec<String>,
    /// The address of a node that may have it: a multiaddr that ends in /p2p/ and a peer id; may be given several times
    #[arg(long, value_name = "ADDR")]
    peer: Vec<String>,
    /// Leave it to the node, and return at once
    #[arg(long)]
    detach: bool,
}

/// Gets something.
///
/// # Errors
/// [`Failure`].
pub async fn get(arguments: GetArguments, out: Output) -> Result<(), Failure> {
    let GetArguments { target, what, room, output, select, peer, detach } = arguments;
    // What is no link is told before anything else, without a node.
    let given = if room.is_none() { Some(meant(&what)?) } else { None };
    let place = Place::of(output.as_deref().unwrap_or_else(|| Path::new(".")))?;
    let is_near = target.api.is_none();
    let client = target.find()?;
    let Meant { link, wanted } = match (given, room) {
        (Some(meant), _) => meant,
        (None, None) => return Err(Failure::usage(InvalidLink::Prefix)),
        (None, Some(room)) => {
            let all = client.announced_shares(&room, false).await?;
            meant(&announced_as(&what, &all, &room)?.link)?
        }
    };
    let root = wanted.id().to_string();
    match client.share_known(&root).await? {
        Some(share) if share.state == ShareState::Complete => {
            if is_near && is_gone(&share) {
                return Err(was_here(&share, true));
            }
            if output.is_some() && !place.is_that_of(&share) {
                return Err(here_elsewhere(&share));
            }
            let part_is_fine = !select.is_empty() && has_all(&client.share_files(&root).await?, &select)?;
            return is_here(&share, part_is_fine, out);
        }
        Some(share) if share.state == ShareState::Changed => return Err(was_here(&share, is_near && is_gone(&share))),
        Some(share) if share.state != ShareState::Failed => {
            if output.is_some() && share.place.is_some() {
                eprint(&format!("it was begun before, and goes on into {}", files::place(&share)));
            }
        }
        Some(_) | None => place.check(&wanted)?,
    }
    let (into, at) = place.split()?;
    let mut signals = Signals::listen(false).map_err(Failure::failed)?;
    let part_is_fine = !select.is_empty();
    let share = client.fetch(&TransferRequest { link, into, at, select, peers: peer }).await?;
    if detach {
        return out.show(&share, |share| {
            format!("{} is on its way; to see how far it is: node transfers", files::name(share))
        });
    }
    let share = tokio::select! {
        share = Watch::new(&client, out).until_complete(share) => share?,
        () = signals.next() => tokio::select! {
            share = interrupt(&client, &root) => share?,
            // Somebody who is in a hurry.
            () = signals.next() => {
                return Err(Failure::Interrupted("the node may still go on; to see: node transfers".into()));
            }
        },
    };
    // It may have been all but in its place when it was asked for.
    if let Some(failure) = lacks(&share).filter(|_| !part_is_fine) {
        return Err(failure);
    }
    out.show(&share, files::place)
}

/// What a text leads to.
#[derive(Debug, PartialEq, Eq)]
struct Meant {
    /// As the node takes it.
    link: String,
    wanted: Wanted,
}

fn meant(text: &str) -> Result<Meant, Failure> {
    match text.parse() {
        Ok(wanted) => Ok(Meant { link: text.trim().into(), wanted }),
        Err(InvalidLink::Prefix) if Path::new(text).is_file() => {
            let link = torrent::read(Path::new(text))?;
            Ok(Meant { link: link.to_string(), wanted: Wanted::Link(link) })
        }
        Err(InvalidLink::Prefix) => {
            Err(Failure::Usage(format!("{:?} is neither a link nor a file: {}", text, InvalidLink::Prefix)))
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

/// What of the shares that were announced in a room a text means: a number, or else a name that only one has.
fn announced_as<'a>(text: &str, all: &'a [AnnouncedShare], room: &RoomName) -> Result<&'a AnnouncedShare, Failure> {
    let number = text.trim().parse::<u64>().ok();
    if let Some(share) = all.iter().find(|share| number == Some(share.number)) {
        return Ok(share);
    }
    let found: Vec<&AnnouncedShare> = all.iter().filter(|share| share.name == text).collect();
    match found.as_slice() {
        [share] => Ok(share),
        [] => Err(Failure::Failed(format!(
            "nothing like {text:?} was announced there; to see what was: node shared --room {room}"
        ))),
        several => {
            let numbers: Vec<String> = several.iter().map(|share| share.number.to_string()).collect();
            Err(Failure::Failed(format!(
                "{text:?} may be each of the numbers {}; give one of them",
                numbers.join(", ")
            )))
        }
    }
}

/// Where something is to go.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// Into this directory.
    Into(PathBuf),
    /// Just there.
    At(PathBuf),
}

impl Place {
    fn of(path: &Path) -> Result<Self, Failure> {
        let absolute = PathBuf::from(absolute(path)?);
        let is_directory = absolute.is_dir() || absolute.as_os_str().as_encoded_bytes().ends_with(b"/");
        Ok(if is_directory { Self::Into(absolute) } else { Self::At(absolute) })
    }

    /// Refuses what would be in the way in the end, before anything begins.
    fn check(&self, wanted: &Wanted) -> Result<(), Failure> {
        let target = match (self, wanted) {
            (Self::At(path), _) => path.clone(),
            (Self::Into(directory), Wanted::Link(link)) => directory.join(link.name.as_str()),
            // Its name is not known yet; the node looks once it is.
            (Self::Into(_), Wanted::Root(_)) => return Ok(()),
        };
        if target.symlink_metadata().is_ok() {
            let shown = one_line(&target.display().to_string());
            return Err(Failure::Failed(format!("{shown} exists already; choose another place with -o")));
        }
        Ok(())
    }

    /// Whether a share is there.
    fn is_that_of(&self, share: &Share) -> bool {
        let target = match self {
            Self::At(path) => path.clone(),
            Self::Into(directory) => directory.join(&share.name),
        };
        let is = share.place.as_deref().map(Path::new);
        is == Some(&target)
            || is
                .and_then(|is| is.canonicalize().ok())
                .is_some_and(|is| target.canonicalize().is_ok_and(|target| is == target))
    }

    /// As the node takes it: a directory, or a place.
    fn split(&self) -> Result<(Option<String>, Option<String>), Failure> {
        match self {
            Self::Into(path) => Ok((Some(absolute(path)?), None)),
            Self::At(path) => Ok((None, Some(absolute(path)?))),
        }
    }
}

/// What to tell those who want it in a place where it is not.
fn here_elsewhere(share: &Share) -> Failure {
    let (name, place, root) = (files::name(share), files::place(share), files::short_root(share));
    let hint = format!("copy it from there, or forget it first: node shared unshare {root}");
    Failure::Failed(format!("{name} is here already, in {place}; {hint}"))
}

/// What to tell those who want what was here, and is changed or gone.
fn was_here(share: &Share, is_gone: bool) -> Failure {
    let (name, place, reason) = (files::name(share), files::place(share), files::reason(share));
    let reason = if is_gone { "it is not there any more".to_owned() } else { reason };
    let hint = format!("to get it again, forget it first: node shared unshare {}", files::short_root(share));
    Failure::Failed(format!("{name} was here, in {place}: {reason}; {hint}"))
}

/// Whether there is nothing where it was.
fn is_gone(share: &Share) -> bool {
    let found = share.place.as_deref().map(|place| Path::new(place).symlink_metadata());
    matches!(found, Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether all that is selected of these files is here.
fn has_all(files: &[ShareFile], select: &[String]) -> Result<bool, Failure> {
    let select = Select::read(select).and_then(|select| select.set()).map_err(Failure::usage)?;
    let lacks = |file: &&ShareFile| file.done_bytes < file.size || !file.wanted;
    let selected: Vec<&ShareFile> = files.iter().filter(|file| select.is_match(&file.path)).collect();
    if selected.is_empty() {
        return Err(Failure::failed("no file of it is selected"));
    }
    Ok(!selected.iter().any(lacks))
}

/// Says where it is.
fn is_here(share: &Share, part_is_fine: bool, out: Output) -> Result<(), Failure> {
    if let Some(failure) = lacks(share).filter(|_| !part_is_fine) {
        return Err(failure);
    }
    if !out.json {
        eprint(&format!("{} is here already", files::name(share)));
    }
    out.show(share, files::place)
}

/// What to tell those who want all of a share of which a part was wanted before.
fn lacks(share: &Share) -> Option<Failure> {
    let (name, place, root) = (files::name(share), files::place(share), files::short_root(share));
    let hint = format!("to get more, forget it first, node shared unshare {root}, and choose another place with -o");
    let is_part = share.size.is_some_and(|size| share.wanted_bytes < size);
    is_part.then(|| Failure::Failed(format!("only a part of {name} is here, in {place}; {hint}")))
}

/// Has a transfer pause, because the user does not wait any longer. Returns the share if it became complete first.
async fn interrupt(client: &Client, root: &str) -> Result<Share, Failure> {
    let refused = match client.pause_share(root, true).await {
        Ok(share) => {
            let resume = format!("node transfers resume {}", files::short_root(&share));
            return Err(Failure::Interrupted(format!(
                "{} {}\nto go on: the same command again, or {resume}",
                files::name(&share),
                files::how_far(&share)
            )));
        }
        Err(refused) => refused,
    };
    match client.share_known(root).await? {
        Some(share) if share.state == ShareState::Complete => Ok(share),
        Some(share) if share.state == ShareState::Asking => {
            client.unshare(root).await?;
            let name = files::name(&share);
            Err(Failure::Interrupted(format!("nothing of {name} had come; to try again: the same command again")))
        }
        Some(share) if share.state == ShareState::Finishing => {
            Err(Failure::Interrupted(format!("all of {} is here; the node puts it in its place", files::name(&share))))
        }
        _ => Err(refused),
    }
}

/// Looks at a transfer, and shows what it sees.
struct Watch<'a> {
    client: &'a Client,
    out: Output,
    bars: Option<Bars>,
    names: Names,
    began: Instant,
    reported: Option<Instant>,
    /// Why it stands still, as it was said last.
    said: Option<String>,
}

impl<'a> Watch<'a> {
    fn new(client: &'a Client, out: Output) -> Self {
        let bars = Bars::new(out);
        Self { client, out, bars, names: Names::default(), began: Instant::now(), reported: None, said: None }
    }

    async fn until_complete(mut self, mut share: Share) -> Result<Share, Failure> {
        loop {
            match share.state {
                ShareState::Complete => return Ok(share),
                ShareState::Failed | ShareState::Changed => {
                    if self.out.json {
                        self.out.object(&share)?;
                    }
                    return Err(Failure::Failed(format!("{}: {}", files::name(&share), files::reason(&share))));
                }
                ShareState::Asking | ShareState::Fetching | ShareState::Paused | ShareState::Finishing => {}
            }
            self.show(&share).await?;
            tokio::time::sleep(LOOK).await;
            let cancelled = || Failure::Failed(format!("{} was cancelled meanwhile", files::name(&share)));
            share = self.client.share_known(&share.root).await?.ok_or_else(cancelled)?;
        }
    }

    async fn show(&mut self, share: &Share) -> Result<(), Failure> {
        if self.out.json && self.reported.is_none_or(|at| at.elapsed() >= REPORT) {
            self.reported = Some(Instant::now());
            self.out.object(share)?;
        }
        let Some(bars) = &mut self.bars else {
            if !self.out.json && share.reason.is_some() && self.said != share.reason {
                eprint(&format!("{} {}", files::name(share), files::how_far(share)));
            }
            self.said.clone_from(&share.reason);
            return Ok(());
        };
        let peers = self.client.share_peers(&share.root).await?;
        self.names.refresh(self.client).await;
        let is_listed = share.folder == Some(true) && share.files.is_some_and(|files| files <= MAX_LISTED_FILES);
        let listed: Vec<ShareFile> = match is_listed {
            true => self.client.share_files(&share.root).await?,
            false => Vec::new(),
        };
        let lines = files::below(&listed, &peers, &self.names, self.began.elapsed().as_secs());
        bars.draw(&files::name(share), (share.done_bytes, share.wanted_bytes), files::how_far(share), lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proto::blob::{BlobId, link::Link, manifest::Content};

    use super::*;
    use crate::{
        api::tests::{
            Fixture,
            files::{ASKING, COMING, HERE, STUCK},
        },
        cli::output::files::sample,
    };

    fn link(name: &str) -> Link {
        let content = Content::File { root: BlobId([7; 32]), size: 9 };
        Link { content, name: name.parse().unwrap(), addresses: vec![] }
    }

    #[test]
    fn what_is_meant_is_a_link_a_root_or_a_metainfo_file() {
        let text = link("x").to_string();
        assert_eq!(meant(&text), Ok(Meant { link: text, wanted: Wanted::Link(link("x")) }));
        let root = BlobId([7; 32]).to_string();
        assert_eq!(meant(&root).unwrap().wanted, Wanted::Root(BlobId([7; 32])));
        let directory = tempfile::tempdir().unwrap();
        let torrent = directory.path().join("x.torrent");
        let text = torrent.to_str().unwrap();
        assert_eq!(meant(text).unwrap_err().code(), 2, "there is no such file");
        fs::write(&torrent, "no metainfo").unwrap();
        assert_eq!(meant(text).unwrap_err().code(), 1);
        let damaged = meant("starling:file/AQ").unwrap_err();
        assert!(damaged.to_string().contains("damaged") && damaged.code() == 2);
    }

    #[test]
    fn a_directory_is_what_exists_as_one_or_ends_like_one() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert_eq!(Place::of(directory.path()), Ok(Place::Into(directory.path().into())));
        assert_eq!(Place::of(&at("new")), Ok(Place::At(at("new"))));
        assert_eq!(Place::of(&at("new/")), Ok(Place::Into(at("new/"))));
        let here = std::env::current_dir().unwrap();
        assert_eq!(Place::of(Path::new(".")), Ok(Place::Into(here.clone())), "whatever directory the node is in");
        assert_eq!(Place::of(Path::new("x/y")), Ok(Place::At(here.join("x/y"))));
    }

    #[test]
    fn what_would_be_in_the_way_is_refused_before_anything_begins() {
        let directory = tempfile::tempdir().unwrap();
        let taken = directory.path().join("taken");
        fs::write(&taken, "").unwrap();
        let wanted = |name| Wanted::Link(link(name));
        let (into, at) = (Place::Into(directory.path().into()), Place::At(taken));
        assert!(into.check(&wanted("taken")).unwrap_err().to_string().contains("exists already"));
        assert!(into.check(&wanted("free")).is_ok());
        assert!(into.check(&Wanted::Root(BlobId([7; 32]))).is_ok());
        assert!(at.check(&wanted("free")).is_err() && at.check(&Wanted::Root(BlobId([7; 32]))).is_err());
    }

    #[test]
    fn who_asks_for_all_and_has_had_a_part_is_told_so() {
        let whole = Share { done_bytes: 2_048, ..sample(ShareState::Complete) };
        assert_eq!(lacks(&whole), None);
        let part = Share { wanted_bytes: 512, ..whole };
        assert!(lacks(&part).unwrap().to_string().contains("only a part"));
    }

    #[test]
    fn a_share_that_is_elsewhere_is_not_said_to_be_where_it_was_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("murmuration.mp4");
        fs::write(&at, "").unwrap();
        let share = Share { place: at.to_str().map(Into::into), ..sample(ShareState::Complete) };
        assert!(Place::At(at.clone()).is_that_of(&share));
        assert!(Place::Into(directory.path().join(".")).is_that_of(&share));
        assert!(!Place::At(directory.path().join("other")).is_that_of(&share));
        assert!(here_elsewhere(&share).to_string().contains("copy it from there"));
        fs::remove_file(&at).unwrap();
        assert!(was_here(&share, is_gone(&share)).to_string().contains("is not there any more"));
    }

    #[test]
    fn what_is_selected_is_here_if_each_of_its_files_is() {
        let file = |path: &str, done_bytes, wanted| ShareFile {
            path: path.into(),
            size: 2,
            root: String::new(),
            done_bytes,
            wanted,
        };
        let files = [file("a", 2, true), file("b", 0, false), file("c/d", 1, true)];
        let has = |pattern: &str| has_all(&files, &[pattern.to_owned()]);
        assert_eq!([has("a"), has("b"), has("c"), has("*")], [Ok(true), Ok(false), Ok(false), Ok(false)]);
        assert_eq!((has("[").unwrap_err().code(), has("none").unwrap_err().code()), (2, 1));
    }

    #[test]
    fn a_number_means_the_announcement_of_that_number_whatever_others_are_called() {
        let announced = |number, name: &str| AnnouncedShare {
            number,
            root: String::new(),
            name: name.into(),
            folder: false,
            size: 1,
            link: String::new(),
            author: String::new(),
            author_name: String::new(),
            at: String::new(),
            seeders: None,
        };
        let (all, room) = ([announced(1, "x"), announced(2, "1"), announced(3, "x")], "lobby".parse().unwrap());
        assert_eq!(announced_as("1", &all, &room).unwrap().name, "x");
        assert!(announced_as("x", &all, &room).unwrap_err().to_string().contains("1, 3"));
        assert!(announced_as("y", &all, &room).unwrap_err().to_string().contains("--room lobby"));
    }

    #[tokio::test]
    async fn ctrl_c_pauses_what_comes_and_forgets_what_has_not_begun() {
        let node = Fixture::start().await;
        let client = node.client();
        let paused = interrupt(&client, &COMING.to_string()).await.unwrap_err();
        assert_eq!(paused.code(), 130);
        assert!(paused.to_string().contains("node transfers resume 08080808"), "{paused}");
        let forgotten = interrupt(&client, &ASKING.to_string()).await.unwrap_err();
        assert!(forgotten.code() == 130 && forgotten.to_string().contains("nothing"), "{forgotten}");
        let stuck = interrupt(&client, &STUCK.to_string()).await.unwrap_err();
        assert_eq!(stuck.to_string(), "broken", "it is to be forgotten at the node");
        let complete = interrupt(&client, &HERE.to_string()).await.unwrap();
        assert_eq!(complete.state, ShareState::Complete, "it came before it could be paused");
        assert_eq!(interrupt(&client, &BlobId([9; 32]).to_string()).await.unwrap_err().code(), 1);
    }

    #[tokio::test]
    async fn a_transfer_is_looked_at_until_it_is_complete_fails_or_is_cancelled() {
        let node = Fixture::start().await;
        let client = node.client();
        let watched = async |root: BlobId, state| {
            let share = Share { root: root.to_string(), ..sample(state) };
            Watch::new(&client, Output { json: false }).until_complete(share).await
        };
        assert_eq!(watched(HERE, ShareState::Fetching).await.unwrap().state, ShareState::Complete);
        let cancelled = watched(BlobId([9; 32]), ShareState::Fetching).await.unwrap_err();
        assert!(cancelled.to_string().contains("cancelled"), "{cancelled}");
        let failed = watched(HERE, ShareState::Failed).await.unwrap_err();
        assert!(failed.code() == 1 && failed.to_string().contains("murmuration.mp4"), "{failed}");
    }
}
