//! Which scenario a command is about, and what is changed in it.

use std::{
    convert::Infallible,
    fmt, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;

use super::Failure;
use crate::scenario::{
    Override, Scenario, instead,
    shipped::{self, Shipped},
};

/// A scenario by the name of one that is shipped, or by a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Part of the program.
    Shipped(&'static Shipped),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Shipped(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(shipped::find(text).map_or_else(|| Self::File(text.into()), Self::Shipped))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped(shipped) => f.write_str(shipped.name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A scenario with what is changed in it.
#[derive(Debug, Clone, Args)]
pub struct Chosen {
    /// A shipped scenario (see `sim list`), or the path of a file
    #[arg(value_name = "SCENARIO", default_value = shipped::DEMO)]
    pub source: Source,
    /// Hosts in all that are not hostile; groups keep their proportions, as `--set` leaves them
    #[arg(long, value_name = "N", value_parser = nodes)]
    pub nodes: Option<NonZeroUsize>,
    /// Put a value in place of the file's, such as group.members.count=50; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<Override>,
}

fn nodes(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "write a number of hosts, 1 or more")
}

impl Chosen {
    /// The scenario, checked.
    ///
    /// # Errors
    /// There is no such scenario, or it makes no sense: wrong usage.
    pub fn load(&self) -> Result<Scenario, Failure> {
        let (name, text) = match &self.source {
            Source::Shipped(shipped) => (format!("{}.toml", shipped.name), shipped.text.to_owned()),
            Source::File(path) => {
                let text = fs::read_to_string(path).map_err(|error| self.unreadable(&error))?;
                (path.display().to_string(), text)
            }
        };
        let scenario = Scenario::parse(&name, &text, &self.overrides).map_err(Failure::because)?;
        match self.nodes {
            Some(nodes) => {
                scenario.with_nodes(nodes.get()).map_err(|error| Failure::because(format!("--nodes: {error}")))
            }
            None => Ok(scenario),
        }
    }

    /// The same as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.source.to_string()];
        if let Some(nodes) = self.nodes {
            words.extend(["--nodes".to_owned(), nodes.to_string()]);
        }
        for change in &self.overrides {
            words.extend(["--set".to_owned(), change.to_string()]);
        }
        words
    }

    fn unreadable(&self, error: &std::io::Error) -> Failure {
        let name = self.source.to_string();
        let looks_like_a_path = name.contains(['/', '\\', '.']);
        if error.kind() == std::io::ErrorKind::NotFound && !looks_like_a_path {
            let names: Vec<&str> = shipped::shipped().iter().map(|shipped| shipped.name).collect();
            return Failure::NotDone(format!("there is no scenario \"{name}\"{}", instead(&name, &names, '"')));
        }
        Failure::NotDone(format!("cannot read the scenario {name}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_shared_out_as_the_overrides_leave_the_groups() {
        let overrides = vec!["group.members.count=12".parse().unwrap()];
        let chosen = Chosen { source: "demo-100".parse().unwrap(), nodes: NonZeroUsize::new(8), overrides };
        let counts: Vec<usize> = chosen.load().unwrap().groups.iter().map(|group| group.count).collect();
        assert_eq!(counts, [2, 6]);
    }
}
