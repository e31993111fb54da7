//! The `futures-timer` that this workspace builds libp2p with: the same interface, on tokio's timer wheel.
//!
//! The crate of that name on crates.io keeps a thread and a heap of its own, which nobody can pause. libp2p asks it for every
//! timeout of every protocol. A node always runs inside tokio, so here its delays are tokio's: one wheel instead of two, no second
//! thread, and a simulator that stops tokio's clock stops them as well. The node that people run and the node that the simulator
//! runs are built with the same timer (docs/decisions/0006).

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// A future that is ready after a time. Must be polled inside a tokio runtime whose time is enabled.
pub struct Delay {
    /// `None` is never: the time lies beyond what an [`Instant`] can hold.
    at: Option<Instant>,
    /// Made when first polled: many delays never are.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// Ready after `duration` from now.
    pub fn new(duration: Duration) -> Self {
        Self { at: Instant::now().checked_add(duration), sleep: None }
    }

    /// Starts over: ready after `duration` from now.
    pub fn reset(&mut self, duration: Duration) {
        self.at = Instant::now().checked_add(duration);
        match (&mut self.sleep, self.at) {
            (Some(sleep), Some(at)) => sleep.as_mut().reset(at),
            (sleep, _) => *sleep = None,
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        // Even a delay that is over goes through the wheel, so that the order in which delays end is the wheel's alone.
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        // Its users poll in loops of their own and know nothing of tokio's cooperative budget.
        let unconstrained = std::pin::pin!(tokio::task::unconstrained(sleep.as_mut()));
        unconstrained.poll(cx)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_delay_follows_the_paused_clock_of_tokio() {
        let start = Instant::now();
        Delay::new(HOUR).await;
        assert_eq!(start.elapsed(), HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_delay_starts_over_whether_or_not_it_was_polled() {
        let start = Instant::now();
        let mut delay = Delay::new(HOUR);
        assert!(tokio::time::timeout(HOUR / 2, &mut delay).await.is_err());
        delay.reset(HOUR);
        delay.await;
        assert_eq!(start.elapsed(), HOUR / 2 + HOUR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_beyond_all_time_never_ends_until_it_is_reset() {
        let mut delay = Delay::new(Duration::MAX);
        assert!(tokio::time::timeout(HOUR, &mut delay).await.is_err());
        delay.reset(Duration::ZERO);
        delay.await;
    }
}
