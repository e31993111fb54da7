//! Replaces the system's clock and randomness on the one thread that runs a simulation.
//!
//! Given the same seed, a simulation must do the same twice. Its own code takes time and randomness as arguments, but beneath it
//! std seeds each `HashMap` from the system, libp2p reads [`std::time::Instant`], and several versions of `getrandom` ask the kernel.
//! All of those end in two functions of libc, which this crate defines anew for the whole program:
//!
//! | function | on a thread that called [`arm`] | on any other thread |
//! |---|---|---|
//! | `getrandom` | a stream of numbers from the seed | the kernel's |
//! | `clock_gettime`, monotonic and real time | tokio's clock, from a fixed epoch | the kernel's |
//!
//! It works on Linux. Elsewhere nothing is replaced: a simulation then still runs in virtual time, but two runs may differ, and
//! [`IS_REPRODUCIBLE`] says so.

/// Whether two runs with one seed are the same on this system.
pub const IS_REPRODUCIBLE: bool = cfg!(target_os = "linux");

/// The wall clock at the start of every simulation, in milliseconds since 1970: 15 January 2027, 8:00 UTC.
pub const EPOCH_MS: u64 = 1_800_000_000_000;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{arm, arm_clock, real_now, thread_cpu};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    /// Does nothing on this system.
    pub fn arm(_seed: u64) {}

    /// Does nothing on this system.
    pub fn arm_clock() {}

    /// The real time since 1970.
    pub fn real_now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// Not known on this system.
    pub fn thread_cpu() -> Duration {
        Duration::ZERO
    }
}
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{arm, arm_clock, real_now, thread_cpu};
