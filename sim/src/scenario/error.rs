//! What is wrong with a scenario, where, and what to do about it.

use std::{fmt, ops::Range};

/// Problems that one error tells at most: whoever has more of them mends these first.
pub const MAX_PROBLEMS: usize = 10;

/// Characters of a line up to which it is shown with the error.
const MAX_SHOWN_CHARS: usize = 200;

/// A scenario that cannot be run. Shows every problem with its line, as a compiler does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
pub struct ScenarioError {
    /// What is wrong, in the order of the checks: at least one, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File {
        /// Its name.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// The line itself, unless it is too long to show.
        text: Option<String>,
        /// Characters concerned, within the line.
        width: usize,
    },
    /// In a value given on the command line.
    Override(String),
}

impl Place {
    /// The place of the bytes `span` in a file.
    pub fn in_file(name: &str, text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let shown = text[line_start..line_end].trim_end_matches('\r');
        Self::File {
            name: name.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: (shown.chars().count() <= MAX_SHOWN_CHARS).then(|| printable(shown)),
            width: text[start..end.min(line_end).max(start)].chars().count().max(1),
        }
    }
}

/// A file may hold what a terminal takes for a command.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Override(given) => write!(f, "--set {given}: {}", self.message),
            Place::File { name, line, column, text, width } => {
                write!(f, "{name}:{line}:{column}: {}", self.message)?;
                let Some(text) = text else { return Ok(()) };
                let margin = " ".repeat(line.to_string().len());
                let indent = " ".repeat(column.saturating_sub(1));
                let marks = "^".repeat(*width);
                write!(f, "\n{margin} |\n{line} | {text}\n{margin} | {indent}{marks}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_and_points_at_the_place() {
        let text = "name = \"ä\"\nby = \"peers\"\n";
        let at = text.find("\"peers\"").unwrap();
        let place = Place::in_file("churn.toml", text, at..at + 7);
        let problem = Problem { place, message: "there is no such group".into() };
        let expected = "churn.toml:2:6: there is no such group\n  |\n2 | by = \"peers\"\n  |      ^^^^^^^";
        assert_eq!(problem.to_string(), expected);
    }

    #[test]
    fn columns_count_characters_and_marks_stay_in_their_line() {
        let text = "ä = [\n1,\n]";
        match Place::in_file("x", text, 5..text.len()) {
            Place::File { line, column, width, .. } => assert_eq!((line, column, width), (1, 5, 1)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        let place = Place::in_file("x", "a = \u{1b}[2J", 0..1);
        assert!(!Problem { place, message: String::new() }.to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_place_beyond_the_end_is_the_end() {
        match Place::in_file("x", "a = 1", 90..95) {
            Place::File { line, column, .. } => assert_eq!((line, column), (1, 6)),
            other => panic!("{other:?}"),
        }
    }
}
