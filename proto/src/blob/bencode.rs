//! Bencode (BEP 3), read and written strictly: one value has one spelling, so what was read is what was hashed.
//!
//! The reader builds nothing: its caller takes the values that it wants as they come, and skips the others. So a small input
//! cannot ask for much memory.

/// Dictionaries and lists inside each other, at most: a path of the deepest kind, and what is around it.
const MAX_DEPTH: usize = super::path::MAX_PATH_DEPTH + 8;

/// Bytes that are not bencode, or not in its one spelling. The fault of who wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not bencode at byte {at}")]
pub struct InvalidBencode {
    /// Where.
    pub at: usize,
}

/// Reads values, one after another.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    /// Reads an integer: no leading zeros, no minus zero.
    pub(super) fn integer(&mut self) -> Result<i64, InvalidBencode> {
        self.expect(b'i')?;
        let digits = self.until(b'e')?;
        let magnitude = digits.strip_prefix(b"-").unwrap_or(digits);
        let is_plain = magnitude.iter().all(u8::is_ascii_digit)
            && (magnitude == b"0" && digits == magnitude || !magnitude.starts_with(b"0"));
        let text = std::str::from_utf8(digits).ok().filter(|_| is_plain);
        text.and_then(|text| text.parse().ok()).ok_or(self.error())
    }

    /// Reads a byte string.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], InvalidBencode> {
        let digits = self.until(b':')?;
        let is_plain = digits.iter().all(u8::is_ascii_digit) && (digits == b"0" || !digits.starts_with(b"0"));
        let text = std::str::from_utf8(digits).ok().filter(|_| is_plain);
        let len: usize = text.and_then(|text| text.parse().ok()).ok_or(self.error())?;
        let bytes = self.bytes[self.at..].get(..len).ok_or(self.error())?;
        self.at += len;
        Ok(bytes)
    }

    /// Reads a dictionary: `each` is called with every key, in ascending order, and must read or skip its value.
    pub(super) fn dictionary<E: From<InvalidBencode>>(
        &mut self,
        mut each: impl FnMut(&'a [u8], &mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = None;
        self.collection(b'd', |reader| {
            let key = reader.bytes()?;
            if last.is_some_and(|last| last >= key) {
                return Err(reader.error().into());
            }
            last = Some(key);
            each(key, reader)
        })
    }

    /// Skips a value of any kind, and returns its bytes.
    pub(super) fn skip(&mut self) -> Result<&'a [u8], InvalidBencode> {
        let start = self.at;
        match self.bytes.get(start) {
            Some(b'i') => self.integer().map(drop),
            Some(b'l') => self.collection(b'l', |reader| reader.skip().map(drop)),
            Some(b'd') => self.dictionary(|_, reader| reader.skip().map(drop)),
            _ => self.bytes().map(drop),
        }?;
        Ok(&self.bytes[start..self.at])
    }

    /// Checks that nothing is left.
    pub(super) fn end(self) -> Result<(), InvalidBencode> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error()) }
    }

    fn collection<E: From<InvalidBencode>>(
        &mut self,
        kind: u8,
        mut each: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(kind)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error().into());
        }
        while self.bytes.get(self.at) != Some(&b'e') {
            each(self)?;
        }
        self.depth -= 1;
        self.at += 1;
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), InvalidBencode> {
        if self.bytes.get(self.at) != Some(&byte) {
            return Err(self.error());
        }
        self.at += 1;
        Ok(())
    }

    /// The few characters of a number before `end`, which is passed.
    fn until(&mut self, end: u8) -> Result<&'a [u8], InvalidBencode> {
        const LONGEST: usize = "-9223372036854775808".len();
        let rest = &self.bytes[self.at..];
        let len = rest.iter().take(LONGEST + 1).position(|byte| *byte == end).ok_or(self.error())?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn error(&self) -> InvalidBencode {
        InvalidBencode { at: self.at }
    }
}

/// Writes values. Whoever calls it gives the keys in ascending order.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn integer(&mut self, value: u64) {
        self.0.extend(format!("i{value}e").into_bytes());
    }

    /// A byte string: a value, or a key.
    pub(super) fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.0.extend(format!("{}:", bytes.len()).into_bytes());
        self.0.extend(bytes);
    }

    pub(super) fn open_dictionary(&mut self) {
        self.0.push(b'd');
    }

    pub(super) fn close(&mut self) {
        self.0.push(b'e');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_value(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip().is_ok_and(|value| value == bytes) && reader.end().is_ok()
    }

    #[test]
    fn each_value_has_one_spelling() {
        for good in ["i0e", "i-1e", "i9223372036854775807e", "0:", "3:abc", "le", "de", "d0:i1e1:ali2eee", "lllleeee"] {
            assert!(is_value(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "i",
            "ie",
            "i-0e",
            "i01e",
            "i+1e",
            "i-e",
            "i1",
            "i9223372036854775808e",
            "01:a",
            "2:a",
            ":",
            "-1:",
            "l",
            "d",
            "d1:ae",
            "di1ei1ee",
            "d1:bi1e1:ai1ee",
            "d1:ai1e1:ai1ee",
            "i0ei0e",
            "99999999999999999999:",
        ] {
            assert!(!is_value(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let nested = |depth| [vec![b'l'; depth], vec![b'e'; depth]].concat();
        assert!(is_value(&nested(MAX_DEPTH)));
        assert!(!is_value(&nested(MAX_DEPTH + 1)));
        assert!(!is_value(&vec![b'l'; 1_000_000]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            number in 0..=i64::MAX as u64,
            entries in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..4), any::<Vec<u8>>(), 0..5),
        ) {
            let mut writer = Writer::default();
            writer.integer(number);
            writer.open_dictionary();
            entries.iter().for_each(|(key, value)| {
                writer.bytes(key);
                writer.bytes(value);
            });
            writer.close();
            let mut reader = Reader::new(&writer.0);
            prop_assert_eq!(reader.integer(), Ok(number as i64));
            let mut read = std::collections::BTreeMap::new();
            let done: Result<(), InvalidBencode> = reader.dictionary(|key, reader| {
                read.insert(key.to_vec(), reader.bytes()?.to_vec());
                Ok(())
            });
            prop_assert_eq!(done, Ok(()));
            prop_assert_eq!(read, entries);
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn no_bytes_make_reading_panic(text in "[ildes0-9:-]{0,40}") {
            let mut reader = Reader::new(text.as_bytes());
            if let Ok(value) = reader.skip() {
                prop_assert!(is_value(value));
            }
        }
    }
}
