//! NATs.
