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
//! | `mod` | what the network and the vault say |
//! | `entry` | one share, its states, and all of them |
//! | `commands` | what the user says |
//! | `fetching` | the way from a wish to a share that is complete |
//! | `outputs` | what the machines want done |
//! | `answering` | what peers ask and tell |
//! | `circle`, `finding` | who takes part in what, and finding them |
//! | `keeping` | whose connections are worth keeping |
//! | `telling` | what each peer is to be told |
//! | `lines` | lanes to and from each peer |
//! | `questions` | questions under way, both ways |
//! | `work` | what the vault is doing |
//! | `hashings` | files that are hashed for the user |
//! | `shown` | what users are told |

mod answering;
mod circle;
mod commands;
mod entry;
mod fetching;
mod finding;
mod hashings;
mod keeping;
mod lines;
mod outputs;
mod questions;
mod shown;
mod telling;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use libp2p::{PeerId, kad, request_response};
use proto::{
    schedule::Schedule,
    time::{Deadline, Now},
    transfer::{
        TransferId, download,
        download::Downloads,
        message::{MAX_ANSWER_BYTES, ShareAnswer, ShareQuestion, provider_key},
        upload,
        upload::Uploads,
    },
    wire::DecodeError,
};
use rand::{Rng, rngs::StdRng};

use self::{
    circle::{Approach, Circle, Word},
    entry::{Entry, Table},
    finding::Finding,
    hashings::Hashings,
    keeping::Keeping,
    lines::{Asker as LaneAsker, Lines},
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
    context::{Cx, Effect},
    lanes::{self, LaneEvent},
    providing::{Providing, Sake},
};
use crate::{files::vault::Vault, model::TransferLimits, spawn::Spawn};

const _: () = assert!(MAX_ANSWER_BYTES <= 4 * 1024 * 1024);

/// Milliseconds between two looks at who might give what is missing.
const APPROACH_MS: u64 = 5_000;

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

    // ---- what the network says

    /// Where others reach us.
    pub fn reached_at(&mut self, addresses: Vec<String>) {
        self.reached_at = addresses;
    }

    /// The first connection to a peer.
    pub fn connected(&mut self, cx: &mut Cx, peer: PeerId) {
        for id in self.circle.connected(cx.now, peer) {
            self.approach(cx, id);
        }
        self.drain(cx);
    }

    /// A connection ended that was not the last to that peer: a lane that was being opened on it may never come.
    pub fn connection_closed(&mut self, cx: &mut Cx, peer: PeerId) {
        if self.lines.is_opening(&peer) {
            cx.effects.push_back(Effect::OpenLane { peer });
        }
    }

    /// The last connection to a peer ended.
    pub fn disconnected(&mut self, cx: &mut Cx, peer: PeerId) {
        self.circle.disconnected(cx.now, peer);
        self.telling.disconnected(&peer);
        self.questions.disconnected(&peer);
        let askers = self.lines.disconnected(&peer);
        self.lost(cx, askers);
        self.keeping.gives(peer, false);
        self.downloads.handle(cx.now, download::Input::PeerDown { peer });
        self.uploads.handle(cx.now, upload::Input::PeerDown { peer });
        self.survey_all(cx, |_| proto::transfer::survey::Input::PeerDown { peer }, None);
        self.drain(cx);
    }

    /// A query of Kademlia made progress.
    pub fn progressed(&mut self, cx: &mut Cx, id: kad::QueryId, result: &kad::QueryResult, step: &kad::ProgressStep) {
        let Some((transfer, peers)) = self.finding.progressed(id, result, step) else { return };
        for peer in peers {
            self.candidate(cx, transfer, peer, Vec::new());
        }
        self.approach(cx, transfer);
        self.drain(cx);
    }

    /// What became of a stream.
    pub fn stream(&mut self, cx: &mut Cx, event: lanes::behaviour::Event) {
        use lanes::behaviour::Came;
        match event.came {
            Came::Opened(stream) => {
                self.lines.opened(event.peer, stream);
                self.keeping.gives(event.peer, true);
            }
            Came::Refused(why) => {
                tracing::debug!(peer = %event.peer, "no lane: {why}");
                self.no_lane(cx, event.peer);
            }
            Came::Incoming(stream) => self.lines.incoming(event.peer, stream),
        }
        self.drain(cx);
    }

    /// A lane cannot be opened.
    pub fn no_lane(&mut self, cx: &mut Cx, peer: PeerId) {
        let askers = self.lines.not_opened(&peer);
        self.lost(cx, askers);
        self.drain(cx);
    }

    /// What request-response tells. `known` says where a peer is known to be. Bytes that do not decode are handed back.
    ///
    /// # Errors
    /// Who sent them, and what is wrong with them.
    pub fn event(
        &mut self,
        cx: &mut Cx,
        event: Event,
        known: impl Fn(&PeerId) -> Vec<String>,
    ) -> Result<(), (PeerId, DecodeError)> {
        use request_response::{Event, Message};
        let mut fault = Ok(());
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                // The way back is dropped: garbage gets no answer.
                let question = request.map_err(|error| (peer, error))?;
                if !question.is_bounded() {
                    return Err((peer, DecodeError::NotCanonical));
                }
                if let Some(token) = self.questions.asked(cx.now, cx.behaviour, (peer, &question), request_id, channel)
                {
                    self.asked(cx, peer, token, question, known);
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let Some(asker) = self.questions.concluded(request_id) else { return Ok(()) };
                let answer = match response {
                    Ok(answer) => Some(answer),
                    Err(error) => {
                        fault = Err((peer, error));
                        None
                    }
                };
                self.answered(cx, asker, answer);
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, "a question about shares came to nothing: {error}");
                if let Some(asker) = self.questions.concluded(request_id) {
                    self.answered(cx, asker, None);
                }
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.questions.sent(request_id);
            }
        }
        self.drain(cx);
        fault
    }

    // ---- who takes part

    /// Somebody may have a share.
    fn candidate(&mut self, cx: &Cx, id: TransferId, peer: PeerId, addresses: Vec<libp2p::Multiaddr>) {
        if peer != self.own {
            self.circle.candidate(cx.now, id, peer, (addresses, Word::Hearsay));
        }
    }

    /// Asks, or dials, those who may have a share.
    fn approach(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get(id).filter(|entry| entry.stage.wants_peers()) else { return };
        for approach in self.circle.approach(cx.now, id) {
            match approach {
                Approach::Ask(peer) => {
                    let question = ShareQuestion::Meet { share: entry.root };
                    self.questions.ask(cx.behaviour, peer, Asker::Meet(id, peer), question);
                }
                Approach::Dial(peer, addresses) => cx.effects.push_back(Effect::Dial { peer, addresses }),
            }
        }
        self.wakes.set(Wake::Approach(id), Some(cx.now.after(APPROACH_MS)));
    }

    /// Looks for more who have a share.
    fn need_peers(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get(id) else { return };
        self.finding.search(cx.now, cx.behaviour, id, &entry.root);
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

    /// An answer to a question of ours, or that none will come.
    fn answered(&mut self, cx: &mut Cx, asker: Asker, answer: Option<ShareAnswer>) {
        match (asker, answer) {
            (Asker::Meet(id, peer), Some(ShareAnswer::Met(met))) if met.is_bounded() => self.met(cx, id, peer, met),
            (Asker::Meet(id, peer), _) => self.circle.not_met(cx.now, id, peer),
            (Asker::Survey(id, request), answer) => self.surveyed(cx, id, request, answer),
            (Asker::Tell(peer), answer) => self.telling.told(cx.now, peer, answer == Some(ShareAnswer::Noted)),
        }
    }

    /// Questions on lanes come to nothing.
    fn lost(&mut self, cx: &mut Cx, askers: Vec<LaneAsker>) {
        for asker in askers {
            match asker {
                LaneAsker::Download(_, request, _) => {
                    let why = download::Failure::Lost;
                    self.downloads.handle(cx.now, download::Input::Failed { request, why });
                }
                LaneAsker::Survey(id, request) => {
                    let why = download::Failure::Lost;
                    self.survey(cx, id, proto::transfer::survey::Input::Failed { request, why });
                }
            }
        }
    }

    /// How many shares there are, and how many of them are under way.
    pub fn count(&self) -> (u64, u64) {
        let under_way = |entry: &Entry| !matches!(entry.stage, entry::Stage::Complete | entry::Stage::Changed);
        let all = self.table.iter().count() as u64;
        (all, self.table.iter().filter(|(_, entry)| under_way(entry)).count() as u64)
    }
}
