//! What is not taken, and who is to blame.

use super::*;

#[test]
fn what_is_wrong_is_refused_for_what_it_is_and_only_its_bearer_is_blamed() {
    let mut world = World::new(&[1]);
    let good = world.seal(1, text(1, 1));
    let not_ours = Envelope { to: author(2), ..good.clone() };
    let mut damaged = good.clone();
    damaged.sealed.ciphertext[5] ^= 1;
    let unknown = seal(1, &OpenKey::from_bytes([3; 32]).seal_key(), 1, text(1, 1));
    let card = world.ring.card().unwrap().clone();
    for (envelope, why, blamed, answer) in [
        (not_ours, NotTaken::NotForUs, true, Refusal::Invalid),
        (damaged, NotTaken::Invalid, true, Refusal::Invalid),
        (unknown, NotTaken::UnknownKey, false, Refusal::UnknownKey(card)),
    ] {
        let token = world.direct(1, envelope.clone());
        assert_eq!(refusals(&world.said), [(why, blamed)]);
        assert_eq!(world.answer(token), Some(DirectAnswer::Refused(answer)));
        let id = world.mailed(envelope);
        assert_eq!(refusals(&world.said), [(why, false)]);
        world.run(DISCARD_DELAY_MS);
        assert_eq!(world.discarded(), [id]);
    }
    assert!(world.store.letters.is_empty());
}

#[test]
fn one_gap_too_many_or_one_stream_too_many_is_refused_and_left_and_others_go_on() {
    let mut world = World::new(&[1, 2]);
    for number in 1..=MAX_STRETCHES as u64 {
        world.write(1, 1, number * 3);
    }
    for stream in 2..=MAX_STREAMS as u64 {
        world.write(1, stream, 1);
    }
    for (stream, seq) in [(1, 3 * MAX_STRETCHES as u64 + 3), (MAX_STREAMS as u64 + 1, 1)] {
        world.take();
        let token = world.write(1, stream, seq);
        assert_eq!(world.answer(token), Some(DirectAnswer::Refused(Refusal::Full)));
        let id = world.mail(1, stream, seq);
        assert!(world.take().contains(&Output::Left { mailbox: vec![1], id, soon: false }));
    }
    for (from, stream, seq) in [(1, 1, 1), (1, 2, 2), (2, 9, 1)] {
        let token = world.write(from, stream, seq);
        assert_eq!(world.answer(token), DELIVERED);
    }
}
