//! Whatever happens, in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{getter::number, *};

const COUNT: u32 = 20;

/// The block that is longer than the others.
const LONG: u32 = 3;

fn len(block: u32) -> u32 {
    if block == LONG { FULL } else { 1_000 }
}

/// What a peer was last heard to have, and whether it serves us.
#[derive(Default)]
struct Known {
    has: BTreeMap<u64, Blocks>,
    choking: bool,
}

/// One thing that happens: which, with which peer, transfer and block, and how long after the last.
type Step = (u8, u32, u64, u32, u64);

/// Downloads, and what there is to know of them from outside.
struct Model {
    downloads: Downloads,
    now_ms: u64,
    peers: BTreeMap<u32, Known>,
    banned: BTreeSet<(u32, u64)>,
    asked: BTreeMap<RequestId, (u64, u32, u32)>,
    received: BTreeMap<RequestId, (u64, u32)>,
    verified: BTreeSet<(u64, u32)>,
}

impl Model {
    fn new() -> Self {
        Self {
            downloads: Downloads::new([9; 32]),
            now_ms: 0,
            peers: BTreeMap::new(),
            banned: BTreeSet::new(),
            asked: BTreeMap::new(),
            received: BTreeMap::new(),
            verified: BTreeSet::new(),
        }
    }

    fn input(&mut self, (step, n, id, block, wait_ms): Step) -> Input {
        let (transfer, peer) = (TransferId(id), peer(n));
        match step {
            0 => {
                let lengths = Lengths::new(COUNT, len(0), vec![(LONG, FULL)]);
                Input::Add { transfer, lengths, have: Blocks::none(COUNT), wanted: Blocks::all(COUNT) }
            }
            1 if wait_ms > 3_000 => self.removed(id),
            2 => Input::Pause { transfer },
            3 => Input::Resume { transfer },
            4 | 5 => Input::PeerUp { transfer, peer },
            6 if wait_ms > 2_000 => {
                self.peers.remove(&n);
                Input::PeerDown { peer }
            }
            7 | 8 => {
                let has = |other: &u32| !(other * 7 + block).is_multiple_of(3) || block == 0;
                let blocks = Blocks::of(COUNT, (0..COUNT).filter(has));
                self.peers.entry(n).or_default().has.insert(id, blocks.clone());
                Input::Has { transfer, peer, blocks }
            }
            9 => {
                let known = self.peers.entry(n).or_default();
                known.has.entry(id).or_insert(Blocks::none(COUNT)).insert(block);
                Input::HasOne { transfer, peer, block }
            }
            10 => {
                self.peers.entry(n).or_default().choking = true;
                Input::Choked { peer }
            }
            11 | 12 => {
                self.peers.entry(n).or_default().choking = false;
                Input::Unchoked { peer }
            }
            13 => Input::Limit { transfer: (n > 2).then_some(transfer), rate: (n > 1).then_some(wait_ms * 100) },
            _ => self.answer(step, wait_ms).unwrap_or(Input::Resume { transfer }),
        }
    }

    fn removed(&mut self, id: u64) -> Input {
        self.peers.values_mut().for_each(|known| _ = known.has.remove(&id));
        self.banned.retain(|(_, of)| *of != id);
        self.verified.retain(|(of, _)| *of != id);
        self.received.retain(|_, (of, _)| *of != id);
        Input::Remove { transfer: TransferId(id) }
    }

    /// Something comes of what was asked for, or came.
    fn answer(&mut self, step: u8, wait_ms: u64) -> Option<Input> {
        if matches!(step, 14 | 15)
            && let Some((id, block)) = self.verified.pop_first()
        {
            let transfer = TransferId(id);
            let stored = step == 14;
            return Some(if stored { Input::Stored { transfer, block } } else { Input::NotStored { transfer, block } });
        }
        if matches!(step, 16 | 17)
            && let Some((request, what)) = self.received.pop_first()
        {
            if step == 17 && wait_ms < 1_000 {
                return Some(Input::Wrong { request });
            }
            self.verified.insert(what);
            return Some(Input::Verified { request });
        }
        let (request, (id, n, block)) = self.asked.pop_first()?;
        if step != 18 {
            self.received.insert(request, (id, block));
            return Some(Input::Received { request, bytes: len(block) });
        }
        let why = [Failure::Refused, Failure::Busy, Failure::Lost, Failure::Lacks][wait_ms as usize % 4];
        if let Some(has) =
            self.peers.get_mut(&n).and_then(|known| known.has.get_mut(&id)).filter(|_| why == Failure::Lacks)
        {
            has.remove(block);
        }
        Some(Input::Failed { request, why })
    }

    fn drain(&mut self) -> Result<(), TestCaseError> {
        while let Some(output) = self.downloads.poll_output() {
            match output {
                Output::Ask { request, transfer: TransferId(id), peer, block } => {
                    let n = number(peer);
                    let known = &self.peers[&n];
                    prop_assert!(!known.choking && known.has[&id].contains(block) && !self.banned.contains(&(n, id)));
                    let is_here = self.received.values().chain(&self.verified).any(|here| *here == (id, block));
                    prop_assert!(!is_here, "asks for what is here");
                    let copies = self.asked.values().filter(|(of, _, other)| (*of, *other) == (id, block));
                    prop_assert!(copies.clone().count() < MAX_COPIES && copies.clone().all(|(_, who, _)| *who != n));
                    self.asked.insert(request, (id, n, block));
                }
                Output::Cancel { request } => prop_assert!(self.asked.remove(&request).is_some()),
                Output::Ban { transfer, peer, .. } => _ = self.banned.insert((number(peer), transfer.0)),
                _ => {}
            }
        }
        let load = self.downloads.load();
        prop_assert_eq!(load.requests, self.asked.len() + self.received.len());
        let here = self.received.values().chain(&self.verified).map(|(_, block)| *block);
        let blocks = self.asked.values().map(|(.., block)| *block).chain(here);
        prop_assert_eq!(load.bytes, blocks.map(|block| u64::from(len(block))).sum::<u64>());
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_happens_only_what_may_be_asked_is_asked_and_nothing_remains_in_the_end(
        steps in prop::collection::vec((0u8..22, 0u32..6, 0u64..3, 0u32..COUNT, 0u64..4_000), 1..400),
    ) {
        let mut model = Model::new();
        for step in steps {
            let input = model.input(step);
            model.downloads.handle(at(model.now_ms), input);
            model.drain()?;
            model.now_ms += step.4;
            model.downloads.handle_timeout(at(model.now_ms));
            prop_assert!(model.downloads.poll_timeout().is_none_or(|due| due.0 > model.now_ms));
            model.drain()?;
        }
        let Model { mut downloads, now_ms, .. } = model;
        (0..3).for_each(|id| downloads.handle(at(now_ms), Input::Remove { transfer: TransferId(id) }));
        prop_assert_eq!(downloads.load(), Load { requests: 0, bytes: 0 });
        prop_assert!(downloads.links.is_empty() && downloads.turns.first().is_none() && downloads.capped.is_empty());
    }
}
