//! The machine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{
    Changes, CommitId, Config, Done, Input, LOOK_MS, MAX_WISHES, Output, RETRY_MS, Record, Refused, Station,
    letters::Letters,
    notes::Notes,
    telling::Telling,
    wishes::{Desk, Plan, Wish},
};
use crate::{
    channel::RoomName,
    clock::Clock,
    commits::Commits,
    ids::{Author, ChannelId},
    private::{Epoch, Invite},
    signature::{Signer, Verifier},
    time::{Deadline, Now},
};

/// The private rooms that we have.
#[derive(Debug)]
pub struct PrivateRooms {
    signer: Signer,
    verifier: Arc<dyn Verifier>,
    rng: ChaCha20Rng,
    /// As the store has them.
    rooms: BTreeMap<ChannelId, Record>,
    wishes: VecDeque<(u64, Wish)>,
    notes: Notes,
    letters: Letters,
    telling: Telling,
    /// One at a time.
    commits: Commits<Commit>,
    /// The store failed: nothing that waits by itself is tried until then.
    retry: Option<Deadline>,
    /// By which past epochs are forgotten.
    clock: Clock,
    /// When to look for past epochs whose time is over.
    look: Deadline,
    outputs: VecDeque<Output>,
}

/// Records on their way to the disk.
#[derive(Debug)]
struct Commit {
    changes: Changes,
    /// Whose wish it is, if it is one, and what it then hears.
    wish: Option<(u64, RoomName, Done)>,
    /// What becomes part of the records.
    notes: Notes,
}

impl PrivateRooms {
    /// With what the store holds.
    pub fn new(now: Now, config: Config, records: Vec<Record>) -> Self {
        let mut machine = Self {
            signer: config.signer,
            verifier: config.verifier,
            rng: ChaCha20Rng::from_seed(config.seed),
            rooms: BTreeMap::new(),
            wishes: VecDeque::new(),
            notes: Notes::default(),
            letters: Letters::default(),
            telling: Telling::default(),
            commits: Commits::default(),
            retry: None,
            clock: Clock::new(now, None),
            look: now.after(0),
            outputs: VecDeque::new(),
        };
        for record in records {
            machine.replace(record.room(), Some(record));
        }
        machine.step(now);
        machine
    }

    /// The room of that name.
    pub fn find(&self, name: &RoomName) -> Option<&Record> {
        self.rooms.values().find(|record| record.name == *name)
    }

    /// A room.
    pub fn room(&self, room: &ChannelId) -> Option<&Record> {
        self.rooms.get(room)
    }

    /// All rooms, those that were left included.
    pub fn rooms(&self) -> impl Iterator<Item = &Record> {
        self.rooms.values()
    }

    /// Whether a room has that name, or may have it in a moment.
    pub fn is_taken(&self, name: &RoomName) -> bool {
        let wished = self.wishes.iter().any(|(_, wish)| wish.new_name() == Some(name));
        let under_way = self.commits.last().and_then(|commit| commit.wish.as_ref());
        self.find(name).is_some() || wished || under_way.is_some_and(|(_, new, _)| new == name)
    }

    /// Takes note of something that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Create { token, name } => self.wish(token, Wish::Create(name)),
            Input::Join { token, invite, name } => self.wish(token, Wish::Join(invite, name)),
            Input::Return { token, name } => self.wish(token, Wish::Return(name)),
            Input::Leave { token, name } => self.wish(token, Wish::Leave(name)),
            Input::Rotate { token, name, whom } => self.wish(token, Wish::Rotate(name, whom)),
            Input::Letter { from, invite } => self.letter(from, *invite),
            // By far the most frequent of all, and mostly no news.
            Input::Seen { channel, who } if !self.seen(channel, who) => return,
            Input::Seen { .. } => {}
            Input::LetterWritten { token, written } => {
                if let Some((channel, who)) = self.telling.written(now, token, written) {
                    self.notes.told(channel, who);
                }
            }
            Input::Persisted { through } => self.persisted(now, through),
            Input::PersistFailed => self.persist_failed(now),
        }
        self.step(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.step(now);
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`PrivateRooms::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let look = self.rooms.values().any(|record| !record.past.is_empty()).then_some(self.look);
        let waits = Deadline::earliest(look, self.letters.deadline());
        let due = if !self.commits.is_empty() { None } else { self.retry.or(waits) };
        Deadline::earliest(due, self.telling.deadline())
    }

    // ---- what comes in

    fn wish(&mut self, token: u64, wish: Wish) {
        if self.wishes.len() < MAX_WISHES {
            self.wishes.push_back((token, wish));
        } else {
            self.outputs.push_back(Output::Refused { token, why: Refused::Overloaded });
        }
    }

    /// Everything that is not a later epoch of a room that we have, from its owner, is none of our business. A room that was left is
    /// followed too, and nothing of it opened: who comes back comes to where the others are.
    fn letter(&mut self, from: Author, invite: Invite) {
        let epoch = invite.signed.epoch();
        let Some(record) = self.rooms.get(&epoch.room()) else { return };
        let is_later = epoch.number() > record.epoch().number();
        if is_later && from == record.owner() && epoch.owner() == from && invite.signed.is_genuine(&*self.verifier) {
            self.letters.note(invite.signed);
        }
    }

    /// Whether that is news.
    fn seen(&mut self, channel: ChannelId, who: Author) -> bool {
        let us = self.signer.author();
        let ours = |record: &&Record| record.epoch().channel() == channel && record.owner() == us;
        let Some(record) = self.rooms.values().find(ours).filter(|record| who != us && !record.members.contains(&who))
        else {
            return false;
        };
        self.notes.seen(record, who);
        true
    }

    // ---- to the disk and back

    /// Hands the store what is to be kept, one thing after the other, and tells whom there is to tell.
    fn step(&mut self, now: Now) {
        self.clock.advance(now);
        self.retry = self.retry.filter(|retry| !now.reached(*retry));
        // First, so that a member that was seen a moment ago is told of a rotation.
        if self.commits.is_empty() && self.retry.is_none() {
            self.update(now);
        }
        while self.commits.is_empty()
            && let Some((token, wish)) = self.wishes.pop_front()
        {
            self.grant(token, wish);
        }
        self.tell(now);
    }

    fn grant(&mut self, token: u64, wish: Wish) {
        let name = wish.new_name().cloned();
        let desk = Desk {
            rooms: &self.rooms,
            signer: &self.signer,
            verifier: &*self.verifier,
            rng: &mut self.rng,
            now_ms: self.clock.at_ms(),
        };
        match desk.plan(wish) {
            Err(why) => self.outputs.push_back(Output::Refused { token, why }),
            Ok(Plan { changes, done }) => {
                let name = name.or_else(|| changes.iter().find_map(|(_, record)| Some(record.as_ref()?.name.clone())));
                self.persist(changes, name.map(|name| (token, name, done)), Notes::default());
            }
        }
    }

    /// Makes what happened by itself part of the records.
    fn update(&mut self, now: Now) {
        let looks = now.reached(self.look);
        if looks {
            self.look = now.after(LOOK_MS);
        }
        self.notes.letters = self.letters.take_due(now);
        if self.notes.is_empty() && !(looks && self.rooms.values().any(|record| record.is_due(self.clock.at_ms()))) {
            return;
        }
        let notes = std::mem::take(&mut self.notes);
        let mut changes = Vec::new();
        for (room, record) in &self.rooms {
            let mut next = notes.apply(record, self.clock.at_ms());
            next.expire(self.clock.at_ms());
            if next != *record {
                changes.push((*room, Some(next)));
            }
        }
        if !changes.is_empty() {
            self.persist(changes, None, notes);
        }
    }

    fn persist(&mut self, changes: Changes, wish: Option<(u64, RoomName, Done)>, notes: Notes) {
        let commit = self.commits.push(Commit { changes: changes.clone(), wish, notes }, 0);
        self.outputs.push_back(Output::Persist { commit, changes });
    }

    fn persisted(&mut self, now: Now, through: CommitId) {
        let Some(commit) = self.commits.pop_through(through) else { return };
        for (room, record) in commit.changes {
            let before = self.rooms.get(&room).map(|before| before.epoch().channel());
            // The user's own wishes need no rest.
            if commit.wish.is_none() && record.as_ref().map(|record| record.epoch().channel()) != before {
                self.letters.moved(now, room);
            }
            self.replace(room, record);
        }
        if let Some((token, _, done)) = commit.wish {
            self.outputs.push_back(Output::Done { token, done });
        }
    }

    fn persist_failed(&mut self, now: Now) {
        let Some(mut commit) = self.commits.take_all().pop() else { return };
        self.letters.put_back(std::mem::take(&mut commit.notes.letters));
        self.notes.put_back(commit.notes);
        self.retry = Some(now.after(RETRY_MS));
        if let Some((token, ..)) = commit.wish {
            self.outputs.push_back(Output::Refused { token, why: Refused::NotStored });
        }
    }

    // ---- what comes of it

    /// Puts a durable record in the place of the one before, and has the channels be as it says.
    fn replace(&mut self, room: ChannelId, record: Option<Record>) {
        let before = match &record {
            Some(record) => self.rooms.insert(room, record.clone()),
            None => self.rooms.remove(&room),
        };
        let (old, new) = (before.as_ref().map(stations).unwrap_or_default(), record.as_ref().map(stations));
        let new = new.unwrap_or_default();
        for channel in old.keys().filter(|channel| !new.contains_key(channel)) {
            self.outputs.push_back(Output::Close(*channel));
        }
        let name = record.as_ref().or(before.as_ref()).map(|record| record.name.clone());
        let Some(name) = name else { return };
        for (channel, (epoch, station)) in new {
            if old.get(&channel).is_none_or(|(_, before)| *before != station) {
                let epoch = Box::new(epoch.clone());
                self.outputs.push_back(Output::Open { name: name.clone(), epoch, station });
            }
        }
        let was = before.as_ref().filter(|record| record.joined).map(|record| record.epoch().channel());
        let is = record.as_ref().filter(|record| record.joined).map(Record::epoch);
        match (was, is) {
            (None, Some(_)) => self.outputs.push_back(Output::Came(name)),
            (Some(_), None) => self.outputs.push_back(Output::Went(name)),
            (Some(was), Some(epoch)) if was != epoch.channel() => {
                self.outputs.push_back(Output::Moved { name, number: epoch.number() });
            }
            _ => {}
        }
    }

    /// Tells members of the secrets that they do not know yet, as many at a time as may be.
    fn tell(&mut self, now: Now) {
        self.telling.resume(now);
        for record in self.rooms.values() {
            let channel = record.epoch().channel();
            for who in &record.to_tell {
                if !self.telling.may_begin() {
                    return;
                }
                if self.telling.is_under_way(channel, *who) || self.notes.is_told(channel, *who) {
                    continue;
                }
                let noted = self.commits.last().is_some_and(|commit| commit.notes.is_told(channel, *who));
                if !noted {
                    let token = self.telling.begin(channel, *who);
                    let invite = Box::new(record.invite());
                    self.outputs.push_back(Output::Tell { token, to: *who, invite });
                }
            }
        }
    }
}

/// The channels in which a record has us be, and how.
fn stations(record: &Record) -> BTreeMap<ChannelId, (&Epoch, Station)> {
    if !record.joined {
        return BTreeMap::new();
    }
    let quiet = record.past.iter().map(|held| (held.signed.epoch(), Station::Quiet));
    let all = quiet.chain([(record.epoch(), Station::Member)]);
    all.map(|(epoch, station)| (epoch.channel(), (epoch, station))).collect()
}
