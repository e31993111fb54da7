//! One simulated host: its identity, clock and disk, and the node that runs on it, while one does.

use std::{num::NonZeroUsize, sync::Arc};

use libp2p::{Multiaddr, PeerId, identity::Keypair, multiaddr::Protocol};
use node::{
    files::vault::{NoVault, Vault},
    handle::Handle,
    swarm::{self, DirectSettings, Parts, Resources, Settings, StartError},
};
use proto::{channel::RoomName, direct::mailbox, ids::LogId, signature::Verifier};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::{clock::HostClock, disk::Disk, ledger::Session, tasks::Tasks, vault::Shelves};
use crate::{
    hostile,
    net::{self, Network},
    scenario::{Ending, Group, NodeSettings},
};

/// What a running node consists of, for the simulator.
pub struct Life {
    /// The way to it; a hostile host may have none.
    pub handle: Option<Handle>,
    /// All of its tasks.
    pub tasks: Tasks,
}

/// A host.
pub struct Host {
    /// Index of its group.
    pub group: usize,
    /// Index of its region.
    pub region: usize,
    /// Its place in the network.
    pub net: net::Host,
    /// Its key.
    pub keypair: Keypair,
    /// Indices of the rooms it is in.
    pub rooms: Vec<usize>,
    /// Whether it keeps direct messages for others.
    pub is_mailbox: bool,
    /// What survives.
    pub disk: Disk,
    /// What survives of files, if it has to do with any.
    pub shelves: Option<Shelves>,
    /// Its clock.
    pub clock: HostClock,
    /// The node, while it runs and is not leaving.
    pub life: Option<Life>,
    /// The node, while it leaves.
    pub leaving: Option<Life>,
    /// How often it was started.
    pub lives: u32,
    /// When it was up.
    pub sessions: Vec<Session>,
    rng: ChaCha8Rng,
}

impl Host {
    /// A host that was never started.
    pub fn new(
        group: usize,
        settings: &Group,
        region: usize,
        net: net::Host,
        rooms: Vec<usize>,
        start: Instant,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let (skew, drift) = (rng.random_range(-1.0..=1.0), rng.random_range(-1.0..=1.0));
        let chosen = settings.hostile.as_ref().and_then(|kind| hostile::keypair(kind, &mut rng));
        Self {
            group,
            region,
            net,
            keypair: chosen.unwrap_or_else(|| keypair(rng.random())),
            rooms,
            is_mailbox: settings.mailbox,
            disk: Disk::new(settings.disk, LogId(rng.random()), rng.random()),
            shelves: None,
            clock: HostClock::new(start, &settings.clock, skew, drift),
            life: None,
            leaving: None,
            lives: 0,
            sessions: Vec::new(),
            rng,
        }
    }

    /// Its peer id.
    pub fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Where others dial it.
    pub fn address(&self, network: &Network) -> Multiaddr {
        network.public_address(self.net).with(Protocol::P2p(self.peer_id()))
    }

    /// Whether its node runs and is not leaving.
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Whether its node is saying goodbye.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Whether no node of it runs.
    pub fn is_down(&self) -> bool {
        self.life.is_none() && self.leaving.is_none()
    }

    /// Starts a node.
    ///
    /// # Errors
    /// [`StartError`]: the scenario asks for something that a node does not take.
    pub async fn start(
        &mut self,
        network: &Network,
        tuning: &NodeSettings,
        verifier: Arc<dyn Verifier>,
        name: String,
        rooms: Vec<RoomName>,
        bootstrap: Vec<Multiaddr>,
    ) -> Result<Handle, StartError> {
        network.power_on(self.net);
        let (store, snapshot) = self.disk.open();
        let vault: Arc<dyn Vault> = match &mut self.shelves {
            Some(shelves) => shelves.open(),
            None => Arc::new(NoVault),
        };
        let tasks = Tasks::default();
        let handle = swarm::start(Parts {
            keypair: self.keypair.clone(),
            settings: Settings {
                name,
                listen: vec![network.listen_address(self.net)],
                bootstrap,
                rooms,
                mdns: false,
                connections: tuning.connections(),
                resources: tuning.resources(),
                closed_network: false,
                direct: DirectSettings {
                    mailbox: self.is_mailbox.then(mailbox::Settings::default),
                    ..DirectSettings::default()
                },
            },
            transports: Arc::new(network.transports(self.net)),
            store,
            vault,
            snapshot,
            clock: Arc::new(self.clock),
            spawn: Arc::new(tasks.clone()),
            verifier,
            seed: self.rng.random(),
        })
        .await?;
        self.life = Some(Life { handle: Some(handle.clone()), tasks });
        Ok(handle)
    }

    /// Ends what runs, at once and without a word of its own.
    pub fn crash(&mut self, network: &Network, how: Ending) {
        match how {
            Ending::PowerCut => network.power_off(self.net),
            Ending::Kill | Ending::Leave => network.kill(self.net),
        }
        for life in [self.life.take(), self.leaving.take()].into_iter().flatten() {
            life.tasks.abort();
        }
        self.disk.crash();
        if let Some(shelves) = &mut self.shelves {
            shelves.crash();
        }
    }
}

#[expect(clippy::expect_used, reason = "libp2p's only condition is the length")]
fn keypair(seed: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(seed).expect("any 32 bytes are an Ed25519 key")
}

impl NodeSettings {
    fn connections(&self) -> proto::connectivity::Settings {
        proto::connectivity::Settings {
            low: self.connections_low,
            high: self.connections_high,
            max: self.connections_max,
        }
    }

    fn resources(&self) -> Resources {
        Resources {
            // Whoever lags reads the history instead, as a user's program does.
            reports: REPORTS,
            kademlia_k: NonZeroUsize::new(self.kademlia_k).unwrap_or(NonZeroUsize::MIN),
            // The process is not one node.
            memory_bytes: None,
        }
    }
}

/// Reports that a node keeps for its user: allocated ahead, about 200 bytes each.
const REPORTS: usize = 256;
