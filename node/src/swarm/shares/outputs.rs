//! What the machines of transfers want done, and the doing of it.
//!
//! | from | to | what |
//! |---|---|---|
//! | downloads | lines | blocks to ask for |
//! | lanes, vault | downloads | what came of it |
//! | downloads | uploads, telling | whose blocks we want |
//! | lanes | uploads | who gave us how much |
//! | uploads | lines, telling | whom to serve with what |

use libp2p::PeerId;
use proto::transfer::{
    TransferId, download,
    message::{Piece, Refusal},
    survey, upload,
};

use super::{
    DISK_AGAIN_MS, Shares, Wake,
    entry::Stage,
    lines::{Asker, Key, Way},
};
use crate::{
    files::vault::VaultError,
    swarm::{
        context::{Cx, Effect},
        lanes::Got,
    },
};

impl Shares {
    /// Carries out all that the machines want, which may have them want more. To be called after everything that happens.
    pub(super) fn drain(&mut self, cx: &mut Cx) {
        loop {
            if let Some(output) = self.downloads.poll_output() {
                self.download_output(cx, output);
            } else if let Some(output) = self.uploads.poll_output() {
                self.upload_output(cx, output);
            } else {
                break;
            }
        }
        self.keeping.serves(self.uploads.served_peers());
        let transfers = |(peer, transfers)| Effect::Transfers { peer, transfers };
        cx.effects.extend(self.keeping.changes().into_iter().map(transfers));
    }

    fn download_output(&mut self, cx: &mut Cx, output: download::Output) {
        use download::Output;
        match output {
            Output::Ask { request, transfer, peer, block } => {
                let asker = Asker::Download(transfer, request, block);
                if !self.ask_on_lane(cx, transfer, peer, asker, Piece::Block(block)) {
                    let why = download::Failure::Busy;
                    self.downloads.handle(cx.now, download::Input::Failed { request, why });
                }
            }
            Output::Cancel { request } => self.lines.take_back(Key::Download(request)),
            Output::Ban { transfer, peer, why } => self.banned(transfer, peer, why),
            Output::Want { transfer, peer, wanting } => {
                let Some(entry) = self.table.get(transfer) else { return };
                let wanting = self.telling.want(cx.now, transfer, entry.root, peer, wanting);
                self.uploads.handle(cx.now, upload::Input::Wanting { peer, wanting });
            }
            Output::NeedPeers { transfer } => self.need_peers(cx, transfer),
            Output::Finished { transfer } => self.complete(cx, transfer),
            Output::Paused { transfer, why } => self.paused(cx, transfer, why),
            Output::NotAdded { transfer } => {
                self.fail(cx, transfer, "too much is being fetched; try again when something is complete".into());
            }
        }
    }

    /// Asks for a piece over a lane; whether there was room for that.
    pub(super) fn ask_on_lane(
        &mut self,
        cx: &mut Cx,
        id: TransferId,
        peer: PeerId,
        asker: Asker,
        piece: Piece,
    ) -> bool {
        let Some(entry) = self.table.get(id) else { return false };
        if let Asker::Survey(..) = asker {
            self.telling.asks(id, entry.root, peer);
        }
        match self.lines.ask(peer, asker, entry.root, piece) {
            Way::Taken => true,
            Way::OpenLane => {
                cx.effects.push_back(Effect::OpenLane { peer });
                true
            }
            Way::NoRoom => false,
        }
    }

    /// A peer is not believed any more.
    pub(super) fn banned(&mut self, id: TransferId, peer: PeerId, why: download::Misdeed) {
        let share = self.table.get(id).map(|entry| entry.root.to_string()).unwrap_or_default();
        let deed = match why {
            download::Misdeed::WrongByte => "sent wrong bytes",
            download::Misdeed::Lies => "said too often that it has what it lacks",
        };
        tracing::warn!(%peer, share, "banned from a share: it {deed}");
        self.circle.ban(id, peer);
    }

    fn paused(&mut self, cx: &mut Cx, id: TransferId, why: download::Pause) {
        let Some(entry) = self.table.get_mut(id) else { return };
        if matches!(entry.stage, Stage::Fetching) {
            entry.stage = Stage::Paused;
        }
        match why {
            download::Pause::User => {}
            download::Pause::Disk => {
                let reason = entry.reason.get_or_insert_with(|| "the disk takes nothing".into()).clone();
                self.wakes.set(Wake::Disk(id), Some(cx.now.after(DISK_AGAIN_MS)));
                cx.warn(format!("a share is paused: {reason}"));
            }
        }
        self.show(cx, id);
    }

    /// The disk may have room again.
    pub(super) fn try_again(&mut self, cx: &mut Cx, id: TransferId) {
        let Some(entry) = self.table.get_mut(id) else { return };
        match entry.stage {
            Stage::Paused => {
                entry.stage = Stage::Fetching;
                entry.reason = None;
                self.downloads.handle(cx.now, download::Input::Resume { transfer: id });
                self.approach(cx, id);
            }
            Stage::Finishing => self.finish(id),
            _ => return,
        }
        self.show(cx, id);
    }

    fn upload_output(&mut self, cx: &mut Cx, output: upload::Output) {
        use upload::Output;
        match output {
            Output::Choke { peer } => self.telling.serve(cx.now, peer, false),
            Output::Unchoke { peer } => self.telling.serve(cx.now, peer, true),
            Output::Serve { token } => self.lines.serve(token),
            Output::Refuse { token, why } => self.lines.refuse(
                token,
                match why {
                    upload::Refusal::Choked => Refusal::Choked,
                    upload::Refusal::Busy => Refusal::Busy,
                    upload::Refusal::Gone => Refusal::Gone,
                },
            ),
        }
    }

    // ---- what lanes bring

    /// Something came over a lane on which we ask.
    pub(super) fn got(&mut self, cx: &mut Cx, got: Got) {
        match got {
            Got::Received(number, bytes) => {
                if let Some((Asker::Download(_, request, _), _)) = self.lines.asker(number) {
                    self.downloads.handle(cx.now, download::Input::Received { request, bytes });
                }
            }
            Got::Kept(number) => self.kept(cx, number, None),
            Got::NotKept(number, error) => self.kept(cx, number, Some(error)),
            Got::Wrong(number) => {
                if let Some((Asker::Download(_, request, _), _)) = self.lines.asker(number) {
                    self.downloads.handle(cx.now, download::Input::Wrong { request });
                }
                self.lines.conclude(number);
            }
            Got::Bytes(number, bytes) => {
                if let Some((Asker::Survey(id, request), _)) = self.lines.asker(number) {
                    self.survey(cx, id, survey::Input::Chunk { request, bytes });
                }
                self.lines.conclude(number);
            }
            Got::Refused(number, why) => self.refused(cx, number, why),
        }
    }

    /// A block was right; it is in its place, unless the disk did not take it.
    fn kept(&mut self, cx: &mut Cx, number: u64, error: Option<VaultError>) {
        let asker = self.lines.asker(number);
        self.lines.conclude(number);
        let Some((Asker::Download(id, request, block), peer)) = asker else { return };
        self.downloads.handle(cx.now, download::Input::Verified { request });
        let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.is_leaving()) else { return };
        let Some(bytes) = &mut entry.bytes else { return };
        let len = bytes.layout.block_len(block);
        match error {
            None => {
                bytes.unsynced.push(block);
                entry.down.add(cx.now, len.into());
                self.uploads.handle(cx.now, upload::Input::Got { peer, bytes: len });
                cx.effects.push_back(Effect::Useful { peer });
                self.sync(id);
                self.keep_ticking(cx.now);
            }
            Some(error) => {
                entry.reason = Some(error.to_string());
                self.downloads.handle(cx.now, download::Input::NotStored { transfer: id, block });
            }
        }
    }

    fn refused(&mut self, cx: &mut Cx, number: u64, why: Refusal) {
        let asker = self.lines.asker(number);
        self.lines.conclude(number);
        let is_gone = why == Refusal::Gone;
        let why = match why {
            Refusal::Choked => download::Failure::Refused,
            Refusal::Gone => download::Failure::Gone,
            Refusal::Busy => download::Failure::Busy,
            Refusal::Lacks => download::Failure::Lacks,
        };
        match asker {
            Some((Asker::Download(id, request, _), peer)) => {
                self.downloads.handle(cx.now, download::Input::Failed { request, why });
                if is_gone {
                    self.circle.not_met(cx.now, id, peer);
                }
            }
            Some((Asker::Survey(id, request), _)) => self.survey(cx, id, survey::Input::Failed { request, why }),
            None => {}
        }
    }
}
