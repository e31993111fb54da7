//! What the store holds of direct messages, read at the start.

use std::collections::BTreeMap;

use proto::{
    direct::{
        inbox::{Person, Stream},
        keys,
        letter::StreamId,
        mailbox,
        outbox::{Saved, SavedLetter, SavedStream, State},
    },
    hlc::Timestamp,
    ids::Author,
};

use crate::{
    letters::records::{self, Contact, Fate, Kept, Place, Written, author, number, value},
    store::{
        Store, StoreError,
        tables::{MAX_PAGE_ENTRIES, Select, Table, read, read_all, read_keys},
    },
};

/// All of it.
#[derive(Debug, Default)]
pub struct Restored {
    /// Our keys; none at the first start.
    pub keys: Option<keys::Stored>,
    /// What is known of people.
    pub people: Vec<(Author, Person)>,
    /// What has come of streams.
    pub streams: Vec<(Author, StreamId, Stream)>,
    /// What we wrote.
    pub outbox: Saved,
    /// Where those letters of ours are that are on their way.
    pub places: BTreeMap<(Author, u64), Place>,
    /// The place of the next letter.
    pub next_place: u64,
    /// The last letters, the newest first.
    pub latest: Vec<Kept>,
    /// Names that the user gave.
    pub contacts: BTreeMap<Author, Contact>,
    /// Names under which people were last seen.
    pub seen: BTreeMap<Author, String>,
    /// What is kept for others.
    pub mailbox: mailbox::Stored,
}

/// Reads it.
///
/// # Errors
/// [`StoreError`].
pub async fn restore(store: &dyn Store) -> Result<Restored, StoreError> {
    let mut restored = Restored::default();
    let stored = read_keys(store, Table::Keys, vec![records::KEYS_KEY.to_vec()]).await?;
    if let Some((_, bytes)) = stored.first() {
        restored.keys = Some(keys::Stored::decode(bytes).map_err(|_| records::damaged(Table::Keys))?);
    }
    for (key, bytes) in read_all(store, Table::People).await? {
        restored.people.push((author(Table::People, &key)?, value(Table::People, &bytes)?));
    }
    for (key, bytes) in read_all(store, Table::Received).await? {
        let id = StreamId(number(Table::Received, &key)?);
        restored.streams.push((author(Table::Received, &key)?, id, value(Table::Received, &bytes)?));
    }
    for (key, bytes) in read_all(store, Table::Contacts).await? {
        restored.contacts.insert(author(Table::Contacts, &key)?, value(Table::Contacts, &bytes)?);
    }
    for (key, bytes) in read_all(store, Table::Names).await? {
        restored.seen.insert(author(Table::Names, &key)?, value(Table::Names, &bytes)?);
    }
    let latest = Select::Page { prefix: Vec::new(), after: None, limit: MAX_PAGE_ENTRIES };
    let latest = read(store, Table::Letters, latest).await?;
    restored.next_place = latest.first().and_then(|(key, _)| Place::from_key(key)).map_or(0, |place| place.0 + 1);
    for (_, bytes) in &latest {
        restored.latest.push(value(Table::Letters, bytes)?);
    }
    restore_outbox(store, &mut restored).await?;
    for entry in read_all(store, Table::Kept).await? {
        restored.mailbox.letters.push(records::stored_letter(&entry)?);
    }
    for entry in read_all(store, Table::Registered).await? {
        restored.mailbox.registrations.push(records::stored_registration(&entry)?);
    }
    Ok(restored)
}

async fn restore_outbox(store: &dyn Store, restored: &mut Restored) -> Result<(), StoreError> {
    for (key, bytes) in read_all(store, Table::Outbox).await? {
        let of = (author(Table::Outbox, &key)?, number(Table::Outbox, &key)?);
        restored.places.insert(of, value(Table::Outbox, &bytes)?);
    }
    let places = || restored.places.values().map(|place| place.to_key().to_vec()).collect::<Vec<_>>();
    let mut fates: BTreeMap<Vec<u8>, Fate> = BTreeMap::new();
    for (key, bytes) in read_keys(store, Table::Fates, places()).await? {
        fates.insert(key, value(Table::Fates, &bytes)?);
    }
    for (key, bytes) in read_keys(store, Table::Letters, places()).await? {
        let Kept::Ours(letter) = value(Table::Letters, &bytes)? else { return Err(records::damaged(Table::Outbox)) };
        let fate = fates.remove(&key).unwrap_or(Fate { state: State::Queued, kept: Vec::new() });
        restored.outbox.letters.push(SavedLetter { letter, state: fate.state, kept: fate.kept });
    }
    let mut read_by: BTreeMap<Author, u64> = BTreeMap::new();
    for (key, bytes) in read_all(store, Table::ReadBy).await? {
        read_by.insert(author(Table::ReadBy, &key)?, value(Table::ReadBy, &bytes)?);
    }
    let mut last = Timestamp::default();
    for (key, bytes) in read_all(store, Table::Written).await? {
        let to = author(Table::Written, &key)?;
        let Written { last_seq, at } = value(Table::Written, &bytes)?;
        last = last.max(at);
        let read_through = read_by.get(&to).copied().unwrap_or(0);
        restored.outbox.streams.push(SavedStream { to, last_seq, read_through });
    }
    restored.outbox.last = last;
    for (_, bytes) in read_all(store, Table::Cards).await? {
        restored.outbox.cards.push(value(Table::Cards, &bytes)?);
    }
    Ok(())
}
