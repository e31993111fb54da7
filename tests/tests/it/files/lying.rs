//! Peers that share as no node would.

use std::fs;

use harness::{
    eventually,
    files::{Fetch, fetched, same},
    seconds,
    seeder::{Fault, Seeder},
};
use node::files::{Import, Progress, Symlinks, import};
use proto::blob::outline::Outline;

use super::{MIB, Places, start};

/// Each fault, with whether it is one for which a peer is banned, and what the log says then.
const FAULTS: [(Fault, Option<&str>); 8] = [
    (Fault::Corrupt, Some("sent wrong bytes")),
    (Fault::WrongHashes, Some("sent wrong bytes")),
    (Fault::Stall, None),
    (Fault::Trickle, None),
    (Fault::Lie, Some("has what it lacks")),
    (Fault::Babble, None),
    (Fault::Vanish, None),
    (Fault::HitAndRun, Some("sent wrong bytes")),
];

#[tokio::test]
async fn whatever_one_seeder_does_wrong_the_others_finish_it_and_the_liar_is_banned() {
    let places = Places::new();
    let source = places.file("file.bin", 12 * MIB + 77);
    let imported = import(&Import { path: &source, symlinks: Symlinks::Refuse }, &Progress::default()).unwrap();
    let layers = imported.files.iter().map(|(_, _, layer)| layer.clone()).collect();
    let outline = Outline::new(imported.content, None, layers).unwrap();
    let bytes = fs::read(&source).unwrap();
    let honest = start("honest", &[]).await;
    let share = honest.api().share(&source).await.unwrap();
    // Slow enough for the others to be asked, too.
    let limits = node::model::TransferLimits { up: Some(4 * MIB), down: None };
    honest.api().limit(limits).await.unwrap();
    for (fault, banned) in FAULTS {
        let wrong = Seeder::open(outline.clone(), bytes.clone(), fault).await;
        // Hashes are asked of one alone: so that it is the wrong one, nobody else is known at first.
        let alone = fault == Fault::WrongHashes;
        let known = [&honest];
        let getter = start("getter", if alone { &[] } else { &known }).await;
        let what = if alone { &share.root } else { share.link.as_ref().unwrap() };
        let mut fetch = Fetch::all(what, &places.at(&format!("{fault:?}")));
        fetch.peers = vec![wrong.address.to_string()];
        if alone {
            getter.api().begin_fetch(&fetch).await.unwrap();
            let asked = async || if wrong.asked() > 0 { Ok(()) } else { Err("not asked") };
            eventually("it is asked for hashes", seconds(30), asked).await;
            fetch.peers = vec![honest.address_with("/tcp/")];
        }
        let done = fetched(&getter, &fetch, seconds(90)).await;
        assert!(same(&source, done.place.unwrap().as_ref()), "{fault:?}");
        let log = getter.log();
        assert!(wrong.asked() > 0, "{fault:?} was never asked for anything");
        let told = |line: &&str| line.contains("banned from a share") && line.contains(&wrong.peer_id.to_string());
        let told = log.lines().find(told);
        let as_deserved = told.map_or(banned.is_none(), |line| banned.is_some_and(|why| line.contains(why)));
        assert!(as_deserved, "{fault:?}: {log}");
    }
}
