//! One host: its identity, its clock, its disk, and while it is up its machines.

use std::{collections::VecDeque, sync::Arc};

use proto::{
    PeerId,
    channel::WritePolicy,
    event::SignedEvent,
    hlc::MAX_ADVANCE_MS,
    ids::{ChannelId, LogId},
    live::Live,
    log::{Config, Replica},
    presence::Presence,
    signature::{Signer, Verifier},
    time::Now,
};

use super::{
    bits::Bits,
    disk::Disk,
    message::{Asker, Message},
    paths::Place,
    store::{Held, Library},
};

/// What is remembered of a host's latest doings, for the case that an invariant breaks.
pub const RECENT_EVENTS: usize = 10;

/// A host.
pub struct Host {
    /// Its key.
    pub signer: Signer,
    /// Its name for other hosts.
    pub peer: PeerId,
    /// Its store's own log.
    pub own_log: LogId,
    /// Index of its group.
    pub group: usize,
    /// Where it is.
    pub place: Place,
    /// Which part of the network it is in.
    pub side: u8,
    /// What its clock shows.
    pub clock: Clock,
    /// What its disk is doing.
    pub disk: Disk,
    /// What its disk holds.
    pub held: Held,
    /// Events that its user has seen, by number.
    pub shown: Bits,
    /// Counts its sessions: what was planned for an earlier one does not happen.
    pub session: u32,
    /// Whether it was stopped by the scenario's timetable, and does not come back by itself.
    pub stopped: bool,
    /// What runs in it; `None` while it is down.
    pub live: Option<Box<Session>>,
    /// Its latest doings.
    pub recent: Recent,
}

/// A wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// Milliseconds by which it is ahead at the start.
    pub ahead_ms: i64,
    /// Parts per million by which it runs too fast.
    pub drift_ppm: i64,
}

/// A host's program from its start to its end.
pub struct Session {
    /// The lobby's log.
    pub replica: Replica,
    /// Who is in the lobby, if the room is small enough.
    pub presence: Option<Box<Presence>>,
    /// Since when it is up.
    pub up_us: u64,
    /// Gossip messages that have come, by number.
    pub seen: Bits,
    /// Those whose verdict is not known yet.
    pub waiting: Vec<Waiting>,
    /// Questions that were not answered yet, by token.
    pub asked: Vec<(u64, Asker)>,
    /// Messages of the user that are on their way to the disk: token, and when they were said.
    pub saying: Vec<(u64, u64)>,
    /// When its next timer is planned.
    pub timer_us: Option<u64>,
    tokens: u64,
}

/// A gossip message that waits for its verdict.
#[derive(Debug)]
pub struct Waiting {
    /// The machine's name for it.
    pub token: u64,
    /// The message.
    pub message: Arc<Message>,
    /// Neighbours that have it.
    pub heard_from: Vec<u32>,
}

impl Host {
    /// The time as this host sees it.
    pub fn now(&self, now_us: u64) -> Now {
        let mono_ms = now_us / 1_000;
        let drifted_ms = (mono_ms as i64).saturating_mul(self.clock.drift_ppm) / 1_000_000;
        let ahead_ms = self.clock.ahead_ms.saturating_add(drifted_ms);
        Now { mono_ms, wall_ms: (interpose::EPOCH_MS + mono_ms).saturating_add_signed(ahead_ms) }
    }

    /// Starts the program: its machines are as they are after a start of the product with what the disk holds. What the
    /// user finds in the room then counts as shown.
    pub fn start(&mut self, now_us: u64, start: Start<'_>) {
        let now = self.now(now_us);
        let mut replica = Replica::new(Config {
            channel: start.channel,
            policy: WritePolicy::Anyone,
            signer: self.signer.clone(),
            verifier: Arc::clone(&start.verifier),
            own_log: self.own_log,
            seed: start.seeds[0],
        });
        for (key, position) in start.library.positions(&self.held) {
            replica.restore(now, key, position, false);
        }
        for (number, signed) in start.library.events(&self.held) {
            if is_due(signed, now) {
                self.shown.insert(number);
            } else {
                replica.restore_deferred(now, signed.clone());
            }
        }
        let presence = |seed| Presence::new(start.channel, self.signer.clone(), start.verifier, seed);
        let presence = start.presence.then(|| Box::new(presence(start.seeds[1])));
        self.session += 1;
        self.live = Some(Box::new(Session {
            replica,
            presence,
            up_us: now_us,
            seen: Bits::default(),
            waiting: Vec::new(),
            asked: Vec::new(),
            saying: Vec::new(),
            timer_us: None,
            tokens: 0,
        }));
    }
}

/// What a program is started with.
pub struct Start<'a> {
    /// The lobby.
    pub channel: ChannelId,
    /// Everything that is stored anywhere.
    pub library: &'a Library,
    /// Checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// Whether to run presence.
    pub presence: bool,
    /// For log and presence.
    pub seeds: [[u8; 32]; 2],
}

impl Session {
    /// A name for something that a machine will refer to.
    pub fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Takes note that `from` has a message, and says whether this is the first copy that came of it.
    pub fn is_first_copy(&mut self, from: u32, message: &Message) -> bool {
        if self.seen.insert(message.number) {
            return true;
        }
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.message.number == message.number) {
            waiting.heard_from.push(from);
        }
        false
    }

    /// Gives a message to its machine.
    pub fn hear(&mut self, now: Now, from: (u32, PeerId), message: &Arc<Message>) {
        let token = self.token();
        self.waiting.push(Waiting { token, message: Arc::clone(message), heard_from: vec![from.0] });
        match (&message.live, &mut self.presence) {
            (Live::Run(run), _) => {
                self.replica.handle(now, proto::log::Input::Gossip { from: from.1, token, run: run.clone() });
            }
            (Live::Presence(signed), Some(presence)) => {
                let signed = signed.clone();
                presence.handle(now, proto::presence::Input::Announcement { from: from.1, signed, token });
            }
            (Live::Presence(_), None) => {}
        }
    }

    /// The message that a verdict is about, with the neighbours that have it.
    pub fn take_waiting(&mut self, token: u64) -> Option<Waiting> {
        let index = self.waiting.iter().position(|waiting| waiting.token == token)?;
        Some(self.waiting.swap_remove(index))
    }

    /// Who asked a question.
    pub fn take_asked(&mut self, token: u64) -> Option<Asker> {
        let index = self.asked.iter().position(|(asked, _)| *asked == token)?;
        Some(self.asked.swap_remove(index).1)
    }

    /// When the user said what has become durable.
    pub fn take_saying(&mut self, token: u64) -> Option<u64> {
        let index = self.saying.iter().position(|(saying, _)| *saying == token)?;
        Some(self.saying.swap_remove(index).1)
    }
}

/// Whether an event is old enough to be shown.
pub fn is_due(signed: &SignedEvent, now: Now) -> bool {
    signed.event.hlc.ahead_ms(now.wall_ms) <= MAX_ADVANCE_MS
}

/// The latest doings of a host.
#[derive(Debug, Clone, Default)]
pub struct Recent(VecDeque<Doing>);

#[derive(Debug, Clone, Copy)]
struct Doing {
    at_us: u64,
    what: Did,
    other: u32,
}

/// What a host did, or what happened to it. The number beside it is the other host's, or an event's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It came up.
    CameUp,
    /// It went.
    Went,
    /// It began to say something.
    Said,
    /// It made an event durable.
    Stored,
    /// It showed an event to its user.
    Showed,
    /// Its disk failed.
    DiskFailed,
    /// It linked with another.
    Linked,
    /// It lost a link.
    Unlinked,
    /// It asked another.
    Asked,
    /// It got an answer from another.
    GotAnswer,
    /// A question of its came to nothing.
    GotNoAnswer,
}

impl Recent {
    /// Notes something; what happened longest ago is forgotten.
    pub fn note(&mut self, at_us: u64, what: Did, other: u32) {
        if self.0.len() >= RECENT_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(Doing { at_us, what, other });
    }

    /// As lines, with their times.
    pub fn lines(&self, host: u32) -> impl Iterator<Item = (u64, String)> {
        self.0.iter().map(move |doing| {
            let at_s = doing.at_us as f64 / 1e6;
            (doing.at_us, format!("{at_s:.6} s, host {host}: {:?} {}", doing.what, doing.other))
        })
    }
}
