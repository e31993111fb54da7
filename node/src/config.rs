//! What the user asks of a node: flags and a TOML file, made into one checked [`Config`].
//!
//! Flags and file have the same names (`network-key = "…"`, `room = ["a", "b"]`). A flag that is given wins over the file; a
//! list that is given replaces the file's list. Paths in the file are relative to the file.

use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use libp2p::{Multiaddr, pnet::PreSharedKey};
use proto::{
    channel::RoomName,
    chat::{InvalidChat, check_name},
};
use serde::Deserialize;

use crate::{
    data_dir::ENVIRONMENT,
    secret_file,
    transport::{DialAddress, ListenAddress, default_listen},
};

/// Where the API listens when nothing is asked for.
pub const DEFAULT_API: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7380);

/// Why the options cannot be used. All are the user's to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the config file {path}: {reason}")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file is not what it should be.
    #[error("{path}:{line}: {reason}")]
    Invalid {
        /// Which file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// QUIC was asked for in a closed network.
    #[error(
        "cannot listen on {0} with a network key: QUIC has no place for the key; use a TCP address, such as /ip4/0.0.0.0/tcp/0"
    )]
    QuicInClosedNetwork(Multiaddr),
    /// The network key cannot be used.
    #[error("cannot use the network key {path}: {reason}; make one with: node network-key FILE")]
    NetworkKey {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The API would be reachable from other machines.
    #[error(
        "{0} can be reached from other machines; add --api-expose if you want that (the token still guards every call)"
    )]
    ApiExposed(SocketAddr),
}

/// A display name that can be sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DisplayName(String);

impl FromStr for DisplayName {
    type Err = InvalidChat;
    fn from_str(text: &str) -> Result<Self, InvalidChat> {
        let text = text.trim();
        check_name(text).map(|()| Self(text.into()))
    }
}

impl TryFrom<String> for DisplayName {
    type Error = InvalidChat;
    fn try_from(text: String) -> Result<Self, InvalidChat> {
        text.parse()
    }
}

/// Where an API is: `127.0.0.1:7380` or `http://127.0.0.1:7380`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ApiAddress(
    /// Address and port.
    pub SocketAddr,
);

/// Text that is no [`ApiAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API's address is an IP address and a port, such as {DEFAULT_API}")]
pub struct ApiAddressError;

impl FromStr for ApiAddress {
    type Err = ApiAddressError;
    fn from_str(text: &str) -> Result<Self, ApiAddressError> {
        let text = text.trim().trim_end_matches('/');
        let text = text.strip_prefix("http://").unwrap_or(text);
        let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        text.parse().map(Self).map_err(|_| ApiAddressError)
    }
}

impl TryFrom<String> for ApiAddress {
    type Error = ApiAddressError;
    fn try_from(text: String) -> Result<Self, ApiAddressError> {
        text.parse()
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// The options of a node, as flags and as keys of the config file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Options {
    /// Join through the node at this address (repeatable)
    #[arg(long, value_name = "MULTIADDR")]
    pub bootstrap: Vec<DialAddress>,
    /// Listen here (repeatable) [default: QUIC and TCP, IPv4 and IPv6, any free port]
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<ListenAddress>,
    /// Your display name [default: starling- and the end of the peer id]
    #[arg(long)]
    pub name: Option<DisplayName>,
    /// Join this room besides the lobby (repeatable)
    #[arg(long)]
    pub room: Vec<RoomName>,
    /// Keep everything in this directory [default: the first free one of the platform's data directory]
    #[arg(long, value_name = "DIR", env = ENVIRONMENT)]
    pub data_dir: Option<PathBuf>,
    /// Serve the API here [default: 127.0.0.1:7380, or any free port when that is taken]
    #[arg(long, value_name = "ADDR")]
    pub api: Option<ApiAddress>,
    /// Allow an --api address that other machines can reach
    #[arg(long)]
    pub api_expose: bool,
    /// Talk only to nodes that have the same key file (make one with `node network-key FILE`)
    #[arg(long, value_name = "FILE")]
    pub network_key: Option<PathBuf>,
    /// Do not look for nodes on the local network
    #[arg(long)]
    pub no_mdns: bool,
    /// Keep sealed direct messages for others while they are away
    #[arg(long)]
    pub mailbox: bool,
    /// Do not tell those who write to you what you have read
    #[arg(long)]
    pub no_read_receipts: bool,
    /// What to log, such as `info` or `warn,node=debug` [default: RUST_LOG, else warnings and a few words of the node]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

impl Options {
    /// Reads a config file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], or [`ConfigError::Invalid`] with the line and what is allowed there.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.display().to_string(), reason: error.to_string() })?;
        let mut options: Self = toml::from_str(&text).map_err(|error| invalid(path, &text, &error))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for entry in [&mut options.data_dir, &mut options.network_key].into_iter().flatten() {
            *entry = directory.join(&entry);
        }
        Ok(options)
    }

    /// These options, and those of `weaker` where these say nothing.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        fn list<T>(strong: Vec<T>, weak: Vec<T>) -> Vec<T> {
            if strong.is_empty() { weak } else { strong }
        }
        Self {
            bootstrap: list(self.bootstrap, weaker.bootstrap),
            listen: list(self.listen, weaker.listen),
            name: self.name.or(weaker.name),
            room: list(self.room, weaker.room),
            data_dir: self.data_dir.or(weaker.data_dir),
            api: self.api.or(weaker.api),
            api_expose: self.api_expose || weaker.api_expose,
            network_key: self.network_key.or(weaker.network_key),
            no_mdns: self.no_mdns || weaker.no_mdns,
            mailbox: self.mailbox || weaker.mailbox,
            no_read_receipts: self.no_read_receipts || weaker.no_read_receipts,
            log: self.log.or(weaker.log),
        }
    }

    /// Checks how the options fit together, and reads the network key.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn check(self) -> Result<Config, ConfigError> {
        let network_key = self.network_key.as_deref().map(read_network_key).transpose()?;
        if network_key.is_some()
            && let Some(quic) = self.listen.iter().find(|address| address.is_quic())
        {
            return Err(ConfigError::QuicInClosedNetwork(quic.0.clone()));
        }
        if let Some(api) = self.api
            && !api.0.ip().is_loopback()
            && !self.api_expose
        {
            return Err(ConfigError::ApiExposed(api.0));
        }
        let listen = match self.listen.is_empty() {
            true => default_listen(network_key.is_some()),
            false => self.listen.into_iter().map(|address| address.0).collect(),
        };
        Ok(Config {
            bootstrap: self.bootstrap.into_iter().map(|address| address.0).collect(),
            listen,
            name: self.name.map(|name| name.0),
            rooms: self.room,
            data_dir: self.data_dir,
            api: self.api.map(|api| api.0),
            network_key,
            mdns: !self.no_mdns,
            mailbox: self.mailbox,
            read_receipts: !self.no_read_receipts,
            log: self.log,
        })
    }
}

/// Checked options.
#[derive(Debug, Clone)]
pub struct Config {
    /// Nodes to join through.
    pub bootstrap: Vec<Multiaddr>,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// The display name, when one was chosen.
    pub name: Option<String>,
    /// Rooms besides the lobby.
    pub rooms: Vec<RoomName>,
    /// The data directory, when one was chosen.
    pub data_dir: Option<PathBuf>,
    /// Where to serve the API, when that was chosen.
    pub api: Option<SocketAddr>,
    /// The key of a closed network.
    pub network_key: Option<PreSharedKey>,
    /// Whether to look for nodes on the local network.
    pub mdns: bool,
    /// Whether to keep sealed direct messages for others.
    pub mailbox: bool,
    /// Whether others are told what was read.
    pub read_receipts: bool,
    /// What to log, when that was chosen.
    pub log: Option<String>,
}

fn invalid(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    ConfigError::Invalid {
        path: path.display().to_string(),
        line: before.matches('\n').count() + 1,
        reason: error.message().replace('\n', " "),
    }
}

fn read_network_key(path: &Path) -> Result<PreSharedKey, ConfigError> {
    let failed = |reason: String| ConfigError::NetworkKey { path: path.display().to_string(), reason };
    let bytes = secret_file::read(path).map_err(|error| failed(error.to_string()))?;
    // The parser's errors may repeat key material, so that they are not passed on.
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not text".into()))?;
    text.parse().map_err(|_| failed("it is not a key in the format /key/swarm/psk/1.0.0/ with /base16/".into()))
}

/// Makes a key for a closed network and writes it to a new file.
///
/// # Errors
/// Any error of the file system; [`std::io::ErrorKind::AlreadyExists`] when there is such a file.
pub fn create_network_key(path: &Path) -> std::io::Result<PreSharedKey> {
    let key = PreSharedKey::new(rand::random());
    secret_file::create(path, key.to_key_file().as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Options, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("starling.toml");
        fs::write(&path, text).unwrap();
        Options::read(&path).map_err(|error| {
            let error = error.to_string();
            assert!(!error.contains('\n'), "{error}");
            error.replace(&directory.path().display().to_string(), "")
        })
    }

    #[test]
    fn a_config_file_may_set_every_option() {
        let options = read(
            r#"
            bootstrap = ["/ip4/192.0.2.1/tcp/4001"]
            listen = ["/ip4/0.0.0.0/tcp/0"]
            name = "Ada"
            room = ["Rust", "birds"]
            data-dir = "data"
            api = "127.0.0.1:0"
            api-expose = false
            network-key = "/keys/network.key"
            no-mdns = true
            log = "info"
            "#,
        )
        .unwrap();
        assert_eq!(options.room, ["rust".parse().unwrap(), "birds".parse().unwrap()]);
        assert!(options.data_dir.unwrap().is_absolute(), "paths are relative to the file");
        assert_eq!(options.network_key.unwrap(), Path::new("/keys/network.key"));
        assert!(options.no_mdns);
    }

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_line_and_what_is_allowed() {
        let error = read("name = \"Ada\"\n\nnmae = \"Ada\"\n").unwrap_err();
        assert!(error.starts_with("/starling.toml:3: unknown field `nmae`, expected one of `bootstrap`"), "{error}");
        let error = read("no-mdns = \"yes\"").unwrap_err();
        assert!(error.starts_with("/starling.toml:1:") && error.contains("boolean"), "{error}");
        let error = read("room = [\n  \"fine\",\n  \"\",\n]").unwrap_err();
        assert!(error.contains("a room's name cannot be empty"), "{error}");
        let error = read("bootstrap = [\"/ip4/192.0.2.1/tpc/1\"]").unwrap_err();
        assert!(error.contains("'tpc'"), "{error}");
        let error = read("name = ").unwrap_err();
        assert!(error.starts_with("/starling.toml:1:"), "{error}");
        let error = Options::read(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read the config file /no/such/file"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Options { name: Some("Flag".parse().unwrap()), ..Options::default() };
        let file = Options {
            name: Some("File".parse().unwrap()),
            room: vec!["birds".parse().unwrap()],
            no_mdns: true,
            ..Options::default()
        };
        let merged = flags.or(file).check().unwrap();
        assert_eq!(merged.name.as_deref(), Some("Flag"));
        assert_eq!(merged.rooms, ["birds".parse().unwrap()]);
        assert!(!merged.mdns);
    }

    #[test]
    fn an_api_address_beyond_this_machine_has_to_be_allowed() {
        let mut options = Options { api: Some("0.0.0.0:7380".parse().unwrap()), ..Options::default() };
        assert!(matches!(options.clone().check(), Err(ConfigError::ApiExposed(_))));
        options.api_expose = true;
        assert!(options.check().is_ok());
        assert_eq!("http://localhost:80/".parse(), Ok(ApiAddress("127.0.0.1:80".parse().unwrap())));
        assert_eq!("example.org:80".parse::<ApiAddress>(), Err(ApiAddressError));
    }

    #[test]
    fn a_network_key_is_made_once_and_closes_the_network() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("network.key");
        let key = create_network_key(&path).unwrap();
        assert_eq!(create_network_key(&path).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        let mut options = Options { network_key: Some(path.clone()), ..Options::default() };
        let config = options.clone().check().unwrap();
        assert_eq!(config.network_key, Some(key));
        assert!(config.listen.iter().all(|address| !ListenAddress(address.clone()).is_quic()));
        options.listen = vec!["/ip4/0.0.0.0/udp/0/quic-v1".parse().unwrap()];
        assert!(matches!(options.check(), Err(ConfigError::QuicInClosedNetwork(_))));
    }

    #[test]
    fn a_damaged_network_key_is_told_without_its_contents() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("network.key");
        fs::write(&path, "/key/swarm/psk/1.0.0/\n/base16/\nsecret").unwrap();
        let error = Options { network_key: Some(path), ..Options::default() }.check().unwrap_err().to_string();
        assert!(error.contains("node network-key") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn names_are_checked_where_they_are_read() {
        assert!(" Ada ".parse::<DisplayName>().is_ok());
        assert!("".parse::<DisplayName>().is_err());
        assert!("a\u{1b}[2J".parse::<DisplayName>().is_err());
    }
}
