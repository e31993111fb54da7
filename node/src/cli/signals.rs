//! Being told to stop by the system.

use std::io;

/// Signals that ask the program to stop.
pub struct Signals {
    #[cfg(unix)]
    streams: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Listens from now on; also for the terminal being closed, if one is used. What a daemon
    /// does then is left to whoever started it: under `nohup` it goes on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(with_terminal: bool) -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
            if with_terminal {
                kinds.push(SignalKind::hangup());
            }
            Ok(Self { streams: kinds.into_iter().map(signal).collect::<io::Result<_>>()? })
        }
        #[cfg(not(unix))]
        {
            let _ = with_terminal;
            Ok(Self {})
        }
    }

    /// Waits for the next one. May be dropped and called again.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        std::future::poll_fn(|context| {
            let ready = self.streams.iter_mut().any(|stream| stream.poll_recv(context).is_ready());
            if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
