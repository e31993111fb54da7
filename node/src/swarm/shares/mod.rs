//! Files: shares that this node gives and gets. Drives the machines of [`proto::transfer`], and does for them what only a node can: find
//! peers, ask them, open lanes, have the vault read and write.
//!
//! What becomes of a share that the user wants:
//!
//! ```text
//! fetch ─► Circle: candidates (link, Kademlia, other peers) ─► Meet ─► Survey: hashes, manifest ─► Vault::begin
//!                                                                └──► Downloads ─► Lines: a lane to each peer ─► its task:
//!                                                                        ▲            read, Vault::write (checked, in its place)
//!                                                                        └─ Stored ◄─ Vault::sync ◄─ Kept ◄─┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `mod` | all of it, and time |
//! | `entry` | one share, its states, and all of them |
//! | `commands` | what the user says |
//! | `network` | what the network says |
//! | `fetching` | the way from a wish to a place in the vault |
//! | `holding` | what the vault holds, and the way from there to a share that is complete |
//! | `leaving` | the end of a share |
//! | `outputs` | what the machines want done |
//! | `answering` | what peers ask and tell |
//! | `circle`, `finding` | who takes part in what, and finding them |
//! | `keeping` | whose connections are worth keeping |
//! | `telling` | what each peer is to be told |
//! | `lines` | lanes to and from each peer |
//! | `questions` | questions under way, both ways |
//! | `work` | what the vault is doing |
//! | `hashings` | files that are hashed for the user |
//! | `shown`, `speed` | what users are told |

mod answering;
mod circle;
mod commands;
mod entry;
mod fetching;
mod finding;
mod hashings;
mod holding;
mod keeping;
mod leaving;
mod lines;
mod network;
mod outputs;
mod questions;
mod shown;
mod speed;
mod telling;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use libp2p::PeerId;
use proto::{
    schedule::Schedule,
    time::{Deadline, Now},
    transfer::{
        TransferId,
        download::Downloads,
        message::{MAX_ANSWER_BYTES, provider_key},
        upload,
        upload::Uploads,
    },
};
use rand::{Rng, rngs::StdRng};

use self::{
    circle::Circle,
    entry::{Entry, Stage, Table},
    finding::Finding,
    hashings::Hashings,
    keeping::Keeping,
    lines::Lines,
    questions::{Asker, Questions},
    telling::Telling,
    work::{Done, Work},
};
pub use self::{
    commands::Command,
    questions::Event,
    shown::{Have, files},
};
use super::{
    context::Cx,
    lanes::LaneEvent,
    providing::{Providing, Sake},
};
use crate::{files::vault::Vault, model::TransferLimits, spawn::Spawn};

const _: () = assert!(MAX_ANSWER_BYTES <= 4 * 1024 * 1024);

/// Milliseconds between two looks at who might give what is missing.
const APPROACH_MS: u64 = 1_000;

/// Milliseconds after which a share that a full disk stopped is tried again.
const DISK_AGAIN_MS: u64 = 15_000;

/// What shares are made of.
pub struct Config {
    /// Who we are.
    pub own: PeerId,
    /// What is kept.
    pub vault: Arc<dyn Vault>,
    /// What runs lanes.
    pub spawn: Arc<dyn Spawn>,
    /// Seeds lots.
    pub rng: StdRng,
}

/// Something that came of what shares have others do.
pub enum Came {
    /// The vault is done with something.
    Done(Done),
    /// A lane tells something.
    Lane(LaneEvent),
}

/// When something is to be done about a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Wake {
    /// Its survey has a deadline.
    Survey(TransferId),
    /// Candidates are looked at.
    Approach(TransferId),
    /// The disk may have room again.
    Disk(TransferId),
    /// The vault may tell what there is.
    List,
    /// Users are told how far shares are.
    Tick,
}

/// Files.
pub struct Shares {
    own: PeerId,
    rng: StdRng,
    table: Table,
    downloads: Downloads,
    uploads: Uploads,
    circle: Circle,
    telling: Telling,
    finding: Finding,
    providing: Providing,
    lines: Lines,
    keeping: Keeping,
    questions: Questions,
    work: Work,
    hashings: Hashings,
    wakes: Schedule<Wake>,
    limits: TransferLimits,
    /// Where others reach us, with our peer id, the best first.
    reached_at: Vec<String>,
    /// What the user was told last of shares under way.
    shown: BTreeMap<TransferId, (u64, u64)>,
}

impl Shares {
    /// Nothing yet: the vault is asked what there is.
    pub fn new(now: Now, config: Config) -> Self {
        let Config { own, vault, spawn, mut rng } = config;
        let mut seed = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        };
        Self {
            own,
            table: Table::default(),
            downloads: Downloads::new(seed()),
            uploads: Uploads::new(seed()),
            circle: Circle::new(rng.next_u64()),
            telling: Telling::default(),
            finding: Finding::default(),
            providing: Providing::new(now),
            lines: Lines::new(Arc::clone(&vault), spawn),
            keeping: Keeping::default(),
            questions: Questions::default(),
            work: Work::new(vault),
            hashings: Hashings::default(),
            wakes: Schedule::default(),
            limits: TransferLimits::default(),
            reached_at: Vec::new(),
            shown: BTreeMap::new(),
            rng,
        }
    }

    /// Waits for something that came of what others do. Cancel safe.
    pub async fn came(&mut self) -> Came {
        tokio::select! {
            done = self.work.next() => Came::Done(done),
            event = self.lines.next() => Came::Lane(event),
        }
    }

    /// Something came.
    pub fn handle(&mut self, cx: &mut Cx, came: Came) {
        match came {
            Came::Done(done) => self.done(cx, done),
            Came::Lane(LaneEvent::Got(_, got)) => self.got(cx, got),
            Came::Lane(LaneEvent::Told(lane, told)) => self.lane_told(cx, lane, told),
            Came::Lane(LaneEvent::Ended(lane)) => {
                let lines::Ended { gave, askers, tokens } = self.lines.ended(lane);
                gave.into_iter().for_each(|peer| self.keeping.gives(peer, false));
                self.lost(cx, askers);
                for token in tokens {
                    self.uploads.handle(cx.now, upload::Input::Cancelled { token });
                    self.uploads.handle(cx.now, upload::Input::Served { token, bytes: 0, took_ms: 0 });
                }
            }
        }
        self.drain(cx);
    }

    /// Where others reach us.
    pub fn reached_at(&mut self, addresses: Vec<String>) {
        self.reached_at = addresses;
    }

    // ---- who takes part

    /// A share is known from now on; or one that is known already is another from now on.
    fn enter(&mut self, entry: Entry) -> TransferId {
        let id = self.table.insert(entry);
        self.circle.open(id);
        id
    }

    /// Looks for more who have a share.
    fn need_peers(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get(id) else { return };
        self.finding.search(cx.now, &mut self.rng, cx.behaviour, (id, &entry.root));
        self.approach(cx, id);
    }

    /// Others find a share here from now on.
    fn provide(&mut self, now: Now, root: proto::blob::BlobId) {
        self.providing.add(now, provider_key(&root), Sake::Own);
    }

    /// Others do not find it here any more.
    fn stop_providing(&mut self, cx: &mut Cx, root: proto::blob::BlobId) {
        self.providing.remove(&mut cx.behaviour.kad, &provider_key(&root));
    }

    // ---- time

    /// When [`Shares::timeout`] is to be called.
    pub fn deadline(&self) -> Option<Deadline> {
        let all = [
            self.downloads.poll_timeout(),
            self.uploads.poll_timeout(),
            self.telling.deadline(),
            self.providing.deadline(),
            self.wakes.first(),
        ];
        all.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Cx) {
        if self.downloads.poll_timeout().is_some_and(|at| cx.now.reached(at)) {
            self.downloads.handle_timeout(cx.now);
        }
        if self.uploads.poll_timeout().is_some_and(|at| cx.now.reached(at)) {
            self.uploads.handle_timeout(cx.now);
        }
        self.providing.turn(cx.now, &mut cx.behaviour.kad);
        while let Some(wake) = self.wakes.pop_due(cx.now) {
            match wake {
                Wake::Survey(id) => self.survey_timeout(cx, id),
                Wake::Approach(id) => self.approach(cx, id),
                Wake::Disk(id) => self.try_again(cx, id),
                Wake::List => self.work.list(),
                Wake::Tick => self.tick(cx),
            }
        }
        self.tell(cx);
        self.drain(cx);
    }

    /// Tells peers what is to be told now.
    fn tell(&mut self, cx: &mut Cx) {
        let table = &self.table;
        let came = |id: TransferId, told: usize, room: usize| -> Vec<u32> {
            let came = table.get(id).and_then(|entry| entry.bytes.as_ref()).map(|bytes| bytes.came.as_slice());
            came.and_then(|came| came.get(told..)).unwrap_or_default().iter().copied().take(room).collect()
        };
        while let Some((peer, question)) = self.telling.next(cx.now, came) {
            if !self.circle.is_connected(&peer) {
                // A question would have it dialed.
                self.telling.disconnected(&peer);
                continue;
            }
            self.questions.ask(cx.behaviour, peer, Asker::Tell(peer), question);
        }
    }

    /// How many shares there are, and how many of them are under way.
    pub fn count(&self) -> (u64, u64) {
        let under_way = |entry: &Entry| !matches!(entry.stage, Stage::Complete | Stage::Changed | Stage::Leaving(_));
        let all = self.table.iter().count() as u64;
        (all, self.table.iter().filter(|(_, entry)| under_way(entry)).count() as u64)
    }
}
