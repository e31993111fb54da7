//! Disks that are full and files that are damaged.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use harness::{Node, NodeOptions, connected_to, disk::SmallDisk, same_history, seconds, skip};

const ROOM: &str = "lobby";

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_clear_error_and_nothing_acknowledged_is_lost() {
    let disk = match SmallDisk::new(256) {
        Ok(disk) => disk,
        Err(reason) => return skip("full disk", &reason),
    };
    let mut node =
        Node::start(NodeOptions { data_dir: Some(disk.path().join("data")), ..NodeOptions::named("ada") }).await;
    let mut acknowledged = vec![node.say(ROOM, "with room to spare").await.id];

    disk.fill_except(8 << 20);
    let text = "x".repeat(40_000);
    let mut refusal = None;
    for _ in 0..400 {
        match node.try_say(ROOM, &text).await {
            Ok(message) => acknowledged.push(message.id),
            Err(output) => {
                refusal = Some(output);
                break;
            }
        }
    }
    let refusal = refusal.expect("the disk is full, and says are refused");
    crate::cli::ended_with(1, &refusal);
    assert!(refusal.stderr.contains("disk is full") && refusal.stderr.contains("free"), "{refusal:#?}");
    // Reading goes on, and the state is told.
    assert_eq!(node.history_ids(ROOM).await, acknowledged);
    let status = node.status().await;
    assert!(status.store != "ok" || !status.warnings.is_empty(), "{status:?}");

    // Neither a crash on the full disk nor a restart there loses anything.
    node.kill().await;
    disk.resize(512);
    node.restart().await;
    assert_eq!(node.history_ids(ROOM).await, acknowledged);
    acknowledged.push(node.say(ROOM, "with room again").await.id);
    assert_eq!(node.stop().await, Some(0));
    node.restart().await;
    assert_eq!(node.history_ids(ROOM).await, acknowledged);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_emptied_again_takes_writes_without_a_restart() {
    let disk = match SmallDisk::new(256) {
        Ok(disk) => disk,
        Err(reason) => return skip("emptied disk", &reason),
    };
    let node = Node::start(NodeOptions { data_dir: Some(disk.path().join("data")), ..NodeOptions::named("ada") }).await;
    let first = node.say(ROOM, "before").await;
    disk.fill_except(0);
    let refusal = node.try_say(ROOM, "too much").await.expect_err("the disk is full");
    crate::cli::ended_with(1, &refusal);
    fs::remove_file(disk.path().join("filler")).unwrap();
    let again = harness::eventually("the node takes writes again", seconds(20), async || {
        node.try_say(ROOM, "after").await.map_err(|output| output.stderr)
    })
    .await;
    assert_eq!(node.history_ids(ROOM).await, [first.id, again.id]);
}

/// All files below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// sled's main file.
fn database_file(data_dir: &Path) -> PathBuf {
    let found = files_below(data_dir).into_iter().find(|path| path.file_name().is_some_and(|name| name == "db"));
    found.expect("the store has a main file")
}

/// Something that happens to a file while no node runs.
type Damage = fn(&Path);

fn flip_bits(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for index in (0..bytes.len()).step_by(97) {
        bytes[index] ^= 0x55;
    }
    fs::write(path, bytes).unwrap();
}

fn cut_in_half(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2 + 11).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, b"").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_set_aside_and_what_peers_hold_comes_back() {
    let damages: [(&str, Damage); 3] = [("bits flipped", flip_bits), ("cut in half", cut_in_half), ("emptied", empty)];
    let keeper = Node::start(NodeOptions::named("keeper")).await;
    for (damage, apply) in damages {
        eprintln!("database {damage}");
        let mut victim = Node::start(NodeOptions::named("victim").joining(&keeper)).await;
        let peer_id = victim.peer_id().to_owned();
        connected_to(&victim, 1, seconds(20)).await;
        for number in 0..50 {
            let (node, other) = if number % 2 == 0 { (&victim, &keeper) } else { (&keeper, &victim) };
            node.api().say(ROOM, &format!("{damage}, {number}: {}", other.name())).await.unwrap();
        }
        let count = keeper.api().history_ids(ROOM).await.unwrap().len();
        let before = same_history(&[&keeper, &victim], ROOM, count.max(50), seconds(40)).await;
        assert_eq!(victim.stop().await, Some(0));

        let database = database_file(victim.data_dir());
        apply(&database);
        let damaged = fs::read(&database).unwrap();
        victim.restart().await;

        assert_eq!(victim.peer_id(), peer_id, "the identity does not depend on the database");
        assert!(victim.log().contains("set aside"), "{damage}: it says nothing: {}", victim.log());
        // sled mends what it opens before it gives up, so that the bytes need not be the same; the files must be there.
        let aside: Vec<PathBuf> = files_below(victim.data_dir())
            .into_iter()
            .filter(|path| path.file_name() == database.file_name() && *path != database)
            .collect();
        let kept = aside.iter().map(|path| fs::metadata(path).unwrap().len()).max();
        assert!(kept >= Some(damaged.len() as u64), "{damage}: {kept:?} bytes of {} set aside", damaged.len());
        if let Some(path) = aside.first() {
            let bytes = fs::read(path).unwrap();
            let changed = bytes.iter().zip(&damaged).filter(|(now, then)| now != then).count();
            eprintln!("database {damage}: {} of {} bytes differ from what was damaged", changed, damaged.len());
        }
        let opened = Instant::now();
        assert_eq!(same_history(&[&keeper, &victim], ROOM, before.len(), seconds(60)).await, before, "{damage}");
        eprintln!("database {damage}: history is back {:?} after the start", opened.elapsed());
        // It writes again, and not over what it had written.
        let said = victim.say(ROOM, "back again").await;
        let after = same_history(&[&keeper, &victim], ROOM, before.len() + 1, seconds(40)).await;
        assert_eq!(after.last(), Some(&said.id));
        let frozen: u64 = keeper.rooms().await.iter().map(|room| room.frozen_logs).sum();
        assert_eq!(frozen, 0, "{damage}: the victim forked its own log");
        assert_eq!(victim.stop().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_restored_from_a_backup_does_not_fork_its_log() {
    let keeper = Node::start(NodeOptions::named("keeper")).await;
    let mut node = Node::start(NodeOptions::named("restored").joining(&keeper)).await;
    node.say(ROOM, "in the backup").await;
    same_history(&[&keeper, &node], ROOM, 1, seconds(30)).await;
    assert_eq!(node.stop().await, Some(0));
    let backup = tempfile::TempDir::new().unwrap();
    copy(node.data_dir(), backup.path());
    node.restart().await;
    node.say(ROOM, "after the backup").await;
    same_history(&[&keeper, &node], ROOM, 2, seconds(30)).await;
    assert_eq!(node.stop().await, Some(0));

    fs::remove_dir_all(node.data_dir()).unwrap();
    copy(backup.path(), node.data_dir());
    node.restart().await;
    // First it learns what it forgot, as the user who waits a moment sees it; then it writes on.
    same_history(&[&keeper, &node], ROOM, 2, seconds(40)).await;
    node.say(ROOM, "after the restore").await;
    let ids: BTreeSet<_> = same_history(&[&keeper, &node], ROOM, 3, seconds(40)).await.into_iter().collect();
    assert_eq!(ids.len(), 3);
    let frozen: u64 = keeper.rooms().await.iter().map(|room| room.frozen_logs).sum();
    assert_eq!(frozen, 0);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
