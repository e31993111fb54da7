//! What each wish of the user makes of the records.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;

use super::{Changes, Done, MAX_ROOMS, Record, Refused, Whom};
use crate::{
    channel::RoomName,
    ids::ChannelId,
    private::{Epoch, Invite, RoomSecret, SignedEpoch},
    signature::{Signer, Verifier},
};

/// A wish.
#[derive(Debug)]
pub(super) enum Wish {
    Create(RoomName),
    Join(Box<Invite>, Option<RoomName>),
    Return(RoomName),
    Leave(RoomName),
    Rotate(RoomName, Whom),
}

/// What is to be stored for a wish to come true, perhaps nothing.
pub(super) struct Plan {
    pub changes: Changes,
    pub done: Done,
}

/// What wishes are weighed against.
pub(super) struct Desk<'a> {
    pub rooms: &'a BTreeMap<ChannelId, Record>,
    pub signer: &'a Signer,
    pub verifier: &'a dyn Verifier,
    pub rng: &'a mut ChaCha20Rng,
    pub now_ms: u64,
}

impl Wish {
    /// The name that a new room would get.
    pub(super) fn new_name(&self) -> Option<&RoomName> {
        match self {
            Self::Create(name) => Some(name),
            Self::Join(invite, name) => Some(name.as_ref().unwrap_or(&invite.name)),
            Self::Return(_) | Self::Leave(_) | Self::Rotate(..) => None,
        }
    }
}

impl Desk<'_> {
    /// Decides on a wish.
    pub(super) fn plan(mut self, wish: Wish) -> Result<Plan, Refused> {
        match wish {
            Wish::Create(name) => {
                let epoch = Epoch::first(self.signer.author(), RoomSecret::generate(self.rng));
                self.enter(name, SignedEpoch::create(self.signer, epoch))
            }
            Wish::Join(invite, name) => self.join(*invite, name),
            Wish::Return(name) => {
                let mut record = self.find(&name)?.clone();
                record.joined = true;
                record.expire(self.now_ms);
                Ok(entered(record))
            }
            Wish::Leave(name) => {
                let mut record = self.find_joined(&name)?.clone();
                record.joined = false;
                Ok(Plan { changes: vec![(record.room(), Some(record))], done: Done::Left })
            }
            Wish::Rotate(name, whom) => self.rotate(&name, &whom),
        }
    }

    fn find(&self, name: &RoomName) -> Result<&Record, Refused> {
        self.rooms.values().find(|record| record.name == *name).ok_or_else(|| Refused::Unknown(name.clone()))
    }

    fn find_joined(&self, name: &RoomName) -> Result<&Record, Refused> {
        Some(self.find(name)?).filter(|record| record.joined).ok_or_else(|| Refused::NotInRoom(name.clone()))
    }

    /// Comes into a room that we do not have.
    fn enter(&self, name: RoomName, signed: SignedEpoch) -> Result<Plan, Refused> {
        if self.find(&name).is_ok() {
            return Err(Refused::NameTaken(name));
        }
        let mut plan = entered(Record::new(name, signed, self.now_ms));
        if self.rooms.len() >= MAX_ROOMS {
            let left = self.rooms.iter().filter(|(_, record)| !record.joined);
            let oldest = left.min_by_key(|(_, record)| record.current.since_ms).ok_or(Refused::TooMany)?;
            plan.changes.push((*oldest.0, None));
        }
        Ok(plan)
    }

    fn join(&self, invite: Invite, name: Option<RoomName>) -> Result<Plan, Refused> {
        if !invite.signed.is_genuine(self.verifier) {
            return Err(Refused::Forged);
        }
        let epoch = invite.signed.epoch();
        let Some(record) = self.rooms.get(&epoch.room()) else {
            return self.enter(name.unwrap_or(invite.name), invite.signed);
        };
        if name.is_some_and(|name| name != record.name) {
            return Err(Refused::KnownAs(record.name.clone()));
        }
        // The room's id is made of its first owner's key: another one has only taken the id.
        if epoch.owner() != record.owner() {
            return Err(Refused::Forged);
        }
        if epoch.number() < record.epoch().number() {
            return Err(Refused::Outdated(record.name.clone()));
        }
        let mut record = record.clone();
        record.joined = true;
        record.expire(self.now_ms);
        // Of one number there are two only if the owner's node went back in time; the user says which is right.
        if epoch.channel() != record.epoch().channel() {
            record.move_to(invite.signed, self.now_ms);
        }
        Ok(entered(record))
    }

    fn rotate(&mut self, name: &RoomName, whom: &Whom) -> Result<Plan, Refused> {
        let us = self.signer.author();
        let mut record = self.find_joined(name)?.clone();
        if record.owner() != us {
            return Err(Refused::NotOwner(name.clone()));
        }
        let secret = RoomSecret::generate(self.rng);
        let epoch = record.epoch().next(secret).ok_or_else(|| Refused::TooOften(name.clone()))?;
        record.move_to(SignedEpoch::create(self.signer, epoch), self.now_ms);
        record.members.retain(|member| whom.is_told(member) && *member != us);
        record.to_tell = record.members.clone();
        let done = Done::Rotated { invite: Box::new(record.invite()), told: record.members.clone() };
        Ok(Plan { changes: vec![(record.room(), Some(record))], done })
    }
}

fn entered(record: Record) -> Plan {
    let done = Done::Entered(Box::new(record.invite()));
    Plan { changes: vec![(record.room(), Some(record))], done }
}
