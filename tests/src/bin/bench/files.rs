//! Files, beside the raw figures: what this machine's CPU hashes, what its disk copies, and what one libp2p stream carries between two
//! processes.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use harness::{
    Node, NodeOptions, connected_to,
    files::{Fetch, fetched, random_file, same},
    seconds,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{carriers, report::Report};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Files of the folder of small ones, and bytes of each.
const SMALL: usize = 10_000;
const SMALL_BYTES: usize = 4_096;

/// Times that the small file is fetched.
const ROUNDS: u64 = 20;

/// Seeders at a time.
const SEEDERS: usize = 4;

fn per_second(bytes: u64, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64()
}

async fn pair() -> (Node, Node) {
    let first = Node::start(NodeOptions::named("first")).await;
    let second = Node::start(NodeOptions::named("second").joining(&first)).await;
    connected_to(&second, 1, seconds(20)).await;
    (first, second)
}

/// SHA-256 by as many threads as there are cores, of bytes in memory.
fn raw_sha256(bytes: u64) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let block = vec![7; MIB as usize];
    let since = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..bytes / MIB / threads {
                    std::hint::black_box(Sha256::digest(&block));
                }
            });
        }
    });
    per_second(bytes, since.elapsed())
}

/// All figures.
pub async fn measure(report: &mut Report) {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("source");
    random_file(&source, GIB, 1);
    let sha256 = raw_sha256(4 * GIB);
    report.add("files", "SHA-256 of bytes in memory, all cores", sha256 / 1e6, "MB/s");
    let since = Instant::now();
    fs::copy(&source, directory.path().join("copy")).unwrap();
    fs::File::open(directory.path().join("copy")).unwrap().sync_data().unwrap();
    report.add("files", "cp and fdatasync of 1 GiB", per_second(GIB, since.elapsed()) / 1e6, "MB/s");
    fs::remove_file(directory.path().join("copy")).unwrap();
    let stream = carriers::raw_stream().await;
    report.add("files", "one libp2p stream over TCP, into memory", stream / 1e6, "MB/s");

    one_to_one(report, &source, directory.path(), (sha256, stream)).await;
    many_to_one(report, &source, directory.path()).await;
    small_file(report, directory.path()).await;
    small_files(report, directory.path()).await;
}

async fn one_to_one(report: &mut Report, source: &Path, directory: &Path, (sha256, stream): (f64, f64)) {
    let (first, second) = pair().await;
    let since = Instant::now();
    let share = first.api().share(source).await.unwrap();
    let rate = per_second(GIB, since.elapsed());
    report.add("files", "share of 1 GiB", rate / 1e6, "MB/s");
    report.add("files", "ratio of that to SHA-256", rate / sha256, "");
    let into = directory.join("one");
    fs::create_dir(&into).unwrap();
    let since = Instant::now();
    fetched(&second, &Fetch::all(share.link.as_deref().unwrap(), &into), seconds(120)).await;
    let rate = per_second(GIB, since.elapsed());
    report.add("files", "1 GiB from one seeder, verified and durable", rate / 1e6, "MB/s");
    report.add("files", "ratio of that to one libp2p stream", rate / stream, "");
    assert!(same(source, &into.join("source")));
    fs::remove_dir_all(into).unwrap();
}

async fn many_to_one(report: &mut Report, source: &Path, directory: &Path) {
    let mut seeders = vec![Node::start(NodeOptions::named("seeder")).await];
    for _ in 1..SEEDERS {
        let options = NodeOptions::named("seeder").joining(&seeders[0]);
        seeders.push(Node::start(options).await);
    }
    let getter = Node::start(NodeOptions::named("getter").joining(&seeders[0])).await;
    let mut share = None;
    for seeder in &seeders {
        share = Some(seeder.api().share(source).await.unwrap());
    }
    let mut fetch = Fetch::all(share.and_then(|share| share.link).unwrap().as_str(), &directory.join("many"));
    fetch.peers = seeders.iter().map(|seeder| seeder.addresses()[0].clone()).collect();
    fs::create_dir(&fetch.into).unwrap();
    let since = Instant::now();
    fetched(&getter, &fetch, seconds(120)).await;
    report.add("files", "1 GiB from four seeders", per_second(GIB, since.elapsed()) / 1e6, "MB/s");
    fs::remove_dir_all(fetch.into).unwrap();
}

async fn small_file(report: &mut Report, directory: &Path) {
    let (first, second) = pair().await;
    let mut durations = Vec::new();
    for round in 0..ROUNDS {
        let file = directory.join(format!("small-{round}"));
        random_file(&file, MIB, round);
        let share = first.api().share(&file).await.unwrap();
        let into = directory.join(format!("into-{round}"));
        fs::create_dir(&into).unwrap();
        let since = Instant::now();
        fetched(&second, &Fetch::all(share.link.as_deref().unwrap(), &into), seconds(20)).await;
        durations.push(since.elapsed());
    }
    report.add_durations("files", "1 MiB, from link to bytes", durations);
}

async fn small_files(report: &mut Report, directory: &Path) {
    let (first, second) = pair().await;
    let folder = directory.join("folder");
    fs::create_dir(&folder).unwrap();
    for number in 0..SMALL {
        fs::write(folder.join(format!("{number:05}")), vec![number as u8; SMALL_BYTES]).unwrap();
    }
    let since = Instant::now();
    let share = first.api().share(&folder).await.unwrap();
    report.add("files", "share of 10,000 files of 4 KiB", since.elapsed().as_secs_f64(), "s");
    let into = directory.join("small");
    fs::create_dir(&into).unwrap();
    let since = Instant::now();
    fetched(&second, &Fetch::all(share.link.as_deref().unwrap(), &into), seconds(120)).await;
    report.add("files", "10,000 files of 4 KiB, fetched", since.elapsed().as_secs_f64(), "s");
    assert!(same(&folder, &into.join("folder")));
}
