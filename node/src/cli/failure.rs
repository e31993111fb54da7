//! How a command ends: its exit code, and the one line that says why.

use std::{io, process::ExitCode};

/// Why a command did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not work. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was asked for in a way that cannot work. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// There is no node to ask. Exit code 3.
    #[error("{0}; start one with: node run")]
    NoNode(String),
    /// The user ended it, with Ctrl-C. Exit code 130, as of whatever ends so; says how to go on.
    #[error("{0}")]
    Interrupted(String),
    /// Whoever read standard output has gone, as in `node history | head -1`. Not worth a word; exit code 0.
    #[error("nobody reads the output")]
    NobodyReads,
}

impl Failure {
    /// A failure with the text of an error.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// A usage failure with the text of an error.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// The exit code, as the module's callers promise it to scripts.
    pub fn code(&self) -> u8 {
        match self {
            Self::NobodyReads => 0,
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NoNode(_) => 3,
            Self::Interrupted(_) => 130,
        }
    }

    /// Says why on standard error, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use io::Write;
        // With standard error gone as well, the exit code has to do.
        let _ = match self {
            Self::NobodyReads => Ok(()),
            Self::Interrupted(next) => writeln!(io::stderr(), "{next}"),
            _ => writeln!(io::stderr(), "error: {self}"),
        };
        ExitCode::from(self.code())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_promised_to_scripts() {
        let codes = [
            Failure::NobodyReads.code(),
            Failure::failed("x").code(),
            Failure::usage("x").code(),
            Failure::NoNode("x".into()).code(),
            Failure::Interrupted("x".into()).code(),
        ];
        assert_eq!(codes, [0, 1, 2, 3, 130]);
        assert!(Failure::NoNode("no node is running".into()).to_string().contains("node run"));
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)), Failure::NobodyReads);
    }
}
