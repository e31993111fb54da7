//! New letters, and what the store says.

use super::{
    Change, CommitId, MAX_BYTES, MAX_BYTES_EACH, MAX_LETTERS, MAX_LETTERS_EACH, MAX_RECIPIENTS, NotWritten, Outbox,
    Output, State,
    correspondent::{Waiting, weight},
    journal::{Changed, Commit, Told},
};
use crate::{
    direct::letter::{Attachment, Content, Letter, SignedLetter, Text},
    hlc::Timestamp,
    ids::Author,
    time::Now,
};

impl Outbox {
    /// [`Input::Write`](super::Input::Write).
    pub(super) fn write(&mut self, now: Now, token: u64, to: Author, text: String, attachments: Vec<Attachment>) {
        let content = self.next_text(to, text, attachments);
        if let Err(error) = self.check(to, &content) {
            self.outputs.push_back(Output::NotWritten { token, error });
            return;
        }
        let seq = self.next_seq(to);
        let signed = self.sign(now, to, content);
        let letter = Waiting::new(signed.clone(), State::Queued, Vec::new(), false);
        (self.letters, self.bytes) = (self.letters + 1, self.bytes + letter.weight());
        self.streams.entry(to).or_default().last_given = seq;
        self.correspondents.entry(to).or_default().insert(seq, letter);
        let commit = self.journal.push(Commit::Written { token, to, seq });
        self.outputs.push_back(Output::Persist { commit, changes: vec![Change::Written(signed)] });
    }

    /// Whether a text would be taken now.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub fn check_text(&self, to: Author, text: &str) -> Result<(), NotWritten> {
        self.check(to, &self.next_text(to, text.to_owned(), Vec::new()))
    }

    fn next_text(&self, to: Author, text: String, attachments: Vec<Attachment>) -> Content {
        Content::Text(Text { stream: self.config.stream, seq: self.next_seq(to), text, attachments })
    }

    fn next_seq(&self, to: Author) -> u64 {
        self.streams.get(&to).map_or(0, |stream| stream.last_given) + 1
    }

    fn check(&self, to: Author, content: &Content) -> Result<(), NotWritten> {
        if to == self.config.signer.author() {
            return Err(NotWritten::ToOneself);
        }
        if let Content::Text(text) = content {
            text.check()?;
        }
        let (letters, bytes) = self.correspondents.get(&to).map_or((0, 0), |known| (known.letters.len(), known.bytes));
        let more = weight(content);
        let fits = letters < MAX_LETTERS_EACH
            && bytes + more <= MAX_BYTES_EACH
            && self.letters < MAX_LETTERS
            && self.bytes + more <= MAX_BYTES
            && (self.streams.len() < MAX_RECIPIENTS || self.streams.contains_key(&to));
        if fits { Ok(()) } else { Err(NotWritten::TooMuchWaiting) }
    }

    /// A letter later than all before.
    pub(super) fn sign(&mut self, now: Now, to: Author, content: Content) -> SignedLetter {
        self.last = self.last.next().max(Timestamp::from_ms(now.wall_ms));
        Letter { from: self.config.signer.author(), to, at: self.last, content }.sign(&self.config.signer)
    }

    /// Hands over what changed.
    pub(super) fn persist_changes(&mut self, now: Now) {
        let (mut changes, mut told) = (Vec::new(), Vec::new());
        for changed in self.journal.take_changed(now) {
            if let Some((change, what)) = self.change(changed) {
                changes.push(change);
                told.push(what);
            }
        }
        let receipts = self.journal.take_receipts();
        if changes.is_empty() {
            self.receipts_noted(receipts);
        } else {
            let commit = self.journal.push(Commit::Changes { told, receipts });
            self.outputs.push_back(Output::Persist { commit, changes });
        }
    }

    /// How something is now; `None` if it is forgotten.
    fn change(&self, changed: Changed) -> Option<(Change, Told)> {
        match changed {
            Changed::Letter(to, seq) => {
                let letter = self.correspondents.get(&to)?.letters.get(&seq)?;
                let (state, kept) = (letter.state, letter.kept.clone());
                Some((Change::Progress { to, seq, state, kept }, Told::Letter { to, seq, state }))
            }
            Changed::Read(to) => {
                let through = self.streams.get(&to)?.read_through;
                Some((Change::Read { to, through }, Told::Read { to, through }))
            }
            Changed::Card(owner) => {
                let held = self.cards.signed(&owner).cloned();
                Some((held.map_or(Change::ForgetCard(owner), Change::Card), Told::Card(owner)))
            }
        }
    }

    /// [`Input::Persisted`](super::Input::Persisted).
    pub(super) fn persisted(&mut self, now: Now, through: CommitId) {
        while let Some(commit) = self.journal.pop_through(through) {
            match commit {
                Commit::Written { token, to, seq } => self.written(now, token, to, seq),
                Commit::Changes { told, receipts } => {
                    told.into_iter().for_each(|what| self.settled(now, what));
                    self.receipts_noted(receipts);
                }
            }
        }
    }

    fn written(&mut self, now: Now, token: u64, to: Author, seq: u64) {
        let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
        let Some(letter) = correspondent.letters.get_mut(&seq) else { return };
        letter.durable = true;
        self.outputs.push_back(Output::Written { token, letter: letter.signed.clone() });
        self.streams.entry(to).or_default().last_seq = seq;
        // Somebody cares: what was looked for rarely is looked for at once.
        if correspondent.search.failures() > 1 {
            correspondent.search.reset();
            self.searches.set(to, None);
        }
        self.serve(now, to);
    }

    /// Something is durable now: the user may know.
    fn settled(&mut self, now: Now, what: Told) {
        match what {
            Told::Letter { to, seq, state } => {
                let Some(correspondent) = self.correspondents.get_mut(&to) else { return };
                let Some(letter) = correspondent.letters.get_mut(&seq) else { return };
                if state > letter.told {
                    letter.told = state;
                    self.outputs.push_back(Output::State { to, seq, id: letter.id, state });
                }
                if state.is_final() {
                    self.forget_letter(now, to, seq);
                }
            }
            Told::Read { to, through } => {
                if let Some(stream) = self.streams.get_mut(&to).filter(|stream| stream.told_read < through) {
                    stream.told_read = through;
                    self.outputs.push_back(Output::Read { to, through });
                }
            }
            Told::Card(_) => {}
        }
    }

    /// [`Input::PersistFailed`](super::Input::PersistFailed).
    pub(super) fn persist_failed(&mut self, now: Now) {
        for commit in self.journal.fail(now, &mut self.rng) {
            match commit {
                Commit::Written { token, to, seq } => {
                    // All numbers after the last durable one are free again: a gap would never close.
                    let last_seq = self.streams.get(&to).map_or(0, |stream| stream.last_seq);
                    if last_seq == 0 {
                        self.streams.remove(&to);
                    } else if let Some(stream) = self.streams.get_mut(&to) {
                        stream.last_given = last_seq;
                    }
                    self.forget_letter(now, to, seq);
                    self.outputs.push_back(Output::NotWritten { token, error: NotWritten::NotStored });
                }
                Commit::Changes { told, receipts } => {
                    told.into_iter().for_each(|what| self.journal.change(what.changed()));
                    receipts.into_iter().for_each(|(from, receipt)| self.journal.receipt(from, receipt));
                }
            }
        }
    }

    fn forget_letter(&mut self, now: Now, to: Author, seq: u64) {
        if let Some(letter) = self.correspondents.get_mut(&to).and_then(|correspondent| correspondent.remove(seq)) {
            (self.letters, self.bytes) = (self.letters - 1, self.bytes - letter.weight());
        }
        self.serve(now, to);
    }
}
