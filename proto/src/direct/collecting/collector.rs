//! The machine that the module above describes.

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Config, Input, Output, RequestId, SEEK, SHUN_MS, SHUN_TRIAL_MS,
    spares::Spares,
    station::{Heard, Station, Step},
};
use crate::{
    backoff::Backoff,
    direct::{
        card::{MAX_MAILBOXES, Mailbox, SignedCard},
        message::DirectAnswer,
    },
    ids::Author,
    time::{Deadline, Now},
};

/// The recipient's side of mailboxes.
#[derive(Debug)]
pub struct Collector {
    us: Author,
    card: Option<SignedCard>,
    stations: BTreeMap<PeerId, Station>,
    spares: Spares,
    rng: ChaCha8Rng,
    next_request: u64,
    /// Before this, no search begins.
    seek: Deadline,
    seek_backoff: Backoff,
    outputs: VecDeque<Output>,
}

impl Collector {
    /// One that has asked nobody yet.
    pub fn new(now: Now, config: Config) -> Self {
        let station = |mailbox: Mailbox| {
            let peer = PeerId::from_bytes(&mailbox.peer).ok()?;
            Some((peer, Station::new(now, mailbox, true)))
        };
        Self {
            us: config.us,
            card: None,
            stations: config.named.into_iter().take(MAX_MAILBOXES).filter_map(station).collect(),
            spares: Spares::default(),
            rng: ChaCha8Rng::from_seed(config.seed),
            next_request: 0,
            seek: now.after(0),
            seek_backoff: Backoff::default(),
            outputs: VecDeque::new(),
        }
    }

    /// The mailboxes that our card names, or the next one will.
    pub fn named(&self) -> Vec<Mailbox> {
        self.stations.values().filter(|station| station.is_named).map(|station| station.mailbox.clone()).collect()
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Candidates(mailboxes) => self.found(now, mailboxes),
            Input::PeerUp(peer) => {
                if let Some(station) = self.stations.get_mut(&peer) {
                    station.peer_up(now);
                }
            }
            Input::PeerDown(peer) => {
                if let Some(station) = self.stations.get_mut(&peer) {
                    station.peer_down();
                }
            }
            Input::Card(card) => self.card = Some(card),
            Input::Answered { request, answer } => self.answered(now, request, answer),
            Input::Failed { request } => {
                if let Some(station) = self.stations.values_mut().find(|station| station.is_asked(request)) {
                    station.failed(now, &mut self.rng);
                }
            }
            Input::Discard { mailbox, ids } => {
                if let Some(station) = self.stations.get_mut(&mailbox) {
                    station.discard(ids);
                }
            }
            Input::Left { mailbox, id, soon } => {
                if let Some(station) = self.stations.get_mut(&mailbox) {
                    station.left(now, &id, soon);
                }
            }
        }
        self.advance(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Collector::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let card = self.card.as_ref();
        let stations = self.stations.values().filter_map(|station| station.deadline(card));
        stations.chain(card.map(|_| self.seek)).min()
    }

    fn advance(&mut self, now: Now) {
        let failed: Vec<PeerId> =
            self.stations.iter().filter(|(_, station)| station.failed_trial(now)).map(|(peer, _)| *peer).collect();
        for peer in failed {
            self.remove(now, peer, SHUN_TRIAL_MS);
        }
        if self.card.is_some() {
            self.begin_trials(now);
        }
        for (peer, station) in &mut self.stations {
            let request = RequestId(self.next_request);
            match station.step(now, self.card.as_ref(), request, &mut self.rng) {
                Some(Step::Reach) => self.outputs.push_back(Output::Reach(station.mailbox.clone())),
                Some(Step::Ask(question)) => {
                    self.next_request += 1;
                    self.outputs.push_back(Output::Ask { mailbox: *peer, request, question });
                }
                None => {}
            }
        }
    }

    // ---- who keeps our letters

    fn found(&mut self, now: Now, mailboxes: Vec<Mailbox>) {
        let own = self.us.peer_id().map(|peer| peer.to_bytes());
        for mailbox in mailboxes {
            let used = PeerId::from_bytes(&mailbox.peer).is_ok_and(|peer| self.stations.contains_key(&peer));
            if !used && Some(&mailbox.peer) != own.as_ref() {
                self.spares.add(now, mailbox);
            }
        }
    }

    /// Tries as many mailboxes as are missing, or one if one is to be replaced; and seeks more when there are too few.
    fn begin_trials(&mut self, now: Now) {
        let named = self.stations.values().filter(|station| station.is_named).count();
        let failing = usize::from(self.longest_failing(now).is_some());
        let wanted = MAX_MAILBOXES.saturating_sub(named).max(failing);
        let mut trials = self.stations.len() - named;
        while trials < wanted
            && let Some((peer, mailbox)) = self.spares.take(&mut self.rng)
        {
            self.stations.insert(peer, Station::new(now, mailbox, false));
            trials += 1;
        }
        if wanted == 0 {
            self.seek_backoff.reset();
        }
        if now.reached(self.seek) {
            self.seek = now.after(SEEK.cap_ms);
            if trials < wanted {
                self.outputs.push_back(Output::Seek);
                self.seek_soon(now);
            }
        }
    }

    /// Seeks again before long, less often the longer it is in vain.
    fn seek_soon(&mut self, now: Now) {
        self.seek = self.seek.min(now.after(self.seek_backoff.fail(SEEK, &mut self.rng)));
    }

    fn longest_failing(&self, now: Now) -> Option<PeerId> {
        let named = self.stations.iter().filter(|(_, station)| station.is_named);
        let failing = named.filter_map(|(peer, station)| Some((station.failing(now)?, *peer)));
        failing.min().map(|(_, peer)| peer)
    }

    /// A mailbox on trial took our registration.
    fn name(&mut self, now: Now, peer: PeerId) {
        let named = self.stations.values().filter(|station| station.is_named).count();
        if named >= MAX_MAILBOXES {
            let Some(failing) = self.longest_failing(now) else {
                // It came back meanwhile.
                self.stations.remove(&peer);
                return;
            };
            self.stations.remove(&failing);
            self.spares.shun(failing, now.after(SHUN_MS));
        }
        if let Some(station) = self.stations.get_mut(&peer) {
            station.is_named = true;
        }
        self.outputs.push_back(Output::Chosen(self.named()));
    }

    fn remove(&mut self, now: Now, peer: PeerId, shun_ms: u64) {
        self.spares.shun(peer, now.after(shun_ms));
        self.seek_soon(now);
        if self.stations.remove(&peer).is_some_and(|station| station.is_named) {
            self.outputs.push_back(Output::Chosen(self.named()));
        }
    }

    // ---- what they say

    fn answered(&mut self, now: Now, request: RequestId, answer: DirectAnswer) {
        let Some((peer, station)) = self.stations.iter_mut().find(|(_, station)| station.is_asked(request)) else {
            return;
        };
        let mailbox = *peer;
        let was_named = station.is_named;
        match station.answered(now, self.us, answer, &mut self.rng) {
            Heard::Nothing => {}
            Heard::Registered if was_named => {}
            Heard::Registered => self.name(now, mailbox),
            Heard::Page(page) => {
                let came = page.fresh.into_iter().map(|envelope| Output::Came { mailbox, envelope });
                self.outputs.extend(came);
            }
            Heard::Shun => self.remove(now, mailbox, SHUN_MS),
        }
    }
}
