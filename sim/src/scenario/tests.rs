//! Tests of reading scenarios as a whole: what is wrong is told, in the right line.

use super::*;

mod files;
mod letters;
mod written;

const SMALL: &str = r#"name = "small"
summary = "Two groups that talk"
duration_s = 300

[network]
regions = ["east", "west"]
latency_ms = [[5, 80], [80, 5]]

[[group]]
name = "members"
count = 40

[[group]]
name = "guests"
count = 10
bootstrap = "members"
nat.kind = "symmetric"

[group.churn]
session_s = { kind = "exponential", mean_s = 60 }
gap_s = { kind = "fixed", s = 5 }

[[workload.chat]]
room = "lobby"
rate_per_s = 0.5
by = "guests"

[[event]]
at_s = 100
do = "partition"
sides = [["east"], ["west"]]

[[event]]
at_s = 150
do = "heal"

[[check]]
figure = "delivered"
at_least = 0.99
"#;

fn parse(text: &str, overrides: &[&str]) -> Result<Scenario, ScenarioError> {
    let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
    Scenario::parse("small.toml", text, &overrides)
}

/// What is told when `old` stands as `new`.
fn told(old: &str, new: &str) -> String {
    assert!(SMALL.contains(old), "{old}");
    match parse(&SMALL.replacen(old, new, 1), &[]) {
        Ok(_) => panic!("{new} was taken"),
        Err(error) => error.to_string(),
    }
}

/// What is told with a `--set`.
fn told_of(set: &str) -> String {
    match parse(SMALL, &[set]) {
        Ok(_) => panic!("{set} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_scenario_is_read_with_all_it_says() {
    let scenario = parse(SMALL, &[]).unwrap();
    assert_eq!(scenario.counts().into_iter().collect::<Vec<_>>(), [("guests", 10), ("members", 40)]);
    assert_eq!((scenario.seed, scenario.settle_s, scenario.level), (1, 30, Level::Nodes));
    assert_eq!(scenario.groups[1].nat, Nat { kind: NatKind::Symmetric, expires_s: 120 });
    assert_eq!(scenario.groups[1].churn.as_ref().unwrap().gap_s, Distribution::Fixed { s: 5.0 });
    assert_eq!(scenario.events[1], Event { at_s: 150, what: What::Heal });
    assert_eq!(scenario.entry(&scenario.groups[0]).unwrap().name, "members");
}

#[test]
fn an_error_looks_as_a_compilers() {
    let expected = "small.toml:26:6: there is no group \"peers\"; known are \"members\", \"guests\"\n   |\n26 | by = \
                    \"peers\"\n   |      ^^^^^^^";
    assert_eq!(told("by = \"guests\"", "by = \"peers\""), expected);
}

#[test]
fn what_is_no_toml_or_has_the_wrong_shape_is_told_where_it_stands() {
    for (old, new, place, words) in [
        ("duration_s = 300", "duration_s = = 300", "3:14", "extra `=`"),
        ("duration_s = 300", "duration_s = \"long\"", "3:14", "write a whole number"),
        ("duration_s = 300\n", "", "1:1", "`duration_s` is missing"),
        ("regions =", "region =", "6:1", "did you mean `regions`?"),
        ("count = 40", "cuont = 40", "11:1", "did you mean `count`?"),
        ("count = 40", "count = 1.5", "11:9", "write a whole number"),
        ("count = 40", "count = 40\nclock.skew = 3", "12:7", "did you mean `skew_ms`?"),
        ("nat.kind = \"symmetric\"", "nat.kind = \"symetric\"", "17:12", "did you mean \"symmetric\"?"),
        ("mean_s = 60", "mean = 60", "20:37", "did you mean `mean_s`?"),
        ("mean_s = 60", "mean_s = \"60\"", "20:46", "write a number"),
        ("mean_s = 60", "mean_s = 60, shape = 1", "20:50", "`shape` does not belong to \"exponential\""),
        (", mean_s = 60", "", "20:13", "`mean_s` is missing"),
        ("nat.kind = \"symmetric\"", "hostile = { kind = \"spam\", rate = 5 }", "17:28", "did you mean `rate_per_s`?"),
        ("nat.kind = \"symmetric\"", "hostile = { kind = \"spam\", rate_per_s = 5, room = \"a\" }", "17:44", "`room`"),
        ("sides =", "side =", "31:1", "did you mean `sides`?"),
        ("do = \"heal\"", "do = \"heal\"\ngroup = \"guests\"", "36:1", "`group` does not belong to \"heal\""),
        ("do = \"heal\"", "do = \"repair\"", "35:6", "\"repair\" is not known here"),
        ("at_least = 0.99", "least = 0.99", "39:1", "did you mean `at_least`?"),
    ] {
        let told = told(old, new);
        assert!(told.starts_with(&format!("small.toml:{place}: ")), "{new}: {told}");
        assert!(told.contains(words), "{new}: {told}");
    }
}

#[test]
fn what_makes_no_sense_is_told_where_it_stands() {
    for (old, new, place, words) in [
        ("name = \"small\"", "name = \"Small one\"", "1:8", "a–z"),
        ("duration_s = 300", "duration_s = 999999999", "3:14", "out of bounds"),
        ("duration_s = 300", "duration_s = 300\nsettle_s = 300", "4:12", "lower settle_s"),
        ("[80, 5]]", "[80]]", "7:24", "has 1 numbers for 2 regions"),
        ("[[5, 80], [80, 5]]", "[[5, 80]]", "7:14", "1 rows for 2 regions"),
        ("[80, 5]]", "[80, -5]]", "7:29", "out of bounds"),
        ("[80, 5]]", "[80, nan]]", "7:29", "out of bounds"),
        ("name = \"guests\"", "name = \"members\"", "14:8", "already"),
        ("name = \"guests\"", "name = \"west\"", "14:8", "is a region already"),
        ("count = 40", "count = 0", "11:9", "out of bounds"),
        ("count = 40", "count = 50_000", "11:9", "at most 50000 fit"),
        ("count = 40", "count = 40\nregion = \"north\"", "12:10", "there is no region \"north\""),
        ("count = 40", "count = 40\nloss = 0.9", "12:8", "out of bounds"),
        ("count = 40", "count = 40\nrooms = [\"a\", \" A\"]", "12:15", "twice"),
        ("count = 40", "count = 40\nrooms = [\"Lobby\"]", "12:10", "leave it out"),
        ("count = 40", "count = 40\nnat.kind = \"blocked\"", "9:1", "nobody can be joined through"),
        ("bootstrap = \"members\"", "bootstrap = \"guests\"", "16:13", "behind a NAT"),
        ("bootstrap = \"members\"", "bootstrap = \"member\"", "16:13", "did you mean \"members\"?"),
        ("bootstrap = \"members\"", "arrive = { from_s = 200, over_s = 80 }", "16:10", "too late"),
        ("mean_s = 60", "mean_s = 0", "20:46", "out of bounds"),
        ("gap_s = {", "crash = 1.1\ngap_s = {", "21:9", "share"),
        ("room = \"lobby\"", "room = \"attic\"", "26:6", "\"guests\" is not in the room \"attic\""),
        ("room = \"lobby\"", "room = \"\"", "24:8", "cannot be empty"),
        ("rate_per_s = 0.5", "rate_per_s = 0", "25:14", "more than 0"),
        ("rate_per_s = 0.5", "rate_per_s = 0.5\nbytes = 1_000_000", "26:9", "out of bounds"),
        ("rate_per_s = 0.5", "rate_per_s = 0.5\nfrom_s = 50\nuntil_s = 40", "27:11", "before it begins"),
        ("at_s = 150", "at_s = 280", "34:8", "second 280 is too late"),
        ("at_s = 150", "at_s = 50", "34:8", "nothing to heal"),
        ("[\"west\"]]", "[\"wset\"]]", "31:21", "did you mean \"west\"?"),
        ("[\"west\"]]", "[\"east\"]]", "31:21", "two sides"),
        (
            "[[\"east\"], [\"west\"]]",
            "[[\"east\"], [\"west\", \"guests\"]]",
            "31:29",
            "\"guests\" are in \"east\", too",
        ),
        ("[[\"east\"], [\"west\"]]", "[[\"members\"], [\"west\"]]", "31:24", "hosts of"),
        ("[[\"east\"], [\"west\"]]", "[[\"east\"]]", "31:9", "two sides at least"),
        ("do = \"heal\"", "do = \"stop\"\ngroup = \"members\"\nshare = 2", "37:9", "share"),
        ("\"delivered\"", "\"deliverd\"", "38:10", "did you mean \"delivered\"?"),
        ("\"delivered\"", "\"lookups_found\"", "38:10", "add [workload.lookups]"),
        ("at_least = 0.99\n", "", "37:1", "needs `at_least`"),
        ("at_least = 0.99", "at_least = 0.99\nat_most = 0.9", "39:12", "exchange"),
        ("at_least = 0.99", "at_least = 99", "39:12", "between 0 and 1"),
        ("at_least = 0.99", "at_most = -0.1", "39:11", "between 0 and 1"),
        ("\"delivered\"\nat_least = 0.99", "\"said\"\nat_most = -1", "39:11", "no figure is less than 0"),
        ("[[event]]\nat_s = 100", "[node]\nconnections_max = 0\n[[event]]\nat_s = 100", "29:19", "from 1 to"),
        ("[[event]]\nat_s = 100", "[node]\nkademlia_k = 0\n[[event]]\nat_s = 100", "29:14", "from 1 to"),
        ("[[event]]\nat_s = 100", "[node]\nconnections_low = 999\n[[event]]\nat_s = 100", "29:19", "raise that"),
        ("[[event]]\nat_s = 100", "[node]\nconnections_high = 999\n[[event]]\nat_s = 100", "29:20", "raise that"),
    ] {
        let told = told(old, new);
        assert!(told.starts_with(&format!("small.toml:{place}: ")), "{new}: {told}");
        assert!(told.contains(words), "{new}: {told}");
    }
}

#[test]
fn hostile_groups_refer_to_what_there_is() {
    for (hostile, words) in [
        ("{ kind = \"eclipse\", target = \"nobody\", from_s = 5 }", "there is no group \"nobody\""),
        ("{ kind = \"eclipse\", target = \"guests\", from_s = 5 }", "hostile itself"),
        ("{ kind = \"withhold\", from_s = 1000 }", "too late"),
        ("{ kind = \"sybil-key\", room = \"\" }", "cannot be empty"),
        ("{ kind = \"spam\", rate_per_s = -1 }", "more than 0"),
    ] {
        let told = told("nat.kind = \"symmetric\"", &format!("hostile = {hostile}"));
        assert!(told.starts_with("small.toml:17:") && told.contains(words), "{told}");
    }
}

#[test]
fn cores_say_what_they_cannot_do() {
    let text = SMALL.replace("nat.kind = \"symmetric\"\n", "").replace("duration_s", "level = \"cores\"\nduration_s");
    assert_eq!(parse(&text, &[]).unwrap().level, Level::Cores);
    for (set, what) in [
        ("group.members.nat.kind=full-cone", "NATs"),
        ("group.members.up_kbit_s=100", "bandwidth"),
        ("group.members.disk.fail=0.1", "disks"),
        ("group.members.rooms=[\"a\"]", "rooms besides the lobby"),
        ("group.guests.hostile={ kind = \"spam\", rate_per_s = 1 }", "hostile hosts"),
        ("workload.lookups={ keys = 1, providers = 1, rate_per_s = 1, from_s = 9 }", "Kademlia"),
    ] {
        let error = parse(&text, &[set]).unwrap_err().to_string();
        assert!(error.contains(&format!("the level \"cores\" has no {what}")), "{set}: {error}");
    }
    for (figure, count, words) in [
        ("banned_honest", 40, "only cores, which keep nobody out"),
        ("presence_error", 991, "at most 1,000"),
        ("delivered_live", 1, "nobody to talk to"),
    ] {
        let one = text.replace("count = 40", &format!("count = {count}"));
        let one = if count == 1 { one.replace("count = 10", "count = 0") } else { one };
        let text = one.replace("\"delivered\"", &format!("\"{figure}\""));
        let error = parse(&text, &[]).unwrap_err().to_string();
        assert!(error.contains(words), "{figure}: {error}");
    }
    let fits = text.replace("count = 40", "count = 990").replace("\"delivered\"", "\"presence_error\"");
    assert!(parse(&fits.replace("at_least", "at_most"), &[]).is_ok());
}

#[test]
fn what_comes_of_another_mistake_is_not_told_besides() {
    let told = told("duration_s = 300", "duration_s = 5");
    assert_eq!(told.matches("small.toml:").count(), 1, "{told}");
}

#[test]
fn all_that_makes_no_sense_is_told_at_once() {
    let text = SMALL.replace("count = 40", "count = 0").replace("at_least = 0.99\n", "");
    assert_eq!(parse(&text, &[]).unwrap_err().problems.len(), 2);
}

#[test]
fn overrides_take_the_place_of_what_the_file_says() {
    let sets = [
        "group.members.count=50",
        "network.loss=0.02",
        "workload.chat.0.rate_per_s=2",
        "duration_s=60",
        "event=[]",
        "group.guests.nat.kind=full-cone",
        "group.0.clock.skew_ms=20",
    ];
    let scenario = parse(SMALL, &sets).unwrap();
    assert_eq!((scenario.groups[0].count, scenario.groups[0].clock.skew_ms), (50, 20));
    assert_eq!((scenario.network.loss, scenario.duration_s, scenario.events.len()), (0.02, 60, 0));
    assert_eq!(scenario.workload.chat[0].rate_per_s, 2.0);
    assert_eq!(scenario.groups[1].nat.kind, NatKind::FullCone);
}

#[test]
fn an_override_that_is_wrong_is_named() {
    for (set, words) in [
        ("group.peers.count=3", "there is no entry \"peers\" in the list; it has \"members\", \"guests\""),
        ("workload.chat.1.rate_per_s=3", "there is no entry 1 in the list, which has 1"),
        ("duration_s.x=3", "single value"),
        ("netwrok.loss=0.1", "did you mean `network`?"),
        ("group.members.count=many", "this is the string \"many\"; write a whole number"),
        ("group.members.count=0", "out of bounds"),
        ("group.guests.churn.session_s={ kind = \"fixed\", x = 1 }", "there is no `x` here"),
        ("network.loss=2", "out of bounds"),
    ] {
        let told = told_of(set);
        assert!(told.starts_with(&format!("--set {set}: ")) && told.contains(words), "{told}");
    }
}

#[test]
fn more_nodes_keep_the_proportions_of_groups() {
    let hostile = ["group.guests.hostile={ kind = \"withhold\", from_s = 9 }", "workload.chat.0.by=members"];
    let count = |scenario: Scenario| scenario.groups.iter().map(|group| group.count).collect::<Vec<_>>();
    assert_eq!(count(parse(SMALL, &[]).unwrap().with_nodes(500).unwrap()), [400, 100]);
    assert_eq!(count(parse(SMALL, &hostile).unwrap().with_nodes(80).unwrap()), [80, 20]);
    assert_eq!(parse(SMALL, &[]).unwrap().with_nodes(1), Err(ScaleError::TooFew { nodes: 1, groups: 2 }));
    assert!(matches!(parse(SMALL, &[]).unwrap().with_nodes(60_000), Err(ScaleError::Unfit { .. })));
}

#[test]
fn numbers_at_the_end_of_their_range_are_out_of_bounds_and_no_overflow() {
    let most = i64::MAX;
    let text =
        SMALL.replace("count = 40", &format!("count = {most}")).replace("count = 10", &format!("count = {most}"));
    let lookups =
        format!("workload.lookups={{ keys = {most}, providers = {most}, rate_per_s = 1e308, from_s = {most} }}");
    let arrive = format!("group.guests.arrive={{ from_s = {most}, over_s = {most} }}");
    assert_eq!(parse(&text, &[&lookups, &arrive]).unwrap_err().problems.len(), 7);
    assert!(matches!(parse(SMALL, &[]).unwrap().with_nodes(usize::MAX), Err(ScaleError::Unfit { .. })));
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let told = parse(&"#".repeat(MAX_TEXT_BYTES + 1), &[]).unwrap_err().to_string();
    assert!(told.contains("at most 1048576 bytes"), "{told}");
}
