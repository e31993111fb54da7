//! How fast the whole product is, measured from outside: real processes, loopback, real disk.
//!
//! `cargo run --release -p starling-tests --bin bench -- all` runs everything (some four minutes); name single measurements
//! instead of `all`, and add `--json` for one object a line. Run it on an idle machine, and say which.
//!
//! | name | what |
//! |---|---|
//! | `latency` | from asking one node to say something to the report on another node's WebSocket; and until it is durable |
//! | `throughput` | 20 nodes in one room, 1,000 messages a second for 10 s; how many are lost, and how late the others come |
//! | `sync` | a node that was away fetches 100,000 events of about 200 bytes |
//! | `idle` | memory and CPU time of a node with a neighbour and nothing to do |
//! | `direct` | a direct message between two nodes: until it is durable, until the other shows it, until it is reported as delivered |
//! | `direct-rate` | 10,000 direct messages from one node to another, as fast as they are taken |
//! | `drain` | a node that was away empties its mailbox of 10,000 direct messages |
//! | `carriers` | blocks between two processes over bare libp2p: a stream for each, or one for all (docs/decisions/0010) |
//! | `files` | sharing and fetching files, beside what CPU, disk and one libp2p stream do |
//! | `start` | from starting to ready with 1,000,000 events stored |

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on panics")]

mod carriers;
mod direct;
mod files;
mod fill;
mod idle;
mod latency;
mod report;
mod sync;
mod throughput;

use std::process::ExitCode;

use report::Report;

const ALL: [&str; 10] =
    ["latency", "throughput", "sync", "idle", "direct", "direct-rate", "drain", "carriers", "files", "start"];

#[tokio::main]
async fn main() -> ExitCode {
    let (flags, mut names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    if names.first().is_some_and(|name| name == carriers::SERVE) {
        carriers::serve().await;
    }
    let json = flags.iter().any(|flag| flag == "--json");
    let unknown_flag = flags.iter().find(|flag| *flag != "--json");
    let unknown_name = names.iter().find(|name| *name != "all" && !ALL.contains(&name.as_str()));
    if let Some(unknown) = unknown_flag.or(unknown_name).cloned().or(names.is_empty().then(String::new)) {
        eprintln!("bench: '{unknown}' is not a measurement; usage: bench [--json] all | {}", ALL.join(" | "));
        return ExitCode::from(2);
    }
    if names.iter().any(|name| name == "all") {
        names = ALL.map(str::to_owned).into();
    }
    let mut report = Report::new(json);
    for name in &names {
        match name.as_str() {
            "latency" => latency::measure(&mut report).await,
            "throughput" => throughput::measure(&mut report).await,
            "sync" => sync::measure_sync(&mut report).await,
            "direct" => direct::measure_latency(&mut report).await,
            "direct-rate" => direct::measure_throughput(&mut report).await,
            "drain" => direct::measure_drain(&mut report).await,
            "carriers" => carriers::measure(&mut report).await,
            "files" => files::measure(&mut report).await,
            "idle" => idle::measure(&mut report).await,
            _ => sync::measure_start(&mut report).await,
        }
    }
    ExitCode::SUCCESS
}
