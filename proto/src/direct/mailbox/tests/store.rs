//! A store in memory that does what it is asked when it is told to.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::*;

/// A store, and what it has not done yet.
#[derive(Default)]
pub struct Store {
    pub letters: BTreeMap<EnvelopeId, (StoredLetter, Envelope)>,
    pub registrations: BTreeMap<Author, Registration>,
    pub queue: VecDeque<(CommitId, Vec<Change>)>,
    /// The places of letters that were dropped.
    pub dropped: Vec<u64>,
}

impl Store {
    /// A mailbox with what the store holds.
    pub fn open(&self, now: Now, settings: Settings) -> Keeper {
        let stored = Stored {
            letters: self.letters.values().map(|(letter, _)| *letter).collect(),
            registrations: self.registrations.values().cloned().collect(),
        };
        Keeper::new(now, Config { settings, verifier: Arc::new(Ed25519) }, stored)
    }

    /// Takes an order to the store; gives back any other output.
    pub fn queue(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Persist { commit, changes } => {
                self.queue.push_back((commit, changes));
                None
            }
            other => Some(other),
        }
    }

    /// Does the first `commits` of what it was asked, and says through which.
    pub fn apply(&mut self, commits: usize) -> Option<CommitId> {
        let commits = commits.min(self.queue.len());
        let mut through = None;
        for (commit, changes) in self.queue.drain(..commits).collect::<Vec<_>>() {
            through = Some(commit);
            changes.into_iter().for_each(|change| self.change(change));
        }
        through
    }

    /// Does a part of what it was asked.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Keep { letter, envelope } => {
                assert_eq!((letter.id, letter.to), (envelope.id(), envelope.to));
                assert!(self.letters.insert(letter.id, (letter, envelope)).is_none());
            }
            Change::Drop { ids } => {
                self.dropped.extend(ids.iter().map(|id| self.letters.remove(id).unwrap().0.arrival));
            }
            Change::Registered(registration) => {
                _ = self.registrations.insert(registration.card.card.owner, registration);
            }
            Change::Unregistered { owner } => assert!(self.registrations.remove(&owner).is_some()),
        }
    }

    /// Whether the letter with this place is there.
    pub fn has(&self, place: u64) -> bool {
        self.letters.values().any(|(letter, _)| letter.arrival == place)
    }

    /// Forgets what it was asked.
    pub fn fail(&mut self) {
        self.queue.clear();
    }

    /// That a mailbox with nothing under way has in mind what the store holds.
    pub fn assert_holds(&self, keeper: &Keeper) {
        assert!(self.queue.is_empty());
        let mut letters: Vec<StoredLetter> = self.letters.values().map(|(letter, _)| *letter).collect();
        letters.sort_by_key(|letter| letter.arrival);
        assert!(keeper.index.iter().eq(&letters));
        assert!(letters.is_sorted_by_key(|letter| letter.until_ms));
        assert!(keeper.registry.owners().eq(self.registrations.keys().copied()));
        for (owner, registration) in &self.registrations {
            assert_eq!(keeper.registry.get(owner), Some(registration));
        }
        assert_eq!(keeper.load().letters, letters.len() as u64);
        assert_eq!(keeper.load().bytes, letters.iter().map(|letter| u64::from(letter.bytes)).sum::<u64>());
    }
}
