//! Many people, letters that come late, disks that fail and power that goes: who learns which secret.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{
    world::{Person, name},
    *,
};
use crate::{
    ids::{Author, ChannelId},
    private::Invite,
    testing::author,
};

/// The owner is the first of so many.
const PEOPLE: u8 = 5;

/// What happens next; people and places are taken modulo how many there are.
#[derive(Debug, Clone)]
enum Deed {
    Rotate { without: Vec<u8> },
    Write(u8),
    Fail(u8),
    Restart(u8),
    LetterIsDurable { taken: bool },
    LetterComes,
    Leave(u8),
    Return(u8),
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let who = 0..PEOPLE;
    prop_oneof![
        2 => prop::collection::vec(1..PEOPLE, 0..3).prop_map(|without| Deed::Rotate { without }),
        6 => who.clone().prop_map(Deed::Write),
        1 => who.clone().prop_map(Deed::Fail),
        1 => who.clone().prop_map(Deed::Restart),
        4 => prop::bool::weighted(0.8).prop_map(|taken| Deed::LetterIsDurable { taken }),
        4 => Just(Deed::LetterComes),
        1 => (1..PEOPLE).prop_map(Deed::Leave),
        1 => (1..PEOPLE).prop_map(Deed::Return),
        1 => prop_oneof![Just(RETRY_MS), Just(TELL_AGAIN_MS), Just(KEEP_MS)].prop_map(Deed::Pass),
    ]
}

struct World {
    people: Vec<Person>,
    /// Letters that the owner wants to be written, not durable yet.
    asked: VecDeque<(u64, Author, Invite)>,
    /// Those that are durable and on their way.
    letters: VecDeque<(Author, Invite)>,
    /// Those that came. They are looked through again after a restart.
    came: BTreeMap<Author, Vec<Invite>>,
    /// Who may know each epoch, from when the owner's store has it.
    may_know: BTreeMap<ChannelId, BTreeSet<Author>>,
}

impl World {
    fn new() -> Self {
        let mut people: Vec<Person> = (1..=PEOPLE).map(Person::new).collect();
        let invite = people[0].create("garden");
        for number in 2..=PEOPLE {
            people[usize::from(number) - 1].join(&invite);
            people[0].sees("garden", number);
        }
        let all = (1..=PEOPLE).map(author).collect();
        let may_know = BTreeMap::from([(invite.signed.epoch().channel(), all)]);
        people.iter_mut().for_each(|person| person.said.clear());
        Self { people, asked: VecDeque::new(), letters: VecDeque::new(), came: BTreeMap::new(), may_know }
    }

    fn owner(&mut self) -> &mut Person {
        &mut self.people[0]
    }

    fn carry_out(&mut self, deed: &Deed) {
        let garden = name("garden");
        match deed {
            Deed::Rotate { without } => {
                let whom = Whom::AllBut(without.iter().map(|number| author(number + 1)).collect());
                self.owner().handle(Input::Rotate { token: 1, name: garden, whom });
            }
            Deed::Write(who) => _ = self.people[usize::from(*who)].write(),
            Deed::Fail(who) => self.people[usize::from(*who)].fail(),
            Deed::Restart(who) => self.restart(*who),
            Deed::LetterIsDurable { taken } => _ = self.letter_is_durable(*taken),
            Deed::LetterComes => _ = self.letter_comes(),
            Deed::Leave(who) => self.people[usize::from(*who)].handle(Input::Leave { token: 2, name: garden }),
            Deed::Return(who) => self.people[usize::from(*who)].handle(Input::Return { token: 2, name: garden }),
            Deed::Pass(ms) => self.people.iter_mut().for_each(|person| person.pass(*ms)),
        }
        self.check();
    }

    fn restart(&mut self, who: u8) {
        if who == 0 {
            self.asked.clear();
        }
        let person = &mut self.people[usize::from(who)];
        person.restart();
        for invite in self.came.get(&author(person.number)).into_iter().flatten() {
            person.handle(Input::Letter { from: author(1), invite: Box::new(invite.clone()) });
        }
    }

    fn letter_is_durable(&mut self, taken: bool) -> bool {
        let Some((token, to, invite)) = self.asked.pop_front() else { return false };
        if taken {
            self.letters.push_back((to, invite));
        }
        self.owner().handle(Input::LetterWritten { token, written: taken });
        true
    }

    /// Letters of one author come in the order in which they were written.
    fn letter_comes(&mut self) -> bool {
        let Some((to, invite)) = self.letters.pop_front() else { return false };
        let reader = self.people.iter_mut().find(|person| author(person.number) == to).expect("somebody");
        self.came.entry(to).or_default().push(invite.clone());
        reader.handle(Input::Letter { from: author(1), invite: Box::new(invite) });
        true
    }

    /// What must hold whatever happens.
    fn check(&mut self) {
        for durable in std::mem::take(&mut self.people[0].written) {
            let stay = || durable.members.iter().copied().chain([author(1)]).collect();
            self.may_know.entry(durable.epoch().channel()).or_insert_with(stay);
        }
        for person in &mut self.people {
            for output in std::mem::take(&mut person.said) {
                if let Output::Tell { token, to, invite } = output {
                    let channel = invite.signed.epoch().channel();
                    let may = self.may_know.get(&channel).expect("what is told of is durable with its owner");
                    assert!(may.contains(&to), "somebody who was left out is told");
                    self.asked.push_back((token, to, *invite));
                }
            }
            let record = person.machine.find(&name("garden")).expect("a room");
            assert_eq!(Some(record), person.disk.get(&record.room()), "it acts on what is durable");
            for channel in record.channels() {
                assert!(self.may_know[&channel].contains(&author(person.number)), "it has what it may not know");
            }
            let mut expected = BTreeMap::new();
            if record.joined {
                expected.extend(record.past.iter().map(|held| (held.signed.epoch().channel(), Station::Quiet)));
                expected.insert(record.epoch().channel(), Station::Member);
            }
            assert_eq!(person.stations, expected);
            assert!(record.past.len() <= MAX_PAST && record.older.len() <= MAX_OLDER);
        }
    }

    /// All disks work, all letters come.
    fn settle(&mut self) {
        for _ in 0..20 {
            for person in &mut self.people {
                person.pass(TELL_AGAIN_MS);
            }
            self.check();
            while self.letter_is_durable(true) {
                self.owner().write();
                self.check();
            }
            while self.letter_comes() {}
        }
        self.people.iter_mut().for_each(|person| person.pass(TELL_AGAIN_MS));
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn those_who_stay_learn_the_new_secret_and_nobody_else_does(deeds in prop::collection::vec(deed(), 0..60)) {
        let mut world = World::new();
        for deed in &deeds {
            world.carry_out(deed);
        }
        world.settle();
        let owner = world.people[0].record("garden").clone();
        prop_assert!(owner.to_tell.is_empty());
        for person in &world.people {
            let record = person.record("garden");
            let who = author(person.number);
            if owner.members.contains(&who) || person.number == 1 {
                prop_assert_eq!(record.epoch().channel(), owner.epoch().channel());
            } else {
                prop_assert_ne!(record.epoch().channel(), owner.epoch().channel());
            }
        }
    }
}
