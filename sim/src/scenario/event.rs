//! What happens to the network and its hosts at set times.

use serde::{Deserialize, Serialize};

use super::tagged::EventKeys;

/// Something that happens at a set time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EventKeys")]
pub struct Event {
    /// When, in seconds.
    pub at_s: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum What {
    /// The network falls into parts; nothing passes between them until [`What::Heal`].
    Partition {
        /// Names of groups or regions on each side. Who is in none is with the first.
        sides: Vec<Vec<String>>,
    },
    /// All parts are one again.
    Heal,
    /// Hosts stop.
    Stop {
        /// The group.
        group: String,
        /// Which share of it; all, if left out.
        share: f64,
        /// In which way; with a goodbye, if left out.
        how: Ending,
    },
    /// Hosts that are down come back.
    Start {
        /// The group.
        group: String,
        /// Which share of those that are down; all, if left out.
        share: f64,
    },
}

/// How a host stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It says goodbye.
    #[default]
    Leave,
    /// The process is killed: its connections are reset, what it wrote stays.
    Kill,
    /// The machine loses power: nobody is told, and writes that were not flushed are lost.
    PowerCut,
}
