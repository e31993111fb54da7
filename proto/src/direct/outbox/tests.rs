//! One outbox by itself.
