//! The command line of `sim`.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | every check passed, every invariant held; a replay was the same |
//! | 1 | one did not; standard output says which |
//! | 2 | it could not be done: a scenario that makes no sense, a report that cannot be written; standard error says why |
//! | 130 | a sweep was stopped |

mod engine;
mod failure;
mod progress;
mod replay;
mod run;
mod seeds;
mod source;
mod stop;
mod summary;
mod sweep;
mod watch;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{
    Parser, Subcommand,
    error::{ContextKind, ContextValue},
};

pub use self::failure::{Failure, Verdict};
use self::{
    replay::{CompareArguments, ReplayArguments},
    run::RunArguments,
    sweep::SweepArguments,
};
use crate::scenario::shipped;

/// Many Starling nodes in one process, in virtual time, from one seed.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = "Without a command, `sim` is `sim run demo-100`.")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario and leave a report
    Run(RunArguments),
    /// Show the scenarios that come with the program
    List,
    /// Run a report's scenario again with the same seed: is it the same?
    Replay(ReplayArguments),
    /// Run a scenario with many seeds, and name those that failed
    Sweep(SweepArguments),
    /// Show two reports side by side
    Compare(CompareArguments),
}

/// Carries out the command line.
pub fn main() -> ExitCode {
    let parsed = Arguments::try_parse().and_then(|arguments| match arguments.command {
        Some(command) => Ok(command),
        None => Ok(Command::Run(RunArguments::demo()?)),
    });
    let command = match parsed {
        Ok(command) => command,
        Err(error) => {
            // Nobody may be reading; the exit code says the same.
            let _ = error.print();
            if let Some(meant) = meant(&error) {
                let _ = writeln!(io::stderr(), "\n{meant}");
            }
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match carry_out(&command) {
        Ok(verdict) => verdict.into(),
        Err(failure) => failure.report(),
    }
}

/// Whoever names a scenario and no command wants it run.
fn meant(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let is_scenario = shipped::find(word).is_some() || word.ends_with(".toml");
    is_scenario.then(|| format!("did you mean `sim run {word}`?"))
}

fn carry_out(command: &Command) -> Result<Verdict, Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::List => run::list(),
        Command::Replay(arguments) => replay::replay(arguments),
        Command::Sweep(arguments) => sweep::sweep(arguments),
        Command::Compare(arguments) => replay::compare(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Command>, clap::Error> {
        Arguments::try_parse_from([&["sim"], words].concat()).map(|arguments| arguments.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_command_is_the_demo() {
        assert!(parse(&[]).unwrap().is_none());
        let demo = format!("{:?}", RunArguments::demo().unwrap());
        let Some(Command::Run(run)) = parse(&["run", "demo-100"]).unwrap() else { panic!("another command") };
        assert_eq!(demo, format!("{run:?}"));
    }

    #[test]
    fn a_scenario_is_a_shipped_name_or_a_path() {
        for (name, shipped) in [("lobby-1000", true), ("mine.toml", false), ("lobby", false)] {
            let Some(Command::Run(run)) = parse(&["run", name]).unwrap() else { panic!("another command") };
            assert_eq!(format!("{run:?}").contains("source: Shipped"), shipped, "{name}");
        }
    }

    #[test]
    fn mistakes_name_what_is_wrong() {
        for (words, word) in [
            (&["run", "demo-100", "--set", "duration_s"][..], "write key=value"),
            (&["run", "demo-100", "--set", "duration_s=[1"], "cannot be read"),
            (&["run", "demo-100", "--nodes", "0"], "write a number of hosts, 1 or more"),
            (&["run", "demo-100", "--seed", "abc"], "write a whole number, 0 or more"),
            (&["run", "demo-100", "--seed", "9223372036854775808"], "a seed is at most"),
            (&["sweep", "mixed"], "--seeds"),
            (&["sweep", "mixed", "--seeds", "9..1"], "smaller number first"),
            (&["sweep", "mixed", "--seeds", "1..3", "--jobs", "0"], "--jobs"),
            (&["compare", "a"], "AFTER"),
            (&["frobnicate"], "frobnicate"),
        ] {
            let error = parse(words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(word), "{words:?}: {error}");
        }
    }

    #[test]
    fn whoever_names_a_scenario_without_a_command_is_told_how_to_run_it() {
        for (word, told) in [
            ("mixed", Some("did you mean `sim run mixed`?")),
            ("mine.toml", Some("did you mean `sim run mine.toml`?")),
            ("frobnicate", None),
        ] {
            assert_eq!(meant(&parse(&[word]).unwrap_err()).as_deref(), told);
        }
    }

    #[test]
    fn a_scenario_that_makes_no_sense_is_wrong_usage() {
        for (words, word) in [
            (&["run", "lobby-100"][..], "did you mean \"lobby-1000\"?"),
            (&["run", "nowhere/mine.toml"], "cannot read the scenario nowhere/mine.toml"),
            (&["run", "mixed", "--set", "group.membres.count=3"], "there is no entry \"membres\""),
            (&["run", "mixed", "--nodes", "2"], "--nodes: each of the 3 groups"),
            (&["sweep", "mixed", "--seeds", "1", "--set", "duration_s=0"], "--set duration_s=0"),
            (&["replay", "nowhere"], "nowhere"),
            (&["run", "mixed", "--out", "Cargo.toml/report"], "cannot write the report to Cargo.toml/report"),
        ] {
            match carry_out(&parse(words).unwrap().unwrap()) {
                Err(Failure::NotDone(message)) => assert!(message.contains(word), "{words:?}: {message}"),
                other => panic!("{words:?}: {other:?}"),
            }
        }
    }
}
