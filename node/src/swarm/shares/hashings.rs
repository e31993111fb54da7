//! Files that are being hashed for the user, and what came of those that were.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    files::Progress,
    handle::{CallError, ShareError},
    model::{Hashing, Share},
};

/// Hashings under way: each keeps all cores busy. More are refused.
pub const MAX_RUNNING: usize = 8;

/// Hashings that ended and whose outcome is remembered; of more, the oldest are forgotten.
pub const MAX_ENDED: usize = 64;

struct One {
    path: PathBuf,
    progress: Arc<Progress>,
    ended: Option<Result<Box<Share>, String>>,
}

/// All of them.
#[derive(Default)]
pub struct Hashings {
    all: BTreeMap<u64, One>,
    next: u64,
}

impl Hashings {
    /// One begins: its number, and where it tells how far it is.
    ///
    /// # Errors
    /// [`ShareError::TooMany`].
    pub fn begin(&mut self, path: PathBuf) -> Result<(u64, Arc<Progress>), CallError> {
        if self.all.values().filter(|one| one.ended.is_none()).count() >= MAX_RUNNING {
            let text = format!(
                "{MAX_RUNNING} things are being hashed, which is the most at a time; try again when one is done"
            );
            return Err(ShareError::TooMany(text).into());
        }
        let progress = Arc::new(Progress::default());
        self.next += 1;
        self.all.insert(self.next, One { path, progress: Arc::clone(&progress), ended: None });
        Ok((self.next, progress))
    }

    /// One has ended.
    pub fn end(&mut self, number: u64, result: Result<Share, String>) {
        if let Some(one) = self.all.get_mut(&number) {
            one.ended = Some(result.map(Box::new));
        }
        let ended: Vec<u64> =
            self.all.iter().filter(|(_, one)| one.ended.is_some()).map(|(number, _)| *number).collect();
        for number in ended.iter().take(ended.len().saturating_sub(MAX_ENDED)) {
            self.all.remove(number);
        }
    }

    /// Nobody wants it any more.
    ///
    /// # Errors
    /// [`ShareError::NoSuchHashing`].
    pub fn cancel(&self, number: u64) -> Result<(), CallError> {
        self.all.get(&number).map(|one| one.progress.cancel()).ok_or(ShareError::NoSuchHashing(number).into())
    }

    /// How far one is.
    ///
    /// # Errors
    /// [`ShareError::NoSuchHashing`].
    pub fn show(&self, number: u64) -> Result<Hashing, CallError> {
        let one = self.all.get(&number).ok_or(ShareError::NoSuchHashing(number))?;
        let (hashed_bytes, total_bytes) = one.progress.bytes();
        let (share, error) = match &one.ended {
            Some(Ok(share)) => (Some((**share).clone()), None),
            Some(Err(error)) => (None, Some(error.clone())),
            None => (None, None),
        };
        Ok(Hashing { id: number, path: one.path.display().to_string(), hashed_bytes, total_bytes, share, error })
    }
}
