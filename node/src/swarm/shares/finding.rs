//! Finding those who have a share, in Kademlia.

use std::collections::{BTreeMap, HashMap};

use libp2p::{
    PeerId,
    kad::{self, GetProvidersOk, ProgressStep, QueryId, QueryResult, RecordKey},
};
use proto::{
    backoff::{Backoff, Policy},
    blob::BlobId,
    time::{Deadline, Now},
    transfer::{TransferId, message::provider_key},
};

use rand::Rng;

use crate::swarm::behaviour::Behaviour;

/// Searches under way. Of more, the shares wait until they want peers again.
pub const MAX_SEARCHES: usize = 32;

/// How long to wait from one search for a share to the next, while nobody more is met who takes part. In a crowd that comes at once there
/// are many to be found a moment later.
const AGAIN: Policy = Policy { first_ms: 4_000, cap_ms: 300_000, jitter_percent: 25 };

/// Providers that are looked at in one search.
pub const MAX_FOUND: usize = 128;

/// The searches.
#[derive(Default)]
pub struct Finding {
    /// Never iterated; at most [`MAX_SEARCHES`].
    searches: HashMap<QueryId, (TransferId, usize)>,
    /// Not before this.
    again: BTreeMap<TransferId, (Deadline, Backoff)>,
}

impl Finding {
    /// Searches for those who have a share, unless it did so just now.
    pub fn search(
        &mut self,
        now: Now,
        rng: &mut impl Rng,
        behaviour: &mut Behaviour,
        (id, root): (TransferId, &BlobId),
    ) {
        let (at, backoff) = self.again.entry(id).or_insert((Deadline(0), Backoff::default()));
        if self.searches.len() >= MAX_SEARCHES || !now.reached(*at) {
            return;
        }
        *at = now.after(backoff.fail(AGAIN, rng));
        self.searches.insert(behaviour.kad.get_providers(RecordKey::new(&provider_key(root))), (id, 0));
    }

    /// A query of Kademlia made progress: for which share, and who was found.
    pub fn progressed(
        &mut self,
        id: QueryId,
        result: &QueryResult,
        step: &ProgressStep,
    ) -> Option<(TransferId, Vec<PeerId>)> {
        let (transfer, found) = self.searches.get_mut(&id)?;
        let transfer = *transfer;
        let mut peers = Vec::new();
        if let kad::QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) = result {
            peers.extend(providers.iter().copied().take(MAX_FOUND.saturating_sub(*found)));
            *found += peers.len();
            // Kademlia gives a hash set; what we do must not depend on its order.
            peers.sort_unstable();
        }
        if step.last {
            self.searches.remove(&id);
        }
        Some((transfer, peers))
    }

    /// Somebody was met who takes part.
    pub fn met(&mut self, id: TransferId) {
        if let Some((_, backoff)) = self.again.get_mut(&id) {
            backoff.reset();
        }
    }

    /// A share is no more.
    pub fn forget(&mut self, id: TransferId) {
        self.again.remove(&id);
    }
}
