//! The secret that lets a program use the API.

use std::{io, path::Path};

use crate::secret_file;

/// The file's name in the data directory: 64 hexadecimal digits.
pub const FILE_NAME: &str = "api-token";

const TOKEN_BYTES: usize = 32;

/// Why there is no token. The user's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot use the API token {path}: {reason}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// The file is no token.
    #[error(
        "{path} is not an API token (64 hexadecimal digits); if it is the file of your node, delete it, and the node makes a new one when it starts"
    )]
    Damaged {
        /// Which file.
        path: String,
    },
}

/// A token. Its text is only given to those who ask for it by name, so that no log shows it.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// A new random token.
    pub fn random() -> Self {
        Self(hex::encode(rand::random::<[u8; TOKEN_BYTES]>()))
    }

    /// Reads a token from a file.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let bytes =
            secret_file::read(path).map_err(|reason| TokenError::Io { path: path.display().to_string(), reason })?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        match hex::decode(text.trim()) {
            Ok(bytes) if bytes.len() == TOKEN_BYTES => Ok(Self(text.trim().to_ascii_lowercase())),
            _ => Err(TokenError::Damaged { path: path.display().to_string() }),
        }
    }

    /// The token in `directory`; a new one when there is none yet.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn load_or_create(directory: &Path) -> Result<Self, TokenError> {
        let path = directory.join(FILE_NAME);
        match Self::read(&path) {
            Err(TokenError::Io { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => {
                let token = Self::random();
                secret_file::create(&path, token.0.as_bytes())
                    .map_err(|reason| TokenError::Io { path: path.display().to_string(), reason })?;
                Ok(token)
            }
            other => other,
        }
    }

    /// The text that clients send.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this token. Takes the same time wherever they differ, so that time tells nothing about it.
    pub fn matches(&self, offered: &str) -> bool {
        let difference = self.0.bytes().zip(offered.bytes()).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
        self.0.len() == offered.len() && difference == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_token_matches() {
        let token = Token::random();
        let text = token.reveal().to_owned();
        assert!(token.matches(&text));
        assert!(!token.matches("") && !token.matches(&text[1..]) && !token.matches(&format!("{text}0")));
        for index in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[index] ^= 1;
            assert!(!token.matches(std::str::from_utf8(&other).unwrap()));
        }
    }

    #[test]
    fn a_token_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let first = Token::load_or_create(directory.path()).unwrap();
        let second = Token::load_or_create(directory.path()).unwrap();
        assert!(first.matches(second.reveal()));
        assert!(!secret_file::is_exposed(&directory.path().join(FILE_NAME)));
        assert!(!format!("{first:?}").contains(first.reveal()));
    }

    #[test]
    fn a_damaged_token_is_reported_and_not_accepted_as_empty() {
        let directory = tempfile::tempdir().unwrap();
        for contents in ["", "abc", "zz"] {
            std::fs::write(directory.path().join(FILE_NAME), contents).unwrap();
            assert!(matches!(Token::load_or_create(directory.path()), Err(TokenError::Damaged { .. })));
        }
    }
}
