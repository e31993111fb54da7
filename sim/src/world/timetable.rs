//! What is going to happen when.

use std::collections::BTreeMap;

/// Something that happens at a set time.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A host starts, if it is down.
    Start(usize),
    /// A host's session ends, if it is still the one that began with this life.
    EndSession {
        /// The host.
        host: usize,
        /// The number of its life.
        life: u32,
    },
    /// An event of the scenario, by index.
    Event(usize),
    /// The next message of a chat of the workload, by index.
    Chat(usize),
    /// The next direct message of a kind of the workload, by index.
    Write(usize),
    /// The user of a host asks for a file of the workload.
    Fetch {
        /// The host.
        host: usize,
        /// The index of the file.
        file: usize,
    },
    /// All hosts are asked what they keep of direct messages.
    AskLoad,
    /// Hosts provide a key, by index.
    Provide(usize),
    /// The next lookup.
    Lookup,
    /// Figures over time are taken, invariants verified.
    Sample,
    /// The account of progress is brought up to date.
    Progress,
}

/// Actions by time; those of one time happen in the order in which they were added.
#[derive(Debug, Default)]
pub struct Timetable {
    actions: BTreeMap<(u64, u64), Action>,
    next: u64,
}

impl Timetable {
    /// Adds an action, in milliseconds from the start.
    pub fn add(&mut self, at_ms: u64, action: Action) {
        self.actions.insert((at_ms, self.next), action);
        self.next += 1;
    }

    /// When the next action is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.actions.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// The next action that is due by a time.
    pub fn pop(&mut self, now_ms: u64) -> Option<Action> {
        if self.next_ms()? > now_ms {
            return None;
        }
        self.actions.pop_first().map(|(_, action)| action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_come_by_time_and_at_one_time_in_the_order_of_adding() {
        let mut timetable = Timetable::default();
        timetable.add(20, Action::Lookup);
        timetable.add(10, Action::Start(2));
        timetable.add(10, Action::Start(1));
        assert_eq!(timetable.pop(9), None);
        assert_eq!(timetable.next_ms(), Some(10));
        let due: Vec<Action> = std::iter::from_fn(|| timetable.pop(15)).collect();
        assert_eq!(due, [Action::Start(2), Action::Start(1)]);
        assert_eq!(timetable.pop(20), Some(Action::Lookup));
    }
}
