//! What rooms are made of.

use std::sync::Arc;

use libp2p::PeerId;
use proto::{
    channel::{RoomName, WritePolicy},
    hlc::{MAX_ADVANCE_MS, Timestamp},
    ids::{ChannelId, LogId},
    log::{Config, Replica},
    presence::{Presence, Profile},
    private::Epoch,
    signature::{Signer, Verifier},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{context::Cx, dormant::Dormant, room::Room, sealing::Sealing};
use crate::store::Head;

/// Makes rooms, all for one user and from one store.
pub struct Making {
    /// How the user is shown.
    pub profile: Profile,
    /// Signs what the user says.
    pub signer: Signer,
    /// The same, as a peer.
    pub own: PeerId,
    /// Says whether the signatures of others are good.
    pub verifier: Arc<dyn Verifier>,
    /// The store's own random number.
    pub own_log: LogId,
    /// Seeds each room's lots, and the sealing of private ones.
    pub rng: StdRng,
    dormant: Dormant,
}

impl Making {
    /// Of these, and of what the store holds.
    pub fn new(
        profile: Profile,
        (signer, own): (Signer, PeerId),
        verifier: Arc<dyn Verifier>,
        (own_log, heads): (LogId, Vec<Head>),
        rng: StdRng,
    ) -> Self {
        Self { profile, signer, own, verifier, own_log, rng, dormant: Dormant::new(heads) }
    }

    /// A room with what the store holds of it.
    pub fn make(&mut self, cx: &mut Cx, name: RoomName, channel: ChannelId, sealing: Sealing) -> Room {
        let mut replica = Replica::new(Config {
            channel,
            policy: WritePolicy::Anyone,
            signer: self.signer.clone(),
            verifier: Arc::clone(&self.verifier),
            own_log: self.own_log,
            seed: self.seed(),
        });
        self.dormant.wake(cx.now, &channel, &mut replica);
        cx.reads.deferred(channel, Timestamp::from_ms(cx.now.wall_ms.saturating_add(MAX_ADVANCE_MS)));
        let presence = Presence::new(channel, self.signer.clone(), Arc::clone(&self.verifier), self.seed());
        Room::new(name, channel, sealing, replica, presence)
    }

    /// Keeps what is to be known of a room that is no longer in memory.
    pub fn lay_by(&mut self, room: &Room) {
        self.dormant.lay_by(room.channel(), room.replica());
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// What a private room's messages are sealed with.
    pub fn sealing(&mut self, epoch: Epoch) -> Sealing {
        Sealing::sealed(epoch, self.own, StdRng::from_rng(&mut self.rng))
    }

    /// Logs of rooms that are not in memory.
    pub fn dormant(&self) -> &Dormant {
        &self.dormant
    }
}
