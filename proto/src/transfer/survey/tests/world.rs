//! Surveys among peers of all kinds, in a time of their own.

use std::{collections::BTreeSet, sync::LazyLock};

use proptest::prelude::*;
use rand::{Rng, RngExt};

use super::{
    hand::number,
    share::{Given, Share},
    *,
};

/// Milliseconds within which any survey here is to be over. Every one who keeps silent costs a few times its patience.
const LONG_MS: u64 = 3_600_000;

/// What a peer is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Gives all that it is asked for.
    Honest,
    /// The same, but refuses at times, or is busy, or its answers are lost.
    Moody,
    /// Says what the share is, and nothing more.
    Silent,
    /// Says what the share is, and damages what it sends.
    Liar,
    /// Says that the share is what it is not, and sends what there is.
    Impostor,
    /// The same; but keeps silent when it is asked.
    SilentImpostor,
    /// Takes part and knows nothing.
    Ignorant,
    /// Comes and goes, and gives what it is asked for while it is there.
    Fleeting,
}

const NATURES: [Nature; 8] = [
    Nature::Honest,
    Nature::Moody,
    Nature::Silent,
    Nature::Liar,
    Nature::Impostor,
    Nature::SilentImpostor,
    Nature::Ignorant,
    Nature::Fleeting,
];

/// What is on its way to the survey.
#[derive(Debug)]
enum Coming {
    Input(Input),
    /// The same, unless the question was taken back.
    Answer(RequestId, Input),
    Flees(u32),
    Returns(u32),
}

struct World {
    share: &'static Share,
    natures: Vec<Nature>,
    survey: Survey,
    rng: ChaCha8Rng,
    now_ms: u64,
    coming: BTreeMap<(u64, u64), Coming>,
    count: u64,
    open: BTreeMap<RequestId, u32>,
    banned: BTreeSet<u32>,
    log: Vec<Output>,
}

static SHARES: LazyLock<Vec<Share>> = LazyLock::new(|| {
    let sizes: Vec<u64> = (0..1_300).map(|at| [5, 0, 2 * CHUNK + 1][at % 3]).collect();
    vec![
        Share::file(1_000),
        Share::file(CHUNK_BYTES),
        Share::file(4 * CHUNK_BYTES + 9),
        Share::folder(&[1, 2, 3], 9),
        Share::folder(&[1, 700 * CHUNK, 0, 2 * CHUNK, 9 * CHUNK - 1], 20),
        Share::folder(&sizes, 210),
    ]
});

impl World {
    fn new(seed: u64, share: usize, with_link: bool, natures: &[Nature]) -> Self {
        let share = &SHARES[share % SHARES.len()];
        let content = with_link.then(|| share.content());
        let mut world = Self {
            share,
            natures: natures.to_vec(),
            survey: Survey::new(share.id(), content, [seed as u8; 32]),
            rng: ChaCha8Rng::seed_from_u64(seed),
            now_ms: 0,
            coming: BTreeMap::new(),
            count: 0,
            open: BTreeMap::new(),
            banned: BTreeSet::new(),
            log: Vec::new(),
        };
        for n in 0..natures.len() as u32 {
            let wait_ms = world.rng.random_range(0..20_000);
            world.later(wait_ms, Coming::Returns(n));
        }
        world
    }

    fn later(&mut self, wait_ms: u64, coming: Coming) {
        self.count += 1;
        self.coming.insert((self.now_ms + wait_ms, self.count), coming);
    }

    /// What a peer says the share is.
    fn said(&self, n: u32) -> Option<Content> {
        let is_odd = n % 2 == 1;
        match (self.natures[n as usize], self.share.content()) {
            (Nature::Ignorant, _) => None,
            (Nature::Impostor | Nature::SilentImpostor, Content::File { root, size }) => Some(match is_odd {
                true => Content::Folder { manifest: root, manifest_len: size as u32, size: 1 },
                false => Content::File { root, size: size + u64::from(n) + 1 },
            }),
            (Nature::Impostor | Nature::SilentImpostor, Content::Folder { manifest, manifest_len, size }) => {
                Some(match is_odd {
                    true => Content::File { root: manifest, size: u64::from(manifest_len) },
                    false => Content::Folder { manifest, manifest_len: manifest_len + n + 1, size },
                })
            }
            (_, content) => Some(content),
        }
    }

    /// What a peer answers, if it does.
    fn answered(&mut self, n: u32, what: Asked) -> Option<Result<Given, Failure>> {
        let given = self.share.give(what);
        match self.natures[n as usize] {
            Nature::Silent | Nature::SilentImpostor => None,
            Nature::Ignorant => Some(Err(Failure::Lacks)),
            Nature::Honest | Nature::Fleeting => Some(Ok(given)),
            Nature::Moody if self.rng.random_bool(0.5) => Some(Ok(given)),
            Nature::Moody => {
                let why = [None, Some(Failure::Refused), Some(Failure::Busy), Some(Failure::Lost)];
                why[self.rng.random_range(0..4)].map(Err)
            }
            Nature::Liar => Some(Ok(self.damaged(given))),
            // The share under another name, as far as there is such a thing.
            Nature::Impostor => Some(Ok(match what {
                Asked::Layer { range, .. } => match self.share.content() {
                    Content::File { .. } => self.share.give(Asked::Layer { of: Tree::File(0), range }),
                    Content::Folder { .. } => self.share.give(Asked::Layer { of: Tree::Manifest, range }),
                },
                Asked::ManifestChunk(chunk) | Asked::Block(chunk) => {
                    let bytes = self.share.bytes.chunks(CHUNK_BYTES).nth(chunk as usize);
                    Given::Chunk(bytes.unwrap_or_default().to_vec())
                }
            })),
        }
    }

    fn damaged(&mut self, given: Given) -> Given {
        match given {
            Given::Layer(mut part) => {
                let at = self.rng.random_range(0..part.hashes.len() + part.proof.len());
                let count = part.hashes.len();
                match self.rng.random_range(0..3) {
                    0 => _ = part.hashes.pop(),
                    1 => part.proof.push([0; 32]),
                    _ if at < count => part.hashes[at][0] ^= 0x80,
                    _ => part.proof[at - count][31] ^= 1,
                }
                Given::Layer(part)
            }
            Given::Chunk(mut bytes) => {
                let at = self.rng.random_range(0..bytes.len());
                match self.rng.random_range(0..3) {
                    0 => _ = bytes.pop(),
                    1 => bytes.push(0),
                    _ => bytes[at] ^= 4,
                }
                Given::Chunk(bytes)
            }
            Given::Nothing => Given::Nothing,
        }
    }

    fn ask(&mut self, request: RequestId, n: u32, what: Asked) -> Result<(), TestCaseError> {
        prop_assert!(!self.banned.contains(&n), "asks {n}, which is banned");
        let each = self.open.values().filter(|who| **who == n).count();
        prop_assert!(each < MAX_REQUESTS_EACH && self.open.len() < MAX_REQUESTS);
        self.open.insert(request, n);
        let answer = self.answered(n, what);
        let wait_ms = 1 + self.rng.next_u64() % if self.natures[n as usize] == Nature::Moody { 20_000 } else { 400 };
        let input = match answer {
            None => return Ok(()),
            Some(Err(why)) => Input::Failed { request, why },
            Some(Ok(Given::Layer(part))) => Input::Layer { request, part },
            Some(Ok(Given::Chunk(bytes))) => Input::Chunk { request, bytes },
            Some(Ok(Given::Nothing)) => {
                let is_honest = matches!(self.natures[n as usize], Nature::Honest | Nature::Moody | Nature::Fleeting);
                prop_assert!(!is_honest, "{n} is asked for {what:?}, which is not of what it says the share is");
                Input::Failed { request, why: Failure::Lacks }
            }
        };
        self.later(wait_ms, Coming::Answer(request, input));
        Ok(())
    }

    fn drain(&mut self) -> Result<(), TestCaseError> {
        while let Some(output) = self.survey.poll_output() {
            match &output {
                Output::Ask { request, peer, what } => self.ask(*request, number(*peer), *what)?,
                Output::Cancel { request } => prop_assert!(self.open.remove(request).is_some()),
                Output::Ban { peer, .. } => {
                    let n = number(*peer);
                    let is_bad =
                        matches!(self.natures[n as usize], Nature::Liar | Nature::Impostor | Nature::SilentImpostor);
                    prop_assert!(is_bad, "{n} is banned and did nothing wrong");
                    self.banned.insert(n);
                }
                Output::Decode(bytes) => {
                    prop_assert!(*bytes == self.share.bytes, "a wrong manifest is believed");
                    let read = Manifest::decode(bytes);
                    let wait_ms = self.rng.random_range(1..1_000);
                    self.later(wait_ms, Coming::Input(Input::Manifest(read)));
                }
                Output::Done(outline) => prop_assert!(**outline == self.share.outline, "a wrong outline is believed"),
                Output::NeedPeers => {}
                Output::Failed(why) => prop_assert!(false, "{why}"),
            }
            prop_assert!(self.survey.progress().peers <= MAX_PEERS);
            self.log.push(output);
        }
        Ok(())
    }

    fn happens(&mut self, coming: Coming) {
        let now = at(self.now_ms);
        let input = match coming {
            Coming::Input(input) => input,
            Coming::Answer(request, input) => {
                // What was taken back may come all the same.
                self.open.remove(&request);
                input
            }
            Coming::Flees(n) => {
                self.later(30_000, Coming::Returns(n));
                Input::PeerDown { peer: peer(n) }
            }
            Coming::Returns(n) => {
                if self.natures[n as usize] == Nature::Fleeting {
                    let wait_ms = self.rng.random_range(1..3_000);
                    self.later(wait_ms, Coming::Flees(n));
                }
                Input::PeerUp { peer: peer(n), content: self.said(n) }
            }
        };
        self.survey.handle(now, input);
    }

    /// Runs until the survey is over, and says how long that took.
    fn run(mut self) -> Result<(u64, Vec<Output>), TestCaseError> {
        self.drain()?;
        while !self.survey.is_over() {
            let coming_ms = self.coming.keys().next().map(|(at_ms, _)| *at_ms);
            let due_ms = self.survey.poll_timeout().map(|due| due.0);
            let next_ms = coming_ms.into_iter().chain(due_ms).min();
            prop_assert!(
                next_ms.is_some_and(|next_ms| next_ms < LONG_MS),
                "stands still at {next_ms:?}: {:?}",
                self.natures
            );
            self.now_ms = next_ms.unwrap_or(0).max(self.now_ms);
            if coming_ms == next_ms
                && let Some((_, coming)) = self.coming.pop_first()
            {
                self.happens(coming);
            } else {
                self.survey.handle_timeout(at(self.now_ms));
                prop_assert!(self.survey.poll_timeout().is_none_or(|due| due.0 > self.now_ms));
            }
            self.drain()?;
        }
        prop_assert!(self.open.is_empty() && self.survey.poll_timeout().is_none());
        prop_assert!(matches!(self.log.last(), Some(Output::Done(_))));
        Ok((self.now_ms, self.log))
    }
}

fn natures(most: usize) -> impl Strategy<Value = Vec<Nature>> {
    let others = prop::collection::vec(prop::sample::select(&NATURES[..]), 0..most);
    // One that is honest comes to them at any place.
    (others, any::<prop::sample::Index>()).prop_map(|(mut natures, place)| {
        natures.insert(place.index(natures.len() + 1), Nature::Honest);
        natures
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whoever_takes_part_a_survey_ends_with_what_is_true_if_one_is_honest(
        seed: u64, share in 0usize..6, with_link: bool, natures in natures(14),
    ) {
        World::new(seed, share, with_link, &natures).run()?;
    }

    #[test]
    fn the_same_seed_leads_to_the_same(seed: u64, share in 0usize..5, with_link: bool, natures in natures(6)) {
        let one = World::new(seed, share, with_link, &natures).run()?;
        let other = World::new(seed, share, with_link, &natures).run()?;
        prop_assert!(one == other);
    }
}

#[test]
fn one_honest_peer_among_many_of_each_bad_kind_is_enough() {
    for nature in [Nature::Silent, Nature::Liar, Nature::Impostor, Nature::SilentImpostor, Nature::Ignorant] {
        for (share, with_link) in [(2, false), (4, false), (4, true)] {
            let mut natures = vec![nature; MAX_PEERS - 1];
            natures.insert(40, Nature::Honest);
            let ended = World::new(7, share, with_link, &natures).run();
            assert!(ended.as_ref().is_ok_and(|(ended_ms, _)| *ended_ms < LONG_MS / 2), "{nature:?}: {:?}", ended.err());
        }
    }
}
