//! Files: shared by one node, fetched by another, with everything in the way that there is.

mod cli;
mod crash;
mod getting;
mod limits;
mod lying;

use std::path::{Path, PathBuf};

use harness::{
    Node, NodeOptions,
    files::{Fetch, fetched, random_file, same},
    seconds,
};
use node::model::Share;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// A directory of the test's own, with a new one in it for each name.
struct Places(TempDir);

impl Places {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        let place = self.0.path().join(name);
        std::fs::create_dir_all(&place).unwrap();
        place
    }

    /// A file of so many bytes.
    fn file(&self, name: &str, len: u64) -> PathBuf {
        let path = self.at("source").join(name);
        random_file(&path, len, len);
        path
    }
}

async fn start(name: &str, others: &[&Node]) -> Node {
    let options = others.iter().fold(NodeOptions::named(name), |options, other| options.joining(other));
    Node::start(options).await
}

/// Fetches all of a share into a directory, and says where it is, having looked that it is the same.
async fn get(node: &Node, share: &Share, into: &Path, source: &Path) -> PathBuf {
    let done = fetched(node, &Fetch::all(share.link.as_deref().unwrap(), into), seconds(60)).await;
    let place = PathBuf::from(done.place.unwrap());
    assert!(same(source, &place), "{}", place.display());
    place
}
