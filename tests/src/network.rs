//! A network of its own for some nodes, that the test can cut.
//!
//! Each node lives in a network namespace with one end of a veth pair; the other ends are ports of a bridge in one more
//! namespace, the hub. A second bridge there is the far side of a cut: moving a node's port to it takes the node away from those
//! on the first, as a dead line between two offices does. Links stay up, so nobody is told.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::require_root_and;

/// Namespaces of the tests start so; then comes the process id.
const PREFIX: &str = "starling-test-";

/// Nodes that can talk, until they are cut off.
pub struct Network {
    hub: String,
    members: Vec<String>,
}

impl Network {
    /// A network with room for `count` nodes, all connected.
    ///
    /// # Errors
    /// Why this machine cannot have one: not root, no `ip` program, or no right to make namespaces.
    pub fn new(count: usize) -> Result<Self, String> {
        require_root_and(&["ip"])?;
        remove_stale();
        static NETWORKS: AtomicUsize = AtomicUsize::new(0);
        let number = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let name = |part: &str| format!("{PREFIX}{}-{number}-{part}", std::process::id());
        let members = (0..count).map(|index| name(&index.to_string())).collect();
        let network = Self { hub: name("hub"), members };
        network.build()?;
        Ok(network)
    }

    fn build(&self) -> Result<(), String> {
        ip(&["netns", "add", &self.hub])?;
        for bridge in ["near", "far"] {
            ip(&["-n", &self.hub, "link", "add", bridge, "type", "bridge"])?;
            ip(&["-n", &self.hub, "link", "set", bridge, "up"])?;
        }
        for (index, member) in self.members.iter().enumerate() {
            let port = port(index);
            ip(&["netns", "add", member])?;
            let pair =
                ["link", "add", "eth0", "netns", member, "type", "veth", "peer", "name", &port, "netns", &self.hub];
            ip(&pair)?;
            ip(&["-n", &self.hub, "link", "set", &port, "master", "near", "up"])?;
            ip(&["-n", member, "address", "add", &format!("{}/24", self.address(index)), "dev", "eth0"])?;
            // Without its own loopback up a node cannot be reached by its own command line.
            ip(&["-n", member, "link", "set", "lo", "up"])?;
            ip(&["-n", member, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }

    /// The namespace of a node.
    pub fn namespace(&self, index: usize) -> &str {
        &self.members[index]
    }

    /// The IPv4 address of a node.
    pub fn address(&self, index: usize) -> String {
        format!("10.77.0.{}", index + 1)
    }

    /// Cuts the given nodes off from the others; among each other they still talk.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn cut_off(&self, indexes: &[usize]) {
        self.plug(indexes, "far");
    }

    /// Connects everybody again.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn heal(&self) {
        self.plug(&(0..self.members.len()).collect::<Vec<_>>(), "near");
    }

    fn plug(&self, indexes: &[usize], bridge: &str) {
        for index in indexes {
            let moved = ip(&["-n", &self.hub, "link", "set", &port(*index), "master", bridge]);
            moved.unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for namespace in self.members.iter().chain([&self.hub]) {
            // It may not have come into being.
            let _ = ip(&["netns", "delete", namespace]);
        }
    }
}

fn port(index: usize) -> String {
    format!("port{index}")
}

/// Removes namespaces of test processes that were killed.
fn remove_stale() {
    for entry in fs::read_dir("/var/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| fs::metadata(format!("/proc/{pid}")).is_err()) {
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{eventually, seconds};

    /// Whether a TCP connection from one node to another comes about.
    fn reaches(network: &Network, from: usize, to: usize) -> bool {
        let connect = format!("exec 3<>/dev/tcp/{}/7", network.address(to));
        let output = Command::new("ip")
            .args(["netns", "exec", network.namespace(from), "timeout", "1", "bash", "-c", &connect])
            .output()
            .expect("ip can be run");
        // Nobody listens there: an answer that says so is an answer.
        String::from_utf8_lossy(&output.stderr).contains("refused")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cut_parts_two_sides_and_leaves_each_whole_until_it_heals() {
        let network = match Network::new(4) {
            Ok(network) => network,
            Err(reason) => return crate::skip("network", &reason),
        };
        if let Err(reason) = crate::require(&["bash", "timeout"]) {
            return crate::skip("network", &reason);
        }
        let reach = async |from: usize, to: usize, expected: bool| {
            eventually(&format!("{from} reaches {to}: {expected}"), seconds(10), async || {
                if reaches(&network, from, to) == expected { Ok(()) } else { Err("not so") }
            })
            .await;
        };
        reach(0, 3, true).await;
        network.cut_off(&[2, 3]);
        reach(0, 3, false).await;
        reach(2, 1, false).await;
        reach(0, 1, true).await;
        reach(2, 3, true).await;
        network.heal();
        reach(0, 3, true).await;
    }
}
