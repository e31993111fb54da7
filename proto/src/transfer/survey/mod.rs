//! A survey: gathers the outline of a share, before any of its blocks can be asked for.
//!
//! There is one for each share that a node begins to get. It starts with what a link tells, or with a root alone; peers come, some of
//! which know what the share is; and it ends with an [`Outline`](crate::blob::outline::Outline), of which every hash leads to the root.
//!
//! | stage | it asks for | until |
//! |---|---|---|
//! | proving | what proves or refutes what peers say the share is, if no link tells | one saying is proven |
//! | listing | the hashes of a folder's manifest, if it has more than one chunk; then its chunks | all are here, and go to [`Output::Decode`] |
//! | reading | nothing | [`Input::Manifest`] says what the manifest lists |
//! | files | the hashes of each file that has more than one chunk | all are here |
//! | over | nothing | |
//!
//! The empty file and the empty folder are known by their roots, and nobody is asked.
//!
//! **Who is asked.** Each question goes to one peer at a time: to one that says what we hold for true, before those that do not know;
//! to one that failed less often in a row; to one that is asked less now; by lot among equals. A peer that says anything else than we
//! hold for true is not asked, because what it sends would look wrong though it may be right. How many questions a peer may have follows what it
//! does: one more for each
//! answer, half as many when one does not come or is too much for it.
//!
//! | a question is | when | then |
//! |---|---|---|
//! | missing | nobody is asked | open |
//! | open | one peer is asked | answered, if the answer verifies; otherwise missing |
//! | answered | what was asked for is here | stays so |
//!
//! | a question ended with | the peer |
//! |---|---|
//! | what was asked for | is forgiven its failures |
//! | anything else: a wrong hash, byte or length | is banned from the survey, at once and for good |
//! | a refusal, or nothing for [`PATIENCE_MS`] | rests for [`REST`], and comes after those that failed less |
//! | word that it lacks a block | is not asked for that block for [`LACKS_MS`] |
//! | word that it lacks anything else | rests: who has one part of an outline has all |
//!
//! **What a share is said to be.** With a link, that is settled: what does not go with it verifies nowhere. Who says otherwise is not let in, and
//! banned once the manifest proved the link right. With a root alone, peers say what the share is, and some may lie, or many. Each saying
//! is put to the proof beside the others, so that no number of liars outvotes one who tells the truth, and only by those who made it, so that
//! nobody is banned for not bearing out a lie. The proof is the last chunk, because the hashes tell how many chunks there are but
//! nothing of the length of the last, and the first, which begins as manifests do or does not; with the range of hashes that covers them. A
//! saying that its own chunks refute bans all who made it; once one is proven, so are all who made another.
//!
//! A file of 64 bytes cannot be proven by its root ([`crate::blob::merkle::root_proves_len`]), so that it needs a link. A manifest of
//! 64 bytes can: it would take 2¹³⁶ attempts to find a tree of which two hashes begin as one.
//!
//! More peers are looked for while fewer than [`FEW_PEERS`] know what the share is, or nothing came for [`NO_PROGRESS_MS`]; ever more
//! rarely ([`NEED`]).
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_PEERS`] | 64 | another takes the place of the one that failed most often in a row, if that is [`LONG_FAILING`] times; otherwise it is not asked |
//! | [`MAX_BANNED`] | 1,024 | the one banned longest ago may return |
//! | [`MAX_REQUESTS`], [`MAX_REQUESTS_EACH`] of one peer | 64, 8 | nothing is asked until some are answered |
//! | sayings on trial | one for each peer | |
//! | bytes of a trial | two chunks, and a range of hashes | |
//! | bytes of a manifest | [`crate::blob::MAX_MANIFEST_BYTES`] | more is possible in no saying |
//! | bytes of hashes | 128 MiB and 32 for each file | a share has no more |
//!
//! Each [`Output::Ask`] ends with one answer of the driver, or with one [`Output::Cancel`], whichever is first; what comes later is not
//! looked at. An answer costs at most the hashing of a chunk or of a range; once for each survey, a fraction of a second passes where the
//! files of a large folder are gone through.

mod answers;
mod asking;
mod crew;
mod files;
mod interface;
mod listing;
mod peers;
mod stages;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use interface::*;

use crate::{
    backoff::{Backoff, Policy},
    blob::{BlobId, manifest::Content},
    schedule::Schedule,
    time::{Deadline, Now},
};
use crew::Crew;
use files::Files;
use listing::Listing;
use trial::{Claim, Proof, Trial};

/// Peers that take part in a survey: an outline is small beside what it is of, so a few that are quick are enough.
pub const MAX_PEERS: usize = 64;

/// Failures in a row after which a peer makes place for another when there is no more room.
pub const LONG_FAILING: u32 = 3;

/// Peers that are banned and remembered.
pub const MAX_BANNED: usize = 1_024;

/// Questions that are open: of chunks of 256 KiB, 16 MiB.
pub const MAX_REQUESTS: usize = 64;

/// Questions that are open to one peer: of hashes, 128 KiB, which keeps a way of 10 Mbit/s busy for 100 ms.
pub const MAX_REQUESTS_EACH: usize = 8;

/// Questions that are asked of a peer before it answered any.
pub const FIRST_WINDOW: usize = 4;

/// Milliseconds after which a question is asked of another: a chunk in 15 s is 17 KiB/s.
pub const PATIENCE_MS: u64 = 15_000;

/// Milliseconds after which a peer is asked again for a block that it lacked.
pub const LACKS_MS: u64 = 30_000;

/// How long a peer rests that did not give what it was asked for.
pub const REST: Policy = Policy { first_ms: 1_000, cap_ms: 60_000, jitter_percent: 25 };

/// Peers that know what the share is below which others are looked for.
pub const FEW_PEERS: usize = 4;

/// Milliseconds without an answer after which others are looked for.
pub const NO_PROGRESS_MS: u64 = 20_000;

/// Milliseconds between two looks at whether there are enough peers.
pub const NEED_CHECK_MS: u64 = 10_000;

/// How long to wait from one search for peers to the next.
pub const NEED: Policy = Policy { first_ms: 5_000, cap_ms: 300_000, jitter_percent: 25 };

/// What is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    /// A question is open for too long.
    Question(RequestId),
    /// A peer has rested.
    Rested(PeerId),
    /// A peer may have the blocks that it lacked.
    Lacked(PeerId),
    /// Peers may be needed.
    Needs,
}

/// An open question.
#[derive(Debug, Clone, Copy)]
struct Question {
    peer: PeerId,
    /// What it helps to prove, while the share is not known.
    claim: Option<Claim>,
    what: Asked,
}

/// How far it is.
#[derive(Debug)]
enum Stage {
    Proving(BTreeMap<Claim, Trial>),
    Listing(Listing),
    Reading,
    Files(Box<Files>),
    Over,
}

/// What an answer turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// What was asked for.
    Right,
    /// Not what was asked for.
    Wrong,
    /// What was asked for; and it refutes what the share was said to be.
    Lie,
}

/// The survey of one share.
pub struct Survey {
    share: BlobId,
    rng: ChaCha8Rng,
    stage: Stage,
    crew: Crew,
    open: BTreeMap<RequestId, Question>,
    next_request: u64,
    /// What is known of the share, and how much of that is here.
    known: Progress,
    /// Whether its content is proven, and not only what a link says.
    is_proven: bool,
    /// When something came last, or when it began.
    progressed_ms: Option<u64>,
    need: Backoff,
    need_again: Deadline,
    wakes: Schedule<Wake>,
    outputs: VecDeque<Output>,
}

impl Survey {
    /// One of this share. `content` is what a link says, and `None` if only the root is known. That of another share, or of none that
    /// can be, counts for nothing.
    pub fn new(share: BlobId, content: Option<Content>, seed: [u8; 32]) -> Self {
        let mut survey = Self {
            share,
            rng: ChaCha8Rng::from_seed(seed),
            stage: Stage::Proving(BTreeMap::new()),
            crew: Crew::default(),
            open: BTreeMap::new(),
            next_request: 0,
            known: Progress::default(),
            is_proven: false,
            progressed_ms: None,
            need: Backoff::default(),
            need_again: Deadline(0),
            wakes: Schedule::default(),
            outputs: VecDeque::new(),
        };
        survey.wakes.set(Wake::Needs, Some(survey.need_again));
        if let Some((content, manifest)) = stages::without_bytes(share) {
            survey.known.content = Some(content);
            survey.list_files(content, manifest);
        } else if let Some(content) = content.filter(|content| content.id() == share && content.is_possible()) {
            survey.settle(content);
        }
        survey.advance();
        survey
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.is_over() {
            return;
        }
        match input {
            Input::PeerUp { peer, content } => self.peer_up(now, peer, content),
            Input::PeerDown { peer } => self.part(now, peer),
            Input::Layer { request, part } => self.layer(now, request, part),
            Input::Chunk { request, bytes } => self.chunk(now, request, bytes),
            Input::Manifest(read) => self.read(now, read),
            Input::Failed { request, why } => self.failed(now, request, why),
        }
        self.advance();
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.progressed_ms.get_or_insert(now.mono_ms);
        while let Some(wake) = self.wakes.pop_due(now) {
            match wake {
                Wake::Question(request) => self.overdue(now, request),
                Wake::Rested(peer) => self.crew.rested(&peer),
                Wake::Lacked(peer) => {
                    if let Some(member) = self.crew.get_mut(&peer) {
                        member.lacks.clear();
                    }
                }
                Wake::Needs => self.look_for_peers(now),
            }
        }
        self.ask_all(now);
    }

    /// The next thing to do, in order; call until `None` after `new` and after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.wakes.first()
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { peers: self.crew.len(), ..self.known }
    }

    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// What the share is held to be; nothing while that is on trial.
    fn claim(&self) -> Option<Claim> {
        self.known.content.as_ref().map(Claim::of)
    }
}
