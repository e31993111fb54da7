//! Paths inside a folder: only those that every system can write, below the folder and nowhere else.
//!
//! | refused | because |
//! |---|---|
//! | empty, `.`, `..`, a leading `/`, a drive letter | it would lead out of the folder |
//! | `/`, `\`, NUL and control characters in a name | some system reads them as something else |
//! | `CON`, `NUL`, `COM1` and the like, with or without an extension; a dot or a space at the end | Windows means a device by them, or leaves the ending out |
//! | names over 255 bytes, paths over 4,096 bytes or 64 names | file systems have such bounds, and so has our work |
//!
//! Of two paths that differ only in case or in Unicode normalisation some systems make one file; [`Folded`] tells such a pair.
//! The characters `< > : " | ? *` pass: they are common where they are allowed, and Windows refuses them itself.

use std::{cmp::Ordering, fmt, str::FromStr};

use unicode_normalization::UnicodeNormalization;

/// Bytes of one name in a path, as in most file systems.
pub const MAX_NAME_BYTES: usize = 255;

/// Bytes of a path, as on Linux.
pub const MAX_PATH_BYTES: usize = 4_096;

/// Names in a path: deeper than any tree that people make, and few enough to walk with recursion.
pub const MAX_PATH_DEPTH: usize = 64;

/// A path that a folder cannot have. Of what we share, the user's to mend by another name; of what a peer sent, its fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or nothing between two separators.
    #[error("'{0}' has an empty name in it")]
    Empty(String),
    /// It starts at the root of a file system.
    #[error("'{0}' is absolute; only paths inside the folder can be shared")]
    Absolute(String),
    /// It starts with a drive of Windows.
    #[error("'{0}' begins with a drive letter; rename it")]
    Drive(String),
    /// `.` or `..`.
    #[error("'{0}' has '.' or '..' in it; only paths inside the folder can be shared")]
    Dots(String),
    /// A separator inside a name.
    #[error("the name '{0}' contains a separator of paths; rename it")]
    Separator(String),
    /// NUL or another control character.
    #[error("the name {0:?} contains a control character; rename it")]
    Control(String),
    /// A device of Windows, or an ending that it leaves out.
    #[error("the name '{0}' cannot be written on Windows; rename it")]
    Reserved(String),
    /// More than [`MAX_NAME_BYTES`].
    #[error("the name '{0}' is longer than {MAX_NAME_BYTES} bytes; rename it")]
    LongName(String),
    /// More than [`MAX_PATH_BYTES`].
    #[error("the path '{0}…' is longer than {MAX_PATH_BYTES} bytes; move it up or rename it")]
    LongPath(String),
    /// More than [`MAX_PATH_DEPTH`].
    #[error("'{0}' is more than {MAX_PATH_DEPTH} folders deep; move it up")]
    Deep(String),
}

/// The name of a file or folder: one part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if text.contains(['/', '\\']) {
            return Err(InvalidPath::Separator(text.into()));
        }
        check_name(text, text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path below a folder: names joined by `/`. Ordered name by name, as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelativePath(String);

impl RelativePath {
    /// The path of these names, from the top.
    ///
    /// # Errors
    /// [`InvalidPath`] says which name is refused.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPath> {
        let mut path = String::new();
        for (at, name) in names.into_iter().enumerate() {
            if name.contains('/') {
                return Err(InvalidPath::Separator(name.into()));
            }
            if at > 0 {
                path.push('/');
            }
            path.push_str(name);
            if path.len() > MAX_PATH_BYTES {
                break;
            }
        }
        path.parse()
    }

    /// The path as text, with `/` between the names.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its names, from the top.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The path from the top to the name at this index.
    pub fn up_to(&self, index: usize) -> String {
        self.names().take(index + 1).collect::<Vec<_>>().join("/")
    }
}

impl FromStr for RelativePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if text.len() > MAX_PATH_BYTES {
            return Err(InvalidPath::LongPath(text.chars().take(MAX_NAME_BYTES / 4).collect()));
        }
        if text.starts_with(['/', '\\']) {
            return Err(InvalidPath::Absolute(text.into()));
        }
        for (depth, name) in text.split('/').enumerate() {
            if depth == MAX_PATH_DEPTH {
                return Err(InvalidPath::Deep(text.into()));
            }
            check_name(name, text)?;
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for RelativePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(other.names())
    }
}

impl PartialOrd for RelativePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A path as the least discerning file system sees it: two paths that fold alike may be one file there. Ordered name by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded(String);

impl Folded {
    /// Folds a path, or a part of one.
    ///
    /// By way of the upper case, which makes one of letters that have several lower cases (σ and ς, s and ſ), and from the lower
    /// case, as ẞ has no other upper case but ß has. It also makes ss of ß, which only some systems do.
    pub fn new(path: &str) -> Self {
        if path.is_ascii() {
            return Self(path.to_ascii_lowercase());
        }
        let visible = path.nfd().filter(|c| !is_ignorable(*c));
        let upper = visible.flat_map(char::to_lowercase).flat_map(char::to_uppercase);
        Self(upper.flat_map(char::to_lowercase).nfd().collect())
    }

    /// The folded names, from the top.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl Ord for Folded {
    fn cmp(&self, other: &Self) -> Ordering {
        self.names().cmp(other.names())
    }
}

impl PartialOrd for Folded {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Characters that are not seen, and that the older file system of macOS leaves out when it compares names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Whether `name`, of `path`, can be a file's name everywhere.
fn check_name(name: &str, path: &str) -> Result<(), InvalidPath> {
    let mut visible = name.chars().filter(|c| !is_ignorable(*c));
    if name.is_empty() {
        return Err(InvalidPath::Empty(path.into()));
    }
    if visible.clone().count() <= 2 && visible.all(|c| c == '.') {
        return Err(InvalidPath::Dots(path.into()));
    }
    if name.contains('\\') {
        return Err(InvalidPath::Separator(name.into()));
    }
    if name.chars().any(char::is_control) {
        return Err(InvalidPath::Control(name.into()));
    }
    if let [letter, b':', ..] = name.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(InvalidPath::Drive(name.into()));
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(InvalidPath::LongName(name.into()));
    }
    if name.ends_with(['.', ' ']) || is_device(name) {
        return Err(InvalidPath::Reserved(name.into()));
    }
    Ok(())
}

/// Whether Windows takes the name for a device: by what stands before the first dot, in any case.
fn is_device(name: &str) -> bool {
    let stem = name.split(['.', ':']).next().unwrap_or(name).trim_end_matches(' ').to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        stem => {
            let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
            let mut digits = number.unwrap_or_default().chars();
            matches!((digits.next(), digits.next()), (Some('1'..='9' | '¹' | '²' | '³'), None))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> Result<RelativePath, InvalidPath> {
        text.parse()
    }

    #[test]
    fn ordinary_paths_pass_as_they_are() {
        for text in [
            "a",
            "a/b.txt",
            ".hidden",
            "…",
            "...a",
            "Über/naïve 🐦",
            "nul1",
            "COM",
            "COM10",
            "com0",
            "auxiliary",
            "12:30",
        ] {
            assert_eq!(path(text).unwrap().as_str(), text);
        }
        let long = vec!["x"; MAX_PATH_DEPTH].join("/");
        assert_eq!(path(&long).unwrap().names().count(), MAX_PATH_DEPTH);
        assert!(path(&"n".repeat(MAX_NAME_BYTES)).is_ok());
        assert_eq!(path("a/b/c").unwrap().up_to(1), "a/b");
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused_by_name() {
        use InvalidPath::{Absolute, Dots, Drive, Empty, Separator};
        let named = |kind: fn(String) -> InvalidPath, name: &str| Err(kind(name.into()));
        for text in ["", "a//b", "a/"] {
            assert_eq!(path(text), named(Empty, text));
        }
        for text in [".", "..", "a/../b", "../b", "a/.", "a/.\u{200c}.", "\u{feff}"] {
            assert_eq!(path(text), named(Dots, text));
        }
        for text in ["/", "/etc/passwd", "\\\\server\\share", "\\a"] {
            assert_eq!(path(text), named(Absolute, text));
        }
        assert_eq!(path("a/C:"), named(Drive, "C:"));
        assert_eq!(path("c:x"), named(Drive, "c:x"));
        assert_eq!(path("a/b\\..\\c"), named(Separator, "b\\..\\c"));
        assert_eq!(RelativePath::from_names(["a", "b/c"]), named(Separator, "b/c"));
        assert_eq!("a/b".parse::<FileName>(), Err(Separator("a/b".into())));
    }

    #[test]
    fn names_that_some_system_cannot_write_are_refused() {
        use InvalidPath::{Control, Deep, LongName, LongPath, Reserved};
        for name in ["a\0b", "a\nb", "\u{7f}", "\u{85}"] {
            assert_eq!(path(name), Err(Control(name.into())));
        }
        for name in ["CON", "nul", "Aux.txt", "com1", "LPT9.tar.gz", "COM²", "nul .txt", "conin$", "NUL:", "a.", "a "]
        {
            assert_eq!(path(name), Err(Reserved(name.into())), "{name}");
        }
        let long = "n".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(path(&format!("a/{long}")), Err(LongName(long)));
        assert!(matches!(path(&"n/".repeat(MAX_PATH_BYTES)), Err(LongPath(_))));
        assert!(matches!(RelativePath::from_names(vec!["name"; MAX_PATH_BYTES]), Err(LongPath(_))));
        let deep = vec!["x"; MAX_PATH_DEPTH + 1].join("/");
        assert_eq!(path(&deep), Err(Deep(deep.clone())));
    }

    #[test]
    fn what_some_system_takes_for_one_file_folds_alike() {
        let alike =
            [("README", "readme"), ("\u{e9}", "e\u{301}"), ("É", "e\u{301}"), ("ΣΑΣ", "σας"), ("K", "\u{212a}")];
        for (one, other) in
            alike.into_iter().chain([("a\u{200d}b", "ab"), ("ſ", "S"), ("STRAẞE", "straße"), ("İ", "i\u{307}")])
        {
            assert_eq!(Folded::new(one), Folded::new(other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("ﬁ2", "fi3"), ("①", "1"), ("a/b", "ab")] {
            assert_ne!(Folded::new(one), Folded::new(other), "{one} {other}");
        }
    }

    #[test]
    fn every_character_folds_as_its_other_cases_do() {
        for c in '\u{80}'..=char::MAX {
            let folded = Folded::new(c.encode_utf8(&mut [0; 4]));
            for case in [folded.0.clone(), c.to_lowercase().collect(), c.to_uppercase().collect()] {
                assert_eq!(Folded::new(&case), folded, "{c:?}");
            }
            assert!(!folded.0.contains('/'), "{c:?}");
        }
    }

    #[test]
    fn paths_are_ordered_name_by_name() {
        let mut paths = ["a.txt", "a/z", "a", "a/b", "B"].map(|text| path(text).unwrap());
        paths.sort();
        assert_eq!(paths.map(|path| path.0), ["B", "a", "a/b", "a/z", "a.txt"]);
    }

    proptest! {
        #[test]
        fn a_path_is_made_of_its_names(text in "\\PC{0,12}(/\\PC{1,8}){0,3}") {
            if let Ok(path) = path(&text) {
                prop_assert_eq!(RelativePath::from_names(path.names()), Ok(path.clone()));
                prop_assert!(path.names().all(|name| name.parse::<FileName>().is_ok()));
                prop_assert_eq!(Folded::new(path.as_str()), Folded::new(&Folded::new(path.as_str()).0));
            }
        }
    }
}
