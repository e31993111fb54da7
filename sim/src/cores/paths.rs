//! How long a message takes from one host to another.
//!
//! | part | how long |
//! |---|---|
//! | the path | one-way latency between the hosts' regions |
//! | jitter | exponential, on average the scenario's share of that |
//! | each loss | a retransmission: [`RETRANSMISSION_US`] or three times the path, whichever is longer (RFC 6298 with its least timeout of Linux) |
//!
//! Bandwidth is unlimited, and messages may overtake each other.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::error::SetupError;
use crate::scenario::{Group, Network};

/// Microseconds until something lost is sent again, at least.
pub const RETRANSMISSION_US: u64 = 200_000;

/// Losses of one message in a row that are taken into account.
const MAX_LOSSES: u32 = 8;

/// Where a host is, and how good its link.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Index of its region.
    pub region: u16,
    /// Share of packets lost on its own link.
    pub loss: f32,
}

/// The paths between all regions.
#[derive(Debug)]
pub struct Paths {
    /// One-way microseconds, by region and region.
    latency_us: Vec<Vec<u64>>,
    jitter: f64,
    loss: f64,
    rng: ChaCha8Rng,
}

impl Paths {
    /// The paths of a network.
    ///
    /// # Errors
    /// When the matrix does not fit the regions.
    pub fn new(network: &Network, seed: u64) -> Result<Self, SetupError> {
        let count = network.regions.len();
        if count == 0 || network.latency_ms.len() != count || network.latency_ms.iter().any(|row| row.len() != count) {
            return Err(SetupError::Latency { regions: count });
        }
        let micros = |ms: &f64| (ms.max(0.0) * 1_000.0) as u64;
        let latency_us = network.latency_ms.iter().map(|row| row.iter().map(micros).collect()).collect();
        Ok(Self { latency_us, jitter: network.jitter, loss: network.loss, rng: ChaCha8Rng::seed_from_u64(seed) })
    }

    /// Where the host with this number in its group is.
    ///
    /// # Errors
    /// When the group's region is not one of the network's.
    pub fn place(network: &Network, group: &Group, number: usize) -> Result<Place, SetupError> {
        let region = match &group.region {
            None => Some(number % network.regions.len().max(1)),
            Some(name) => network.regions.iter().position(|region| region == name),
        };
        let region = region.and_then(|region| u16::try_from(region).ok());
        let unknown = || SetupError::Region { group: group.name.clone() };
        Ok(Place { region: region.ok_or_else(unknown)?, loss: group.loss as f32 })
    }

    /// One-way microseconds without jitter and loss.
    pub fn latency_us(&self, from: Place, to: Place) -> u64 {
        let row = self.latency_us.get(usize::from(from.region));
        row.and_then(|row| row.get(usize::from(to.region))).copied().unwrap_or_default()
    }

    /// Microseconds that one message takes.
    pub fn delay_us(&mut self, from: Place, to: Place) -> u64 {
        let latency_us = self.latency_us(from, to);
        let mut delay_us = latency_us;
        if self.jitter > 0.0 {
            let exponential = -(1.0 - self.rng.random::<f64>()).ln();
            delay_us += (latency_us as f64 * self.jitter * exponential) as u64;
        }
        let kept = (1.0 - self.loss) * (1.0 - f64::from(from.loss)) * (1.0 - f64::from(to.loss));
        if kept < 1.0 {
            let mut losses = 0;
            while losses < MAX_LOSSES && self.rng.random::<f64>() >= kept {
                losses += 1;
                delay_us += RETRANSMISSION_US.max(3 * latency_us);
            }
        }
        delay_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(jitter: f64, loss: f64) -> Paths {
        let network = Network {
            regions: vec!["a".into(), "b".into()],
            latency_ms: vec![vec![1.0, 50.0], vec![60.0, 2.0]],
            jitter,
            loss,
            queue_ms: 0,
        };
        Paths::new(&network, 7).unwrap()
    }

    const A: Place = Place { region: 0, loss: 0.0 };
    const B: Place = Place { region: 1, loss: 0.0 };

    #[test]
    fn without_jitter_and_loss_a_message_takes_the_latency() {
        let mut paths = paths(0.0, 0.0);
        assert_eq!((paths.delay_us(A, B), paths.delay_us(B, A), paths.delay_us(B, B)), (50_000, 60_000, 2_000));
    }

    #[test]
    fn jitter_adds_its_share_on_average() {
        let mut paths = paths(0.2, 0.0);
        let mean = (0..10_000).map(|_| paths.delay_us(A, B)).sum::<u64>() / 10_000;
        assert!((59_000..61_000).contains(&mean), "{mean}");
    }

    #[test]
    fn a_lost_message_comes_a_retransmission_later() {
        let mut paths = paths(0.0, 0.1);
        let late = (0..10_000).filter(|_| paths.delay_us(A, B) >= 50_000 + RETRANSMISSION_US).count();
        assert!((850..1_150).contains(&late), "{late}");
    }

    #[test]
    fn a_matrix_that_does_not_fit_is_refused() {
        let network = Network { latency_ms: vec![vec![1.0, 2.0]], ..Network::default() };
        assert!(Paths::new(&network, 1).is_err());
    }
}
