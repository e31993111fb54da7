//! Why a scenario cannot be run with cores.

/// Why a run could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The matrix does not fit the regions.
    #[error(
        "latency_ms must have {regions} rows of {regions} numbers, as there are {regions} regions, and at least one"
    )]
    Latency {
        /// Regions named.
        regions: usize,
    },
    /// A group is in a region that is not there.
    #[error("the region of group '{group}' is none of the network's; name it in network.regions")]
    Region {
        /// The group.
        group: String,
    },
    /// Something names a group that is not there.
    #[error("there is no group '{group}'; the names of groups are those after `[[group]] name =`")]
    Group {
        /// The name.
        group: String,
    },
    /// The level cannot do this.
    #[error("level = \"cores\" has no {what}; use level = \"nodes\"")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A chat message that no node would send.
    #[error("workload.chat: {0}")]
    Chat(#[from] proto::chat::InvalidChat),
    /// There are more hosts than can be numbered.
    #[error("{0} hosts are too many; at most {max} can be simulated", max = super::MAX_HOSTS)]
    Hosts(usize),
    /// The scenario cannot be written down.
    #[error("the scenario cannot be written as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
}
