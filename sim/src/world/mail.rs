//! Direct messages: who wrote what to whom, where it is durable, and what users were told of it.
//!
//! | heard of | from |
//! |---|---|
//! | what a user writes, and that its node has acknowledged it | the engine, whose users they are |
//! | what became durable, where and when | the disks, the moment it does |
//! | what is shown, and how far a message is said to be | the nodes' reports |
//!
//! Each text is told from all others by its number, its author and its recipient, so that whatever a node stores or shows can be traced
//! to whoever wrote it. What must not be is noticed when it happens: the first [`Fault`] ends the run.

use std::collections::{BTreeMap, BTreeSet};

use node::{
    letters::records::Place,
    model::{DirectMessage, DirectState},
};

/// Messages of which an account is kept. Each costs some 150 bytes; no further ones are written.
pub const MAX_LETTERS: usize = 1_000_000;

/// What must hold of each direct message: it is there once.
pub const ONCE: &str = "a direct message is stored once and shown once";
/// It is what its author wrote, with the one to whom it was written.
pub const GENUINE: &str = "a direct message is what its author wrote to its recipient";
/// It is not lost, nor given up.
pub const KEPT: &str = "no direct message that was acknowledged is lost";
/// It is as far as is said of it.
pub const TRUE: &str = "what is said of a direct message is true, and survives a power cut";
/// It gets further and not back.
pub const FORWARD: &str = "the state of a direct message never goes back";
/// It stands behind those that were written before it.
pub const ORDER: &str = "direct messages of one author stand in the order in which they were written";
/// It arrives.
pub const ARRIVES: &str = "a direct message arrives when nothing is in its way";
/// What waits is bounded.
pub const BOUNDED: &str = "what a node keeps of direct messages is bounded";

/// A direct message that a user wrote.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its author.
    pub from: usize,
    /// Its recipient.
    pub to: usize,
    /// When its author's user wrote it.
    pub written_ms: u64,
    /// When its author's node acknowledged it; `None` if it did not.
    pub acknowledged_ms: Option<u64>,
    /// When it was durable with its recipient.
    pub arrived_ms: Option<u64>,
    /// Whether its author was told that a mailbox keeps it.
    pub was_sent: bool,
    /// How far its author was told it is.
    pub state: DirectState,
    bytes: usize,
    id: Option<String>,
    place: Option<Place>,
    was_shown: bool,
    was_read: bool,
}

impl Letter {
    /// Whether its author knows that it arrived.
    pub fn was_told(&self) -> bool {
        matches!(self.state, DirectState::Delivered | DirectState::Read)
    }
}

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When it was noticed.
    pub at_ms: u64,
    /// What does not hold.
    pub invariant: &'static str,
    /// What was found.
    pub detail: String,
    /// The hosts concerned.
    pub hosts: Vec<usize>,
}

/// The account.
#[derive(Default)]
pub struct Mail {
    /// By host.
    names: Vec<String>,
    by_peer: BTreeMap<String, usize>,
    letters: Vec<Letter>,
    by_id: BTreeMap<String, usize>,
    /// Acknowledged, and not with their recipients.
    pending: BTreeSet<usize>,
    /// By author and recipient.
    exchanged: BTreeMap<(usize, usize), Vec<usize>>,
    refused: u64,
    fault: Option<Fault>,
}

impl Mail {
    /// Among hosts with these names and peer ids.
    pub fn new(names: Vec<String>, peer_ids: Vec<String>) -> Self {
        Self { names, by_peer: peer_ids.into_iter().zip(0..).collect(), ..Self::default() }
    }

    /// All that was written, by number.
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// What was acknowledged and has not arrived.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = usize> {
        self.pending.iter().copied()
    }

    /// Messages that nodes did not take.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The first thing that was not as it must be, if that was not asked before.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Notes something that must not be.
    pub fn blame(&mut self, at_ms: u64, invariant: &'static str, detail: String, hosts: &[usize]) {
        self.fault.get_or_insert(Fault { at_ms, invariant, detail, hosts: hosts.to_vec() });
    }

    /// A message, as breaches call it.
    pub fn name(&self, number: usize) -> String {
        let letter = &self.letters[number];
        format!("direct message {number} from {} to {}", self.names[letter.from], self.names[letter.to])
    }

    // ---- what users do

    /// A user writes: the number of the message, and its text. `None` when there are too many.
    pub fn write(&mut self, now_ms: u64, from: usize, to: usize, bytes: usize) -> Option<(usize, String)> {
        let number = self.letters.len();
        if number >= MAX_LETTERS {
            return None;
        }
        self.letters.push(Letter {
            from,
            to,
            written_ms: now_ms,
            acknowledged_ms: None,
            arrived_ms: None,
            was_sent: false,
            state: DirectState::Queued,
            bytes,
            id: None,
            place: None,
            was_shown: false,
            was_read: false,
        });
        self.exchanged.entry((from, to)).or_default().push(number);
        Some((number, text(number, from, to, bytes)))
    }

    /// The node of a message's author acknowledged it.
    pub fn acknowledged(&mut self, now_ms: u64, number: usize, id: &str) {
        let from = self.letters[number].from;
        if self.letters[number].id.as_deref() != Some(id) {
            let detail = format!("{} is acknowledged and not on its author's disk", self.name(number));
            return self.blame(now_ms, KEPT, detail, &[from]);
        }
        self.letters[number].acknowledged_ms = Some(now_ms);
        if self.letters[number].arrived_ms.is_none() {
            self.pending.insert(number);
        }
    }

    /// A node did not take a message.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// A user has read all that one author wrote.
    pub fn read(&mut self, from: usize, to: usize) {
        let Self { letters, exchanged, .. } = self;
        for number in exchanged.get(&(from, to)).into_iter().flatten() {
            letters[*number].was_read |= letters[*number].arrived_ms.is_some();
        }
    }

    // ---- what nodes do

    /// A message became durable on a host.
    pub fn stored(&mut self, now_ms: u64, host: usize, place: Place, message: &DirectMessage) {
        let Some(number) = self.number_of(now_ms, host, message) else { return };
        let name = self.name(number);
        let letter = &mut self.letters[number];
        if letter.id.is_none() && host != letter.from {
            let detail = format!("{name} left its author's node before it was durable there");
            return self.blame(now_ms, TRUE, detail, &[host]);
        }
        let known = letter.id.get_or_insert_with(|| message.id.clone());
        if *known != message.id {
            let detail = format!("{name} is there as {known} and as {}", message.id);
            return self.blame(now_ms, ONCE, detail, &[host]);
        }
        self.by_id.insert(message.id.clone(), number);
        if host != letter.to {
            return;
        }
        if letter.place.is_some_and(|before| before != place) {
            let detail = format!("{name} was stored a second time by its recipient");
            return self.blame(now_ms, ONCE, detail, &[host]);
        }
        letter.place = Some(place);
        letter.arrived_ms.get_or_insert(now_ms);
        self.pending.remove(&number);
    }

    /// A node showed a message to its user, who was to get it. Returns its author.
    pub fn shown(&mut self, now_ms: u64, host: usize, message: &DirectMessage) -> Option<usize> {
        let number = self.number_of(now_ms, host, message)?;
        let name = self.name(number);
        let letter = &mut self.letters[number];
        if host != letter.to {
            return None;
        }
        if letter.arrived_ms.is_none() {
            let detail = format!("{name} was shown and is not on its recipient's disk");
            self.blame(now_ms, TRUE, detail, &[host]);
            return None;
        }
        if std::mem::replace(&mut letter.was_shown, true) {
            self.blame(now_ms, ONCE, format!("{name} was shown a second time"), &[host]);
            return None;
        }
        Some(letter.from)
    }

    /// A node told its user how far a message is that it wrote. Returns the message.
    pub fn told(&mut self, now_ms: u64, host: usize, id: &str, state: DirectState) -> Option<usize> {
        let Some(number) = self.by_id.get(id).copied().filter(|number| self.letters[*number].from == host) else {
            let detail = format!("{} was told of {id}, which it did not write, that it is {state:?}", self.names[host]);
            self.blame(now_ms, GENUINE, detail, &[host]);
            return None;
        };
        self.says(now_ms, number, state);
        Some(number)
    }

    /// What the history of a host says, with the newest `limit` messages that it holds; of all of them, if they are fewer.
    pub fn history(&mut self, now_ms: u64, host: usize, messages: &[DirectMessage], limit: usize) {
        let mut seen = BTreeSet::new();
        let mut last: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for message in messages {
            let Some(number) = self.number_of(now_ms, host, message) else { return };
            let (from, to) = (self.letters[number].from, self.letters[number].to);
            if !seen.insert(number) {
                let detail = format!("{} is twice in the history of {}", self.name(number), self.names[host]);
                return self.blame(now_ms, ONCE, detail, &[host]);
            }
            let before = last.insert((from, to), number);
            if let Some(before) = before.filter(|before| *before > number) {
                let detail = format!(
                    "in the history of {}, {} stands behind {}",
                    self.names[host],
                    self.name(number),
                    self.name(before)
                );
                return self.blame(now_ms, ORDER, detail, &[host]);
            }
            if host == from {
                self.says(now_ms, number, message.state);
            }
        }
        if messages.len() < limit {
            self.complete(now_ms, host, &seen);
        }
    }

    /// What a host has acknowledged as author or as recipient must be among what it holds.
    fn complete(&mut self, now_ms: u64, host: usize, held: &BTreeSet<usize>) {
        let owed = |letter: &Letter| {
            (letter.from == host && letter.acknowledged_ms.is_some())
                || (letter.to == host && letter.arrived_ms.is_some())
        };
        let lost = (0..self.letters.len()).find(|number| owed(&self.letters[*number]) && !held.contains(number));
        if let Some(lost) = lost {
            let detail = format!("{} is no longer on the disk of {}", self.name(lost), self.names[host]);
            self.blame(now_ms, KEPT, detail, &[host]);
        }
    }

    /// A node says how far a message is that its user wrote.
    fn says(&mut self, now_ms: u64, number: usize, state: DirectState) {
        let name = self.name(number);
        let letter = &mut self.letters[number];
        let (before, hosts) = (letter.state, [letter.from, letter.to]);
        letter.was_sent |= state == DirectState::Sent;
        letter.state = state.max(before);
        let arrived = letter.arrived_ms.is_some();
        let wrong = match state {
            _ if state < before => Some((FORWARD, format!("{name} was {before:?} and is {state:?}"))),
            DirectState::Queued | DirectState::Sent => None,
            DirectState::Delivered | DirectState::Read if !arrived => {
                Some((TRUE, format!("{name} is said to be {state:?}, and is not on its recipient's disk")))
            }
            DirectState::Read if !letter.was_read => {
                Some((TRUE, format!("{name} is said to be read, and its recipient's user has not read it")))
            }
            DirectState::Delivered | DirectState::Read => None,
            // Nobody blocks anybody here, and all speak the same language.
            DirectState::Refused | DirectState::Failed => Some((KEPT, format!("{name} was given up: {state:?}"))),
        };
        if let Some((invariant, detail)) = wrong {
            self.blame(now_ms, invariant, detail, &hosts);
        }
    }

    /// Which message this is. What nobody wrote, or not to whom it says, must not be.
    fn number_of(&mut self, now_ms: u64, host: usize, message: &DirectMessage) -> Option<usize> {
        let number = message.text.split(' ').next().and_then(|number| number.parse::<usize>().ok());
        let found = number.filter(|number| {
            self.letters.get(*number).is_some_and(|letter| {
                message.text == text(*number, letter.from, letter.to, letter.bytes)
                    && self.by_peer.get(&message.from) == Some(&letter.from)
                    && self.by_peer.get(&message.to) == Some(&letter.to)
                    && [letter.from, letter.to].contains(&host)
                    && letter.id.as_ref().is_none_or(|id| host == letter.from || *id == message.id)
            })
        });
        if found.is_none() {
            let detail = format!("{} holds what nobody wrote to it: {message:?}", self.names[host]);
            self.blame(now_ms, GENUINE, detail, &[host]);
        }
        found
    }
}

/// The text of a message.
fn text(number: usize, from: usize, to: usize, bytes: usize) -> String {
    format!("{:.<bytes$}", format!("{number} from host {from} to host {to} "))
}

#[cfg(test)]
mod tests;
