//! Rooms of many machines on a network that loses, repeats and reorders.

use std::collections::BTreeMap;

use rand::RngExt;

use super::*;

/// What is on its way in a simulated room.
enum Mail {
    Input(Box<Input>),
    /// Who asks, under which id, what.
    Question(usize, u64, PresenceRequest),
}

/// Nodes in one room whose messages take up to half a second, and while it is foul are lost and repeated.
struct Room {
    nodes: BTreeMap<usize, Presence>,
    mail: BTreeMap<(u64, u64), (usize, Mail)>,
    sent: u64,
    rng: ChaCha8Rng,
    foul: bool,
    now_ms: u64,
}

const LATENCY_MS: u64 = 500;

impl Room {
    fn post(&mut self, to: usize, make: impl Fn() -> Mail) {
        let copies = if self.foul { self.rng.random_range(0..10u32).min(2) } else { 1 };
        // Foul weather: one in ten is lost, most are repeated.
        for _ in 0..copies {
            let at_ms = self.now_ms + self.rng.random_range(1..LATENCY_MS);
            self.sent += 1;
            self.mail.insert((at_ms, self.sent), (to, make()));
        }
    }

    fn start(&mut self, n: usize) {
        let mut machine = Presence::new(lobby(), signer(n as u8), Arc::new(Ed25519), self.rng.random());
        machine.handle(at(self.now_ms), Input::Join(profile("node")));
        self.nodes.insert(n, machine);
        let others: Vec<usize> = self.nodes.keys().copied().filter(|other| *other != n).collect();
        for other in others {
            // Connections do not come up in foul weather any less: they are retried.
            for (to, up) in [(n, other), (other, n)] {
                let at_ms = self.now_ms + self.rng.random_range(1..LATENCY_MS);
                self.sent += 1;
                self.mail.insert((at_ms, self.sent), (to, Mail::Input(Box::new(Input::PeerUp(peer(up as u8))))));
            }
        }
    }

    fn end(&mut self, n: usize, kill: bool) {
        if !kill && let Some(machine) = self.nodes.get_mut(&n) {
            machine.handle(at(self.now_ms), Input::Leave);
            self.carry(n);
        }
        self.nodes.remove(&n);
        for machine in self.nodes.values_mut() {
            machine.handle(at(self.now_ms), Input::PeerDown(peer(n as u8)));
        }
    }

    /// Takes a machine's outputs to where they go.
    fn carry(&mut self, n: usize) {
        for output in self.nodes.get_mut(&n).map(drain).unwrap_or_default() {
            match output {
                Output::Announce(signed) => {
                    let others: Vec<usize> = self.nodes.keys().copied().filter(|other| *other != n).collect();
                    for to in others {
                        // From the author itself, or from some other neighbour.
                        let from = if self.rng.random_bool(0.5) { n } else { 200 };
                        let from = peer(from as u8);
                        self.post(to, || {
                            Mail::Input(Box::new(Input::Announcement { from, signed: signed.clone(), token: 0 }))
                        });
                    }
                }
                Output::Send { to, id, request } => {
                    let to = self.nodes.keys().copied().find(|other| peer(*other as u8) == to);
                    to.into_iter().for_each(|to| self.post(to, || Mail::Question(n, id, request.clone())));
                }
                Output::Respond { token, response } => {
                    let (asker, id) = ((token >> 32) as usize, token & 0xffff_ffff);
                    let from = peer(n as u8);
                    self.post(asker, || {
                        Mail::Input(Box::new(Input::Response { from, id, response: response.clone() }))
                    });
                }
                Output::Penalise { .. } => panic!("an honest peer is penalised: {output:?}"),
                _ => {}
            }
        }
    }

    /// Runs until `until_ms`.
    fn run(&mut self, until_ms: u64) {
        loop {
            let timer = self.nodes.iter().filter_map(|(n, m)| Some((m.poll_timeout()?.0.max(self.now_ms), *n))).min();
            let letter = self.mail.keys().next().copied();
            let next_ms = timer.map_or(u64::MAX, |t| t.0).min(letter.map_or(u64::MAX, |l| l.0));
            if next_ms > until_ms {
                self.now_ms = until_ms;
                return;
            }
            self.now_ms = next_ms;
            if let Some(key) = letter.filter(|key| key.0 == next_ms) {
                let Some((to, mail)) = self.mail.remove(&key) else { return };
                let input = match mail {
                    Mail::Input(input) => *input,
                    Mail::Question(asker, id, request) => {
                        Input::Request { from: peer(asker as u8), request, token: (asker as u64) << 32 | id }
                    }
                };
                if let Some(machine) = self.nodes.get_mut(&to) {
                    machine.handle(at(self.now_ms), input);
                    self.carry(to);
                }
            } else if let Some((_, n)) = timer {
                self.nodes.get_mut(&n).unwrap().handle_timeout(at(self.now_ms));
                self.carry(n);
            }
        }
    }

    fn seen_by(&self, n: usize) -> BTreeSet<Author> {
        self.nodes[&n].members(at(self.now_ms)).into_iter().map(|member| member.author).collect()
    }

    fn alive(&self) -> BTreeSet<Author> {
        self.nodes.keys().map(|n| signer(*n as u8).author()).collect()
    }
}

fn room(seed: [u8; 32]) -> Room {
    Room {
        nodes: BTreeMap::new(),
        mail: BTreeMap::new(),
        sent: 0,
        rng: ChaCha8Rng::from_seed(seed),
        foul: false,
        now_ms: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_living_see_each_other_and_the_dead_are_gone_in_time(
        seed: [u8; 32],
        steps in prop::collection::vec((1usize..8, any::<bool>(), 0u64..20_000), 1..25),
    ) {
        let mut room = room(seed);
        room.foul = true;
        let mut died: BTreeMap<usize, u64> = BTreeMap::new();
        for (n, kill, wait_ms) in steps {
            if room.nodes.contains_key(&n) {
                room.end(n, kill);
                died.insert(n, room.now_ms);
            } else {
                room.start(n);
                died.remove(&n);
            }
            room.run(room.now_ms + wait_ms);
            for (dead, at_ms) in &died {
                // Its last word may have been half a second on the way, and as long again in a list.
                if room.now_ms > at_ms + 29_000 + 3 * LATENCY_MS {
                    let author = signer(*dead as u8).author();
                    for n in room.nodes.keys() {
                        prop_assert!(!room.seen_by(*n).contains(&author), "{n} sees {dead}, dead since {at_ms}");
                    }
                }
            }
        }
        room.foul = false;
        room.run(room.now_ms + 31_000);
        for n in room.nodes.keys() {
            prop_assert_eq!(room.seen_by(*n), room.alive(), "as {} sees it", n);
        }
        let before: Vec<_> = room.nodes.keys().map(|n| room.seen_by(*n)).collect();
        room.run(room.now_ms + 120_000);
        let after: Vec<_> = room.nodes.keys().map(|n| room.seen_by(*n)).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn in_fair_weather_a_newcomer_sees_everyone_within_two_seconds(seed: [u8; 32], others in 1usize..8) {
        let mut room = room(seed);
        (1..=others).for_each(|n| room.start(n));
        room.run(60_000);
        room.start(100);
        room.run(62_000);
        prop_assert_eq!(room.seen_by(100), room.alive());
        for n in 1..=others {
            prop_assert_eq!(room.seen_by(n), room.alive());
        }
        room.end(100, false);
        room.run(62_000 + LATENCY_MS);
        for n in 1..=others {
            prop_assert_eq!(room.seen_by(n), room.alive());
        }
    }
}
