//! Reads the tables whose keys depend on their kind: distributions, hostile behaviour, events.
//!
//! Serde can tell such kinds apart on its own, but it loses the lines on the way, and it overlooks keys that do not belong to the
//! kind. So each is read as one table of everything that any kind may have, and then made into its kind. An error names the key in
//! backquotes, by which [`super::read`] finds its line.

use serde::Deserialize;

use super::{Distribution, Ending, Event, Fault, Hostile, Lie, What};

/// A key that is missing, or that belongs to another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The kind needs the key.
    #[error("`{key}` is missing: \"{kind}\" needs it")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// The kind has no such key.
    #[error("`{key}` does not belong to \"{kind}\"; leave it out, or choose another kind")]
    Foreign {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
}

/// One table while it is made into its kind.
struct Kind(&'static str);

impl Kind {
    fn need<T>(&self, value: &mut Option<T>, key: &'static str) -> Result<T, Misfit> {
        value.take().ok_or(Misfit::Missing { kind: self.0, key })
    }

    /// `left` tells of each key whether it was given and not taken.
    fn no_others(&self, left: &[(&'static str, bool)]) -> Result<(), Misfit> {
        match left.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Misfit::Foreign { kind: self.0, key }),
            None => Ok(()),
        }
    }
}

/// Everything that a distribution may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistributionKeys {
    kind: DistributionKind,
    s: Option<f64>,
    min_s: Option<f64>,
    max_s: Option<f64>,
    mean_s: Option<f64>,
    scale_s: Option<f64>,
    shape: Option<f64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DistributionKind {
    Fixed,
    Uniform,
    Exponential,
    Weibull,
}

impl TryFrom<DistributionKeys> for Distribution {
    type Error = Misfit;

    fn try_from(mut keys: DistributionKeys) -> Result<Self, Misfit> {
        let kind = Kind(match keys.kind {
            DistributionKind::Fixed => "fixed",
            DistributionKind::Uniform => "uniform",
            DistributionKind::Exponential => "exponential",
            DistributionKind::Weibull => "weibull",
        });
        let made = match keys.kind {
            DistributionKind::Fixed => Self::Fixed { s: kind.need(&mut keys.s, "s")? },
            DistributionKind::Uniform => {
                let min_s = kind.need(&mut keys.min_s, "min_s")?;
                Self::Uniform { min_s, max_s: kind.need(&mut keys.max_s, "max_s")? }
            }
            DistributionKind::Exponential => Self::Exponential { mean_s: kind.need(&mut keys.mean_s, "mean_s")? },
            DistributionKind::Weibull => {
                let scale_s = kind.need(&mut keys.scale_s, "scale_s")?;
                Self::Weibull { scale_s, shape: kind.need(&mut keys.shape, "shape")? }
            }
        };
        kind.no_others(&[
            ("s", keys.s.is_some()),
            ("min_s", keys.min_s.is_some()),
            ("max_s", keys.max_s.is_some()),
            ("mean_s", keys.mean_s.is_some()),
            ("scale_s", keys.scale_s.is_some()),
            ("shape", keys.shape.is_some()),
        ])?;
        Ok(made)
    }
}

/// Everything that hostile behaviour may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostileKeys {
    kind: HostileKind,
    rate_per_s: Option<f64>,
    target: Option<String>,
    from_s: Option<u64>,
    room: Option<String>,
    lie: Option<Lie>,
    file: Option<String>,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum HostileKind {
    Spam,
    BadSignatures,
    Equivocate,
    Eclipse,
    Withhold,
    SybilKey,
    LyingMailbox,
    LyingSeeder,
}

impl TryFrom<HostileKeys> for Hostile {
    type Error = Misfit;

    fn try_from(mut keys: HostileKeys) -> Result<Self, Misfit> {
        let kind = Kind(match keys.kind {
            HostileKind::Spam => "spam",
            HostileKind::BadSignatures => "bad-signatures",
            HostileKind::Equivocate => "equivocate",
            HostileKind::Eclipse => "eclipse",
            HostileKind::Withhold => "withhold",
            HostileKind::SybilKey => "sybil-key",
            HostileKind::LyingMailbox => "lying-mailbox",
            HostileKind::LyingSeeder => "lying-seeder",
        });
        let made = match keys.kind {
            HostileKind::Spam => Self::Spam { rate_per_s: kind.need(&mut keys.rate_per_s, "rate_per_s")? },
            HostileKind::BadSignatures => {
                Self::BadSignatures { rate_per_s: kind.need(&mut keys.rate_per_s, "rate_per_s")? }
            }
            HostileKind::Equivocate => Self::Equivocate { rate_per_s: kind.need(&mut keys.rate_per_s, "rate_per_s")? },
            HostileKind::Eclipse => {
                let target = kind.need(&mut keys.target, "target")?;
                Self::Eclipse { target, from_s: kind.need(&mut keys.from_s, "from_s")? }
            }
            HostileKind::Withhold => Self::Withhold {
                from_s: kind.need(&mut keys.from_s, "from_s")?,
                rate_per_s: keys.rate_per_s.take().unwrap_or_default(),
            },
            HostileKind::SybilKey => Self::SybilKey { room: kind.need(&mut keys.room, "room")? },
            HostileKind::LyingMailbox => Self::LyingMailbox { lie: keys.lie.take() },
            HostileKind::LyingSeeder => {
                Self::LyingSeeder { file: kind.need(&mut keys.file, "file")?, fault: keys.fault.take() }
            }
        };
        kind.no_others(&[
            ("rate_per_s", keys.rate_per_s.is_some()),
            ("target", keys.target.is_some()),
            ("from_s", keys.from_s.is_some()),
            ("room", keys.room.is_some()),
            ("lie", keys.lie.is_some()),
            ("file", keys.file.is_some()),
            ("fault", keys.fault.is_some()),
        ])?;
        Ok(made)
    }
}

/// Everything that an event may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventKeys {
    at_s: u64,
    #[serde(rename = "do")]
    what: WhatKind,
    sides: Option<Vec<Vec<String>>>,
    group: Option<String>,
    share: Option<f64>,
    how: Option<Ending>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WhatKind {
    Partition,
    Heal,
    Stop,
    Start,
}

impl TryFrom<EventKeys> for Event {
    type Error = Misfit;

    fn try_from(mut keys: EventKeys) -> Result<Self, Misfit> {
        let kind = Kind(match keys.what {
            WhatKind::Partition => "partition",
            WhatKind::Heal => "heal",
            WhatKind::Stop => "stop",
            WhatKind::Start => "start",
        });
        let what = match keys.what {
            WhatKind::Partition => What::Partition { sides: kind.need(&mut keys.sides, "sides")? },
            WhatKind::Heal => What::Heal,
            WhatKind::Stop => What::Stop {
                group: kind.need(&mut keys.group, "group")?,
                share: keys.share.take().unwrap_or(1.0),
                how: keys.how.take().unwrap_or_default(),
            },
            WhatKind::Start => {
                What::Start { group: kind.need(&mut keys.group, "group")?, share: keys.share.take().unwrap_or(1.0) }
            }
        };
        kind.no_others(&[
            ("sides", keys.sides.is_some()),
            ("group", keys.group.is_some()),
            ("share", keys.share.is_some()),
            ("how", keys.how.is_some()),
        ])?;
        Ok(Self { at_s: keys.at_s, what })
    }
}
