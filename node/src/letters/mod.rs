//! Direct messages as this node keeps them: what lies in which table, and how it is read for the user.
//!
//! | table | key | value |
//! |---|---|---|
//! | `Letters` | place | a [`Letter`](records::Kept): theirs, or ours with its signature |
//! | `Conversations` | the other one, place | nothing: an index |
//! | `Outbox` | recipient, number | the place of a letter of ours that is on its way |
//! | `Fates` | place | what became of a letter of ours, and who keeps copies |
//! | `Written` | recipient | the number and time of our last letter |
//! | `ReadBy` | recipient | up to where it has read |
//! | `Received` | author, stream | what of the stream has come, and up to where the user has read |
//! | `People` | author | what the inbox keeps of it |
//! | `Contacts` | author | the name that the user gave |
//! | `Names` | author | the display name under which it was last seen |
//! | `Cards` | author | its card |
//! | `Keys` | 0 | our keys |
//! | `Mailbox`, `Kept` | envelope | what a mailbox keeps for others: the envelope, and what is known of it |
//! | `Registered` | recipient | for whom it does |
//!
//! A letter's *place* counts up with each letter that becomes durable here, whoever wrote it. In keys it stands as its complement, so that
//! the newest come first. No entry is ever read to be changed: each is written whole by the one machine whose it is.

pub mod page;
pub mod records;
