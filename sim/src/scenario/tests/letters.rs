//! Direct messages and mailboxes in a scenario.

use super::*;

const LETTERS: &str = r#"
[[workload.direct]]
by = "guests"
to = "members"
rate_per_s = 0.1
friends = 3
until_s = 200
"#;

fn parse(old: &str, new: &str) -> Result<Scenario, ScenarioError> {
    let text = format!("{SMALL}{LETTERS}");
    assert!(text.contains(old), "{old}");
    super::parse(&text.replacen(old, new, 1), &[])
}

#[test]
fn direct_messages_and_mailboxes_are_read_with_all_that_is_said_of_them() {
    let scenario = parse("count = 40", "count = 40\nmailbox = true").unwrap();
    assert!(scenario.groups[0].mailbox && !scenario.groups[1].mailbox);
    let direct = Direct {
        rate_per_s: 0.1,
        bytes: 100,
        by: Some("guests".into()),
        to: Some("members".into()),
        friends: 3,
        from_s: 0,
        until_s: Some(200),
    };
    assert_eq!(scenario.workload.direct, [direct]);
    let lying = parse("nat.kind = \"symmetric\"", "hostile = { kind = \"lying-mailbox\", lie = \"mix-up\" }");
    assert!(lying.unwrap_err().to_string().contains("is hostile"), "who writes must be honest");
}

#[test]
fn direct_messages_that_make_no_sense_are_told_where_they_stand() {
    for (old, new, place, words) in [
        ("by = \"guests\"\nto", "by = \"guest\"\nto", "42:6", "did you mean \"guests\"?"),
        ("to = \"members\"", "to = \"nobody\"", "43:6", "there is no group \"nobody\""),
        ("rate_per_s = 0.1", "rate_per_s = 101", "44:14", "at most 100 a second"),
        ("rate_per_s = 0.1", "rate = 0.1", "44:1", "did you mean `rate_per_s`?"),
        ("friends = 3", "friends = 41", "45:11", "more than the 40 hosts"),
        ("friends = 3", "bytes = 3", "45:9", "from 40 to"),
        ("friends = 3", "from_s = 200", "46:11", "before it begins"),
        ("until_s = 200", "until_s = 290", "46:11", "too late"),
        (
            "count = 10\n",
            "count = 10\nmailbox = true\nhostile = { kind = \"withhold\", from_s = 9 }\n",
            "16:11",
            "lying-mailbox",
        ),
        ("\"delivered\"", "\"mailbox_letters\"", "38:10", "no mailboxes"),
    ] {
        let told = parse(old, new).unwrap_err().to_string();
        assert!(told.contains(&format!("small.toml:{place}: ")) && told.contains(words), "{new}: {told}");
    }
    let nobody = parse("to = \"members\"", "to = \"guests\"").unwrap();
    assert_eq!(nobody.workload.direct[0].to.as_deref(), Some("guests"));
    let alone = parse("count = 10\n", "count = 1\n").unwrap();
    assert_eq!(alone.groups[1].count, 1);
    let text = format!("{SMALL}{LETTERS}")
        .replace("count = 10\n", "count = 1\n")
        .replace("\"members\"\nrate", "\"guests\"\nrate");
    assert!(super::parse(&text, &[]).unwrap_err().to_string().contains("nobody to write to"));
}

#[test]
fn figures_of_direct_messages_need_some() {
    let told = told("\"delivered\"", "\"direct_delivered\"");
    assert!(told.contains("add [[workload.direct]]"), "{told}");
}

#[test]
fn cores_have_no_direct_messages() {
    let text = SMALL.replace("nat.kind = \"symmetric\"\n", "").replace("duration_s", "level = \"cores\"\nduration_s");
    for (text, what) in [
        (format!("{text}{LETTERS}"), "direct messages"),
        (text.replace("count = 40", "count = 40\nmailbox = true"), "mailboxes"),
    ] {
        let error = super::parse(&text, &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("the level \"cores\" has no {what}")), "{error}");
    }
}
