//! Who this node is: an Ed25519 key in a file of its own, made once.

use std::{io, path::Path};

use libp2p::identity::{KeyType, Keypair};

use crate::secret_file;

/// The file's name in the data directory. It holds the key in libp2p's protobuf encoding.
pub const FILE_NAME: &str = "identity.key";

/// Why there is no identity. All of them are for the user to mend; nothing was overwritten.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error(
        "cannot read the identity key {path}: {reason}; make it readable for you (chmod 600), or restore it from a backup"
    )]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        reason: io::Error,
    },
    /// The file is no key.
    #[error(
        "the identity key {path} is damaged ({reason}); restore it from a backup, or move it away to get a new identity"
    )]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A new key cannot be written.
    #[error("cannot write a new identity key to {path}: {reason}")]
    Unwritable {
        /// Which file.
        path: String,
        /// Why.
        reason: io::Error,
    },
}

/// The identity in `directory`; a new one when there is none yet.
///
/// # Errors
/// [`IdentityError`]. A key that is there but cannot be used is never replaced.
pub fn load_or_create(directory: &Path) -> Result<Keypair, IdentityError> {
    let path = directory.join(FILE_NAME);
    match secret_file::read(&path) {
        Ok(bytes) => decode(&path, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path),
        Err(reason) => Err(IdentityError::Unreadable { path: path.display().to_string(), reason }),
    }
}

fn decode(path: &Path, bytes: &[u8]) -> Result<Keypair, IdentityError> {
    let damaged = |reason: String| IdentityError::Damaged { path: path.display().to_string(), reason };
    if bytes.is_empty() {
        return Err(damaged("it is empty".into()));
    }
    // What the decoder says may repeat key material, so that it is not passed on.
    let keypair = Keypair::from_protobuf_encoding(bytes).map_err(|_| damaged("it is not a key".into()))?;
    if keypair.key_type() != KeyType::Ed25519 {
        return Err(damaged(format!("it is a key of the type {:?}, not Ed25519", keypair.key_type())));
    }
    if secret_file::is_exposed(path) {
        tracing::warn!("other users can read the identity key {}; run: chmod 600 '{0}'", path.display());
    }
    Ok(keypair)
}

fn create(path: &Path) -> Result<Keypair, IdentityError> {
    let unwritable = |reason| IdentityError::Unwritable { path: path.display().to_string(), reason };
    let keypair = Keypair::generate_ed25519();
    let bytes = keypair.to_protobuf_encoding().map_err(|error| unwritable(io::Error::other(error)))?;
    secret_file::create(path, &bytes).map_err(unwritable)?;
    Ok(keypair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_start_has_the_identity_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let first = load_or_create(directory.path()).unwrap();
        let bytes = std::fs::read(directory.path().join(FILE_NAME)).unwrap();
        let second = load_or_create(directory.path()).unwrap();
        assert_eq!(first.public(), second.public());
        assert_eq!(std::fs::read(directory.path().join(FILE_NAME)).unwrap(), bytes);
        assert!(!secret_file::is_exposed(&directory.path().join(FILE_NAME)));
    }

    #[test]
    fn a_damaged_key_is_reported_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        for contents in [&b""[..], b"not a key", &[8, 1, 18, 64, 1, 2, 3]] {
            std::fs::write(&path, contents).unwrap();
            let error = load_or_create(directory.path()).unwrap_err().to_string();
            assert!(error.contains("is damaged") && !error.contains('\n'), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), contents);
        }
    }

    #[test]
    fn a_key_that_is_a_directory_is_one_clear_line() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(FILE_NAME)).unwrap();
        let error = load_or_create(directory.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the identity key"), "{error}");
    }
}
