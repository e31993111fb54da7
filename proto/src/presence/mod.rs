//! Presence: who is in a room now.
//!
//! Every member announces itself to the room by gossip: a **hello** when it comes, a **heartbeat** now and then, a **goodbye**
//! when it goes. Announcements are signed and never stored. One [`Presence`] serves one room.
//!
//! | a member is | from | until |
//! |---|---|---|
//! | unknown | | an announcement of it is heard |
//! | present | hello or heartbeat | its goodbye, or just under three of its announced intervals of silence |
//! | departed | goodbye or silence | a *newer* hello or heartbeat; forgotten after twice [`MAX_SKEW_MS`] |
//!
//! **Rate.** A room's members together make about one announcement a second at most: the interval is 10 s in rooms of up to
//! 10 and grows by a second with every further member ([`interval_ms`]), ±10 % so that they do not beat together. Everybody
//! hears each of them some four times, so that this rate is what being in a large room costs a quiet node: 1.3 kB a second. Each
//! announcement names its interval, of which no more is believed than twice what the members present call for: a crowd that
//! speaks once and claims to be of a huge room is soon gone.
//!
//! **Newcomers** say hello once a peer is there to hear it, again a second later (the first may find gossip's mesh half
//! built), and ask the first two peers for their lists, one of which is enough to see everyone. When an answer fails or does
//! not come, another peer is asked. Later on, a peer that came up and is still not known as a member after a second is asked
//! as well: it may stand for a part of the room that was cut off. Lists give the age of each entry, and a member's
//! time to live runs from when it was first heard by whoever passes it on, so that repeating it to each other keeps nobody
//! alive. That holds for the entry of whoever answers, too: it is its latest announcement, so that questions, however many,
//! cause no new ones.
//!
//! **Replay.** Each announcement carries its author's wall clock, increasing from one to the next over restarts too, and only
//! a newer one than the last is taken. So an old heartbeat cannot bring back a member that left, nor an old
//! goodbye remove one that returned. What was sent longer than [`MAX_SKEW_MS`] before or after our own clock is not taken at all; after twice that
//! long a departed member can be forgotten. One exception lets people with wrong clocks in: what an author says itself, over
//! a connection that proves it is the author, needs no date, and may start over when its clock was set back. A hostile peer
//! can still delay: it may show a dead member as present with announcements that nobody else passed on, for at most that
//! long after they were made. It can never make a member disappear, nor speak for one.
//!
//! Two nodes with one key are one member: either's heartbeat keeps it present, and after the goodbye of one the next
//! heartbeat of the other brings it back.
//!
//! | bound | value | when it is reached |
//! |---|---|---|
//! | [`MAX_MEMBERS`] present | 4,096 | further ones are not shown until somebody leaves |
//! | [`MAX_DEPARTED`] remembered | 4,096 | the longest gone is forgotten early |
//! | [`MAX_PEERS`] of the room | 1,024 | further ones are not asked for lists |
//! | announcements of one member | 8, then one in 2 s | more are ignored and not passed on |
//!
//! Lists are as long as the room: whoever drives this limits how often one peer may ask.

use std::{collections::VecDeque, sync::Arc};

use libp2p_identity::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{
    backoff::jittered,
    ids::{Author, ChannelId},
    live::Verdict,
    offence::Offence,
    signature::{Signer, Verifier},
    time::{Deadline, Now},
};

mod asking;
mod interface;
mod members;
mod message;
#[cfg(test)]
mod tests;

use asking::Asking;
pub use interface::*;
use members::{Change, Members, NotTaken, Via};
pub use message::*;

/// Milliseconds between a member's announcements in a small room.
pub const MIN_INTERVAL_MS: u64 = 10_000;

/// Milliseconds that each member of a large room adds to everybody's interval: the inverse of the room's message rate. A member that crashed
/// in a room of 100 is shown for five minutes; one that leaves is gone at once in any.
pub const INTERVAL_PER_MEMBER_MS: u64 = 1_000;

/// Members shown. At some 600 bytes each, about 2.5 MB of memory a room.
pub const MAX_MEMBERS: usize = 4_096;

/// Departed members remembered, so that replayed announcements cannot bring them back.
pub const MAX_DEPARTED: usize = 4_096;

/// Milliseconds: no announcement names a longer interval than the largest room calls for.
pub const MAX_INTERVAL_MS: u64 = MAX_MEMBERS as u64 * INTERVAL_PER_MEMBER_MS;

/// Milliseconds that an announcement passed on by others may be away from our clock: members of the largest room, shown for just under
/// three intervals, must fit into the list for a newcomer.
pub const MAX_SKEW_MS: u64 = 3 * MAX_INTERVAL_MS;

/// Milliseconds that a clock must have been set back for its owner to start over. Announcements overtake each other by less.
pub const CLOCK_STEP_MS: u64 = 60_000;

/// Peers of the room that may be asked for lists. More than a node has connections.
pub const MAX_PEERS: usize = 1_024;

/// Milliseconds from a hello to the heartbeat that repeats it, and between announcements that changes of profile cause.
const SOON_MS: u64 = 1_000;

/// Per cent that intervals vary either way.
const JITTER_PERCENT: u64 = 10;

/// Our own presence while we are in the room.
struct Own {
    profile: Profile,
    /// When to announce ourselves next; `None` while there is nobody to hear it.
    next_ms: Option<u64>,
    /// Whether a hello is due rather than a heartbeat.
    hello: bool,
    /// When we last announced ourselves.
    announced_ms: Option<u64>,
    /// What lists say of us, and when it was made. Questions must not cause new announcements: their times would run
    /// ahead of our clock.
    latest: Option<(SignedAnnouncement, u64)>,
}

/// The presence of one room.
pub struct Presence {
    channel: ChannelId,
    signer: Signer,
    verifier: Arc<dyn Verifier>,
    rng: ChaCha8Rng,
    own: Option<Own>,
    /// The latest time that we put into an announcement.
    last_sent_ms: u64,
    members: Members,
    asking: Asking,
    outputs: VecDeque<Output>,
}

/// Milliseconds between announcements in a room of `members`.
pub fn interval_ms(members: usize) -> u64 {
    (members as u64).saturating_mul(INTERVAL_PER_MEMBER_MS).clamp(MIN_INTERVAL_MS, MAX_INTERVAL_MS)
}

impl Presence {
    /// The presence of a room that we are not in yet. `verifier` says whether the signatures of others are good.
    pub fn new(channel: ChannelId, signer: Signer, verifier: Arc<dyn Verifier>, seed: [u8; 32]) -> Self {
        Self {
            channel,
            signer,
            verifier,
            rng: ChaCha8Rng::from_seed(seed),
            own: None,
            last_sent_ms: 0,
            members: Members::default(),
            asking: Asking::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Everybody present, sorted by author, ourselves included when we are in the room (heard `now`).
    pub fn members(&self, now: Now) -> Vec<MemberInfo> {
        let mut all: Vec<MemberInfo> =
            self.members.present().map(|(_, record)| info(&record.latest, record.heard_ms)).collect();
        if let Some(own) = &self.own {
            let author = self.signer.author();
            let place = all.partition_point(|member| member.author < author);
            all.insert(
                place,
                MemberInfo { author, profile: own.profile.clone(), heard_ms: now.mono_ms, is_self: true },
            );
        }
        all
    }

    /// How many are present, ourselves included.
    pub fn count(&self) -> usize {
        self.members.present_count() + usize::from(self.own.is_some())
    }

    /// Takes note of something.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Join(profile) => self.join(now, profile),
            Input::Leave => self.leave(now),
            Input::PeerUp(peer) => self.peer_up(now, peer),
            Input::PeerDown(peer) => self.peer_down(peer),
            Input::Announcement { from, signed, token } => {
                let verdict = self.announcement(now, from, signed);
                self.outputs.push_back(Output::Verdict { token, verdict });
            }
            Input::Request { from: _, request: PresenceRequest::List { after }, token } => {
                let response = self.page(now, after);
                self.outputs.push_back(Output::Respond { token, response });
            }
            Input::Response { from, id, response } => self.response(now, from, id, response),
            Input::RequestFailed { id } => self.asking.failed(now, id),
        }
        self.handle_timeout(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        for (gone, heard_ms) in self.members.expire(now) {
            self.outputs.push_back(Output::Left(info(&gone, heard_ms)));
        }
        if self.own.as_ref().is_some_and(|own| own.next_ms.is_some_and(|at_ms| at_ms <= now.mono_ms)) {
            self.announce(now);
        }
        if self.own.is_some() {
            let members = &self.members;
            let is_member = |peer: &PeerId| Author::from_peer_id(peer).is_some_and(|a| members.is_present(&a));
            while let Some((to, id, after)) = self.asking.next(now, is_member) {
                self.outputs.push_back(Output::Send { to, id, request: PresenceRequest::List { after } });
            }
        }
    }

    /// The next thing to do, in order; call until `None` after every `handle` and `handle_timeout`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call `handle_timeout`: an announcement, a member's time or a question's is due.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let own = self.own.as_ref().and_then(|own| own.next_ms).map(Deadline);
        let asking = if self.own.is_some() { self.asking.next_deadline() } else { None };
        Deadline::earliest(Deadline::earliest(own, asking), self.members.next_deadline())
    }

    fn join(&mut self, now: Now, profile: Profile) {
        match &mut self.own {
            Some(own) if own.profile == profile => {}
            Some(own) => {
                own.profile = profile;
                // At once, unless we have just announced something.
                let earliest_ms = own.announced_ms.map_or(0, |at_ms| at_ms.saturating_add(SOON_MS)).max(now.mono_ms);
                own.next_ms = own.next_ms.map(|at_ms| at_ms.min(earliest_ms));
            }
            None => {
                let next_ms = self.asking.any_peer().then_some(now.mono_ms);
                self.own = Some(Own { profile, next_ms, hello: true, announced_ms: None, latest: None });
                self.asking.restart(now);
            }
        }
    }

    fn leave(&mut self, now: Now) {
        if let Some(own) = self.own.take() {
            if own.announced_ms.is_some() {
                let goodbye = self.sign(now, &own.profile, Kind::Goodbye);
                self.outputs.push_back(Output::Announce(goodbye));
            }
            self.members = Members::default();
            self.asking.cancel();
        }
    }

    fn peer_up(&mut self, now: Now, peer: PeerId) {
        if self.asking.any_peer() {
            self.asking.peer_up(now, peer);
            return;
        }
        self.asking.peer_up(now, peer);
        if let Some(own) = &mut self.own {
            (own.next_ms, own.hello) = (Some(now.mono_ms), true);
        }
    }

    fn peer_down(&mut self, peer: PeerId) {
        self.asking.peer_down(peer);
        if let Some(own) = self.own.as_mut().filter(|_| !self.asking.any_peer()) {
            own.next_ms = None;
        }
    }

    fn sign(&mut self, now: Now, profile: &Profile, kind: Kind) -> SignedAnnouncement {
        let set_back = now.wall_ms.saturating_add(CLOCK_STEP_MS) < self.last_sent_ms;
        let later_ms = self.last_sent_ms.saturating_add(1);
        self.last_sent_ms = if set_back { now.wall_ms } else { now.wall_ms.max(later_ms) };
        let announcement = Announcement {
            channel: self.channel,
            author: self.signer.author(),
            sent_ms: self.last_sent_ms,
            interval_ms: interval_ms(self.count()),
            kind,
            profile: profile.clone(),
        };
        SignedAnnouncement::create(&self.signer, announcement)
    }

    fn announce(&mut self, now: Now) {
        let Some(mut own) = self.own.take() else { return };
        let kind = if own.hello { Kind::Hello } else { Kind::Heartbeat };
        let wait_ms = if own.hello { SOON_MS } else { interval_ms(self.members.present_count() + 1) };
        own.next_ms = Some(now.mono_ms.saturating_add(jittered(wait_ms, JITTER_PERCENT, &mut self.rng)));
        (own.hello, own.announced_ms) = (false, Some(now.mono_ms));
        let signed = self.sign(now, &own.profile, kind);
        own.latest = Some((signed.clone(), now.mono_ms));
        self.own = Some(own);
        self.outputs.push_back(Output::Announce(signed));
    }

    fn announcement(&mut self, now: Now, from: PeerId, signed: SignedAnnouncement) -> Verdict {
        let announcement = &signed.announcement;
        if announcement.channel != self.channel {
            return self.reject(from, Offence::NotAllowed);
        }
        let via = Via { gossip: true, author: Author::from_peer_id(&from) == Some(announcement.author) };
        let ours = announcement.author == self.signer.author();
        if self.own.is_none() || ours || !self.members.is_news(now, via, &signed) {
            return Verdict::Ignore;
        }
        if let Err(offence) = signed.verify(&*self.verifier) {
            return self.reject(from, offence);
        }
        match self.take(now, via, Heard { signed, age_ms: 0 }, 0) {
            Ok(()) => Verdict::Accept,
            Err(NotTaken::Stale | NotTaken::TooOften | NotTaken::Full) => Verdict::Ignore,
        }
    }

    fn reject(&mut self, peer: PeerId, offence: Offence) -> Verdict {
        self.outputs.push_back(Output::Penalise { peer, offence });
        Verdict::Reject
    }

    /// Takes a verified announcement, one of a list of `listed` or none, and reports what it changes.
    fn take(&mut self, now: Now, via: Via, heard: Heard, listed: usize) -> Result<(), NotTaken> {
        let member = info(&heard.signed, now.mono_ms.saturating_sub(heard.age_ms));
        match self.members.take(now, via, heard, listed)? {
            Change::Joined => self.outputs.push_back(Output::Joined(member)),
            Change::Profile => self.outputs.push_back(Output::Changed(member)),
            Change::Left => self.outputs.push_back(Output::Left(member)),
            Change::Nothing => {}
        }
        Ok(())
    }

    /// What to say of ourselves in a list: our latest announcement. One is made if there was none since we joined; `None`
    /// when we are not in the room.
    fn own_entry(&mut self, now: Now) -> Option<Heard> {
        let mut own = self.own.take()?;
        let (signed, made_ms) = match own.latest.take() {
            Some(latest) => latest,
            None => (self.sign(now, &own.profile, Kind::Heartbeat), now.mono_ms),
        };
        own.latest = Some((signed.clone(), made_ms));
        self.own = Some(own);
        Some(Heard { signed, age_ms: now.mono_ms.saturating_sub(made_ms) })
    }

    /// The page of our list after `after`, ourselves included.
    fn page(&mut self, now: Now, after: Option<Author>) -> PresenceResponse {
        let Some(ours) = self.own_entry(now) else {
            return PresenceResponse::Unavailable;
        };
        let us = self.signer.author();
        let mut page: Vec<Heard> = self
            .members
            .present_after(after)
            .take(MAX_PAGE_MEMBERS + 1)
            .map(|(_, record)| Heard {
                signed: record.latest.clone(),
                age_ms: now.mono_ms.saturating_sub(record.heard_ms),
            })
            .collect();
        if after.is_none_or(|after| after < us) {
            let place = page.partition_point(|heard| heard.signed.announcement.author < us);
            page.insert(place, ours);
        }
        let more = page.len() > MAX_PAGE_MEMBERS;
        page.truncate(MAX_PAGE_MEMBERS);
        PresenceResponse::Members { members: page, more }
    }

    fn response(&mut self, now: Now, from: PeerId, id: u64, response: PresenceResponse) {
        let Some(after) = self.asking.answered(from, id) else { return };
        let PresenceResponse::Members { members, more } = response else {
            self.asking.refused(now, from);
            return;
        };
        match self.take_page(now, from, after, &members) {
            Ok(last) => self.asking.page_taken(from, last.filter(|_| more)),
            Err(offence) => {
                self.asking.refused(now, from);
                self.outputs.push_back(Output::Penalise { peer: from, offence });
            }
        }
    }

    /// Takes a page of a peer's list and returns its last author.
    fn take_page(
        &mut self,
        now: Now,
        from: PeerId,
        after: Option<Author>,
        page: &[Heard],
    ) -> Result<Option<Author>, Offence> {
        let mut last = after;
        let well_formed = page.len() <= MAX_PAGE_MEMBERS
            && page.iter().all(|heard| {
                let announcement = &heard.signed.announcement;
                let sorted = last.replace(announcement.author) < Some(announcement.author);
                sorted && announcement.channel == self.channel && announcement.kind != Kind::Goodbye
            });
        if !well_formed {
            return Err(Offence::WrongAnswer);
        }
        for heard in page {
            let author = heard.signed.announcement.author;
            let via = Via { gossip: false, author: Author::from_peer_id(&from) == Some(author) };
            if author == self.signer.author() || !self.members.is_news(now, via, &heard.signed) {
                continue;
            }
            heard.signed.verify(&*self.verifier)?;
            // What is not taken is no news, or finds no place; neither is the answering peer's fault.
            _ = self.take(now, via, heard.clone(), page.len());
        }
        Ok(page.last().map(|heard| heard.signed.announcement.author))
    }
}

fn info(signed: &SignedAnnouncement, heard_ms: u64) -> MemberInfo {
    let Announcement { author, profile, .. } = &signed.announcement;
    MemberInfo { author: *author, profile: profile.clone(), heard_ms, is_self: false }
}
