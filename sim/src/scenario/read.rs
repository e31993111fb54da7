//! Reads a scenario from TOML. Whatever is wrong is told with file, line and column.
//!
//! ```text
//! text ──► document: values with the bytes they stand at ──► overrides ──► Scenario ──► checks
//!               └────────────── looked up by path for whatever a check finds ──────────────┘
//! ```
//!
//! An override stands at a byte beyond the end of the text, one for each: so its values carry a place like all others do.

use std::ops::Range;

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Chat, Check, Direct, Event, Group, Override, Scenario, Sharing,
    check::{self, Finding, Step},
    error::{MAX_PROBLEMS, Place, Problem, ScenarioError},
    wording,
};

/// Bytes of a scenario's file, at most: far more than anybody writes by hand.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;

impl Scenario {
    /// Reads a scenario, puts `overrides` in place, and checks it. `source_name` is the file as errors shall call it.
    ///
    /// # Errors
    /// Everything that makes no sense, or the first thing that cannot be read, each with its line and what to do.
    pub fn parse(source_name: &str, text: &str, overrides: &[Override]) -> Result<Self, ScenarioError> {
        let source = Source { name: source_name, text, overrides };
        let (scenario, document) = source.read()?;
        let findings = check::findings(&scenario);
        if findings.is_empty() {
            return Ok(scenario);
        }
        let problem = |finding: Finding| source.problem(locate(&document, finding.path.steps()), finding.message);
        Err(ScenarioError { problems: findings.into_iter().take(MAX_PROBLEMS).map(problem).collect() })
    }
}

/// Where a scenario comes from.
struct Source<'i> {
    name: &'i str,
    text: &'i str,
    overrides: &'i [Override],
}

impl<'i> Source<'i> {
    fn read(&self) -> Result<(Scenario, Spanned<DeValue<'i>>), ScenarioError> {
        if self.text.len() > MAX_TEXT_BYTES {
            let message = format!("a scenario has at most {MAX_TEXT_BYTES} bytes, this one has {}", self.text.len());
            return Err(self.error(0..0, message));
        }
        let table = DeTable::parse(self.text)
            .map_err(|error| self.error(error.span().unwrap_or_default(), error.message().to_owned()))?;
        let mut document = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        for (index, change) in self.overrides.iter().enumerate() {
            let at = self.text.len() + 1 + index;
            change.apply(&mut document, at..at).map_err(|message| self.error(at..at, message))?;
        }
        match Scenario::deserialize(ValueDeserializer::from(document.clone())) {
            Ok(scenario) => Ok((scenario, document)),
            Err(error) => {
                let whole = || (error.span().unwrap_or_default(), error.message().to_owned());
                let (span, message) = in_a_list(&document).unwrap_or_else(whole);
                Err(self.error(narrowed(&document, span, &message), wording::plain(&message)))
            }
        }
    }

    fn error(&self, span: Range<usize>, message: String) -> ScenarioError {
        ScenarioError { problems: vec![self.problem(span, message)] }
    }

    fn problem(&self, span: Range<usize>, message: String) -> Problem {
        let given = span.start.checked_sub(self.text.len() + 1).and_then(|index| self.overrides.get(index));
        let place = match given {
            Some(given) => Place::Override(given.to_string()),
            None => Place::in_file(self.name, self.text, span),
        };
        Problem { place, message }
    }
}

/// An entry of a list that cannot be read stands in the error as the list. Reading the entries one by one tells which it is.
fn in_a_list(document: &Spanned<DeValue<'_>>) -> Option<(Range<usize>, String)> {
    let list = |key| document.get_ref().get(key);
    let in_workload = |key| list("workload").and_then(|workload| workload.get_ref().get(key));
    None.or_else(|| misread::<Group>(list("group")))
        .or_else(|| misread::<Event>(list("event")))
        .or_else(|| misread::<Check>(list("check")))
        .or_else(|| misread::<Chat>(in_workload("chat")))
        .or_else(|| misread::<Direct>(in_workload("direct")))
        .or_else(|| misread::<Sharing>(in_workload("file")))
}

fn misread<'i, T: Deserialize<'i>>(list: Option<&Spanned<DeValue<'i>>>) -> Option<(Range<usize>, String)> {
    list?.get_ref().as_array()?.iter().find_map(|entry| {
        let error = T::deserialize(ValueDeserializer::from(entry.clone())).err()?;
        Some((error.span().unwrap_or_else(|| entry.span()), error.message().to_owned()))
    })
}

/// Where the value at `path` stands, or what it would stand in.
fn locate(document: &Spanned<DeValue<'_>>, path: &[Step]) -> Range<usize> {
    let mut here = document;
    for step in path {
        let next = match step {
            Step::Key(key) => here.get_ref().get(*key),
            Step::Index(index) => here.get_ref().get(*index),
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    if std::ptr::eq(here, document) { 0..0 } else { here.span() }
}

/// A table that does not fit its kind stands in an error as a whole; the key that the message names stands in it.
fn narrowed(document: &Spanned<DeValue<'_>>, span: Range<usize>, message: &str) -> Range<usize> {
    let Some(key) = message.split('`').nth(1) else { return span };
    key_in(document, &span, key).unwrap_or(span)
}

fn key_in(here: &Spanned<DeValue<'_>>, span: &Range<usize>, key: &str) -> Option<Range<usize>> {
    match here.get_ref() {
        DeValue::Table(table) if here.span() == *span => table.get_key_value(key).map(|(key, _)| key.span()),
        DeValue::Table(table) => table.iter().find_map(|(_, value)| key_in(value, span, key)),
        DeValue::Array(list) => list.iter().find_map(|value| key_in(value, span, key)),
        _ => None,
    }
}
