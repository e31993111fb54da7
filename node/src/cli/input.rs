//! Text that the user gives to a command.

use std::io::{self, Read};

use super::Failure;

/// The text of a message: the words of the command line, or standard input for `-`, without the line break at its end.
///
/// # Errors
/// [`Failure::Usage`] when there is none or more than `most` bytes; [`Failure::Failed`] when standard input cannot be read.
pub fn message_text(words: &[String], most: usize) -> Result<String, Failure> {
    let text = if words == ["-"] { read_text(io::stdin().lock(), most)? } else { words.join(" ") };
    check(&text, most)?;
    Ok(text)
}

/// Whether a text can be sent.
///
/// # Errors
/// [`Failure::Usage`] when it is empty, or longer than `most` bytes.
pub fn check(text: &str, most: usize) -> Result<(), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::usage("the message is empty; give a text, or - to read it from standard input"));
    }
    if text.len() > most {
        return Err(too_long(&format!("{} bytes", text.len()), most));
    }
    Ok(())
}

fn too_long(bytes: &str, most: usize) -> Failure {
    Failure::Usage(format!("the message has {bytes}; at most {most} fit in one"))
}

/// At most so many bytes of text, without the line break at their end.
///
/// # Errors
/// [`Failure::Usage`] when there is more; [`Failure::Failed`] when it cannot be read or is no text.
pub fn read_text(input: impl Read, most: usize) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    // A line break at the end, and one byte more than fits.
    let limit = most as u64 + 2;
    let failed = |error: io::Error| Failure::Failed(format!("cannot read standard input: {error}"));
    input.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 == limit {
        return Err(too_long(&format!("more than {most} bytes"), most));
    }
    let not_text = "what standard input gives is not UTF-8 text; a message is text";
    let mut text = String::from_utf8(bytes).map_err(|_| Failure::failed(not_text))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn words_are_a_text_and_so_is_what_is_read_without_its_last_line_break() {
        assert_eq!(message_text(&words(&["shall", "we  meet?"]), 20), Ok("shall we  meet?".into()));
        assert_eq!(read_text(&b"two\nlines\n"[..], 20), Ok("two\nlines".into()));
        assert_eq!(read_text("ä✓".as_bytes(), 5), Ok("ä✓".into()));
    }

    #[test]
    fn what_is_empty_too_long_or_no_text_is_refused_in_plain_words() {
        for empty in [&[""][..], &[" ", "\n"]] {
            let failure = message_text(&words(empty), 20).unwrap_err();
            assert!(failure.code() == 2 && failure.to_string().contains("empty"), "{failure}");
        }
        let failure = message_text(&words(&["12345", "789"]), 8).unwrap_err();
        assert!(failure.code() == 2 && failure.to_string().contains("9 bytes"), "{failure}");
        // Cut off in the middle of a character, it is still too long and not something else.
        let failure = read_text("ääääää".as_bytes(), 7).unwrap_err();
        assert!(failure.code() == 2 && failure.to_string().contains("more than 7 bytes"), "{failure}");
        let failure = read_text(&[0xff, 0xfe][..], 20).unwrap_err();
        assert!(failure.code() == 1 && failure.to_string().contains("UTF-8"), "{failure}");
    }

    #[test]
    fn a_text_that_just_fits_is_taken_with_its_line_break() {
        assert_eq!(read_text(&b"12345678\n"[..], 8), Ok("12345678".into()));
        assert!(read_text(&b"123456789\n"[..], 8).is_err());
    }
}
