//! The names that the user gave.

use std::collections::BTreeMap;

use proto::{direct::inbox::Person, ids::Author};

use crate::{
    letters::records::{Contact, put, remove},
    store::tables::{EntryChange, Table},
};

/// Whom the user gave a name. As many as the user likes.
#[derive(Debug, Default)]
pub struct Contacts {
    names: BTreeMap<Author, Contact>,
}

impl Contacts {
    /// Those that the store holds.
    pub fn new(names: BTreeMap<Author, Contact>) -> Self {
        Self { names }
    }

    /// Gives somebody a name, or takes it away. Returns what is to be kept.
    pub fn name(&mut self, who: Author, name: Option<String>) -> EntryChange {
        match name {
            Some(name) => {
                let contact = Contact { name };
                let entry = put(Table::Contacts, who.0, &contact);
                self.names.insert(who, contact);
                entry
            }
            None => {
                self.names.remove(&who);
                remove(Table::Contacts, who.0)
            }
        }
    }

    /// These people and all who have a name, with their names.
    pub fn with(&self, people: impl Iterator<Item = (Author, Person)>) -> BTreeMap<Author, (Option<String>, Person)> {
        let mut all: BTreeMap<_, _> = people.map(|(who, person)| (who, (None, person))).collect();
        for (who, contact) in &self.names {
            all.entry(*who).or_default().0 = Some(contact.name.clone());
        }
        all
    }
}
