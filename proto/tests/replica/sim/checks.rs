//! What must hold at every moment.

use std::collections::BTreeMap;

use proto::{
    PeerId,
    log::{
        MAX_COMMITTING_BYTES, MAX_PENDING_BYTES, MAX_RANGES_IN_FLIGHT, MAX_RANGES_PER_PEER,
        message::{MAX_RESPONSE_BYTES, SyncRequest, VectorEntry},
    },
};

use super::Sim;

impl Sim {
    pub(super) fn check_durable(&self, node: usize, message: &SyncRequest) {
        if let SyncRequest::Have(entries) = message {
            self.check_entries(node, entries);
        }
    }

    pub(super) fn check_entries(&self, node: usize, entries: &[VectorEntry]) {
        for entry in entries {
            assert!(entry.seq <= self.nodes[node].store.seq(&entry.key()), "shows what is not durable");
        }
    }

    pub(super) fn check_bounds(&self, node: usize) {
        let node = &self.nodes[node];
        let Some(replica) = &node.replica else { return };
        assert!(node.ranges.len() <= MAX_RANGES_IN_FLIGHT);
        let mut by_peer: BTreeMap<PeerId, usize> = BTreeMap::new();
        for peer in node.ranges.values() {
            *by_peer.entry(*peer).or_default() += 1;
        }
        assert!(by_peer.values().all(|count| *count <= MAX_RANGES_PER_PEER));
        let load = replica.load();
        assert!(load.pending_bytes <= MAX_PENDING_BYTES);
        // Answers to what was asked before the limit was reached, and what waited for them, may come on top.
        let above = MAX_PENDING_BYTES + MAX_RANGES_IN_FLIGHT * 2 * MAX_RESPONSE_BYTES;
        assert!(load.committing_bytes <= MAX_COMMITTING_BYTES + above);
        assert!(load.questions <= 256, "{} questions are under way", load.questions);
    }
}
