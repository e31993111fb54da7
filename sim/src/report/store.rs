//! Reports on disk: a directory for each.
//!
//! | file | what |
//! |---|---|
//! | `report.json` | everything, with the version of this format |
//! | `scenario.toml` | the scenario as it was run |
//! | `index.html` | the page |
//!
//! All files are written beside their names and then moved there: whoever looks sees a whole file or the one before, and a full disk leaves
//! the report before as it was. `report.json` comes last, so that a directory with one is complete.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Outcome, Report, page};

/// The version of `report.json`. A change that older programs cannot read raises it.
pub const FORMAT: u32 = 1;

/// The most bytes of a `report.json` that are read. An hour's run makes under one; more is not a report.
pub const MAX_REPORT_BYTES: u64 = 64 * 1024 * 1024;

const JSON: &str = "report.json";

/// The files of a report, in the order in which they take their places.
const NAMES: [&str; 3] = ["scenario.toml", "index.html", JSON];

/// Why a report could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The directory has no report in it.
    #[error("{} holds no report: name a directory that `sim run --out` has written", .0.display())]
    NotAReport(PathBuf),
    /// It has, but not a whole one.
    #[error("{} is damaged ({detail}): run the scenario again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A later version of this program made it.
    #[error("{} was made by a newer version (format {found}, this program knows {FORMAT}): update it", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format.
        found: u32,
    },
    /// The system did not let us.
    #[error("cannot read {}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Whether [`write()`] may put a report there, from what can be seen before: nothing is made. `scenario` is the file that the report
/// will be about, if it is one.
///
/// # Errors
/// The system does not let us, or files of somebody else would be replaced.
pub fn check_place(dir: &Path, scenario: Option<&Path>) -> io::Result<()> {
    let there = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(there)?;
    let taken = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    let scenario = scenario.and_then(|path| path.canonicalize().ok());
    for name in NAMES {
        let path = dir.join(name);
        if scenario.is_some() && path.canonicalize().ok() == scenario {
            return taken(format!("{} would be replaced, the scenario that is to be run", path.display()));
        }
        let is_a_report = || matches!(read(dir), Ok(_) | Err(ReadError::Newer { .. }));
        if path.symlink_metadata().is_ok() && !is_a_report() {
            return taken(format!("{} would be replaced, and is of no report", path.display()));
        }
    }
    Ok(())
}

/// Writes a report into a directory, which is made if need be. Files of an earlier report are replaced.
pub fn write(report: &Report, dir: &Path) -> io::Result<()> {
    let report = &finite(report);
    let mut json = serde_json::to_vec_pretty(&Written { format: FORMAT, report })?;
    json.push(b'\n');
    let contents = [report.scenario_toml.clone().into_bytes(), page(report).into_bytes(), json];
    let temporary = |name: &str| dir.join(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(dir)?;
    let written = NAMES.iter().zip(contents).try_for_each(|(name, content)| fs::write(temporary(name), content));
    let done = written.and_then(|()| NAMES.iter().try_for_each(|name| fs::rename(temporary(name), dir.join(name))));
    if done.is_err() {
        for name in NAMES {
            // Nothing is lost if it stays behind; the first error is the one to report.
            let _ = fs::remove_file(temporary(name));
        }
    }
    done
}

/// Reads the report in a directory.
pub fn read(dir: &Path) -> Result<Report, ReadError> {
    let path = dir.join(JSON);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::NotAReport(dir.into()),
        _ => ReadError::Io { path: path.clone(), source },
    };
    let damaged = |detail: String| ReadError::Damaged { path: path.clone(), detail };
    if fs::metadata(&path).map_err(failed)?.len() > MAX_REPORT_BYTES {
        return Err(damaged("larger than any report".into()));
    }
    let json = fs::read(&path).map_err(failed)?;
    let Head { format } = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    if format > FORMAT {
        return Err(ReadError::Newer { path, found: format });
    }
    serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))
}

/// What a run comes to, as one line of JSON for other programs.
///
/// It holds everything of `report.json` but the trace, what is over time or by protocol, and the scenario; and `passed`.
pub fn json_line(report: &Report) -> String {
    let report = &finite(report);
    let line = serde_json::json!({
        "scenario": report.scenario,
        "seed": report.seed,
        "version": report.version,
        "reproducible": report.reproducible,
        "trace_hash": report.trace_hash,
        "virtual_s": report.virtual_s,
        "real_s": report.real_s,
        "hosts": report.hosts,
        "passed": report.passed(),
        "checks": report.checks,
        "breach": report.breach,
        "figures": report.figures,
    });
    line.to_string()
}

/// The report without numbers that JSON does not have. What is not a number was not measured.
fn finite(report: &Report) -> Report {
    let mut report = report.clone();
    report.figures.retain(|_, value| value.is_finite());
    for series in report.series.values_mut() {
        series.points.retain(|(at_s, value)| at_s.is_finite() && value.is_finite());
    }
    report.reach.retain(|reach| reach.connected.is_finite());
    report.marks.retain(|mark| mark.at_s.is_finite());
    for Outcome { value, .. } in &mut report.checks {
        *value = value.filter(|value| value.is_finite());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_report_that_was_written_reads_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("deep/out");
        let report = sample();
        write(&report, &out).unwrap();
        assert_eq!(read(&out).unwrap(), report);
        assert_eq!(fs::read_to_string(out.join("scenario.toml")).unwrap(), report.scenario_toml);
        assert_eq!(fs::read_to_string(out.join("index.html")).unwrap(), page(&report));
        let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["index.html", "report.json", "scenario.toml"], "nothing temporary stays");
    }

    #[test]
    fn a_report_that_cannot_be_written_whole_leaves_nothing_of_itself() {
        let dir = tempfile::tempdir().unwrap();
        let in_the_way = dir.path().join(format!(".{JSON}.{}", std::process::id()));
        fs::create_dir(&in_the_way).unwrap();
        write(&sample(), dir.path()).unwrap_err();
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names, [in_the_way]);
    }

    #[test]
    fn a_second_report_replaces_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = sample();
        write(&report, dir.path()).unwrap();
        report.seed = u64::MAX;
        write(&report, dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap().seed, u64::MAX);
    }

    #[test]
    fn files_that_are_of_no_report_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("deep/out");
        check_place(&out, None).unwrap();
        assert!(!dir.path().join("deep").exists(), "looking makes nothing");
        fs::create_dir_all(&out).unwrap();
        for name in NAMES {
            fs::write(out.join(name), "mine").unwrap();
            let error = check_place(&out, None).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("of no report"), "{error}");
            fs::remove_file(out.join(name)).unwrap();
        }
        fs::write(out.join("notes.txt"), "mine").unwrap();
        check_place(&out, None).unwrap();
    }

    #[test]
    fn a_report_may_be_replaced_but_not_the_scenario_that_is_run_from_it() {
        let dir = tempfile::tempdir().unwrap();
        write(&sample(), dir.path()).unwrap();
        let (own, elsewhere) = (dir.path().join("scenario.toml"), dir.path().join("other.toml"));
        fs::copy(&own, &elsewhere).unwrap();
        check_place(dir.path(), None).unwrap();
        check_place(dir.path(), Some(&elsewhere)).unwrap();
        let error = check_place(dir.path(), Some(&own)).unwrap_err().to_string();
        assert!(error.contains("the scenario that is to be run"), "{error}");
    }

    #[test]
    fn what_is_not_a_number_is_left_out_instead_of_damaging_the_report() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = sample();
        report.figures.insert("speed".into(), f64::NAN);
        report.series.entry("hosts".into()).or_default().points.push((f64::INFINITY, 1.0));
        report.checks[0].value = Some(f64::NAN);
        write(&report, dir.path()).unwrap();
        let found = read(dir.path()).unwrap();
        assert!(!found.figures.contains_key("speed"));
        assert_eq!(found.checks[0].value, None);
        assert!(json_line(&report).contains("\"figures\""));
    }

    #[test]
    fn a_directory_without_a_report_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
            let error = read(&path).unwrap_err();
            assert!(matches!(&error, ReadError::NotAReport(at) if *at == path), "{error}");
            assert!(error.to_string().contains("sim run --out"), "{error}");
        }
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(read(&file), Err(ReadError::NotAReport(_))));
    }

    #[test]
    fn half_a_report_is_called_damaged() {
        let dir = tempfile::tempdir().unwrap();
        write(&sample(), dir.path()).unwrap();
        let path = dir.path().join(JSON);
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"{\"format\":1}", b"\xff\xfe"] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(read(dir.path()), Err(ReadError::Damaged { .. })));
        }
    }

    #[test]
    fn a_report_of_a_newer_version_says_so_even_if_all_else_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(JSON), r#"{ "format": 2, "all": "different" }"#).unwrap();
        let error = read(dir.path()).unwrap_err();
        assert!(matches!(error, ReadError::Newer { found: 2, .. }), "{error}");
        assert!(error.to_string().contains("update"), "{error}");
    }

    #[test]
    fn the_json_line_is_one_line_with_what_programs_look_for() {
        let line = json_line(&sample());
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        for key in ["scenario", "seed", "trace_hash", "checks", "passed", "figures", "breach"] {
            assert!(value.get(key).is_some(), "{key}");
        }
        assert_eq!(value["passed"], false);
        assert_eq!(value["checks"].as_array().unwrap().len(), sample().checks.len());
    }
}
