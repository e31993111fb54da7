//! How a command ends: its exit code, and the words that say why.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Why a command did not come to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It did not work. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was asked for in a way that cannot work. Exit code 2.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// A usage failure with the text of an error.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }

    /// Says why on standard error, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        // With standard error gone, the exit code has to do.
        let _ = writeln!(io::stderr(), "error: {self}");
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
        })
    }
}

/// What a command found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it should be. Exit code 0.
    Passed,
    /// A check or an invariant failed, or two runs differ. Exit code 1.
    Failed,
}

impl From<bool> for Verdict {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::SUCCESS,
            Verdict::Failed => Self::FAILURE,
        }
    }
}

/// Prints text and a line break on standard output. When nobody reads it any more, as in `sim list | head -1`, that is no failure: the
/// exit code still tells the verdict.
///
/// # Errors
/// Standard output cannot be written for another reason, such as a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}
