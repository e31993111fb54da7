//! The machine: it leads each envelope along its way, from one part to the next.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    CommitId, Config, Input, Load, MAX_COPIES, NotTaken, Output, Person, RECEIPT_RETRY_MS, ReadThrough, Record,
    STRANGERS, Source, Stream,
    commits::{Change, Commits, Place},
    discards::Discards,
    order::Order,
    people::{Fit, People},
    receipts::Receipts,
};
use crate::{
    direct::{
        card::SignedCard,
        keys::KeyRing,
        letter::{Content, Envelope, Letter, StreamId},
        message::DirectAnswer,
    },
    ids::Author,
    rate::TokenBucket,
    signature::Verifier,
    time::{Deadline, Now},
};

/// The recipient's side of direct messages.
#[derive(Debug)]
pub struct Inbox {
    owner: Author,
    verifier: Arc<dyn Verifier>,
    pub(super) read_receipts: bool,
    pub(super) people: People,
    order: Order,
    commits: Commits,
    /// Authors about whom the store is being told to forget: nothing of theirs is taken until it has.
    pub(super) forgetting: BTreeSet<Author>,
    pub(super) receipts: Receipts,
    discards: Discards,
    strangers: TokenBucket,
    pub(super) outputs: VecDeque<Output>,
}

impl Inbox {
    /// An inbox that holds nothing yet.
    pub fn new(now: Now, config: Config) -> Self {
        Self {
            owner: config.owner,
            verifier: config.verifier,
            read_receipts: config.read_receipts,
            people: People::default(),
            order: Order::default(),
            commits: Commits::default(),
            forgetting: BTreeSet::new(),
            receipts: Receipts::default(),
            discards: Discards::default(),
            strangers: TokenBucket::new(STRANGERS, now),
            outputs: VecDeque::new(),
        }
    }

    /// Puts back what the store has of an author, once for each. To be called before anything else.
    pub fn restore_person(&mut self, who: Author, person: Person) {
        self.people.restore_person(who, person);
    }

    /// Puts back what the store has of a stream, once for each. To be called before anything else.
    pub fn restore_stream(&mut self, now: Now, who: Author, id: StreamId, stream: Stream) {
        if stream.owed {
            self.receipts.owe(now, who, id);
        }
        self.order.restore((who, id), &stream.delivered);
        self.people.restore_stream(who, id, stream);
    }

    /// Whether this peer is blocked: nothing that it sends need be looked at.
    pub fn refuses(&self, peer: &Author) -> bool {
        self.people.person(peer).blocked
    }

    /// What is known of an author.
    pub fn person(&self, who: &Author) -> Person {
        self.people.person(who)
    }

    /// Whether this author is known or blocked, or could be: of those there are at most [`MAX_PEOPLE`](super::MAX_PEOPLE).
    pub fn has_room_for(&self, who: &Author) -> bool {
        self.people.has_room_for(who)
    }

    /// Everybody on record.
    pub fn people(&self) -> impl Iterator<Item = (Author, Person)> {
        self.people.all()
    }

    /// The streams of an author.
    pub fn streams(&self, who: &Author) -> Vec<StreamId> {
        self.people.streams(who)
    }

    /// The durable state of a stream.
    pub fn stream(&self, who: &Author, id: StreamId) -> Option<&Stream> {
        self.people.stream(who, id)
    }

    /// What is in memory.
    pub fn load(&self) -> Load {
        Load {
            people: self.people.count_people(),
            strangers_letters: self.people.strangers_letters(),
            committing_bytes: self.commits.bytes(),
            waiting_bytes: self.order.bytes(),
        }
    }

    /// Takes note of something that happened. `keys` are its owner's.
    pub fn handle(&mut self, now: Now, keys: &KeyRing, input: Input) {
        match input {
            Input::Envelope { source, envelope } => self.envelope(now, keys, source, &envelope),
            Input::Persisted { through } => self.persisted(now, through),
            Input::PersistFailed => self.persist_failed(now),
            Input::ReceiptNoted { from, receipt } => {
                for source in self.receipts.noted(from, receipt.stream) {
                    self.acknowledge(now, source);
                }
            }
            Input::ReceiptSent { to, receipt } => self.receipt_sent(now, to, &receipt),
            Input::Read { from, through } => self.read(from, through),
            Input::ReadReceipts(on) => self.read_receipts = on,
            Input::Known(who) => self.note(who, |person| person.known = true),
            Input::Block(who) => self.note(who, |person| person.blocked = true),
            Input::Unblock(who) => self.note(who, |person| person.blocked = false),
            Input::Dismiss(who) => self.dismiss(who),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.outputs.extend(self.order.take_due(now).into_iter().map(Output::Show));
        for (who, stream) in self.receipts.take_due(now) {
            self.say_receipt(who, stream);
        }
        self.discards.handle_timeout(now, &mut self.outputs);
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Inbox::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let sooner = Deadline::earliest(self.order.deadline(), self.receipts.deadline());
        Deadline::earliest(sooner, self.discards.deadline())
    }

    // ---- an envelope's way to the disk

    fn envelope(&mut self, now: Now, keys: &KeyRing, source: Source, envelope: &Envelope) {
        let paid = match self.admit(now, &source) {
            Ok(paid) => paid,
            Err(why) => return self.decline(now, source, why, None),
        };
        match envelope.open(self.owner, keys.keys(), &*self.verifier) {
            Ok(letter) => self.letter(now, source, letter, paid),
            Err(refused) => self.decline(now, source, NotTaken::from(refused), keys.card()),
        }
    }

    /// Whether an envelope is opened at all, and whether it was paid for as a stranger's.
    fn admit(&mut self, now: Now, source: &Source) -> Result<bool, NotTaken> {
        let author = match source {
            Source::Direct { peer, .. } => Author::from_peer_id(peer),
            Source::Mailbox { .. } => None,
        };
        let person = author.map(|author| self.people.person(&author)).unwrap_or_default();
        let stranger = matches!(source, Source::Direct { .. }) && !person.known;
        if person.blocked {
            Err(NotTaken::Blocked)
        } else if self.commits.is_full() {
            Err(NotTaken::Busy)
        } else if stranger && !self.strangers.take(now, 1) {
            Err(NotTaken::TooOften)
        } else {
            Ok(stranger)
        }
    }

    fn letter(&mut self, now: Now, source: Source, letter: Letter, paid: bool) {
        let from = letter.from;
        let person = self.people.person(&from);
        if person.blocked {
            return self.decline(now, source, NotTaken::Blocked, None);
        }
        match &letter.content {
            _ if self.forgetting.contains(&from) => self.decline(now, source, NotTaken::Busy, None),
            Content::Receipt(_) if !person.known => self.decline(now, source, NotTaken::Unasked, None),
            Content::Receipt(receipt) => self.receipt(now, source, from, letter.at, receipt),
            Content::Text(_) if !(person.known || paid || self.strangers.take(now, 1)) => {
                self.decline(now, source, NotTaken::TooOften, None);
            }
            Content::Text(text) => {
                let place = (from, text.stream, text.seq);
                self.text(now, source, place, letter);
            }
        }
    }

    fn text(&mut self, now: Now, source: Source, place: Place, letter: Letter) {
        if let Some(sources) = self.commits.waiting_for(&place) {
            if sources.len() < MAX_COPIES {
                sources.push(source);
            } else {
                self.decline(now, source, NotTaken::Busy, None);
            }
            return;
        }
        let (from, stream, _) = place;
        let mailed = matches!(source, Source::Mailbox { .. });
        match self.people.take(place, mailed) {
            Fit::Known => self.acknowledge_copy(now, source, from, stream),
            Fit::Full => self.decline(now, source, NotTaken::Full, None),
            Fit::New(person, state) => {
                let change = Change::Text(place, letter.clone(), vec![source]);
                self.commit(change, Some(letter), Some((from, person)), vec![(from, stream, state)]);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, now: Now, source: Source) {
        match source {
            Source::Direct { token, .. } => {
                self.outputs.push_back(Output::Answer { token, answer: DirectAnswer::Delivered });
            }
            Source::Mailbox { mailbox, id } => self.discards.push(now, mailbox, id, &mut self.outputs),
        }
    }

    pub(super) fn decline(&mut self, now: Now, source: Source, why: NotTaken, card: Option<&SignedCard>) {
        let blamed = match &source {
            Source::Direct { peer, .. } if why.is_senders_fault() => Some(*peer),
            Source::Direct { .. } | Source::Mailbox { .. } => None,
        };
        self.outputs.push_back(Output::Refused { why, peer: blamed });
        match source {
            Source::Direct { token, .. } => {
                self.outputs.push_back(Output::Answer { token, answer: why.answer(card) });
            }
            Source::Mailbox { mailbox, id } if why.is_for_good() => {
                self.discards.push(now, mailbox, id, &mut self.outputs);
            }
            Source::Mailbox { mailbox, id } => {
                let soon = why != NotTaken::Full;
                self.outputs.push_back(Output::Left { mailbox, id, soon });
            }
        }
    }

    // ---- to the disk and back

    pub(super) fn commit(
        &mut self,
        change: Change,
        letter: Option<Letter>,
        person: Option<(Author, Person)>,
        streams: Vec<(Author, StreamId, Stream)>,
    ) {
        let mut records: Vec<Record> = letter.map(Record::Letter).into_iter().collect();
        records.extend(person.map(|(who, person)| Record::Person(who, person)));
        records.extend(streams.iter().map(|(who, id, stream)| Record::Stream(*who, *id, stream.clone())));
        if let Change::Forget(who) = &change {
            records.push(Record::Forget(*who));
        }
        let commit = self.commits.push(change, person, streams);
        self.outputs.push_back(Output::Persist { commit, records });
    }

    fn persisted(&mut self, now: Now, through: CommitId) {
        while let Some(commit) = self.commits.pop_through(through) {
            if let Some((who, person)) = commit.person {
                self.people.settle_person(&who, person);
            }
            for (who, id, stream) in commit.streams {
                if stream.owed {
                    self.receipts.owe(now, who, id);
                }
                self.people.settle_stream(&who, id, stream);
            }
            match commit.change {
                Change::Text((from, stream, seq), letter, sources) => {
                    for source in sources {
                        self.acknowledge_copy(now, source, from, stream);
                    }
                    let shown = self.order.arrived(now, (from, stream), seq, letter);
                    self.outputs.extend(shown.into_iter().map(Output::Show));
                }
                Change::Owed(_, source) => self.acknowledge(now, source),
                Change::Noted(who) => self.outputs.push_back(Output::Noted(who)),
                Change::Forget(who) => {
                    self.forgetting.remove(&who);
                    self.people.forget(&who);
                    self.order.forget(&who);
                    self.receipts.forget(&who);
                    self.outputs.push_back(Output::Noted(who));
                }
                Change::Said(_) => {}
            }
        }
    }

    fn persist_failed(&mut self, now: Now) {
        let mut touched = BTreeSet::new();
        for commit in self.commits.take_all() {
            touched.insert(commit.change.author());
            match commit.change {
                Change::Text(_, _, sources) => {
                    for source in sources {
                        self.decline(now, source, NotTaken::Busy, None);
                    }
                }
                Change::Owed(_, source) => self.decline(now, source, NotTaken::Busy, None),
                Change::Noted(who) | Change::Forget(who) => self.outputs.push_back(Output::NotNoted(who)),
                Change::Said(_) => {}
            }
        }
        self.forgetting.clear();
        self.people.roll_back(&touched);
        for who in touched {
            for id in self.people.streams(&who) {
                if self.people.stream(&who, id).is_some_and(|stream| stream.owed) {
                    self.receipts.owe_after(now, RECEIPT_RETRY_MS, who, id);
                }
            }
        }
    }

    // ---- what the user says

    fn note(&mut self, who: Author, change: impl FnOnce(&mut Person)) {
        let changed = if self.forgetting.contains(&who) { None } else { self.people.change(who, change) };
        match changed {
            Some(person) => self.commit(Change::Noted(who), None, Some((who, person)), Vec::new()),
            None => self.outputs.push_back(Output::NotNoted(who)),
        }
    }

    fn dismiss(&mut self, who: Author) {
        let person = self.people.person(&who);
        if person.known || person.blocked || !self.forgetting.insert(who) {
            self.outputs.push_back(Output::NotNoted(who));
        } else {
            self.commit(Change::Forget(who), None, None, Vec::new());
        }
    }

    fn read(&mut self, from: Author, through: ReadThrough) {
        if self.forgetting.contains(&from) {
            self.outputs.push_back(Output::NotNoted(from));
            return;
        }
        let (ids, number) = match through {
            ReadThrough::All => (self.people.streams(&from), u64::MAX),
            ReadThrough::Stream(id, number) => (vec![id], number),
        };
        let mut streams = Vec::new();
        for id in ids {
            let last = self.people.stream(&from, id).map_or(0, |stream| stream.delivered.last());
            let (read, tell) = (number.min(last), self.read_receipts);
            let changed = self.people.change_stream(&from, id, |stream| {
                stream.owed |= tell && read > stream.read_through;
                stream.read_through = stream.read_through.max(read);
            });
            streams.extend(changed.map(|stream| (from, id, stream)));
        }
        self.commit(Change::Noted(from), None, None, streams);
    }
}
