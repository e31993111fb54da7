//! Downloads whose questions are answered by hand.

use super::*;

/// Downloads, and what they asked for and nobody answered.
pub struct Getter {
    pub downloads: Downloads,
    pub now_ms: u64,
    pub asked: Vec<(RequestId, u32, u32)>,
    pub other: Vec<Output>,
}

impl Getter {
    pub fn new() -> Self {
        Self { downloads: Downloads::new([5; 32]), now_ms: 0, asked: Vec::new(), other: Vec::new() }
    }

    /// One of a file of so many blocks, and so many peers that have all.
    pub fn of(count: u32, peers: u32) -> Self {
        let mut getter = Self::new();
        getter.add(FILE, count, Blocks::none(count));
        (0..peers).for_each(|n| getter.seeder(n, count));
        getter
    }

    pub fn add(&mut self, transfer: TransferId, count: u32, have: Blocks) {
        let (lengths, wanted) = (Lengths::new(count, FULL, Vec::new()), Blocks::all(count));
        self.input(Input::Add { transfer, lengths, have, wanted });
    }

    pub fn seeder(&mut self, n: u32, count: u32) {
        self.input(Input::PeerUp { transfer: FILE, peer: peer(n) });
        self.input(Input::Has { transfer: FILE, peer: peer(n), blocks: Blocks::all(count) });
    }

    pub fn input(&mut self, input: Input) {
        self.downloads.handle(at(self.now_ms), input);
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.downloads.poll_output() {
            match output {
                Output::Ask { request, peer, block, .. } => self.asked.push((request, number(peer), block)),
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
        while let Some(due) = self.downloads.poll_timeout().filter(|due| due.0 <= until_ms) {
            self.now_ms = self.now_ms.max(due.0);
            self.downloads.handle_timeout(at(self.now_ms));
            self.drain();
        }
        self.now_ms = until_ms;
    }

    pub fn of_peer(&self, n: u32) -> Vec<(RequestId, u32, u32)> {
        self.asked.iter().copied().filter(|(_, who, _)| *who == n).collect()
    }

    pub fn take(&mut self, request: RequestId) -> u32 {
        let at = self.asked.iter().position(|(other, ..)| *other == request).unwrap();
        self.asked.remove(at).2
    }

    pub fn receive(&mut self, request: RequestId) -> u32 {
        let block = self.take(request);
        self.input(Input::Received { request, bytes: FULL });
        block
    }

    /// A block comes, is right, and is stored.
    pub fn get(&mut self, request: RequestId) {
        let block = self.receive(request);
        self.input(Input::Verified { request });
        self.input(Input::Stored { transfer: FILE, block });
    }

    pub fn fail(&mut self, request: RequestId, why: Failure) {
        self.take(request);
        self.input(Input::Failed { request, why });
    }

    pub fn said(&self, output: &Output) -> bool {
        self.other.contains(output)
    }
}

pub fn number(peer: PeerId) -> u32 {
    let bytes = peer.to_bytes();
    u32::from_be_bytes([bytes[6], bytes[7], bytes[8], bytes[9]])
}
