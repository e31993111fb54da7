//! The invariants.

use super::{engine::World, samples::different};
use crate::{report::Breach, scenario::Scenario};

/// Hosts whose last deeds are told with a breach.
const TOLD: usize = 3;

/// What is known of the quiet that convergence needs.
pub struct Verify {
    /// Whether the network is in parts.
    pub partitioned: bool,
    /// When the network last fell into parts or became one.
    pub parted_ms: u64,
    /// Milliseconds of quiet after which all must be equal; `None` is never.
    quiet_ms: Option<u64>,
    disturbed_ms: u64,
}

impl Verify {
    /// As the scenario asks for.
    pub fn new(scenario: &Scenario) -> Self {
        let quiet_ms = scenario.quiet_s().map(|quiet_s| quiet_s * 1_000);
        Self { partitioned: false, parted_ms: 0, quiet_ms, disturbed_ms: 0 }
    }

    /// Something was said, or somebody came or went.
    pub fn disturbed(&mut self, now_ms: u64) {
        self.disturbed_ms = now_ms;
    }

    /// The network fell into parts, or is one again.
    pub fn part(&mut self, now_ms: u64, partitioned: bool) {
        (self.partitioned, self.parted_ms) = (partitioned, now_ms);
    }

    fn must_be_equal(&self, now_ms: u64) -> bool {
        !self.partitioned && self.quiet_ms.is_some_and(|quiet_ms| now_ms >= self.disturbed_ms + quiet_ms)
    }
}

impl World {
    /// What is verified every second.
    pub(super) fn verify_now(&self, now_ms: u64) -> Option<Breach> {
        let twice = self.shared.lock().ledger.take_twice();
        if let Some((host, author)) = twice {
            let detail = format!(
                "{} was shown a message of {} a second time",
                self.population.name(host),
                self.population.name(author)
            );
            return Some(self.breach(now_ms, "no message is shown to a user twice", detail, &[host, author]));
        }
        if let Some(breach) = self.letters_now(now_ms) {
            return Some(breach);
        }
        if let Some(breach) = self.files_now() {
            return Some(breach);
        }
        self.verify.must_be_equal(now_ms).then(|| self.unequal(now_ms)).flatten()
    }

    /// What is verified at the end: as each second, and every disk.
    pub(super) fn at_the_end(&self) -> Option<Breach> {
        let now_ms = self.shared.now_ms();
        // Of hosts that are down, too: what they acknowledged they must still have.
        let mut honest = (0..self.population.hosts.len()).filter(|host| self.population.is_honest(*host));
        let lost = |host| {
            let lost = self.lost_by(now_ms, host).or_else(|| self.letters_lost_by(now_ms, host));
            lost.or_else(|| self.files_lost_by(now_ms, host))
        };
        self.verify_now(now_ms).or_else(|| honest.find_map(lost))
    }

    /// What a host acknowledged and no longer holds.
    pub(super) fn lost_by(&self, now_ms: u64, host: usize) -> Option<Breach> {
        let notes = self.shared.lock();
        let disk = &self.population.hosts[host].disk;
        let holds =
            |room: usize, id: [u8; 32]| disk.holds(self.population.rooms[room].channel(), proto::ids::EventId(id));
        let lost = notes.ledger.acknowledged(host).iter().filter(|(id, room)| !holds(*room, *id)).count();
        drop(notes);
        if lost == 0 {
            return None;
        }
        let detail = format!("{} acknowledged {lost} messages that its disk does not hold", self.population.name(host));
        Some(self.breach(now_ms, "nothing acknowledged is lost", detail, &[host]))
    }

    fn unequal(&self, now_ms: u64) -> Option<Breach> {
        let different = different(now_ms, &self.population);
        let &(_, room) = different.first()?;
        let names: Vec<String> = different.iter().take(TOLD).map(|(host, _)| self.population.name(*host)).collect();
        let detail = format!(
            "{} hosts hold something else in '{}' than most, {} s after the last disturbance; among them {}",
            different.len(),
            self.population.rooms[room],
            (now_ms - self.verify.disturbed_ms) / 1_000,
            names.join(", ")
        );
        let hosts: Vec<usize> = different.iter().map(|(host, _)| *host).take(TOLD).collect();
        Some(self.breach(now_ms, "hosts that can talk hold the same", detail, &hosts))
    }

    pub(super) fn breach(&self, now_ms: u64, invariant: &str, detail: String, hosts: &[usize]) -> Breach {
        let mut named = hosts.to_vec();
        named.dedup();
        let history = &self.shared.lock().ledger.history;
        Breach {
            invariant: invariant.into(),
            detail,
            at_s: now_ms as f64 / 1_000.0,
            last_events: history.tell(&named, &self.marks, |host| self.population.name(host)),
        }
    }
}
