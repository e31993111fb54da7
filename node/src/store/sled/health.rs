//! Whether a store still works, as writer and reader share it.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::Fault;
use crate::store::StoreError;

/// The name of the file that says that the database must be verified when it is opened next.
pub(super) const SUSPECT: &str = "suspect";

/// The first failure, if there was one.
#[derive(Debug, Clone)]
pub(super) struct Health {
    suspect: PathBuf,
    failure: Arc<Mutex<Option<String>>>,
}

impl Health {
    /// Of the store in `directory`.
    pub(super) fn new(directory: &Path) -> Self {
        Self { suspect: directory.join(SUSPECT), failure: Arc::default() }
    }

    /// Refuses when there was a failure.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.clone().map_or(Ok(()), |reason| Err(StoreError::Failed(reason)))
    }

    /// Turns a fault, or a panic of sled over damage, into the store's failure.
    pub(super) fn guard<T>(&self, doing: &str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(fault)) => Err(self.fail(&fault.to_string())),
            Err(_) => Err(self.fail(&format!("the database panicked while {doing}"))),
        }
    }

    /// Notes a failure, marks the database as suspect, and returns the error to answer with.
    pub(super) fn fail(&self, reason: &str) -> StoreError {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_none() {
            tracing::error!("the store failed: {reason}");
            if let Err(error) = File::create(&self.suspect).and_then(|file| file.sync_all()) {
                tracing::warn!("could not mark the store for verification: {error}");
            }
        }
        failure.get_or_insert_with(|| reason.to_owned());
        StoreError::Failed(reason.to_owned())
    }
}
