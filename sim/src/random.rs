//! Random spans of time, and random choices, from a generator of the run.

use rand::{Rng, RngExt};

use crate::scenario::Distribution;

/// Seconds of virtual time beyond which no span is drawn: a year.
const MAX_S: f64 = 31_536_000.0;

/// Seconds until the next of events that come at random at an average rate (a Poisson process).
pub fn wait_s(rng: &mut impl Rng, rate_per_s: f64) -> f64 {
    exponential(rng) / rate_per_s
}

/// Milliseconds until the next of events that come at random at an average rate; never less than one.
pub fn until_next_ms(rng: &mut impl Rng, rate_per_s: f64) -> u64 {
    to_ms(wait_s(rng, rate_per_s))
}

/// Milliseconds drawn from a distribution; never less than one.
pub fn span_ms(rng: &mut impl Rng, distribution: &Distribution) -> u64 {
    to_ms(span_s(rng, distribution))
}

/// Seconds drawn from a distribution.
pub fn span_s(rng: &mut impl Rng, distribution: &Distribution) -> f64 {
    match *distribution {
        Distribution::Fixed { s } => s,
        Distribution::Uniform { min_s, max_s } => min_s + (max_s - min_s) * rng.random::<f64>(),
        Distribution::Exponential { mean_s } => mean_s * exponential(rng),
        // By inversion: the exponential to the power of 1/shape.
        Distribution::Weibull { scale_s, shape } => scale_s * exponential(rng).powf(1.0 / shape),
    }
}

/// A share of a list, in the list's order, chosen at random: as many as the share is of the length, rounded.
pub fn share_of(rng: &mut impl Rng, mut of: Vec<usize>, share: f64) -> Vec<usize> {
    let keep = (of.len() as f64 * share).round() as usize;
    while of.len() > keep {
        of.remove(rng.random_range(0..of.len()));
    }
    of
}

/// Exponentially distributed, with a mean of one.
fn exponential(rng: &mut impl Rng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}

fn to_ms(seconds: f64) -> u64 {
    ((seconds.min(MAX_S) * 1_000.0) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn mean(distribution: Distribution) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..20_000).map(|_| span_ms(&mut rng, &distribution) as f64).sum::<f64>() / 20_000_000.0
    }

    #[test]
    fn spans_have_the_mean_of_their_distribution() {
        assert_eq!(mean(Distribution::Fixed { s: 3.0 }), 3.0);
        for (distribution, wanted) in [
            (Distribution::Uniform { min_s: 10.0, max_s: 30.0 }, 20.0),
            (Distribution::Exponential { mean_s: 50.0 }, 50.0),
            // The mean is scale × Γ(1 + 1/shape), and Γ(3) is 2.
            (Distribution::Weibull { scale_s: 10.0, shape: 0.5 }, 20.0),
        ] {
            let mean = mean(distribution);
            assert!((mean / wanted - 1.0).abs() < 0.05, "{distribution:?}: {mean}");
        }
    }

    #[test]
    fn a_share_keeps_the_order_and_is_as_large_as_asked_for() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let chosen = share_of(&mut rng, (0..90).collect(), 1.0 / 3.0);
        assert_eq!(chosen.len(), 30);
        assert!(chosen.is_sorted());
        assert!(share_of(&mut rng, vec![1, 2], 0.0).is_empty());
    }
}
