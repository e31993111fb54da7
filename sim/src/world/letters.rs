//! Direct messages in a run: users write them, nodes are asked what they keep, and the account of them is looked at.

use std::{collections::BTreeMap, sync::Arc};

use node::{
    handle::{Handle, MAX_HISTORY_LIMIT},
    model::Status,
    spawn::Spawn,
};
use proto::direct::{card::MAX_MAILBOXES, mailbox, outbox};
use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    engine::World,
    history::Deed,
    ledger::covers,
    mail::{ARRIVES, BOUNDED, Letter, Mail},
    outcome::quantile,
    population::Population,
    shared::Shared,
    timetable::Action,
};
use crate::{random::until_next_ms, report::Breach, scenario::Direct};

/// Milliseconds of virtual time between two looks at what nodes keep of direct messages.
pub const LOAD_MS: u64 = 5_000;

/// Those who write one kind of direct messages, and to whom.
pub struct Writers(Vec<(usize, Vec<usize>)>);

impl Writers {
    /// As the scenario says; who is whose friend is drawn.
    fn new(population: &Population, direct: &Direct, rng: &mut ChaCha8Rng) -> Self {
        let of = |group: &Option<String>| match group {
            Some(name) => population.of_group(name),
            None => (0..population.hosts.len()).filter(|host| population.is_honest(*host)).collect(),
        };
        let to = of(&direct.to);
        let mut friends = |host: usize| {
            let others: Vec<usize> = to.iter().copied().filter(|other| *other != host).collect();
            let wanted = if direct.friends == 0 { others.len() } else { direct.friends };
            others.sample(rng, wanted).copied().collect()
        };
        Self(of(&direct.by).into_iter().map(|host| (host, friends(host))).collect())
    }
}

impl World {
    /// Sees to it that direct messages are written, and that their account is kept.
    pub(super) fn prepare_letters(&mut self) {
        let scenario = Arc::clone(&self.scenario);
        if scenario.workload.direct.is_empty() {
            return;
        }
        for (index, direct) in scenario.workload.direct.iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(self.rng.random());
            self.writers.push(Writers::new(&self.population, direct, &mut rng));
            self.timetable.add(direct.from_s * 1_000, Action::Write(index));
        }
        self.timetable.add(LOAD_MS, Action::AskLoad);
        for (number, host) in self.population.hosts.iter_mut().enumerate() {
            let shared = self.shared.clone();
            host.disk.set_witness(Box::new(move |place, message| shared.stored(number, place, &message)));
        }
    }

    /// Somebody writes to somebody, and the time of the next message is drawn.
    pub(super) fn write(&mut self, now_ms: u64, index: usize) {
        let direct = &self.scenario.workload.direct[index];
        let until_ms = direct.until_s.map_or(self.settle_ms(), |until_s| until_s * 1_000);
        if now_ms >= until_ms {
            return;
        }
        let writers = &self.writers[index].0;
        let rate_per_s = direct.rate_per_s * writers.len() as f64;
        self.timetable.add(now_ms + until_next_ms(&mut self.rng, rate_per_s), Action::Write(index));
        let Some((from, friends)) = writers.choose(&mut self.rng) else { return };
        let Some(&to) = friends.choose(&mut self.rng) else { return };
        // Whoever is down writes nothing: the rate is that of each host while it is up.
        let Some(life) = &self.population.hosts[*from].life else { return };
        let Some(handle) = life.handle.clone() else { return };
        let written = self.shared.lock().mail.write(now_ms, *from, to, direct.bytes);
        let Some((number, text)) = written else { return };
        let (shared, from, peer) = (self.shared.clone(), *from, self.population.hosts[to].peer_id());
        let write = async move {
            let result = handle.message(peer, text).await;
            let later_ms = shared.now_ms();
            let notes = &mut *shared.lock();
            let deed = match result {
                Ok(message) => {
                    notes.mail.acknowledged(later_ms, number, &message.id);
                    Deed::Wrote(to as u32)
                }
                Err(_) => {
                    notes.mail.refuse();
                    Deed::NotWritten
                }
            };
            notes.ledger.history.note(from, later_ms, deed);
        };
        // With the node's own tasks: a user whose machine crashes learns nothing.
        life.tasks.spawn(Box::pin(write));
    }

    /// Asks all nodes what they keep of direct messages.
    pub(super) fn ask_load(&self) {
        for host in self.population.up() {
            let Some(life) = &self.population.hosts[host].life else { continue };
            let Some(handle) = life.handle.clone() else { continue };
            let (shared, hosts) = (self.shared.clone(), self.population.hosts.len());
            let ask = async move {
                // `Err` when it stops.
                let Ok(status) = handle.status().await else { return };
                let now_ms = shared.now_ms();
                bounds(&mut shared.lock().mail, now_ms, (host, hosts), &status);
            };
            life.tasks.spawn(Box::pin(ask));
        }
    }

    // ---- what must hold

    /// What is wrong with direct messages, if anything is.
    pub(super) fn letters_now(&self, now_ms: u64) -> Option<Breach> {
        let mut notes = self.shared.lock();
        if let Some(number) = self.overdue(now_ms, &notes.mail) {
            let letter = &notes.mail.letters()[number];
            let (from, to) = (letter.from, letter.to);
            let name = notes.mail.name(number);
            let written_s = letter.written_ms as f64 / 1_000.0;
            let detail = format!("{name}, written at {written_s:.1} s and {:?}, has not arrived", letter.state);
            notes.mail.blame(now_ms, ARRIVES, detail, &[from, to]);
        }
        let fault = notes.mail.take_fault()?;
        drop(notes);
        Some(self.breach(fault.at_ms, fault.invariant, fault.detail, &fault.hosts))
    }

    /// A message that should have arrived.
    fn overdue(&self, now_ms: u64, mail: &Mail) -> Option<usize> {
        let patience_ms = self.scenario.patience_s()? * 1_000;
        let since_ms = now_ms.checked_sub(patience_ms)?;
        if self.verify.partitioned || self.verify.parted_ms > since_ms {
            return None;
        }
        let up = |host: usize| covers(&self.population.hosts[host].sessions, since_ms, now_ms);
        mail.pending().find(|number| {
            let letter = &mail.letters()[*number];
            letter.written_ms <= since_ms && up(letter.from) && up(letter.to)
        })
    }

    /// What a host's disk no longer holds of direct messages, or holds wrongly.
    pub(super) fn letters_lost_by(&self, now_ms: u64, host: usize) -> Option<Breach> {
        if self.scenario.workload.direct.is_empty() || !self.population.is_honest(host) {
            return None;
        }
        let read = self.population.hosts[host].disk.messages();
        let mut notes = self.shared.lock();
        match read {
            Ok(messages) => notes.mail.history(now_ms, host, &messages, MAX_HISTORY_LIMIT),
            Err(error) => {
                let detail = format!("{} cannot read its direct messages: {error}", self.population.name(host));
                notes.mail.blame(now_ms, super::mail::KEPT, detail, &[host]);
            }
        }
        drop(notes);
        self.letters_now(now_ms)
    }

    // ---- figures

    /// How well direct messages were delivered.
    pub(super) async fn letters(&self, figures: &mut BTreeMap<String, f64>) {
        let mailboxes: Vec<usize> =
            (0..self.population.hosts.len()).filter(|host| self.population.hosts[*host].is_mailbox).collect();
        if !mailboxes.is_empty() {
            let kept = mailboxes.iter().map(|host| self.population.hosts[*host].disk.kept_for_others());
            figures.insert("mailbox_letters".into(), kept.sum::<usize>() as f64);
            let handles = self.population.up().filter_map(|host| self.population.hosts[host].life.as_ref());
            let handles: Vec<Handle> = handles.filter_map(|life| life.handle.clone()).collect();
            let (mut named, mut of) = (0, 0);
            for handle in handles {
                let Ok(status) = handle.status().await else { continue };
                (named, of) = (named + status.mailboxes.len(), of + 1);
            }
            if of > 0 {
                figures.insert("mailbox_named".into(), named as f64 / f64::from(of));
            }
        }
        if !self.scenario.workload.direct.is_empty() {
            self.letter_figures(&self.shared, figures);
        }
    }

    fn letter_figures(&self, shared: &Shared, figures: &mut BTreeMap<String, f64>) {
        let notes = shared.lock();
        let letters: Vec<&Letter> =
            notes.mail.letters().iter().filter(|letter| letter.acknowledged_ms.is_some()).collect();
        let mut put = |name: &str, value: f64| {
            figures.insert(name.into(), value);
        };
        put("direct_written", letters.len() as f64);
        put("direct_refused", notes.mail.refused() as f64);
        let share = |of: &dyn Fn(&Letter) -> bool| {
            letters.iter().filter(|letter| of(letter)).count() as f64 / letters.len() as f64
        };
        if !letters.is_empty() {
            put("direct_delivered", share(&|letter| letter.arrived_ms.is_some()));
            put("direct_told", share(&Letter::was_told));
            put("direct_by_mailbox", share(&|letter| letter.was_sent));
            put(
                "direct_apart",
                share(&|letter| letter.arrived_ms.is_some_and(|until_ms| self.apart(letter, until_ms))),
            );
        }
        let times = |of: &dyn Fn(&Letter) -> bool| {
            let arrived = letters.iter().filter(|letter| of(letter));
            let took = arrived.filter_map(|letter| Some(letter.arrived_ms?.saturating_sub(letter.written_ms)));
            let mut times: Vec<u64> = took.collect();
            times.sort_unstable();
            times
        };
        let all = times(&|_| true);
        let there =
            |letter: &Letter| covers(&self.population.hosts[letter.to].sessions, letter.written_ms, letter.written_ms);
        let live = times(&there);
        for (name, of, share) in
            [("direct_p50_s", &all, 0.5), ("direct_p99_s", &all, 0.99), ("direct_live_p99_s", &live, 0.99)]
        {
            if let Some(ms) = quantile(of, share) {
                put(name, ms as f64 / 1_000.0);
            }
        }
    }

    /// Whether a message's author and recipient were never up together from when it was written until then.
    fn apart(&self, letter: &Letter, until_ms: u64) -> bool {
        let sessions = |host: usize| self.population.hosts[host].sessions.iter();
        let during = |session: &&super::ledger::Session| {
            session.from_ms < until_ms && session.until_ms.is_none_or(|end| end > letter.written_ms)
        };
        let end = |session: &super::ledger::Session| session.until_ms.unwrap_or(u64::MAX);
        !sessions(letter.from).filter(during).any(|one| {
            let meets = |other: &super::ledger::Session| other.from_ms < end(one) && one.from_ms < end(other);
            sessions(letter.to).filter(during).any(meets)
        })
    }
}

/// What a node says it keeps is bounded. It is one of so many hosts.
fn bounds(mail: &mut Mail, now_ms: u64, (host, hosts): (usize, usize), status: &Status) {
    let written = mail.letters().iter().filter(|letter| letter.from == host).count();
    let most = mailbox::Settings::default();
    let kept = status.mailbox.as_ref();
    let wrong = [
        (status.undelivered > written.min(outbox::MAX_LETTERS) as u64, "waits for more letters than were written"),
        (status.mailboxes.len() > MAX_MAILBOXES, "names more mailboxes than a card may"),
        (kept.is_some_and(|kept| kept.recipients > hosts as u64), "keeps letters for more recipients than there are"),
        (kept.is_some_and(|kept| kept.letters > most.letters || kept.bytes > most.bytes), "keeps more than its quota"),
    ];
    if let Some((_, what)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        mail.blame(now_ms, BOUNDED, format!("{} {what}: {status:?}", status.name), &[host]);
    }
}

#[cfg(test)]
mod tests;
