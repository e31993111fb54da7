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

/// What one peer knows of one share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    root: Option<BlobId>,
    /// How many of the blocks that came it was told of; `None` if it does not want to know.
    told: Option<usize>,
    wanting: bool,
    told_wanting: bool,
    gone: bool,
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
        (known.root, known.told, known.gone) = (Some(root), Some(told), false);
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

    /// Whether a peer is served.
    pub fn serve(&mut self, now: Now, peer: PeerId, serving: bool) {
        self.ear(peer).serving = serving;
        self.due.set(peer, Some(now.after(0)));
    }

    /// A share is given to nobody any more.
    pub fn gone(&mut self, now: Now, id: TransferId) {
        for (peer, ear) in &mut self.ears {
            if let Some(known) = ear.shares.get_mut(&id) {
                known.gone = true;
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
            ear.shares.retain(|_, known| !known.gone);
            self.due.set_if_none(peer, now.after(GATHER_MS));
            return;
        }
        ear.told_serving = before.told_serving;
        for (id, before) in before.shares {
            if let Some(known) = ear.shares.get_mut(&id) {
                (known.told, known.told_wanting) = (before.told, before.told_wanting);
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
            let has = known.told.map(|told| came(*id, told, room)).unwrap_or_default();
            if news.len() == MAX_TOLD_SHARES || (has.is_empty() && known.wanting == known.told_wanting && !known.gone) {
                continue;
            }
            before.insert(*id, known.clone());
            known.told = known.told.map(|told| told + has.len());
            known.told_wanting = known.wanting;
            room -= has.len();
            news.push(News { share, here: !known.gone, wanting: known.wanting, has });
        }
        (news, before)
    }
}
