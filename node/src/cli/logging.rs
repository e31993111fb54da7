//! Logs and panics: where they go, so that they neither tear a prompt nor frighten a user.

use std::{
    backtrace::Backtrace,
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::Failure;
use crate::secret_file::private_options;

/// What is logged when nobody says. Kademlia warns each time it finds nobody, which is how every first node begins.
const DEFAULT_FILTER: &str = "warn,node=info,libp2p_kad=error";

/// Bytes of `node.log` before it becomes `node.log.1` and a new one begins.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;

/// What to log: what the user chose, else what `RUST_LOG` says, else a little.
///
/// # Errors
/// [`Failure::Usage`] for a filter that cannot be read.
pub fn filter(chosen: Option<&str>) -> Result<EnvFilter, Failure> {
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| !text.is_empty());
    let text = chosen.map(str::to_owned).or(from_environment).unwrap_or_else(|| DEFAULT_FILTER.into());
    EnvFilter::try_new(&text)
        .map_err(|error| Failure::Usage(format!("'{text}' is not a log filter ({error}); try: --log info")))
}

/// Starts logging: into a file while a prompt has the terminal, else to standard error.
///
/// # Errors
/// [`Failure::Failed`] when the file cannot be written.
pub fn start(filter: EnvFilter, file: Option<&Path>) -> Result<(), Failure> {
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let started = match file {
        Some(path) => {
            let cannot = |error| Failure::Failed(format!("cannot write {}: {error}", path.display()));
            builder.with_ansi(false).with_writer(LogFile::open(path).map_err(cannot)?).try_init()
        }
        None => builder.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).try_init(),
    };
    // Fails only where a subscriber is set already, as in a test; that one goes on.
    drop(started);
    Ok(())
}

/// A log file that cannot fill the disk.
struct LogFile {
    path: PathBuf,
    state: Mutex<(File, u64)>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = private_options().append(true).create(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.into(), state: Mutex::new((file, bytes)) })
    }

    fn append(&self, text: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.1 > MAX_LOG_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *state = (private_options().append(true).create(true).open(&self.path)?, 0);
        }
        let written = state.0.write(text)?;
        state.1 += written as u64;
        Ok(written)
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogWriter<'a>;
    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(self)
    }
}

struct LogWriter<'a>(&'a LogFile);

impl Write for LogWriter<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.append(text)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

static CRASH_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// Makes panics one line that says where the details are: in `crash.log`, with a backtrace.
pub fn hook_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let directory = CRASH_DIRECTORY.get().cloned().unwrap_or_else(std::env::temp_dir);
        let path = directory.join("crash.log");
        let thread = std::thread::current();
        let details = format!(
            "{} in thread {}\n{panic}\n{}\n\n",
            jiff::Timestamp::now(),
            thread.name().unwrap_or("?"),
            Backtrace::force_capture()
        );
        let file = private_options().append(true).create(true).open(&path);
        let place = match file.and_then(|mut file| file.write_all(details.as_bytes())) {
            Ok(()) => format!("the details are in {}", path.display()),
            Err(error) => format!("the details could not be written to {}: {error}", path.display()),
        };
        // A panic because nobody reads standard error must not end in a second one.
        let _ =
            writeln!(io::stderr(), "error: something went wrong inside the program, which is a mistake in it; {place}");
    }));
}

/// Says where the details of panics go from now on.
pub fn keep_crashes_in(directory: &Path) {
    // Set once; a second node in one process keeps the first one's place.
    let _ = CRASH_DIRECTORY.set(directory.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.log");
        let log = LogFile::open(&path).unwrap();
        let line = [b'x'; 64 * 1024];
        for _ in 0..(3 * MAX_LOG_BYTES / line.len() as u64) {
            log.append(&line).unwrap();
        }
        let bytes: u64 =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= 2 * (MAX_LOG_BYTES + line.len() as u64), "{bytes}");
        assert!(!crate::secret_file::is_exposed(&path));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_wrong_usage() {
        let error = filter(Some("node=shouting")).unwrap_err();
        assert!(matches!(error, Failure::Usage(_)), "{error}");
    }
}
