//! The log replica under a network that misbehaves: see [`sim`] for the network, and one module per subject.

mod clocks;
mod forks;
mod hostile;
mod live;
mod repair;
mod sim;
mod store;
