//! Runs a network on tokio's clock: one timer for all of it, set to whatever comes next.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use super::Network;

/// Sleeps until something is due, lets it happen, and again. Something earlier that comes up meanwhile wakes it.
pub(super) async fn drive(network: Network) {
    let mut sleep = pin!(tokio::time::sleep_until(network.instant(0)));
    let mut wakes = Vec::new();
    poll_fn(|cx| {
        loop {
            let mut state = network.lock();
            let next_us = state.run_until(network.now_us());
            state.sleep(next_us, cx.waker());
            std::mem::swap(&mut state.wakes, &mut wakes);
            drop(state);
            wakes.drain(..).for_each(|waker| waker.wake());
            let Some(next_us) = next_us else { return Poll::Pending };
            sleep.as_mut().reset(network.instant(next_us));
            // Tokio's budget for a task is meant for such as never rest; this one does, and must not be late.
            let tick = pin!(tokio::task::unconstrained(sleep.as_mut()));
            match tick.poll(cx) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::<()>::Pending,
            }
        }
    })
    .await;
}
