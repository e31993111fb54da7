//! What goes into a survey and what comes out of it.

use libp2p_identity::PeerId;

use crate::{
    blob::{
        layer::{LayerPart, LayerRange},
        manifest::{Content, InvalidManifest, Manifest},
        outline::Outline,
    },
    transfer::{
        download::{Failure, Misdeed},
        message::Tree,
    },
};

/// Names one question to one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(
    /// Counts up from 0 for each survey.
    pub u64,
);

/// What happens to a survey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A peer takes part in the share. Said again, it may tell what the share is, and ends its rest: say so when it serves us again.
    PeerUp {
        /// Who.
        peer: PeerId,
        /// What it says the share is, if it knows.
        content: Option<Content>,
    },
    /// A peer is gone.
    PeerDown {
        /// Who.
        peer: PeerId,
    },
    /// Hashes that were asked for.
    Layer {
        /// As an answer to what.
        request: RequestId,
        /// Not yet verified.
        part: LayerPart,
    },
    /// A chunk or a block that was asked for.
    Chunk {
        /// As an answer to what.
        request: RequestId,
        /// Not yet verified.
        bytes: Vec<u8>,
    },
    /// What was read from the bytes of [`Output::Decode`].
    Manifest(Result<Manifest, InvalidManifest>),
    /// A question has no answer.
    Failed {
        /// Which.
        request: RequestId,
        /// Why.
        why: Failure,
    },
}

/// What is asked of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Hashes: [`crate::transfer::message::ShareQuestion::Layer`].
    Layer {
        /// Of which tree.
        of: Tree,
        /// Which.
        range: LayerRange,
    },
    /// A chunk of the manifest: [`crate::transfer::message::Piece::Manifest`].
    ManifestChunk(u32),
    /// A block of a share of one file, which is a chunk of it: [`crate::transfer::message::Piece::Block`]. Only asked for if no link
    /// tells what the share is; answered with [`Input::Chunk`].
    Block(u32),
}

/// What a survey wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Ask a peer; answer with [`Input::Layer`], [`Input::Chunk`] or [`Input::Failed`].
    Ask {
        /// Names the question.
        request: RequestId,
        /// Whom.
        peer: PeerId,
        /// For what.
        what: Asked,
    },
    /// Forget a question. An answer that comes nevertheless is not looked at.
    Cancel {
        /// Which.
        request: RequestId,
    },
    /// A peer is asked nothing more.
    Ban {
        /// Who.
        peer: PeerId,
        /// Why.
        why: Misdeed,
    },
    /// Look for more peers that take part in this share.
    NeedPeers,
    /// All bytes of the manifest are here, and right. To read them may take a second, so somebody else does
    /// ([`Manifest::decode`]) and answers with [`Input::Manifest`].
    Decode(Vec<u8>),
    /// All is known. Nothing comes after this.
    Done(Box<Outline>),
    /// The share can be nothing: its manifest breaks rules. Nobody can mend that, and nothing comes after this.
    Failed(InvalidManifest),
}

/// How far a survey is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// What the share is, by a link or proven. The size of a folder is a claim until its manifest was read.
    pub content: Option<Content>,
    /// Chunk hashes that were asked for and came.
    pub hashes: u64,
    /// Those that have to be asked for, as far as is known yet: of a folder's files nothing is, before its manifest is read.
    pub hashes_needed: u64,
    /// Bytes of the manifest that are here.
    pub manifest: u32,
    /// Bytes of the manifest.
    pub manifest_needed: u32,
    /// Peers that take part.
    pub peers: usize,
}
