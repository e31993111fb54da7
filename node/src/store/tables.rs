//! What capabilities keep beside logs: entries of tables, under keys of their own choice.
//!
//! A table's keys all have one length, so that they sort, and are found, like numbers. What an entry means is its capability's
//! business; the store sees bytes. Entries change together with everything else of their batch, or not at all.

use proto::wire;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use super::{Request, Store, StoreError};

/// Bytes: the largest value of an entry.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Entries of one page, at most.
pub const MAX_PAGE_ENTRIES: usize = 4_096;

/// Bytes of values in one page, at most, but for its first entry.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// Whose entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The record of the keys that open letters: one entry.
    Keys,
    /// Cards of those who were written to: by author.
    Cards,
    /// Whom the user has given a name: by author.
    Contacts,
    /// What the inbox keeps of each author: by author.
    People,
    /// Where letters of ours are that are on their way: by recipient and number.
    Outbox,
    /// What became of our letters: by their place.
    Fates,
    /// How far we have written to each recipient: by recipient.
    Written,
    /// How far each recipient has read: by recipient.
    ReadBy,
    /// All letters, theirs and ours: by their place here, the newest first.
    Letters,
    /// Which of them are whose: by author and place.
    Conversations,
    /// What of each stream has come: by author and stream.
    Received,
    /// Sealed letters kept for others: by name.
    Mailbox,
    /// What is known of each of them: by name.
    Kept,
    /// For whom letters are kept: by author.
    Registered,
    /// Private rooms, with their secrets: by the channel of their first epoch.
    PrivateRooms,
    /// Display names under which people on record were last seen: by author.
    Names,
    /// Shares that are held: by their id.
    Shares,
    /// Under which stamps the files of shares were hashed: by share and number of the page.
    Stamps,
    /// Which blocks of shares are durable that are being fetched: by share and number of the page.
    Have,
}

impl Table {
    /// Bytes of each of its keys.
    pub fn key_bytes(self) -> usize {
        match self {
            Self::Keys | Self::Fates | Self::Letters => 8,
            Self::Cards
            | Self::Contacts
            | Self::People
            | Self::Written
            | Self::ReadBy
            | Self::Mailbox
            | Self::Kept
            | Self::Registered
            | Self::PrivateRooms
            | Self::Names
            | Self::Shares => 32,
            Self::Stamps | Self::Have => 36,
            Self::Outbox | Self::Conversations | Self::Received => 40,
        }
    }

    /// Its name on disk. Never to change.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Keys => 0,
            Self::Cards => 1,
            Self::Contacts => 2,
            Self::People => 3,
            Self::Outbox => 4,
            Self::Fates => 5,
            Self::Written => 6,
            Self::ReadBy => 7,
            Self::Letters => 8,
            Self::Conversations => 9,
            Self::Received => 10,
            Self::Mailbox => 11,
            Self::Kept => 12,
            Self::Registered => 13,
            Self::PrivateRooms => 14,
            Self::Names => 15,
            Self::Shares => 16,
            Self::Stamps => 17,
            Self::Have => 18,
        }
    }
}

/// A new value for an entry, or its end.
#[derive(Clone, PartialEq, Eq)]
pub struct EntryChange {
    /// The table.
    pub table: Table,
    /// The entry's key, of [`Table::key_bytes`].
    pub key: Vec<u8>,
    /// Its value, of at most [`MAX_VALUE_BYTES`] and not empty; `None` removes the entry.
    pub value: Option<Vec<u8>>,
}

/// Values may be secret: they are not shown.
impl std::fmt::Debug for EntryChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.value.as_ref().map(Vec::len);
        write!(f, "EntryChange({:?}, {} bytes of key, {bytes:?} of value)", self.table, self.key.len())
    }
}

/// Which entries of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Select {
    /// Those whose keys begin with `prefix` and come after `after`, in order; at most `limit`, [`MAX_PAGE_ENTRIES`] and
    /// [`MAX_PAGE_BYTES`].
    Page {
        /// What their keys begin with.
        prefix: Vec<u8>,
        /// The page begins after this key.
        after: Option<Vec<u8>>,
        /// Entries at most.
        limit: usize,
    },
    /// Those with these keys, in this order, without those that are not there; at most [`MAX_PAGE_ENTRIES`] and
    /// [`MAX_PAGE_BYTES`], the rest is left out.
    Keys(Vec<Vec<u8>>),
}

/// Puts an entry.
pub fn put<T: Serialize>(table: Table, key: impl Into<Vec<u8>>, value: &T) -> EntryChange {
    EntryChange { table, key: key.into(), value: Some(wire::encode(value)) }
}

/// Removes an entry.
pub fn remove(table: Table, key: impl Into<Vec<u8>>) -> EntryChange {
    EntryChange { table, key: key.into(), value: None }
}

/// Reads a value.
///
/// # Errors
/// [`StoreError::Failed`]: it is not what was written.
pub fn value<T: Serialize + DeserializeOwned>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    wire::decode::<T, MAX_VALUE_BYTES>(bytes).map_err(|_| damaged(table))
}

/// What lies in a table is not what was put there.
pub fn damaged(table: Table) -> StoreError {
    StoreError::Failed(format!("an entry of the table {table:?} is damaged"))
}

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// All entries of a table, in order, read page by page.
///
/// # Errors
/// [`StoreError`].
pub async fn read_all(store: &dyn Store, table: Table) -> Result<Vec<Entry>, StoreError> {
    read_below(store, table, &[]).await
}

/// All entries of a table whose keys begin with `prefix`, in order.
///
/// # Errors
/// [`StoreError`].
pub async fn read_below(store: &dyn Store, table: Table, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|(key, _)| key.clone());
        let select = Select::Page { prefix: prefix.to_vec(), after, limit: MAX_PAGE_ENTRIES };
        let page = read(store, table, select).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Some entries of a table.
///
/// # Errors
/// [`StoreError`].
pub async fn read(store: &dyn Store, table: Table, select: Select) -> Result<Vec<Entry>, StoreError> {
    let (reply, answer) = oneshot::channel();
    store.submit(Request::Entries { table, select, reply })?;
    answer.await.map_err(|_| StoreError::Closed)?
}

/// The entries with these keys, in this order, without those that are not there, however many they are.
///
/// # Errors
/// [`StoreError`].
pub async fn read_keys(store: &dyn Store, table: Table, keys: Vec<Vec<u8>>) -> Result<Vec<Entry>, StoreError> {
    let mut found: Vec<Entry> = Vec::new();
    let mut rest = keys.as_slice();
    while !rest.is_empty() {
        let asked = &rest[..rest.len().min(MAX_PAGE_ENTRIES)];
        let page = read(store, table, Select::Keys(asked.to_vec())).await?;
        // A page may be cut short; what comes before its last entry and is not in it is not there.
        let last = page.last().and_then(|(key, _)| asked.iter().rposition(|asked| asked == key));
        rest = last.map_or(&rest[asked.len()..], |last| &rest[last + 1..]);
        found.extend(page);
    }
    Ok(found)
}

/// Checks changes before anything is touched.
///
/// # Errors
/// [`StoreError::Rejected`] names the first rule that is broken.
pub(super) fn check(changes: &[EntryChange]) -> Result<(), StoreError> {
    for change in changes {
        let fits = change.value.as_ref().is_none_or(|value| (1..=MAX_VALUE_BYTES).contains(&value.len()));
        if change.key.len() != change.table.key_bytes() || !fits {
            return Err(StoreError::Rejected(format!("an entry that does not fit its table: {change:?}")));
        }
    }
    Ok(())
}

/// Fills a page from entries in order.
pub(super) fn page<E>(entries: impl Iterator<Item = Result<Entry, E>>, limit: usize) -> Result<Vec<Entry>, E> {
    let mut page: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for entry in entries.take(limit.min(MAX_PAGE_ENTRIES)) {
        let entry = entry?;
        bytes += entry.1.len();
        if bytes > MAX_PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(entry);
    }
    Ok(page)
}
