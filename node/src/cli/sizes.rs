//! Sizes and speeds, as people write and read them.

use std::str::FromStr;

use bytesize::ByteSize;

/// How fast bytes may come or go, as the user says it: `10MiB`, `1.5M`, `500k`, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(
    /// Bytes a second; `None` for no limit.
    pub Option<u64>,
);

/// Text that is no size. The user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a size; sizes look like 10MiB, 1.5M or 500k, and none is no limit")]
pub struct NotASize(String);

impl FromStr for Limit {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let size = text.trim();
        if size.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        let size = size.strip_suffix("/s").unwrap_or(size);
        size.parse::<ByteSize>().map(|size| Self(Some(size.as_u64()))).map_err(|_| NotASize(text.into()))
    }
}

/// So many bytes.
pub fn bytes(count: u64) -> String {
    ByteSize(count).display().iec().to_string()
}

/// So many bytes a second.
pub fn speed(bytes_s: u64) -> String {
    format!("{}/s", bytes(bytes_s))
}

/// A limit.
pub fn limit(bytes_s: Option<u64>) -> String {
    match bytes_s {
        None => "no limit".into(),
        Some(0) => "nothing".into(),
        Some(bytes_s) => speed(bytes_s),
    }
}

/// How much of `of` is done, in percent. 100 only when all is.
pub fn percent(done: u64, of: u64) -> u64 {
    if done >= of { 100 } else { done.saturating_mul(100) / of }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1234", 1_234),
            ("10MiB", 10 * 1024 * 1024),
            ("10 MiB/s", 10 * 1024 * 1024),
            ("1.5M", 1_500_000),
            ("500k", 500_000),
            ("2GB", 2_000_000_000),
            (" 1KiB ", 1_024),
        ] {
            assert_eq!(text.parse(), Ok(Limit(Some(bytes))), "{text}");
        }
        assert_eq!("None".parse(), Ok(Limit(None)));
        for text in ["", "fast", "-5", "10 parsecs", "1.2.3M", "k", "NaN"] {
            let error = text.parse::<Limit>().unwrap_err();
            assert!(error.to_string().contains("10MiB"), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_few_digits_and_are_never_done_too_early() {
        assert_eq!([5, 1_536, 10 * 1024 * 1024].map(bytes), ["5 B", "1.5 KiB", "10.0 MiB"]);
        assert_eq!([None, Some(0), Some(2_048)].map(limit), ["no limit", "nothing", "2.0 KiB/s"]);
        assert_eq!(
            [(0, 3), (2, 3), (999_999, 1_000_000), (3, 3), (0, 0)].map(|(done, of)| percent(done, of)),
            [0, 66, 99, 100, 100]
        );
    }
}
