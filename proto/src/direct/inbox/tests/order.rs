//! In which order letters are shown.

use super::*;

#[test]
fn a_letter_beyond_a_gap_is_acknowledged_at_once_and_shown_when_the_gap_closes() {
    let mut world = World::new(&[1]);
    for seq in [3, 2] {
        let token = world.write(1, 1, seq);
        assert_eq!(world.answer(token), DELIVERED);
    }
    world.write(1, 2, 1);
    assert_eq!(world.shown(), [1]);
    world.write(1, 1, 1);
    assert_eq!(world.shown(), [1, 2, 3]);
}

#[test]
fn a_gap_holds_letters_back_only_so_long_and_then_none_that_follows() {
    let mut world = World::new(&[1]);
    world.write(1, 1, 3);
    world.run(GAP_PATIENCE_MS - 1);
    assert_eq!(world.shown(), []);
    world.run(1);
    assert_eq!(world.shown(), [3]);
    world.write(1, 1, 4);
    assert_eq!(world.shown(), [4]);
    world.write(1, 1, 1);
    world.write(1, 1, 2);
    assert_eq!(world.shown(), [1, 2]);
    world.write(1, 1, 7);
    world.run(GAP_PATIENCE_MS / 2);
    world.write(1, 1, 6);
    assert_eq!(world.shown(), []);
    world.run(GAP_PATIENCE_MS / 2);
    assert_eq!(world.shown(), [6, 7]);
}

#[test]
fn after_a_restart_nothing_is_shown_twice_and_gaps_go_on() {
    let mut world = World::new(&[1]);
    for seq in [1, 3, 4] {
        world.write(1, 1, seq);
    }
    assert_eq!(world.shown(), [1]);
    world.crash();
    world.run(2 * GAP_PATIENCE_MS);
    assert_eq!(world.shown(), []);
    world.write(1, 1, 5);
    assert_eq!(world.shown(), []);
    world.write(1, 1, 2);
    assert_eq!(world.shown(), [2, 5]);
}

#[test]
fn letters_that_wait_have_a_bound_beyond_which_the_oldest_is_shown() {
    let mut world = World::new(&[1]);
    let mut shown = 0;
    for seq in 2..400 {
        let content = Content::Text(Text { stream: StreamId(1), seq, text: "x".repeat(20_000), attachments: vec![] });
        let envelope = world.seal(1, content);
        world.direct(1, envelope);
        shown += world.shown().len();
        assert!(world.inbox.load().waiting_bytes <= MAX_WAITING_BYTES);
    }
    assert_eq!(shown, 398);
}
