//! The task that owns the swarm.
//!
//! Each turn waits for one [`Action`], applies it without waiting for anything, does what has become due, passes wishes
//! between capabilities, and hands the store what has gathered. So nothing here can be stalled by a slow disk, a slow peer or
//! a slow user. The downside: one action's work delays all others, so no action may do much.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{PeerId, Swarm, swarm::SwarmEvent};
use proto::{
    channel::RoomName,
    private::rooms::Refused,
    rate::TokenBucket,
    time::{Deadline, Now},
};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    Settings,
    behaviour::{Behaviour, BehaviourEvent},
    calls::Calls,
    context::{Cx, Effect},
    direct::{self, Direct},
    guard::Guard,
    journal::{Journal, Written},
    lookups::Lookups,
    network::Network,
    peers::Peers,
    private::Private,
    reach::Reach,
    reads::{Read, Reads},
    rendezvous::Rendezvous,
    report,
    rooms::Rooms,
    shares::{self, Shares},
    stopping::{self, Stopping},
};
use crate::{
    clock::Clock,
    handle::{self, CallError, Command},
    letters::records::Kept,
    model::NodeEvent,
};

/// Actions of one kind that are handled before timers and others get a turn again.
const MAX_BURST: usize = 64;

/// Something to react to.
enum Action {
    Swarm(Box<SwarmEvent<BehaviourEvent>>),
    Command(Command),
    Written(Written),
    Read(Box<Read>),
    Anonymous(Box<direct::Came>),
    Share(Box<shares::Came>),
    Timeout,
}

/// The task's state: the swarm, and each capability.
pub(super) struct Task {
    pub swarm: Swarm<Behaviour>,
    pub commands: mpsc::Receiver<Command>,
    pub reports: broadcast::Sender<NodeEvent>,
    pub clock: Arc<dyn Clock>,
    pub settings: Settings,
    pub journal: Journal,
    pub reads: Reads,
    pub calls: Calls,
    pub rooms: Rooms,
    pub private: Private,
    pub network: Network,
    pub rendezvous: Rendezvous,
    pub direct: Direct,
    pub shares: Shares,
    pub reach: Reach,
    pub lookups: Lookups,
    pub guard: Guard,
    pub peers: Peers,
    pub forwarding: TokenBucket,
    pub effects: VecDeque<Effect>,
    pub started: Now,
    pub stopping: Option<Stopping>,
}

/// The context of a capability, lent from the rest of the task.
macro_rules! lend {
    ($task:ident, $now:expr) => {
        Cx {
            now: $now,
            behaviour: $task.swarm.behaviour_mut(),
            journal: &mut $task.journal,
            calls: &mut $task.calls,
            reads: &mut $task.reads,
            forwarding: &mut $task.forwarding,
            effects: &mut $task.effects,
            reports: &$task.reports,
        }
    };
}

pub(super) use lend;

impl Task {
    /// Runs until told to stop.
    pub async fn run(mut self) {
        self.turn_end(self.clock.now());
        loop {
            let action = self.select().await;
            let now = self.clock.now();
            self.apply(now, action);
            self.burst(now);
            self.turn_end(now);
            if self.has_stopped(now) {
                break;
            }
        }
        if let Some(stopping) = self.stopping {
            stopping.finish();
        }
    }

    /// Comes into rooms: the private ones that it was in before, and these, each durably. `letters` are the last ones, the newest first:
    /// they may tell of new keys.
    pub fn enter(&mut self, now: Now, names: Vec<RoomName>, letters: &[Kept]) {
        self.reached_at();
        self.private.drain(&mut lend!(self, now), &mut self.rooms);
        for name in names {
            if self.private.find(&name).is_none() {
                self.rooms.join(&mut lend!(self, now), name, None);
            } else {
                // Nobody waits for the answer.
                self.join(now, name, oneshot::channel().0);
            }
        }
        for (kept, text) in letters.iter().rev().filter_map(|kept| Some((kept, kept.text()?))) {
            if let Kept::Theirs(letter) = kept {
                self.private.letter(&mut lend!(self, now), &mut self.rooms, letter.from, &text.text);
            }
        }
    }

    /// Where others reach this node may have changed.
    pub fn reached_at(&mut self) {
        let addresses = report::reached_at(&self.swarm);
        self.private.reached_at(addresses.clone());
        self.shares.reached_at(addresses);
    }

    /// The only place that waits.
    async fn select(&mut self) -> Action {
        let wait = self.deadline().map(|at| at.0.saturating_sub(self.clock.now().mono_ms));
        let timeout = async {
            match wait {
                Some(wait_ms) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            written = self.journal.written() => Action::Written(written),
            event = self.swarm.select_next_some() => Action::Swarm(Box::new(event)),
            Some(command) = self.commands.recv() => Action::Command(command),
            read = self.reads.next() => Action::Read(Box::new(read)),
            came = self.direct.came() => Action::Anonymous(Box::new(came)),
            came = self.shares.came() => Action::Share(Box::new(came)),
            () = timeout => Action::Timeout,
        }
    }

    /// Handles what is ready already, so that it shares a turn: one batch to the store, one look at the timers.
    fn burst(&mut self, now: Now) {
        for _ in 0..MAX_BURST {
            let Ok(command) = self.commands.try_recv() else { break };
            self.apply(now, Action::Command(command));
        }
    }

    fn apply(&mut self, now: Now, action: Action) {
        match action {
            Action::Swarm(event) => self.swarm_event(now, *event),
            Action::Command(command) => self.command(now, command),
            Action::Written(written) => self.written(now, &written),
            Action::Read(read) => match *read {
                Read::Letters(letters) => self.direct.read(&mut lend!(self, now), letters),
                read => self.rooms.read(&mut lend!(self, now), read),
            },
            Action::Anonymous(came) => self.direct.anonymous(&mut lend!(self, now), *came),
            Action::Share(came) => self.shares.handle(&mut lend!(self, now), *came),
            Action::Timeout => {}
        }
    }

    fn written(&mut self, now: Now, written: &Written) {
        if let Err(error) = &written.result {
            lend!(self, now).warn(format!("messages could not be stored: {error}"));
        }
        self.rooms.written(&mut lend!(self, now), written);
        self.private.written(&mut lend!(self, now), &mut self.rooms, written);
        self.direct.written(&mut lend!(self, now), written);
    }

    /// What ends every turn: timers, wishes between capabilities, the store.
    fn turn_end(&mut self, now: Now) {
        self.rooms.timeout(&mut lend!(self, now));
        self.guard.timeout(&mut lend!(self, now));
        // Who stops sends nothing more.
        if self.stopping.is_none() {
            self.direct.timeout(&mut lend!(self, now));
            self.private.timeout(&mut lend!(self, now), &mut self.rooms);
            self.shares.timeout(&mut lend!(self, now));
        }
        while let Some(effect) = self.effects.pop_front() {
            self.effect(now, effect);
        }
        // Who stops no longer looks for anybody.
        if self.stopping.is_none() {
            self.rendezvous.turn(now, self.swarm.behaviour_mut(), |channel| self.rooms.peers_in(channel));
            self.network.turn(now, &mut self.swarm, &mut self.journal);
        }
        if let Some(failed) = self.journal.flush() {
            self.written(now, &failed);
        }
    }

    fn effect(&mut self, now: Now, effect: Effect) {
        match effect {
            Effect::Penalise { peer, offence } => self.guard.penalise(&mut lend!(self, now), peer, offence),
            Effect::Joined { channel, everybody } => self.rendezvous.joined(now, channel, everybody),
            Effect::Left(channel) => self.rendezvous.left(self.swarm.behaviour_mut(), &channel),
            Effect::RoomPeer { peer } => self.network.room_peer(now, peer),
            Effect::NoRoomPeer { peer } => self.network.no_room_peer(now, peer),
            Effect::Heard => self.network.heard(now),
            Effect::Useful { peer } => self.network.useful(now, &peer),
            Effect::Banned { peer } => self.network.banned(now, peer),
            Effect::Unbanned { peer } => self.network.unbanned(now, peer),
            Effect::Reach { peer, addresses } => {
                self.network.direct_peer(now, peer);
                self.reach.insist(&mut self.swarm, peer, addresses);
            }
            Effect::Dial { peer, addresses } => _ = self.reach.dial(&mut self.swarm, peer, addresses),
            Effect::Transfers { peer, transfers } => self.network.transfers(now, peer, transfers),
            Effect::OpenLane { peer } => match self.peers.get(&peer).and_then(|connected| connected.best()) {
                Some((connection, _)) => self.swarm.behaviour_mut().lanes.open(peer, connection),
                None => self.shares.no_lane(&mut lend!(self, now), peer),
            },
            Effect::Appeared { who, name } => self.direct.appeared(&mut lend!(self, now), who, &name),
            Effect::Letter { token, to, text } => {
                self.direct.write_for_room(&mut lend!(self, now), token, to, text);
            }
            Effect::LetterWritten { token, written } => {
                self.private.letter_written(&mut lend!(self, now), &mut self.rooms, token, written);
            }
            Effect::LetterCame { from, text } => {
                self.private.letter(&mut lend!(self, now), &mut self.rooms, from, &text);
            }
            Effect::Seen { channel, who } => self.private.seen(&mut lend!(self, now), &mut self.rooms, channel, who),
            Effect::JoinThrough(address) => drop(self.network.join_through(now, &address)),
        }
    }

    fn deadline(&self) -> Option<Deadline> {
        let always = [self.rooms.deadline(), self.guard.deadline()];
        let last = match &self.stopping {
            Some(stopping) => [Some(stopping.deadline(self.journal.is_idle())), None, None],
            None => [
                Deadline::earliest(self.network.deadline(), self.rendezvous.deadline()),
                Deadline::earliest(self.direct.deadline(), self.private.deadline()),
                self.shares.deadline(),
            ],
        };
        always.into_iter().chain(last).flatten().min()
    }

    fn has_stopped(&mut self, now: Now) -> bool {
        let Some(stopping) = &mut self.stopping else { return false };
        match stopping.turn(now, self.journal.is_idle(), self.peers.count()) {
            stopping::Next::Wait => false,
            stopping::Next::Stopped => true,
            stopping::Next::Close => {
                let peers: Vec<PeerId> = self.peers.iter().map(|(peer, _)| *peer).collect();
                for peer in peers {
                    // `Err` when it is not connected any more.
                    let _ = self.swarm.disconnect_peer_id(peer);
                }
                false
            }
        }
    }

    fn command(&mut self, now: Now, command: Command) {
        // Whoever asked may have gone: a failed send of an answer is nobody's loss.
        match command {
            Command::Status(answer) => drop(answer.send(Ok(report::status(self, now)))),
            Command::Peers(answer) => drop(answer.send(Ok(report::peers(self)))),
            Command::Rooms(answer) => drop(answer.send(Ok(report::rooms(self)))),
            Command::Who(name, answer) => {
                let found = self.rooms.joined().into_iter().find(|room| *room.name() == name);
                drop(answer.send(found.map(|room| room.members(now)).ok_or(CallError::NotInRoom(name))));
            }
            Command::Join(name, answer) => self.join(now, name, answer),
            Command::Leave(name, answer) => match self.private.find(&name) {
                Some(_) => self.private.leave(&mut lend!(self, now), &mut self.rooms, name, answer),
                None => self.rooms.leave(&mut lend!(self, now), &name, answer),
            },
            Command::Shares(command) => self.shares.command(&mut lend!(self, now), command, &self.peers),
            Command::Private(command) => self.private.command(&mut lend!(self, now), &mut self.rooms, command),
            Command::Say(name, text, answer) => self.rooms.say(&mut lend!(self, now), name, &text, answer),
            Command::Dial(address, answer) => {
                self.network.join_through(now, &address);
                drop(answer.send(Ok(())));
            }
            Command::Sync(answer) => {
                self.rooms.sync(&mut lend!(self, now));
                drop(answer.send(Ok(())));
            }
            Command::Provide(key, answer) => drop(answer.send(Lookups::provide(self.swarm.behaviour_mut(), key))),
            Command::StopProviding(key, answer) => {
                Lookups::stop_providing(self.swarm.behaviour_mut(), key);
                drop(answer.send(Ok(())));
            }
            Command::FindProviders(key, wanted, answer) => {
                self.lookups.find(self.swarm.behaviour_mut(), key, wanted, answer);
            }
            Command::Message(to, text, answer) => self.direct.write(&mut lend!(self, now), to, text, answer),
            Command::MarkRead(from, read, answer) => self.direct.mark_read(&mut lend!(self, now), from, read, answer),
            Command::Dismiss(who, letters, answer) => {
                self.direct.dismiss(&mut lend!(self, now), who, letters, answer);
            }
            Command::People(answer) => drop(answer.send(Ok(report::people(self, now)))),
            Command::NameContact(who, name, answer) => self.direct.name(&mut lend!(self, now), who, name, answer),
            Command::Block(who, blocked, answer) => self.direct.block(&mut lend!(self, now), who, blocked, answer),
            Command::RotateKey(answer) => self.direct.rotate(&mut lend!(self, now), answer),
            Command::Shutdown(answer) => self.stop(now, answer),
        }
    }

    /// A private room that was left is come back to by its name, as an open one is.
    fn join(&mut self, now: Now, name: RoomName, answer: handle::Answer<()>) {
        match self.private.find(&name).map(|record| record.joined) {
            Some(true) => drop(answer.send(Ok(()))),
            Some(false) => self.private.come_back(&mut lend!(self, now), &mut self.rooms, name, answer),
            None if self.private.is_taken(&name) => {
                drop(answer.send(Err(CallError::PrivateRoom(Refused::NameTaken(name)))));
            }
            None => self.rooms.join(&mut lend!(self, now), name, Some(answer)),
        }
    }

    fn stop(&mut self, now: Now, answer: handle::Answer<()>) {
        if self.stopping.is_none() {
            self.rooms.close(&mut lend!(self, now));
        }
        self.stopping.get_or_insert_with(|| Stopping::new(now)).tell(answer);
    }
}
