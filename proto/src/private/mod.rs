//! Private rooms: everything that their members say to each other is encrypted with a secret that the invitation carries.
//!
//! A private room has one [`RoomSecret`] at a time. The room's channel id is derived from it, so that who does not have the secret
//! does not know the room; nor do its name, its members' names and keys, or what they say ever travel in the clear: each gossip
//! message, question and answer of the channel is a sealed frame ([`frames`]). Inside, everything is as in an open room: signed by
//! its author, kept in logs, repaired.
//!
//! A new secret makes a new channel, the room's next *epoch*. Only the room's owner makes one, and signs it ([`SignedEpoch`]), so
//! that no two members can disagree on which is the latest and nobody else can lead them elsewhere. Those who stay are told the
//! secret by a direct message; who is left out keeps what it could read before, and reads nothing new.
//!
//! A frame is `salt nonce ciphertext tag`: AES-256-GCM under a key of its own, `SHA-256(tag, secret, salt)`, with 28 random bytes for
//! salt and nonce together, so that no number of frames that anybody could send makes two alike. Bound to it are the channel, the
//! epoch, what the frame is used for, for a question who asks whom, and for an answer the question: a question cannot be passed off
//! as gossip, nor a frame be moved to another epoch, nor a question be asked again by somebody else, nor an answer be given to another
//! question. So whoever asks or answers in sealed frames has the secret: that is how members know each other.
//!
//! What is not hidden: that some peers subscribe to one topic, how much they send, and when.
//!
//! | part | what it is |
//! |---|---|
//! | [`epoch`] | the secret, what is derived from it, sealing and opening |
//! | [`frames`] | the messages of a channel, sealed |
//! | [`invite`] | the invitation, and its form as a link |
//! | [`rooms`] | the machine that keeps our rooms, follows their rotations, and makes them in our own |

pub mod epoch;
pub mod frames;
pub mod invite;
pub mod rooms;

pub use crate::linking::MAX_ADDRESSES as MAX_INVITE_ADDRESSES;
pub use epoch::{Epoch, FRAME_OVERHEAD_BYTES, NotOfThisRoom, RoomSecret, SignedEpoch, Use};
pub use frames::{QuestionName, Unopened};
pub use invite::{InvalidInvite, Invite, MAX_INVITE_BYTES};
