//! A survey whose questions are answered by hand.

use super::{share::Given, *};

/// A survey, what it asked and nobody answered, and what else it said.
pub struct Hand {
    pub survey: Survey,
    pub now_ms: u64,
    pub asked: Vec<(RequestId, u32, Asked)>,
    pub other: Vec<Output>,
}

impl Hand {
    /// One who has a link.
    pub fn with_link(share: &Share) -> Self {
        Self::new(share.id(), Some(share.content()))
    }

    /// One who has only the root.
    pub fn with_root(share: &Share) -> Self {
        Self::new(share.id(), None)
    }

    pub fn new(share: BlobId, content: Option<Content>) -> Self {
        let mut hand =
            Self { survey: Survey::new(share, content, [3; 32]), now_ms: 0, asked: Vec::new(), other: Vec::new() };
        hand.drain();
        hand
    }

    pub fn input(&mut self, input: Input) {
        self.survey.handle(at(self.now_ms), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.survey.poll_output() {
            match output {
                Output::Ask { request, peer, what } => self.asked.push((request, number(peer), what)),
                Output::Cancel { request } => {
                    let before = self.asked.len();
                    self.asked.retain(|(other, ..)| *other != request);
                    assert_eq!(self.asked.len() + 1, before, "cancels what is not open");
                    self.other.push(output);
                }
                other => self.other.push(other),
            }
        }
    }

    /// Does what is due until then.
    pub fn run(&mut self, until_ms: u64) {
        while let Some(due) = self.survey.poll_timeout().filter(|due| due.0 <= until_ms) {
            self.now_ms = self.now_ms.max(due.0);
            self.survey.handle_timeout(at(self.now_ms));
            self.drain();
        }
        self.now_ms = until_ms;
    }

    /// A peer comes that knows what the share is.
    pub fn knows(&mut self, n: u32, share: &Share) {
        self.says(n, share.content());
    }

    pub fn says(&mut self, n: u32, content: Content) {
        self.input(Input::PeerUp { peer: peer(n), content: Some(content) });
    }

    pub fn take(&mut self, request: RequestId) -> Asked {
        let at = self.asked.iter().position(|(other, ..)| *other == request).unwrap();
        self.asked.remove(at).2
    }

    /// A question is answered as one who has this share does.
    pub fn answer(&mut self, request: RequestId, share: &Share) {
        let what = self.take(request);
        self.input(match share.give(what) {
            Given::Layer(part) => Input::Layer { request, part },
            Given::Chunk(bytes) => Input::Chunk { request, bytes },
            Given::Nothing => Input::Failed { request, why: Failure::Lacks },
        });
        if let Some(Output::Decode(bytes)) = self.other.last() {
            let read = Manifest::decode(bytes);
            self.other.pop();
            self.input(Input::Manifest(read));
        }
    }

    /// All questions are, until there are none.
    pub fn answer_all(&mut self, share: &Share) {
        while let Some((request, ..)) = self.asked.first().copied() {
            self.answer(request, share);
        }
    }

    pub fn fail(&mut self, request: RequestId, why: Failure) {
        self.take(request);
        self.input(Input::Failed { request, why });
    }

    pub fn of_peer(&self, n: u32) -> Vec<(RequestId, u32, Asked)> {
        self.asked.iter().copied().filter(|(_, who, _)| *who == n).collect()
    }

    pub fn bans(&self) -> Vec<(u32, Misdeed)> {
        let ban = |output: &Output| match output {
            Output::Ban { peer, why } => Some((number(*peer), *why)),
            _ => None,
        };
        self.other.iter().filter_map(ban).collect()
    }

    pub fn is_done_with(&self, share: &Share) -> bool {
        self.other.contains(&Output::Done(Box::new(share.outline.clone())))
    }
}

pub fn number(peer: PeerId) -> u32 {
    let bytes = peer.to_bytes();
    u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]])
}
