//! Says in plain words what serde says in its own, and what may have been meant.

/// How alike two names must be for one to be offered instead of the other: the share of characters that need not change.
const ALIKE: f64 = 0.6;

/// An error of serde, for people.
pub fn plain(message: &str) -> String {
    let first = message.split('`').nth(1).unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return format!("there is no `{first}` here{}", instead(first, &quoted(rest)[1..], '`'));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("\"{first}\" is not known here{}", instead(first, &quoted(rest)[1..], '"'));
    }
    if message.starts_with("missing field ") {
        return format!("`{first}` is missing; add it");
    }
    let found = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) {
        return format!("this is {}; write {}", a_found(found), an_expected(expected));
    }
    match message {
        "wanted string or table" => format!("write {}", an_expected("a string")),
        other => other.to_owned(),
    }
}

/// What to write instead of a name that is not known: the one that was probably meant, or all there are.
pub fn instead(wrong: &str, known: &[&str], quote: char) -> String {
    let quoted = |name: &str| format!("{quote}{name}{quote}");
    match nearest(wrong, known) {
        Some(name) => format!("; did you mean {}?", quoted(name)),
        None if known.is_empty() => "; there are none".to_owned(),
        None => format!("; known are {}", known.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
    }
}

fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    // Of `rate_per_s`, people forget the unit.
    let shortened = |name: &str| wrong.len() >= 3 && name.contains(wrong);
    let alike = |name: &str| strsim::normalized_damerau_levenshtein(wrong, name);
    let candidates = known.iter().copied().filter(|name| shortened(name) || alike(name) >= ALIKE);
    candidates.max_by(|a, b| alike(a).total_cmp(&alike(b)))
}

/// All words in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn a_found(found: &str) -> String {
    let number = |kind: &str| found.strip_prefix(kind).map(|rest| rest.split('`').nth(1).unwrap_or(rest));
    if let Some(number) = number("integer ").or_else(|| number("floating point ")) {
        return format!("the number {number}");
    }
    match found {
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        other => match other.strip_prefix("boolean ") {
            Some(truth) => truth.trim_matches('`').to_owned(),
            None => format!("the {other}"),
        },
    }
}

fn an_expected(expected: &str) -> String {
    match expected {
        "usize" | "u64" => "a whole number, 0 or more".to_owned(),
        "i64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list: [ … ], or a [[…]] of its own for each".to_owned(),
        other if other.starts_with("struct ") => "a table: { key = value, … }".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_said_plainly() {
        for (serde, plainly) in [
            (
                "unknown field `cuont`, expected one of `name`, `count`",
                "there is no `cuont` here; did you mean `count`?",
            ),
            ("unknown field `x`, expected `s`", "there is no `x` here; known are `s`"),
            (
                "unknown variant `conus`, expected `none` or `full-cone`",
                "\"conus\" is not known here; known are \"none\", \"full-cone\"",
            ),
            ("missing field `count`", "`count` is missing; add it"),
            ("invalid type: string \"1\", expected f64", "this is the string \"1\"; write a number"),
            ("invalid value: integer `-1`, expected usize", "this is the number -1; write a whole number, 0 or more"),
            (
                "invalid type: map, expected a sequence",
                "this is a table; write a list: [ … ], or a [[…]] of its own for each",
            ),
            ("invalid type: boolean `true`, expected struct Nat", "this is true; write a table: { key = value, … }"),
            ("`s` is missing: \"fixed\" needs it", "`s` is missing: \"fixed\" needs it"),
        ] {
            assert_eq!(plain(serde), plainly);
        }
    }
}
