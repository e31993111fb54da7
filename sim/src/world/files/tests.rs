//! Each thing that must not be is noticed, and the bound is that of the paper.

use super::*;

const SEEDER: usize = 0;
const GETTER: usize = 1;

fn files() -> (Files, BlobId) {
    let truth = Arc::new(Truth::new("film".parse().unwrap(), 1, 600_000));
    let root = truth.root();
    let mut files = Files::new(vec!["seeder-0".into(), "home-0".into()]);
    files.add(File { truth, seeders: [SEEDER].into(), getters: [(GETTER, Fetch::default())].into() });
    (files, root)
}

fn share(root: BlobId, state: ShareState) -> Share {
    Share {
        root: root.to_string(),
        name: "film".into(),
        folder: Some(false),
        size: None,
        files: None,
        state,
        reason: None,
        place: None,
        copied: false,
        link: None,
        added_at: String::new(),
        wanted_bytes: 0,
        done_bytes: 0,
        peers: 0,
        seeders: 0,
        down_bytes_s: 0,
        up_bytes_s: 0,
        eta_s: None,
        uploaded_bytes: 0,
        down_limit: None,
        up_limit: None,
    }
}

#[track_caller]
fn assert_blamed(files: &mut Files, invariant: &str, who: &str) {
    let fault = files.take_fault().expect("something is wrong");
    assert!(fault.invariant == invariant && fault.detail.contains(who) && fault.at_ms == 9, "{fault:?}");
    assert_eq!(files.take_fault(), None);
}

#[test]
fn a_file_that_comes_and_stays_breaks_nothing_and_is_counted() {
    let (mut files, root) = files();
    files.asked(5, GETTER, 0);
    files.asked(7, GETTER, 0);
    for deed in [Deed::Refused(0, false), Deed::Took(0, true), Deed::Kept(262_144), Deed::Gave(10)] {
        assert_eq!(files.did(8, GETTER, root, deed), None);
    }
    files.did(8, SEEDER, root, Deed::Gave(20));
    files.told(8, GETTER, &share(root, ShareState::Fetching));
    files.told(8, SEEDER, &share(root, ShareState::Complete));
    assert_eq!(files.did(8, GETTER, root, Deed::Finished), Some(0));
    files.told(8, GETTER, &share(root, ShareState::Complete));
    files.found(8, GETTER, |held| held == root);
    files.found(8, SEEDER, |_| false);
    assert_eq!(files.take_fault(), None);
    let tally = Tally { by_seeders: 20, by_getters: 10, kept: 262_144, wrong_blocks: 1, right_blocks: 1, done: 1 };
    assert_eq!((files.tally(), files.wanted_bytes()), (tally, 600_000));
    let fetch = Fetch { asked_ms: Some(5), done_ms: Some(8), bytes: 262_144 };
    assert_eq!(files.all()[0].getters[&GETTER], fetch);
}

#[test]
fn wrong_bytes_that_are_taken_and_right_ones_that_are_not_are_noticed() {
    let (mut files, root) = files();
    files.did(9, GETTER, root, Deed::Took(2, false));
    assert_blamed(&mut files, RIGHT, "home-0 took wrong bytes for block 2 of film");
    files.did(9, GETTER, root, Deed::Mistook);
    assert_blamed(&mut files, RIGHT, "home-0");
    files.did(9, GETTER, root, Deed::Refused(2, true));
    assert_blamed(&mut files, FAIR, "home-0 refused");
}

#[test]
fn what_is_said_to_be_complete_and_is_not_there_is_noticed() {
    let (mut files, root) = files();
    files.told(9, GETTER, &share(root, ShareState::Complete));
    assert_blamed(&mut files, TRUE, "home-0 says");
    files.found(9, GETTER, |_| false);
    assert_eq!(files.take_fault(), None, "it was never complete");
    files.did(9, GETTER, root, Deed::Finished);
    files.found(9, GETTER, |_| false);
    assert_blamed(&mut files, TRUE, "is no more");
}

#[test]
fn the_best_time_is_that_of_whatever_is_scarcest() {
    let crowd = |up: &[u64], getters: &[(u64, u64, u64)]| Crowd {
        bytes: 1_000_000,
        seeders_up: up.to_vec(),
        getters: getters.to_vec(),
    };
    let near = |crowd: Crowd, wanted: f64| {
        let best = best_s(&crowd).unwrap();
        assert!((best - wanted).abs() < 1e-9, "{best} for {crowd:?}");
    };
    // The seeder must send all of it once.
    near(crowd(&[1_000_000], &[(8_000_000, 80_000_000, 0); 3]), 8.0);
    near(crowd(&[1_000_000, 3_000_000], &[(8_000_000, 80_000_000, 0); 3]), 2.0);
    // The slowest must take all of it.
    near(crowd(&[80_000_000], &[(8_000_000, 80_000_000, 0), (0, 2_000_000, 0)]), 4.0);
    // All that comes is sent by somebody: 10 MB through 3 Mbit/s.
    near(crowd(&[1_000_000], &[(200_000, 80_000_000, 0); 10]), 80.0 / 3.0);
    // Who comes late takes as long as everybody.
    near(crowd(&[0], &[(0, 8_000_000, 0), (0, 8_000_000, 30_000)]), 31.0);
    assert_eq!(best_s(&crowd(&[0], &[(0, 0, 0)])), None);
}
