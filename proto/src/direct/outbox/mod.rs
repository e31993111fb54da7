//! The outbox: how our letters get to those for whom they are, whoever of us is away and when.
//!
//! Each letter gets the next number of its recipient's stream and a time later than all before, is signed, and handed to the store.
//! Only when it is durable is the user told, and only then does anything of it leave: so no number is ever given twice, and
//! what was acknowledged to the user survives a crash. From then on it is brought to the recipient in two ways, until the recipient has it:
//!
//! * **Directly**, whenever we are connected: up to [`WINDOW`] letters at a time, in order, each acknowledged by itself. If
//!   the recipient's card is not known it is asked for it. A recipient that has another key by now answers with its
//!   newer card, and the letter is sealed again at once.
//! * **By mailboxes**, while we are not: a copy for each mailbox that the recipient's card names, each sealed anew, so that mailboxes
//!   cannot see that theirs is the same. Who keeps which copy is durable, so that a restart leaves nothing twice. A copy is left again
//!   when it is [`REDEPOSIT_MS`] old, and when a newer card names another mailbox or another key.
//!
//! Meanwhile the recipient is looked for, ever more rarely ([`SEARCH`]), and so is its card if there is none that helps: it names no
//! mailbox, or one that does not know the recipient, or none that works ([`DEPOSIT_FAILURES`]), or it is a week old. Both ways may bring a letter twice; the recipient
//! knows it by its number.
//!
//! | a letter is | when | then |
//! |---|---|---|
//! | queued | durable here | |
//! | sent | durable in at least one mailbox | still brought directly when the recipient appears |
//! | delivered | the recipient said so, or a receipt of it | forgotten here |
//! | refused | the recipient does not want it | forgotten here |
//! | failed | the recipient could make nothing of it, [`MAX_INVALID`] times | forgotten here |
//!
//! The states stand in this order, and no letter goes back. Each change is durable before the user sees it; what the store does not take
//! is tried again. Delivered letters may come to be read: of each stream is kept up to where.
//!
//! **Receipts** of our inbox go the same ways. Only the latest for each recipient counts, none is durable here (the inbox says it
//! again after a restart, unless it was told [`Output::ReceiptSent`]), and one copy in one mailbox is enough. Those of others are kept
//! where they came from until what they say is durable ([`Output::ReceiptNoted`]).
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_LETTERS_EACH`], [`MAX_BYTES_EACH`] waiting for one recipient | 1,024, 4 MiB | the user may not write to it |
//! | [`MAX_LETTERS`], [`MAX_BYTES`] waiting | 262,144, 64 MiB | the user may not write |
//! | [`MAX_RECIPIENTS`] ever written to | 1,048,576 | the user may not write to others |
//! | [`MAX_RECEIPTS`] waiting | 4,096 | the one unchanged for longest is forgotten |
//! | [`MAX_CARDS`] | 16,384 | the one taken longest ago is forgotten, and looked for when it is needed |
//! | [`WINDOW`] questions to one recipient, [`MAX_ASKING`] to all | 16, 256 | others wait in line |
//! | one deposit for one recipient in one mailbox, [`MAX_DEPOSITING`] in all | 16 | others wait in line |
//! | [`SEARCHES`] | 20 a second | others wait |
//! | [`MAX_TURNS`] recipients served at a time | 1,024 | others come right after |
//!
//! Whoever is connected is known from the driver, which bounds how many there are. The driver answers each question once, in its own time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::{
    backoff::Policy,
    hlc::Timestamp,
    ids::Author,
    rate::{Rate, TokenBucket},
    time::{Deadline, Now},
};

mod answers;
mod cards;
mod correspondent;
mod interface;
mod journal;
mod questions;
mod receipts;
mod schedule;
#[cfg(test)]
pub(super) mod tests;
mod ways;
mod writing;

use cards::Cards;
use correspondent::Correspondent;
pub use interface::*;
use journal::Journal;
use questions::Questions;

use crate::{direct::letter::Content, schedule::Schedule};

/// Letters that wait for one recipient: weeks of writing to somebody who is away, and what one may go through at each turn.
pub const MAX_LETTERS_EACH: usize = 1_024;

/// Bytes that they count for: some 170 of the longest.
pub const MAX_BYTES_EACH: usize = 4 * 1024 * 1024;

/// Letters that wait in all: a few for each of 100,000 recipients.
pub const MAX_LETTERS: usize = 262_144;

/// Bytes that they count for. They are held in memory.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Recipients ever written to, at some 64 bytes each.
pub const MAX_RECIPIENTS: usize = 1 << 20;

/// Receipts that wait. Whoever writes to us makes one, so strangers can fill this.
pub const MAX_RECEIPTS: usize = 4_096;

/// Cards. At most 64 MiB, some 8 MiB as they are.
pub const MAX_CARDS: usize = 16_384;

/// Questions to one recipient under way: keeps a connection of 100 ms busy with 160 letters a second.
pub const WINDOW: usize = 16;

/// Questions to recipients under way: with the largest letters, 8 MiB.
pub const MAX_ASKING: usize = 256;

/// Deposits under way: with the largest batches, 12 MiB.
pub const MAX_DEPOSITING: usize = 16;

/// Deposits of receipts alone under way: strangers choose how many we owe and where they go, so that no letter waits for them.
pub const MAX_TELLING: usize = 4;

/// Recipients that one call serves: bounds how long it takes after a restart.
pub const MAX_TURNS: usize = 1_024;

/// Changes in one commit.
pub const MAX_CHANGES: usize = 1_024;

/// How often a letter is sealed again at once because the recipient has another key. More are not honest.
pub const MAX_REKEYS: u32 = 3;

/// How often a recipient may say that it can make nothing of a letter before that is believed.
pub const MAX_INVALID: u32 = 3;

/// How often somebody is looked for only to be told what became of its letters. It learns that as well when it next sends them.
pub const MAX_RECEIPT_SEARCHES: u32 = 6;

/// Milliseconds after which a copy is left again: mailboxes keep it two days longer ([`KEEP_MS`](super::card::KEEP_MS)).
pub const REDEPOSIT_MS: u64 = 12 * 24 * 3_600_000;

const _: () = assert!(REDEPOSIT_MS + 24 * 3_600_000 <= super::card::KEEP_MS);

/// Milliseconds for which receipts are collected before one is left with mailboxes.
pub const RECEIPT_DELAY_MS: u64 = 5_000;

/// How long to wait between searches for one recipient.
pub const SEARCH: Policy = Policy { first_ms: 1_000, cap_ms: 600_000, jitter_percent: 25 };

/// How long to leave a recipient, a mailbox or the store alone that took nothing.
pub const RETRY: Policy = Policy { first_ms: 1_000, cap_ms: 600_000, jitter_percent: 25 };

/// How often in a row each mailbox of a card must have failed, half a minute or more, before a newer card is looked for.
pub const DEPOSIT_FAILURES: u32 = 6;

/// Searches in all: after a restart, 100,000 recipients are not dialled at once.
pub const SEARCHES: Rate = Rate::per_second(20, 100);

/// What is known of all letters to one recipient.
#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    /// The number of the last durable letter.
    last_seq: u64,
    /// The number of the last letter.
    last_given: u64,
    /// All delivered letters up to this number were read.
    read_through: u64,
    /// What the user knows of that.
    told_read: u64,
}

/// Our letters to everybody.
pub struct Outbox {
    config: Config,
    /// The bytes of our peer id. A letter left with ourselves would not be any safer.
    own_peer: Vec<u8>,
    rng: ChaCha20Rng,
    outputs: VecDeque<Output>,
    journal: Journal,
    streams: BTreeMap<Author, Stream>,
    /// The time of the last letter.
    last: Timestamp,
    correspondents: BTreeMap<Author, Correspondent>,
    letters: usize,
    bytes: usize,
    /// The receipts that wait, the one unchanged for longest first.
    receipts: BTreeSet<(u64, Author)>,
    next_receipt: u64,
    cards: Cards,
    connected: BTreeSet<Author>,
    questions: Questions,
    /// Who is to be served when.
    turns: Schedule<Author>,
    /// Who is to be looked for when.
    searches: Schedule<Author>,
    search_rate: TokenBucket,
    /// When the rate allows the next search.
    next_search: Option<Deadline>,
}

impl Outbox {
    /// An outbox with what the store has; for a new store, nothing.
    pub fn restore(now: Now, config: Config, saved: Saved) -> Self {
        let rng = ChaCha20Rng::from_seed(config.seed);
        let own_peer = config.signer.author().peer_id().map(|peer| peer.to_bytes()).unwrap_or_default();
        let mut outbox = Self {
            config,
            own_peer,
            rng,
            outputs: VecDeque::new(),
            journal: Journal::default(),
            streams: BTreeMap::new(),
            last: saved.last,
            correspondents: BTreeMap::new(),
            letters: 0,
            bytes: 0,
            receipts: BTreeSet::new(),
            next_receipt: 1,
            cards: Cards::default(),
            connected: BTreeSet::new(),
            questions: Questions::default(),
            turns: Schedule::default(),
            searches: Schedule::default(),
            search_rate: TokenBucket::new(SEARCHES, now),
            next_search: None,
        };
        outbox.take_saved(now, saved);
        outbox
    }

    fn take_saved(&mut self, now: Now, saved: Saved) {
        for card in saved.cards {
            if let Some(forgotten) = self.cards.insert(card) {
                self.journal.change(journal::Changed::Card(forgotten));
            }
        }
        for SavedStream { to, last_seq, read_through } in saved.streams {
            let stream = Stream { last_seq, last_given: last_seq, read_through, told_read: read_through };
            self.streams.insert(to, stream);
        }
        for SavedLetter { letter: signed, state, kept } in saved.letters {
            let to = signed.letter.to;
            let Content::Text(text) = &signed.letter.content else { continue };
            if state.is_final() {
                continue;
            }
            let seq = text.seq;
            let stream = self.streams.entry(to).or_default();
            stream.last_seq = stream.last_seq.max(seq);
            stream.last_given = stream.last_given.max(seq);
            self.last = self.last.max(signed.letter.at);
            let letter = correspondent::Waiting::new(signed, state, kept, true);
            (self.letters, self.bytes) = (self.letters + 1, self.bytes + letter.weight());
            self.correspondents.entry(to).or_default().insert(seq, letter);
            self.turns.set(to, Some(now.after(0)));
        }
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Write { token, to, text, attachments } => self.write(now, token, to, text, attachments),
            Input::PeerUp(peer) => self.peer_up(now, peer),
            Input::PeerDown(peer) => {
                self.connected.remove(&peer);
                self.serve(now, peer);
            }
            Input::Appeared(peer) => self.appeared(now, peer),
            Input::Card(signed) => {
                let owner = signed.card.owner;
                if self.take_card(signed)
                    && let Some(correspondent) = self.correspondents.get_mut(&owner)
                {
                    correspondent.direct.reset();
                }
                self.serve(now, owner);
            }
            Input::Receipt { from, receipt } => self.take_receipt(now, from, receipt),
            Input::SendReceipt { to, receipt } => self.send_receipt(now, to, receipt),
            Input::Answer { request, answer } => self.answered(now, request, Some(answer)),
            Input::RequestFailed { request } => self.answered(now, request, None),
            Input::Persisted { through } => self.persisted(now, through),
            Input::PersistFailed => self.persist_failed(now),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for _ in 0..MAX_TURNS {
            let Some(author) = self.turns.pop_due(now) else { break };
            self.serve(now, author);
        }
        while let Some(author) = self.questions.next_in_line() {
            self.serve(now, author);
        }
        while self.searches.first().is_some_and(|at| now.reached(at)) && self.search_rate.take(now, 1) {
            if let Some(author) = self.searches.pop_due(now) {
                self.search(now, author);
            }
        }
        self.next_search = self.search_rate.ready_at(now, 1);
        self.persist_changes(now);
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`. After [`Outbox::restore`] at once, if anything waits.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let searches = self.searches.first().map(|at| self.next_search.map_or(at, |ready| at.max(ready)));
        [self.turns.first(), searches, self.journal.deadline()].into_iter().flatten().min()
    }

    /// What it has under way and keeps.
    pub fn load(&self) -> Load {
        Load {
            letters: self.letters,
            bytes: self.bytes,
            correspondents: self.correspondents.len(),
            receipts: self.receipts.len(),
            cards: self.cards.len(),
            asking: self.questions.asking.inside(),
            depositing: self.questions.depositing(),
        }
    }

    /// Somebody for whom something waits is looked for at once. Others are nobody's business here.
    fn appeared(&mut self, now: Now, peer: Author) {
        if let Some(correspondent) = self.correspondents.get_mut(&peer)
            && self.searches.contains(&peer)
        {
            correspondent.search.reset();
            self.searches.set(peer, Some(now.after(0)));
        }
    }

    fn peer_up(&mut self, now: Now, peer: Author) {
        self.connected.insert(peer);
        if let Some(correspondent) = self.correspondents.get_mut(&peer) {
            correspondent.direct.reset();
            correspondent.search.reset();
        }
        self.serve(now, peer);
    }
}
