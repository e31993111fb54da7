//! One mailbox that we use, and what is open with it.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;

use super::{
    AGAIN_MS, FAILING_MS, JITTER_PERCENT, MAX_TO_DISCARD, MAX_USELESS_ROUNDS, RENEW_MS, RETRY, ROUND_MS, RequestId,
    TRIAL_MS,
    round::{Gone, Page, Round, Useless},
};
use crate::{
    backoff::{Backoff, jittered},
    direct::{
        card::{Mailbox, SignedCard},
        letter::EnvelopeId,
        message::{DirectAnswer, DirectQuestion, MAX_DISCARDED, Refusal},
    },
    ids::Author,
    time::{Deadline, Now},
};

/// What was asked.
#[derive(Debug, Clone)]
enum Asked {
    Register { issued_ms: u64 },
    Collect,
    Discard(Vec<EnvelopeId>),
}

/// The registration that a mailbox took.
#[derive(Debug, Clone, Copy)]
struct Registered {
    issued_ms: u64,
    renew: Deadline,
}

/// What to do next with a mailbox.
#[derive(Debug, Clone)]
pub enum Step {
    /// Connect to it.
    Reach,
    /// Ask it.
    Ask(DirectQuestion),
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing to anybody else.
    Nothing,
    /// The mailbox took our registration.
    Registered,
    /// It brought letters.
    Page(Page),
    /// It is of no use.
    Shun,
}

/// A mailbox.
#[derive(Debug, Clone)]
pub struct Station {
    /// Which.
    pub mailbox: Mailbox,
    /// Whether our card names it, or the next one will. Else it is on trial.
    pub is_named: bool,
    up: bool,
    since: Now,
    /// Before this it is left alone.
    rest: Deadline,
    backoff: Backoff,
    failing_since: Option<Now>,
    registered: Option<Registered>,
    asked: Option<(RequestId, Asked)>,
    next_round: Deadline,
    round: Option<Round>,
    useless_rounds: u32,
    /// Whether the inbox had no room for letters of this round and may have before long.
    left_soon: bool,
    to_discard: BTreeSet<EnvelopeId>,
    gone: Gone,
}

impl Station {
    /// One that is not connected yet.
    pub fn new(now: Now, mailbox: Mailbox, is_named: bool) -> Self {
        Self {
            mailbox,
            is_named,
            up: false,
            since: now,
            rest: now.after(0),
            backoff: Backoff::default(),
            failing_since: None,
            registered: None,
            asked: None,
            next_round: now.after(0),
            round: None,
            useless_rounds: 0,
            left_soon: false,
            to_discard: BTreeSet::new(),
            gone: Gone::default(),
        }
    }

    /// Since when it has been failing, if that is long.
    pub fn failing(&self, now: Now) -> Option<Now> {
        self.failing_since.filter(|since| now.mono_ms.saturating_sub(since.mono_ms) >= FAILING_MS)
    }

    /// Whether its trial is over, without success.
    pub fn failed_trial(&self, now: Now) -> bool {
        !self.is_named && now.reached(self.since.after(TRIAL_MS))
    }

    /// Whether this question is open with it.
    pub fn is_asked(&self, request: RequestId) -> bool {
        self.asked.as_ref().is_some_and(|(asked, _)| *asked == request)
    }

    /// It is connected: a good moment to collect.
    pub fn peer_up(&mut self, now: Now) {
        if !self.up {
            (self.up, self.rest, self.next_round) = (true, now.after(0), now.after(0));
        }
    }

    /// It is not connected any more.
    pub fn peer_down(&mut self) {
        self.up = false;
    }

    /// The inbox has seen to these.
    pub fn discard(&mut self, ids: Vec<EnvelopeId>) {
        for id in ids {
            if let Some(round) = &mut self.round {
                round.settled(&id);
            }
            if self.to_discard.len() < MAX_TO_DISCARD {
                self.to_discard.insert(id);
            }
        }
    }

    /// The inbox has no room for this one: the round goes on without it.
    pub fn left(&mut self, now: Now, id: &EnvelopeId, soon: bool) {
        self.left_soon |= soon;
        match &mut self.round {
            Some(round) => round.settled(id),
            None if soon => self.next_round = self.next_round.min(now.after(AGAIN_MS)),
            None => {}
        }
    }

    /// What to do with it now. The next question gets this name.
    pub fn step(
        &mut self,
        now: Now,
        card: Option<&SignedCard>,
        request: RequestId,
        rng: &mut ChaCha8Rng,
    ) -> Option<Step> {
        if self.asked.is_some() || !now.reached(self.rest) {
            return None;
        }
        if !self.up {
            // Counted as a failure, until it is connected and answers.
            self.rest_after_failure(now, rng);
            return Some(Step::Reach);
        }
        let (asked, question) = self.next_question(now, card)?;
        self.asked = Some((request, asked));
        Some(Step::Ask(question))
    }

    /// When there may be something to do with it. Not before a question is answered that is open.
    pub fn deadline(&self, card: Option<&SignedCard>) -> Option<Deadline> {
        let trial = (!self.is_named).then(|| self.since.after(TRIAL_MS));
        if self.asked.is_some() {
            return trial;
        }
        let renew = self.registered.filter(|_| card.is_some()).map(|registered| registered.renew);
        let work = match (&self.round, self.up) {
            (_, false) => Some(self.rest),
            // What else there is to do waits for nothing but the rest.
            (_, true) if self.needs_now(card) => Some(self.rest),
            (Some(round), true) => Deadline::earliest(renew, Some(round.end)),
            (None, true) => Deadline::earliest(renew, Some(self.next_round)),
        };
        Deadline::earliest(trial, work.map(|at| at.max(self.rest)))
    }

    /// Takes an answer to the question that is open.
    pub fn answered(&mut self, now: Now, us: Author, answer: DirectAnswer, rng: &mut ChaCha8Rng) -> Heard {
        let Some((_, asked)) = self.asked.take() else { return Heard::Nothing };
        let heard = match (asked, answer) {
            (_, DirectAnswer::Unavailable) => return self.no_luck(now, rng),
            (Asked::Register { issued_ms }, DirectAnswer::Registered { for_ms }) => {
                let renew = now.after(jittered(RENEW_MS.min(for_ms / 2), JITTER_PERCENT, rng));
                // However short it keeps us, we do not ask all the time.
                self.registered = Some(Registered { issued_ms, renew: renew.max(now.after(ROUND_MS)) });
                Heard::Registered
            }
            (Asked::Register { .. }, DirectAnswer::Refused(_)) => return Heard::Shun,
            (Asked::Collect, DirectAnswer::Refused(Refusal::NotWanted)) => {
                self.registered = None;
                return self.no_luck(now, rng);
            }
            (Asked::Collect, DirectAnswer::Letters { envelopes, more }) => {
                let Some(round) = &mut self.round else { return Heard::Nothing };
                match round.take(us, &self.gone, envelopes, more) {
                    Ok(page) => self.page(now, page, rng),
                    Err(Useless) => return self.useless(now, rng),
                }
            }
            (Asked::Discard(ids), DirectAnswer::Noted) => {
                for id in ids {
                    self.to_discard.remove(&id);
                    self.gone.insert(id);
                }
                Heard::Nothing
            }
            _ => return self.useless(now, rng),
        };
        self.backoff.reset();
        self.failing_since = None;
        heard
    }

    /// No answer will come to the question that is open.
    pub fn failed(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        self.asked = None;
        self.no_luck(now, rng);
    }

    // ---- what to ask

    fn registers(&self, card: Option<&SignedCard>) -> bool {
        card.is_some_and(|card| self.registered.is_none_or(|registered| registered.issued_ms != card.card.issued_ms))
    }

    /// Whether there is something to ask, whatever the time.
    fn needs_now(&self, card: Option<&SignedCard>) -> bool {
        self.registers(card) || self.round.as_ref().is_some_and(Round::wants_page) || self.discards().next().is_some()
    }

    /// What may be discarded: all but the letter at which the round is.
    fn discards(&self) -> impl Iterator<Item = EnvelopeId> {
        let cursor = self.round.as_ref().and_then(|round| round.cursor);
        self.to_discard.iter().copied().filter(move |id| Some(*id) != cursor)
    }

    fn next_question(&mut self, now: Now, card: Option<&SignedCard>) -> Option<(Asked, DirectQuestion)> {
        let renews = self.registered.is_some_and(|registered| now.reached(registered.renew));
        if let Some(card) = card.filter(|_| renews || self.registers(card)) {
            let issued_ms = card.card.issued_ms;
            return Some((Asked::Register { issued_ms }, DirectQuestion::Register(card.clone())));
        }
        self.round.take_if(|round| !round.wants_page() && now.reached(round.end));
        if self.round.is_none() && now.reached(self.next_round) {
            self.round = Some(Round::new(now.after(ROUND_MS)));
        }
        let page = self.round.as_ref().filter(|round| round.wants_page()).map(|round| round.cursor);
        let discards: Vec<EnvelopeId> = self.discards().take(MAX_DISCARDED).collect();
        match page {
            Some(after) if discards.len() < MAX_DISCARDED => Some((Asked::Collect, DirectQuestion::Collect { after })),
            _ if discards.is_empty() => None,
            _ => Some((Asked::Discard(discards.clone()), DirectQuestion::Discard(discards))),
        }
    }

    // ---- what answers mean

    fn page(&mut self, now: Now, page: Page, rng: &mut ChaCha8Rng) -> Heard {
        self.to_discard.extend(&page.again);
        if page.is_last {
            self.useless_rounds = 0;
            self.end_round(now, rng);
        }
        Heard::Page(page)
    }

    fn end_round(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        self.round = None;
        let wait_ms = if std::mem::take(&mut self.left_soon) { AGAIN_MS } else { ROUND_MS };
        self.next_round = now.after(jittered(wait_ms, JITTER_PERCENT, rng));
    }

    fn useless(&mut self, now: Now, rng: &mut ChaCha8Rng) -> Heard {
        self.useless_rounds += 1;
        self.end_round(now, rng);
        self.rest_after_failure(now, rng);
        if self.useless_rounds >= MAX_USELESS_ROUNDS { Heard::Shun } else { Heard::Nothing }
    }

    fn no_luck(&mut self, now: Now, rng: &mut ChaCha8Rng) -> Heard {
        if self.round.take().is_some() {
            self.next_round = now.after(0);
        }
        self.rest_after_failure(now, rng);
        Heard::Nothing
    }

    fn rest_after_failure(&mut self, now: Now, rng: &mut ChaCha8Rng) {
        self.failing_since.get_or_insert(now);
        self.rest = now.after(self.backoff.fail(RETRY, rng));
    }
}
