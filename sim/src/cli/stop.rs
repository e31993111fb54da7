//! Being told to stop: Ctrl-C, SIGTERM, a terminal that closes.

use std::io;
#[cfg(unix)]
use std::io::IsTerminal as _;

/// Signals from the system, from when it was made.
pub struct Stop {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Stop {
    /// Listens from now on. Call inside a runtime.
    ///
    /// # Errors
    /// The system does not let us.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
            // Under `nohup`, which takes the terminal away, it goes on.
            if io::stderr().is_terminal() {
                kinds.push(SignalKind::hangup());
            }
            Ok(Self { signals: kinds.into_iter().map(signal).collect::<io::Result<_>>()? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the first.
    pub async fn wait(&mut self) {
        #[cfg(unix)]
        std::future::poll_fn(|cx| {
            let came = self.signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        // Without a handler, Ctrl-C ends the program at once.
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
