//! Users and rooms that wait to hear what became of something.

use std::collections::{BTreeMap, VecDeque};

use proto::{
    direct::{
        letter::LetterId,
        outbox::{NotWritten, State},
    },
    ids::Author,
    seal::SealKey,
};

use super::store_error;
use crate::{
    handle::{Answer, CallError},
    letters::page,
    model::{DirectMessage, DirectState, NodeEvent},
    swarm::context::{Cx, Effect},
};

/// Delivered letters whose names are remembered, so that it can be reported when they are read. Of more, the oldest are forgotten.
pub const MAX_DELIVERED: usize = 4_096;

/// Who writes.
pub enum Writer {
    /// The user.
    User(Answer<DirectMessage>),
    /// A room, with a token of its own.
    Room(u64),
}

/// All who wait. As many as there are calls, which are bounded.
#[derive(Default)]
pub struct Callers {
    writing: BTreeMap<u64, Writer>,
    next_token: u64,
    /// In the order in which the inbox was told.
    noting: VecDeque<(Author, Option<Answer<()>>)>,
    rotating: Vec<(Option<SealKey>, Answer<()>)>,
    delivered: VecDeque<(Author, u64, LetterId)>,
}

impl Callers {
    /// Somebody writes; the token names it.
    pub fn writes(&mut self, writer: Writer) -> u64 {
        self.next_token += 1;
        self.writing.insert(self.next_token, writer);
        self.next_token
    }

    /// It is durable.
    pub fn written(&mut self, cx: &mut Cx, token: u64, message: Option<DirectMessage>) {
        match self.writing.remove(&token) {
            Some(Writer::User(answer)) => {
                // The caller may have gone; the message goes its way all the same.
                let _ = answer.send(message.ok_or(CallError::Stopped));
            }
            Some(Writer::Room(token)) => cx.effects.push_back(Effect::LetterWritten { token, written: true }),
            None => {}
        }
    }

    /// It was not taken.
    pub fn not_written(&mut self, cx: &mut Cx, token: u64, error: NotWritten) {
        match self.writing.remove(&token) {
            Some(Writer::User(answer)) => {
                let error = match error {
                    NotWritten::NotStored => store_error(cx),
                    error => CallError::NotWritten(error),
                };
                // The caller may have gone.
                let _ = answer.send(Err(error));
            }
            Some(Writer::Room(token)) => cx.effects.push_back(Effect::LetterWritten { token, written: false }),
            None => {}
        }
    }

    /// The inbox is told something about somebody.
    pub fn notes(&mut self, who: Author, answer: Option<Answer<()>>) {
        self.noting.push_back((who, answer));
    }

    /// The inbox does not take what it was told last.
    pub fn refuse_last(&mut self, who: &Author) {
        if let Some(at) = self.noting.iter().rposition(|(noted, _)| noted == who) {
            answer(self.noting.remove(at), Err(CallError::TooManyPeople));
        }
    }

    /// What the inbox was told first about somebody is durable.
    pub fn noted(&mut self, who: &Author) {
        answer(self.first_noted(who), Ok(()));
    }

    /// It is not, and will not be.
    pub fn not_noted(&mut self, who: &Author, error: CallError) {
        answer(self.first_noted(who), Err(error));
    }

    fn first_noted(&mut self, who: &Author) -> Option<(Author, Option<Answer<()>>)> {
        let at = self.noting.iter().position(|(noted, _)| noted == who)?;
        self.noting.remove(at)
    }

    /// Somebody wants another key than this one.
    pub fn rotates(&mut self, than: Option<SealKey>, answer: Answer<()>) {
        self.rotating.push((than, answer));
    }

    /// This is our key now.
    pub fn has_key(&mut self, key: SealKey) {
        for (_, answer) in self.rotating.extract_if(.., |(than, _)| *than != Some(key)) {
            // The caller may have gone.
            let _ = answer.send(Ok(()));
        }
    }

    /// There will be no other key.
    pub fn not_rotated(&mut self, error: &CallError) {
        for (_, answer) in self.rotating.drain(..) {
            // The caller may have gone.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// A letter got further.
    pub fn reached(&mut self, cx: &Cx, to: Author, seq: u64, id: LetterId, state: State) {
        report(cx, to, id, page::shown_state(state));
        if state == State::Delivered {
            self.delivered.push_back((to, seq, id));
            if self.delivered.len() > MAX_DELIVERED {
                self.delivered.pop_front();
            }
        }
    }

    /// Letters were read.
    pub fn read(&mut self, cx: &Cx, to: Author, through: u64) {
        self.delivered.retain(|(whose, seq, id)| {
            let read = *whose == to && *seq <= through;
            if read {
                report(cx, to, *id, DirectState::Read);
            }
            !read
        });
    }
}

fn answer(noted: Option<(Author, Option<Answer<()>>)>, result: Result<(), CallError>) {
    if let Some((_, Some(answer))) = noted {
        // The caller may have gone.
        let _ = answer.send(result);
    }
}

fn report(cx: &Cx, to: Author, id: LetterId, state: DirectState) {
    if let Some(to) = to.peer_id() {
        cx.report(NodeEvent::DirectState { id: page::hex(&id), to: to.to_string(), state });
    }
}
