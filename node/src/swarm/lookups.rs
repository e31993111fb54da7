//! Finding who has something in Kademlia, for whoever asks: searches for the providers of a key, and keys that this node
//! provides itself.
//!
//! A search ends as soon as enough providers are known, or when Kademlia has asked everyone near the key. Providers are named
//! only; the connection manager learns their addresses on the way.

use std::collections::{BTreeSet, HashMap};

use libp2p::{
    PeerId,
    kad::{self, GetProvidersOk, ProgressStep, QueryId, QueryResult, QueryStats, RecordKey},
};

use super::behaviour::Behaviour;
use crate::{
    handle::{Answer, CallError},
    model::Found,
};

/// Searches under way for callers. Each is up to a few dozen questions to others; more are refused.
pub const MAX_LOOKUPS: usize = 64;

/// Names something in Kademlia: a channel, a blob.
pub type Key = [u8; 32];

struct Lookup {
    wanted: usize,
    providers: BTreeSet<PeerId>,
    answer: Answer<Found>,
}

/// The searches under way.
#[derive(Default)]
pub struct Lookups {
    /// Never iterated; at most [`MAX_LOOKUPS`].
    running: HashMap<QueryId, Lookup>,
}

impl Lookups {
    /// Tells the network that we have something. It is told again as long as we run.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] when too much is provided already.
    pub fn provide(behaviour: &mut Behaviour, key: Key) -> Result<(), CallError> {
        behaviour.kad.start_providing(RecordKey::new(&key)).map(drop).map_err(|_| CallError::Overloaded)
    }

    /// Does not tell it again. Others forget it in time.
    pub fn stop_providing(behaviour: &mut Behaviour, key: Key) {
        behaviour.kad.stop_providing(&RecordKey::new(&key));
    }

    /// Searches for `wanted` providers, ourselves not counted.
    pub fn find(&mut self, behaviour: &mut Behaviour, key: Key, wanted: usize, answer: Answer<Found>) {
        if self.running.len() >= MAX_LOOKUPS {
            // Whoever asked may have gone.
            let _ = answer.send(Err(CallError::Overloaded));
            return;
        }
        let query = behaviour.kad.get_providers(RecordKey::new(&key));
        self.running.insert(query, Lookup { wanted, providers: BTreeSet::new(), answer });
    }

    /// A query of Kademlia made progress.
    pub fn progressed(
        &mut self,
        own: PeerId,
        kad: &mut kad::Behaviour<kad::store::MemoryStore>,
        id: QueryId,
        result: &QueryResult,
        stats: &QueryStats,
        step: &ProgressStep,
    ) {
        let Some(lookup) = self.running.get_mut(&id) else { return };
        if let QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) = result {
            lookup.providers.extend(providers.iter().filter(|peer| **peer != own));
        }
        if lookup.providers.len() < lookup.wanted && !step.last {
            return;
        }
        if let Some(mut query) = kad.query_mut(&id) {
            query.finish();
        }
        if let Some(lookup) = self.running.remove(&id) {
            let providers = lookup.providers.iter().map(ToString::to_string).collect();
            // Whoever asked may have gone.
            let _ = lookup.answer.send(Ok(Found { providers, requests: u64::from(stats.num_requests()) }));
        }
    }
}
