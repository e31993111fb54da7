//! From stage to stage, and what each makes of what comes.

use super::{Claim, Files, Finding, Listing, NEED_CHECK_MS, Output, Proof, Stage, Survey, Wake};
use crate::{
    blob::{
        BlobId,
        layer::{LayerPart, LayerRange},
        manifest::{Content, InvalidManifest, Manifest},
        merkle::EMPTY_ROOT,
    },
    schedule::Schedule,
    time::Now,
    transfer::{download::Misdeed, message::Tree},
};

impl Survey {
    /// Goes on to the next stages, as far as what is here allows.
    pub(super) fn advance(&mut self) {
        if let Stage::Proving(trials) = &mut self.stage
            && let Some(claim) = trials.iter().find(|(_, trial)| trial.is_proven()).map(|(claim, _)| *claim)
            && let Some(trial) = trials.remove(&claim)
        {
            self.proven(trial.finish());
        }
        if let Stage::Listing(listing) = &mut self.stage
            && let Some(bytes) = listing.take_whole()
        {
            self.is_proven = true;
            self.stage = Stage::Reading;
            self.wakes.set(Wake::Needs, None);
            self.outputs.push_back(Output::Decode(bytes));
        }
        if let Stage::Files(files) = &self.stage
            && files.is_whole()
            && let Stage::Files(files) = std::mem::replace(&mut self.stage, Stage::Over)
            && let Some(outline) = files.finish()
        {
            self.end(Output::Done(Box::new(outline)));
        }
    }

    /// The content is known: by a link, or proven.
    pub(super) fn settle(&mut self, content: Content) {
        self.known.content = Some(content);
        match content {
            Content::File { .. } => self.list_files(content, None),
            Content::Folder { manifest, manifest_len, .. } => {
                let listing = Listing::new(manifest, manifest_len);
                self.known.manifest_needed = manifest_len;
                self.known.hashes_needed += listing.hashes_needed();
                self.stage = Stage::Listing(listing);
            }
        }
    }

    /// Takes some 40 ms for as many files as a folder may have, once in a survey; what takes longer, reading the manifest, is for others.
    pub(super) fn list_files(&mut self, content: Content, manifest: Option<Manifest>) {
        let files = Files::new(content, manifest);
        self.known.hashes_needed += files.hashes_needed();
        self.stage = Stage::Files(Box::new(files));
    }

    /// Who said something else lied, and what the proof consists of needs not be asked for again.
    fn proven(&mut self, Proof { content, part, chunks }: Proof) {
        self.is_proven = true;
        let claim = Claim::of(&content);
        self.crew.contradicting(claim).into_iter().for_each(|peer| self.ban(peer, Misdeed::Lies));
        self.settle(content);
        if let Some((range, part)) = part {
            let of = if matches!(self.stage, Stage::Listing(_)) { Tree::Manifest } else { Tree::File(0) };
            self.take_layer(None, of, range, part);
        }
        chunks.into_iter().for_each(|(chunk, bytes)| _ = self.take_chunk(None, chunk, bytes));
    }

    /// Somebody read the manifest.
    pub(super) fn read(&mut self, now: Now, read: Result<Manifest, InvalidManifest>) {
        let (Stage::Reading, Some(content)) = (&self.stage, self.known.content) else { return };
        match (read, content) {
            (Ok(manifest), Content::Folder { manifest: root, manifest_len, .. }) => {
                let content = Content::Folder { manifest: root, manifest_len, size: manifest.size() };
                self.known.content = Some(content);
                self.list_files(content, Some(manifest));
                self.progressed_ms = Some(now.mono_ms);
                self.wakes.set(Wake::Needs, Some(self.need_again.max(now.after(NEED_CHECK_MS))));
            }
            (Err(why), _) => self.end(Output::Failed(why)),
            (Ok(_), Content::File { .. }) => {}
        }
    }

    /// Takes everything back and says how it ended.
    fn end(&mut self, output: Output) {
        self.stage = Stage::Over;
        for request in std::mem::take(&mut self.open).into_keys() {
            self.outputs.push_back(Output::Cancel { request });
        }
        self.wakes = Schedule::default();
        self.outputs.push_back(output);
    }

    // ---- what the stages make of what comes

    pub(super) fn take_layer(&mut self, claim: Option<Claim>, of: Tree, range: LayerRange, part: LayerPart) -> Finding {
        let hashes = part.hashes.len() as u64;
        let finding = match &mut self.stage {
            Stage::Proving(trials) => match claim.and_then(|claim| trials.get_mut(&claim)) {
                Some(trial) => return trial.take_layer(range, part),
                None => return Finding::Right,
            },
            Stage::Listing(listing) => listing.take_layer(range, part),
            Stage::Files(files) => files.take_layer(of, range, part),
            Stage::Reading | Stage::Over => return Finding::Right,
        };
        self.known.hashes += if finding == Finding::Right { hashes } else { 0 };
        finding
    }

    pub(super) fn take_chunk(&mut self, claim: Option<Claim>, chunk: u32, bytes: Vec<u8>) -> Finding {
        match &mut self.stage {
            Stage::Proving(trials) => match claim.and_then(|claim| trials.get_mut(&claim)) {
                Some(trial) => trial.take_chunk(chunk, bytes),
                None => Finding::Right,
            },
            Stage::Listing(listing) => {
                let finding = listing.take_chunk(chunk, &bytes);
                self.known.manifest += if finding == Finding::Right { bytes.len() as u32 } else { 0 };
                finding
            }
            Stage::Reading | Stage::Files(_) | Stage::Over => Finding::Right,
        }
    }
}

/// What a share is that has no bytes, which its root alone tells: the empty file, or the empty folder.
pub(super) fn without_bytes(share: BlobId) -> Option<(Content, Option<Manifest>)> {
    if share == EMPTY_ROOT {
        return Some((Content::File { root: share, size: 0 }, None));
    }
    let manifest = Manifest::new(Vec::new()).ok()?;
    let content = manifest.content();
    (content.id() == share).then_some((content, Some(manifest)))
}
