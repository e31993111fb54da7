//! Values given on the command line in place of those in the file: `--set group.members.count=50`.
//!
//! A key is the way to the value, with dots between. An entry of a list is called by its number, from 0, or by its name if it has
//! one, as groups have: `workload.chat.0.rate_per_s`, `group.members.count`. A value is as in TOML; a bare word is a text.

use std::{fmt, ops::Range, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One value to put in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    path: Vec<String>,
    value: String,
}

/// Text that is no [`Override`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// There is no key, or no value.
    #[error("write key=value, such as group.members.count=50 or network.loss=0.02")]
    Shape,
    /// The value is no TOML, nor a bare word.
    #[error("the value {value} cannot be read: {reason}")]
    Value {
        /// As given.
        value: String,
        /// What TOML says.
        reason: String,
    },
}

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (key, value) = text.split_once('=').ok_or(OverrideError::Shape)?;
        let path: Vec<String> = key.split('.').map(|step| step.trim().to_owned()).collect();
        let value = value.trim();
        if value.is_empty() || path.iter().any(String::is_empty) {
            return Err(OverrideError::Shape);
        }
        match DeValue::parse(value) {
            Err(error) if !is_bare_word(value) => {
                Err(OverrideError::Value { value: value.to_owned(), reason: error.message().to_owned() })
            }
            _ => Ok(Self { path, value: value.to_owned() }),
        }
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.path.join("."), self.value)
    }
}

/// What is no value of TOML, but can only be meant as a text: `--set group.members.nat.kind=full-cone`.
fn is_bare_word(value: &str) -> bool {
    value.chars().all(|c| c.is_alphanumeric() || "-_./: ".contains(c))
}

impl Override {
    /// Puts the value into a document, as if it stood at `at`.
    ///
    /// # Errors
    /// Says at which step of the key the document has nothing to go on with.
    pub fn apply<'i>(&'i self, document: &mut Spanned<DeValue<'i>>, at: Range<usize>) -> Result<(), String> {
        let value = match DeValue::parse(&self.value) {
            Ok(value) => value.into_inner(),
            Err(_) => DeValue::String(self.value.as_str().into()),
        };
        let Some((last, way)) = self.path.split_last() else { return Ok(()) };
        let mut here = document;
        for step in way {
            here = enter(here, step, &at)?;
        }
        *enter(here, last, &at)? = moved(value, &at);
        Ok(())
    }
}

/// What lies one step further. What a table lacks is made.
fn enter<'a, 'i>(
    here: &'a mut Spanned<DeValue<'i>>,
    step: &'i str,
    at: &Range<usize>,
) -> Result<&'a mut Spanned<DeValue<'i>>, String> {
    match here.get_mut() {
        DeValue::Table(table) => {
            let empty = || Spanned::new(at.clone(), DeValue::Table(DeTable::new()));
            Ok(table.entry(Spanned::new(at.clone(), step.into())).or_insert_with(empty))
        }
        DeValue::Array(list) => {
            let entries = list.len();
            let index = step.parse().ok().or_else(|| list.iter().position(|entry| name(entry) == Some(step)));
            let names: Vec<String> = list.iter().filter_map(name).map(|name| format!("\"{name}\"")).collect();
            match index.and_then(|index: usize| list.get_mut(index)) {
                Some(entry) => Ok(entry),
                None if names.is_empty() => {
                    Err(format!("there is no entry {step} in the list, which has {entries}, counted from 0"))
                }
                None => Err(format!("there is no entry \"{step}\" in the list; it has {}", names.join(", "))),
            }
        }
        _ => Err(format!("there is nothing in which `{step}` could be: what stands before it is a single value")),
    }
}

fn name<'a>(entry: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    entry.get_ref().get("name").and_then(|name| name.get_ref().as_str())
}

/// The value with everything in it at one place.
fn moved<'i>(value: DeValue<'i>, at: &Range<usize>) -> Spanned<DeValue<'i>> {
    let value = match value {
        DeValue::Array(mut list) => {
            for entry in list.iter_mut() {
                *entry = moved(std::mem::replace(entry.get_mut(), DeValue::Boolean(false)), at);
            }
            DeValue::Array(list)
        }
        DeValue::Table(table) => {
            let entries = table.into_iter();
            DeValue::Table(
                entries
                    .map(|(key, value)| (Spanned::new(at.clone(), key.into_inner()), moved(value.into_inner(), at)))
                    .collect(),
            )
        }
        scalar => scalar,
    };
    Spanned::new(at.clone(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_is_a_key_and_a_value() {
        for text in
            ["duration_s=60", "group.members.nat.kind=full-cone", "network.regions=[\"a\", \"b\"]", "name=\"a=b\""]
        {
            assert_eq!(text.parse::<Override>().unwrap().to_string(), text);
        }
        for text in ["", "duration_s", "=3", "a..b=3", "a=", ".=1"] {
            assert_eq!(text.parse::<Override>(), Err(OverrideError::Shape), "{text:?}");
        }
        assert!(matches!("a=[1,".parse::<Override>(), Err(OverrideError::Value { .. })));
    }
}
