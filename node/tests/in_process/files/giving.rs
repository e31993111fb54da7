//! Givers that cannot give.

use std::fs;

use node::model::ShareState;
use proto::transfer::download::MAX_LIES;
use tempfile::TempDir;

use super::{Deed, begin, bytes, meddled, place, root, share, sharer, until};

/// More than a peer may lack of what it said it had.
const SMALL: usize = 24;

#[tokio::test]
async fn a_giver_with_a_disk_that_fails_for_a_while_is_asked_again() {
    let directory = TempDir::new().unwrap();
    let (seeder, meddling) = meddled(87, &[], directory.path()).await;
    let getter = sharer(88, &[&seeder], directory.path()).await;
    let source = place(&directory, "source/folder");
    // Each a block: a large one fills the one after. Of small ones, many are asked for at a time.
    for number in 0..SMALL {
        fs::write(source.join(format!("{number:02}-small")), bytes(10, number)).unwrap();
        fs::write(source.join(format!("{number:02}-then-a-large-one")), vec![0; 262_144]).unwrap();
    }
    let shared = share(&seeder.handle, &source).await;
    meddling.spoil(Deed::Read, 0..MAX_LIES as usize + 1);
    begin(&getter.handle, &shared.root, &place(&directory, "got"), &["*-small"]).await;
    until(&getter.handle, root(&shared), |share| share.state == ShareState::Complete).await;
    for number in 0..SMALL {
        let got = fs::read(directory.path().join(format!("got/folder/{number:02}-small"))).unwrap();
        assert_eq!(got, bytes(10, number));
    }
}
