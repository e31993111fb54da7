//! The messages of a private channel, sealed: gossip, questions and answers.
//!
//! | message | travels as |
//! |---|---|
//! | [`Live`] | the sealed frame itself, in the place of the open one |
//! | [`Topic`] | [`Topic::Sealed`], in a question that names the channel |
//! | [`Answer`] | [`Answer::Sealed`] |
//!
//! Nothing that is sealed holds something sealed.

use rand::CryptoRng;

use libp2p_identity::PeerId;

use super::{Epoch, FRAME_OVERHEAD_BYTES, NotOfThisRoom, Use};
use crate::{
    call::{Answer, MAX_ANSWER_BYTES, MAX_QUESTION_BYTES, SEALING_BYTES, Topic},
    ids::tagged_hash,
    live::{Live, MAX_FRAME_BYTES},
    wire::{self, DecodeError},
};

// The channel, a variant and a length stand before the sealed bytes.
const _: () = assert!(FRAME_OVERHEAD_BYTES + 48 <= SEALING_BYTES);

/// Names a sealed question, so that an answer to it is not taken for one to another: a hash of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionName([u8; 32]);

/// Why nothing came out of a sealed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It was not sealed by a member, or for another use.
    #[error(transparent)]
    NotOfThisRoom(#[from] NotOfThisRoom),
    /// A member sealed something that is no message.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl QuestionName {
    fn of(frame: &[u8]) -> Self {
        Self(tagged_hash("starling/private-question/1", &[frame]))
    }
}

impl Epoch {
    /// A gossip message as it travels.
    pub fn seal_live(&self, live: &Live, rng: &mut impl CryptoRng) -> Vec<u8> {
        self.seal(Use::Gossip, &wire::encode(live), rng)
    }

    /// Reads a gossip message of the channel.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn open_live(&self, frame: &[u8]) -> Result<Live, Unopened> {
        if frame.len() > MAX_FRAME_BYTES {
            return Err(DecodeError::TooLong { len: frame.len(), limit: MAX_FRAME_BYTES }.into());
        }
        Ok(wire::decode::<_, MAX_FRAME_BYTES>(&self.open(Use::Gossip, frame)?)?)
    }

    /// A question from one peer to another as it travels, and its name.
    pub fn seal_topic(
        &self,
        from: &PeerId,
        to: &PeerId,
        topic: &Topic,
        rng: &mut impl CryptoRng,
    ) -> (Topic, QuestionName) {
        let frame = self.seal(Use::Question { from, to }, &wire::encode(topic), rng);
        let name = QuestionName::of(&frame);
        (Topic::Sealed(frame), name)
    }

    /// Reads a question that came from one peer to another.
    ///
    /// # Errors
    /// [`Unopened`]; also for a question that is not sealed.
    pub fn open_topic(&self, from: &PeerId, to: &PeerId, topic: &Topic) -> Result<(Topic, QuestionName), Unopened> {
        let Topic::Sealed(frame) = topic else { return Err(NotOfThisRoom.into()) };
        let inner = self.open(Use::Question { from, to }, frame)?;
        match wire::decode::<_, MAX_QUESTION_BYTES>(&inner)? {
            Topic::Sealed(_) => Err(nested()),
            topic => Ok((topic, QuestionName::of(frame))),
        }
    }

    /// The answer to a sealed question as it travels.
    pub fn seal_answer(&self, question: &QuestionName, answer: &Answer, rng: &mut impl CryptoRng) -> Answer {
        Answer::Sealed(self.seal(Use::Answer { question: &question.0 }, &wire::encode(answer), rng))
    }

    /// Reads the answer to a sealed question.
    ///
    /// # Errors
    /// [`Unopened`]; also for an answer that is not sealed.
    pub fn open_answer(&self, question: &QuestionName, answer: &Answer) -> Result<Answer, Unopened> {
        let Answer::Sealed(frame) = answer else { return Err(NotOfThisRoom.into()) };
        let inner = self.open(Use::Answer { question: &question.0 }, frame)?;
        match wire::decode::<_, MAX_ANSWER_BYTES>(&inner)? {
            Answer::Sealed(_) => Err(nested()),
            answer => Ok(answer),
        }
    }
}

fn nested() -> Unopened {
    DecodeError::Malformed("sealed twice".into()).into()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{
        event::{Body, Event, MAX_BODY_BYTES, Run, SignedEvent},
        hlc::Timestamp,
        ids::{Author, EventId, LogId},
        log::message::{MAX_VECTOR_ENTRIES, SyncRequest, SyncResponse, VectorEntry},
        presence::{PresenceRequest, PresenceResponse},
        private::RoomSecret,
        testing::{peer, signer},
    };

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(9)
    }

    fn epoch(seed: u64) -> Epoch {
        Epoch::first(signer(1).author(), RoomSecret::generate(&mut ChaCha20Rng::seed_from_u64(seed)))
    }

    fn peers() -> [PeerId; 3] {
        [1, 2, 3].map(peer)
    }

    #[test]
    fn a_question_and_its_answer_are_for_those_two_peers_and_each_other() {
        let (epoch, rng, [ada, bob, eve]) = (epoch(1), &mut rng(), peers());
        let topic = Topic::Presence(PresenceRequest::List { after: None });
        let (sealed, asked) = epoch.seal_topic(&ada, &bob, &topic, rng);
        let (again, other) = epoch.seal_topic(&ada, &bob, &topic, rng);
        assert_ne!((&sealed, asked), (&again, other));
        assert_eq!(epoch.open_topic(&ada, &bob, &sealed), Ok((topic.clone(), asked)));
        for (from, to) in [(&eve, &bob), (&ada, &eve), (&bob, &ada)] {
            assert_eq!(epoch.open_topic(from, to, &sealed), Err(NotOfThisRoom.into()));
        }
        assert_eq!(epoch.open_topic(&ada, &bob, &topic), Err(NotOfThisRoom.into()));
        assert_eq!(self::epoch(2).open_topic(&ada, &bob, &sealed), Err(NotOfThisRoom.into()));

        let answer = Answer::Presence(PresenceResponse::Unavailable);
        let sealed = epoch.seal_answer(&asked, &answer, rng);
        assert_eq!(epoch.open_answer(&asked, &sealed), Ok(answer.clone()));
        assert_eq!(epoch.open_answer(&other, &sealed), Err(NotOfThisRoom.into()));
        assert_eq!(epoch.open_answer(&asked, &answer), Err(NotOfThisRoom.into()));
        assert_eq!(epoch.open_answer(&asked, &Answer::Sealed(Vec::new())), Err(NotOfThisRoom.into()));
    }

    #[test]
    fn a_member_that_seals_nonsense_or_something_sealed_is_told_from_a_stranger() {
        let (epoch, rng, [ada, bob, _]) = (epoch(1), &mut rng(), peers());
        let used_for = Use::Question { from: &ada, to: &bob };
        for nonsense in [Vec::new(), b"hello".to_vec(), wire::encode(&Topic::Sealed(vec![1]))] {
            let topic = Topic::Sealed(epoch.seal(used_for, &nonsense, rng));
            assert!(matches!(epoch.open_topic(&ada, &bob, &topic), Err(Unopened::Malformed(_))), "{nonsense:?}");
            let asked = QuestionName([1; 32]);
            let answer = Answer::Sealed(epoch.seal(Use::Answer { question: &asked.0 }, &nonsense, rng));
            assert!(matches!(epoch.open_answer(&asked, &answer), Err(Unopened::Malformed(_))));
            assert!(matches!(epoch.open_live(&epoch.seal(Use::Gossip, &nonsense, rng)), Err(Unopened::Malformed(_))));
        }
        let long = vec![0; MAX_FRAME_BYTES + 1];
        assert!(matches!(epoch.open_live(&long), Err(Unopened::Malformed(DecodeError::TooLong { .. }))));
    }

    #[test]
    fn the_largest_messages_fit_when_they_are_sealed() {
        let (epoch, rng, [ada, bob, _]) = (epoch(1), &mut rng(), peers());
        let event = Event {
            channel: epoch.channel(),
            author: signer(1).author(),
            log: LogId(u64::MAX),
            seq: u64::MAX - 1,
            prev: EventId([7; 32]),
            hlc: Timestamp(u64::MAX),
            body: Body { kind: u32::MAX, bytes: vec![0; MAX_BODY_BYTES] },
        };
        let live = Live::Run(Run::from_events(&[SignedEvent::create(&signer(1), event)]).unwrap());
        assert_eq!(epoch.open_live(&epoch.seal_live(&live, rng)), Ok(live));

        let entry = VectorEntry {
            author: Author([9; 32]),
            log: LogId(u64::MAX),
            seq: u64::MAX,
            head: EventId([9; 32]),
            frozen: true,
        };
        let (topic, _) =
            epoch.seal_topic(&ada, &bob, &Topic::Sync(SyncRequest::Have(vec![entry; MAX_VECTOR_ENTRIES])), rng);
        let question = crate::call::Question { channel: epoch.channel(), topic };
        assert!(wire::encode(&question).len() <= MAX_QUESTION_BYTES);
        let response = Answer::Sync(SyncResponse::Vector { entries: vec![entry; MAX_VECTOR_ENTRIES], more: true });
        let added = wire::encode(&epoch.seal_answer(&QuestionName([1; 32]), &response, rng)).len();
        assert!(added <= wire::encode(&response).len() + SEALING_BYTES);
    }
}
