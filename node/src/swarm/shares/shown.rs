//! What users are told of shares.

use libp2p::{PeerId, multiaddr::Protocol};
use proto::{
    blob::{Blocks, chunk_len, link::Link, manifest::Content, outline::Outline},
    hlc::Timestamp,
    time::Now,
    transfer::TransferId,
};

use super::{Shares, entry::Entry};
use crate::{
    model::{NodeEvent, Share, ShareFile, SharePeer, ShareState},
    swarm::{context::Cx, peers::Peers},
    view::rfc3339,
};

/// Milliseconds between two reports of how far a share is.
pub const TICK_MS: u64 = 1_000;

/// What of a share is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Have {
    /// Which blocks are durable.
    pub have: Blocks,
    /// Which files the user wants, if not all.
    pub selected: Option<Blocks>,
}

impl Shares {
    /// One share, as users see it.
    pub(super) fn shown(&self, now: Now, id: TransferId) -> Option<Share> {
        let entry = self.table.get(id)?;
        let state = entry.state()?;
        let bytes = entry.bytes.as_ref();
        let (wanted_bytes, done_bytes) = bytes.map_or((0, 0), |bytes| (bytes.wanted_bytes, bytes.done_bytes));
        let down_bytes_s = entry.down.bytes_s(now);
        let is_coming = state == ShareState::Fetching && down_bytes_s > 0;
        let (peers, seeders) = (self.circle.members(id).count() as u64, self.seeders(id));
        Some(Share {
            root: entry.root.to_string(),
            name: entry.name.as_ref().map_or_else(|| entry.root.to_string(), ToString::to_string),
            folder: entry.content.map(|content| matches!(content, Content::Folder { .. })),
            size: entry.content.map(|content| content.size()),
            files: bytes.map(|bytes| bytes.layout.files() as u64),
            state,
            reason: entry.reason.clone(),
            place: entry.place.as_ref().map(|place| place.display().to_string()),
            copied: entry.copied,
            link: self.link(entry),
            added_at: rfc3339(Timestamp::from_ms(entry.added_ms)),
            wanted_bytes,
            done_bytes,
            peers,
            seeders,
            down_bytes_s,
            up_bytes_s: entry.up.bytes_s(now),
            eta_s: is_coming.then(|| (wanted_bytes - done_bytes).div_ceil(down_bytes_s)),
            uploaded_bytes: entry.uploaded_bytes,
            down_limit: entry.down_limit,
            up_limit: entry.up_limit,
        })
    }

    fn seeders(&self, id: TransferId) -> u64 {
        self.circle
            .members(id)
            .filter(|peer| self.downloads.share_of(id, peer).is_some_and(|(has, of)| has == of))
            .count() as u64
    }

    fn link(&self, entry: &Entry) -> Option<String> {
        let (content, name) = (entry.content?, entry.name.clone()?);
        Some(Link { content, name, addresses: self.reached_at.clone() }.to_string())
    }

    /// Those who take part in a share, as users see them.
    pub(super) fn shown_peers(&self, now: Now, id: TransferId, peers: &Peers) -> Vec<SharePeer> {
        self.circle.members(id).filter_map(|peer| self.shown_peer(now, id, peer, peers)).collect()
    }

    fn shown_peer(&self, now: Now, id: TransferId, peer: &PeerId, peers: &Peers) -> Option<SharePeer> {
        let (_, address) = peers.get(peer)?.best()?;
        let is_relayed = address.iter().any(|part| part == Protocol::P2pCircuit);
        let load = self.downloads.peer(now, peer);
        let has = self.downloads.share_of(id, peer);
        Some(SharePeer {
            peer_id: peer.to_string(),
            address: address.to_string(),
            path: if is_relayed { "relayed" } else { "direct" }.into(),
            blocks: has.map(|(has, _)| has.into()),
            of: has.map(|(_, of)| of.into()),
            recent_bytes: load.map_or(0, |load| load.recent),
            asked_bytes: load.map_or(0, |load| load.in_flight),
            choking: load.is_some_and(|load| load.choking),
        })
    }

    /// What of a share is here, if it is known how it is cut.
    pub(super) fn have(&self, id: TransferId) -> Option<Have> {
        let bytes = self.table.get(id)?.bytes.as_ref()?;
        Some(Have { have: bytes.have.clone(), selected: bytes.selected.clone() })
    }

    /// Tells users how far a share is.
    pub(super) fn show(&mut self, cx: &Cx, id: TransferId) {
        let Some(share) = self.shown(cx.now, id) else { return };
        self.shown.insert(id, (share.done_bytes, share.uploaded_bytes));
        cx.report(NodeEvent::Share(Box::new(share)));
        self.keep_ticking(cx.now);
    }

    /// Tells users how far those shares are of which anything came or went.
    pub(super) fn tick(&mut self, cx: &Cx) {
        let far = |(id, entry): (TransferId, &Entry)| {
            (id, (entry.bytes.as_ref().map_or(0, |bytes| bytes.done_bytes), entry.uploaded_bytes))
        };
        let moved = self.table.iter().map(far).filter(|(id, far)| self.shown.get(id).is_some_and(|shown| shown != far));
        let moved: Vec<TransferId> = moved.map(|(id, _)| id).collect();
        moved.into_iter().for_each(|id| self.show(cx, id));
    }
}

/// The files of a share, as users see them.
pub fn files(outline: &Outline, here: &Have) -> Vec<ShareFile> {
    let layout = outline.layout();
    let file = |(index, (path, size, root)): (usize, (String, u64, String))| {
        let wanted = here.selected.as_ref().is_none_or(|files| files.contains(index as u32));
        let blocks = layout.blocks_of(index as u32);
        let first = blocks.start;
        // Of a file that is not wanted nothing is kept, though its blocks may be here for the sake of others.
        let here = blocks.filter(|block| wanted && here.have.contains(*block));
        let done_bytes = here.map(|block| chunk_len(size, u64::from(block - first)) as u64).sum();
        ShareFile { path, size, done_bytes, wanted, root }
    };
    let files: Vec<(String, u64, String)> = match (outline.manifest(), outline.content()) {
        (Some(manifest), _) => {
            manifest.files().map(|(path, file)| (path.as_str().to_owned(), file.size, file.root.to_string())).collect()
        }
        (None, content) => vec![(String::new(), content.size(), content.id().to_string())],
    };
    files.into_iter().enumerate().map(file).collect()
}
