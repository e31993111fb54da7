//! Private rooms: drives [`PrivateRooms`], and does for it what only a node can: be in channels, store records, write letters.

use std::{collections::BTreeMap, sync::Arc};

use proto::{
    channel::RoomName,
    ids::{Author, ChannelId},
    private::{
        Invite,
        rooms::{CommitId, Config, Done, Input, Output, PrivateRooms, Record, Refused, Whom},
    },
    time::{Deadline, Now},
};
use tokio::sync::watch;

use super::{
    context::{Cx, Effect},
    journal::{DirectCommit, Written},
    rooms::Rooms,
};
use crate::{
    handle::{Answer, CallError},
    letters::records,
    model::{Invitation, JoinedRoom, NodeEvent, Rotation},
    store::{
        Store, StoreError,
        tables::{EntryChange, MAX_VALUE_BYTES, Table, read_all},
    },
};

const _: () = assert!(proto::private::rooms::MAX_RECORD_BYTES <= MAX_VALUE_BYTES);

/// The channels in which the history of each private room lies.
pub type Names = Arc<BTreeMap<RoomName, Vec<ChannelId>>>;

/// What the user wants of private rooms.
#[derive(Debug)]
pub enum Command {
    /// Make one.
    Create(RoomName, Answer<Invitation>),
    /// Come in by a link, and perhaps call the room so.
    Join(Box<Invite>, Option<RoomName>, Answer<JoinedRoom>),
    /// See the link.
    Invite(RoomName, Answer<Invitation>),
    /// Make a new key, and tell these members of it.
    Rotate(RoomName, Whom, Answer<Rotation>),
    /// Whom the owner would tell of a new key.
    Members(RoomName, Answer<Vec<Author>>),
}

/// Somebody who waits for a wish to come true.
enum Caller {
    Create(Answer<Invitation>),
    Join(Answer<JoinedRoom>, Vec<String>),
    Return(Answer<()>),
    Leave(Answer<()>),
    Rotate(Answer<Rotation>),
}

/// The private rooms.
pub struct Private {
    machine: PrivateRooms,
    /// As many as there are calls, which are bounded.
    callers: BTreeMap<u64, Caller>,
    next_token: u64,
    names: watch::Sender<Names>,
    /// Where others reach this node, for invitations.
    addresses: Vec<String>,
}

/// Reads what the store holds.
///
/// # Errors
/// [`StoreError`].
pub async fn restore(store: &dyn Store) -> Result<Vec<Record>, StoreError> {
    let decode = |(_, bytes): (_, Vec<u8>)| Record::decode(&bytes);
    let records: Result<_, _> = read_all(store, Table::PrivateRooms).await?.into_iter().map(decode).collect();
    records.map_err(|_| records::damaged(Table::PrivateRooms))
}

impl Private {
    /// With what the store holds.
    pub fn new(now: Now, config: Config, records: Vec<Record>) -> Self {
        let machine = PrivateRooms::new(now, config, records);
        let private = Self {
            machine,
            callers: BTreeMap::new(),
            next_token: 0,
            names: watch::Sender::default(),
            addresses: vec![],
        };
        private.tell_names();
        private
    }

    /// The channels of each room, as they change.
    pub fn names(&self) -> watch::Receiver<Names> {
        self.names.subscribe()
    }

    /// The room of that name.
    pub fn find(&self, name: &RoomName) -> Option<&Record> {
        self.machine.find(name)
    }

    /// Whether a private room has that name, or may have it in a moment.
    pub fn is_taken(&self, name: &RoomName) -> bool {
        self.machine.is_taken(name)
    }

    /// Where others reach this node, the best address first.
    pub fn reached_at(&mut self, addresses: Vec<String>) {
        self.addresses = addresses;
    }

    // ---- what the user wants

    /// Does what is wanted.
    pub fn command(&mut self, cx: &mut Cx, rooms: &mut Rooms, command: Command) {
        // Whoever asked may have gone: a failed send of an answer is nobody's loss.
        match command {
            Command::Create(name, answer) if rooms.is_in_open(&name) => {
                drop(answer.send(Err(CallError::PrivateRoom(Refused::NameTaken(name)))));
            }
            Command::Create(name, answer) => {
                let token = self.wait(Caller::Create(answer));
                self.handle(cx, rooms, Input::Create { token, name });
            }
            Command::Join(invite, name, answer) => {
                let wanted = name.as_ref().unwrap_or(&invite.name);
                if self.machine.room(&invite.signed.epoch().room()).is_none() && rooms.is_in_open(wanted) {
                    return drop(answer.send(Err(CallError::PrivateRoom(Refused::NameTaken(wanted.clone())))));
                }
                let token = self.wait(Caller::Join(answer, invite.addresses.clone()));
                self.handle(cx, rooms, Input::Join { token, invite, name });
            }
            Command::Invite(name, answer) => drop(answer.send(match self.machine.find(&name) {
                Some(record) => Ok(self.invitation(record.invite())),
                None => Err(CallError::PrivateRoom(Refused::Unknown(name))),
            })),
            Command::Rotate(name, whom, answer) => {
                let token = self.wait(Caller::Rotate(answer));
                self.handle(cx, rooms, Input::Rotate { token, name, whom });
            }
            Command::Members(name, answer) => drop(answer.send(match self.machine.find(&name) {
                Some(record) => Ok(record.members.iter().copied().collect()),
                None => Err(CallError::PrivateRoom(Refused::Unknown(name))),
            })),
        }
    }

    /// Comes back into a room that was left.
    pub fn come_back(&mut self, cx: &mut Cx, rooms: &mut Rooms, name: RoomName, answer: Answer<()>) {
        let token = self.wait(Caller::Return(answer));
        self.handle(cx, rooms, Input::Return { token, name });
    }

    /// Leaves a room.
    pub fn leave(&mut self, cx: &mut Cx, rooms: &mut Rooms, name: RoomName, answer: Answer<()>) {
        let token = self.wait(Caller::Leave(answer));
        self.handle(cx, rooms, Input::Leave { token, name });
    }

    fn wait(&mut self, caller: Caller) -> u64 {
        self.next_token += 1;
        self.callers.insert(self.next_token, caller);
        self.next_token
    }

    // ---- what happens

    /// A letter came, or is among the last that came.
    pub fn letter(&mut self, cx: &mut Cx, rooms: &mut Rooms, from: Author, text: &str) {
        if let Some(invite) = Invite::from_key_letter(text) {
            self.handle(cx, rooms, Input::Letter { from, invite: Box::new(invite) });
        }
    }

    /// What became of a letter of ours.
    pub fn letter_written(&mut self, cx: &mut Cx, rooms: &mut Rooms, token: u64, written: bool) {
        self.handle(cx, rooms, Input::LetterWritten { token, written });
    }

    /// Somebody is in a channel, or wrote there.
    pub fn seen(&mut self, cx: &mut Cx, rooms: &mut Rooms, channel: ChannelId, who: Author) {
        self.handle(cx, rooms, Input::Seen { channel, who });
    }

    /// The store answered.
    pub fn written(&mut self, cx: &mut Cx, rooms: &mut Rooms, written: &Written) {
        let ours = |commit: &DirectCommit| if let DirectCommit::Private(id) = commit { Some(*id) } else { None };
        let Some(through) = written.direct.iter().rev().find_map(ours) else { return };
        let failed = written.result.is_err();
        self.handle(cx, rooms, if failed { Input::PersistFailed } else { Input::Persisted { through } });
    }

    /// When [`Private::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx, rooms: &mut Rooms) {
        if self.deadline().is_some_and(|at| cx.now.reached(at)) {
            self.machine.handle_timeout(cx.now);
            self.drain(cx, rooms);
        }
    }

    fn handle(&mut self, cx: &mut Cx, rooms: &mut Rooms, input: Input) {
        self.machine.handle(cx.now, input);
        self.drain(cx, rooms);
    }

    /// Carries out what the machine wants.
    pub fn drain(&mut self, cx: &mut Cx, rooms: &mut Rooms) {
        while let Some(output) = self.machine.poll_output() {
            self.output(cx, rooms, output);
        }
    }

    fn output(&mut self, cx: &mut Cx, rooms: &mut Rooms, output: Output) {
        match output {
            Output::Persist { commit, changes } => persist(cx, commit, changes),
            Output::Open { name, epoch, station } => {
                rooms.join_private(cx, name, *epoch, station);
                self.tell_names();
            }
            Output::Close(channel) => {
                rooms.leave_private(cx, channel);
                self.tell_names();
            }
            Output::Came(name) => cx.report(NodeEvent::RoomJoined { room: name.to_string() }),
            Output::Went(name) => cx.report(NodeEvent::RoomLeft { room: name.to_string() }),
            Output::Moved { name, number } => {
                cx.report(NodeEvent::RoomRotated { room: name.to_string(), epoch: number });
            }
            Output::Tell { token, to, invite } => {
                let mut invite = *invite;
                invite.addresses.clone_from(&self.addresses);
                let text = invite.key_letter();
                cx.effects.push_back(Effect::Letter { token, to, text });
            }
            Output::Done { token, done } => self.done(cx, token, done),
            Output::Refused { token, why } => self.refused(cx, token, why),
        }
    }

    fn done(&mut self, cx: &mut Cx, token: u64, done: Done) {
        // Whoever asked may have gone.
        match (self.callers.remove(&token), done) {
            (Some(Caller::Create(answer)), Done::Entered(invite)) => drop(answer.send(Ok(self.invitation(*invite)))),
            (Some(Caller::Join(answer, addresses)), Done::Entered(invite)) => {
                let through = addresses.iter().filter_map(|address| address.parse().ok()).map(Effect::JoinThrough);
                cx.effects.extend(through);
                let room = invite.name.to_string();
                drop(answer.send(Ok(JoinedRoom { room, epoch: invite.signed.epoch().number() })));
            }
            (Some(Caller::Return(answer)), Done::Entered(_)) => drop(answer.send(Ok(()))),
            (Some(Caller::Leave(answer)), Done::Left) => drop(answer.send(Ok(()))),
            (Some(Caller::Rotate(answer)), Done::Rotated { invite, told }) => {
                let Invitation { room, link, epoch } = self.invitation(*invite);
                let peers = told.iter().filter_map(Author::peer_id).map(|peer| peer.to_string());
                drop(answer.send(Ok(Rotation { room, link, epoch, told: peers.collect() })));
            }
            // Each wish has its own kind of end.
            _ => {}
        }
    }

    fn refused(&mut self, cx: &Cx, token: u64, why: Refused) {
        let error = match why {
            Refused::Overloaded => CallError::Overloaded,
            Refused::NotInRoom(name) => CallError::NotInRoom(name),
            Refused::NotStored => CallError::Store(cx.journal.last_error().cloned().unwrap_or(StoreError::Closed)),
            why => CallError::PrivateRoom(why),
        };
        // Whoever asked may have gone.
        match self.callers.remove(&token) {
            Some(Caller::Create(answer)) => drop(answer.send(Err(error))),
            Some(Caller::Join(answer, _)) => drop(answer.send(Err(error))),
            Some(Caller::Return(answer) | Caller::Leave(answer)) => drop(answer.send(Err(error))),
            Some(Caller::Rotate(answer)) => drop(answer.send(Err(error))),
            None => {}
        }
    }

    /// With our addresses, as a link.
    fn invitation(&self, mut invite: Invite) -> Invitation {
        invite.addresses.clone_from(&self.addresses);
        Invitation { room: invite.name.to_string(), link: invite.link(), epoch: invite.signed.epoch().number() }
    }

    fn tell_names(&self) {
        let names = self.machine.rooms().map(|record| (record.name.clone(), record.channels())).collect();
        self.names.send_replace(Arc::new(names));
    }
}

fn persist(cx: &mut Cx, commit: CommitId, changes: Vec<(ChannelId, Option<Record>)>) {
    let entry = |(room, record): (ChannelId, Option<Record>)| EntryChange {
        table: Table::PrivateRooms,
        key: room.0.to_vec(),
        value: record.as_ref().map(Record::encode),
    };
    cx.journal.direct(DirectCommit::Private(commit), changes.into_iter().map(entry).collect());
}
