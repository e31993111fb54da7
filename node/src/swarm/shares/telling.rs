//! What each peer is to be told, and what it knows already.
//!
//! One thing is told to a peer at a time, so that what is told arrives in order; what gathers meanwhile is told together. A share's blocks
//! are told from a list of all that came ([`super::entry::Bytes::came`]): for each peer it is enough to know how far it was told.

use std::collections::BTreeMap;

use libp2p::PeerId;
use proto::{
    blob::BlobId,
    schedule::Schedule,
    time::{Deadline, Now},
    transfer::{
        TransferId,
        message::{MAX_TOLD_BLOCKS, MAX_TOLD_SHARES, News, ShareQuestion},
    },
};

/// Milliseconds for which blocks gather before they are told of.
pub const GATHER_MS: u64 = 100;

/// Milliseconds after which what could not be told is told again.
pub const AGAIN_MS: u64 = 2_000;

/// Milliseconds after which a peer is told that a survey wants nothing of it any more: until then it is known what it has for us besides.
pub const SETTLE_MS: u64 = 2_000;

/// What one peer knows of one share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    root: Option<BlobId>,
    /// How many of the blocks that came it was told of; `None` if it does not want to know.
    told: Option<usize>,
    wanting: bool,
    /// Whether a survey asked it for something, which tells it that we want something, or did until a moment ago.
    asks: bool,
    told_wanting: bool,
    gone: bool,
    told_gone: bool,
}

impl Known {
    fn is_wanting(&self) -> bool {
        self.wanting || self.asks
    }
}

/// What one peer knows.
#[derive(Debug, Default)]
struct Ear {
    serving: bool,
    told_serving: bool,
    shares: BTreeMap<TransferId, Known>,
    /// What is on its way: what the peer knew before.
    under_way: Option<Before>,
}

#[derive(Debug)]
struct Before {
    told_serving: bool,
    shares: BTreeMap<TransferId, Known>,
}

/// What all peers know. As many as are connected.
#[derive(Debug, Default)]
pub struct Telling {
    ears: BTreeMap<PeerId, Ear>,
    due: Schedule<PeerId>,
}

impl Telling {
    /// A peer asked about a share, and was told of so many of the blocks that came: it is told of the others.
    pub fn listens(&mut self, id: TransferId, root: BlobId, peer: PeerId, told: usize) {
        let known = self.ear(peer).shares.entry(id).or_default();
        (known.root, known.told, known.gone, known.told_gone) = (Some(root), Some(told), false, false);
    }

    /// Those that listen to a share.
    pub fn listeners(&self, id: TransferId) -> Vec<PeerId> {
        let listens = |ear: &Ear| ear.shares.get(&id).is_some_and(|known| known.told.is_some());
        self.ears.iter().filter(|(_, ear)| listens(ear)).map(|(peer, _)| *peer).collect()
    }

    /// Blocks of a share came.
    pub fn came(&mut self, now: Now, id: TransferId) {
        for peer in self.listeners(id) {
            self.due.set_if_none(peer, now.after(GATHER_MS));
        }
    }

    /// Whether we want something of a share that a peer has. Whether we want anything at all of it now.
    pub fn want(&mut self, now: Now, id: TransferId, root: BlobId, peer: PeerId, wanting: bool) -> bool {
        let ear = self.ear(peer);
        let known = ear.shares.entry(id).or_default();
        (known.root, known.wanting) = (Some(root), wanting);
        let any = ear.shares.values().any(|known| known.wanting);
        self.due.set_if_none(peer, now.after(0));
        any
    }

    /// A survey of ours asks a peer for something, which tells it that we want something.
    pub fn asks(&mut self, id: TransferId, root: BlobId, peer: PeerId) {
        let known = self.ear(peer).shares.entry(id).or_default();
        (known.root, known.asks, known.told_wanting) = (Some(root), true, true);
    }

    /// A survey of ours asks for nothing any more. Who has something else for us will have been asked for it before it is told.
    pub fn asked(&mut self, now: Now, id: TransferId) {
        for (peer, ear) in &mut self.ears {
            if let Some(known) = ear.shares.get_mut(&id).filter(|known| known.asks) {
                known.asks = false;
                self.due.set_if_none(*peer, now.after(SETTLE_MS));
            }
        }
    }

    /// Whether a peer is served.
    pub fn serve(&mut self, now: Now, peer: PeerId, serving: bool) {
        self.ear(peer).serving = serving;
        self.due.set(peer, Some(now.after(0)));
    }

    /// A share is given to nobody any more.
    pub fn gone(&mut self, now: Now, id: TransferId) {
        for (peer, ear) in &mut self.ears {
            if let Some(known) = ear.shares.get_mut(&id) {
                (known.gone, known.wanting, known.asks) = (true, false, false);
                self.due.set_if_none(*peer, now.after(0));
            }
        }
    }

    /// A peer is not connected any more.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.ears.remove(peer);
        self.due.set(*peer, None);
    }

    /// When [`Telling::next`] has something.
    pub fn deadline(&self) -> Option<Deadline> {
        self.due.first()
    }

    /// What is to be told now, and to whom. `came` gives the blocks of a share that came after so many, at
    /// most so many of them.
    pub fn next(
        &mut self,
        now: Now,
        came: impl Fn(TransferId, usize, usize) -> Vec<u32>,
    ) -> Option<(PeerId, ShareQuestion)> {
        while let Some(peer) = self.due.pop_due(now) {
            let Some(ear) = self.ears.get_mut(&peer).filter(|ear| ear.under_way.is_none()) else { continue };
            let (news, before) = ear.news(&came);
            if news.is_empty() && ear.serving == ear.told_serving {
                continue;
            }
            ear.under_way = Some(Before { told_serving: ear.told_serving, shares: before });
            ear.told_serving = ear.serving;
            return Some((peer, ShareQuestion::Tell { serving: ear.serving, news }));
        }
        None
    }

    /// A peer took note of what it was told, or was not reached.
    pub fn told(&mut self, now: Now, peer: PeerId, noted: bool) {
        let Some(ear) = self.ears.get_mut(&peer) else { return };
        let Some(before) = ear.under_way.take() else { return };
        if noted {
            // What was gone only since is told next.
            ear.shares.retain(|_, known| !known.told_gone);
            self.due.set_if_none(peer, now.after(GATHER_MS));
            return;
        }
        ear.told_serving = before.told_serving;
        for (id, before) in before.shares {
            if let Some(known) = ear.shares.get_mut(&id) {
                (known.told, known.told_wanting, known.told_gone) =
                    (before.told, before.told_wanting, before.told_gone);
            }
        }
        self.due.set_if_none(peer, now.after(AGAIN_MS));
    }

    fn ear(&mut self, peer: PeerId) -> &mut Ear {
        // A peer that was told nothing counts on being served.
        self.ears.entry(peer).or_insert_with(|| Ear { serving: true, told_serving: true, ..Ear::default() })
    }
}

impl Ear {
    /// What has changed, and how what changed was known before. It counts as told from now on.
    fn news(
        &mut self,
        came: &impl Fn(TransferId, usize, usize) -> Vec<u32>,
    ) -> (Vec<News>, BTreeMap<TransferId, Known>) {
        let (mut news, mut before, mut room) = (Vec::new(), BTreeMap::new(), MAX_TOLD_BLOCKS);
        for (id, known) in &mut self.shares {
            let Some(share) = known.root else { continue };
            let wanting = known.is_wanting();
            let has = known.told.map(|told| came(*id, told, room)).unwrap_or_default();
            let is_same = wanting == known.told_wanting && known.gone == known.told_gone;
            if news.len() == MAX_TOLD_SHARES || (has.is_empty() && is_same) {
                continue;
            }
            before.insert(*id, known.clone());
            known.told = known.told.map(|told| told + has.len());
            (known.told_wanting, known.told_gone) = (wanting, known.gone);
            room -= has.len();
            news.push(News { share, here: !known.gone, wanting, has });
        }
        (news, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms, wall_ms: 0 }
    }

    fn peer() -> PeerId {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([1; 32]).unwrap();
        key.public().to_peer_id()
    }

    fn root(id: u64) -> BlobId {
        let mut root = [0; 32];
        root[..8].copy_from_slice(&id.to_be_bytes());
        BlobId(root)
    }

    /// What is told at a time, when so many blocks of each share came: of each share whether it is here, is wanted, and which blocks came.
    fn told(telling: &mut Telling, now_ms: u64, came: u32) -> Vec<(BlobId, bool, bool, Vec<u32>)> {
        let came = |_, told: usize, room: usize| (told as u32..came).take(room).collect();
        let Some((_, ShareQuestion::Tell { news, .. })) = telling.next(at(now_ms), came) else { return Vec::new() };
        news.into_iter().map(|News { share, here, wanting, has }| (share, here, wanting, has)).collect()
    }

    #[test]
    fn what_came_is_told_once_and_again_if_it_was_not_heard() {
        let mut telling = Telling::default();
        telling.listens(TransferId(1), root(1), peer(), 1);
        telling.came(at(0), TransferId(1));
        assert_eq!(told(&mut telling, GATHER_MS, 3), [(root(1), true, false, vec![1, 2])]);
        assert_eq!(told(&mut telling, GATHER_MS, 3), [], "one at a time");
        telling.told(at(200), peer(), false);
        assert_eq!(told(&mut telling, 200 + AGAIN_MS, 4), [(root(1), true, false, vec![1, 2, 3])]);
        telling.told(at(3_000), peer(), true);
        assert_eq!(told(&mut telling, 10_000, 4), []);
    }

    #[test]
    fn that_a_share_is_gone_is_told_though_something_else_was_being_told_when_it_went() {
        let mut telling = Telling::default();
        telling.listens(TransferId(1), root(1), peer(), 0);
        telling.came(at(0), TransferId(1));
        assert_eq!(told(&mut telling, GATHER_MS, 1), [(root(1), true, false, vec![0])]);
        telling.gone(at(GATHER_MS), TransferId(1));
        telling.told(at(200), peer(), true);
        assert_eq!(told(&mut telling, 400, 1), [(root(1), false, false, vec![])]);
        // Not heard.
        telling.told(at(500), peer(), false);
        assert_eq!(told(&mut telling, 500 + AGAIN_MS, 1), [(root(1), false, false, vec![])]);
        telling.told(at(3_000), peer(), true);
        assert!(telling.ears[&peer()].shares.is_empty());
    }

    #[test]
    fn that_very_many_shares_are_gone_is_told_of_all() {
        let mut telling = Telling::default();
        let count = 2 * MAX_TOLD_SHARES as u64 + 1;
        for id in 0..count {
            telling.listens(TransferId(id), root(id), peer(), 0);
            telling.gone(at(0), TransferId(id));
        }
        let mut gone = Vec::new();
        for turn in 0..3 {
            gone.extend(told(&mut telling, turn * 1_000, 0));
            telling.told(at(turn * 1_000), peer(), true);
        }
        assert_eq!(gone, (0..count).map(|id| (root(id), false, false, vec![])).collect::<Vec<_>>());
    }

    #[test]
    fn a_share_that_comes_back_while_its_end_is_being_told_is_listened_to() {
        let mut telling = Telling::default();
        telling.listens(TransferId(1), root(1), peer(), 0);
        telling.gone(at(0), TransferId(1));
        assert_eq!(told(&mut telling, 0, 0), [(root(1), false, false, vec![])]);
        telling.listens(TransferId(1), root(1), peer(), 0);
        telling.told(at(10), peer(), true);
        telling.came(at(20), TransferId(1));
        assert_eq!(told(&mut telling, 200, 1), [(root(1), true, false, vec![0])]);
    }

    #[test]
    fn whom_a_survey_asked_is_told_when_nothing_more_is_wanted_of_it() {
        let mut telling = Telling::default();
        telling.asks(TransferId(1), root(1), peer());
        assert_eq!(told(&mut telling, 100_000, 0), [], "to ask tells it");
        telling.asked(at(100_000), TransferId(1));
        assert_eq!(told(&mut telling, 100_000 + SETTLE_MS, 0), [(root(1), true, false, vec![])]);
        telling.told(at(103_000), peer(), true);
        // The same, of a share that is forgotten before anything is known of it.
        telling.asks(TransferId(2), root(2), peer());
        telling.gone(at(104_000), TransferId(2));
        assert_eq!(told(&mut telling, 104_000, 0), [(root(2), false, false, vec![])]);
    }

    #[test]
    fn who_has_more_for_us_than_a_survey_wanted_hears_nothing_in_between() {
        let mut telling = Telling::default();
        telling.asks(TransferId(1), root(1), peer());
        telling.asked(at(0), TransferId(1));
        assert!(telling.want(at(10), TransferId(1), root(1), peer(), true));
        assert_eq!(told(&mut telling, 10, 0), []);
        assert_eq!(told(&mut telling, SETTLE_MS, 0), []);
    }
}
