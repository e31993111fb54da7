//! What the machines of direct messages want kept, as entries of tables.

use std::collections::BTreeMap;

use proto::{
    direct::{
        inbox::{Inbox, Record},
        mailbox,
        outbox::Change,
    },
    ids::Author,
};

use crate::{
    letters::records::{self, Fate, Kept, Place, Written, author_key, put, remove},
    store::tables::{EntryChange, Table},
};

/// Gives letters their places, and remembers those of letters that are on their way.
#[derive(Debug, Default)]
pub struct Shelf {
    next: u64,
    /// By recipient and number.
    places: BTreeMap<(Author, u64), Place>,
    /// Letters to go with what is forgotten of their authors. As many as there are calls, which are bounded.
    dismissed: BTreeMap<Author, Vec<Place>>,
}

impl Shelf {
    /// Of a node whose next letter comes to the place `next`.
    pub fn new(next: u64, places: BTreeMap<(Author, u64), Place>) -> Self {
        Self { next, places, dismissed: BTreeMap::new() }
    }

    /// Nothing more happens to a letter of ours.
    pub fn settled(&mut self, to: Author, seq: u64) {
        self.places.remove(&(to, seq));
    }

    /// When an author is forgotten next, these letters of it go too.
    pub fn dismiss(&mut self, who: Author, letters: Vec<Place>) {
        self.dismissed.insert(who, letters);
    }

    /// What an outbox wants kept.
    pub fn outbox(&mut self, changes: Vec<Change>) -> Vec<EntryChange> {
        changes.into_iter().flat_map(|change| self.outbox_change(change)).collect()
    }

    fn outbox_change(&mut self, change: Change) -> Vec<EntryChange> {
        match change {
            Change::Written(signed) => {
                let (to, at) = (signed.letter.to, signed.letter.at);
                let kept = Kept::Ours(signed);
                let Some(seq) = kept.text().map(|text| text.seq) else { return Vec::new() };
                let place = self.place();
                self.places.insert((to, seq), place);
                let mut entries = records::letter(place, &kept);
                entries.push(put(Table::Outbox, author_key(&to, seq), &place));
                entries.push(put(Table::Written, to.0, &Written { last_seq: seq, at }));
                entries
            }
            Change::Progress { to, seq, state, kept } => {
                let Some(place) = self.places.get(&(to, seq)) else { return Vec::new() };
                let mut entries = vec![put(Table::Fates, place.to_key(), &Fate { state, kept })];
                if state.is_final() {
                    entries.push(remove(Table::Outbox, author_key(&to, seq)));
                }
                entries
            }
            Change::Read { to, through } => vec![put(Table::ReadBy, to.0, &through)],
            Change::Card(card) => vec![put(Table::Cards, card.card.owner.0, &card)],
            Change::ForgetCard(owner) => vec![remove(Table::Cards, owner.0)],
        }
    }

    /// What an inbox wants kept.
    pub fn inbox(&mut self, inbox: &Inbox, changes: Vec<Record>) -> Vec<EntryChange> {
        let entries = changes.into_iter().flat_map(|record| match record {
            Record::Letter(letter) => records::letter(self.place(), &Kept::Theirs(letter)),
            Record::Person(who, person) => vec![records::person(&who, &person)],
            Record::Stream(who, id, stream) => vec![records::stream(&who, id, &stream)],
            Record::Forget(who) => {
                let streams = inbox.streams(&who).into_iter();
                let streams = streams.map(|id| remove(Table::Received, author_key(&who, id.0)));
                let letters = self.dismissed.remove(&who).into_iter().flatten();
                let letters = letters.flat_map(|place| records::forget_letter(&who, place));
                streams.chain([remove(Table::People, who.0)]).chain(letters).collect()
            }
        });
        entries.collect()
    }

    fn place(&mut self) -> Place {
        self.next += 1;
        Place(self.next - 1)
    }
}

/// What a mailbox wants kept.
pub fn mailbox(changes: Vec<mailbox::Change>) -> Vec<EntryChange> {
    let entries = changes.into_iter().flat_map(|change| match change {
        mailbox::Change::Keep { letter, envelope } => records::kept_letter(&letter, &envelope),
        mailbox::Change::Drop { ids } => {
            ids.into_iter().flat_map(|id| [remove(Table::Mailbox, id.0), remove(Table::Kept, id.0)]).collect()
        }
        mailbox::Change::Registered(registration) => vec![records::registration(&registration)],
        mailbox::Change::Unregistered { owner } => vec![remove(Table::Registered, owner.0)],
    });
    entries.collect()
}

/// The record of our keys.
pub fn keys(stored: &proto::direct::keys::Stored) -> Vec<EntryChange> {
    vec![EntryChange { table: Table::Keys, key: records::KEYS_KEY.to_vec(), value: Some(stored.encode().to_vec()) }]
}
