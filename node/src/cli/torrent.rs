//! BitTorrent v2 metainfo files: written of what stands here, without a node, and read for `node get`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use proto::blob::{
    link::Link,
    manifest::{Content, FileEntry},
    metainfo::{self, MAX_METAINFO_BYTES, Metainfo, Tree, Written},
    path::FileName,
};
use serde::Serialize;

use super::{
    Failure,
    output::{Output, one_line},
    share::Shown,
    signals::Signals,
    sizes::bytes,
};
use crate::{
    files::{Import, Imported, Progress, Symlinks, import},
    model::Hashing,
};

/// How often the progress of the threads that hash is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What was written, with `--json`.
#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a Path,
    root: &'a str,
    info_hash: String,
    size: u64,
    name: &'a str,
}

/// Hashes a file or a folder here, and writes its metainfo.
///
/// # Errors
/// [`Failure`].
pub async fn print(
    path: PathBuf,
    name: Option<FileName>,
    symlinks: Symlinks,
    output: Option<&Path>,
    out: Output,
) -> Result<(), Failure> {
    if output.is_none() && (out.json || io::stdout().is_terminal()) {
        return Err(Failure::usage("a metainfo file is no text; say where to write it: -o FILE.torrent"));
    }
    // Taken before the work, so that nothing is in the way after it.
    let file = output.map(|place| (place, File::create_new(place)));
    let file = match file {
        None => None,
        Some((place, Ok(file))) => Some((place, file)),
        Some((place, Err(error))) => return Err(cannot_write(place, &error)),
    };
    let written = hash(path, symlinks, out).await.and_then(|imported| {
        let name = name.unwrap_or_else(|| imported.name.clone());
        let content = imported.content;
        Ok((metainfo_of(&name, imported)?, name, content))
    });
    let Some((place, mut file)) = file else {
        let mut stdout = io::stdout().lock();
        stdout.write_all(&written?.0.bytes)?;
        return Ok(stdout.flush()?);
    };
    let put = written.and_then(|written| {
        file.write_all(&written.0.bytes).and_then(|()| file.sync_all()).map_err(|error| cannot_write(place, &error))?;
        Ok(written)
    });
    if put.is_err() {
        // It was made here, and what is in it is of no use. That it stays is worth no second error.
        let _ = std::fs::remove_file(place);
    }
    let (Written { info_hash, .. }, name, content) = put?;
    let (root, size) = (content.id().to_string(), content.size());
    let told = Told { file: place, root: &root, info_hash: info_hash.to_string(), size, name: name.as_str() };
    out.show(&told, |_| {
        format!(
            "wrote {}: {}, {}\nroot: {root}\ninfo hash: {info_hash}",
            one_line(&place.display().to_string()),
            one_line(name.as_str()),
            bytes(size)
        )
    })
}

fn cannot_write(place: &Path, error: &io::Error) -> Failure {
    let shown = place.display();
    match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Failed(format!("{shown} exists already; choose another file")),
        _ => Failure::Failed(format!("cannot write {shown}: {error}")),
    }
}

/// Hashes by threads of its own, and shows how far they are.
async fn hash(path: PathBuf, symlinks: Symlinks, out: Output) -> Result<Imported, Failure> {
    let mut signals = Signals::listen(false).map_err(Failure::failed)?;
    let progress = Arc::new(Progress::default());
    let theirs = Arc::clone(&progress);
    let mut hashing =
        Hashing { id: 0, path: path.display().to_string(), hashed_bytes: 0, total_bytes: 0, share: None, error: None };
    let mut work = tokio::task::spawn_blocking(move || import(&Import { path: &path, symlinks }, &theirs));
    let mut shown = Shown::new(out);
    loop {
        tokio::select! {
            done = &mut work => {
                return done.map_err(Failure::failed)?.map_err(|error| Failure::Failed(one_line(&error.to_string())));
            }
            () = signals.next() => {
                progress.cancel();
                return Err(Failure::Interrupted("stopped reading; nothing is written".into()));
            }
            () = tokio::time::sleep(LOOK) => {
                (hashing.hashed_bytes, hashing.total_bytes) = progress.bytes();
                shown.show(&hashing)?;
            }
        }
    }
}

fn metainfo_of(name: &FileName, imported: Imported) -> Result<Written, Failure> {
    let layers: BTreeMap<_, _> = imported.files.iter().map(|(_, _, layer)| (layer.root(), layer.hashes())).collect();
    let tree = match (imported.manifest, imported.content) {
        (Some(manifest), _) => Tree::Folder(manifest),
        (None, content) => Tree::File(FileEntry { size: content.size(), root: content.id(), executable: false }),
    };
    metainfo::write(name, &tree, |root| layers.get(root).copied()).map_err(Failure::failed)
}

/// What a metainfo file leads to: the share of the same bytes, with its name and its size.
///
/// A folder is one share, found by the root of its manifest. So its files are not asked for one by one: who shares a folder is not
/// found by the roots of the files in it.
///
/// # Errors
/// [`Failure`] says what is wrong with it.
pub fn read(path: &Path) -> Result<Link, Failure> {
    let shown = path.display();
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(MAX_METAINFO_BYTES as u64 + 1).read_to_end(&mut bytes));
    opened.map_err(|error| Failure::Failed(format!("cannot read {shown}: {error}")))?;
    let metainfo = Metainfo::read(&bytes).map_err(|error| Failure::Failed(one_line(&format!("{shown}: {error}"))))?;
    let content: Content = metainfo.content;
    Ok(Link { content, name: metainfo.name, addresses: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const QUIET: Output = Output { json: true };

    fn imported(path: &Path) -> Imported {
        import(&Import { path, symlinks: Symlinks::Refuse }, &Progress::default()).unwrap()
    }

    async fn printed(path: &Path, name: Option<&str>, to: &Path) -> Result<(), Failure> {
        print(path.into(), name.map(|name| name.parse().unwrap()), Symlinks::Refuse, Some(to), QUIET).await
    }

    #[tokio::test]
    async fn what_is_written_leads_back_to_the_share_of_the_same_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("photos/empty")).unwrap();
        fs::write(at("photos/birds.jpg"), vec![7; 600_000]).unwrap();
        fs::write(at("photos/notes"), "starlings").unwrap();
        for (path, name, expected) in
            [("photos", None, "photos"), ("photos/birds.jpg", None, "birds.jpg"), ("photos/notes", Some("n"), "n")]
        {
            let torrent = at(&format!("{expected}.torrent"));
            printed(&at(path), name, &torrent).await.unwrap();
            let link = read(&torrent).unwrap();
            assert_eq!(link.content, imported(&at(path)).content, "{path}");
            assert_eq!(link.name.as_str(), expected);
        }
    }

    #[tokio::test]
    async fn no_file_is_overwritten_and_none_is_left_of_what_failed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("notes"), "starlings").unwrap();
        let failure = printed(&at("notes"), None, &at("notes")).await.unwrap_err();
        assert!(failure.to_string().contains("exists already"), "{failure}");
        assert_eq!(fs::read_to_string(at("notes")).unwrap(), "starlings");
        let failure = printed(&at("nothing"), None, &at("new.torrent")).await.unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(!at("new.torrent").exists());
        let nowhere = print(at("notes"), None, Symlinks::Refuse, None, QUIET).await.unwrap_err();
        assert_eq!(nowhere.code(), 2);
    }

    #[test]
    fn what_is_no_metainfo_is_told_so_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.torrent");
        assert!(read(&path).unwrap_err().to_string().contains("x.torrent"));
        for bytes in [&b""[..], b"d4:infod4:name1:xee", b"hello"] {
            fs::write(&path, bytes).unwrap();
            let failure = read(&path).unwrap_err().to_string();
            assert!(failure.contains("x.torrent") && failure.contains("torrent"), "{failure}");
        }
    }
}
