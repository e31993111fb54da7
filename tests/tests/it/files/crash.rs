//! Nodes that die while files travel.

use std::time::Duration;

use harness::{
    files::{Fetch, leavings, same, share_until},
    seconds,
};
use node::model::{ShareState, TransferLimits};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{MIB, Places, start};

const KILLS: usize = 20;

#[tokio::test]
async fn a_getter_and_a_seeder_that_are_killed_twenty_times_lose_no_verified_block() {
    let places = Places::new();
    let len = 60 * MIB + 4_321;
    let source = places.file("file.bin", len);
    let mut seeder = start("seeder", &[]).await;
    seeder.stay();
    let share = seeder.api().share(&source).await.unwrap();
    let mut getter = start("getter", &[&seeder]).await;
    // So slow that there is something left to be killed in.
    let slow = TransferLimits { up: Some(4 * MIB), down: None };
    seeder.api().limit(slow).await.unwrap();
    let into = places.at("got");
    getter.api().begin_fetch(&Fetch::all(share.link.as_deref().unwrap(), &into)).await.unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut before, mut uploaded) = (0, 0);
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..900))).await;
        if let Ok(shown) = getter.api().share_of(&share.root).await {
            assert!(shown.done_bytes >= before, "{} bytes after {before}", shown.done_bytes);
            before = shown.done_bytes;
        }
        if kill % 2 == 0 {
            getter.kill().await;
            getter.restart().await;
        } else {
            uploaded += seeder.api().share_of(&share.root).await.unwrap().uploaded_bytes;
            seeder.kill().await;
            seeder.restart().await;
            seeder.api().limit(slow).await.unwrap();
        }
    }
    seeder.api().limit(TransferLimits::default()).await.unwrap();
    let done = |share: &node::model::Share| share.state == ShareState::Complete;
    share_until(&getter.api(), &share.root, "it is complete", seconds(60), done).await;
    assert!(same(&source, &into.join("file.bin")));
    assert_eq!(leavings(&into), Vec::<String>::new());
    uploaded += seeder.api().share_of(&share.root).await.unwrap().uploaded_bytes;
    // What was on its way when somebody died is sent again; nothing that was durable is.
    let again = uploaded.saturating_sub(len);
    assert!(again < KILLS as u64 * MIB, "{again} of {len} bytes were sent twice");
}
