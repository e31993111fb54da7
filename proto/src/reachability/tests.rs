use proptest::prelude::*;

use super::*;
use crate::testing::{at, cheap_peer as peer};

const HERE: &str = "/ip4/192.0.2.1/tcp/4001";

struct Node {
    reachability: Reachability,
    now_ms: u64,
    tests: Vec<(u64, String)>,
    reachable: Vec<String>,
}

impl Node {
    fn new() -> Self {
        Self { reachability: Reachability::default(), now_ms: 0, tests: Vec::new(), reachable: Vec::new() }
    }

    fn input(&mut self, input: Input) {
        self.reachability.handle(at(self.now_ms), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.reachability.poll_output() {
            match output {
                Output::Test { address } => self.tests.push((self.now_ms, address)),
                Output::Reachable { address } => {
                    assert!(!self.reachable.contains(&address), "told twice");
                    self.reachable.push(address);
                }
                Output::Unreachable { address } => {
                    let at = self.reachable.iter().position(|other| *other == address).expect("told before");
                    self.reachable.remove(at);
                }
                Output::Stands(standing) => assert_eq!(standing, self.reachability.standing()),
            }
        }
        assert_eq!(self.reachability.poll_output(), None);
        assert!(self.reachability.addresses(at(self.now_ms)).count() <= MAX_ADDRESSES);
        assert!(self.reachability.poll_timeout().is_none_or(|due| due.0 > self.now_ms));
    }

    fn run(&mut self, until_ms: u64) {
        while let Some(due) = self.reachability.poll_timeout().filter(|due| due.0 <= until_ms) {
            self.now_ms = due.0;
            self.reachability.handle_timeout(at(self.now_ms));
            self.drain();
        }
        self.now_ms = until_ms;
    }

    fn candidate(&mut self, address: &str) {
        self.input(Input::Candidate { address: address.into() });
    }

    fn tested(&mut self, server: u32, reachable: bool) {
        self.input(Input::Tested { address: HERE.into(), server: peer(server), reachable });
    }

    fn stands(&self) -> Standing {
        self.reachability.standing()
    }
}

#[test]
fn one_word_decides_what_is_open_and_most_words_what_is_known() {
    let mut node = Node::new();
    node.candidate(HERE);
    assert_eq!((node.stands(), node.tests.len()), (Standing::Unknown, 1));
    node.tested(1, true);
    assert_eq!((node.stands(), node.reachable.len()), (Standing::Public, 1));
    node.tested(2, false);
    assert_eq!(node.stands(), Standing::Public, "one against one");
    // A server has one word.
    (0..9).for_each(|_| node.tested(2, false));
    assert_eq!(node.stands(), Standing::Public);
    node.tested(3, false);
    assert_eq!((node.stands(), node.reachable.len()), (Standing::Private, 0));
    node.tested(4, true);
    assert_eq!(node.stands(), Standing::Private);
    node.tested(2, true);
    assert_eq!(node.stands(), Standing::Public);
}

#[test]
fn what_was_said_is_asked_again_and_the_rarer_the_longer_it_is_unreachable() {
    for (reachable, most) in [(true, 24 * 12 + 2), (false, 30)] {
        let mut node = Node::new();
        node.candidate(HERE);
        for _ in 0..24 * 60 {
            let asked = node.tests.len();
            node.run(node.now_ms + 60_000);
            if node.tests.len() > asked {
                node.tested(1, reachable);
            }
        }
        assert!(node.tests.len() >= most / 2 && node.tests.len() <= most, "{} of {most}", node.tests.len());
        assert_eq!(node.stands(), if reachable { Standing::Public } else { Standing::Private });
    }
}

#[test]
fn while_nobody_answers_what_was_known_holds_and_is_asked_again() {
    let mut node = Node::new();
    node.candidate(HERE);
    node.tested(1, true);
    node.run(2 * VALID_MS);
    assert!(node.tests.len() > 50 && node.stands() == Standing::Public);
    node.tested(2, false);
    assert_eq!(node.stands(), Standing::Private, "an old word does not count against a new one");
}

#[test]
fn in_another_network_nothing_holds_but_what_the_user_said() {
    let mut node = Node::new();
    node.candidate(HERE);
    node.tested(1, true);
    node.input(Input::Moved);
    assert_eq!((node.stands(), node.reachable.len(), node.tests.len()), (Standing::Unknown, 0, 2));
    node.input(Input::Configured { address: "/dns/example.org/tcp/1".into() });
    node.input(Input::Moved);
    assert_eq!((node.stands(), node.reachable.len()), (Standing::Public, 1));
    node.input(Input::Gone { address: "/dns/example.org/tcp/1".into() });
    assert_eq!((node.stands(), node.reachable.len()), (Standing::Unknown, 0));
}

#[test]
fn a_flood_of_candidates_pushes_out_no_address_that_is_reachable() {
    let mut node = Node::new();
    node.candidate(HERE);
    node.tested(1, true);
    (0..1_000).for_each(|port| node.candidate(&format!("/ip4/198.51.100.1/tcp/{port}")));
    assert_eq!((node.stands(), node.reachable.as_slice()), (Standing::Public, [HERE.to_owned()].as_slice()));
}

proptest! {
    #[test]
    fn a_node_is_public_if_and_only_if_some_address_is_told_to_be_reachable(
        steps in prop::collection::vec((0u8..12, 0u32..40, 0u32..12, any::<bool>(), 0u64..100_000), 1..100),
    ) {
        let mut node = Node::new();
        for (step, address, server, reachable, wait_ms) in steps {
            let address = format!("/ip4/192.0.2.1/tcp/{address}");
            match step {
                0 => node.input(Input::Moved),
                1 => node.input(Input::Gone { address }),
                2 if wait_ms % 5 == 0 => node.input(Input::Configured { address }),
                3..=5 => node.input(Input::Candidate { address }),
                _ => node.input(Input::Tested { address, server: peer(server), reachable }),
            }
            node.run(node.now_ms + wait_ms);
            prop_assert_eq!(node.stands() == Standing::Public, !node.reachable.is_empty());
        }
    }
}
