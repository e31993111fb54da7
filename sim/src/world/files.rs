//! Files: who fetches what, how far each is, and what went from whom.
//!
//! | heard of | from |
//! |---|---|
//! | what a user wants | the engine, whose users they are |
//! | what was taken, is durable, was read for others | the vaults, the moment it happens |
//! | how far a file is said to be | the nodes' reports |
//!
//! What must not be is noticed when it happens: the first [`Fault`] ends the run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use node::model::{Share, ShareState};
use proto::blob::BlobId;

use super::{mail::Fault, vault::Deed};
use crate::truth::Truth;

/// What must hold of each file: what is taken of it is its own.
pub const RIGHT: &str = "no file is completed with a wrong byte";
/// And what is right is taken.
pub const FAIR: &str = "no right block is refused as a wrong one";
/// It is as far as is said of it, and stays so.
pub const TRUE: &str = "a file that is complete is all there, and survives a power cut";

/// A file that some hosts fetch.
pub struct File {
    /// What is in it.
    pub truth: Arc<Truth>,
    /// Those who have it from the beginning.
    pub seeders: BTreeSet<usize>,
    /// Those who fetch it.
    pub getters: BTreeMap<usize, Fetch>,
}

/// What one host wants of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// When its user first asked for it.
    pub asked_ms: Option<u64>,
    /// When it was complete on its disk.
    pub done_ms: Option<u64>,
    /// Bytes that are durable there.
    pub bytes: u64,
}

/// Bytes of blocks in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Read by those who had the file from the beginning, for others.
    pub by_seeders: u64,
    /// Read by those who fetched it themselves, for others.
    pub by_getters: u64,
    /// Durable at those who fetch.
    pub kept: u64,
    /// Blocks that came and were refused.
    pub wrong_blocks: u64,
    /// Blocks that came and were taken.
    pub right_blocks: u64,
    /// Fetches that are complete.
    pub done: u64,
}

/// The account.
#[derive(Default)]
pub struct Files {
    /// By host.
    names: Vec<String>,
    files: Vec<File>,
    tally: Tally,
    fault: Option<Fault>,
}

impl Files {
    /// Among hosts with these names.
    pub fn new(names: Vec<String>) -> Self {
        Self { names, ..Self::default() }
    }

    /// There is one more file.
    pub fn add(&mut self, file: File) {
        self.files.push(file);
    }

    /// All of them, in the order of the scenario.
    pub fn all(&self) -> &[File] {
        &self.files
    }

    /// What went and came in all.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Bytes that all who fetch want together.
    pub fn wanted_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.truth.outline().layout().size() * file.getters.len() as u64).sum()
    }

    /// The first thing that was not as it must be, if that was not asked before.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// A user asks for a file.
    pub fn asked(&mut self, now_ms: u64, host: usize, file: usize) {
        if let Some(fetch) = self.files.get_mut(file).and_then(|file| file.getters.get_mut(&host)) {
            fetch.asked_ms.get_or_insert(now_ms);
        }
    }

    /// A vault did something. The number of the file, if that is one more that is complete.
    pub fn did(&mut self, now_ms: u64, host: usize, root: BlobId, deed: Deed) -> Option<usize> {
        let (who, number) = (self.names[host].clone(), self.number(root)?);
        let file = &mut self.files[number];
        let name = file.truth.name().as_str();
        let wrong = match deed {
            Deed::Mistook => Some((RIGHT, format!("{who} takes something else for {name}"))),
            Deed::Took(block, false) => Some((RIGHT, format!("{who} took wrong bytes for block {block} of {name}"))),
            Deed::Refused(block, true) => {
                Some((FAIR, format!("{who} refused the right bytes of block {block} of {name}")))
            }
            Deed::Took(_, true) => {
                self.tally.right_blocks += 1;
                None
            }
            Deed::Refused(_, false) => {
                self.tally.wrong_blocks += 1;
                None
            }
            Deed::Gave(bytes) => {
                let given =
                    if file.seeders.contains(&host) { &mut self.tally.by_seeders } else { &mut self.tally.by_getters };
                *given += bytes;
                None
            }
            Deed::Kept(bytes) => {
                if let Some(fetch) = file.getters.get_mut(&host) {
                    fetch.bytes += bytes;
                    self.tally.kept += bytes;
                }
                None
            }
            Deed::Finished => {
                let fetch = file.getters.get_mut(&host).filter(|fetch| fetch.done_ms.is_none())?;
                fetch.done_ms = Some(now_ms);
                self.tally.done += 1;
                return Some(number);
            }
        };
        if let Some((invariant, detail)) = wrong {
            self.blame(now_ms, invariant, detail, host);
        }
        None
    }

    /// A node told its user how far a file is.
    pub fn told(&mut self, now_ms: u64, host: usize, share: &Share) {
        let Some(number) = share.root.parse().ok().and_then(|root| self.number(root)) else { return };
        let file = &self.files[number];
        let is_there = file.getters.get(&host).is_none_or(|fetch| fetch.done_ms.is_some());
        if share.state == ShareState::Complete && !is_there {
            let detail =
                format!("{} says that {} is complete, and it is not", self.names[host], file.truth.name().as_str());
            self.blame(now_ms, TRUE, detail, host);
        }
    }

    /// Which files are on the disk of a host, of which no node runs. What was complete there must be.
    pub fn found(&mut self, now_ms: u64, host: usize, holds: impl Fn(BlobId) -> bool) {
        let lost = self.files.iter().find(|file| {
            let done = file.getters.get(&host).is_some_and(|fetch| fetch.done_ms.is_some());
            done && !holds(file.truth.root())
        });
        if let Some(lost) = lost {
            let detail = format!("{} was complete at {} and is no more", lost.truth.name().as_str(), self.names[host]);
            self.blame(now_ms, TRUE, detail, host);
        }
    }

    fn blame(&mut self, at_ms: u64, invariant: &'static str, detail: String, host: usize) {
        self.fault.get_or_insert(Fault { at_ms, invariant, detail, hosts: vec![host] });
    }

    fn number(&self, root: BlobId) -> Option<usize> {
        self.files.iter().position(|file| file.truth.root() == root)
    }
}

/// Whom and when a file reaches, and over which links, for [`best_s`].
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// Bytes of the file.
    pub bytes: u64,
    /// Upload of each seeder, bits a second; 0 is unlimited.
    pub seeders_up: Vec<u64>,
    /// Upload and download of each getter, and milliseconds from the first's asking to its own.
    pub getters: Vec<(u64, u64, u64)>,
}

/// The least number of seconds in which a file can get to all, from when the first asks for it; `None` if nothing limits that.
///
/// In a fluid model, where blocks are as small as one likes, latency is nothing and everybody can be connected to everybody, `F` bytes get from
/// seeders of upload `u_S` together to `n` getters of uploads `u_i` and downloads `d_i` in
///
/// ```text
/// T = max( F / u_S,  F / min d_i,  n F / (u_S + Σ u_i) )
/// ```
///
/// and not faster (Kumar and Ross 2006, "Peer-Assisted File Distribution: The Minimum Distribution Time"): the seeders must send each byte
/// once, the slowest getter must take all, and all bytes that come are sent by somebody. One that asks later cannot be done before it has
/// taken all from then on.
pub fn best_s(crowd: &Crowd) -> Option<f64> {
    let bits = crowd.bytes as f64 * 8.0;
    // 0 is unlimited: whatever is divided by that takes no time.
    let rate = |bits_s: u64| if bits_s == 0 { f64::INFINITY } else { bits_s as f64 };
    let seeders: f64 = crowd.seeders_up.iter().map(|up| rate(*up)).sum();
    let getters: f64 = crowd.getters.iter().map(|(up, ..)| rate(*up)).sum();
    let taken = crowd.getters.iter().map(|(_, down, late_ms)| *late_ms as f64 / 1_000.0 + bits / rate(*down));
    let sent = crowd.getters.len() as f64 * bits / (seeders + getters);
    let best = taken.fold((bits / seeders).max(sent), f64::max);
    (best > 0.0).then_some(best)
}

#[cfg(test)]
mod tests;
