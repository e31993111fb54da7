//! A connection as libp2p uses it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use super::{Network, error::Error, process::Hold, stream::Stream};

/// One end of a connection. Dropping it closes the connection.
pub(super) struct Muxer {
    network: Network,
    hold: Hold,
}

impl Muxer {
    pub fn new(network: Network, hold: Hold) -> Self {
        Self { network, hold }
    }

    fn stream(&self, number: u32) -> Stream {
        Stream::new(self.network.clone(), self.hold, number)
    }
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let number = self.network.with(|state| state.poll_incoming(self.hold, cx));
        number.map_ok(|number| self.stream(number))
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Stream, Error>> {
        let number = self.network.with(|state| state.poll_open(self.hold, cx));
        number.map_ok(|number| self.stream(number))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.network.with(|state| state.close(self.hold));
        Poll::Ready(Ok(()))
    }

    /// There is nothing to drive. That a connection is over shows when a stream is awaited, which libp2p always does as well.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Error>> {
        Poll::Pending
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        self.network.with(|state| state.release_end(self.hold.key, self.hold.side));
    }
}
