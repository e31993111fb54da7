//! Reading direct messages for the user.

use std::collections::{BTreeMap, VecDeque};

use libp2p::PeerId;
use proto::{
    direct::{
        inbox::Stream,
        letter::{LetterId, StreamId},
        outbox::State,
    },
    ids::Author,
    private::Invite,
};

use super::records::{self, Fate, Kept, Place, author_key, value};
use crate::{
    model::{DirectMessage, DirectState},
    store::{
        Store, StoreError,
        tables::{MAX_PAGE_ENTRIES, Select, Table, read, read_below, read_keys},
    },
    view::rfc3339,
};

/// Which direct messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DirectFilter {
    /// Only those from and to this peer.
    pub peer: Option<PeerId>,
    /// Only those that came and were not read.
    pub unread: bool,
    /// Only those that this node had before this one.
    pub before: Option<LetterId>,
    /// The newest so many; [`MAX_HISTORY_LIMIT`](crate::handle::MAX_HISTORY_LIMIT) at most.
    pub limit: usize,
}

/// A letter, its place, and how far it is.
type Found = (Place, Kept, DirectState);

/// The newest letters that a filter lets through, oldest first; those of one author in the order in which they were written.
/// `None` if `before` names none.
///
/// # Errors
/// [`StoreError`].
pub async fn messages(store: &dyn Store, filter: &DirectFilter) -> Result<Option<Vec<DirectMessage>>, StoreError> {
    let author = filter.peer.as_ref().and_then(Author::from_peer_id);
    let mut reader = Reader { store, other: author, after: None, reads: Reads::default() };
    let mut before = filter.before;
    let mut found: VecDeque<Found> = VecDeque::new();
    while found.len() < filter.limit {
        let page = reader.next().await?;
        if page.is_empty() {
            break;
        }
        let page = skip_through(page, &mut before);
        let fates = reader.fates(&page).await?;
        for (place, kept) in page {
            let state = reader.state(fates.get(&place).copied(), &kept).await?;
            let unread = matches!(kept, Kept::Theirs(_)) && state == DirectState::Delivered;
            if found.len() < filter.limit && (unread || !filter.unread) && is_shown(&kept) {
                found.push_front((place, kept, state));
            }
        }
    }
    let missing = before.is_some();
    Ok((!missing)
        .then(|| in_order(found.into()).into_iter().filter_map(|(_, kept, state)| message(&kept, state)).collect()))
}

/// What comes after the letter `before`, which is found once.
fn skip_through(page: Vec<(Place, Kept)>, before: &mut Option<LetterId>) -> Vec<(Place, Kept)> {
    let Some(wanted) = *before else { return page };
    let Some(at) = page.iter().position(|(_, kept)| kept.id() == wanted) else { return Vec::new() };
    *before = None;
    page.into_iter().skip(at + 1).collect()
}

/// Letters come in any order; those of one stream take the places that they have in the order of their numbers.
fn in_order(letters: Vec<Found>) -> Vec<Found> {
    let stream = |kept: &Kept| kept.text().map(|text| (kept.letter().from, kept.letter().to, text.stream));
    let seq = |kept: &Kept| kept.text().map_or(0, |text| text.seq);
    let mut streams: BTreeMap<_, Vec<Found>> = BTreeMap::new();
    let order: Vec<_> = letters.iter().map(|(_, kept, _)| stream(kept)).collect();
    for letter in letters {
        streams.entry(stream(&letter.1)).or_default().push(letter);
    }
    // Taken from the end.
    streams.values_mut().for_each(|of_one| of_one.sort_by_key(|(_, kept, _)| std::cmp::Reverse(seq(kept))));
    order.iter().filter_map(|stream| streams.get_mut(stream)?.pop()).collect()
}

/// The places of the letters exchanged with somebody.
///
/// # Errors
/// [`StoreError`].
pub async fn places(store: &dyn Store, other: Author) -> Result<Vec<Place>, StoreError> {
    let entries = read_below(store, Table::Conversations, &other.0).await?;
    Ok(entries.iter().filter_map(|(key, _)| Place::from_key(key)).collect())
}

/// Up to where each of an author's streams is read when the user has read it all up to `through`, as [`messages`] has it. What comes
/// while this is found out is not among it. `None` if `through` is not there.
///
/// # Errors
/// [`StoreError`].
pub async fn read_through(
    store: &dyn Store,
    author: Author,
    through: LetterId,
) -> Result<Option<Vec<(StreamId, u64)>>, StoreError> {
    let mut read_up_to = BTreeMap::new();
    for (key, bytes) in read_below(store, Table::Received, &author.0).await? {
        let stream: Stream = value(Table::Received, &bytes)?;
        read_up_to.insert(StreamId(records::number(Table::Received, &key)?), stream.delivered.last());
    }
    let mut reader = Reader { store, other: Some(author), after: None, reads: Reads::default() };
    loop {
        let page = reader.next().await?;
        if page.is_empty() {
            return Ok(None);
        }
        for (_, kept) in &page {
            let Kept::Theirs(_) = kept else { continue };
            let Some(text) = kept.text() else { continue };
            if kept.id() == through {
                read_up_to.insert(text.stream, text.seq);
                return Ok(Some(read_up_to.into_iter().collect()));
            }
            // It came later, and was not read.
            let up_to = read_up_to.entry(text.stream).or_insert(0);
            *up_to = (*up_to).min(text.seq - 1);
        }
    }
}

/// Whether it is for the user. What rooms write to each other is not.
fn is_shown(kept: &Kept) -> bool {
    kept.text().is_some_and(|text| !Invite::is_key_letter(&text.text))
}

/// As it is shown; `None` for what is not shown.
pub fn message(kept: &Kept, state: DirectState) -> Option<DirectMessage> {
    let letter = Some(kept).filter(|kept| is_shown(kept))?.letter();
    Some(DirectMessage {
        id: hex(&kept.id()),
        from: letter.from.peer_id()?.to_string(),
        to: letter.to.peer_id()?.to_string(),
        at: rfc3339(letter.at),
        text: kept.text()?.text.clone(),
        state,
    })
}

/// A letter's name, as it is shown.
pub fn hex(id: &LetterId) -> String {
    proto::ids::EventId(id.0).to_string()
}

/// How far a letter of ours is, as it is shown.
pub fn shown_state(state: State) -> DirectState {
    match state {
        State::Queued => DirectState::Queued,
        State::Sent => DirectState::Sent,
        State::Delivered => DirectState::Delivered,
        State::Refused => DirectState::Refused,
        State::Failed => DirectState::Failed,
    }
}

struct Reader<'a> {
    store: &'a dyn Store,
    other: Option<Author>,
    after: Option<Vec<u8>>,
    reads: Reads,
}

/// Up to where streams were read.
#[derive(Default)]
struct Reads {
    ours: BTreeMap<Author, u64>,
    theirs: BTreeMap<(Author, StreamId), u64>,
}

impl Reader<'_> {
    /// The next page of letters, newest first; empty at the end.
    async fn next(&mut self) -> Result<Vec<(Place, Kept)>, StoreError> {
        let table = if self.other.is_some() { Table::Conversations } else { Table::Letters };
        let prefix = self.other.map_or_else(Vec::new, |other| other.0.to_vec());
        let select = Select::Page { prefix, after: self.after.clone(), limit: MAX_PAGE_ENTRIES };
        let mut page = read(self.store, table, select).await?;
        self.after = page.last().map(|(key, _)| key.clone());
        if table == Table::Conversations {
            let places = page.iter().filter_map(|(key, _)| Place::from_key(key));
            page = read_keys(self.store, Table::Letters, places.map(|place| place.to_key().to_vec()).collect()).await?;
        }
        let letter = |(key, bytes): &(Vec<u8>, Vec<u8>)| {
            let place = Place::from_key(key).ok_or_else(|| records::damaged(Table::Letters))?;
            Ok((place, value(Table::Letters, bytes)?))
        };
        page.iter().map(letter).collect()
    }

    /// What became of those that are ours; nothing yet, where nothing is said.
    async fn fates(&self, page: &[(Place, Kept)]) -> Result<BTreeMap<Place, State>, StoreError> {
        let ours = page.iter().filter(|(_, kept)| matches!(kept, Kept::Ours(_)));
        let keys = ours.map(|(place, _)| place.to_key().to_vec()).collect();
        let fate = |(key, bytes): &(Vec<u8>, Vec<u8>)| {
            let place = Place::from_key(key).ok_or_else(|| records::damaged(Table::Fates))?;
            Ok((place, value::<Fate>(Table::Fates, bytes)?.state))
        };
        read_keys(self.store, Table::Fates, keys).await?.iter().map(fate).collect()
    }

    async fn state(&mut self, fate: Option<State>, kept: &Kept) -> Result<DirectState, StoreError> {
        let Some(text) = kept.text() else { return Ok(DirectState::Failed) };
        match kept {
            Kept::Theirs(letter) => {
                let read = self.read_of(letter.from, text.stream).await?;
                Ok(if text.seq <= read { DirectState::Read } else { DirectState::Delivered })
            }
            Kept::Ours(signed) => {
                let state = fate.unwrap_or(State::Queued);
                let was_read = state == State::Delivered && text.seq <= self.read_by(signed.letter.to).await?;
                Ok(if was_read { DirectState::Read } else { shown_state(state) })
            }
        }
    }

    async fn read_by(&mut self, to: Author) -> Result<u64, StoreError> {
        if let Some(through) = self.reads.ours.get(&to) {
            return Ok(*through);
        }
        let entry = read_keys(self.store, Table::ReadBy, vec![to.0.to_vec()]).await?;
        let through = entry.first().map_or(Ok(0), |(_, bytes)| value(Table::ReadBy, bytes))?;
        self.reads.ours.insert(to, through);
        Ok(through)
    }

    async fn read_of(&mut self, from: Author, stream: StreamId) -> Result<u64, StoreError> {
        if let Some(through) = self.reads.theirs.get(&(from, stream)) {
            return Ok(*through);
        }
        let entry = read_keys(self.store, Table::Received, vec![author_key(&from, stream.0)]).await?;
        let kept: Option<Stream> = entry.first().map(|(_, bytes)| value(Table::Received, bytes)).transpose()?;
        let through = kept.map_or(0, |stream| stream.read_through);
        self.reads.theirs.insert((from, stream), through);
        Ok(through)
    }
}
