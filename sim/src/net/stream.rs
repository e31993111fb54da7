//! A stream as libp2p uses it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};

use super::{Network, process::Hold};

/// One end of a stream. What is written goes out when it is flushed, or when there is much of it; dropping it flushes and closes it.
pub(super) struct Stream {
    network: Network,
    hold: Hold,
    number: u32,
}

impl Stream {
    pub fn new(network: Network, hold: Hold, number: u32) -> Self {
        Self { network, hold, number }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.network.with(|state| state.poll_read(self.hold, self.number, buffer, cx)).map_err(io::Error::from)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.network.with(|state| state.poll_write(self.hold, self.number, bytes, cx)).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.network.with(|state| state.flush(self.hold, self.number)).map_err(io::Error::from))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.network.with(|state| state.finish(self.hold, self.number)).map_err(io::Error::from))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.with(|state| state.release_stream(self.hold, self.number));
    }
}
