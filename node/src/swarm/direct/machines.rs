//! The machines of one who writes and is written to.

use std::sync::Arc;

use proto::{
    direct::{
        collecting::{self, Collector},
        inbox::{self, Inbox, Person, Stream},
        keys::{self, KeyRing},
        letter::StreamId,
        outbox::{self, Outbox},
    },
    ids::{Author, LogId},
    signature::{Signer, Verifier},
    time::{Deadline, Now},
};
use rand::{RngExt, rngs::StdRng};

use crate::swarm::journal::{DirectCommit, Written};

/// What they are made of.
pub struct Config {
    /// Whose they are.
    pub signer: Signer,
    /// Says whether signatures are good.
    pub verifier: Arc<dyn Verifier>,
    /// The store's own random number.
    pub own_log: LogId,
    /// Whether those who write to us are told what was read.
    pub read_receipts: bool,
    /// Seeds keys, sealing, jitter and lots.
    pub rng: StdRng,
}

/// What the store holds of them.
pub struct Saved {
    /// Our keys; none at the first start.
    pub keys: Option<keys::Stored>,
    /// What is known of people.
    pub people: Vec<(Author, Person)>,
    /// What has come of streams.
    pub streams: Vec<(Author, StreamId, Stream)>,
    /// What we wrote.
    pub outbox: outbox::Saved,
}

/// The machines.
pub struct Machines {
    /// Our keys and our card.
    pub keys: KeyRing,
    /// What came.
    pub inbox: Inbox,
    /// What we wrote.
    pub outbox: Outbox,
    /// What is fetched from mailboxes.
    pub collector: Collector,
}

impl Machines {
    /// With what the store holds.
    pub fn new(now: Now, config: Config, saved: Saved) -> Self {
        let Config { signer, verifier, own_log, read_receipts, mut rng } = config;
        let owner = signer.author();
        let key_config = keys::Config { signer: signer.clone(), seed: rng.random() };
        let keys = match saved.keys {
            Some(stored) => KeyRing::restore(now, key_config, stored),
            None => KeyRing::new(now, key_config),
        };
        let mut inbox = Inbox::new(now, inbox::Config { owner, verifier: Arc::clone(&verifier), read_receipts });
        for (who, person) in saved.people {
            inbox.restore_person(who, person);
        }
        for (who, id, stream) in saved.streams {
            inbox.restore_stream(now, who, id, stream);
        }
        let outbox = outbox::Config { signer, verifier, stream: StreamId(own_log.0), seed: rng.random() };
        let named = keys.card().map(|card| card.card.mailboxes.clone()).unwrap_or_default();
        Self {
            keys,
            inbox,
            outbox: Outbox::restore(now, outbox, saved.outbox),
            collector: Collector::new(now, collecting::Config { us: owner, named, seed: rng.random() }),
        }
    }

    /// The store answered.
    pub fn written(&mut self, now: Now, written: &Written) {
        let failed = written.result.is_err();
        let (mut keys, mut inbox, mut outbox) = (None, None, None);
        for commit in &written.direct {
            match *commit {
                DirectCommit::Keys(commit) => keys = Some(commit),
                DirectCommit::Inbox(commit) => inbox = Some(commit),
                DirectCommit::Outbox(commit) => outbox = Some(commit),
                DirectCommit::Mailbox(_) | DirectCommit::Contact | DirectCommit::Seen | DirectCommit::Private(_) => {}
            }
        }
        if let Some(through) = keys {
            let input = if failed { keys::Input::PersistFailed } else { keys::Input::Persisted { through } };
            self.keys.handle(now, input);
        }
        if let Some(through) = inbox {
            let input = if failed { inbox::Input::PersistFailed } else { inbox::Input::Persisted { through } };
            self.inbox.handle(now, &self.keys, input);
        }
        if let Some(through) = outbox {
            let input = if failed { outbox::Input::PersistFailed } else { outbox::Input::Persisted { through } };
            self.outbox.handle(now, input);
        }
    }

    /// When [`Machines::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        let first = Deadline::earliest(self.keys.poll_timeout(), self.inbox.poll_timeout());
        let last = Deadline::earliest(self.outbox.poll_timeout(), self.collector.poll_timeout());
        Deadline::earliest(first, last)
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Now) {
        let due = |deadline: Option<Deadline>| deadline.is_some_and(|at| now.reached(at));
        if due(self.keys.poll_timeout()) {
            self.keys.handle_timeout(now);
        }
        if due(self.inbox.poll_timeout()) {
            self.inbox.handle_timeout(now);
        }
        if due(self.outbox.poll_timeout()) {
            self.outbox.handle_timeout(now);
        }
        if due(self.collector.poll_timeout()) {
            self.collector.handle_timeout(now);
        }
    }
}
