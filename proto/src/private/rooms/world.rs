//! One person's machine and its store, for tests.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    channel::RoomName,
    ids::{Author, ChannelId},
    private::Invite,
    signature::Ed25519,
    testing::{at, author, signer},
    time::Now,
};

pub fn name(text: &str) -> RoomName {
    text.parse().unwrap()
}

/// One person's machine, its store, and what it said.
pub struct Person {
    pub number: u8,
    pub machine: PrivateRooms,
    pub disk: BTreeMap<ChannelId, Record>,
    /// All that was ever on it, since somebody looked.
    pub written: Vec<Record>,
    pub now: Now,
    /// What the channels are to be like, as said.
    pub stations: BTreeMap<ChannelId, Station>,
    /// Said and not carried out yet.
    pub commits: Vec<(CommitId, Changes)>,
    pub said: Vec<Output>,
    pub starts: u8,
}

impl Person {
    pub fn new(number: u8) -> Self {
        let now = at(0);
        let machine = PrivateRooms::new(now, config(number, 0), Vec::new());
        Self {
            number,
            machine,
            disk: BTreeMap::new(),
            written: Vec::new(),
            now,
            stations: BTreeMap::new(),
            commits: Vec::new(),
            said: Vec::new(),
            starts: 0,
        }
    }

    pub fn handle(&mut self, input: Input) {
        self.machine.handle(self.now, input);
        self.listen();
    }

    /// Takes note of all that the machine says; what is asked of it waits.
    pub fn listen(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match &output {
                Output::Persist { commit, changes } => self.commits.push((*commit, changes.clone())),
                Output::Open { epoch, station, .. } => _ = self.stations.insert(epoch.channel(), *station),
                Output::Close(channel) => assert!(self.stations.remove(channel).is_some(), "it was open"),
                _ => {}
            }
            self.said.push(output);
        }
        assert!(self.commits.len() <= 1, "one after the other");
    }

    /// The disk does what it was asked to.
    pub fn write(&mut self) -> bool {
        let Some((through, changes)) = self.commits.pop() else { return false };
        for (room, record) in changes {
            match record {
                Some(record) => {
                    let bytes = record.encode();
                    assert!(bytes.len() <= MAX_RECORD_BYTES);
                    self.disk.insert(room, Record::decode(&bytes).unwrap());
                    self.written.push(record);
                }
                None => _ = self.disk.remove(&room),
            }
        }
        self.handle(Input::Persisted { through });
        true
    }

    pub fn fail(&mut self) {
        if self.commits.pop().is_some() {
            self.handle(Input::PersistFailed);
        }
    }

    pub fn restart(&mut self) {
        self.starts += 1;
        (self.commits, self.stations) = (Vec::new(), BTreeMap::new());
        let records = self.disk.values().cloned().collect();
        self.machine = PrivateRooms::new(self.now, config(self.number, self.starts), records);
        self.listen();
    }

    /// Lets time pass, and does what becomes due meanwhile.
    pub fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        let mut looks = 0;
        loop {
            let due_ms = self.machine.poll_timeout().map_or(end_ms, |at| at.0.clamp(self.now.mono_ms, end_ms));
            self.now.wall_ms += due_ms - self.now.mono_ms;
            self.now.mono_ms = due_ms;
            if due_ms == end_ms {
                break;
            }
            self.machine.handle_timeout(self.now);
            self.listen();
            while self.write() {}
            looks += 1;
            assert!(looks < 10_000, "it wants to be called all the time");
        }
        self.machine.handle_timeout(self.now);
        self.listen();
        while self.write() {}
    }

    /// Does what is asked, durably, and returns what was said.
    pub fn wish(&mut self, input: Input) -> Vec<Output> {
        self.said.clear();
        self.handle(input);
        while self.write() {}
        self.take_said()
    }

    /// All that was said, without what goes to the disk.
    pub fn take_said(&mut self) -> Vec<Output> {
        let mut said = std::mem::take(&mut self.said);
        said.retain(|output| !matches!(output, Output::Persist { .. }));
        said
    }

    pub fn create(&mut self, text: &str) -> Invite {
        self.wish(Input::Create { token: 1, name: name(text) });
        self.record(text).invite()
    }

    pub fn join(&mut self, invite: &Invite) -> Vec<Output> {
        self.wish(Input::Join { token: 2, invite: Box::new(invite.clone()), name: None })
    }

    pub fn rotate(&mut self, text: &str, without: &[Author]) -> Vec<Output> {
        let whom = Whom::AllBut(without.iter().copied().collect());
        self.wish(Input::Rotate { token: 3, name: name(text), whom })
    }

    pub fn sees(&mut self, text: &str, who: u8) {
        let channel = self.record(text).epoch().channel();
        self.wish(Input::Seen { channel, who: author(who) });
    }

    pub fn letter(&mut self, from: u8, invite: &Invite) -> Vec<Output> {
        self.wish(Input::Letter { from: author(from), invite: Box::new(invite.clone()) })
    }

    pub fn record(&self, text: &str) -> &Record {
        self.machine.find(&name(text)).expect("there is such a room")
    }
}

pub fn config(number: u8, start: u8) -> Config {
    let mut seed = [number; 32];
    seed[0] = start;
    Config { signer: signer(number), verifier: Arc::new(Ed25519), seed }
}
