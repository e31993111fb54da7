//! What the user, or a room, wants of the machines.

use proto::{
    direct::{
        inbox::{self, ReadThrough},
        keys, outbox,
    },
    ids::Author,
};

use super::{Direct, callers::Writer, keep};
use crate::{
    handle::{Answer, CallError},
    letters::records::Place,
    model::DirectMessage,
    swarm::{context::Cx, journal::DirectCommit},
};

impl Direct {
    /// Writes to somebody.
    pub fn write(&mut self, cx: &mut Cx, to: Author, text: String, answer: Answer<DirectMessage>) {
        let refused = match self.machines.outbox.check_text(to, &text) {
            Err(error) => Some(CallError::NotWritten(error)),
            // Of what became of it, strangers could not tell us.
            Ok(()) => (!self.machines.inbox.has_room_for(&to)).then_some(CallError::TooManyPeople),
        };
        if let Some(error) = refused {
            // The caller may have gone.
            let _ = answer.send(Err(error));
            return;
        }
        self.make_known(cx, to);
        let token = self.callers.writes(Writer::User(answer));
        self.machines.outbox.handle(cx.now, outbox::Input::Write { token, to, text, attachments: Vec::new() });
        self.drain(cx);
    }

    /// A room writes to somebody.
    pub fn write_for_room(&mut self, cx: &mut Cx, room_token: u64, to: Author, text: String) {
        self.make_known(cx, to);
        let token = self.callers.writes(Writer::Room(room_token));
        self.machines.outbox.handle(cx.now, outbox::Input::Write { token, to, text, attachments: Vec::new() });
        self.drain(cx);
    }

    /// Whoever we write to may answer.
    fn make_known(&mut self, cx: &mut Cx, who: Author) {
        if who != self.owner && !self.machines.inbox.person(&who).known {
            keep(cx, self.seen.record(who));
            self.note(cx, who, inbox::Input::Known(who), None);
        }
    }

    /// The user has read so much of somebody.
    pub fn mark_read(&mut self, cx: &mut Cx, from: Author, mut read: Vec<ReadThrough>, answer: Answer<()>) {
        let Some(last) = read.pop() else {
            // The caller may have gone.
            let _ = answer.send(Ok(()));
            return;
        };
        for through in read {
            self.note(cx, from, inbox::Input::Read { from, through }, None);
        }
        // It is durable after all others.
        self.note(cx, from, inbox::Input::Read { from, through: last }, Some(answer));
        self.drain(cx);
    }

    /// The user throws a stranger's letters away, those in these places.
    pub fn dismiss(&mut self, cx: &mut Cx, who: Author, letters: Vec<Place>, answer: Answer<()>) {
        let person = self.machines.inbox.person(&who);
        if person.known || person.blocked {
            // The caller may have gone.
            let _ = answer.send(Err(CallError::NoStranger));
            return;
        }
        self.shelf.dismiss(who, letters);
        keep(cx, self.seen.forget(&who));
        self.note(cx, who, inbox::Input::Dismiss(who), Some(answer));
        self.drain(cx);
    }

    /// The user wants nothing from somebody, or something again.
    pub fn block(&mut self, cx: &mut Cx, who: Author, blocked: bool, answer: Answer<()>) {
        let input = if blocked { inbox::Input::Block(who) } else { inbox::Input::Unblock(who) };
        self.note(cx, who, input, Some(answer));
        self.drain(cx);
    }

    /// The user gives somebody a name, or takes it away.
    pub fn name(&mut self, cx: &mut Cx, who: Author, name: Option<String>, answer: Answer<()>) {
        if name.is_some() && !self.machines.inbox.has_room_for(&who) {
            // The caller may have gone.
            let _ = answer.send(Err(CallError::TooManyPeople));
            return;
        }
        if name.is_some() {
            self.make_known(cx, who);
        }
        let entry = self.contacts.name(who, name, answer);
        cx.journal.direct(DirectCommit::Contact, vec![entry]);
        self.drain(cx);
    }

    /// The user wants a new key.
    pub fn rotate(&mut self, cx: &mut Cx, answer: Answer<()>) {
        self.callers.rotates(self.machines.keys.card().map(|card| card.card.key), answer);
        self.machines.keys.handle(cx.now, keys::Input::RotateNow);
        self.drain(cx);
    }

    /// Something that the inbox answers with [`inbox::Output::Noted`] or [`inbox::Output::NotNoted`], the latter perhaps at once.
    fn note(&mut self, cx: &mut Cx, who: Author, input: inbox::Input, answer: Option<Answer<()>>) {
        // What is said before this is somebody else's.
        self.drain_inbox(cx);
        self.machines.inbox.handle(cx.now, &self.machines.keys, input);
        self.callers.notes(who, answer);
        while let Some(output) = self.machines.inbox.poll_output() {
            match output {
                inbox::Output::NotNoted(of) if of == who => self.callers.refuse_last(&who),
                output => self.inbox_output(cx, output),
            }
        }
    }
}
