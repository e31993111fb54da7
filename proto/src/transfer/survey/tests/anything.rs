//! Whatever happens, in any order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{hand::number, share::Given, *};
use crate::blob::layer::LayerPart;

/// One thing that happens: which, with which peer, how long after the last, and about which open question.
type Step = (u8, u32, u64, prop::sample::Index);

struct Model {
    share: Share,
    survey: Survey,
    now_ms: u64,
    here: BTreeSet<u32>,
    banned: BTreeSet<u32>,
    asked: BTreeMap<RequestId, (u32, Asked)>,
    is_reading: bool,
    is_over: bool,
}

impl Model {
    fn said(&self, n: u32, odd: u64) -> Option<Content> {
        match (odd % 6, self.share.content()) {
            (0, _) => None,
            (1, content) => Some(Content::File { root: content.id(), size: u64::from(n) * 1_000 }),
            (2, content) => Some(Content::Folder { manifest: content.id(), manifest_len: n + 60, size: 0 }),
            (_, content) => Some(content),
        }
    }

    fn input(&mut self, (step, n, wait_ms, which): Step) -> Input {
        let question = || self.asked.iter().nth(which.index(self.asked.len().max(1)));
        let asked = question().map(|(request, (_, what))| (*request, *what));
        let peer = peer(n);
        match (step, asked) {
            (0..=2, _) => Input::PeerUp { peer, content: self.said(n, wait_ms) },
            (3, _) if wait_ms > 3_000 => Input::PeerDown { peer },
            (4, _) => Input::Manifest(Manifest::decode(&self.share.bytes)),
            (5, _) => Input::Failed { request: RequestId(wait_ms), why: Failure::Busy },
            (6, Some((request, _))) => Input::Layer { request, part: LayerPart { hashes: vec![], proof: vec![] } },
            (7, Some((request, _))) => Input::Chunk { request, bytes: vec![n as u8; wait_ms as usize] },
            (8 | 9, Some((request, _))) => {
                let why = [Failure::Refused, Failure::Busy, Failure::Lost, Failure::Lacks];
                Input::Failed { request, why: why[wait_ms as usize % 4] }
            }
            (_, Some((request, what))) => match self.share.give(what) {
                Given::Layer(part) => Input::Layer { request, part },
                Given::Chunk(bytes) => Input::Chunk { request, bytes },
                Given::Nothing => Input::Failed { request, why: Failure::Lost },
            },
            (_, None) => Input::PeerUp { peer, content: Some(self.share.content()) },
        }
    }

    /// What the survey does not ask any more, because of what it is told.
    fn note(&mut self, input: &Input) {
        match input {
            Input::PeerUp { peer, .. } => _ = self.here.insert(number(*peer)),
            Input::PeerDown { peer } => _ = self.here.remove(&number(*peer)),
            Input::Layer { request, .. } | Input::Chunk { request, .. } | Input::Failed { request, .. } => {
                self.asked.remove(request);
            }
            Input::Manifest(_) => self.is_reading = false,
        }
    }

    fn drain(&mut self) -> Result<(), TestCaseError> {
        while let Some(output) = self.survey.poll_output() {
            prop_assert!(!self.is_over, "{output:?} after the end");
            match output {
                Output::Ask { request, peer, what } => {
                    let n = number(peer);
                    prop_assert!(self.here.contains(&n) && !self.banned.contains(&n) && !self.is_reading);
                    prop_assert!(self.asked.values().filter(|(who, _)| *who == n).count() < MAX_REQUESTS_EACH);
                    self.asked.insert(request, (n, what));
                }
                Output::Cancel { request } => prop_assert!(self.asked.remove(&request).is_some()),
                Output::Ban { peer, .. } => prop_assert!(self.banned.insert(number(peer)), "banned twice"),
                Output::NeedPeers => prop_assert!(!self.is_reading),
                Output::Decode(bytes) => {
                    prop_assert!(bytes == self.share.bytes && self.asked.is_empty());
                    self.is_reading = true;
                }
                Output::Done(outline) => {
                    prop_assert!(*outline == self.share.outline && self.asked.is_empty());
                    self.is_over = true;
                }
                Output::Failed(why) => prop_assert!(false, "{why}"),
            }
        }
        prop_assert!(self.asked.len() <= MAX_REQUESTS && self.survey.open.len() == self.asked.len());
        let gone = self.asked.values().find(|(n, _)| !self.here.contains(n) || self.banned.contains(n));
        prop_assert!(gone.is_none(), "a question stays open to one that is gone: {gone:?}");
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_only_what_may_be_asked_is_asked_and_nothing_wrong_is_believed(
        steps in prop::collection::vec((0u8..16, 0u32..12, 0u64..4_000, any::<prop::sample::Index>()), 1..300),
        is_folder: bool, with_link: bool,
    ) {
        let share = if is_folder { Share::folder(&[7, 1_200 * CHUNK, 0, 3 * CHUNK], 9) } else { Share::file(3 * CHUNK_BYTES) };
        let survey = Survey::new(share.id(), with_link.then(|| share.content()), [8; 32]);
        let (here, banned, asked) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let mut model = Model { share, survey, now_ms: 0, here, banned, asked, is_reading: false, is_over: false };
        for step in steps {
            let input = model.input(step);
            model.note(&input);
            model.survey.handle(at(model.now_ms), input);
            model.drain()?;
            model.now_ms += step.2;
            model.survey.handle_timeout(at(model.now_ms));
            prop_assert!(model.survey.poll_timeout().is_none_or(|due| due.0 > model.now_ms));
            model.drain()?;
        }
    }
}
