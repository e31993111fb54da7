//! The two functions, for Linux.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

use crate::EPOCH_MS;

/// Set in every seed in use, so that no seed is mistaken for "off".
const ARMED: u64 = 1 << 63;

/// What the monotonic clock shows at the start: far enough from zero that subtracting hours from it is fine.
const MONOTONIC_EPOCH_NS: u64 = 1_000_000_000_000_000;

const NS_PER_S: u64 = 1_000_000_000;

thread_local! {
    /// State of the random stream; 0 is off.
    static STREAM: Cell<u64> = const { Cell::new(0) };
    /// Tokio's time at the start; `None` is off.
    static START: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Tokio's clock is being read, and what it reads itself is the kernel's.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// From now on, this thread's randomness is a stream that begins with `seed`. Call before the runtime is built: it takes a seed too.
pub fn arm(seed: u64) {
    STREAM.set(seed | ARMED);
}

/// From now on, this thread's clocks are tokio's. Call inside a paused runtime.
pub fn arm_clock() {
    START.set(Some(Instant::now()));
}

/// The kernel's monotonic clock, on any thread.
pub fn real_now() -> Duration {
    kernel_clock(libc::CLOCK_MONOTONIC)
}

/// The processor time that this thread has used.
pub fn thread_cpu() -> Duration {
    kernel_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn kernel_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live `timespec`, which the kernel fills.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The next state of the stream, and the number it gives (SplitMix64, Steele et al. 2014).
fn next(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state, mixed ^ (mixed >> 31))
}

/// libc's `getrandom`, for the whole program.
///
/// # Safety
/// As in libc: `buffer` points to `length` bytes that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut libc::c_void, length: usize, flags: u32) -> isize {
    // Threads ask for randomness while they end, too, when their locals are gone.
    let mut state = STREAM.try_with(Cell::get).unwrap_or(0);
    if state == 0 || length == 0 {
        // SAFETY: the caller's promise is what the kernel asks for.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize };
    }
    // SAFETY: the caller promises that so many bytes may be written; they are not read.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        let (after, number) = next(state);
        state = after;
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
    STREAM.set(state | ARMED);
    isize::try_from(length).unwrap_or(isize::MAX)
}

/// libc's `clock_gettime`, for the whole program.
///
/// # Safety
/// As in libc: `time` points to a `timespec` that may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    let replaced = matches!(clock, libc::CLOCK_MONOTONIC | libc::CLOCK_REALTIME);
    let start = START.try_with(Cell::get).ok().flatten();
    let (Some(start), true, false) = (start, replaced, READING.try_with(Cell::get).unwrap_or(true)) else {
        // SAFETY: the caller's promise is what the kernel asks for.
        return unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int };
    };
    READING.set(true);
    let elapsed = Instant::now().saturating_duration_since(start).as_nanos();
    READING.set(false);
    let epoch = if clock == libc::CLOCK_REALTIME { EPOCH_MS * 1_000_000 } else { MONOTONIC_EPOCH_NS };
    let now = epoch.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX));
    // SAFETY: the caller promises that it may be written.
    unsafe { *time = libc::timespec { tv_sec: (now / NS_PER_S) as _, tv_nsec: (now % NS_PER_S) as _ } };
    0
}

#[cfg(test)]
mod tests {
    use std::{
        collections::hash_map::RandomState,
        hash::BuildHasher,
        thread,
        time::{Instant as StdInstant, SystemTime, UNIX_EPOCH},
    };

    use super::*;

    /// What a thread of its own sees of the system, after `prepare`.
    fn seen(seed: Option<u64>) -> (u64, Duration, Duration) {
        let run = move || {
            seed.into_iter().for_each(arm);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime without I/O needs nothing").block_on(async {
                if seed.is_some() {
                    arm_clock();
                }
                let (wall, start) = (SystemTime::now(), StdInstant::now());
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                let since_1970 = wall.duration_since(UNIX_EPOCH).expect("it is after 1970");
                (RandomState::new().hash_one(7), since_1970, start.elapsed())
            })
        };
        thread::spawn(run).join().expect("the thread does not panic")
    }

    #[test]
    fn an_armed_thread_sees_the_seed_and_the_virtual_clock() {
        let hour = Duration::from_secs(3_600);
        let (hash, wall, elapsed) = seen(Some(1));
        assert_eq!((wall, elapsed), (Duration::from_millis(EPOCH_MS), hour));
        assert_eq!(seen(Some(1)), (hash, wall, elapsed));
        assert_ne!(seen(Some(2)).0, hash);
    }

    #[test]
    fn other_threads_see_the_system() {
        let (hash, _, elapsed) = seen(None);
        assert!(elapsed < Duration::from_secs(600), "{elapsed:?}");
        assert_ne!(seen(None).0, hash);
    }
}
