use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{
    world::{Person, name},
    *,
};
use crate::{
    ids::{Author, ChannelId},
    private::{Epoch, Invite, RoomSecret, SignedEpoch},
    signature::Ed25519,
    testing::{author, signer},
};

fn told(said: &[Output]) -> Vec<(u64, Author)> {
    said.iter()
        .filter_map(|output| if let Output::Tell { token, to, .. } = output { Some((*token, *to)) } else { None })
        .collect()
}

fn refused(said: &[Output]) -> Option<&Refused> {
    said.iter().find_map(|output| if let Output::Refused { why, .. } = output { Some(why) } else { None })
}

/// An owner, and a member that it has seen.
fn pair() -> (Person, Person) {
    let (mut ada, mut bob) = (Person::new(1), Person::new(2));
    let invite = ada.create("garden");
    bob.join(&invite);
    ada.sees("garden", 2);
    (ada, bob)
}

#[test]
fn a_room_is_there_when_it_is_durable() {
    let mut ada = Person::new(1);
    ada.handle(Input::Create { token: 7, name: name("garden") });
    assert!(matches!(ada.said[..], [Output::Persist { .. }]), "{:?}", ada.said);
    assert!(ada.machine.find(&name("garden")).is_none() && ada.machine.is_taken(&name("garden")));
    ada.said.clear();
    ada.write();
    let invite = ada.record("garden").invite();
    let epoch = invite.signed.epoch().clone();
    assert!(invite.signed.is_genuine(&Ed25519));
    assert_eq!((epoch.owner(), epoch.number(), epoch.room()), (author(1), 0, epoch.channel()));
    assert_eq!(
        ada.said,
        [
            Output::Open { name: name("garden"), epoch: Box::new(epoch), station: Station::Member },
            Output::Came(name("garden")),
            Output::Done { token: 7, done: Done::Entered(Box::new(invite)) },
        ]
    );
}

#[test]
fn what_the_store_does_not_take_did_not_happen() {
    let (mut ada, _) = pair();
    let before = ada.record("garden").clone();
    for input in [
        Input::Create { token: 4, name: name("other") },
        Input::Rotate { token: 4, name: name("garden"), whom: Whom::AllBut(BTreeSet::new()) },
        Input::Leave { token: 4, name: name("garden") },
    ] {
        ada.said.clear();
        ada.handle(input);
        ada.fail();
        assert_eq!(ada.take_said(), [Output::Refused { token: 4, why: Refused::NotStored }]);
        assert_eq!(ada.machine.rooms().collect::<Vec<_>>(), [&before]);
        assert!(!ada.machine.is_taken(&name("other")));
    }
}

#[test]
fn members_move_to_a_later_epoch_when_its_owner_tells_them_and_only_then() {
    let (mut ada, mut bob) = pair();
    let mut eve = Person::new(3);
    let first = ada.record("garden").invite();
    eve.join(&first);
    ada.rotate("garden", &[]);
    let second = ada.record("garden").invite();

    assert_eq!(bob.letter(3, &second), [], "Eve is not the owner");
    let mut doctored = second.clone();
    doctored.signed = SignedEpoch::create(&signer(3), second.signed.epoch().clone());
    assert_eq!(bob.letter(1, &doctored), [], "not signed by the owner");
    let foreign = Person::new(3).create("garden");
    assert_eq!(bob.letter(3, &foreign), [], "of a room that Bob is not in");
    let secret = RoomSecret::generate(&mut ChaCha20Rng::from_seed([9; 32]));
    let claimed = Epoch::claim(first.signed.epoch().room(), author(3), 7, secret);
    let claimed = Invite { signed: SignedEpoch::create(&signer(3), claimed), ..first.clone() };
    assert_eq!(bob.letter(3, &claimed), [], "of Eve's making");
    assert_eq!(refused(&bob.join(&claimed)), Some(&Refused::Forged));
    assert_eq!(bob.letter(1, &first), [], "not later");

    let said = bob.letter(1, &second);
    assert!(
        matches!(&said[..], [Output::Open { .. }, Output::Open { .. }, Output::Moved { number: 1, .. },]),
        "{said:?}"
    );
    let (old, new) = (first.signed.epoch().channel(), second.signed.epoch().channel());
    assert_eq!(bob.stations, BTreeMap::from([(old, Station::Quiet), (new, Station::Member)]));
    assert_eq!(bob.record("garden").channels(), [new, old]);
    assert_eq!(bob.letter(1, &second), []);
    bob.restart();
    assert_eq!(bob.stations, BTreeMap::from([(old, Station::Quiet), (new, Station::Member)]));
}

#[test]
fn a_member_that_left_is_not_led_back_by_a_letter_but_comes_back_to_where_the_others_are() {
    let (mut ada, mut bob) = pair();
    assert_eq!(
        bob.wish(Input::Leave { token: 5, name: name("garden") })[1..],
        [Output::Went(name("garden")), Output::Done { token: 5, done: Done::Left }]
    );
    ada.rotate("garden", &[]);
    let second = ada.record("garden").invite();
    assert_eq!(bob.letter(1, &second), [], "nothing is opened, and the user hears nothing");
    assert!(bob.stations.is_empty());
    bob.restart();
    assert_eq!(bob.take_said(), []);
    bob.wish(Input::Return { token: 6, name: name("garden") });
    let [old, new] = [0, 1].map(|at| bob.record("garden").channels()[1 - at]);
    assert_eq!(new, second.signed.epoch().channel());
    assert_eq!(bob.stations, BTreeMap::from([(old, Station::Quiet), (new, Station::Member)]));
}

#[test]
fn those_who_stay_are_told_and_those_left_out_are_not() {
    let (mut ada, _) = pair();
    (3..6).for_each(|who| ada.sees("garden", who));
    let said = ada.rotate("garden", &[author(4)]);
    let expected: BTreeSet<Author> = [2, 3, 5].map(author).into();
    let letters = told(&said);
    assert_eq!(letters.iter().map(|(_, to)| *to).collect::<BTreeSet<_>>(), expected);
    assert!(
        said.iter()
            .any(|output| matches!(output, Output::Done { done: Done::Rotated { told, .. }, .. } if *told == expected))
    );
    // One letter is durable, then the power fails: the others are told again.
    ada.wish(Input::LetterWritten { token: letters[0].0, written: true });
    ada.restart();
    let again: BTreeSet<Author> = told(&ada.take_said()).into_iter().map(|(_, to)| to).collect();
    assert_eq!(again, expected.iter().copied().filter(|to| *to != letters[0].1).collect());
    // Who was left out is a member again when it is seen in the new epoch, not in the old one.
    let old = ada.record("garden").past[0].signed.epoch().channel();
    ada.wish(Input::Seen { channel: old, who: author(4) });
    assert!(!ada.record("garden").members.contains(&author(4)));
    ada.sees("garden", 4);
    assert!(ada.record("garden").members.contains(&author(4)));
}

#[test]
fn a_second_identity_that_somebody_announced_is_not_told_of_a_rotation_for_some_members_only() {
    let (mut ada, _) = pair();
    // Eve comes as 3, and as 4 too.
    [3, 4, 5].into_iter().for_each(|who| ada.sees("garden", who));
    let only = [2, 5, 9].map(author).into();
    let said = ada.wish(Input::Rotate { token: 3, name: name("garden"), whom: Whom::Only(only) });
    let letters: Vec<Author> = told(&said).into_iter().map(|(_, to)| to).collect();
    assert_eq!(BTreeSet::from_iter(letters), [2, 5].map(author).into(), "nor is somebody who was never seen");
    assert_eq!(ada.record("garden").members, [2, 5].map(author).into());
    let nobody = Whom::Only(BTreeSet::new());
    assert_eq!(told(&ada.wish(Input::Rotate { token: 3, name: name("garden"), whom: nobody })), []);
}

#[test]
fn a_letter_that_was_not_taken_is_written_again_after_a_while() {
    let (mut ada, _) = pair();
    let letters = told(&ada.rotate("garden", &[]));
    assert_eq!(ada.wish(Input::LetterWritten { token: letters[0].0, written: false }), []);
    ada.pass(TELL_AGAIN_MS - 1);
    assert_eq!(ada.take_said(), []);
    ada.pass(1);
    let letters = told(&ada.take_said());
    assert_eq!(letters.len(), 1);
    ada.wish(Input::LetterWritten { token: letters[0].0, written: true });
    assert!(ada.record("garden").to_tell.is_empty());
    ada.restart();
    assert_eq!(told(&ada.take_said()), []);
}

#[test]
fn only_so_many_letters_are_under_way_and_only_so_many_members_noted() {
    let mut ada = Person::new(1);
    ada.create("garden");
    let channel = ada.record("garden").epoch().channel();
    let crowd: Vec<Author> = (0..MAX_MEMBERS as u16 + 5)
        .map(|n| Author([[1; 30].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap()))
        .collect();
    for who in &crowd {
        ada.handle(Input::Seen { channel, who: *who });
    }
    while ada.write() {}
    assert_eq!(ada.record("garden").members.len(), MAX_MEMBERS);
    let mut letters = told(&ada.rotate("garden", &[]));
    assert_eq!(letters.len(), MAX_TELLING);
    let mut all = BTreeSet::new();
    // Three are durable before the disk has noted the first.
    let durable: Vec<_> = letters.drain(..3).collect();
    for (token, to) in durable {
        all.insert(to);
        ada.handle(Input::LetterWritten { token, written: true });
    }
    letters.extend(told(&ada.take_said()));
    while let Some((token, to)) = letters.pop() {
        assert!(all.insert(to), "told twice");
        letters.extend(told(&ada.wish(Input::LetterWritten { token, written: true })));
    }
    assert_eq!(all.len(), MAX_MEMBERS);
}

#[test]
fn a_member_seen_a_moment_before_a_rotation_is_told() {
    let mut ada = Person::new(1);
    ada.create("garden");
    let channel = ada.record("garden").epoch().channel();
    ada.handle(Input::Seen { channel, who: author(2) });
    ada.handle(Input::Seen { channel, who: author(3) });
    ada.handle(Input::Rotate { token: 3, name: name("garden"), whom: Whom::AllBut(BTreeSet::new()) });
    while ada.write() {}
    assert_eq!(told(&ada.said).len(), 2);
}

#[test]
fn only_the_owner_of_a_room_that_we_are_in_rotates() {
    let (mut ada, mut bob) = pair();
    assert_eq!(refused(&bob.rotate("garden", &[])), Some(&Refused::NotOwner(name("garden"))));
    assert_eq!(refused(&ada.rotate("lobby", &[])), Some(&Refused::Unknown(name("lobby"))));
    ada.wish(Input::Leave { token: 5, name: name("garden") });
    assert_eq!(refused(&ada.rotate("garden", &[])), Some(&Refused::NotInRoom(name("garden"))));
}

#[test]
fn names_are_not_given_twice_and_old_links_change_nothing() {
    let (mut ada, mut bob) = pair();
    let first = ada.record("garden").invite();
    let foreign = Person::new(3).create("garden");
    assert_eq!(refused(&bob.join(&foreign)), Some(&Refused::NameTaken(name("garden"))));
    let other = Some(name("other garden"));
    let join = |invite: &Invite, name| Input::Join { token: 9, invite: Box::new(invite.clone()), name };
    assert_eq!(refused(&bob.wish(join(&foreign, other.clone()))), None);
    assert_eq!(refused(&bob.wish(join(&first, other))), Some(&Refused::KnownAs(name("garden"))));
    assert_eq!(refused(&bob.wish(join(&first, None))), None, "joining twice is fine");
    ada.rotate("garden", &[]);
    bob.join(&ada.record("garden").invite());
    assert_eq!(refused(&bob.join(&first)), Some(&Refused::Outdated(name("garden"))));
    let mut forged = first.clone();
    forged.signed = SignedEpoch::create(&signer(3), first.signed.epoch().clone());
    assert_eq!(refused(&Person::new(4).join(&forged)), Some(&Refused::Forged));
}

#[test]
fn a_past_epoch_is_left_after_its_time_and_its_history_stays_in_sight() {
    let (mut ada, _) = pair();
    let channels: Vec<ChannelId> = (0..3)
        .map(|_| {
            ada.pass(1_000);
            ada.rotate("garden", &[]);
            ada.record("garden").epoch().channel()
        })
        .collect();
    assert_eq!(ada.record("garden").past.len(), 3);
    ada.pass(KEEP_MS - 3_000);
    assert_eq!(ada.record("garden").past.len(), 3);
    ada.pass(LOOK_MS + 3_000);
    assert_eq!((ada.record("garden").past.len(), ada.stations.len()), (0, 1));
    assert_eq!(ada.record("garden").channels()[..3], [channels[2], channels[1], channels[0]]);
    assert_eq!(ada.record("garden").channels().len(), 4);
    assert_eq!(ada.machine.poll_timeout(), None, "nothing is left to look for");
}

#[test]
fn a_wall_clock_that_leaps_ahead_takes_no_secret_that_members_who_are_away_need() {
    let (mut ada, _) = pair();
    ada.rotate("garden", &[]);
    let right_ms = ada.now.wall_ms;
    ada.now.wall_ms += 2 * KEEP_MS;
    ada.pass(2 * LOOK_MS);
    ada.wish(Input::Leave { token: 5, name: name("garden") });
    ada.wish(Input::Return { token: 6, name: name("garden") });
    assert_eq!((ada.record("garden").past.len(), ada.stations.len()), (1, 2));
    ada.now.wall_ms = right_ms;
    ada.pass(KEEP_MS + LOOK_MS);
    assert_eq!((ada.record("garden").past.len(), ada.stations.len()), (0, 1), "its time still comes");
}

#[test]
fn past_epochs_and_rooms_are_bounded() {
    let mut ada = Person::new(1);
    ada.create("garden");
    for _ in 0..MAX_OLDER + 10 {
        ada.rotate("garden", &[]);
    }
    let record = ada.record("garden");
    assert_eq!((record.past.len(), record.older.len(), ada.stations.len()), (MAX_PAST, MAX_OLDER, MAX_PAST + 1));
    for number in 1..MAX_ROOMS {
        ada.create(&format!("room {number}"));
    }
    let too_many = ada.wish(Input::Create { token: 1, name: name("one more") });
    assert_eq!(refused(&too_many), Some(&Refused::TooMany));
    ada.wish(Input::Leave { token: 1, name: name("room 5") });
    ada.create("one more");
    assert!(ada.machine.find(&name("room 5")).is_none());
    assert_eq!((ada.machine.rooms().count(), ada.disk.len()), (MAX_ROOMS, MAX_ROOMS));
}

#[test]
fn wishes_that_wait_are_bounded_and_granted_in_order() {
    let mut ada = Person::new(1);
    for token in 0..MAX_WISHES as u64 + 2 {
        ada.handle(Input::Create { token, name: name(&format!("room {token}")) });
    }
    assert_eq!(ada.take_said(), [Output::Refused { token: MAX_WISHES as u64 + 1, why: Refused::Overloaded }]);
    while ada.write() {}
    assert_eq!(ada.machine.rooms().count(), MAX_WISHES + 1);
}

#[test]
fn letters_that_the_store_did_not_take_are_tried_again() {
    let (mut ada, mut bob) = pair();
    let letters: Vec<Invite> = (0..3)
        .map(|_| {
            ada.rotate("garden", &[]);
            ada.record("garden").invite()
        })
        .collect();
    bob.handle(Input::Letter { from: author(1), invite: Box::new(letters[0].clone()) });
    bob.handle(Input::Letter { from: author(1), invite: Box::new(letters[1].clone()) });
    bob.fail();
    // Late, and more than once.
    for number in [2, 1, 2, 0] {
        bob.handle(Input::Letter { from: author(1), invite: Box::new(letters[number].clone()) });
    }
    assert!(bob.commits.is_empty(), "a store that failed is given a rest");
    assert_eq!(bob.record("garden").epoch().number(), 0);
    bob.pass(RETRY_MS);
    let record = bob.record("garden");
    assert_eq!((record.epoch().number(), record.past.len()), (3, 1), "straight to the last");
}

#[test]
fn of_very_many_letters_the_highest_are_followed_and_that_seldom() {
    let (mut ada, mut bob) = pair();
    let letters: Vec<Invite> = (0..1_000)
        .map(|_| {
            ada.rotate("garden", &[]);
            ada.record("garden").invite()
        })
        .collect();
    let mut opened = 0;
    let mut hears = |bob: &mut Person, letters: &[Invite]| {
        for letter in letters {
            let said = bob.letter(1, letter);
            opened +=
                said.iter().filter(|output| matches!(output, Output::Open { station: Station::Member, .. })).count();
        }
        (bob.record("garden").epoch().number(), opened)
    };
    assert_eq!(hears(&mut bob, &letters[..500]), (1, 1), "the first at once");
    assert_eq!(hears(&mut bob, &letters[500..990]), (1, 1));
    bob.pass(MOVE_MS - 1);
    assert_eq!(bob.record("garden").epoch().number(), 1);
    bob.pass(1);
    assert_eq!(bob.record("garden").epoch().number(), 990, "the highest, when the time is over");
    assert_eq!(hears(&mut bob, &letters[..]), (990, 1), "and then again only after a while");
    // A link that the user takes is followed at once.
    bob.join(&letters[995]);
    assert_eq!(bob.record("garden").epoch().number(), 996);
    bob.pass(MOVE_MS);
    assert_eq!((bob.record("garden").epoch().number(), bob.stations.len()), (1_000, MAX_PAST + 1));
}

#[test]
fn a_second_epoch_of_one_number_is_followed_only_by_hand() {
    let (mut ada, mut bob) = pair();
    let backup = ada.disk.clone();
    ada.rotate("garden", &[]);
    bob.letter(1, &ada.record("garden").invite());
    ada.disk = backup;
    ada.restart();
    ada.rotate("garden", &[]);
    let other = ada.record("garden").invite();
    assert_eq!(bob.letter(1, &other), []);
    bob.join(&other);
    assert_eq!(bob.record("garden").epoch(), other.signed.epoch());
}

#[test]
fn no_secret_is_shown() {
    let (mut ada, bob) = pair();
    let said = ada.rotate("garden", &[]);
    let link = ada.record("garden").invite().link();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(&link.as_bytes()[14..]).unwrap();
    let shown = format!("{said:?} {:?} {:?}", ada.machine, bob.record("garden"));
    // The secret stands somewhere in the link; no four bytes of it are shown as numbers.
    for window in bytes[7 + 33..].windows(4) {
        let numbers = format!("{window:?}");
        let secret = numbers.trim_matches(['[', ']']);
        assert!(!shown.contains(secret) || shown.contains(&format!("Author({}", hex::encode(window))), "{secret}");
    }
}
