//! Somebody who writes and is written to: all machines of a node but the mailbox, each with its store, driven as their docs say.

use std::{collections::BTreeSet, sync::Arc};

use libp2p_identity::PeerId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    disk::{Disk, InboxDisk, KeysDisk, OutboxDisk},
    driving::Asker,
};
use crate::{
    commits::CommitId,
    direct::{
        card::Mailbox,
        collecting::{self, Collector},
        inbox::{self, Inbox, Source, tests::witness},
        keys::{self, KeyRing},
        letter::StreamId,
        message::{DirectAnswer, DirectQuestion},
        outbox::{self, Outbox},
    },
    ids::Author,
    signature::Ed25519,
    testing::signer,
    time::{Deadline, Now},
};

/// Machines with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Machine {
    Outbox,
    Inbox,
    Keys,
    Mailbox,
}

/// A running process.
pub struct Life {
    /// Who is no stranger to the inbox, or shall be none.
    pub known: BTreeSet<Author>,
    pub outbox: Outbox,
    pub inbox: Inbox,
    pub ring: KeyRing,
    pub collector: Collector,
}

pub struct Person {
    n: u8,
    pub me: Author,
    pub life: Option<Life>,
    /// How many lives there were.
    pub lives: u64,
    pub outbox_disk: OutboxDisk,
    pub inbox_disk: InboxDisk,
    pub keys_disk: KeysDisk,
    pub witness: witness::Witness,
    /// The numbers of the letters of which the user was told that they are written.
    pub written: BTreeSet<u64>,
}

impl Person {
    pub fn new(n: u8) -> Self {
        Self {
            n,
            me: signer(n).author(),
            life: None,
            lives: 0,
            outbox_disk: Disk::new(),
            inbox_disk: Disk::new(),
            keys_disk: Disk::new(),
            witness: witness::Witness::default(),
            written: BTreeSet::new(),
        }
    }

    /// Starts with what the stores hold.
    pub fn start(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        self.lives += 1;
        let config = keys::Config { signer: signer(self.n), seed: rng.random() };
        let stored = self.keys_disk.holds.0.clone();
        let named = stored.as_ref().map(|stored| stored.mailboxes.clone()).unwrap_or_default();
        let ring = match stored {
            Some(stored) => KeyRing::restore(now, config, stored),
            None => KeyRing::new(now, config),
        };
        let stream = StreamId(u64::from(self.n));
        let (signer, verifier, seed) = (signer(self.n), Arc::new(Ed25519), rng.random());
        let config = outbox::Config { signer, verifier, stream, seed };
        let collector = collecting::Config { us: self.me, named, seed: rng.random() };
        self.witness.restart(self.inbox_disk.holds.places());
        self.life = Some(Life {
            known: BTreeSet::new(),
            outbox: Outbox::restore(now, config, self.outbox_disk.holds.saved()),
            inbox: self.inbox_disk.holds.inbox(now, self.me),
            ring,
            collector: Collector::new(now, collector),
        });
        for to in self.outbox_disk.holds.streams.keys().copied().collect::<Vec<_>>() {
            self.note_known(now, to);
        }
    }

    /// The power fails: of what the stores were asked, they have done the beginning.
    pub fn crash(&mut self, rng: &mut ChaCha8Rng) {
        self.life = None;
        self.outbox_disk.write(rng.random_range(0..=self.outbox_disk.asked()));
        self.outbox_disk.forget();
        self.inbox_disk.write(rng.random_range(0..=self.inbox_disk.asked()));
        self.inbox_disk.forget();
        self.keys_disk.write(rng.random_range(0..=self.keys_disk.asked()));
        self.keys_disk.forget();
    }

    // ---- what happens

    pub fn write(&mut self, now: Now, to: Author, text: String) {
        let Some(life) = &mut self.life else { return };
        life.outbox.handle(now, outbox::Input::Write { token: 0, to, text, attachments: Vec::new() });
        self.note_known(now, to);
    }

    /// Whoever is written to is no stranger.
    pub fn note_known(&mut self, now: Now, who: Author) {
        let Some(life) = &mut self.life else { return };
        life.known.insert(who);
        if !life.inbox.person(&who).known {
            life.inbox.handle(now, &life.ring, inbox::Input::Known(who));
        }
    }

    pub fn read(&mut self, now: Now, from: Author) {
        let Some(life) = &mut self.life else { return };
        life.inbox.handle(now, &life.ring, inbox::Input::Read { from, through: inbox::ReadThrough::All });
    }

    pub fn rotate(&mut self, now: Now) {
        let Some(life) = &mut self.life else { return };
        life.ring.handle(now, keys::Input::RotateNow);
    }

    /// Somebody asks.
    pub fn asked(&mut self, now: Now, from: Author, wire: u64, question: DirectQuestion) -> Option<DirectAnswer> {
        let life = self.life.as_mut()?;
        match question {
            DirectQuestion::Deliver(envelope) => {
                let source = Source::Direct { peer: peer(&from), token: wire };
                life.inbox.handle(now, &life.ring, inbox::Input::Envelope { source, envelope });
                None
            }
            DirectQuestion::Card(who) => Some(DirectAnswer::Card(life.ring.card().filter(|_| who == self.me).cloned())),
            other => panic!("{other:?}"),
        }
    }

    /// An answer, or `None` if none will come.
    pub fn answered(&mut self, now: Now, asker: Asker, answer: Option<DirectAnswer>) {
        let Some(life) = &mut self.life else { return };
        match (asker, answer) {
            (Asker::Outbox(request), Some(answer)) => {
                life.outbox.handle(now, outbox::Input::Answer { request, answer });
            }
            (Asker::Outbox(request), None) => life.outbox.handle(now, outbox::Input::RequestFailed { request }),
            (Asker::Collector(request), Some(answer)) => {
                life.collector.handle(now, collecting::Input::Answered { request, answer });
            }
            (Asker::Collector(request), None) => life.collector.handle(now, collecting::Input::Failed { request }),
            (Asker::Search, Some(DirectAnswer::Card(Some(card)))) => {
                life.outbox.handle(now, outbox::Input::Card(card));
            }
            (Asker::Search, _) => {}
        }
    }

    /// A person is connected, or is not any more.
    pub fn linked(&mut self, now: Now, with: Author, up: bool) {
        let Some(life) = &mut self.life else { return };
        life.outbox.handle(now, if up { outbox::Input::PeerUp(with) } else { outbox::Input::PeerDown(with) });
    }

    /// A mailbox is connected, or is not any more.
    pub fn mailbox_linked(&mut self, now: Now, mailbox: Author, up: bool) {
        let Some(life) = &mut self.life else { return };
        let peer = peer(&mailbox);
        let input = if up { collecting::Input::PeerUp(peer) } else { collecting::Input::PeerDown(peer) };
        life.collector.handle(now, input);
    }

    pub fn found(&mut self, now: Now, mailboxes: Vec<Mailbox>) {
        let Some(life) = &mut self.life else { return };
        life.collector.handle(now, collecting::Input::Candidates(mailboxes));
    }

    /// A store does something, or fails at all that it was asked.
    pub fn disk(&mut self, now: Now, machine: Machine, rng: &mut ChaCha8Rng) {
        let Some(life) = &mut self.life else { return };
        match machine {
            Machine::Outbox => {
                if let Some(input) = step(&mut self.outbox_disk, rng) {
                    let failed = outbox::Input::PersistFailed;
                    life.outbox.handle(now, input.map_or(failed, |through| outbox::Input::Persisted { through }));
                }
            }
            Machine::Inbox => {
                if let Some(input) = step(&mut self.inbox_disk, rng) {
                    let places = self.inbox_disk.holds.places();
                    places.into_iter().for_each(|place| self.witness.is_durable(now.mono_ms, place));
                    let failed = inbox::Input::PersistFailed;
                    let input = input.map_or(failed, |through| inbox::Input::Persisted { through });
                    life.inbox.handle(now, &life.ring, input);
                }
            }
            Machine::Keys => {
                if let Some(input) = step(&mut self.keys_disk, rng) {
                    let failed = keys::Input::PersistFailed;
                    life.ring.handle(now, input.map_or(failed, |through| keys::Input::Persisted { through }));
                }
            }
            Machine::Mailbox => panic!("people have none"),
        }
    }

    pub fn due(&self) -> Option<Deadline> {
        let life = self.life.as_ref()?;
        let due = [
            life.outbox.poll_timeout(),
            life.inbox.poll_timeout(),
            life.ring.poll_timeout(),
            life.collector.poll_timeout(),
        ];
        due.into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Now) {
        let Some(life) = &mut self.life else { return };
        let is_due = |at: Option<Deadline>| at.is_some_and(|at| now.reached(at));
        if is_due(life.outbox.poll_timeout()) {
            life.outbox.handle_timeout(now);
        }
        if is_due(life.inbox.poll_timeout()) {
            life.inbox.handle_timeout(now);
        }
        if is_due(life.ring.poll_timeout()) {
            life.ring.handle_timeout(now);
        }
        if is_due(life.collector.poll_timeout()) {
            life.collector.handle_timeout(now);
        }
    }
}

/// Lets a store do some of what it was asked, if anything: through which commit, or `None` if it failed.
pub fn step<H: super::disk::Holds>(disk: &mut Disk<H>, rng: &mut ChaCha8Rng) -> Option<Option<CommitId>> {
    if disk.asked() == 0 {
        return None;
    }
    if !disk.works {
        disk.forget();
        return Some(None);
    }
    let commits = rng.random_range(1..=disk.asked());
    Some(disk.write(commits))
}

pub fn peer(author: &Author) -> PeerId {
    author.peer_id().unwrap()
}
