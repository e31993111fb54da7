//! The same scenario with more or fewer hosts.

use super::{Scenario, check, limits::MAX_HOSTS_CORES};

/// Why a scenario cannot have that many hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// A group would have nobody.
    #[error("each of the {groups} groups needs a host of its own; {nodes} are too few")]
    TooFew {
        /// Hosts asked for.
        nodes: usize,
        /// Groups that are not hostile.
        groups: usize,
    },
    /// Something in the scenario does not go with that many.
    #[error("with {nodes} nodes the scenario makes no sense: {reason}")]
    Unfit {
        /// Hosts asked for.
        nodes: usize,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl Scenario {
    /// The same with `nodes` hosts that are not hostile, in the same proportions, at least one in each group. Hostile groups grow
    /// or shrink at the same ratio.
    ///
    /// # Errors
    /// There are more groups than nodes, or the scenario makes no sense with that many.
    pub fn with_nodes(mut self, nodes: usize) -> Result<Self, ScaleError> {
        if nodes > MAX_HOSTS_CORES {
            return Err(ScaleError::Unfit { nodes, reason: format!("at most {MAX_HOSTS_CORES} fit") });
        }
        let honest = self.groups.iter().filter(|group| group.hostile.is_none());
        let before: Vec<usize> = honest.map(|group| group.count).collect();
        if nodes < before.len() {
            return Err(ScaleError::TooFew { nodes, groups: before.len() });
        }
        let total: usize = before.iter().sum();
        let mut counts = proportional(&before, nodes).into_iter();
        for group in &mut self.groups {
            group.count = match group.hostile {
                None => counts.next().unwrap_or(group.count),
                Some(_) => (group.count * nodes).div_ceil(total.max(1)).max(1),
            };
        }
        match check::findings(&self).into_iter().next() {
            Some(finding) => Err(ScaleError::Unfit { nodes, reason: finding.message }),
            None => Ok(self),
        }
    }
}

/// Shares `total` out in proportion to `parts`, at least 1 for each: everybody's whole share first, then one more for whoever is
/// furthest below the share (largest remainder).
fn proportional(parts: &[usize], total: usize) -> Vec<usize> {
    let sum = parts.iter().sum::<usize>().max(1);
    let ideal = |index: usize| parts[index] as f64 * total as f64 / sum as f64;
    let mut shares: Vec<usize> = (0..parts.len()).map(|index| (ideal(index) as usize).max(1)).collect();
    let order = |shares: &[usize], a: usize, b: usize| {
        (ideal(a) - shares[a] as f64).total_cmp(&(ideal(b) - shares[b] as f64)).then(b.cmp(&a))
    };
    while shares.iter().sum::<usize>() < total {
        let Some(index) = (0..parts.len()).max_by(|a, b| order(&shares, *a, *b)) else { break };
        shares[index] += 1;
    }
    while shares.iter().sum::<usize>() > total {
        let can_give = (0..parts.len()).filter(|index| shares[*index] > 1);
        let Some(index) = can_give.min_by(|a, b| order(&shares, *a, *b)) else { break };
        shares[index] -= 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_sum_up_and_keep_the_proportions(parts in prop::collection::vec(1usize..1000, 1..12), more in 0usize..5000) {
            let total = parts.len() + more;
            let shares = proportional(&parts, total);
            prop_assert_eq!(shares.iter().sum::<usize>(), total);
            prop_assert!(shares.iter().all(|share| *share >= 1));
            let sum: usize = parts.iter().sum();
            if total >= sum {
                for (part, share) in parts.iter().zip(&shares) {
                    prop_assert!((*part as f64 * total as f64 / sum as f64 - *share as f64).abs() <= 1.0);
                }
            }
        }
    }
}
