//! A mailbox: letters kept for others. Drives [`proto::direct::mailbox`].

use std::sync::Arc;

use libp2p::{Multiaddr, PeerId};
use proto::{
    connectivity::neighbourhood,
    direct::{
        finding::card_key,
        mailbox::{self, CommitId, Depositor, Input, Keeper, Output},
        message::{DirectAnswer, DirectQuestion},
    },
    ids::Author,
    signature::Verifier,
    time::{Deadline, Now},
};

use super::{questions::Questions, shelf};
use crate::{
    model::MailboxStatus,
    swarm::{
        context::Cx,
        journal::DirectCommit,
        providing::{Providing, Sake},
    },
};

/// A mailbox.
pub struct Keeping {
    keeper: Keeper,
}

impl Keeping {
    /// With what the store holds.
    pub fn new(now: Now, settings: mailbox::Settings, verifier: Arc<dyn Verifier>, stored: mailbox::Stored) -> Self {
        Self { keeper: Keeper::new(now, mailbox::Config { settings, verifier }, stored) }
    }

    /// A peer asks; the answer goes to `token`. `from` is where it is connected from.
    pub fn asked(&mut self, now: Now, peer: PeerId, token: u64, question: DirectQuestion, from: Option<&Multiaddr>) {
        // Whoever's id holds no key is nobody's recipient, and nothing is kept for it.
        let asker = Author::from_peer_id(&peer).unwrap_or(Author([0; 32]));
        let from = Depositor(from.map_or(0, |address| neighbourhood(&address.to_string())));
        let input = match question {
            // Letters for ourselves are no mailbox's.
            DirectQuestion::Deliver(_) => return,
            DirectQuestion::Card(author) => Input::Card { token, author },
            DirectQuestion::Deposit(envelopes) => Input::Deposit { token, depositor: from, envelopes },
            DirectQuestion::Register(card) => Input::Register { token, asker, from, card },
            DirectQuestion::Collect { after } => Input::Collect { token, asker, after },
            DirectQuestion::Discard(ids) => Input::Discard { token, asker, ids },
        };
        self.keeper.handle(now, input);
    }

    /// The store answered.
    pub fn written(&mut self, now: Now, through: CommitId, failed: bool) {
        self.keeper.handle(now, if failed { Input::PersistFailed } else { Input::Persisted { through } });
    }

    /// When [`Keeping::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.keeper.poll_timeout()
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Now) {
        if self.deadline().is_some_and(|at| now.reached(at)) {
            self.keeper.handle_timeout(now);
        }
    }

    /// Carries out what the machine wants.
    pub fn drain(&mut self, cx: &mut Cx, questions: &mut Questions, providing: &mut Providing) {
        while let Some(output) = self.keeper.poll_output() {
            match output {
                Output::Persist { commit, changes } => {
                    cx.journal.direct(DirectCommit::Mailbox(commit), shelf::mailbox(changes));
                }
                Output::Answer { token, answer } => questions.answer(cx.behaviour, token, answer),
                Output::Serve { token, .. } if !cx.reads.has_room() => {
                    questions.answer(cx.behaviour, token, DirectAnswer::Unavailable);
                }
                Output::Serve { token, ids, more } => cx.reads.letters(token, &ids, more),
                Output::Provide(author) => providing.add(cx.now, card_key(&author), Sake::Others),
                Output::StopProviding(author) => {
                    providing.remove(&mut cx.behaviour.kad, &card_key(&author));
                }
            }
        }
    }

    /// What it keeps.
    pub fn status(&self) -> MailboxStatus {
        let load = self.keeper.load();
        MailboxStatus { recipients: load.recipients as u64, letters: load.letters, bytes: load.bytes }
    }

    /// What was not done, by reason.
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        let counters = self.keeper.counters();
        [
            ("mailbox_not_wanted", counters.not_wanted),
            ("mailbox_full", counters.full),
            ("mailbox_invalid", counters.invalid),
            ("mailbox_too_often", counters.too_often),
            ("mailbox_unavailable", counters.unavailable),
        ]
    }
}
