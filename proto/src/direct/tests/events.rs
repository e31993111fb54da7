//! What happens, and what must be true at last.

use proptest::prelude::*;

use super::world::World;
use crate::{
    direct::{
        inbox::tests::witness::place,
        outbox::{State, tests::disk::seq},
    },
    ids::Author,
};

const DAY_MS: u64 = 24 * 3_600_000;

/// Something that happens. People, mailboxes and machines are numbered.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Write {
        who: usize,
        letters: usize,
        long: bool,
    },
    Read(usize),
    Rotate(usize),
    Link(bool),
    Cut {
        who: usize,
        post: usize,
        cut: bool,
    },
    CrashPerson(usize),
    CrashPost(usize),
    /// Somebody loses power after so many more acts.
    Fuse {
        person: bool,
        who: usize,
        acts: usize,
    },
    Store {
        who: usize,
        machine: usize,
        works: bool,
    },
    PostStore {
        post: usize,
        works: bool,
    },
    Loss(u32),
    /// A wall clock is set.
    Clock {
        person: bool,
        who: usize,
        ahead_ms: u64,
    },
    Pass(u64),
}

/// What happens in one run. In few of them are letters so long and so many that they do not fit into one question or page: they cost a
/// hundred times as much.
pub fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::bool::weighted(0.06).prop_flat_map(|long| prop::collection::vec(event(long), 1..60))
}

fn event(long: bool) -> impl Strategy<Value = Event> {
    let (who, post) = (0usize..2, 0usize..3);
    prop_oneof![
        8 => (who.clone(), 1usize..4).prop_map(|(who, letters)| Event::Write { who, letters, long: false }),
        1 => (who.clone(), if long { 24usize..30 } else { 1..2 })
            .prop_map(move |(who, letters)| Event::Write { who, letters, long }),
        1 => who.clone().prop_map(Event::Read),
        1 => who.clone().prop_map(Event::Rotate),
        5 => any::<bool>().prop_map(Event::Link),
        3 => (who.clone(), post.clone(), any::<bool>()).prop_map(|(who, post, cut)| Event::Cut { who, post, cut }),
        3 => who.clone().prop_map(Event::CrashPerson),
        2 => post.clone().prop_map(Event::CrashPost),
        4 => (any::<bool>(), 0usize..3, 1usize..12).prop_map(|(person, who, acts)| Event::Fuse { person, who, acts }),
        3 => (who, 0usize..3, any::<bool>()).prop_map(|(who, machine, works)| Event::Store { who, machine, works }),
        2 => (post, any::<bool>()).prop_map(|(post, works)| Event::PostStore { post, works }),
        3 => (0u32..70).prop_map(Event::Loss),
        1 => (any::<bool>(), 0usize..3, 0..4 * DAY_MS)
            .prop_map(|(person, who, ahead_ms)| Event::Clock { person, who, ahead_ms }),
        12 => (1u64..3_000).prop_map(Event::Pass),
        3 => (10_000u64..700_000).prop_map(Event::Pass),
    ]
}

impl World {
    /// One of the people or mailboxes.
    fn site(&self, person: bool, who: usize) -> Option<Author> {
        if person { Some(self.author(who % 2)) } else { self.post(who) }
    }

    pub fn happen(&mut self, event: Event) {
        match event {
            Event::Write { who, letters, long } => {
                let who = self.author(who);
                let to = self.other(&who);
                for n in 0..letters {
                    let now = self.now(&who);
                    let text =
                        format!("{n} at {}{}", self.now_ms, if long { "x".repeat(20_000) } else { String::new() });
                    self.people.get_mut(&who).unwrap().write(now, to, text);
                    self.settle(who);
                }
            }
            Event::Read(who) => {
                let who = self.author(who);
                let (now, from) = (self.now(&who), self.other(&who));
                self.people.get_mut(&who).unwrap().read(now, from);
                self.settle(who);
            }
            Event::Rotate(who) => {
                let who = self.author(who);
                let now = self.now(&who);
                self.people.get_mut(&who).unwrap().rotate(now);
                self.settle(who);
            }
            Event::Link(may) => {
                self.may_link = may;
                if may {
                    self.link();
                } else {
                    self.disconnect(self.author(0), Some(self.author(1)));
                }
            }
            Event::Cut { who, post, cut } => {
                let (who, Some(post)) = (self.author(who), self.post(post)) else { return };
                if cut && self.cut.insert((who, post)) {
                    self.disconnect(who, Some(post));
                } else if !cut {
                    self.cut.remove(&(who, post));
                }
            }
            Event::CrashPerson(who) => self.crash(self.author(who)),
            Event::CrashPost(post) => _ = self.post(post).map(|post| self.crash(post)),
            Event::Fuse { person, who, acts } => {
                self.fuses.extend(self.site(person, who).map(|site| (site, acts)));
            }
            Event::Store { who, machine, works } => {
                let who = self.author(who);
                let person = self.people.get_mut(&who).unwrap();
                match machine {
                    0 => person.outbox_disk.works = works,
                    1 => person.inbox_disk.works = works,
                    _ => person.keys_disk.works = works,
                }
            }
            Event::PostStore { post, works } => {
                let Some(post) = self.post(post) else { return };
                self.posts.get_mut(&post).unwrap().disk.works = works;
            }
            Event::Loss(percent) => self.loss_percent = percent,
            Event::Clock { person, who, ahead_ms } => {
                self.ahead_ms.extend(self.site(person, who).map(|site| (site, ahead_ms)));
            }
            Event::Pass(ms) => self.pass(ms),
        }
    }

    /// All is well from now on, but for mailboxes that lie. Whether the two ever meet is another matter.
    pub fn heal(&mut self, meets: bool) {
        self.loss_percent = 0;
        self.cut.clear();
        self.fuses.clear();
        for person in self.people.values_mut() {
            (person.outbox_disk.works, person.inbox_disk.works, person.keys_disk.works) = (true, true, true);
        }
        self.posts.values_mut().for_each(|post| post.disk.works = true);
        // Until everybody runs.
        self.pass(100_000);
        self.happen(Event::Link(meets));
        self.pass(3 * 3_600_000);
    }

    /// Everybody starts anew, mailboxes first. Whoever is to be told something and was not found for a while is looked for again.
    pub fn restart(&mut self) {
        let (people, posts) = (self.people.keys().copied(), self.posts.keys().copied());
        for sites in [posts.collect::<Vec<_>>(), people.collect()] {
            sites.into_iter().for_each(|site| self.crash(site));
            self.pass(3_600_000);
        }
    }

    /// Every letter is where it belongs, once.
    pub fn check_arrived(&self) {
        for (me, person) in &self.people {
            let other = &self.people[&self.other(me)];
            let written = &person.outbox_disk.holds.letters;
            for number in &person.written {
                assert!(written.contains_key(&(other.me, *number)), "an acknowledged letter is lost");
            }
            let arrived = &other.inbox_disk.holds.letters;
            assert_eq!(arrived.len(), written.len(), "letters are missing, or more than were written");
            for letter in arrived {
                assert_eq!(written[&(letter.to, seq(letter))].letter.letter, *letter, "a letter that nobody wrote");
            }
            assert_eq!(*other.witness.seen(), arrived.iter().map(place).collect(), "a letter is not shown");
        }
    }

    /// And every author knows, and nobody keeps anything any more.
    pub fn check_told(&self) {
        for person in self.people.values() {
            for ((_, number), saved) in &person.outbox_disk.holds.letters {
                assert_eq!(saved.state, State::Delivered, "letter {number} is delivered and its author is not told");
            }
            let load = person.life.as_ref().map(|life| life.outbox.load());
            assert!(load.is_some_and(|load| load.letters + load.receipts == 0), "{load:?}");
        }
        let mut honest = self.posts.values().filter(|post| !post.lies());
        assert!(honest.all(|post| post.disk.holds.letters.is_empty()), "a mailbox keeps what has arrived");
    }
}
