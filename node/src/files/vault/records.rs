//! What the vault keeps of shares in the store's tables.
//!
//! | table | key | value |
//! |---|---|---|
//! | `Shares` | share | [`Record`] |
//! | `Stamps` | share, page | stamps of [`PAGE_STAMPS`] files, in the order of the manifest; none for a file that is not here |
//! | `Have` | share, page | which of [`PAGE_BLOCKS`] blocks are durable |
//!
//! Pages keep what a change writes small: of a share of 1 TiB, a sync rewrites 4 KiB, not 512.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use proto::blob::{BlobId, Blocks, manifest::Content, path::FileName};
use serde::{Deserialize, Serialize};

use crate::{
    files::Stamp,
    store::{
        StoreError,
        tables::{Entry, EntryChange, MAX_VALUE_BYTES, Table, damaged, put, remove, value},
    },
};

/// Stamps of a page: of at most 62 bytes each, so that a value has room for them.
pub const PAGE_STAMPS: usize = 512;
const _: () = assert!(PAGE_STAMPS * 62 + 16 <= MAX_VALUE_BYTES);

/// Blocks of a page: 4 KiB of bits.
pub const PAGE_BLOCKS: u32 = 32 * 1024;

/// Addresses kept of those who were said to have a share; those that were said last, and first among them, are kept.
pub const MAX_ADDRESSES: usize = 64;

/// Bytes: longer addresses are not kept.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Bytes of a path: systems take no longer ones.
const MAX_PLACE_BYTES: usize = 8 * 1024;

// A record with a bit for each file, all addresses, its place and the path of a file that was changed is no longer than a value.
const _: () = assert!(
    proto::blob::MAX_FOLDER_ENTRIES / 8 + MAX_ADDRESSES * (MAX_ADDRESS_BYTES + 3) + 2 * MAX_PLACE_BYTES + 1024
        <= MAX_VALUE_BYTES
);

/// What is kept of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub content: Content,
    /// What it is called.
    pub name: FileName,
    /// Where it is, or will be.
    pub place: PathBuf,
    /// How it is held.
    pub way: Way,
    /// Which file is another than it was.
    pub changed: Option<String>,
    /// When it came, wall-clock milliseconds.
    pub added_ms: u64,
    /// In which order it came.
    pub number: u64,
}

/// How a share is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// Where the user has it.
    InPlace,
    /// In the vault's own files.
    Copied,
    /// Where the user has it, but only these of its files.
    Some(Blocks),
    /// In parts.
    Parts(Fetch),
}

/// What the user wants of a share that is held in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Which of its files, if not all.
    pub selected: Option<Blocks>,
    /// Whether to pause.
    pub paused: bool,
    /// Who may have it.
    pub addresses: Vec<String>,
}

impl Way {
    /// The files that are here or wanted, if not all are. A set of numbers of files is as good as one of blocks.
    pub fn selected(&self) -> Option<&Blocks> {
        match self {
            Self::InPlace | Self::Copied => None,
            Self::Some(files) => Some(files),
            Self::Parts(fetch) => fetch.selected.as_ref(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    content: Content,
    name: String,
    place: Vec<u8>,
    way: Way,
    changed: Option<String>,
    added_ms: u64,
    number: u64,
}

/// Puts a record.
pub fn put_record(record: &Record) -> EntryChange {
    let Record { content, name, place, way, changed, added_ms, number } = record.clone();
    let (name, place) = (name.as_str().to_owned(), place.as_os_str().as_bytes().to_vec());
    let changed = changed.map(|file| file[..file.floor_char_boundary(MAX_PLACE_BYTES)].to_owned());
    put(Table::Shares, content.id().0, &Raw { content, name, place, way, changed, added_ms, number })
}

/// Reads a record.
///
/// # Errors
/// [`StoreError::Failed`]: it is damaged.
pub fn record((key, bytes): &Entry) -> Result<Record, StoreError> {
    let Raw { content, name, place, way, changed, added_ms, number } = value(Table::Shares, bytes)?;
    let name = name.parse().map_err(|_| damaged(Table::Shares))?;
    if content.id().0.as_slice() != key || !content.is_possible() {
        return Err(damaged(Table::Shares));
    }
    Ok(Record { content, name, place: OsString::from_vec(place).into(), way, changed, added_ms, number })
}

/// Whether a path is short enough to be kept.
pub fn has_room(place: &std::path::Path) -> bool {
    place.as_os_str().len() <= MAX_PLACE_BYTES
}

fn page_key(share: BlobId, page: u32) -> Vec<u8> {
    [&share.0[..], &page.to_be_bytes()].concat()
}

fn page_of(table: Table, key: &[u8]) -> Result<u32, StoreError> {
    key.last_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or_else(|| damaged(table))
}

/// Puts the stamps of all files of a share.
pub fn put_stamps(share: BlobId, stamps: &[Option<Stamp>]) -> impl Iterator<Item = EntryChange> {
    let page = move |(page, stamps): (u32, &[Option<Stamp>])| put(Table::Stamps, page_key(share, page), &stamps);
    (0..).zip(stamps.chunks(PAGE_STAMPS)).map(page)
}

/// Reads the stamps of all files of a share.
///
/// # Errors
/// [`StoreError::Failed`]: they are damaged.
pub fn stamps(entries: &[Entry], files: usize) -> Result<Vec<Option<Stamp>>, StoreError> {
    let mut all: Vec<Option<Stamp>> = Vec::with_capacity(files);
    for (expected, (key, bytes)) in (0..).zip(entries) {
        if page_of(Table::Stamps, key)? != expected {
            return Err(damaged(Table::Stamps));
        }
        all.extend(value::<Vec<Option<Stamp>>>(Table::Stamps, bytes)?);
    }
    if all.len() == files { Ok(all) } else { Err(damaged(Table::Stamps)) }
}

/// The page of a block.
pub fn page(block: u32) -> u32 {
    block / PAGE_BLOCKS
}

/// Puts a page: those of its blocks that are durable; `None` if there are none such.
pub fn put_have(share: BlobId, page: u32, count: u32, has: impl Fn(u32) -> bool) -> EntryChange {
    let first = page * PAGE_BLOCKS;
    let len = count.saturating_sub(first).min(PAGE_BLOCKS);
    let blocks = Blocks::of(len, (0..len).filter(|at| has(first + at)));
    let key = page_key(share, page);
    if blocks.is_empty() { remove(Table::Have, key) } else { put(Table::Have, key, &blocks) }
}

/// Reads which of `count` blocks are durable.
///
/// # Errors
/// [`StoreError::Failed`]: it is damaged.
pub fn have(entries: &[Entry], count: u32) -> Result<Blocks, StoreError> {
    let mut all = Blocks::none(count);
    for (key, bytes) in entries {
        let first = page_of(Table::Have, key)?.checked_mul(PAGE_BLOCKS).filter(|first| *first < count);
        let first = first.ok_or_else(|| damaged(Table::Have))?;
        let blocks: Blocks = value(Table::Have, bytes)?;
        if blocks.count() != (count - first).min(PAGE_BLOCKS) {
            return Err(damaged(Table::Have));
        }
        blocks.iter().for_each(|at| _ = all.insert(first + at));
    }
    Ok(all)
}

/// Addresses that are kept: new ones before those of before, each once.
pub fn addresses(new: Vec<String>, before: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for address in new.into_iter().chain(before.iter().cloned()) {
        if kept.len() < MAX_ADDRESSES && address.len() <= MAX_ADDRESS_BYTES && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn largest() -> Record {
        let all = Blocks::all(proto::blob::MAX_FOLDER_ENTRIES as u32);
        let addresses = (0..MAX_ADDRESSES).map(|at| format!("{at:0>MAX_ADDRESS_BYTES$}")).collect();
        Record {
            content: Content::Folder { manifest: BlobId([7; 32]), manifest_len: 1 << 25, size: 1 << 40 },
            name: "n".repeat(255).parse().unwrap(),
            place: Path::new(&"p".repeat(MAX_PLACE_BYTES)).into(),
            way: Way::Parts(Fetch { selected: Some(all), paused: true, addresses }),
            changed: Some("c".repeat(MAX_PLACE_BYTES)),
            added_ms: u64::MAX,
            number: u64::MAX,
        }
    }

    #[test]
    fn the_largest_record_fits_its_table_and_comes_back() {
        let change = put_record(&largest());
        let bytes = change.value.unwrap();
        assert!(bytes.len() <= MAX_VALUE_BYTES, "{} bytes", bytes.len());
        assert_eq!(record(&(change.key, bytes)), Ok(largest()));
    }

    #[test]
    fn a_record_under_another_key_or_with_more_behind_it_is_refused() {
        let change = put_record(&largest());
        let (key, mut bytes) = (change.key, change.value.unwrap());
        assert!(record(&(vec![8; 32], bytes.clone())).is_err());
        bytes.push(0);
        assert!(record(&(key, bytes)).is_err());
    }

    #[test]
    fn the_largest_page_of_stamps_fits_and_comes_back_and_a_missing_page_is_noticed() {
        let stamp =
            Stamp { size: u64::MAX, modified_ns: i128::MIN, changed_ns: i128::MAX, inode: u64::MAX, device: u64::MAX };
        let all = vec![Some(stamp); 2 * PAGE_STAMPS + 1];
        let pages: Vec<Entry> =
            put_stamps(BlobId([1; 32]), &all).map(|change| (change.key, change.value.unwrap())).collect();
        assert!(pages.iter().all(|(_, bytes)| bytes.len() <= MAX_VALUE_BYTES), "{} bytes", pages[0].1.len());
        assert_eq!(stamps(&pages, all.len()).unwrap(), all);
        assert!(stamps(&pages[1..], PAGE_STAMPS + 1).is_err() && stamps(&pages[..2], all.len()).is_err());
    }

    #[test]
    fn blocks_come_back_from_their_pages_and_pages_of_another_share_do_not() {
        let count = 2 * PAGE_BLOCKS + 5;
        let some = Blocks::of(count, [0, PAGE_BLOCKS - 1, 2 * PAGE_BLOCKS + 4]);
        let changes = (0..3).map(|page| put_have(BlobId([1; 32]), page, count, |block| some.contains(block)));
        let changes: Vec<_> = changes.collect();
        assert_eq!(changes[1].value, None, "a page with no block is none");
        let pages: Vec<Entry> = changes.into_iter().filter_map(|change| Some((change.key, change.value?))).collect();
        assert_eq!(have(&pages, count).unwrap(), some);
        assert!(have(&pages, count - 1).is_err() && have(&pages, PAGE_BLOCKS).is_err());
    }

    #[test]
    fn new_addresses_come_first_and_long_ones_are_not_kept() {
        let text = |text: &str| text.to_owned();
        let kept = addresses(vec![text("new"), "l".repeat(MAX_ADDRESS_BYTES + 1)], &[text("old"), text("new")]);
        assert_eq!(kept, ["new", "old"]);
        assert_eq!(addresses((0..100).map(|at| at.to_string()).collect(), &[]).len(), MAX_ADDRESSES);
    }
}
