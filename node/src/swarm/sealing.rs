//! How what a room sends and takes is sealed, at the edge: its replica and its presence know nothing of it. An open room's is not.
//!
//! What comes in sealed frames comes from members; so a peer whose question or answer opened is one. Whoever merely subscribes to the
//! channel's topic is none, and is told nothing: its questions get the very answer that a node outside the channel would give, and
//! are not held against it, so that the answer tells nothing either.
//!
//! Gossip that does not open is held against the neighbour that brought it, as damaged gossip of an open room is. It cannot come from
//! an honest peer: members pass on only what they opened, all that a member seals is bound to the channel, and the channel to all
//! that is sealed with. That a neighbour is punished tells it nothing new, since gossip already told it who subscribes to the topic; and
//! one that floods must lose its place.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::PeerId;
use proto::{
    call::{Answer, Topic},
    live::{Live, MAX_FRAME_BYTES},
    offence::Offence,
    private::{Epoch, QuestionName, Unopened},
    wire::{self, DecodeError},
};
use rand::rngs::StdRng;

/// What a room's messages are sealed with.
pub enum Sealing {
    /// Nothing: the room is open.
    Open,
    /// The secret of a private room's epoch.
    Sealed(Box<Sealed>),
    /// A secret that was forgotten. Nothing opens, and nothing is sent.
    Forgotten,
}

/// A private room's epoch.
pub struct Sealed {
    epoch: Epoch,
    own: PeerId,
    rng: StdRng,
    /// Questions that are to be answered. As many as there are ways back to peers, which are bounded.
    owed: BTreeMap<u64, QuestionName>,
    /// Connected peers of the channel that have proved that they have the secret.
    members: BTreeSet<PeerId>,
}

/// What a question came to.
pub enum Asked {
    /// This is asked.
    Topic(Topic),
    /// It is to be answered as if we were not in the channel.
    Stranger,
    /// A member asks nonsense.
    Nonsense,
}

/// Why an answer is none.
pub enum NoAnswer {
    /// The asked peer has too much to do, or is no member.
    Unavailable,
    /// It has broken the protocol.
    Wrong,
}

impl Sealing {
    /// With an epoch's secret. `own` is this node; the generator makes salts and nonces.
    pub fn sealed(epoch: Epoch, own: PeerId, rng: StdRng) -> Self {
        Self::Sealed(Box::new(Sealed { epoch, own, rng, owed: BTreeMap::new(), members: BTreeSet::new() }))
    }

    /// Whether the room is private.
    pub fn is_private(&self) -> bool {
        !matches!(self, Self::Open)
    }

    /// Whether a connected peer that is in the channel, as gossip says, is known to be let in.
    pub fn is_member(&self, peer: &PeerId) -> bool {
        match self {
            Self::Open => true,
            Self::Sealed(sealed) => sealed.members.contains(peer),
            Self::Forgotten => false,
        }
    }

    /// A peer left the channel, or its last connection closed.
    pub fn gone(&mut self, peer: &PeerId) {
        if let Self::Sealed(sealed) = self {
            sealed.members.remove(peer);
        }
    }

    /// A gossip message as it travels.
    pub fn live(&mut self, live: &Live) -> Option<Vec<u8>> {
        match self {
            Self::Open => Some(wire::encode(live)),
            Self::Sealed(sealed) => Some(sealed.epoch.seal_live(live, &mut sealed.rng)),
            Self::Forgotten => None,
        }
    }

    /// Reads a gossip message.
    ///
    /// # Errors
    /// What the neighbour that brought it did wrong.
    pub fn open_live(&self, frame: &[u8]) -> Result<Live, Offence> {
        let opened = match self {
            Self::Open => wire::decode::<Live, MAX_FRAME_BYTES>(frame),
            Self::Sealed(sealed) => match sealed.epoch.open_live(frame) {
                Ok(live) => Ok(live),
                Err(Unopened::NotOfThisRoom(_)) => return Err(Offence::Malformed),
                Err(Unopened::Malformed(error)) => Err(error),
            },
            Self::Forgotten => return Err(Offence::Malformed),
        };
        opened.map_err(|error| match error {
            DecodeError::TooLong { .. } => Offence::Oversized,
            DecodeError::Truncated
            | DecodeError::Version(_)
            | DecodeError::Malformed(_)
            | DecodeError::NotCanonical => Offence::Malformed,
        })
    }

    /// A question as it travels, and its name if it is sealed.
    pub fn question(&mut self, to: &PeerId, topic: Topic) -> (Topic, Option<QuestionName>) {
        match self {
            Self::Sealed(sealed) => {
                let (topic, name) = sealed.epoch.seal_topic(&sealed.own, to, &topic, &mut sealed.rng);
                (topic, Some(name))
            }
            Self::Open => (topic, None),
            // Asks nothing, of anybody.
            Self::Forgotten => (Topic::Sealed(Vec::new()), None),
        }
    }

    /// Reads a question whose answer goes to `token`.
    pub fn asked(&mut self, from: PeerId, token: u64, topic: &Topic) -> Asked {
        match (self, topic) {
            (Self::Open, Topic::Sealed(_)) | (Self::Forgotten, _) => Asked::Stranger,
            (Self::Open, topic) => Asked::Topic(topic.clone()),
            (Self::Sealed(sealed), topic) => match sealed.epoch.open_topic(&from, &sealed.own, topic) {
                Ok((topic, name)) => {
                    sealed.owed.insert(token, name);
                    sealed.members.insert(from);
                    Asked::Topic(topic)
                }
                Err(Unopened::NotOfThisRoom(_)) => Asked::Stranger,
                Err(Unopened::Malformed(_)) => Asked::Nonsense,
            },
        }
    }

    /// An answer as it travels to `token`.
    pub fn answer(&mut self, token: u64, answer: Answer) -> Answer {
        match self {
            Self::Open => answer,
            Self::Sealed(sealed) => match sealed.owed.remove(&token) {
                Some(question) => sealed.epoch.seal_answer(&question, &answer, &mut sealed.rng),
                None => Answer::Sealed(Vec::new()),
            },
            Self::Forgotten => Answer::Sealed(Vec::new()),
        }
    }

    /// Reads an answer to a question of ours.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn answered(
        &mut self,
        from: PeerId,
        question: Option<QuestionName>,
        answer: Answer,
    ) -> Result<Answer, NoAnswer> {
        match (self, question, answer) {
            (Self::Open, _, Answer::Sealed(_)) => Err(NoAnswer::Wrong),
            (Self::Open, _, answer) => Ok(answer),
            (Self::Sealed(_), _, Answer::Sealed(frame)) if frame.is_empty() => Err(NoAnswer::Unavailable),
            (Self::Sealed(sealed), Some(question), answer) => {
                let opened = sealed.epoch.open_answer(&question, &answer).map_err(|_| NoAnswer::Wrong)?;
                sealed.members.insert(from);
                Ok(opened)
            }
            (Self::Sealed(_), None, _) | (Self::Forgotten, ..) => Err(NoAnswer::Unavailable),
        }
    }
}
