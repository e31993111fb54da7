//! Which files of a share the user wants.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns that select nothing. The user's to mend.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSelect {
    /// One is no pattern.
    #[error("'{pattern}' selects nothing: {why}")]
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        why: globset::ErrorKind,
    },
    /// Together they are too much.
    #[error("these patterns are too many together: {0}")]
    TooMuch(globset::Error),
}

/// Those whose path fits one of these patterns; all, if there are none.
#[derive(Debug, Clone, Default)]
pub struct Select(Vec<Glob>);

impl Select {
    /// What the user says.
    ///
    /// # Errors
    /// [`InvalidSelect`].
    pub fn read(patterns: &[String]) -> Result<Self, InvalidSelect> {
        let read = |pattern: &str, text: &str| {
            let glob = GlobBuilder::new(text).literal_separator(false).build();
            glob.map_err(|error| InvalidSelect::Pattern { pattern: pattern.into(), why: error.kind().clone() })
        };
        let mut globs = Vec::new();
        for pattern in patterns {
            // As paths are given in a shell; a folder is all that is in it.
            let text = pattern.trim_start_matches("./").trim_matches('/');
            globs.push(read(pattern, text)?);
            globs.push(read(pattern, &format!("{text}/**"))?);
        }
        let select = Self(globs);
        select.set()?;
        Ok(select)
    }

    /// These are wanted as well.
    pub fn add(&mut self, more: Self) {
        if self.0.is_empty() || more.0.is_empty() {
            self.0.clear();
        } else {
            self.0.extend(more.0);
        }
    }

    /// As a vault takes it.
    ///
    /// # Errors
    /// [`InvalidSelect::TooMuch`].
    pub fn set(&self) -> Result<GlobSet, InvalidSelect> {
        let mut globs = GlobSetBuilder::new();
        self.0.iter().for_each(|glob| _ = globs.add(glob.clone()));
        globs.build().map_err(InvalidSelect::TooMuch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(patterns: &[&str]) -> Select {
        Select::read(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_folder_is_selected_with_all_that_is_in_it_and_paths_are_as_in_a_shell() {
        for pattern in ["a", "./a", "/a", "a/", "a/b"] {
            let set = read(&[pattern]).set().unwrap();
            assert!(set.is_match("a/b") && !set.is_match("b") && !set.is_match("ab/b"), "{pattern}");
        }
    }

    #[test]
    fn what_is_selected_beside_is_wanted_too_and_nothing_selected_is_all() {
        let mut select = read(&["*.jpg"]);
        select.add(read(&["*.txt"]));
        let set = select.set().unwrap();
        assert!(set.is_match("below/a.jpg") && set.is_match("b.txt") && !set.is_match("c"));
        select.add(read(&[]));
        assert!(select.set().unwrap().is_empty());
        select.add(read(&["*.txt"]));
        assert!(select.set().unwrap().is_empty(), "all stays all");
    }
}
