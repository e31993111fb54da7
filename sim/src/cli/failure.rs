//! How a command ends: its exit code, and the words that say why.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// Why a command did not come to an end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It could not be done, or makes no sense. Exit code 2.
    #[error("{0}")]
    NotDone(String),
    /// It was told to stop. Exit code 130, as shells give for Ctrl-C.
    #[error("stopped")]
    Stopped,
}

impl Failure {
    /// It could not be done, because of an error.
    pub fn because(error: impl std::fmt::Display) -> Self {
        Self::NotDone(error.to_string())
    }

    /// Says why on standard error, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        // With standard error gone, the exit code has to do.
        let _ = writeln!(io::stderr(), "error: {self}");
        ExitCode::from(match self {
            Self::NotDone(_) => 2,
            Self::Stopped => 130,
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
            Err(Failure::NotDone(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}
