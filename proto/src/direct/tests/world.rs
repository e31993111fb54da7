//! Two people, mailboxes, and what is between them: ways that come and go and lose, processes that are killed, stores that fail.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    driving::{Act, Asker},
    person::{Machine, Person},
    post::{Post, PostAct},
};
use crate::{
    direct::{
        inbox::tests::witness::place,
        message::{DirectAnswer, DirectQuestion},
    },
    ids::Author,
    testing::EPOCH_MS,
    time::Now,
};

/// Milliseconds after which whoever asked does not wait any more.
const PATIENCE_MS: u64 = 10_000;

/// Something on its way.
enum Coming {
    Write(Author, Machine),
    Question { wire: u64, from: Author, to: Author, question: DirectQuestion },
    Answer { wire: u64, answer: DirectAnswer },
    Fail(u64),
    Start(Author),
    Link,
    LinkMailbox(Author, Author),
    Mailboxes(Author),
}

/// A question that is not answered.
struct Open {
    by: Author,
    to: Author,
    asker: Asker,
}

pub struct World {
    pub now_ms: u64,
    rng: ChaCha8Rng,
    pub people: BTreeMap<Author, Person>,
    pub posts: BTreeMap<Author, Post>,
    /// By how much each one's wall clock is ahead.
    pub ahead_ms: BTreeMap<Author, u64>,
    /// By when it comes, and a number.
    coming: BTreeMap<(u64, u64), Coming>,
    next: u64,
    open: BTreeMap<u64, Open>,
    pub loss_percent: u32,
    pub may_link: bool,
    linked: bool,
    /// Whoever loses power after so many more acts.
    pub fuses: BTreeMap<Author, usize>,
    /// People who cannot reach a mailbox.
    pub cut: BTreeSet<(Author, Author)>,
    /// People who are connected with a mailbox.
    attached: BTreeSet<(Author, Author)>,
}

impl World {
    pub fn new(seed: u64, honest: u8, liars: u8) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let people = [1, 2].map(Person::new).map(|person| (person.me, person));
        let posts = (0..honest + liars).map(|n| Post::new(10 + n, n >= honest)).map(|post| (post.me, post));
        let (people, posts) = (BTreeMap::from(people), posts.collect::<BTreeMap<_, _>>());
        let sites: Vec<Author> = people.keys().chain(posts.keys()).copied().collect();
        let mut world = Self {
            now_ms: 0,
            ahead_ms: sites.iter().map(|site| (*site, rng.random_range(0..600_000))).collect(),
            rng,
            people,
            posts,
            coming: BTreeMap::new(),
            next: 0,
            open: BTreeMap::new(),
            loss_percent: 0,
            may_link: false,
            linked: false,
            fuses: BTreeMap::new(),
            cut: BTreeSet::new(),
            attached: BTreeSet::new(),
        };
        sites.into_iter().for_each(|site| world.start(site));
        world
    }

    pub fn now(&self, site: &Author) -> Now {
        Now { mono_ms: self.now_ms, wall_ms: EPOCH_MS + self.ahead_ms[site] + self.now_ms }
    }

    pub fn author(&self, who: usize) -> Author {
        *self.people.keys().nth(who).unwrap()
    }

    pub fn other(&self, who: &Author) -> Author {
        *self.people.keys().find(|other| *other != who).unwrap()
    }

    /// One of the mailboxes, if there are any.
    pub fn post(&self, post: usize) -> Option<Author> {
        self.posts.keys().nth(post % self.posts.len().max(1)).copied()
    }

    fn is_up(&self, site: &Author) -> bool {
        let person = self.people.get(site).is_some_and(|person| person.life.is_some());
        person || self.posts.get(site).is_some_and(|post| post.keeper.is_some())
    }

    fn is_connected(&self, person: &Author, to: &Author) -> bool {
        let open = if self.posts.contains_key(to) { !self.cut.contains(&(*person, *to)) } else { self.linked };
        open && self.is_up(person) && self.is_up(to)
    }

    fn later(&mut self, within_ms: u64, coming: Coming) {
        let at_ms = self.now_ms + self.rng.random_range(0..within_ms);
        self.next += 1;
        self.coming.insert((at_ms, self.next), coming);
    }

    // ---- processes

    pub fn start(&mut self, site: Author) {
        let now = self.now(&site);
        if self.is_up(&site) {
            return;
        }
        if let Some(person) = self.people.get_mut(&site) {
            person.start(now, &mut self.rng);
        } else if let Some(post) = self.posts.get_mut(&site) {
            post.start(now);
        }
        self.settle(site);
    }

    pub fn crash(&mut self, site: Author) {
        self.disconnect(site, None);
        self.open.retain(|_, open| open.by != site);
        if let Some(person) = self.people.get_mut(&site) {
            person.crash(&mut self.rng);
        } else if let Some(post) = self.posts.get_mut(&site) {
            post.crash(&mut self.rng);
        }
        self.later(60_000, Coming::Start(site));
    }

    /// Everything that somebody wants done, which may be nothing.
    pub fn settle(&mut self, site: Author) {
        let now = self.now(&site);
        let acts = self.people.get_mut(&site).map(|person| person.work(now)).unwrap_or_default();
        for act in acts {
            self.act(site, act);
            if self.burns(site) {
                return self.crash(site);
            }
        }
        let acts = self.posts.get_mut(&site).map(Post::work).unwrap_or_default();
        for act in acts {
            match act {
                PostAct::Write => self.later(50, Coming::Write(site, Machine::Mailbox)),
                PostAct::Answer { wire, answer } => self.answer(wire, answer),
            }
            if self.burns(site) {
                return self.crash(site);
            }
        }
    }

    /// Whether somebody loses power before its next act.
    fn burns(&mut self, site: Author) -> bool {
        let Some(acts) = self.fuses.get_mut(&site) else { return false };
        *acts = acts.saturating_sub(1);
        *acts == 0 && self.fuses.remove(&site).is_some()
    }

    fn act(&mut self, site: Author, act: Act) {
        match act {
            Act::Write(machine) => self.later(50, Coming::Write(site, machine)),
            Act::Ask { to, asker, question } => self.ask(site, to, asker, question),
            Act::Answer { wire, answer } => self.answer(wire, answer),
            Act::Reach => self.later(1_000, Coming::Link),
            Act::ReachMailbox(mailbox) => self.later(1_000, Coming::LinkMailbox(site, mailbox)),
            Act::FindCard(who) => {
                for mailbox in self.posts.keys().copied().collect::<Vec<_>>() {
                    self.ask(site, mailbox, Asker::Search, DirectQuestion::Card(who));
                }
            }
            Act::SeekMailboxes => self.later(5_000, Coming::Mailboxes(site)),
            Act::Delivered { to, seq } => {
                let mut letters = self.people[&to].inbox_disk.holds.letters.iter().map(place);
                assert!(letters.any(|(from, _, number)| (from, number) == (site, seq)), "delivered and not stored");
            }
        }
    }

    // ---- what is between them

    fn is_lost(&mut self) -> bool {
        self.rng.random_range(0..100) < self.loss_percent
    }

    fn ask(&mut self, by: Author, to: Author, asker: Asker, question: DirectQuestion) {
        self.next += 1;
        let wire = self.next;
        self.open.insert(wire, Open { by, to, asker });
        if !self.is_connected(&by, &to) {
            return self.later(1_000, Coming::Fail(wire));
        }
        self.coming.insert((self.now_ms + PATIENCE_MS, wire), Coming::Fail(wire));
        if !self.is_lost() {
            self.later(200, Coming::Question { wire, from: by, to, question });
        }
    }

    fn answer(&mut self, wire: u64, answer: DirectAnswer) {
        if !self.is_lost() {
            self.later(200, Coming::Answer { wire, answer });
        }
    }

    fn answered(&mut self, wire: u64, answer: Option<DirectAnswer>) {
        let Some(Open { by, asker, .. }) = self.open.remove(&wire) else { return };
        let now = self.now(&by);
        self.people.get_mut(&by).unwrap().answered(now, asker, answer);
        self.settle(by);
    }

    pub fn link(&mut self) {
        if self.may_link && !self.linked && self.people.values().all(|person| person.life.is_some()) {
            self.linked = true;
            self.tell_linked(true);
        }
    }

    fn tell_linked(&mut self, up: bool) {
        for who in self.people.keys().copied().collect::<Vec<_>>() {
            if self.linked != up {
                // One of them lost power at the news.
                return;
            }
            let (now, other) = (self.now(&who), self.other(&who));
            self.people.get_mut(&who).unwrap().linked(now, other, up);
            self.settle(who);
        }
    }

    fn link_mailbox(&mut self, person: Author, mailbox: Author) {
        if self.is_connected(&person, &mailbox) {
            self.attached.insert((person, mailbox));
            self.tell_mailbox_linked(person, mailbox, true);
        }
    }

    fn tell_mailbox_linked(&mut self, person: Author, mailbox: Author, up: bool) {
        let now = self.now(&person);
        self.people.get_mut(&person).unwrap().mailbox_linked(now, mailbox, up);
        self.settle(person);
    }

    /// Connections of somebody break: with another, or all.
    pub fn disconnect(&mut self, site: Author, with: Option<Author>) {
        let breaks = |a: Author, b: Author| {
            (a == site && with.is_none_or(|with| with == b)) || (b == site && with.is_none_or(|with| with == a))
        };
        let lost: Vec<u64> =
            self.open.iter().filter(|(_, open)| breaks(open.by, open.to)).map(|(wire, _)| *wire).collect();
        let (one, other) = (self.author(0), self.author(1));
        let parted = self.linked && breaks(one, other);
        let detached: Vec<(Author, Author)> = self.attached.extract_if(.., |(a, b)| breaks(*a, *b)).collect();
        lost.into_iter().for_each(|wire| self.later(1_000, Coming::Fail(wire)));
        if parted {
            self.linked = false;
            self.tell_linked(false);
        }
        for (person, mailbox) in detached {
            self.tell_mailbox_linked(person, mailbox, false);
        }
    }

    // ---- time

    /// Does the next thing that is due up to `end_ms`.
    fn step(&mut self, end_ms: u64) -> bool {
        let people = self.people.iter().filter_map(|(site, person)| Some((person.due()?.0, *site)));
        let posts = self.posts.iter().filter_map(|(site, post)| Some((post.due()?.0, *site)));
        let due = people.chain(posts).min().filter(|(at_ms, _)| *at_ms <= end_ms);
        let first = self.coming.keys().next().copied().filter(|(at_ms, _)| *at_ms <= end_ms);
        match (first, due) {
            (Some(key), due) if due.is_none_or(|(at_ms, _)| key.0 <= at_ms) => {
                self.now_ms = self.now_ms.max(key.0);
                let coming = self.coming.remove(&key).unwrap();
                self.comes(coming);
            }
            (_, Some((at_ms, site))) => {
                self.now_ms = self.now_ms.max(at_ms);
                let now = self.now(&site);
                if let Some(person) = self.people.get_mut(&site) {
                    person.handle_timeout(now);
                } else if let Some(post) = self.posts.get_mut(&site) {
                    post.handle_timeout(now);
                }
                self.settle(site);
            }
            _ => return false,
        }
        true
    }

    fn comes(&mut self, coming: Coming) {
        match coming {
            Coming::Write(site, machine) => {
                let now = self.now(&site);
                if let Some(person) = self.people.get_mut(&site) {
                    person.disk(now, machine, &mut self.rng);
                } else if let Some(post) = self.posts.get_mut(&site) {
                    post.disk(now, &mut self.rng);
                }
                self.settle(site);
            }
            Coming::Question { wire, from, to, question } => {
                let now = self.now(&to);
                let answer = match self.people.get_mut(&to) {
                    Some(person) => person.asked(now, from, wire, question),
                    None => self.posts.get_mut(&to).unwrap().asked(now, from, wire, question),
                };
                self.settle(to);
                if let Some(answer) = answer {
                    self.answer(wire, answer);
                }
            }
            Coming::Answer { wire, answer } => self.answered(wire, Some(answer)),
            Coming::Fail(wire) => self.answered(wire, None),
            Coming::Start(site) => self.start(site),
            Coming::Link => self.link(),
            Coming::LinkMailbox(person, mailbox) => self.link_mailbox(person, mailbox),
            Coming::Mailboxes(who) => {
                let (now, found) = (self.now(&who), self.posts.values().map(Post::mailbox).collect());
                self.people.get_mut(&who).unwrap().found(now, found);
                self.settle(who);
            }
        }
    }

    pub fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        let (mut at_ms, mut steps) = (self.now_ms, 0);
        while self.step(end_ms) {
            steps = if self.now_ms > at_ms { 0 } else { steps + 1 };
            at_ms = self.now_ms;
            assert!(steps < 10_000, "time does not pass");
        }
        self.now_ms = end_ms;
    }
}
