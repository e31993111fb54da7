//! How fast bytes come or go.

use proto::{time::Now, transfer::meter::Meter};

/// Milliseconds that a meter remembers.
const METER_MS: u64 = 20_000;

/// Bytes one way.
#[derive(Debug)]
pub struct Speed {
    meter: Meter,
    since: Now,
}

impl Speed {
    /// Nothing yet.
    pub fn new(now: Now) -> Self {
        Self { meter: Meter::default(), since: now }
    }

    /// So many bytes more.
    pub fn add(&mut self, now: Now, bytes: u64) {
        self.meter.add(now, bytes);
    }

    /// Bytes a second of late, or since the beginning if that is less.
    pub fn bytes_s(&self, now: Now) -> u64 {
        let ms = now.mono_ms.saturating_sub(self.since.mono_ms).clamp(1_000, METER_MS);
        self.meter.bytes(now) * 1_000 / ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_a_beginning_does_not_count() {
        let at = |mono_ms| Now { mono_ms, wall_ms: 0 };
        let mut speed = Speed::new(at(0));
        (0..10).for_each(|second| speed.add(at(second * 1_000), 5_000));
        assert_eq!(speed.bytes_s(at(10_000)), 5_000);
        let mut speed = Speed::new(at(10_000));
        speed.add(at(10_500), 300);
        assert_eq!((speed.bytes_s(at(11_000)), speed.bytes_s(at(13_000))), (300, 100));
    }
}
