//! How spans of time are distributed, in microseconds, kept in an HDR histogram (Tene, <https://hdrhistogram.org>): its size
//! depends on how exact it is, not on how much it holds.

use std::time::Duration;

use super::Merge;

/// The longest span that is told apart from longer ones; those count as this. An hour is longer than anybody waits for a message.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Spans of time, exact to `DIGITS` significant digits.
#[derive(Debug, Clone)]
pub struct Digits<const DIGITS: u8> {
    inner: hdrhistogram::Histogram<u64>,
}

/// For a whole run: three digits.
pub type Histogram = Digits<3>;

/// For the spans of a [`super::Buckets`]: two digits, which is finer than a chart shows.
pub type Coarse = Digits<2>;

impl<const DIGITS: u8> Default for Digits<DIGITS> {
    #[expect(clippy::expect_used, reason = "the bounds are constants")]
    fn default() -> Self {
        const { assert!(DIGITS <= 5, "an HDR histogram holds at most five digits") };
        let inner = hdrhistogram::Histogram::new_with_bounds(1, micros(LONGEST), DIGITS);
        Self { inner: inner.expect("1 is less than half of LONGEST, and DIGITS is at most 5") }
    }
}

impl<const DIGITS: u8> Digits<DIGITS> {
    /// Takes in a span of time. Less than a microsecond counts as none, more than [`LONGEST`] as that.
    pub fn record(&mut self, span: Duration) {
        self.inner.saturating_record(micros(span));
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.inner.len()
    }

    /// The milliseconds that this share of the spans did not exceed; 0.5 is the middle. `None` when there was nothing.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        (self.count() > 0).then(|| self.inner.value_at_quantile(share.clamp(0.0, 1.0)) as f64 / 1000.0)
    }

    /// The mean, in milliseconds. `None` when there was nothing.
    pub fn mean_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.inner.mean() / 1000.0)
    }
}

impl<const DIGITS: u8> Merge for Digits<DIGITS> {
    fn merge(&mut self, other: &Self) {
        for value in other.inner.iter_recorded() {
            self.inner.saturating_record_n(value.value_iterated_to(), value.count_at_value());
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of<const DIGITS: u8>(spans_us: &[u64]) -> Digits<DIGITS> {
        let mut histogram = Digits::default();
        for span in spans_us {
            histogram.record(Duration::from_micros(*span));
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_knows_nothing() {
        let histogram = Histogram::default();
        assert_eq!((histogram.count(), histogram.quantile_ms(0.5), histogram.mean_ms()), (0, None, None));
    }

    #[test]
    fn the_middle_of_a_hundred_milliseconds_is_the_fiftieth() {
        let histogram: Histogram = of(&(1..=100).map(|ms| ms * 1000).collect::<Vec<_>>());
        let near = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() < wanted / 1000.0;
        assert!(near(histogram.quantile_ms(0.5), 50.0), "{:?}", histogram.quantile_ms(0.5));
        assert!(near(histogram.quantile_ms(0.99), 99.0), "{:?}", histogram.quantile_ms(0.99));
        assert!(near(histogram.mean_ms(), 50.5), "{:?}", histogram.mean_ms());
    }

    #[test]
    fn no_span_is_too_long() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 1);
        let found_ms = histogram.quantile_ms(1.0).unwrap();
        assert!((3_600_000.0..3_700_000.0).contains(&found_ms), "{found_ms}");
    }

    #[test]
    fn a_histogram_is_as_small_as_the_table_says() {
        assert!(Histogram::default().inner.distinct_values() * 8 < 200_000);
        assert!(Coarse::default().inner.distinct_values() * 8 < 32_000);
    }

    proptest! {
        #[test]
        fn every_quantile_is_within_a_hundredth(mut spans in prop::collection::vec(1..3_000_000_000_u64, 1..200), share in 0.0..=1.0_f64) {
            let histogram: Coarse = of(&spans);
            spans.sort_unstable();
            let rank = ((share * spans.len() as f64).ceil() as usize).clamp(1, spans.len());
            let exact_ms = spans[rank - 1] as f64 / 1000.0;
            let found_ms = histogram.quantile_ms(share).unwrap();
            prop_assert!((found_ms - exact_ms).abs() <= exact_ms * 0.01 + 0.001, "{found_ms} for {exact_ms}");
        }

        #[test]
        fn merging_is_recording_in_one(
            one in prop::collection::vec(0..10_000_000_u64, 0..100),
            other in prop::collection::vec(0..10_000_000_u64, 0..100),
        ) {
            let mut merged: Coarse = of(&one);
            merged.merge(&of(&other));
            let both: Coarse = of(&[one, other].concat());
            prop_assert_eq!(merged.count(), both.count());
            for share in [0.0, 0.25, 0.5, 0.9, 0.99, 1.0] {
                prop_assert_eq!(merged.quantile_ms(share), both.quantile_ms(share));
            }
        }
    }
}
