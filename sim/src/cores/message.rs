//! What is planned, and what travels.

use std::sync::Arc;

use proto::{
    call::{Answer, Topic},
    live::Live,
    log::RequestId,
};

use crate::scenario::Ending;

/// A gossip message; all its copies are this one.
#[derive(Debug)]
pub struct Message {
    /// Counts up over all messages.
    pub number: u32,
    /// What it says.
    pub live: Live,
    /// Bytes of its frame.
    pub size: u32,
}

/// Which machine asked, and its name for the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The log.
    Log(RequestId),
    /// Presence.
    Presence(u64),
}

/// Who asked, and when.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The host.
    pub host: u32,
    /// In which session.
    pub session: u32,
    /// What it calls the question.
    pub question: Question,
    /// When.
    pub at_us: u64,
}

/// A question on its way.
#[derive(Debug)]
pub struct Asked {
    /// Who asks.
    pub asker: Asker,
    /// What.
    pub topic: Topic,
    /// Bytes.
    pub size: u32,
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answered {
    /// Who answers.
    pub from: u32,
    /// Who asked.
    pub asker: Asker,
    /// What.
    pub answer: Answer,
    /// Bytes.
    pub size: u32,
}

/// Something that is planned.
#[derive(Debug)]
pub enum What {
    /// A host comes up.
    Come,
    /// A host goes, if it is still in this session.
    Go {
        /// The session.
        session: u32,
        /// How.
        how: Ending,
    },
    /// Others notice that a host went that was in this session.
    Noticed {
        /// The session.
        session: u32,
    },
    /// A host makes sure that it has its links.
    Mend,
    /// A handshake is over.
    Opened {
        /// With whom.
        peer: u32,
        /// The link.
        number: u64,
    },
    /// A machine's time has come.
    Timer {
        /// The session.
        session: u32,
    },
    /// The disk has ended a batch.
    Written {
        /// The session.
        session: u32,
    },
    /// A gossip message comes.
    Gossip {
        /// From whom.
        from: u32,
        /// Which.
        message: Arc<Message>,
    },
    /// A question comes.
    Asked(Box<Asked>),
    /// An answer comes.
    Answered(Box<Answered>),
    /// No answer came in time.
    Unanswered {
        /// Who was asked.
        by: u32,
        /// The question.
        asker: Box<Asker>,
    },
    /// Somebody says something.
    Say {
        /// Index of the talk.
        chat: usize,
    },
    /// The scenario's timetable.
    Event {
        /// Index of the event.
        index: usize,
    },
    /// Peers across a cut are found to be silent.
    Split {
        /// Which cut.
        cut: u32,
    },
    /// A moment for looking at everything.
    Tick,
}
