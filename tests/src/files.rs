//! Files that nodes share and fetch, through their API; and what is in them.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use node::model::{Hashing, NodeEvent, Share, SharePeer, ShareState, TransferLimits};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::json;

use crate::{api::Api, eventually, node::Node};

/// What is to be fetched, and where to.
#[derive(Debug, Clone, Default)]
pub struct Fetch {
    /// A link or a root.
    pub link: String,
    /// The directory into which it goes.
    pub into: PathBuf,
    /// Which files of it.
    pub select: Vec<String>,
    /// Where peers are.
    pub peers: Vec<String>,
}

impl Fetch {
    /// All of something.
    pub fn all(link: &str, into: &Path) -> Self {
        Self { link: link.into(), into: into.into(), ..Self::default() }
    }
}

impl Api {
    /// Shares a file or a folder; returns when it is hashed.
    ///
    /// # Errors
    /// The answer, or why it cannot be shared.
    pub async fn share(&self, path: &Path) -> Result<Share, String> {
        self.share_as(path, false).await
    }

    /// The same, or a copy of it.
    ///
    /// # Errors
    /// See [`Api::share`].
    pub async fn share_as(&self, path: &Path, copy: bool) -> Result<Share, String> {
        let body = json!({ "path": path, "copy": copy });
        let begun: Hashing = self.send(Method::POST, "files", &body).await?;
        self.hashed(begun.id).await
    }

    /// Waits until something is hashed.
    ///
    /// # Errors
    /// See [`Api::share`].
    pub async fn hashed(&self, id: u64) -> Result<Share, String> {
        loop {
            let hashing: Hashing = self.read(&format!("hashings/{id}")).await?;
            match (hashing.share, hashing.error) {
                (Some(share), _) => return Ok(share),
                (None, Some(error)) => return Err(error),
                (None, None) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Begins to fetch something.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn begin_fetch(&self, fetch: &Fetch) -> Result<Share, String> {
        let Fetch { link, into, select, peers } = fetch;
        let body = json!({ "link": link, "into": into, "select": select, "peers": peers });
        self.send(Method::POST, "transfers", &body).await
    }

    /// A share.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn share_of(&self, root: &str) -> Result<Share, String> {
        self.read(&format!("files/{root}")).await
    }

    /// Who takes part in it.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn share_peers(&self, root: &str) -> Result<Vec<SharePeer>, String> {
        self.read(&format!("files/{root}/peers")).await
    }

    /// All shares.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn shares(&self) -> Result<Vec<Share>, String> {
        self.read("files").await
    }

    /// Limits all transfers.
    ///
    /// # Errors
    /// The answer, if it was not that.
    pub async fn limit(&self, limits: TransferLimits) -> Result<(), String> {
        let answer = self.request(Method::PUT, "limits").json(&limits).send().await;
        answer.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
    }
}

/// Fetches something, and waits until it is complete.
///
/// # Panics
/// When it is not within `timeout`, or fails.
pub async fn fetched(node: &Node, fetch: &Fetch, timeout: Duration) -> Share {
    let api = node.api();
    let mut events = api.events().await;
    let begun = api.begin_fetch(fetch).await.expect("it begins");
    let root = begun.root;
    let complete = async {
        loop {
            let share = api.share_of(&root).await.expect("it is being fetched");
            match share.state {
                ShareState::Complete => return share,
                ShareState::Failed => panic!("{} cannot fetch it: {:?}", node.name(), share.reason),
                _ => {}
            }
            loop {
                match events.next().await.expect("the WebSocket stays open") {
                    NodeEvent::Share(share) if share.root == root && share.state != ShareState::Fetching => break,
                    NodeEvent::Lagged { .. } => break,
                    _ => {}
                }
            }
        }
    };
    match tokio::time::timeout(timeout, complete).await {
        Ok(share) => share,
        Err(_) => panic!("{} has not fetched it within {timeout:?}: {:?}", node.name(), api.share_of(&root).await),
    }
}

/// Waits until a share is like this.
///
/// # Panics
/// When it is not within `timeout`.
pub async fn share_until(api: &Api, root: &str, what: &str, timeout: Duration, is: impl Fn(&Share) -> bool) -> Share {
    eventually(what, timeout, async || {
        let share = api.share_of(root).await?;
        if is(&share) { Ok(share) } else { Err(format!("{share:?}")) }
    })
    .await
}

/// Writes a file of so many bytes that look like chance, and follow from the salt.
///
/// # Panics
/// When it cannot.
pub fn random_file(path: &Path, len: u64, salt: u64) {
    let mut rng = StdRng::seed_from_u64(salt);
    let mut file = io::BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let mut buffer = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        let now = left.min(buffer.len() as u64) as usize;
        rng.fill(&mut buffer[..now]);
        file.write_all(&buffer[..now]).expect("room for it");
        left -= now as u64;
    }
    file.flush().expect("room for it");
}

/// Whether two files have the same bytes, or two directories the same files with the same bytes.
///
/// # Panics
/// When they cannot be read.
pub fn same(one: &Path, other: &Path) -> bool {
    if one.is_dir() {
        let names = |path: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(path).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect();
            names.sort();
            names
        };
        return other.is_dir()
            && names(one) == names(other)
            && names(one).iter().all(|name| same(&one.join(name), &other.join(name)));
    }
    let mut files = [one, other].map(|path| io::BufReader::with_capacity(1 << 20, File::open(path).expect("a file")));
    let [a, b] = &mut files;
    let (mut first, mut second) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = a.read(&mut first).expect("it can be read");
        if read == 0 {
            return b.read(&mut second[..1]).expect("it can be read") == 0;
        }
        if b.read_exact(&mut second[..read]).is_err() || first[..read] != second[..read] {
            return false;
        }
    }
}

/// What is beside complete files below a directory: `.part` and other leavings.
///
/// # Panics
/// When it cannot be read.
pub fn leavings(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains(".part") || name.contains(".tmp") {
            found.push(name);
        } else if path.is_dir() && !path.is_symlink() {
            found.extend(leavings(&path));
        }
    }
    found
}
