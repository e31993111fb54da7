//! Whether others can reach this node directly, and where.
//!
//! A node cannot see that itself. It asks *servers*, peers that try to connect to one of its addresses and say whether they could (AutoNAT v2,
//! <https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md>). libp2p asks once for each address and never again, and believes whoever answers. Here the last words of
//! several servers count, they are asked again, and what they said is void when the node moves to another network.
//!
//! | an address is | when | asked about again |
//! |---|---|---|
//! | configured | the user says that it is ours | never: it counts as reachable |
//! | open | nobody has said anything of it | at once |
//! | reachable | of the servers whose word is not older than [`VALID_MS`], most reached it; or it was, and nobody has said anything since | after [`AGAIN_MS`] |
//! | unreachable | most did not, or as many | after [`AGAIN_MS`]; twice as long each time it is still so, up to [`LATEST_MS`] |
//!
//! | the node is | when | it then |
//! |---|---|---|
//! | unknown | nothing was said of any address | asks for reservations, and offers nothing to others |
//! | public | an address is reachable, or configured | answers questions of Kademlia, and relays for others if the user allows it |
//! | private | all that were tried are unreachable | is reached through relays ([`crate::relays`]) |
//!
//! One server may lie, or stand on the same side of a router. So a single word makes an open address reachable or not, for in a
//! small network there is no other; but what is so by now changes only when most say otherwise, and a server has one word, its
//! last.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_ADDRESSES`] | 32 | the one of which nothing good was said, that was named longest ago, is forgotten |
//! | [`MAX_WORDS`] of an address | 8 | the oldest goes |

mod address;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use libp2p_identity::PeerId;

use crate::time::{Deadline, Now};
use address::Address;

/// Addresses that are looked at: those of a few interfaces, on each transport, as servers see them.
pub const MAX_ADDRESSES: usize = 32;

/// Servers whose word about an address is remembered.
pub const MAX_WORDS: usize = 8;

/// Milliseconds for which the word of a server counts: longer than a mapping of a router is likely to last that nobody uses.
pub const VALID_MS: u64 = 30 * 60_000;

/// Milliseconds after which an address is asked about again.
pub const AGAIN_MS: u64 = 5 * 60_000;

/// And at the latest, if it was never reachable.
pub const LATEST_MS: u64 = 60 * 60_000;

/// Milliseconds from one question about an address to the next if nobody answers.
pub const UNANSWERED_MS: u64 = 30_000;

const _: () = assert!(UNANSWERED_MS < AGAIN_MS && AGAIN_MS < VALID_MS && VALID_MS < LATEST_MS + VALID_MS);

/// Whether others can reach a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Nothing is known.
    #[default]
    Unknown,
    /// They can.
    Public,
    /// They cannot.
    Private,
}

/// What happens to a node's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The user says that others reach it here.
    Configured {
        /// A multiaddr.
        address: String,
    },
    /// Others may reach it here: it listens there, a router maps it there, or a peer sees it there.
    Candidate {
        /// A multiaddr.
        address: String,
    },
    /// A server tried.
    Tested {
        /// What.
        address: String,
        /// Who.
        server: PeerId,
        /// Whether it could connect.
        reachable: bool,
    },
    /// The node is not there any more.
    Gone {
        /// A multiaddr.
        address: String,
    },
    /// It is in another network: nothing that was said holds.
    Moved,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The node stands otherwise than before.
    Stands(Standing),
    /// Others reach it here: tell them.
    Reachable {
        /// A multiaddr.
        address: String,
    },
    /// They no longer do.
    Unreachable {
        /// A multiaddr.
        address: String,
    },
    /// Have a server try, and say [`Input::Tested`].
    Test {
        /// A multiaddr.
        address: String,
    },
}

/// What is known of a node's addresses.
#[derive(Debug, Default)]
pub struct Reachability {
    addresses: BTreeMap<String, Address>,
    /// Orders addresses by when they were named.
    next: u64,
    standing: Standing,
    outputs: VecDeque<Output>,
}

impl Reachability {
    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Configured { address } => self.named(now, address, true),
            Input::Candidate { address } => self.named(now, address, false),
            Input::Tested { address, server, reachable } => {
                if let Some(known) = self.addresses.get_mut(&address) {
                    known.tested(now, server, reachable);
                }
            }
            Input::Gone { address } => {
                if let Some(gone) = self.addresses.remove(&address) {
                    self.tell(address, gone.told, false);
                }
            }
            Input::Moved => self.addresses.values_mut().for_each(|address| address.forget(now)),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        let mut changed = Vec::new();
        for (text, address) in &mut self.addresses {
            let is_reachable = address.judge(now).unwrap_or(false);
            if address.told != is_reachable {
                changed.push((text.clone(), std::mem::replace(&mut address.told, is_reachable), is_reachable));
            }
            if address.ask(now) {
                self.outputs.push_back(Output::Test { address: text.clone() });
            }
        }
        changed.into_iter().for_each(|(text, was, is)| self.tell(text, was, is));
        let stands = self.judge(now);
        if stands != self.standing {
            self.standing = stands;
            self.outputs.push_back(Output::Stands(stands));
        }
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.addresses.values().filter_map(Address::due).min()
    }

    /// How the node stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What is known of each address: whether others reach it there, and how many servers say so and how many say not.
    pub fn addresses(&self, now: Now) -> impl Iterator<Item = (&str, Option<bool>, (usize, usize))> {
        self.addresses.iter().map(move |(text, address)| (text.as_str(), address.judge(now), address.words(now)))
    }

    fn judge(&self, now: Now) -> Standing {
        let judged: Vec<bool> = self.addresses.values().filter_map(|address| address.judge(now)).collect();
        match judged.as_slice() {
            [] => Standing::Unknown,
            judged if judged.contains(&true) => Standing::Public,
            _ => Standing::Private,
        }
    }

    fn named(&mut self, now: Now, text: String, configured: bool) {
        if let Some(known) = self.addresses.get_mut(&text) {
            known.configured |= configured;
            return;
        }
        if self.addresses.len() >= MAX_ADDRESSES && !self.forget_one(now) {
            return;
        }
        self.next += 1;
        self.addresses.insert(text, Address::new(now, configured, self.next));
    }

    fn forget_one(&mut self, now: Now) -> bool {
        let useless = self.addresses.iter().filter(|(_, address)| address.judge(now) != Some(true));
        let oldest = useless.min_by_key(|(_, address)| address.number).map(|(text, _)| text.clone());
        oldest.is_some_and(|text| self.addresses.remove(&text).is_some())
    }

    fn tell(&mut self, address: String, was: bool, is: bool) {
        match (was, is) {
            (false, true) => self.outputs.push_back(Output::Reachable { address }),
            (true, false) => self.outputs.push_back(Output::Unreachable { address }),
            _ => {}
        }
    }
}
