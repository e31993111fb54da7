//! Where hosts are, and how long a packet takes from one region to another.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::scenario;

/// Latencies between regions.
pub(super) struct Topology {
    /// One way, without jitter; a row for each region that sends.
    latency_us: Vec<Vec<u64>>,
    jitter: f64,
}

impl Topology {
    pub fn new(config: &scenario::Network) -> Self {
        let microseconds = |ms: &f64| (ms * 1_000.0).round().max(0.0) as u64;
        let latency_us = config.latency_ms.iter().map(|row| row.iter().map(microseconds).collect()).collect();
        Self { latency_us, jitter: config.jitter }
    }

    /// One way, without jitter. Regions that do not exist are no distance away.
    pub fn base_us(&self, from: usize, to: usize) -> u64 {
        self.latency_us.get(from).and_then(|row| row.get(to)).copied().unwrap_or(0)
    }

    /// There and back, without jitter.
    pub fn round_trip_us(&self, from: usize, to: usize) -> u64 {
        self.base_us(from, to) + self.base_us(to, from)
    }

    /// One way for one packet: never less than the base, and later by a share of it that is exponentially distributed.
    pub fn sample_us(&self, from: usize, to: usize, random: &mut ChaCha8Rng) -> u64 {
        let base_us = self.base_us(from, to);
        if self.jitter <= 0.0 {
            return base_us;
        }
        let exponential = -(1.0 - random.random::<f64>()).ln();
        base_us + (base_us as f64 * self.jitter * exponential) as u64
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn jitter_only_delays_and_on_average_by_its_share() {
        let config = scenario::Network {
            regions: vec!["a".into(), "b".into()],
            latency_ms: vec![vec![1.0, 100.0], vec![80.0, 1.0]],
            jitter: 0.2,
            ..scenario::Network::default()
        };
        let topology = Topology::new(&config);
        assert_eq!((topology.base_us(0, 1), topology.base_us(1, 0)), (100_000, 80_000));
        assert_eq!(topology.round_trip_us(0, 1), 180_000);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let samples: Vec<u64> = (0..10_000).map(|_| topology.sample_us(0, 1, &mut random)).collect();
        assert!(samples.iter().all(|sample| *sample >= 100_000));
        let mean = samples.iter().sum::<u64>() / 10_000;
        assert!((118_000..122_000).contains(&mean), "{mean}");
    }
}
