//! How a node is started.

use std::path::PathBuf;

use crate::node::Node;

/// How a node is started. The default one listens on TCP and QUIC on loopback, on free ports, with no mDNS, and keeps its data
/// in a directory of its own that is removed with it.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Display name.
    pub name: String,
    /// The data directory; `None` for a new one.
    pub data_dir: Option<PathBuf>,
    /// Multiaddrs to join through.
    pub bootstrap: Vec<String>,
    /// Rooms besides the lobby.
    pub rooms: Vec<String>,
    /// Multiaddrs to listen on.
    pub listen: Vec<String>,
    /// Where the HTTP API listens.
    pub api: String,
    /// The key file of a closed network.
    pub network_key: Option<PathBuf>,
    /// Whether to look for others by mDNS.
    pub mdns: bool,
    /// The network namespace to run in.
    pub namespace: Option<String>,
    /// Whether to start it as a user does who gives no options: everything above is then left out.
    pub bare: bool,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further environment variables.
    pub environment: Vec<(String, String)>,
}

impl Default for NodeOptions {
    fn default() -> Self {
        Self {
            name: "node".into(),
            data_dir: None,
            bootstrap: Vec::new(),
            rooms: Vec::new(),
            listen: vec!["/ip4/127.0.0.1/tcp/0".into(), "/ip4/127.0.0.1/udp/0/quic-v1".into()],
            api: "127.0.0.1:0".into(),
            network_key: None,
            mdns: false,
            namespace: None,
            bare: false,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }
}

impl NodeOptions {
    /// Default options with a name.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same, joining through `other`.
    pub fn joining(mut self, other: &Node) -> Self {
        self.bootstrap.extend(other.addresses().iter().cloned());
        self
    }

    /// The same with further arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(crate) fn run_arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec!["run".into(), "--json".into()];
        if self.bare {
            arguments.extend(self.arguments.iter().cloned());
            return arguments;
        }
        let mut option = |name: &str, values: &[String]| {
            for value in values {
                arguments.extend([name.to_owned(), value.clone()]);
            }
        };
        option("--name", std::slice::from_ref(&self.name));
        option("--listen", &self.listen);
        option("--api", std::slice::from_ref(&self.api));
        option("--bootstrap", &self.bootstrap);
        option("--room", &self.rooms);
        if let Some(key) = &self.network_key {
            option("--network-key", &[key.display().to_string()]);
        }
        if !self.mdns {
            arguments.push("--no-mdns".into());
        }
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}
