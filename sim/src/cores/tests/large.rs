//! How fast very large runs are. `cargo test --release -p sim cores::tests::large -- --ignored --nocapture` shows it.

use super::*;

fn lobby(hosts: usize, duration_s: u64, rate_per_s: f64) -> Report {
    let report = played(
        &format!(
            r#"
            duration_s = {duration_s}
            group = [{{ name = "all", count = {hosts} }}]
            workload.chat = [{{ room = "lobby", rate_per_s = {rate_per_s:?} }}]
            "#
        ),
        1,
    );
    println!("{hosts} hosts, {duration_s} s in {:.1} s: {:#?}", report.real_s, report.figures);
    report
}

#[test]
fn presence_is_left_out_where_there_are_too_many_hosts_and_the_report_says_so() {
    let report = lobby(super::super::MAX_PRESENCE_HOSTS + 1, 40, 1.0);
    assert!(report.marks.iter().any(|mark| mark.text.contains("presence")));
    assert!(!report.figures.contains_key("presence_error"));
    assert_eq!(figure(&report, "delivered"), 1.0);
}

#[test]
#[ignore = "takes minutes"]
fn ten_thousand_hosts_in_a_lobby() {
    assert_eq!(figure(&lobby(10_000, 600, 0.1), "delivered"), 1.0);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_hosts_in_a_lobby() {
    let report = lobby(100_000, 600, 0.1);
    assert_eq!(figure(&report, "delivered"), 1.0);
    assert!(report.real_s < 600.0 && figure(&report, "memory_per_host") * 100_000.0 < 16.0 * 1024.0 * 1024.0 * 1024.0);
}

#[test]
#[ignore = "prints a time"]
fn twenty_hosts_for_a_minute() {
    let room = r#"
        duration_s = 60
        group = [{ name = "all", count = 20 }]
        workload.chat = [{ room = "lobby", rate_per_s = 1.0 }]
    "#;
    let seconds: f64 = (0..100).map(|seed| played(room, seed).real_s).sum();
    println!("20 hosts, 60 s in {:.1} ms", seconds * 10.0);
}
