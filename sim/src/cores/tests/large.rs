//! How fast very large runs are. `cargo test --release -p sim cores::tests::large -- --ignored --nocapture` shows it.

use super::*;

fn lobby(hosts: usize, duration_s: u64) -> Report {
    let report = played(
        &format!(
            r#"
            duration_s = {duration_s}
            group = [{{ name = "all", count = {hosts} }}]
            workload.chat = [{{ room = "lobby", rate_per_s = 0.1 }}]
            "#
        ),
        1,
    );
    println!("{hosts} hosts, {duration_s} s in {:.1} s: {:#?}", report.real_s, report.figures);
    report
}

#[test]
fn presence_is_left_out_where_there_are_too_many_hosts_and_the_report_says_so() {
    let report = lobby(super::super::MAX_PRESENCE_HOSTS + 1, 40);
    assert!(report.marks.iter().any(|mark| mark.text.contains("presence")));
    assert!(!report.figures.contains_key("presence_error"));
    assert_eq!(figure(&report, "delivered"), 1.0);
}

#[test]
#[ignore = "takes minutes"]
fn ten_thousand_hosts_in_a_lobby() {
    assert_eq!(figure(&lobby(10_000, 600), "delivered"), 1.0);
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_hosts_in_a_lobby() {
    let report = lobby(100_000, 600);
    assert_eq!(figure(&report, "delivered"), 1.0);
    assert!(report.real_s < 600.0 && figure(&report, "memory_per_host") * 100_000.0 < 16.0 * 1024.0 * 1024.0 * 1024.0);
}
