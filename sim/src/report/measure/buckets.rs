//! Values by span of virtual time, in spans that widen as a run goes on.

use std::time::Duration;

use super::{Coarse, Merge, Tally};
use crate::report::Series;

/// The first width of a span. Narrower ones would mostly show noise.
pub const SPAN: Duration = Duration::from_secs(5);

/// Spans at most: as many points as a chart can show. Beyond them, spans become twice as wide.
pub const MAX_POINTS: usize = 120;

/// One recorder for each span of virtual time.
///
/// Times may come in any order. A point of a [`Series`] lies in the middle of its span.
#[derive(Debug, Clone)]
pub struct Buckets<T> {
    span: Duration,
    spans: Vec<T>,
}

impl<T> Default for Buckets<T> {
    fn default() -> Self {
        Self { span: SPAN, spans: Vec::new() }
    }
}

impl<T: Default + Merge> Buckets<T> {
    /// The recorder of the span in which `at` lies, counted from the start of the run.
    pub fn at(&mut self, at: Duration) -> &mut T {
        let index = loop {
            let index = at.as_nanos() / self.span.as_nanos();
            match usize::try_from(index) {
                Ok(index) if index < MAX_POINTS => break index,
                _ => self.widen(),
            }
        };
        if self.spans.len() <= index {
            self.spans.resize_with(index + 1, T::default);
        }
        &mut self.spans[index]
    }

    /// How wide the spans are by now.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// One point for each span of which `value` knows something; it is given the recorder.
    pub fn series(&self, value: impl Fn(&T) -> Option<f64>) -> Series {
        let span_s = self.span.as_secs_f64();
        let middle_s = |index: usize| (index as f64 + 0.5) * span_s;
        let points = self.spans.iter().enumerate();
        let points = points.filter_map(|(index, held)| Some((middle_s(index), value(held)?)));
        Series { points: points.filter(|(_, value)| value.is_finite()).collect() }
    }

    fn widen(&mut self) {
        self.span = self.span.saturating_mul(2);
        let mut halves = std::mem::take(&mut self.spans).into_iter();
        while let Some(mut first) = halves.next() {
            if let Some(second) = halves.next() {
                first.merge(&second);
            }
            self.spans.push(first);
        }
    }
}

impl Buckets<Tally> {
    /// Takes in a value.
    pub fn add(&mut self, at: Duration, value: f64) {
        self.at(at).add(value);
    }

    /// Takes in a hit or a miss.
    pub fn hit(&mut self, at: Duration, hit: bool) {
        self.at(at).hit(hit);
    }

    /// How many values came in each span.
    pub fn counts(&self) -> Series {
        self.series(|tally| Some(tally.count as f64))
    }

    /// The mean of each span's values. Spans without any are left out.
    pub fn means(&self) -> Series {
        self.series(Tally::mean)
    }

    /// Of each span's hits and misses, the share of hits. Spans without any are left out.
    pub fn ratios(&self) -> Series {
        self.means()
    }

    /// The sum of each span's values, by second. Of the last span only the part until `end` is counted.
    pub fn rates_per_s(&self, end: Duration) -> Series {
        let span_s = self.span.as_secs_f64();
        let mut series = self.series(|tally| Some(tally.sum / span_s));
        if let (Some(last), Some(tally)) = (series.points.last_mut(), self.spans.last()) {
            let begun_s = (self.spans.len() - 1) as f64 * span_s;
            let length_s = (end.as_secs_f64() - begun_s).min(span_s);
            // What ends with less than a tenth of a second of a span has no rate worth drawing.
            if length_s >= 0.1 {
                *last = (begun_s + length_s / 2.0, tally.sum / length_s);
            } else {
                series.points.pop();
            }
        }
        series
    }
}

impl Buckets<Coarse> {
    /// Takes in a span of time.
    pub fn record(&mut self, at: Duration, value: Duration) {
        self.at(at).record(value);
    }

    /// The milliseconds that this share of each span's values did not exceed. Spans without any are left out.
    pub fn quantiles_ms(&self, share: f64) -> Series {
        self.series(|histogram| histogram.quantile_ms(share))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn nothing_recorded_is_no_points() {
        assert_eq!(Buckets::<Tally>::default().counts(), Series::default());
    }

    #[test]
    fn spans_without_values_have_a_count_but_no_mean() {
        let mut buckets = Buckets::default();
        buckets.add(s(1.0), 4.0);
        buckets.add(s(4.9), 8.0);
        buckets.add(s(12.0), 1.0);
        assert_eq!(buckets.counts().points, [(2.5, 2.0), (7.5, 0.0), (12.5, 1.0)]);
        assert_eq!(buckets.means().points, [(2.5, 6.0), (12.5, 1.0)]);
    }

    #[test]
    fn a_ratio_is_hits_of_all() {
        let mut buckets = Buckets::default();
        for hit in [true, false, true, true] {
            buckets.hit(s(3.0), hit);
        }
        assert_eq!(buckets.ratios().points, [(2.5, 0.75)]);
    }

    #[test]
    fn the_last_span_counts_only_as_far_as_the_run_went() {
        let mut buckets = Buckets::default();
        buckets.add(s(0.0), 500.0);
        buckets.add(s(6.0), 200.0);
        assert_eq!(buckets.rates_per_s(s(7.0)).points, [(2.5, 100.0), (6.0, 100.0)]);
        assert_eq!(buckets.rates_per_s(s(600.0)).points, [(2.5, 100.0), (7.5, 40.0)]);
        assert_eq!(buckets.rates_per_s(s(5.0)).points, [(2.5, 100.0)]);
    }

    #[test]
    fn a_long_run_widens_the_spans_and_keeps_every_value() {
        let mut buckets = Buckets::default();
        for second in 0..3600 {
            buckets.add(s(f64::from(second)), 1.0);
        }
        assert_eq!(buckets.span(), Duration::from_secs(40));
        let counts = buckets.counts().points;
        assert_eq!(counts.len(), 90);
        assert!(counts.iter().all(|(_, count)| *count == 40.0));
    }

    #[test]
    fn quantiles_over_time_tell_spans_apart() {
        let mut buckets = Buckets::default();
        buckets.record(s(1.0), Duration::from_millis(10));
        buckets.record(s(11.0), Duration::from_millis(1000));
        let points = buckets.quantiles_ms(0.5).points;
        assert_eq!(points.len(), 2);
        assert!((points[0].1 - 10.0).abs() < 0.1 && (points[1].1 - 1000.0).abs() < 10.0, "{points:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_the_order_of_times(times in prop::collection::vec(0..u64::MAX, 1..50)) {
            let mut buckets = Buckets::<Tally>::default();
            for time in &times {
                buckets.add(Duration::from_millis(*time), 1.0);
            }
            let points = buckets.counts().points;
            prop_assert!(points.len() <= MAX_POINTS);
            prop_assert_eq!(points.iter().map(|(_, count)| *count).sum::<f64>(), times.len() as f64);
            prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }

        #[test]
        fn widening_is_as_if_the_spans_had_been_wide_from_the_start(times in prop::collection::vec(0..5000_u64, 1..100)) {
            let record = |first: &[u64]| {
                let mut buckets = Buckets::<Tally>::default();
                first.iter().chain(&times).for_each(|time| buckets.add(Duration::from_secs(*time), 1.0));
                buckets
            };
            let mut late = record(&[]);
            late.add(Duration::from_secs(5000), 1.0);
            prop_assert_eq!(late.counts(), record(&[5000]).counts());
        }
    }
}
