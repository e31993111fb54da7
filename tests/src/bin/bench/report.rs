//! Figures, as a table or as JSON.

use std::time::Duration;

use serde_json::json;

/// Prints each figure as it comes.
pub struct Report {
    json: bool,
}

impl Report {
    /// A report in JSON, one object a line, or as a table.
    pub fn new(json: bool) -> Self {
        if !json {
            println!("{:<12} {:<44} {:>12} unit", "measurement", "figure", "value");
        }
        Self { json }
    }

    /// One figure.
    pub fn add(&mut self, measurement: &str, figure: &str, value: f64, unit: &str) {
        if self.json {
            println!("{}", json!({ "measurement": measurement, "figure": figure, "value": value, "unit": unit }));
        } else {
            println!("{measurement:<12} {figure:<44} {value:>12.3} {unit}");
        }
    }

    /// Median, 99th percentile and maximum of some durations, in milliseconds.
    pub fn add_durations(&mut self, measurement: &str, figure: &str, mut durations: Vec<Duration>) {
        durations.sort();
        let at = |share: f64| {
            let index = (durations.len() as f64 * share) as usize;
            durations.get(index.min(durations.len().saturating_sub(1))).map_or(f64::NAN, |d| d.as_secs_f64() * 1e3)
        };
        for (name, share) in [("median", 0.5), ("p99", 0.99), ("max", 1.0)] {
            self.add(measurement, &format!("{figure}, {name}"), at(share), "ms");
        }
    }
}
