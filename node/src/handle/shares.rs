//! Calls about files and folders that are shared and fetched.

use std::{path::PathBuf, sync::Arc};

use futures::StreamExt;
use libp2p::Multiaddr;
use proto::{
    blob::{BlobId, link::Wanted, path::FileName},
    channel::RoomName,
    transfer::{ByteRate, message::provider_key},
};

use super::{CallError, Command, Handle, MAX_HISTORY_LIMIT};
use crate::{
    announced,
    files::{Symlinks, vault::VaultError},
    model::{AnnouncedShare, Hashing, Message, Share, ShareFile, SharePeer, ShareState, StoreUsage, TransferLimits},
    swarm::shares,
};

/// Nodes that are counted of those that have a share.
const MAX_COUNTED: usize = 100;

/// Shares whose nodes are counted at a time: half of the searches that a node makes.
const MAX_COUNTING: usize = 32;

/// Why nothing comes of a call about shares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// This node neither shares nor fetches it.
    #[error("this node has nothing to do with {0}; to see what it shares: node shared")]
    Unknown(BlobId),
    /// There is no such hashing.
    #[error("nothing is hashed under the number {0}")]
    NoSuchHashing(u64),
    /// It cannot be shared or fetched like that. The user's to mend.
    #[error("{0}")]
    Invalid(String),
    /// It is here already, or the target is.
    #[error("{0}")]
    Here(String),
    /// It is not being fetched.
    #[error("{0} is not being fetched")]
    NotFetched(BlobId),
    /// So many things are hashed, or fetched, or shared that there is no room for another.
    #[error("{0}")]
    TooMany(String),
    /// A disk is full or broken.
    #[error("{0}")]
    Disk(String),
}

/// What the user wants to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRequest {
    /// A file or a folder; absolute.
    pub path: PathBuf,
    /// What to call it, if not as it is called there.
    pub name: Option<FileName>,
    /// Whether to copy it, so that it can be changed or deleted where it is.
    pub copy: bool,
    /// What to do about symbolic links in it.
    pub symlinks: Symlinks,
}

/// Where what is fetched goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into this directory, under its own name; absolute.
    Into(PathBuf),
    /// Just there; absolute.
    At(PathBuf),
}

/// What the user wants to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest {
    /// What.
    pub wanted: Wanted,
    /// Where to.
    pub target: Target,
    /// Which files of a folder: globs for their paths. All, if there are none.
    pub select: Vec<String>,
    /// Where peers are who may have it: multiaddrs with peer ids.
    pub peers: Vec<Multiaddr>,
}

impl Handle {
    /// Begins to hash a file or a folder, to share it when that is done. [`Handle::hashing`] tells how far it is.
    ///
    /// # Errors
    /// [`ShareError::TooMany`].
    pub async fn share(&self, request: ShareRequest) -> Result<Hashing, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Share(request, answer))).await
    }

    /// Begins to hash a share anew, to see whether it is what it was.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], [`ShareError::TooMany`].
    pub async fn verify_share(&self, root: BlobId) -> Result<Hashing, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Verify(root, answer))).await
    }

    /// How far something that is hashed is, or what came of it.
    ///
    /// # Errors
    /// [`ShareError::NoSuchHashing`].
    pub async fn hashing(&self, id: u64) -> Result<Hashing, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Hashing(id, answer))).await
    }

    /// Ends a hashing that nobody waits for any more.
    ///
    /// # Errors
    /// [`ShareError::NoSuchHashing`].
    pub async fn cancel_hashing(&self, id: u64) -> Result<(), CallError> {
        self.call(|answer| Command::Shares(shares::Command::CancelHashing(id, answer))).await
    }

    /// Begins to fetch a share, or goes on: then the files that are selected now are wanted beside those of before, and all, if none are.
    /// What is here already is told as it is.
    ///
    /// # Errors
    /// [`ShareError`].
    pub async fn fetch(&self, request: FetchRequest) -> Result<Share, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Fetch(Box::new(request), answer))).await
    }

    /// Announces a share in a room: says its name and its link.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], [`ShareError::Invalid`], and as [`Handle::say`].
    pub async fn announce_share(&self, room: RoomName, root: BlobId) -> Result<Message, CallError> {
        let share = self.share_of(root).await?;
        let text = announced::text(&share);
        let text =
            text.ok_or_else(|| ShareError::Invalid("it is not known yet what is in it; try again later".into()))?;
        self.say(room, text).await
    }

    /// What was announced in a room lately, oldest first; on demand with how many nodes have it, this one too.
    ///
    /// # Errors
    /// [`CallError::Store`], [`CallError::NotInRoom`] if nothing is known of that room.
    pub async fn announced_shares(&self, room: RoomName, count: bool) -> Result<Vec<AnnouncedShare>, CallError> {
        let messages = self.history(room.clone(), None, MAX_HISTORY_LIMIT).await?;
        if messages.is_empty() {
            self.who(room).await?;
        }
        let mut all = announced::announced(&messages);
        if count {
            let roots: Vec<Option<BlobId>> = all.iter().map(|share| share.root.parse().ok()).collect();
            let seeders = futures::stream::iter(roots)
                .map(|root| async move {
                    let root = root?;
                    // What cannot be asked now is not known.
                    let found =
                        self.find_providers(provider_key(&root), MAX_COUNTED).await.ok()?.providers.len() as u64;
                    let is_here = self.share_of(root).await.is_ok_and(|share| share.state != ShareState::Asking);
                    Some(found + u64::from(is_here))
                })
                .buffered(MAX_COUNTING);
            let seeders: Vec<Option<u64>> = seeders.collect().await;
            all.iter_mut().zip(seeders).for_each(|(share, seeders)| share.seeders = seeders);
        }
        Ok(all)
    }

    /// All that is shared or fetched, in the order in which it came.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn shares(&self) -> Result<Vec<Share>, CallError> {
        self.call(|answer| Command::Shares(shares::Command::List(answer))).await
    }

    /// One share.
    ///
    /// # Errors
    /// [`ShareError::Unknown`].
    pub async fn share_of(&self, root: BlobId) -> Result<Share, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Show(root, answer))).await
    }

    /// Who takes part in a share.
    ///
    /// # Errors
    /// [`ShareError::Unknown`].
    pub async fn share_peers(&self, root: BlobId) -> Result<Vec<SharePeer>, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Peers(root, answer))).await
    }

    /// The files of a share; none while it is not known what is in it.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], [`ShareError::Disk`].
    pub async fn share_files(&self, root: BlobId) -> Result<Vec<ShareFile>, CallError> {
        let have = self.call(|answer| Command::Shares(shares::Command::Have(root, answer))).await?;
        let Some(have) = have else { return Ok(Vec::new()) };
        let outline = self.vault.outline(root).await.map_err(vault_error)?;
        let mut files = shares::files(&outline, &have);
        // Of a file that is shared alone the outline does not tell the name.
        if let [file] = files.as_mut_slice()
            && file.path.is_empty()
        {
            file.path = self.share_of(root).await?.name;
        }
        Ok(files)
    }

    /// Has what is fetched stand still, durably.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], [`ShareError::NotFetched`].
    pub async fn pause_share(&self, root: BlobId) -> Result<Share, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Pause(root, true, answer))).await
    }

    /// Has it go on.
    ///
    /// # Errors
    /// [`ShareError::Unknown`], [`ShareError::NotFetched`].
    pub async fn resume_share(&self, root: BlobId) -> Result<Share, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Pause(root, false, answer))).await
    }

    /// Shares or fetches something no more. What is complete stays where it is; what is not is removed.
    ///
    /// # Errors
    /// [`ShareError::Unknown`].
    pub async fn unshare(&self, root: BlobId) -> Result<(), CallError> {
        self.call(|answer| Command::Shares(shares::Command::Forget(root, answer))).await
    }

    /// Limits how fast bytes come and go: of one share, or of all.
    ///
    /// # Errors
    /// [`ShareError::Unknown`].
    pub async fn limit_shares(&self, root: Option<BlobId>, limits: TransferLimits) -> Result<(), CallError> {
        let (up, down): (ByteRate, ByteRate) = (limits.up, limits.down);
        self.call(|answer| Command::Shares(shares::Command::Limit(root, up, down, answer))).await
    }

    /// The limits of all.
    ///
    /// # Errors
    /// See [`Handle::status`].
    pub async fn share_limits(&self) -> Result<TransferLimits, CallError> {
        self.call(|answer| Command::Shares(shares::Command::Limits(answer))).await
    }

    /// What shares take of the disk.
    ///
    /// # Errors
    /// [`ShareError::Disk`].
    pub async fn store_usage(&self) -> Result<StoreUsage, CallError> {
        let usage = self.vault.usage().await.map_err(vault_error)?;
        Ok(StoreUsage {
            copied_bytes: usage.copied_bytes,
            partial_bytes: usage.partial_bytes,
            outline_bytes: usage.outline_bytes,
            garbage_bytes: usage.garbage_bytes,
        })
    }

    /// Removes files of the node's own that nothing needs; how many bytes that were.
    ///
    /// # Errors
    /// [`ShareError::Disk`].
    pub async fn collect_garbage(&self) -> Result<u64, CallError> {
        Arc::clone(&self.vault).collect_garbage().await.map_err(vault_error)
    }
}

/// What a caller is told of what a vault says.
pub(crate) fn vault_error(error: VaultError) -> CallError {
    use crate::files::{HashError, ImportError, PartialError};
    let text = error.to_string();
    CallError::Share(match error {
        VaultError::Store(error) => return CallError::Store(error),
        VaultError::Import(ImportError::Hash(HashError::Io { .. })) => ShareError::Disk(text),
        VaultError::Import(_)
        | VaultError::Changed(_)
        | VaultError::Lost(_)
        | VaultError::Unknown
        | VaultError::NothingSelected(_)
        | VaultError::Wrong => ShareError::Invalid(text),
        VaultError::Here(_) | VaultError::Partial(PartialError::Exists(_)) => ShareError::Here(text),
        VaultError::TooMany(_) => ShareError::TooMany(text),
        VaultError::Partial(PartialError::Full(_) | PartialError::Io { .. }) | VaultError::Io { .. } => {
            ShareError::Disk(text)
        }
        VaultError::Partial(PartialError::Place { .. } | PartialError::TooLarge(_) | PartialError::Length) => {
            ShareError::Invalid(text)
        }
    })
}
