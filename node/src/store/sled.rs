//! A store in sled.
