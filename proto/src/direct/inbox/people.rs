//! What is known of each author: as handed to the store, and as durable there.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_LETTERS_OF_STRANGER, MAX_PEOPLE, MAX_STRANGERS_LETTERS, MAX_STREAMS, Person, Stream, commits::Place};
use crate::{direct::letter::StreamId, ids::Author};

/// Something that is being written: as it will be, and as it is for sure.
#[derive(Debug, Clone, Default, PartialEq)]
struct Written<T> {
    tip: T,
    durable: T,
}

#[derive(Debug, Default)]
struct Entry {
    person: Written<Person>,
    streams: BTreeMap<StreamId, Written<Stream>>,
}

/// What the inbox makes of a text's place.
#[derive(Debug, PartialEq)]
pub enum Fit {
    /// It is stored, or on its way.
    Known,
    /// There is no room for it.
    Full,
    /// It is taken: this is to be stored with it.
    New(Person, Stream),
}

/// All authors on record.
#[derive(Debug, Default)]
pub struct People {
    entries: BTreeMap<Author, Entry>,
    tally: Tally,
}

/// Sums over all tips.
#[derive(Debug, Default)]
struct Tally {
    /// Letters of those who are neither known nor blocked.
    strangers_letters: u64,
    /// Those who are.
    chosen: usize,
}

impl Tally {
    fn change(&mut self, before: Person, after: Person) {
        let chosen = |person: Person| usize::from(person.known || person.blocked);
        let letters = |person: Person| if chosen(person) > 0 { 0 } else { person.letters };
        self.chosen = self.chosen + chosen(after) - chosen(before);
        self.strangers_letters = self.strangers_letters + letters(after) - letters(before);
    }
}

impl People {
    /// Puts back what the store has.
    pub fn restore_person(&mut self, who: Author, person: Person) {
        self.entries.entry(who).or_default().person = Written { tip: person, durable: person };
        self.tally.change(Person::default(), person);
    }

    /// Puts back what the store has.
    pub fn restore_stream(&mut self, who: Author, id: StreamId, stream: Stream) {
        let written = Written { tip: stream.clone(), durable: stream };
        self.entries.entry(who).or_default().streams.insert(id, written);
    }

    /// What is known of an author.
    pub fn person(&self, who: &Author) -> Person {
        self.entries.get(who).map(|entry| entry.person.tip).unwrap_or_default()
    }

    /// The durable state of a stream.
    pub fn stream(&self, who: &Author, id: StreamId) -> Option<&Stream> {
        self.entries.get(who)?.streams.get(&id).map(|stream| &stream.durable)
    }

    /// Whether nothing about a stream is on its way to the store.
    pub fn is_settled(&self, who: &Author, id: StreamId) -> bool {
        let stream = self.entries.get(who).and_then(|entry| entry.streams.get(&id));
        stream.is_none_or(|stream| stream.tip == stream.durable)
    }

    /// An author's streams.
    pub fn streams(&self, who: &Author) -> Vec<StreamId> {
        self.entries.get(who).map(|entry| entry.streams.keys().copied().collect()).unwrap_or_default()
    }

    /// Everybody on record.
    pub fn all(&self) -> impl Iterator<Item = (Author, Person)> {
        self.entries.keys().map(|who| (*who, self.person(who)))
    }

    /// People on record.
    pub fn count_people(&self) -> usize {
        self.entries.len()
    }

    /// Letters of strangers.
    pub fn strangers_letters(&self) -> u64 {
        self.tally.strangers_letters
    }

    /// Finds a text's place and takes it.
    pub fn take(&mut self, place: Place, owes: bool) -> Fit {
        let (who, id, seq) = place;
        let person = self.person(&who);
        let streams = self.entries.get(&who).map(|entry| &entry.streams);
        let old = streams.and_then(|streams| streams.get(&id)).map(|stream| &stream.tip);
        if old.is_some_and(|stream| stream.delivered.contains(seq)) {
            return Fit::Known;
        }
        let no_stream = old.is_none() && streams.is_some_and(|streams| streams.len() >= MAX_STREAMS);
        let mut stream = old.cloned().unwrap_or_default();
        let of_strangers = self.tally.strangers_letters >= MAX_STRANGERS_LETTERS;
        let no_letter = !person.known && (of_strangers || person.letters >= MAX_LETTERS_OF_STRANGER);
        if no_stream || no_letter || stream.delivered.insert(seq).is_err() {
            return Fit::Full;
        }
        stream.owed |= owes;
        let entry = self.entries.entry(who).or_default();
        let before = entry.person.tip;
        entry.person.tip.letters += 1;
        self.tally.change(before, entry.person.tip);
        entry.streams.entry(id).or_default().tip = stream.clone();
        Fit::New(entry.person.tip, stream)
    }

    /// Whether this author is one whom the user knows or blocks, or can become one.
    pub fn has_room_for(&self, who: &Author) -> bool {
        let person = self.person(who);
        person.known || person.blocked || self.tally.chosen < MAX_PEOPLE
    }

    /// Changes what is known of an author, if there is room for it.
    pub fn change(&mut self, who: Author, change: impl FnOnce(&mut Person)) -> Option<Person> {
        let before = self.person(&who);
        let mut person = before;
        change(&mut person);
        let chosen = |person: Person| person.known || person.blocked;
        if chosen(person) && !chosen(before) && self.tally.chosen >= MAX_PEOPLE {
            return None;
        }
        self.entries.entry(who).or_default().person.tip = person;
        self.tally.change(before, person);
        Some(person)
    }

    /// Changes a stream's tip, if there is such a stream and that makes a difference.
    pub fn change_stream(&mut self, who: &Author, id: StreamId, change: impl FnOnce(&mut Stream)) -> Option<Stream> {
        let stream = self.entries.get_mut(who)?.streams.get_mut(&id)?;
        let before = stream.tip.clone();
        change(&mut stream.tip);
        (stream.tip != before).then(|| stream.tip.clone())
    }

    /// Notes that a stream owes a receipt. What is to be stored, unless that is durable and will be.
    pub fn owe(&mut self, who: &Author, id: StreamId) -> Option<Stream> {
        let Written { tip, durable } = self.entries.get_mut(who)?.streams.get_mut(&id)?;
        let stays = tip.owed && durable.owed;
        tip.owed = true;
        (!stays).then(|| tip.clone())
    }

    /// What is known of an author has become durable.
    pub fn settle_person(&mut self, who: &Author, person: Person) {
        if let Some(entry) = self.entries.get_mut(who) {
            entry.person.durable = person;
        }
    }

    /// What is known of a stream has become durable.
    pub fn settle_stream(&mut self, who: &Author, id: StreamId, stream: Stream) {
        if let Some(written) = self.entries.get_mut(who).and_then(|entry| entry.streams.get_mut(&id)) {
            written.durable = stream;
        }
    }

    /// Forgets an author.
    pub fn forget(&mut self, who: &Author) {
        if let Some(entry) = self.entries.remove(who) {
            self.tally.change(entry.person.tip, Person::default());
        }
    }

    /// The store failed: these are again as they are durable.
    pub fn roll_back(&mut self, touched: &BTreeSet<Author>) {
        for who in touched {
            let Some(entry) = self.entries.get_mut(who) else { continue };
            self.tally.change(entry.person.tip, entry.person.durable);
            entry.person.tip = entry.person.durable;
            entry.streams.retain(|_, stream| stream.durable != Stream::default());
            for stream in entry.streams.values_mut() {
                stream.tip = stream.durable.clone();
            }
            if entry.streams.is_empty() && entry.person.durable == Person::default() {
                self.entries.remove(who);
            }
        }
    }
}
