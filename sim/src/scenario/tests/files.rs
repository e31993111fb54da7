//! Files in a scenario.

use super::*;

const FILES: &str = r#"
[[workload.file]]
name = "film"
size_mib = 8
seeders = "members"
getters = "guests"
at_s = 100
over_s = 50
by_root = 0.5
"#;

const LIARS: &str = r#"
[[group]]
name = "liars"
count = 3
hostile = { kind = "lying-seeder", file = "film", fault = "wrong-bytes" }
"#;

fn parse(old: &str, new: &str) -> Result<Scenario, ScenarioError> {
    let text = format!("{SMALL}{FILES}{LIARS}");
    assert!(text.contains(old), "{old}");
    super::parse(&text.replacen(old, new, 1), &[])
}

#[test]
fn files_and_those_who_lie_about_them_are_read_with_all_that_is_said_of_them() {
    let scenario = parse("over_s = 50\n", "").unwrap();
    let file = Sharing {
        name: "film".into(),
        size_mib: 8,
        seeders: "members".into(),
        getters: "guests".into(),
        at_s: 100,
        over_s: 0,
        by_root: 0.5,
    };
    assert_eq!(scenario.workload.file, [file]);
    let lying = |fault| Some(Hostile::LyingSeeder { file: "film".into(), fault });
    assert_eq!(scenario.groups[2].hostile, lying(Some(Fault::WrongBytes)));
    let drawn = parse(", fault = \"wrong-bytes\"", "").unwrap();
    assert_eq!(drawn.groups[2].hostile, lying(None));
}

#[test]
fn files_that_make_no_sense_are_told_where_they_stand() {
    for (old, new, place, words) in [
        ("name = \"film\"\n", "name = \"Film\"\n", "42:8", "a name has"),
        ("name = \"film\"\n", "name = \"con\"\n", "42:8", "con"),
        ("size_mib = 8", "size_mib = 0", "43:12", "from 1 to"),
        ("size_mib = 8", "size = 8", "43:1", "did you mean `size_mib`?"),
        ("seeders = \"members\"", "seeders = \"member\"", "44:11", "did you mean \"members\"?"),
        ("getters = \"guests\"", "getters = \"members\"", "45:11", "have it already"),
        ("getters = \"guests\"", "getters = \"liars\"", "45:11", "fetches nothing"),
        ("over_s = 50", "over_s = 171", "46:8", "too late"),
        ("by_root = 0.5", "by_root = 2", "48:11", "between 0 and 1"),
        ("file = \"film\"", "file = \"book\"", "53:43", "there is no file \"book\""),
        ("file = \"film\", ", "", "53:", "`file` is missing"),
        ("fault = \"wrong-bytes\"", "lie = \"forget\"", "53:", "does not belong to \"lying-seeder\""),
        ("\"delivered\"", "\"file_asked\"", "38:10", "there is no figure"),
    ] {
        let text = parse(old, new).unwrap_err().to_string();
        let place = format!("small.toml:{place}");
        assert!(text.contains(&place) && text.contains(words), "{new}: {text}");
    }
}

#[test]
fn figures_of_files_need_some_and_those_of_liars_need_liars() {
    let told = told("\"delivered\"", "\"file_completed\"");
    assert!(told.contains("add [[workload.file]]"), "{told}");
    let text = format!("{SMALL}{FILES}").replacen("\"delivered\"", "\"file_asked_of_liars\"", 1);
    assert!(super::parse(&text, &[]).unwrap_err().to_string().contains("nobody who lies about a file"));
}

#[test]
fn the_least_time_for_a_file_needs_bounds_on_bandwidth_or_on_when_it_is_asked_for() {
    let checked = |text: String| super::parse(&text.replacen("\"delivered\"", "\"file_best_s\"", 1), &[]);
    let files = format!("{SMALL}{FILES}").replace("at_least = 0.99", "at_least = 1");
    checked(files.clone()).unwrap();
    let at_once = files.replace("over_s = 50\n", "");
    assert!(checked(at_once.clone()).unwrap_err().to_string().contains("set up_kbit_s"));
    checked(at_once.replacen("count = 40", "count = 40\nup_kbit_s = 9", 1)).unwrap();
    checked(at_once.replacen("count = 10", "count = 10\ndown_kbit_s = 9", 1)).unwrap();
}

#[test]
fn cores_have_no_files() {
    let text = SMALL.replace("nat.kind = \"symmetric\"\n", "").replace("duration_s", "level = \"cores\"\nduration_s");
    let error = super::parse(&format!("{text}{FILES}"), &[]).unwrap_err().to_string();
    assert!(error.contains("the level \"cores\" has no files"), "{error}");
}
