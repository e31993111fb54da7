//! Checks what the level `cores` is asked for. It runs the state machines over an ideal gossip graph: there are no connections
//! that a NAT could stand in, no Kademlia, and no disk.

use proto::channel::{LOBBY, RoomName};

use super::{Findings, Path};
use crate::scenario::{Disk, Nat, Scenario};

pub fn check(scenario: &Scenario, findings: &mut Findings) {
    let mut cannot = |path: Path, what: &str| {
        let message = format!("the level \"cores\" has no {what}; leave it out, or set level = \"nodes\"");
        findings.say(path, message);
    };
    for (index, group) in scenario.groups.iter().enumerate() {
        let at = Path::top("group").to(index);
        if group.nat != Nat::default() {
            cannot(at.to("nat"), "NATs");
        }
        if group.hostile.is_some() {
            cannot(at.to("hostile"), "hostile hosts");
        }
        if group.disk != Disk::default() {
            cannot(at.to("disk"), "disks");
        }
        if group.up_kbit_s != 0 {
            cannot(at.to("up_kbit_s"), "bandwidth");
        }
        if group.down_kbit_s != 0 {
            cannot(at.to("down_kbit_s"), "bandwidth");
        }
        if group.mailbox {
            cannot(at.to("mailbox"), "mailboxes");
        }
        if !group.rooms.is_empty() {
            cannot(at.to("rooms"), "rooms besides the lobby");
        }
    }
    for (index, chat) in scenario.workload.chat.iter().enumerate() {
        let lobby = chat.room.parse::<RoomName>().is_ok_and(|room| room.as_str() == LOBBY);
        if !lobby {
            cannot(Path::top("workload").to("chat").to(index).to("room"), "rooms besides the lobby");
        }
    }
    if !scenario.workload.direct.is_empty() {
        cannot(Path::top("workload").to("direct"), "direct messages");
    }
    if !scenario.workload.file.is_empty() {
        cannot(Path::top("workload").to("file"), "files");
    }
    if scenario.workload.lookups.is_some() {
        cannot(Path::top("workload").to("lookups"), "Kademlia");
    }
}
