//! What a folder consists of, and what a share is.
//!
//! A manifest lists every file with its path, size, root and whether it can be run, and every empty directory, ordered by path.
//! Symbolic links and other special files have no place in it. It is encoded as a frame of [`crate::wire`], which is a blob, and
//! its root names the folder. The folder's own name is not in it, so that a folder that was renamed is the same.

use serde::{Deserialize, Serialize};

use super::{
    BlobId, MAX_FOLDER_ENTRIES, MAX_MANIFEST_BYTES, MAX_SHARE_BYTES,
    merkle::{EMPTY_ROOT, root_of_bytes},
    path::{Folded, InvalidPath, RelativePath},
};
use crate::wire::{self, DecodeError};

/// What a manifest starts with after the version, so that who has only a root can tell a folder from a file.
const TAG: [u8; 16] = *b"starling/folder/";

/// Bytes that bincode counts in an entry beyond those that it is encoded in: it takes all integers for eight bytes.
const ENTRY_SLACK_BYTES: usize = 32;

/// The limit that bincode is given; the frame itself is held to [`MAX_MANIFEST_BYTES`].
const DECODE_LIMIT: usize = MAX_MANIFEST_BYTES + MAX_FOLDER_ENTRIES * ENTRY_SLACK_BYTES;

/// What people share: one file or one folder. Whoever has this can ask for the rest and check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Content {
    /// One file, alone.
    File {
        /// The file.
        root: BlobId,
        /// Its bytes.
        size: u64,
    },
    /// A folder.
    Folder {
        /// Its manifest.
        manifest: BlobId,
        /// Bytes of the manifest.
        manifest_len: u32,
        /// Bytes of all its files: a claim, until the manifest is there.
        size: u64,
    },
}

impl Content {
    /// What names the share: the root of the file, or of the manifest.
    pub fn id(&self) -> BlobId {
        match self {
            Self::File { root, .. } => *root,
            Self::Folder { manifest, .. } => *manifest,
        }
    }

    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } | Self::Folder { size, .. } => *size,
        }
    }

    /// Whether the sizes are possible.
    pub fn is_possible(&self) -> bool {
        let manifest_fits = match self {
            Self::File { root, size } => (*size == 0) == (*root == EMPTY_ROOT),
            Self::Folder { manifest_len, .. } => (1..=MAX_MANIFEST_BYTES).contains(&(*manifest_len as usize)),
        };
        manifest_fits && self.size() <= MAX_SHARE_BYTES
    }
}

/// A file of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its bytes.
    pub size: u64,
    /// The root of its hash tree; [`EMPTY_ROOT`] if and only if it is empty.
    pub root: BlobId,
    /// Whether it can be run.
    pub executable: bool,
}

/// What stands at a path of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// A file.
    File(FileEntry),
    /// A directory with nothing in it; those with something in them are known by what they hold.
    EmptyDirectory,
}

/// A path of a folder and what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where, below the folder.
    pub path: RelativePath,
    /// What.
    pub node: Node,
}

/// Why a folder cannot be, or is not, described by a manifest. Of what we share, the user's to mend; of what a peer sent, the
/// fault of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// A path that folders cannot have.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Two paths that some systems take for one.
    #[error("'{0}' and '{1}' are one and the same on some systems; rename one of them")]
    Collision(String, String),
    /// A file or an empty directory with something below it.
    #[error("'{0}' cannot hold '{1}'")]
    Nested(String, String),
    /// More than [`MAX_FOLDER_ENTRIES`].
    #[error(
        "{0} files and empty directories are more than the {MAX_FOLDER_ENTRIES} of a share; share its folders one by one"
    )]
    TooMany(usize),
    /// More than [`MAX_SHARE_BYTES`].
    #[error("the files are larger together than the {MAX_SHARE_BYTES} bytes of a share; share them in several parts")]
    TooLarge,
    /// The list alone is more than [`MAX_MANIFEST_BYTES`].
    #[error(
        "the list of files has {0} bytes, more than the {MAX_MANIFEST_BYTES} of a share; share its folders one by one"
    )]
    TooLong(usize),
    /// A file without bytes and with another root than those have, or the other way round.
    #[error("'{0}' has a root that does not go with its size")]
    Root(String),
    /// The entries are not in the order of their paths.
    #[error("'{0}' is not in its place")]
    Order(String),
    /// The bytes are no manifest.
    #[error("not the manifest of a folder")]
    NotAManifest,
    /// The bytes are no frame.
    #[error(transparent)]
    Frame(#[from] DecodeError),
}

/// A frame, read without judging its paths.
#[derive(Serialize, Deserialize)]
struct Raw {
    tag: [u8; 16],
    entries: Vec<(String, Node)>,
}

/// The list of a folder's contents. One that exists keeps all the rules of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    size: u64,
}

impl Manifest {
    /// The manifest of these entries, in any order.
    ///
    /// # Errors
    /// [`InvalidManifest`] names what cannot be shared.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, InvalidManifest> {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let manifest = Self::checked(entries)?;
        let encoded = manifest.encode().len();
        if encoded > MAX_MANIFEST_BYTES { Err(InvalidManifest::TooLong(encoded)) } else { Ok(manifest) }
    }

    /// Reads the bytes of a manifest, strictly.
    ///
    /// # Errors
    /// [`InvalidManifest`] says what rule they break.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(InvalidManifest::TooLong(bytes.len()));
        }
        if !Self::is_meant(bytes) {
            return Err(InvalidManifest::NotAManifest);
        }
        let raw: Raw = wire::decode::<_, DECODE_LIMIT>(bytes)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(raw.entries.len());
        for (path, node) in raw.entries {
            let path: RelativePath = path.parse()?;
            if entries.last().is_some_and(|last| last.path >= path) {
                return Err(InvalidManifest::Order(path.as_str().into()));
            }
            entries.push(Entry { path, node });
        }
        Self::checked(entries)
    }

    /// Whether a blob begins as a manifest does. Only of interest to those who have a root and do not know what it names.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.split_first().is_some_and(|(version, rest)| *version == wire::VERSION && rest.starts_with(&TAG))
    }

    /// The bytes of the manifest, which are a blob.
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries.iter().map(|entry| (entry.path.as_str().to_owned(), entry.node)).collect();
        wire::encode(&Raw { tag: TAG, entries })
    }

    /// What stands in the folder, ordered by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files, ordered by path. Their indices here are those in [`super::layout::Part`].
    pub fn files(&self) -> impl Iterator<Item = (&RelativePath, &FileEntry)> {
        self.entries.iter().filter_map(|entry| match &entry.node {
            Node::File(file) => Some((&entry.path, file)),
            Node::EmptyDirectory => None,
        })
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The share that the folder is.
    pub fn content(&self) -> Content {
        let bytes = self.encode();
        let manifest_len = bytes.len() as u32;
        Content::Folder { manifest: root_of_bytes(&bytes), manifest_len, size: self.size }
    }

    /// Checks entries that are in order.
    fn checked(entries: Vec<Entry>) -> Result<Self, InvalidManifest> {
        if entries.len() > MAX_FOLDER_ENTRIES {
            return Err(InvalidManifest::TooMany(entries.len()));
        }
        let mut size: u64 = 0;
        for entry in &entries {
            let Node::File(file) = &entry.node else { continue };
            if (file.size == 0) != (file.root == EMPTY_ROOT) {
                return Err(InvalidManifest::Root(entry.path.as_str().into()));
            }
            size = size.saturating_add(file.size);
        }
        if size > MAX_SHARE_BYTES {
            return Err(InvalidManifest::TooLarge);
        }
        check_tree(&entries)?;
        Ok(Self { entries, size })
    }
}

/// Refuses entries of which two would be one on some system, or one would have to hold another though it cannot.
///
/// In the order of their folded names, all that shares a folder on such a system is together, and what would hold another
/// stands right before it. So it is enough to look at neighbours.
fn check_tree(entries: &[Entry]) -> Result<(), InvalidManifest> {
    let mut folded: Vec<(Folded, &RelativePath)> =
        entries.iter().map(|entry| (Folded::new(entry.path.as_str()), &entry.path)).collect();
    folded.sort_unstable();
    folded.windows(2).try_for_each(|pair| check_neighbours(&pair[0], &pair[1]))
}

fn check_neighbours(
    (one_folded, one): &(Folded, &RelativePath),
    (other_folded, other): &(Folded, &RelativePath),
) -> Result<(), InvalidManifest> {
    let alike = one_folded.names().zip(other_folded.names()).take_while(|(one, other)| one == other).count();
    let differs = one.names().zip(other.names()).take(alike).position(|(one, other)| one != other);
    if let Some(at) = differs {
        return Err(InvalidManifest::Collision(one.up_to(at), other.up_to(at)));
    }
    match (one.names().count() == alike, other.names().count() == alike) {
        (true, true) => Err(InvalidManifest::Collision(one.as_str().into(), other.as_str().into())),
        (true, false) => Err(InvalidManifest::Nested(one.as_str().into(), other.as_str().into())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(size: u64) -> Node {
        let root = if size == 0 { EMPTY_ROOT } else { BlobId([7; 32]) };
        Node::File(FileEntry { size, root, executable: false })
    }

    fn entry(path: &str, node: Node) -> Entry {
        Entry { path: path.parse().unwrap(), node }
    }

    fn folder(paths: &[&str]) -> Result<Manifest, InvalidManifest> {
        Manifest::new(paths.iter().map(|path| entry(path, file(1))).collect())
    }

    fn raw(entries: &[(&str, Node)]) -> Vec<u8> {
        let entries = entries.iter().map(|(path, node)| ((*path).to_owned(), *node)).collect();
        wire::encode(&Raw { tag: TAG, entries })
    }

    #[test]
    fn a_manifest_is_sorted_and_comes_back_from_its_bytes() {
        let entries = vec![
            entry("b.txt", file(3)),
            entry("b/c", file(0)),
            entry("a", Node::EmptyDirectory),
            entry("b/a/long", file(1 << 39)),
        ];
        let manifest = Manifest::new(entries).unwrap();
        let paths: Vec<_> = manifest.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a", "b/a/long", "b/c", "b.txt"]);
        assert_eq!(manifest.size(), (1 << 39) + 3);
        assert_eq!(manifest.files().count(), 3);
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest.clone()));
        let content = manifest.content();
        assert_eq!((content.id(), content.size()), (root_of_bytes(&bytes), manifest.size()));
        assert!(content.is_possible());
    }

    #[test]
    fn an_empty_folder_can_be_shared() {
        let manifest = Manifest::new(vec![]).unwrap();
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn what_some_system_takes_for_one_file_is_refused() {
        for (one, other) in [("README", "readme"), ("é", "e\u{301}"), ("A/x", "a/y"), ("A/b", "a"), ("a", "a")] {
            let refused = folder(&[one, "b", other]);
            assert!(matches!(refused, Err(InvalidManifest::Collision(..))), "{one} {other}: {refused:?}");
        }
        assert!(folder(&["a/b", "b/a", "a/c", "a.b", "c/a/b"]).is_ok());
    }

    #[test]
    fn nothing_lies_below_a_file_or_an_empty_directory() {
        let nested = Err(InvalidManifest::Nested("a".into(), "a/b/c".into()));
        assert_eq!(folder(&["a", "a/b/c"]), nested);
        assert_eq!(Manifest::new(vec![entry("a", Node::EmptyDirectory), entry("a/b/c", file(1))]), nested);
    }

    #[test]
    fn a_manifest_that_breaks_a_rule_is_refused_with_what_breaks_it() {
        let decode = |entries: &[(&str, Node)]| Manifest::decode(&raw(entries));
        assert_eq!(decode(&[("../a", file(1))]), Err(InvalidPath::Dots("../a".into()).into()));
        assert_eq!(decode(&[("b", file(1)), ("a", file(1))]), Err(InvalidManifest::Order("a".into())));
        assert_eq!(decode(&[("a", file(1)), ("a", file(1))]), Err(InvalidManifest::Order("a".into())));
        let wrong = Node::File(FileEntry { size: 1, root: EMPTY_ROOT, executable: false });
        assert_eq!(decode(&[("a", wrong)]), Err(InvalidManifest::Root("a".into())));
        assert_eq!(decode(&[("a", file(u64::MAX)), ("b", file(1))]), Err(InvalidManifest::TooLarge));
        let mut trailing = raw(&[("a", file(1))]);
        trailing.push(0);
        assert_eq!(Manifest::decode(&trailing), Err(DecodeError::NotCanonical.into()));
        assert_eq!(Manifest::decode(b"\x01a text"), Err(InvalidManifest::NotAManifest));
        let long = MAX_MANIFEST_BYTES + 1;
        assert_eq!(Manifest::decode(&vec![0; long]), Err(InvalidManifest::TooLong(long)));
    }

    #[test]
    fn the_largest_manifest_has_room_and_a_larger_one_is_refused() {
        let path = |number: usize| format!("{number:06}{}", "n".repeat(110)).parse().unwrap();
        let entries = |count| (0..count).map(|at| Entry { path: path(at), node: file(300) }).collect::<Vec<_>>();
        let largest = Manifest::new(entries(MAX_FOLDER_ENTRIES)).unwrap();
        let bytes = largest.encode();
        assert!(bytes.len() > MAX_MANIFEST_BYTES * 9 / 10, "{} bytes", bytes.len());
        assert_eq!(Manifest::decode(&bytes).unwrap().entries().len(), MAX_FOLDER_ENTRIES);
        let more = MAX_FOLDER_ENTRIES + 1;
        assert_eq!(Manifest::new(entries(more)), Err(InvalidManifest::TooMany(more)));
    }

    proptest! {
        #[test]
        fn any_folder_comes_back_from_its_bytes(
            files in prop::collection::btree_map("[a-c]{1,2}(/[a-c]{1,2}){0,2}", 0..3u64, 0..8),
        ) {
            let entries = files.iter().map(|(path, size)| entry(path, file(*size))).collect();
            if let Ok(manifest) = Manifest::new(entries) {
                prop_assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
            }
        }

        #[test]
        fn no_bytes_make_reading_a_manifest_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let tagged = [&[wire::VERSION][..], &TAG, &bytes].concat();
            prop_assert!(Manifest::decode(&bytes).is_err());
            if let Ok(manifest) = Manifest::decode(&tagged) {
                prop_assert_eq!(manifest.encode(), tagged);
            }
        }
    }
}
