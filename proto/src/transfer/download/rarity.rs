//! Which missing blocks are rarest.
//!
//! The missing blocks lie in a bucket for each number of peers that have them. A block moves to the next bucket, or out, in constant
//! time, and lands at a random place in it: so all that are equally rare are equally likely to be first. Peers that have everything do
//! not change what is rarer, and are not counted.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::transfer::Blocks;

/// Missing blocks that are looked at, rarest first, for one that a peer has. A peer that has a tenth of the blocks at random has one of
/// these but once in 700,000.
const LOOKED_AT: usize = 128;

/// Blocks of a peer that has none of those: the rarest of these is asked for.
const SAMPLED: usize = 8;

/// Where a block lies that is in no bucket.
const NOWHERE: u32 = u32::MAX;

/// The missing blocks, by how many peers have them.
#[derive(Debug)]
pub struct Rarity {
    missing: Blocks,
    /// How many peers have each block, missing or not.
    counts: Vec<u16>,
    /// Where in its bucket each missing block is.
    places: Vec<u32>,
    buckets: Vec<Vec<u32>>,
}

impl Rarity {
    /// Nothing is missing of so many blocks, and nobody has any.
    pub fn new(count: u32) -> Self {
        let len = count as usize;
        Self { missing: Blocks::none(count), counts: vec![0; len], places: vec![NOWHERE; len], buckets: Vec::new() }
    }

    /// Which are missing.
    pub fn missing(&self) -> &Blocks {
        &self.missing
    }

    /// A block is missing.
    pub fn insert(&mut self, block: u32, rng: &mut ChaCha8Rng) {
        if self.missing.insert(block) {
            self.put(block, rng);
        }
    }

    /// A block is not missing any more.
    pub fn remove(&mut self, block: u32) {
        if self.missing.remove(block) {
            self.take(block);
        }
    }

    /// One peer more, or less, has a block.
    pub fn count(&mut self, block: u32, has: bool, rng: &mut ChaCha8Rng) {
        let missing = self.missing.contains(block);
        if missing {
            self.take(block);
        }
        if let Some(count) = self.counts.get_mut(block as usize) {
            *count = if has { count.saturating_add(1) } else { count.saturating_sub(1) };
        }
        if missing {
            self.put(block, rng);
        }
    }

    /// The rarest missing block of those that a peer has, or nearly: never more than a few words for each 4,096 blocks are looked at.
    pub fn rarest(&self, has: &Blocks, rng: &mut ChaCha8Rng) -> Option<u32> {
        // Whoever has less than all was counted for each block that it has.
        let counted = usize::from(!has.is_all());
        let rare =
            self.buckets.iter().skip(counted).flatten().take(LOOKED_AT).copied().find(|block| has.contains(*block));
        if rare.is_some() || self.missing.len() as usize <= LOOKED_AT {
            return rare;
        }
        let sample = self.common_at_random(has, rng).take(SAMPLED);
        sample.min_by_key(|block| self.counts[*block as usize])
    }

    /// Any missing block that a peer has.
    pub fn random(&self, has: &Blocks, rng: &mut ChaCha8Rng) -> Option<u32> {
        let mut sample = [0; SAMPLED];
        let found =
            self.common_at_random(has, rng).take(SAMPLED).zip(&mut sample).map(|(block, to)| *to = block).count();
        (found > 0).then(|| sample[rng.random_range(0..found)])
    }

    fn common_at_random<'a>(&'a self, has: &'a Blocks, rng: &mut ChaCha8Rng) -> impl Iterator<Item = u32> + use<'a> {
        let start = rng.random_range(0..self.missing.count().max(1));
        self.missing.common_from(has, start)
    }

    fn put(&mut self, block: u32, rng: &mut ChaCha8Rng) {
        let count = usize::from(self.counts[block as usize]);
        if self.buckets.len() <= count {
            self.buckets.resize_with(count + 1, Vec::new);
        }
        let bucket = &mut self.buckets[count];
        bucket.push(block);
        let (last, place) = (bucket.len() - 1, rng.random_range(0..bucket.len()));
        bucket.swap(last, place);
        self.places[bucket[last] as usize] = last as u32;
        self.places[block as usize] = place as u32;
    }

    fn take(&mut self, block: u32) {
        let bucket = &mut self.buckets[usize::from(self.counts[block as usize])];
        let place = std::mem::replace(&mut self.places[block as usize], NOWHERE) as usize;
        bucket.swap_remove(place);
        if let Some(moved) = bucket.get(place) {
            self.places[*moved as usize] = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn the_rarest_block_that_a_peer_has_is_found_after_any_changes(
            steps in prop::collection::vec((0u8..4, 0u32..100), 0..400), has in prop::collection::btree_set(0u32..100, 0..60),
            seed: [u8; 32],
        ) {
            let mut rng = ChaCha8Rng::from_seed(seed);
            let (mut rarity, mut counts, mut missing) = (Rarity::new(100), [0i32; 100], [false; 100]);
            for (step, block) in steps {
                let at = block as usize;
                match step {
                    0 => { rarity.insert(block, &mut rng); missing[at] = true; }
                    1 => { rarity.remove(block); missing[at] = false; }
                    2 => { rarity.count(block, true, &mut rng); counts[at] += 1; }
                    _ => { rarity.count(block, false, &mut rng); counts[at] = 0.max(counts[at] - 1); }
                }
            }
            let candidates = has.iter().map(|block| *block as usize).filter(|block| missing[*block]);
            let expected = candidates.map(|block| counts[block]).min();
            // A peer that has something is counted.
            has.iter().for_each(|block| rarity.count(*block, true, &mut rng));
            let has = Blocks::of(100, has);
            let expected = expected.map(|count| count + 1);
            prop_assert_eq!(rarity.rarest(&has, &mut rng).map(|block| counts[block as usize] + 1), expected);
            let random = rarity.random(&has, &mut rng);
            prop_assert_eq!(random.is_some(), expected.is_some());
            prop_assert!(random.is_none_or(|block| has.contains(block) && missing[block as usize]));
        }
    }

    #[test]
    fn a_peer_with_a_few_common_blocks_of_many_is_asked_for_one_of_these() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let mut rarity = Rarity::new(40_960);
        (0..40_960).for_each(|block| rarity.insert(block, &mut rng));
        let has = Blocks::of(40_960, [7, 30_000]);
        has.iter().for_each(|block| rarity.count(block, true, &mut rng));
        assert!(rarity.rarest(&has, &mut rng).is_some_and(|block| has.contains(block)));
    }

    #[test]
    fn blocks_that_are_equally_rare_are_taken_in_random_order() {
        let firsts: std::collections::BTreeSet<u32> = (0..50)
            .filter_map(|seed| {
                let mut rng = ChaCha8Rng::from_seed([seed; 32]);
                let mut rarity = Rarity::new(1_000);
                (0..1_000).for_each(|block| rarity.insert(block, &mut rng));
                rarity.rarest(&Blocks::all(1_000), &mut rng)
            })
            .collect();
        assert!(firsts.len() > 40, "{firsts:?}");
    }
}
