//! Conduct: how much misbehaviour is too much.
//!
//! Each [`Offence`] costs its peer points; a score of [`THRESHOLD`] has it banned. Scores fade by [`FADE`], so that what happens
//! once in a while, by a bug or a flipped bit, never adds up. Being slow, out of date or unreachable is no offence.
//!
//! | offence | points | alone bans at | why |
//! |---|---|---|---|
//! | bad signature | 50 | the 2nd | correct peers check before they pass on |
//! | broken log | 50 | the 2nd | the same |
//! | oversized | 25 | the 4th | limits are part of the protocol, but versions may differ |
//! | not allowed | 25 | the 4th | a member may have heard of a change of rules before us |
//! | bad letter | 20 | the 5th | a letter that does not open or is for somebody else may be damage, a stream of them is garbage |
//! | malformed | 20 | the 5th | one may be damage or a newer version, a stream of them is garbage |
//! | wrong answer | 20 | the 5th | the same |
//! | clock ahead | 10, up to 50 | never | the wrong clock may be ours, and then every peer seems to be ahead |
//! | flood | 1 | the 100th | one is reported for every message over the limit |
//!
//! | a peer is | until |
//! |---|---|
//! | free | its score reaches the threshold |
//! | banned, score 0 | 5 minutes are over; twice as long each further time, up to a day |
//! | free, on record | a day has passed without a ban; then the next is again for 5 minutes |
//!
//! Peer ids cost nothing, so a ban holds up only those that cannot or will not change theirs; what bounds the rest is how many
//! connections there may be at all. At most [`MAX_PEERS`] are on record. For a further one, whoever has the lowest
//! score and is not banned is forgotten; when all are banned, the ban that ends soonest ends now.
//!
//! What counts as [`Offence::Flood`] is said in [`crate::inbound`].

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;

use crate::{
    offence::Offence,
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

/// Points at which a peer is banned.
pub const THRESHOLD: u64 = 100;

/// How fast points fade: one in 6 seconds, a full score in 10 minutes.
pub const FADE: Rate = Rate { tokens: 1, period_ms: 6_000, burst: THRESHOLD };

/// Milliseconds of a first ban: long enough to stop a flood, short enough for a mistake of ours.
pub const FIRST_BAN_MS: u64 = 5 * 60_000;

/// Milliseconds of the longest ban, and after which bans are forgotten.
pub const LONGEST_BAN_MS: u64 = 24 * 3_600_000;

/// Peers on record. Ten times as many as are connected.
pub const MAX_PEERS: usize = 2_048;

/// Points for an offence.
pub fn weight(offence: Offence) -> u64 {
    match offence {
        Offence::BadSignature | Offence::BrokenLog => 50,
        Offence::Oversized | Offence::NotAllowed => 25,
        Offence::Malformed | Offence::WrongAnswer | Offence::BadLetter => 20,
        Offence::ClockAhead => 10,
        Offence::Flood => 1,
    }
}

/// The score up to which an offence counts.
fn ceiling(offence: Offence) -> u64 {
    if offence == Offence::ClockAhead { THRESHOLD / 2 } else { THRESHOLD }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A peer broke the protocol.
    Offence {
        /// Who.
        peer: PeerId,
        /// How.
        offence: Offence,
    },
    /// The user forgives a peer everything.
    Pardon(PeerId),
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Disconnect a peer and keep it out.
    Ban {
        /// Who.
        peer: PeerId,
        /// What it did last.
        offence: Offence,
        /// Until when; [`Output::Unban`] will say so.
        until: Deadline,
    },
    /// Let a peer in again.
    Unban(PeerId),
}

#[derive(Debug)]
struct Record {
    /// Holds what is left of [`THRESHOLD`]: fading is filling.
    patience: TokenBucket,
    bans: u32,
    banned_until_ms: Option<u64>,
    /// When the last ban is forgotten.
    forget_ms: u64,
}

impl Record {
    fn score(&self, now: Now) -> u64 {
        THRESHOLD - self.patience.available(now)
    }

    fn is_clean(&self, now: Now) -> bool {
        self.banned_until_ms.is_none() && self.forget_ms <= now.mono_ms && self.score(now) == 0
    }
}

/// Keeps the score of every peer that gave cause to.
#[derive(Default)]
pub struct Conduct {
    records: BTreeMap<PeerId, Record>,
    counts: BTreeMap<Offence, u64>,
    outputs: VecDeque<Output>,
}

impl Conduct {
    /// Nobody has done anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often something happened, whoever did it.
    pub fn count(&self, offence: Offence) -> u64 {
        self.counts.get(&offence).copied().unwrap_or_default()
    }

    /// A peer's points, from 0 to [`THRESHOLD`].
    pub fn score(&self, now: Now, peer: &PeerId) -> u64 {
        self.records.get(peer).map_or(0, |record| record.score(now))
    }

    /// Until when a peer is banned, if it is.
    pub fn banned_until(&self, peer: &PeerId) -> Option<Deadline> {
        self.records.get(peer)?.banned_until_ms.map(Deadline)
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.handle_timeout(now);
        match input {
            Input::Offence { peer, offence } => self.offence(now, peer, offence),
            Input::Pardon(peer) => {
                let banned = self.records.remove(&peer).is_some_and(|record| record.banned_until_ms.is_some());
                self.outputs.extend(banned.then_some(Output::Unban(peer)));
            }
        }
    }

    /// Ends the bans that are over.
    pub fn handle_timeout(&mut self, now: Now) {
        for (peer, record) in &mut self.records {
            if record.banned_until_ms.is_some_and(|until_ms| until_ms <= now.mono_ms) {
                record.banned_until_ms = None;
                self.outputs.push_back(Output::Unban(*peer));
            }
        }
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the next ban ends.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.records.values().filter_map(|record| record.banned_until_ms).min().map(Deadline)
    }

    fn offence(&mut self, now: Now, peer: PeerId, offence: Offence) {
        let count = self.counts.entry(offence).or_default();
        *count = count.saturating_add(1);
        if !self.records.contains_key(&peer) && self.records.len() >= MAX_PEERS {
            self.make_room(now);
        }
        let record = self.records.entry(peer).or_insert_with(|| Record {
            patience: TokenBucket::new(FADE, now),
            bans: 0,
            banned_until_ms: None,
            forget_ms: 0,
        });
        // What a banned peer sent before the connection closed was punished already.
        if record.banned_until_ms.is_some() {
            return;
        }
        let points = weight(offence).min(ceiling(offence).saturating_sub(record.score(now)));
        // There are that many left: a score is never above the threshold, nor a ceiling.
        _ = record.patience.take(now, points);
        if record.patience.available(now) > 0 {
            return;
        }
        if record.forget_ms <= now.mono_ms {
            record.bans = 0;
        }
        let ban_ms = FIRST_BAN_MS.saturating_mul(1 << record.bans.min(32)).min(LONGEST_BAN_MS);
        record.bans = record.bans.saturating_add(1);
        let until = now.after(ban_ms);
        record.banned_until_ms = Some(until.0);
        record.forget_ms = until.0.saturating_add(LONGEST_BAN_MS);
        record.patience = TokenBucket::new(FADE, now);
        self.outputs.push_back(Output::Ban { peer, offence, until });
    }

    /// Forgets those with nothing against them, or else whoever matters least.
    fn make_room(&mut self, now: Now) {
        self.records.retain(|_, record| !record.is_clean(now));
        if self.records.len() < MAX_PEERS {
            return;
        }
        let least = |(_, record): &(&PeerId, &Record)| (record.banned_until_ms, record.bans, record.score(now));
        if let Some((&peer, record)) = self.records.iter().min_by_key(least) {
            self.outputs.extend(record.banned_until_ms.map(|_| Output::Unban(peer)));
            self.records.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{at, cheap_peer as peer};

    fn offend(machine: &mut Conduct, now: Now, n: u32, offence: Offence) -> Vec<Output> {
        machine.handle(now, Input::Offence { peer: peer(n), offence });
        std::iter::from_fn(|| machine.poll_output()).collect()
    }

    #[test]
    fn each_offence_bans_at_the_number_the_table_gives() {
        let table = [
            (Offence::BadSignature, 2),
            (Offence::BrokenLog, 2),
            (Offence::Oversized, 4),
            (Offence::NotAllowed, 4),
            (Offence::Malformed, 5),
            (Offence::WrongAnswer, 5),
            (Offence::Flood, 100),
        ];
        for (offence, number) in table {
            let mut machine = Conduct::new();
            for nth in 1..=number {
                assert_eq!(offend(&mut machine, at(0), 1, offence).is_empty(), nth < number, "{offence} {nth}");
            }
            assert_eq!(machine.count(offence), number);
        }
    }

    #[test]
    fn a_clock_ahead_costs_points_but_never_bans() {
        let mut machine = Conduct::new();
        (0..10_000).for_each(|_| assert_eq!(offend(&mut machine, at(0), 1, Offence::ClockAhead), []));
        assert_eq!(machine.score(at(0), &peer(1)), 50);
        assert_eq!(machine.count(Offence::ClockAhead), 10_000);
    }

    #[test]
    fn bans_end_and_grow_and_are_forgotten_after_a_good_day() {
        let mut machine = Conduct::new();
        let mut now_ms = 0;
        for expected_ms in [1, 2, 4, 8, 16, 32, 64, 128, 256, 288, 288].map(|n| n * FIRST_BAN_MS) {
            offend(&mut machine, at(now_ms), 1, Offence::BadSignature);
            let banned = offend(&mut machine, at(now_ms), 1, Offence::BadSignature);
            let until = Deadline(now_ms + expected_ms);
            assert_eq!(banned, [Output::Ban { peer: peer(1), offence: Offence::BadSignature, until }]);
            assert_eq!(offend(&mut machine, at(now_ms), 1, Offence::BadSignature), []);
            assert_eq!(machine.poll_timeout(), Some(until));
            now_ms = until.0;
            machine.handle_timeout(at(now_ms));
            assert_eq!(machine.poll_output(), Some(Output::Unban(peer(1))));
        }
        now_ms += LONGEST_BAN_MS;
        offend(&mut machine, at(now_ms), 1, Offence::BrokenLog);
        let banned = offend(&mut machine, at(now_ms), 1, Offence::BrokenLog);
        assert!(matches!(banned[..], [Output::Ban { until, .. }] if until == Deadline(now_ms + FIRST_BAN_MS)));
    }

    #[test]
    fn a_pardon_ends_a_ban() {
        let mut machine = Conduct::new();
        (0..2).for_each(|_| _ = offend(&mut machine, at(0), 1, Offence::BadSignature));
        machine.handle(at(0), Input::Pardon(peer(1)));
        assert_eq!(machine.poll_output(), Some(Output::Unban(peer(1))));
        assert_eq!(machine.banned_until(&peer(1)), None);
    }

    #[test]
    fn a_crowd_of_offenders_stays_within_bounds_and_frees_nobody_banned() {
        let mut machine = Conduct::new();
        (0..2).for_each(|_| _ = offend(&mut machine, at(0), 0, Offence::BadSignature));
        for n in 1..3 * MAX_PEERS as u32 {
            assert_eq!(offend(&mut machine, at(1), n, Offence::Malformed), []);
            assert!(machine.records.len() <= MAX_PEERS);
        }
        assert!(machine.banned_until(&peer(0)).is_some());
    }

    #[test]
    fn when_all_on_record_are_banned_the_ban_that_ends_soonest_ends() {
        let mut machine = Conduct::new();
        for n in 0..MAX_PEERS as u32 {
            (0..2).for_each(|_| _ = offend(&mut machine, at(u64::from(n)), n, Offence::BadSignature));
        }
        let outputs = offend(&mut machine, at(5_000), 1_000_000, Offence::Malformed);
        assert_eq!(outputs, [Output::Unban(peer(0))]);
    }

    proptest! {
        #[test]
        fn a_mistake_now_and_then_and_a_wrong_clock_never_ban(
            steps in prop::collection::vec((0usize..4, 150_000u64..600_000, prop::collection::vec(0u64..150_000, 0..20)), 1..100),
        ) {
            let honest = [Offence::Malformed, Offence::Oversized, Offence::NotAllowed, Offence::WrongAnswer];
            let mut machine = Conduct::new();
            let mut now_ms = 0;
            for (which, wait_ms, mut clocks) in steps {
                clocks.sort_unstable();
                for offset in clocks {
                    prop_assert_eq!(offend(&mut machine, at(now_ms + offset), 1, Offence::ClockAhead), []);
                }
                now_ms += wait_ms;
                prop_assert_eq!(offend(&mut machine, at(now_ms), 1, honest[which]), []);
            }
        }

        #[test]
        fn every_ban_is_ended_once(steps in prop::collection::vec((0u32..4, 0usize..8, 0u64..200_000), 1..300)) {
            let mut machine = Conduct::new();
            let mut banned = std::collections::BTreeSet::new();
            let mut now_ms = 0;
            for (n, which, wait_ms) in steps {
                now_ms += wait_ms;
                for output in offend(&mut machine, at(now_ms), n, Offence::ALL[which]) {
                    match output {
                        Output::Ban { peer, until, .. } => prop_assert!(banned.insert(peer) && until.0 > now_ms),
                        Output::Unban(peer) => prop_assert!(banned.remove(&peer)),
                    }
                }
                prop_assert!(machine.poll_timeout().is_none_or(|deadline| deadline.0 > now_ms));
            }
            machine.handle_timeout(at(u64::MAX));
            while let Some(Output::Unban(peer)) = machine.poll_output() {
                prop_assert!(banned.remove(&peer));
            }
            prop_assert!(banned.is_empty());
        }
    }
}
