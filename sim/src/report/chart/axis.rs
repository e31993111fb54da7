//! How far the vertical axis of a chart reaches.

use crate::report::Unit;

/// What the numbers along an axis are counted in, so that its steps are round there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    /// How much one of it is.
    pub(super) one: f64,
    /// Its name.
    pub(super) name: &'static str,
}

impl Scale {
    /// For the virtual time of a run that ends here.
    pub(super) fn of_time(end_s: f64) -> Self {
        let (one, name) = match end_s {
            ..=120.0 => (1.0, "s"),
            ..=7200.0 => (60.0, "min"),
            ..=172_800.0 => (3600.0, "h"),
            _ => (86_400.0, "d"),
        };
        Self { one, name }
    }

    /// For bytes, of which the most are this many.
    pub(super) fn of_bytes(most: f64) -> Self {
        let scales = [(1024.0 * 1024.0 * 1024.0, "GiB"), (1024.0 * 1024.0, "MiB"), (1024.0, "KiB")];
        let (one, name) = scales.into_iter().find(|(one, _)| most >= *one).unwrap_or((1.0, "B"));
        Self { one, name }
    }
}

/// From where to where, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Axis {
    /// Equal steps.
    Linear(f64, f64),
    /// Equal factors; the lower end is above 0.
    Logarithmic(f64, f64),
}

/// From this factor between the least time and the most, a linear axis would show only the most.
const WIDE: f64 = 30.0;

/// The least time that a logarithmic axis shows: a hundredth of a millisecond, or of a second.
const LEAST_TIME: f64 = 0.01;

/// What is beyond this is no number that a run has, and would make steps that a chart cannot count.
const MOST: f64 = 1e15;

impl Axis {
    /// The axis for these values; `None` when there are none.
    ///
    /// Shares reach from nothing to all, unless all values lie near all: then the axis shows that end, so that 99.9 % and
    /// 99.99 % can be told apart. Everything else begins at nothing, so that heights can be compared; times which differ
    /// by more than a factor of [`WIDE`] are shown by their logarithm.
    pub(super) fn for_values(values: &[f64], unit: Unit) -> Option<Self> {
        let values = || values.iter().copied().filter(|value| value.is_finite()).map(|value| value.clamp(0.0, MOST));
        let most = values().reduce(f64::max)?;
        let least = values().reduce(f64::min)?;
        Some(match unit {
            Unit::Share => {
                Self::Linear([0.9999, 0.999, 0.99].into_iter().find(|low| least > *low).unwrap_or(0.0), most.max(1.0))
            }
            Unit::Milliseconds | Unit::Seconds => {
                let least = values().filter(|value| *value > 0.0).reduce(f64::min).unwrap_or(most).max(LEAST_TIME);
                if most > least * WIDE { Self::powers(least, most) } else { Self::from_nothing(most) }
            }
            Unit::Bytes | Unit::Count => Self::from_nothing(most),
        })
    }

    fn from_nothing(most: f64) -> Self {
        Self::Linear(0.0, if most > 0.0 { most * 1.05 } else { 1.0 })
    }

    /// Between whole powers of ten.
    fn powers(least: f64, most: f64) -> Self {
        Self::Logarithmic(10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(values: &[f64], unit: Unit) -> Axis {
        Axis::for_values(values, unit).unwrap()
    }

    #[test]
    fn shares_reach_from_nothing_to_all() {
        assert_eq!(axis(&[0.4, 0.9], Unit::Share), Axis::Linear(0.0, 1.0));
        assert_eq!(axis(&[1.0, 0.99], Unit::Share), Axis::Linear(0.0, 1.0));
    }

    #[test]
    fn shares_that_are_all_high_are_seen_from_near() {
        assert_eq!(axis(&[1.0, 0.995], Unit::Share), Axis::Linear(0.99, 1.0));
        assert_eq!(axis(&[1.0, 0.9995], Unit::Share), Axis::Linear(0.999, 1.0));
        assert_eq!(axis(&[1.0], Unit::Share), Axis::Linear(0.9999, 1.0));
    }

    #[test]
    fn times_far_apart_are_shown_by_their_logarithm() {
        assert_eq!(axis(&[80.0, 42_000.0], Unit::Milliseconds), Axis::Logarithmic(10.0, 100_000.0));
        assert_eq!(axis(&[0.0, 80.0, 200.0], Unit::Milliseconds), Axis::Linear(0.0, 210.0));
    }

    #[test]
    fn counts_begin_at_nothing() {
        assert_eq!(axis(&[900.0, 1000.0], Unit::Count), Axis::Linear(0.0, 1050.0));
        assert_eq!(axis(&[0.0], Unit::Count), Axis::Linear(0.0, 1.0));
    }

    #[test]
    fn a_scale_has_few_of_its_unit() {
        assert_eq!([60.0, 600.0, 36_000.0, 1e6].map(|end_s| Scale::of_time(end_s).name), ["s", "min", "h", "d"]);
        assert_eq!([0.0, 2048.0, 3e6, 1e300].map(|most| Scale::of_bytes(most).name), ["B", "KiB", "MiB", "GiB"]);
    }

    #[test]
    fn without_numbers_there_is_no_axis() {
        assert_eq!(Axis::for_values(&[], Unit::Count), None);
        assert_eq!(Axis::for_values(&[f64::NAN], Unit::Count), None);
    }
}
