//! `node run`: builds a node from what the user asked for, and keeps it until it is told to stop.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use libp2p::{Multiaddr, identity::Keypair};
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::{net::TcpListener, sync::broadcast};

use super::{
    Failure,
    client::{Client, Target},
    logging,
    output::Output,
    prompt::{self, Chat},
    signals::Signals,
};
use crate::{
    api::{self, Server, token::Token},
    clock::SystemClock,
    config::{Config, DEFAULT_API, Options},
    data_dir::{DataDir, Place, Runtime},
    files::{
        RealPlatter,
        vault::{DiskVault, Vault},
    },
    handle::Handle,
    identity,
    model::{NodeEvent, Status},
    people::short_id,
    spawn::TokioSpawn,
    store::{
        Snapshot, Store,
        sled::{self, SledStore},
    },
    swarm::{self, DirectSettings, Parts, Resources, Settings, StartError},
    transport::{DialAddress, NetworkTransports},
};

/// Open files wanted: eight times the connections that a node holds at most.
#[cfg(unix)]
const MAX_OPEN_FILES: u64 = 4_096;

/// How long a node may take to say goodbye and write what is left; a disk that hangs must not keep the process forever.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Addresses taken from another node on this machine: one for each transport.
const SIBLING_ADDRESSES: usize = 2;

/// Where what is known of shares is, and what was copied of them, in the data directory.
const SHARES: &str = "shares";

/// The first line with `--json`.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    peer_id: &'a str,
    listen: &'a [String],
    api: &'a str,
}

/// Runs a node until it is told to stop.
///
/// # Errors
/// [`Failure`] when it cannot start, or did not stop as it should.
pub fn run(options: Options, config_file: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let options = match config_file {
        Some(path) => options.or(Options::read(&path).map_err(Failure::usage)?),
        None => options,
    };
    let config = options.check().map_err(Failure::usage)?;
    let log_filter = logging::filter(config.log.as_deref())?;
    let umask;
    #[cfg(unix)]
    {
        // Everything in the data directory is the user's own business, the database included; what is fetched is as the user wants it.
        umask = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO).bits();
        raise_file_limit();
    }
    let with_prompt = !json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let data = DataDir::take(Place::resolve(config.data_dir.as_deref()).map_err(Failure::failed)?);
    let data = data.map_err(Failure::failed)?;
    logging::keep_crashes_in(data.path());
    logging::start(log_filter, with_prompt.then(|| data.path().join("node.log")).as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::failed)?;
    let result = runtime.block_on(async {
        let mut signals = Signals::listen(with_prompt).map_err(Failure::failed)?;
        let running = tokio::select! {
            running = start(config, data, RealPlatter { umask }) => running?,
            () = signals.next() => return Ok(()),
        };
        let (running, reports) = running;
        let result = running.serve(Output { json }, with_prompt, reports, &mut signals).await;
        running.stop(&mut signals).await.and(result)
    });
    // Threads that wait for the disk or the terminal are not waited for.
    runtime.shutdown_background();
    result
}

/// Every connection is an open file, and a database that cannot open one fails: takes what the system allows, up to
/// [`MAX_OPEN_FILES`].
#[cfg(unix)]
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(MAX_OPEN_FILES, |maximum| maximum.min(MAX_OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        // With the old limit the node works too, for fewer peers.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

type Reports = broadcast::Receiver<NodeEvent>;

struct Running {
    handle: Handle,
    server: Server,
    token: Token,
    data: DataDir,
    status: Status,
    warnings: Vec<String>,
}

async fn start(config: Config, data: DataDir, disk: RealPlatter) -> Result<(Running, Reports), Failure> {
    let keypair = identity::load_or_create(data.path()).map_err(Failure::failed)?;
    let token = Token::load_or_create(data.path()).map_err(Failure::failed)?;
    let listener = bind_api(config.api).await?;
    let directory = data.path().to_owned();
    let opened = tokio::task::spawn_blocking(move || open_store(&directory)).await.map_err(Failure::failed)??;
    let mut warnings = Vec::new();
    if let Some(place) = &opened.set_aside {
        warnings.push(format!(
            "the database was damaged; it is set aside in {}, and what peers hold comes back from them",
            place.display()
        ));
    }
    let vault = DiskVault::open_on(&data.path().join(SHARES), Arc::clone(&opened.store), Arc::new(disk));
    let vault = vault.map_err(Failure::failed)?;
    let parts = parts(keypair, config, &data, opened, Arc::new(vault))?;
    let mut registry = Registry::with_prefix("starling");
    let handle = swarm::start_measured(parts, &mut registry).await.map_err(|error| match error {
        StartError::Listen { .. } => Failure::Failed(format!("{error}; choose another address with --listen")),
        other => Failure::failed(other),
    })?;
    let reports = handle.subscribe();
    let status = handle.status().await.map_err(Failure::failed)?;
    let server = api::serve(handle.clone(), registry, listener, token.clone()).map_err(Failure::failed)?;
    let runtime = Runtime {
        api: server.url(),
        peer_id: status.peer_id.clone(),
        listen: status.listen.clone(),
        pid: std::process::id(),
    };
    data.publish(&runtime)
        .map_err(|error| Failure::Failed(format!("cannot write to {}: {error}", data.path().display())))?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    Ok((Running { handle, server, token, data, status, warnings }, reports))
}

struct OpenStore {
    store: Arc<dyn Store>,
    snapshot: Snapshot,
    set_aside: Option<PathBuf>,
}

fn open_store(directory: &std::path::Path) -> Result<OpenStore, Failure> {
    let opened =
        SledStore::open(&directory.join("store"), sled::Options::new(rand::random())).map_err(Failure::failed)?;
    Ok(OpenStore { store: Arc::new(opened.store), snapshot: opened.snapshot, set_aside: opened.set_aside })
}

fn parts(
    keypair: Keypair,
    config: Config,
    data: &DataDir,
    opened: OpenStore,
    vault: Arc<dyn Vault>,
) -> Result<Parts, Failure> {
    let peer_id = keypair.public().to_peer_id().to_string();
    let mut bootstrap = config.bootstrap;
    bootstrap.extend(data.siblings().iter().flat_map(sibling_addresses));
    Ok(Parts {
        settings: Settings {
            name: config.name.unwrap_or_else(|| format!("starling-{}", short_id(&peer_id))),
            listen: config.listen,
            bootstrap,
            rooms: config.rooms,
            mdns: config.mdns,
            connections: proto::connectivity::Settings::default(),
            resources: Resources::default(),
            closed_network: config.network_key.is_some(),
            direct: DirectSettings {
                mailbox: config.mailbox.then(proto::direct::mailbox::Settings::default),
                read_receipts: config.read_receipts,
            },
        },
        keypair,
        transports: Arc::new(NetworkTransports { network_key: config.network_key }),
        store: opened.store,
        vault,
        snapshot: opened.snapshot,
        clock: Arc::new(SystemClock::default()),
        spawn: Arc::new(TokioSpawn),
        verifier: Arc::new(proto::signature::Ed25519),
        seed: rand::random(),
    })
}

/// Where to reach another node on this machine: by loopback, if it listens there.
fn sibling_addresses(sibling: &Runtime) -> Vec<Multiaddr> {
    let (mut near, far): (Vec<&String>, Vec<&String>) =
        sibling.listen.iter().partition(|address| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/"));
    near.extend(far);
    let parsed = near.into_iter().filter_map(|address| address.parse::<DialAddress>().ok());
    parsed.map(|address| address.0).take(SIBLING_ADDRESSES).collect()
}

async fn bind_api(chosen: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    let address = chosen.unwrap_or(DEFAULT_API);
    match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && chosen.is_none() => {
            TcpListener::bind((DEFAULT_API.ip(), 0)).await.map_err(|error| cannot_serve(DEFAULT_API, &error))
        }
        other => other.map_err(|error| cannot_serve(address, &error)),
    }
}

fn cannot_serve(address: SocketAddr, error: &io::Error) -> Failure {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses that port".to_owned(),
        _ => error.to_string(),
    };
    Failure::Failed(format!("cannot serve the API on {address}: {reason}; choose another address with --api"))
}

impl Running {
    /// Serves until the user, a client, a signal or a failure ends it.
    async fn serve(
        &self,
        output: Output,
        with_prompt: bool,
        reports: Reports,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let ended = async {
            tokio::select! {
                () = signals.next() => Ok(()),
                () = self.server.stop_requested() => Ok(()),
                () = self.handle.commands.closed() => Err(Failure::failed("the node stopped by itself; see its log")),
            }
        };
        let face = async {
            match (with_prompt, output.json) {
                (true, _) => self.chat().await,
                (false, true) => self.report(output, reports).await,
                (false, false) => {
                    output.line(&self.banner(true))?;
                    std::future::pending().await
                }
            }
        };
        tokio::select! {
            result = ended => result,
            result = face => result,
        }
    }

    async fn chat(&self) -> Result<(), Failure> {
        let client = Client::new(&self.server.url(), self.token.clone())?;
        let room = proto::channel::LOBBY.parse().map_err(Failure::failed)?;
        let target = Target { data_dir: Some(self.data.path().into()), ..Target::default() };
        let history_file = self.data.path().join(prompt::HISTORY_FILE);
        let greeting = format!("{}\nType a message and press Enter; /help lists the commands.", self.banner(false));
        prompt::chat(Chat { target, client, room, history_file, greeting }).await
    }

    /// Prints the ready line and then everything that happens.
    async fn report(&self, output: Output, mut reports: Reports) -> Result<(), Failure> {
        let Status { peer_id, listen, .. } = &self.status;
        output.object(&Ready { event: "ready", peer_id, listen, api: &self.server.url() })?;
        for warning in &self.warnings {
            output.object(&NodeEvent::Warning { text: warning.clone() })?;
        }
        loop {
            match reports.recv().await {
                Ok(event) => output.object(&event)?,
                Err(broadcast::error::RecvError::Lagged(missed)) => output.object(&NodeEvent::Lagged { missed })?,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// What people read first. A prompt leaves the addresses to `/status`, so that the chat stays in sight.
    fn banner(&self, with_addresses: bool) -> String {
        let Status { peer_id, name, version, listen, closed_network, .. } = &self.status;
        let mut lines = vec![format!("Starling {version}: you are {name}, {peer_id}")];
        if with_addresses {
            lines.extend(listen.iter().map(|address| format!("  listening on {address}")));
        }
        lines.push(format!("  API on {}, data in {}", self.server.url(), self.data.path().display()));
        if let Some(address) = reachable(listen) {
            let key = if *closed_network { " --network-key FILE   (the key file of this closed network)" } else { "" };
            lines.push(format!("Others join you with:  node --bootstrap {address}{key}"));
        }
        lines.extend(self.warnings.iter().map(|warning| format!("! {warning}")));
        lines.join("\n")
    }

    async fn stop(self, signals: &mut Signals) -> Result<(), Failure> {
        let Self { handle, server, data, .. } = self;
        // From here on clients start no new calls, and other nodes do not come here.
        data.withdraw();
        let stopping = async {
            server.stop().await;
            tokio::time::timeout(STOP_TIMEOUT, handle.shutdown()).await
        };
        let slow = "the node did not stop in time; what was acknowledged is on disk";
        tokio::select! {
            // A node that had stopped by itself is no news here.
            stopped = stopping => stopped.map(drop).map_err(|_| Failure::failed(slow)),
            () = signals.next() => Err(Failure::failed("stopped at once; what was acknowledged is on disk")),
        }
    }
}

/// The address to give to others: one that is not only for this machine, if there is one; TCP before QUIC, since UDP is
/// blocked more often.
fn reachable(listen: &[String]) -> Option<&String> {
    let score = |address: &&String| {
        let local = address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
        (local, address.starts_with("/ip6/"), !address.contains("/tcp/"))
    };
    listen.iter().min_by_key(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_for_others_is_one_that_they_can_reach() {
        let text = |addresses: [&str; 3]| {
            let listen = addresses.map(|address| format!("{address}/p2p/x")).to_vec();
            reachable(&listen).cloned()
        };
        let addresses = ["/ip4/127.0.0.1/tcp/1", "/ip6/2001:db8::1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1"];
        assert_eq!(text(addresses).unwrap(), "/ip4/192.0.2.1/udp/1/quic-v1/p2p/x");
        assert_eq!(reachable(&[]), None);
    }

    #[test]
    fn a_node_on_the_same_machine_is_dialed_by_loopback() {
        let listen = ["/ip4/192.0.2.1/tcp/1", "/ip4/127.0.0.1/tcp/1", "nonsense", "/ip4/127.0.0.1/udp/1/quic-v1"];
        let listen = listen.map(str::to_owned).to_vec();
        let runtime = Runtime { api: String::new(), peer_id: String::new(), listen, pid: 1 };
        let addresses: Vec<String> = sibling_addresses(&runtime).iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1"]);
    }

    #[tokio::test]
    async fn an_api_port_that_was_chosen_and_is_taken_is_an_error_that_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let failure = bind_api(Some(taken.local_addr().unwrap())).await.unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("--api"), "{failure}");
        assert!(bind_api(None).await.is_ok(), "the default falls back to a free port");
    }
}
