//! BitTorrent v2 metainfo (BEP 52) of a share: the file that other tools call a torrent.
//!
//! It names the same bytes by the same roots, so one made here can be checked by other tools, and one made elsewhere finds its
//! content here. Nothing is told of trackers.
//!
//! | key | written | read |
//! |---|---|---|
//! | `info` / `file tree`, `name`, `meta version` 2 | as BEP 52 says, with `attr` `x` for what can be run | the same; symbolic links are refused; the parts for BitTorrent v1 are passed over |
//! | `info` / `piece length` | [`CHUNK_BYTES`] | any that BEP 52 allows |
//! | `piece layers` | the chunk hashes of files of more than one chunk | passed over: peers are asked for them |
//! | `starling` | for folders that the tree does not tell in full: `manifest length`, `manifest root` | names the share |
//!
//! The tree does not tell of empty directories, and a folder in which all there is is one file of the folder's own name it
//! tells as that file alone.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{
    BlobId, CHUNK_BYTES, Hash, LEAF_BYTES, MAX_FOLDER_ENTRIES, MAX_MANIFEST_BYTES, MAX_SHARE_BYTES,
    bencode::{InvalidBencode, Reader, Writer},
    manifest::{Content, Entry, FileEntry, InvalidManifest, Manifest, Node},
    merkle::{EMPTY_ROOT, root_of},
    path::{FileName, InvalidPath, RelativePath},
};
use crate::ids::InfoHash;

/// Bytes of the largest metainfo: the layers of [`MAX_SHARE_BYTES`] (128 MiB), and the longest tree. Reading it takes little
/// more memory than the tree.
pub const MAX_METAINFO_BYTES: usize = 192 * 1024 * 1024;

/// What a metainfo tells of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// One file, alone.
    File(FileEntry),
    /// A folder. Of one that was read the empty directories are not there.
    Folder(Manifest),
}

/// A metainfo that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metainfo {
    /// What the file or the folder is called.
    pub name: FileName,
    /// Its files.
    pub tree: Tree,
    /// The share.
    pub content: Content,
    /// Its name in BitTorrent.
    pub info_hash: InfoHash,
}

/// A metainfo that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its name in BitTorrent.
    pub info_hash: InfoHash,
}

/// A file whose chunk hashes were not given, or are not its own. The fault of who asked for it to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no chunk hashes of the file {0}")]
pub struct MissingLayer(pub BlobId);

/// Why bytes are no metainfo of a share. The fault of who made them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetainfo {
    /// More than [`MAX_METAINFO_BYTES`].
    #[error("the torrent has {0} bytes, more than {MAX_METAINFO_BYTES}")]
    TooLong(usize),
    /// They are not even bencode.
    #[error("the torrent is damaged: {0}; download it again")]
    Bencode(#[from] InvalidBencode),
    /// It has no roots, only hashes of BitTorrent v1.
    #[error(
        "this torrent is for BitTorrent v1, which does not name files by hash trees; ask for a v2 or hybrid torrent"
    )]
    OnlyVersion1,
    /// A key is missing or its value is not possible.
    #[error("the torrent has no valid '{0}'")]
    Key(&'static str),
    /// A name that is not UTF-8.
    #[error("the torrent has a name that is no text: '{0}'")]
    NotText(String),
    /// A symbolic link.
    #[error("the torrent contains the symbolic link '{0}', which no share has")]
    Symlink(String),
    /// A name that no share has.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Files that no folder has.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
}

impl Tree {
    /// The share that this is.
    pub fn content(&self) -> Content {
        match self {
            Self::File(file) => Content::File { root: file.root, size: file.size },
            Self::Folder(manifest) => manifest.content(),
        }
    }

    /// Whether a reader of the tree alone would find the same share.
    fn tells_all(&self, name: &FileName) -> bool {
        let Self::Folder(manifest) = self else { return true };
        let files_only = manifest.entries().iter().all(|entry| matches!(entry.node, Node::File(_)));
        files_only && lone_file(manifest.entries(), name).is_none()
    }

    /// Its files with their paths, in order.
    fn files<'a>(&'a self, name: &'a FileName) -> Vec<(&'a str, &'a FileEntry)> {
        match self {
            Self::File(file) => vec![(name.as_str(), file)],
            Self::Folder(manifest) => manifest.files().map(|(path, file)| (path.as_str(), file)).collect(),
        }
    }
}

/// Writes the metainfo of a share. `layer_of` gives the chunk hashes of a file of more than one chunk, by its root.
///
/// # Errors
/// [`MissingLayer`] when it does not.
pub fn write<L: AsRef<[Hash]>>(
    name: &FileName,
    tree: &Tree,
    mut layer_of: impl FnMut(&BlobId) -> Option<L>,
) -> Result<Written, MissingLayer> {
    let files = tree.files(name);
    let mut layers = BTreeMap::new();
    for (_, file) in files.iter().filter(|(_, file)| file.size > CHUNK_BYTES as u64) {
        let layer = layer_of(&file.root).filter(|layer| root_of(layer.as_ref(), file.size) == Ok(file.root));
        layers.insert(file.root, layer.ok_or(MissingLayer(file.root))?);
    }
    let info = info(name, &files);
    let info_hash = InfoHash(Sha256::digest(&info).into());
    let mut writer = Writer::default();
    writer.open_dictionary();
    writer.bytes("info");
    writer.0.extend(info);
    writer.bytes("piece layers");
    writer.open_dictionary();
    for (root, layer) in layers {
        writer.bytes(root.0);
        writer.bytes(layer.as_ref().as_flattened());
    }
    writer.close();
    if let (false, Content::Folder { manifest, manifest_len, .. }) = (tree.tells_all(name), tree.content()) {
        writer.bytes("starling");
        writer.open_dictionary();
        writer.bytes("manifest length");
        writer.integer(manifest_len.into());
        writer.bytes("manifest root");
        writer.bytes(manifest.0);
        writer.close();
    }
    writer.close();
    Ok(Written { bytes: writer.0, info_hash })
}

/// The info dictionary.
fn info(name: &FileName, files: &[(&str, &FileEntry)]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.open_dictionary();
    writer.bytes("file tree");
    writer.open_dictionary();
    let mut open: Vec<&str> = Vec::new();
    for (path, file) in files {
        let mut directories: Vec<&str> = path.split('/').collect();
        let last = directories.pop().unwrap_or_default();
        let common = open.iter().zip(&directories).take_while(|(one, other)| one == other).count();
        open.drain(common..).for_each(|_| writer.close());
        for directory in &directories[common..] {
            writer.bytes(directory);
            writer.open_dictionary();
            open.push(directory);
        }
        writer.bytes(last);
        write_file(&mut writer, file);
    }
    open.iter().for_each(|_| writer.close());
    writer.close();
    writer.bytes("meta version");
    writer.integer(2);
    writer.bytes("name");
    writer.bytes(name.as_str());
    writer.bytes("piece length");
    writer.integer(CHUNK_BYTES as u64);
    writer.close();
    writer.0
}

fn write_file(writer: &mut Writer, file: &FileEntry) {
    writer.open_dictionary();
    writer.bytes("");
    writer.open_dictionary();
    if file.executable {
        writer.bytes("attr");
        writer.bytes("x");
    }
    writer.bytes("length");
    writer.integer(file.size);
    if file.size > 0 {
        writer.bytes("pieces root");
        writer.bytes(file.root.0);
    }
    writer.close();
    writer.close();
}

impl Metainfo {
    /// Reads the bytes of a metainfo.
    ///
    /// # Errors
    /// [`InvalidMetainfo`] says what is wrong with them.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidMetainfo> {
        if bytes.len() > MAX_METAINFO_BYTES {
            return Err(InvalidMetainfo::TooLong(bytes.len()));
        }
        let (mut info, mut share) = (None, None);
        let mut reader = Reader::new(bytes);
        reader.dictionary(|key, reader| {
            match key {
                b"info" => info = Some(reader.skip()?),
                b"starling" => share = Some(read_share(reader)?),
                _ => drop(reader.skip()?),
            }
            Ok::<_, InvalidMetainfo>(())
        })?;
        reader.end()?;
        let info = info.ok_or(InvalidMetainfo::Key("info"))?;
        let (name, entries) = read_info(info)?;
        let tree = match lone_file(&entries, &name).filter(|_| share.is_none()) {
            Some(file) => Tree::File(file),
            None => Tree::Folder(Manifest::new(entries)?),
        };
        let content = match (&tree, share) {
            (Tree::Folder(tree), Some((manifest, manifest_len))) => {
                Content::Folder { manifest, manifest_len, size: tree.size() }
            }
            _ => tree.content(),
        };
        if !content.is_possible() {
            return Err(InvalidMetainfo::Key("file tree"));
        }
        Ok(Self { name, tree, content, info_hash: InfoHash(Sha256::digest(info).into()) })
    }

    /// Whether a manifest, got by [`Metainfo::content`], lists the files of the tree. That it does not is the fault of who made
    /// the metainfo: the key `starling` is not part of what [`InfoHash`] names.
    pub fn agrees_with(&self, manifest: &Manifest) -> bool {
        match &self.tree {
            Tree::File(_) => false,
            Tree::Folder(tree) => tree.files().eq(manifest.files()),
        }
    }
}

/// The file that is all there is, under the name of the whole: then BEP 52 means no folder.
fn lone_file(entries: &[Entry], name: &FileName) -> Option<FileEntry> {
    match entries {
        [Entry { path, node: Node::File(file) }] if path.as_str() == name.as_str() => Some(*file),
        _ => None,
    }
}

/// Reads the key `starling`: root and length of the manifest.
fn read_share(reader: &mut Reader<'_>) -> Result<(BlobId, u32), InvalidMetainfo> {
    let (mut root, mut len) = (None, None);
    reader.dictionary(|key, reader| {
        match key {
            b"manifest root" => root = reader.bytes()?.try_into().ok().map(BlobId),
            b"manifest length" => len = u32::try_from(reader.integer()?).ok(),
            _ => drop(reader.skip()?),
        }
        Ok::<_, InvalidMetainfo>(())
    })?;
    let possible = len.filter(|len| (1..=MAX_MANIFEST_BYTES).contains(&(*len as usize)));
    root.zip(possible).ok_or(InvalidMetainfo::Key("starling"))
}

/// Reads the info dictionary: the name and what is in the tree.
fn read_info(bytes: &[u8]) -> Result<(FileName, Vec<Entry>), InvalidMetainfo> {
    let mut tree = TreeReader::default();
    let (mut name, mut version, mut piece_len, mut has_tree, mut has_pieces) = (None, None, None, false, false);
    Reader::new(bytes).dictionary(|key, reader| {
        match key {
            b"file tree" => {
                tree.read(reader)?;
                has_tree = true;
            }
            b"meta version" => version = Some(reader.integer()?),
            b"name" => name = Some(text(reader.bytes()?)?),
            b"piece length" => piece_len = u64::try_from(reader.integer()?).ok(),
            other => {
                has_pieces |= other == b"pieces";
                reader.skip()?;
            }
        }
        Ok::<_, InvalidMetainfo>(())
    })?;
    if version.is_none() && has_pieces {
        return Err(InvalidMetainfo::OnlyVersion1);
    }
    if version != Some(2) {
        return Err(InvalidMetainfo::Key("meta version"));
    }
    if !piece_len.is_some_and(|len| len.is_power_of_two() && len >= LEAF_BYTES as u64) {
        return Err(InvalidMetainfo::Key("piece length"));
    }
    if !has_tree || tree.is_file {
        return Err(InvalidMetainfo::Key("file tree"));
    }
    Ok((name.ok_or(InvalidMetainfo::Key("name"))?.parse()?, tree.entries))
}

/// Reads a file tree, and knows where in it it is.
#[derive(Default)]
struct TreeReader<'a> {
    names: Vec<&'a str>,
    entries: Vec<Entry>,
    /// Bytes of all paths, which are longer than the tree in which each name stands once.
    path_bytes: usize,
    /// Whether the node that was read last is a file.
    is_file: bool,
}

impl<'a> TreeReader<'a> {
    /// Reads a node: a file if it has the empty key, else a directory.
    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), InvalidMetainfo> {
        let (mut file, mut count) = (None, 0);
        reader.dictionary(|key, reader| {
            count += 1;
            if key.is_empty() {
                file = Some(self.read_file(reader)?);
            } else if file.is_some() {
                return Err(InvalidMetainfo::Key("file tree"));
            } else {
                self.names.push(text(key)?);
                self.read(reader)?;
                self.names.pop();
            }
            Ok(())
        })?;
        self.is_file = file.is_some();
        match file {
            Some(file) => self.add(Node::File(file)),
            None if count == 0 && !self.names.is_empty() => self.add(Node::EmptyDirectory),
            None => Ok(()),
        }
    }

    fn read_file(&self, reader: &mut Reader<'a>) -> Result<FileEntry, InvalidMetainfo> {
        let (mut size, mut root, mut attributes) = (None, None, &b""[..]);
        reader.dictionary(|key, reader| {
            match key {
                b"attr" => attributes = reader.bytes()?,
                b"length" => size = u64::try_from(reader.integer()?).ok(),
                b"pieces root" => root = Some(reader.bytes()?),
                _ => drop(reader.skip()?),
            }
            Ok::<_, InvalidMetainfo>(())
        })?;
        if attributes.contains(&b'l') {
            return Err(InvalidMetainfo::Symlink(self.names.join("/")));
        }
        let size = size.filter(|size| *size <= MAX_SHARE_BYTES).ok_or(InvalidMetainfo::Key("length"))?;
        let root = match root {
            None if size == 0 => EMPTY_ROOT,
            Some(root) if size > 0 => root.try_into().map(BlobId).map_err(|_| InvalidMetainfo::Key("pieces root"))?,
            _ => return Err(InvalidMetainfo::Key("pieces root")),
        };
        Ok(FileEntry { size, root, executable: attributes.contains(&b'x') })
    }

    fn add(&mut self, node: Node) -> Result<(), InvalidMetainfo> {
        let path = RelativePath::from_names(self.names.iter().copied())?;
        self.path_bytes += path.as_str().len();
        if self.path_bytes > MAX_MANIFEST_BYTES {
            return Err(InvalidManifest::TooLong(self.path_bytes).into());
        }
        if self.entries.len() == MAX_FOLDER_ENTRIES {
            return Err(InvalidManifest::TooMany(MAX_FOLDER_ENTRIES + 1).into());
        }
        self.entries.push(Entry { path, node });
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<&str, InvalidMetainfo> {
    std::str::from_utf8(bytes).map_err(|_| InvalidMetainfo::NotText(String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests;
