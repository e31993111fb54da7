//! The names that the user gave.

use std::collections::{BTreeMap, VecDeque};

use proto::{direct::inbox::Person, ids::Author};

use crate::{
    handle::{Answer, CallError},
    letters::records::{Contact, put, remove},
    store::{
        StoreError,
        tables::{EntryChange, Table},
    },
    swarm::journal::{DirectCommit, Written},
};

/// A name on its way to the store, or that it is taken away.
#[derive(Debug)]
struct Change {
    who: Author,
    contact: Option<Contact>,
    answer: Answer<()>,
}

/// Whom the user gave a name. As many as the user likes.
#[derive(Debug, Default)]
pub struct Contacts {
    /// What the store has.
    names: BTreeMap<Author, Contact>,
    /// What it is to have, in order. As many as there are calls, which are bounded.
    changes: VecDeque<Change>,
}

impl Contacts {
    /// Those that the store holds.
    pub fn new(names: BTreeMap<Author, Contact>) -> Self {
        Self { names, changes: VecDeque::new() }
    }

    /// Gives somebody a name, or takes it away, and answers, once that is durable. Returns what is to be kept, with a
    /// [`DirectCommit::Contact`].
    pub fn name(&mut self, who: Author, name: Option<String>, answer: Answer<()>) -> EntryChange {
        let contact = name.map(|name| Contact { name });
        let entry = match &contact {
            Some(contact) => put(Table::Contacts, who.0, contact),
            None => remove(Table::Contacts, who.0),
        };
        self.changes.push_back(Change { who, contact, answer });
        entry
    }

    /// The store answered.
    pub fn written(&mut self, written: &Written) {
        for _ in written.direct.iter().filter(|commit| **commit == DirectCommit::Contact) {
            let Some(change) = self.changes.pop_front() else { return };
            self.conclude(change, written.result.clone());
        }
    }

    fn conclude(&mut self, Change { who, contact, answer }: Change, result: Result<(), StoreError>) {
        if result.is_ok() {
            match contact {
                Some(contact) => self.names.insert(who, contact),
                None => self.names.remove(&who),
            };
        }
        // Whoever asked may have gone.
        let _ = answer.send(result.map_err(CallError::Store));
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

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    const WHO: Author = Author([7; 32]);

    fn written(names: usize, result: Result<(), StoreError>) -> Written {
        Written { commits: Vec::new(), direct: vec![DirectCommit::Contact; names], result }
    }

    fn name(contacts: &mut Contacts, name: Option<&str>) -> oneshot::Receiver<Result<(), CallError>> {
        let (answer, answered) = oneshot::channel();
        contacts.name(WHO, name.map(str::to_owned), answer);
        answered
    }

    fn shown(contacts: &Contacts) -> Option<String> {
        contacts.with(std::iter::empty()).remove(&WHO).and_then(|(name, _)| name)
    }

    #[test]
    fn a_name_counts_once_it_is_durable() {
        let mut contacts = Contacts::default();
        let mut answered = name(&mut contacts, Some("ada"));
        assert_eq!(shown(&contacts), None);
        assert!(answered.try_recv().is_err());
        contacts.written(&written(1, Ok(())));
        assert_eq!(shown(&contacts).as_deref(), Some("ada"));
        assert!(matches!(answered.try_recv(), Ok(Ok(()))));
    }

    #[test]
    fn a_name_that_the_store_did_not_take_was_never_given_and_the_one_before_stays() {
        let mut contacts = Contacts::default();
        drop(name(&mut contacts, Some("ada")));
        contacts.written(&written(1, Ok(())));
        let mut failed = [name(&mut contacts, Some("eve")), name(&mut contacts, None)];
        contacts.written(&written(2, Err(StoreError::Closed)));
        assert_eq!(shown(&contacts).as_deref(), Some("ada"));
        for answered in &mut failed {
            assert!(matches!(answered.try_recv(), Ok(Err(CallError::Store(_)))));
        }
        drop(name(&mut contacts, None));
        contacts.written(&written(1, Ok(())));
        assert_eq!(shown(&contacts), None);
    }
}
