//! Direct messages: letters that their recipient alone can read, that arrive exactly once, and that nobody loses in silence.
//!
//! A [`letter::Letter`] is signed by its author, padded, and sealed for its recipient ([`crate::seal`]) into an
//! [`letter::Envelope`], which names nobody but the recipient. For what key to seal, and where letters may be left while the
//! recipient is away, is said by the recipient's [`card::Card`], which it signs.
//!
//! | part | what it is |
//! |---|---|
//! | [`card`] | what a recipient tells those who want to write to it |
//! | [`letter`] | letters and envelopes |
//! | [`message`] | what one node asks another about them |
//! | [`finding`] | the keys under which Kademlia tells of mailboxes |
//! | [`outbox`] | the machine that brings our letters to their recipients |
//! | [`keys`] | the machine that makes, keeps and forgets a recipient's keys, and issues its card |
//! | [`inbox`] | the machine that takes letters in: each is stored and shown once |
//! | [`mailbox`] | the machine that keeps letters for recipients that are away |
//! | [`collecting`] | the machine by which a recipient comes by them |
//! | [`safety`] | what two people compare to know that nobody stands between them |

pub mod card;
pub mod collecting;
pub mod finding;
pub mod inbox;
pub mod keys;
pub mod letter;
pub mod mailbox;
pub mod message;
pub mod outbox;
pub mod safety;

#[cfg(test)]
mod tests;
