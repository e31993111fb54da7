//! What each host did last, for whoever wants to know why a run failed.

use std::collections::VecDeque;

use node::model::DirectState;

use crate::report::Mark;

/// Deeds kept of each host, and events of the scenario told with them; older ones are forgotten. 40 bytes each.
pub const KEPT: usize = 10;

/// Something a host did, or that happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It was started.
    Started,
    /// It began to leave.
    Leaving,
    /// Its process was killed.
    Killed,
    /// Its machine lost power.
    PoweredOff,
    /// A message of its user was acknowledged.
    Said([u8; 32]),
    /// A message of its user was refused.
    Refused,
    /// A message was shown to its user.
    Shown([u8; 32]),
    /// It acknowledged a direct message of its user, to another host.
    Wrote(u32),
    /// It did not take a direct message of its user.
    NotWritten,
    /// It showed its user a direct message, from another host.
    Got(u32),
    /// It told its user how far a direct message to another host is.
    Told(u32, DirectState),
    /// Its user wants a file, by number.
    Fetches(u32),
    /// A file is complete.
    Fetched(u32),
    /// It connected to another host.
    Connected(u32),
    /// Its last connection to another host closed.
    Disconnected(u32),
}

/// The last deeds of all hosts.
#[derive(Default)]
pub struct History {
    hosts: Vec<VecDeque<(u64, Deed)>>,
}

impl History {
    /// For so many hosts.
    pub fn new(hosts: usize) -> Self {
        Self { hosts: vec![VecDeque::new(); hosts] }
    }

    /// A host did something.
    pub fn note(&mut self, host: usize, now_ms: u64, deed: Deed) {
        let deeds = &mut self.hosts[host];
        if deeds.len() >= KEPT {
            deeds.pop_front();
        }
        deeds.push_back((now_ms, deed));
    }

    /// What some hosts did last, and what the scenario did to all, oldest first, one line each.
    pub fn tell(&self, hosts: &[usize], marks: &[Mark], name: impl Fn(usize) -> String) -> Vec<String> {
        let last = marks.iter().skip(marks.len().saturating_sub(KEPT));
        let mut events: Vec<(f64, String)> = last.map(|mark| (mark.at_s, mark.text.clone())).collect();
        for host in hosts {
            let line = |(at_ms, deed): &(u64, Deed)| {
                (*at_ms as f64 / 1_000.0, format!("{}  {}", name(*host), describe(*deed, &name)))
            };
            events.extend(self.hosts[*host].iter().map(line));
        }
        // Stable: what one host did in one millisecond keeps its order, and comes after what the scenario did then.
        events.sort_by(|(one_s, _), (other_s, _)| one_s.total_cmp(other_s));
        events.into_iter().map(|(at_s, text)| format!("{at_s:>9.3} s  {text}")).collect()
    }
}

fn describe(deed: Deed, name: impl Fn(usize) -> String) -> String {
    let short = |id: [u8; 32]| hex::encode(&id[..6]);
    match deed {
        Deed::Started => "started".into(),
        Deed::Leaving => "began to leave".into(),
        Deed::Killed => "was killed".into(),
        Deed::PoweredOff => "lost power".into(),
        Deed::Said(id) => format!("said {}", short(id)),
        Deed::Refused => "refused to say something".into(),
        Deed::Shown(id) => format!("showed {}", short(id)),
        Deed::Wrote(host) => format!("wrote to {}", name(host as usize)),
        Deed::NotWritten => "did not take a direct message".into(),
        Deed::Got(host) => format!("showed a direct message from {}", name(host as usize)),
        Deed::Told(host, state) => format!("told that a direct message to {} is {state:?}", name(host as usize)),
        Deed::Fetches(file) => format!("began to fetch file {file}"),
        Deed::Fetched(file) => format!("completed file {file}"),
        Deed::Connected(host) => format!("connected to {}", name(host as usize)),
        Deed::Disconnected(host) => format!("lost {}", name(host as usize)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_deeds_of_several_hosts_are_told_in_the_order_of_time_with_what_the_scenario_did() {
        let mut history = History::new(2);
        for at in 0..100 {
            history.note(1, at, Deed::Refused);
        }
        history.note(0, 98, Deed::Connected(1));
        let marks: Vec<Mark> = (0..50).map(|_| Mark { at_s: 0.097, text: "heal".into() }).collect();
        let told = history.tell(&[0, 1], &marks, |host| format!("host-{host}"));
        assert_eq!(told.len(), KEPT + 1 + KEPT);
        assert_eq!(told[KEPT - 3], "    0.097 s  heal");
        assert_eq!(told[2 * KEPT - 2], "    0.098 s  host-0  connected to host-1");
    }
}
