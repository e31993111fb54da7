//! Who is connected with whom: an ideal mesh, always connected, without any protocol that would keep it so.
//!
//! The hosts that can talk stand in a ring, in the order of random keys; each is linked with its two neighbours there, so
//! that everybody reaches everybody. Further links, chords, to random hosts make the ring a random graph with short ways.
//!
//! | links of a host | |
//! |---|---|
//! | the ring | 2 |
//! | at least [`MIN_LINKS`] | missing ones are made as chords, when a host comes and when it loses one |
//! | on average 4 | the ring's, the chord that each makes when it comes, and one that another has chosen |
//! | at most [`MAX_LINKS`] | chords go when there are more; a ring's own links stay |
//!
//! These are the numbers of the product's gossip.
//!
//! A new link is open when a handshake's time has passed, and a closed one is closed at both ends at once. When the network falls
//! into parts, each part has a ring of its own.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Links below which a host makes another: the product's `mesh_n_low`.
pub const MIN_LINKS: usize = 3;

/// Links above which a host closes one: the product's `mesh_n_high`.
pub const MAX_LINKS: usize = 8;

/// Random hosts that are looked at to find one with room for a chord.
const TRIES: usize = 8;

/// One end of a link.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// The other host.
    pub peer: u32,
    /// Tells links between the same two apart.
    pub number: u64,
    /// Whether the handshake is over.
    pub open: bool,
}

/// What is to be done about a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Begin a handshake; then call [`Mesh::open`].
    Open {
        /// One end.
        a: u32,
        /// The other.
        b: u32,
        /// The link's number.
        number: u64,
    },
    /// Both ends lose it now.
    Close {
        /// One end.
        a: u32,
        /// The other.
        b: u32,
        /// Whether it was open.
        open: bool,
    },
}

#[derive(Debug, Clone, Default)]
struct Node {
    key: u64,
    /// The part of the network that it is in; `None` when it is in no ring.
    side: Option<u8>,
    links: Vec<Link>,
}

/// All links.
#[derive(Debug)]
pub struct Mesh {
    nodes: Vec<Node>,
    rings: BTreeMap<u8, BTreeMap<u64, u32>>,
    changes: Vec<Change>,
    links: u64,
    rng: ChaCha8Rng,
}

impl Mesh {
    /// No links between `hosts` hosts, none of which is in a ring.
    pub fn new(hosts: usize, seed: u64) -> Self {
        Self {
            nodes: vec![Node::default(); hosts],
            rings: BTreeMap::new(),
            changes: Vec::new(),
            links: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// What has changed since the last call, in order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A host's links.
    pub fn links(&self, host: u32) -> &[Link] {
        &self.nodes[host as usize].links
    }

    /// Whether two hosts have an open link.
    pub fn is_open(&self, a: u32, b: u32) -> bool {
        self.links(a).iter().any(|link| link.peer == b && link.open)
    }

    /// A handshake is over. `false` when the link was closed before.
    pub fn open(&mut self, a: u32, b: u32, number: u64) -> bool {
        let mut found = false;
        for (host, peer) in [(a, b), (b, a)] {
            let links = &mut self.nodes[host as usize].links;
            for link in links.iter_mut().filter(|link| link.peer == peer && link.number == number) {
                link.open = true;
                found = true;
            }
        }
        found
    }

    /// A host comes into the ring of a side.
    pub fn join(&mut self, host: u32, side: u8) {
        self.enter(host, side);
        self.mend(host);
        // The link that the newcomer came between is not needed any more.
        if let Some((before, after)) = self.neighbours(host)
            && [before, after].iter().all(|end| self.links(*end).len() > MIN_LINKS)
            && !self.are_neighbours(before, after)
        {
            self.close(before, after);
        }
    }

    /// A host goes: its links close, and those that it leaves behind mend theirs.
    pub fn leave(&mut self, host: u32) {
        let behind = self.behind(host);
        self.exit(host);
        let mut lonely: Vec<u32> = self.links(host).iter().map(|link| link.peer).collect();
        for peer in &lonely {
            self.close(host, *peer);
        }
        lonely.extend(behind);
        for peer in lonely {
            self.mend(peer);
        }
    }

    /// Puts a host into the ring of another side; its links stay as they are until [`Mesh::cut`] and [`Mesh::mend`].
    pub fn turn(&mut self, host: u32, side: u8) {
        if self.nodes[host as usize].side.is_some_and(|now| now != side) {
            self.exit(host);
            self.enter(host, side);
        }
    }

    /// Closes a host's links to other sides.
    pub fn cut(&mut self, host: u32) {
        let side = self.nodes[host as usize].side;
        let other = |link: &&Link| self.nodes[link.peer as usize].side != side;
        let across: Vec<u32> = self.links(host).iter().filter(other).map(|link| link.peer).collect();
        for peer in across {
            self.close(host, peer);
        }
    }

    /// Makes sure that a host has its links: those of the ring, and enough others.
    pub fn mend(&mut self, host: u32) {
        let Some((before, after)) = self.neighbours(host) else { return };
        self.link(before, host);
        self.link(host, after);
        for _ in 0..TRIES {
            if self.links(host).len() >= MIN_LINKS {
                break;
            }
            if let Some(peer) = self.anybody(host).filter(|peer| self.links(*peer).len() < MAX_LINKS) {
                self.link(host, peer);
            }
        }
        for end in [before, host, after] {
            self.shed(end);
        }
    }

    // ---- rings

    fn enter(&mut self, host: u32, side: u8) {
        let ring = self.rings.entry(side).or_default();
        let key = loop {
            let key = self.rng.random();
            if !ring.contains_key(&key) {
                break key;
            }
        };
        ring.insert(key, host);
        let node = &mut self.nodes[host as usize];
        (node.key, node.side) = (key, Some(side));
    }

    fn exit(&mut self, host: u32) {
        let node = &mut self.nodes[host as usize];
        if let Some(ring) = node.side.take().and_then(|side| self.rings.get_mut(&side)) {
            ring.remove(&node.key);
        }
    }

    /// Those before and after a host in its ring.
    fn neighbours(&self, host: u32) -> Option<(u32, u32)> {
        let node = &self.nodes[host as usize];
        let ring = self.rings.get(&node.side?)?;
        let before = ring.range(..node.key).next_back().or_else(|| ring.last_key_value())?;
        let after = ring.range(node.key.saturating_add(1)..).next().or_else(|| ring.first_key_value())?;
        Some((*before.1, *after.1))
    }

    fn are_neighbours(&self, a: u32, b: u32) -> bool {
        self.neighbours(a).is_some_and(|(before, after)| before == b || after == b)
    }

    /// Whose ring links a host's departure undoes.
    fn behind(&self, host: u32) -> Vec<u32> {
        self.neighbours(host).map_or_else(Vec::new, |(before, after)| vec![before, after])
    }

    /// A random host of a host's ring.
    fn anybody(&mut self, host: u32) -> Option<u32> {
        let ring = self.rings.get(&self.nodes[host as usize].side?)?;
        let from: u64 = self.rng.random();
        let (_, found) = ring.range(from..).next().or_else(|| ring.first_key_value())?;
        Some(*found)
    }

    // ---- links

    fn link(&mut self, a: u32, b: u32) {
        if a == b || self.links(a).iter().any(|link| link.peer == b) {
            return;
        }
        self.links += 1;
        let number = self.links;
        for (host, peer) in [(a, b), (b, a)] {
            self.nodes[host as usize].links.push(Link { peer, number, open: false });
        }
        self.changes.push(Change::Open { a, b, number });
    }

    fn close(&mut self, a: u32, b: u32) {
        let Some(open) = self.links(a).iter().find(|link| link.peer == b).map(|link| link.open) else { return };
        for (host, peer) in [(a, b), (b, a)] {
            self.nodes[host as usize].links.retain(|link| link.peer != peer);
        }
        self.changes.push(Change::Close { a, b, open });
    }

    /// Closes chords of a host that has too many links, first those to hosts that have the most.
    fn shed(&mut self, host: u32) {
        while self.links(host).len() > MAX_LINKS {
            let Some((before, after)) = self.neighbours(host) else { return };
            let chords = self.links(host).iter().map(|link| link.peer).filter(|peer| ![before, after].contains(peer));
            let Some(peer) = chords.max_by_key(|peer| self.links(*peer).len()) else { return };
            self.close(host, peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Whether all of `hosts` reach each other.
    fn connected(mesh: &Mesh, hosts: &BTreeSet<u32>) -> bool {
        let Some(first) = hosts.first() else { return true };
        let (mut seen, mut edge) = (BTreeSet::from([*first]), vec![*first]);
        while let Some(host) = edge.pop() {
            edge.extend(mesh.links(host).iter().map(|link| link.peer).filter(|peer| seen.insert(*peer)));
        }
        seen == *hosts
    }

    fn check(mesh: &Mesh, hosts: &BTreeSet<u32>) {
        for host in hosts {
            let links = mesh.links(*host);
            assert!(links.len() <= MAX_LINKS + 2, "{} links", links.len());
            assert!(links.iter().all(|link| mesh.links(link.peer).iter().any(|back| back.peer == *host)));
        }
    }

    #[test]
    fn a_thousand_hosts_have_about_as_many_links_as_wanted() {
        let mut mesh = Mesh::new(1_000, 1);
        (0..1_000).for_each(|host| mesh.join(host, 0));
        let links: usize = (0..1_000).map(|host| mesh.links(host).len()).sum();
        assert!((3_800..4_800).contains(&links), "{links}");
        check(&mesh, &(0..1_000).collect());
    }

    #[test]
    fn a_link_that_was_closed_during_its_handshake_does_not_open() {
        let mut mesh = Mesh::new(2, 1);
        mesh.join(0, 0);
        mesh.join(1, 0);
        let [Change::Open { a, b, number }] = mesh.take_changes()[..] else { panic!("one link") };
        mesh.leave(1);
        assert!(!mesh.open(a, b, number));
        mesh.join(1, 0);
        assert!(!mesh.open(a, b, number) && !mesh.is_open(0, 1));
    }

    proptest! {
        #[test]
        fn whoever_can_talk_is_connected(seed: u64, steps in prop::collection::vec((0u32..40, 0u8..6), 1..200)) {
            let mut mesh = Mesh::new(40, seed);
            let mut sides = [BTreeSet::new(), BTreeSet::new()];
            for (host, what) in steps {
                match what {
                    0..3 if sides.iter().all(|side| !side.contains(&host)) => {
                        mesh.join(host, 0);
                        sides[0].insert(host);
                    }
                    3 => {
                        mesh.leave(host);
                        sides.iter_mut().for_each(|side| _ = side.remove(&host));
                    }
                    4 => {
                        // The network falls apart.
                        let all: BTreeSet<u32> = sides[0].union(&sides[1]).copied().collect();
                        sides = [BTreeSet::new(), BTreeSet::new()];
                        for host in &all {
                            mesh.turn(*host, (*host % 2) as u8);
                            sides[*host as usize % 2].insert(*host);
                        }
                        all.iter().for_each(|host| mesh.cut(*host));
                        all.iter().for_each(|host| mesh.mend(*host));
                    }
                    5 => {
                        let all: BTreeSet<u32> = sides[0].union(&sides[1]).copied().collect();
                        all.iter().for_each(|host| mesh.turn(*host, 0));
                        all.iter().for_each(|host| mesh.mend(*host));
                        sides = [all, BTreeSet::new()];
                    }
                    _ => {}
                }
                for side in &sides {
                    prop_assert!(connected(&mesh, side));
                    check(&mesh, side);
                }
            }
        }
    }
}
