//! The display names under which people were last seen in a room.
//!
//! Names are free to choose. If somebody's were forgotten when they leave, whoever takes the same name then would get what is meant for
//! them. So the last name of each person on record, who wrote to us or to whom we did, is kept in the store, and that of others for
//! a while in memory: a name that two have gone by means neither.

use std::collections::{BTreeMap, VecDeque};

use proto::ids::Author;

use crate::{
    letters::records::{put, remove},
    store::tables::{EntryChange, Table},
};

/// People not on record whose names are remembered. Of more, those seen first are forgotten.
pub const MAX_PASSING: usize = 1_024;

/// The names.
#[derive(Debug, Default)]
pub struct SeenNames {
    /// Of people on record, as the store has them: as many as the inbox has people.
    lasting: BTreeMap<Author, String>,
    passing: BTreeMap<Author, String>,
    /// In the order in which they were first seen.
    order: VecDeque<Author>,
}

impl SeenNames {
    /// Those that the store holds.
    pub fn new(lasting: BTreeMap<Author, String>) -> Self {
        Self { lasting, ..Self::default() }
    }

    /// Somebody is seen under a name. What is to be kept, if the person is on record and that is news.
    pub fn see(&mut self, who: Author, name: &str, on_record: bool) -> Option<EntryChange> {
        if on_record {
            return self.last(who, name.to_owned());
        }
        if self.passing.insert(who, name.to_owned()).is_none() {
            self.order.push_back(who);
        }
        if self.order.len() > MAX_PASSING
            && let Some(first) = self.order.pop_front()
        {
            self.passing.remove(&first);
        }
        None
    }

    /// Somebody is on record from now on. What is to be kept, if there is a name.
    pub fn record(&mut self, who: Author) -> Option<EntryChange> {
        let name = self.passing.remove(&who)?;
        self.order.retain(|passing| *passing != who);
        self.last(who, name)
    }

    /// Somebody is no longer on record. What is to be kept, if there was a name.
    pub fn forget(&mut self, who: &Author) -> Option<EntryChange> {
        self.lasting.remove(who).map(|_| remove(Table::Names, who.0))
    }

    fn last(&mut self, who: Author, name: String) -> Option<EntryChange> {
        if self.lasting.get(&who) == Some(&name) {
            return None;
        }
        let entry = put(Table::Names, who.0, &name);
        self.lasting.insert(who, name);
        Some(entry)
    }

    /// Everybody who was seen, with the last name.
    pub fn all(&self) -> impl Iterator<Item = (&Author, &String)> {
        self.lasting.iter().chain(&self.passing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: usize) -> Author {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Author(bytes)
    }

    #[test]
    fn names_of_people_on_record_are_kept_however_many_others_pass() {
        let mut seen = SeenNames::default();
        assert_eq!(seen.see(who(1), "bob", false), None);
        assert_eq!(seen.record(who(1)), Some(put(Table::Names, who(1).0, &"bob")));
        assert_eq!((seen.record(who(1)), seen.see(who(1), "bob", true)), (None, None));
        for n in 2..3 * MAX_PASSING {
            assert_eq!(seen.see(who(n), "crowd", false), None);
        }
        assert_eq!(seen.all().count(), 1 + MAX_PASSING);
        assert_eq!(seen.all().next(), Some((&who(1), &"bob".to_owned())));
        assert!(seen.see(who(1), "Bob", true).is_some(), "a new name is news");
        assert_eq!(seen.forget(&who(1)), Some(remove(Table::Names, who(1).0)));
    }
}
