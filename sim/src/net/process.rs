//! What the process of a host does to the network: dial, open, write, read, let go.
//!
//! Every function takes the end of the connection that the process holds. A connection that is forgotten counts as reset.

use std::{
    net::SocketAddrV4,
    task::{Context, Poll, Waker},
};

use libp2p::PeerId;

use super::{
    Host,
    address::{host_of, public_ip},
    connection::{Connection, DIALER, End, Key, LISTENER, Life},
    error::Error,
    flow::Read,
    packet::{Load, Packet},
    state::{DIAL_TIMEOUT_US, Event, State},
};

/// One end of a connection, held by a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub key: Key,
    pub side: usize,
}

impl State {
    /// Whether a process is still the one that runs on its host.
    pub(super) fn runs(&self, host: Host, process: u32) -> bool {
        self.hosts.get(host.0 as usize).is_some_and(|state| state.process == process && state.is_on)
    }

    /// Begins to dial. Addresses that nobody has are dialed as well; nobody answers.
    pub(super) fn dial(
        &mut self,
        dialer: (Host, u32, PeerId),
        remote: SocketAddrV4,
        reuse: bool,
    ) -> Result<Hold, Error> {
        let (host, process, peer) = dialer;
        if !self.runs(host, process) {
            return Err(Error::Gone);
        }
        let target = host_of(*remote.ip()).filter(|target| (target.0 as usize) < self.hosts.len());
        let state = &mut self.hosts[host.0 as usize];
        let local_port = state.dial_port(reuse);
        let visible = SocketAddrV4::new(public_ip(host), local_port);
        let ends = [
            End::new(host, local_port, visible, remote, Life::Dialing),
            End::new(target.unwrap_or(host), remote.port(), remote, visible, Life::Unborn),
        ];
        let key = self.connections.add(ends, peer);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.ends[DIALER].handles = 1;
        }
        self.hosts[host.0 as usize].connections.push(key);
        self.schedule(self.now_us + DIAL_TIMEOUT_US, Event::GiveUp(key));
        if target.is_some() {
            self.send(key.dial());
        }
        Ok(Hold { key, side: DIALER })
    }

    /// Whether the dial was answered, and by whom.
    pub(super) fn poll_dial(&mut self, hold: Hold, cx: &Context<'_>) -> Poll<Result<PeerId, Error>> {
        let connection = self.held(hold)?;
        let end = &mut connection.ends[hold.side];
        end.check()?;
        if end.life == Life::Dialing {
            wait(&mut end.waker, cx);
            return Poll::Pending;
        }
        let peer = connection.ends[LISTENER].host;
        Poll::Ready(self.hosts[peer.0 as usize].peer.ok_or(Error::Reset))
    }

    /// A connection to a host that its process has not taken yet.
    pub(super) fn poll_accept(&mut self, host: Host, cx: &Context<'_>) -> Option<(Hold, PeerId, [SocketAddrV4; 2])> {
        loop {
            let state = self.host(host)?;
            let Some(key) = state.incoming.pop_front() else {
                wait(&mut state.waker, cx);
                return None;
            };
            let Some(connection) = self.connections.get(key) else { continue };
            let listener = &connection.ends[LISTENER];
            let (own, remote) = (listener.local_port, listener.remote);
            let local = SocketAddrV4::new(self.hosts[host.0 as usize].own_ip(), own);
            return Some((Hold { key, side: LISTENER }, connection.dialer, [local, remote]));
        }
    }

    /// Opens a stream.
    pub(super) fn poll_open(&mut self, hold: Hold, cx: &Context<'_>) -> Poll<Result<u32, Error>> {
        let connection = self.held(hold)?;
        connection.ends[hold.side].check()?;
        match connection.open(hold.side) {
            Some(number) => Poll::Ready(Ok(number)),
            None => {
                wait(&mut connection.ends[hold.side].waker, cx);
                Poll::Pending
            }
        }
    }

    /// Takes a stream that the other end opened.
    pub(super) fn poll_incoming(&mut self, hold: Hold, cx: &Context<'_>) -> Poll<Result<u32, Error>> {
        let connection = self.held(hold)?;
        let end = &mut connection.ends[hold.side];
        if let Some(number) = end.incoming.pop_front() {
            end.handles += 1;
            return Poll::Ready(Ok(number));
        }
        end.check()?;
        wait(&mut end.waker, cx);
        Poll::Pending
    }

    /// Writes to a stream as much as there is room for.
    pub(super) fn poll_write(
        &mut self,
        hold: Hold,
        stream: u32,
        bytes: &[u8],
        cx: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        let connection = self.held(hold)?;
        connection.ends[hold.side].check()?;
        let flow = connection.stream_mut(stream).map(|state| &mut state.flows[hold.side]).ok_or(Error::Reset)?;
        if flow.finished {
            return Poll::Ready(Err(Error::Finished));
        }
        if flow.stopped {
            return Poll::Ready(Err(Error::Stopped));
        }
        let written = flow.write(bytes);
        let is_full = flow.is_full();
        if written == 0 && !bytes.is_empty() {
            wait(&mut flow.writer, cx);
        }
        if is_full {
            self.flush(hold, stream)?;
        }
        if written == 0 && !bytes.is_empty() { Poll::Pending } else { Poll::Ready(Ok(written)) }
    }

    /// Sends what was written.
    pub(super) fn flush(&mut self, hold: Hold, stream: u32) -> Result<(), Error> {
        self.push(hold, stream, false)
    }

    /// Sends what was written, and that no more follows.
    pub(super) fn finish(&mut self, hold: Hold, stream: u32) -> Result<(), Error> {
        self.push(hold, stream, true)
    }

    fn push(&mut self, hold: Hold, stream: u32, last: bool) -> Result<(), Error> {
        let Hold { key, side } = hold;
        let connection = self.connections.get_mut(key).ok_or(Error::Reset)?;
        connection.ends[side].check()?;
        let state = connection.stream_mut(stream).ok_or(Error::Reset)?;
        let number = if last { state.flows[side].finish() } else { state.flows[side].flush() };
        let Some(number) = number else { return Ok(()) };
        if let Some(segment) = state.flows[side].segment(number) {
            state.negotiation.hear(state.opener == side, &segment.bytes, &mut self.traffic);
        }
        self.send(Packet::new(key, 1 - side, Load::Segment { stream, number }));
        Ok(())
    }

    /// Reads from a stream. What has arrived can be read even when the connection is over.
    pub(super) fn poll_read(
        &mut self,
        hold: Hold,
        stream: u32,
        buffer: &mut [u8],
        cx: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        let connection = self.held(hold)?;
        let state = connection.ends[hold.side].check();
        let flow = connection.stream_mut(stream).map(|state| &mut state.flows[1 - hold.side]).ok_or(Error::Reset)?;
        match flow.read(buffer) {
            Read::End => Poll::Ready(Ok(0)),
            Read::Empty => {
                state?;
                wait(&mut flow.reader, cx);
                Poll::Pending
            }
            Read::Bytes(count) => {
                if let (Some(bytes), Ok(())) = (flow.credit(), state) {
                    self.send(Packet::new(hold.key, 1 - hold.side, Load::Credit { stream, bytes }));
                }
                Poll::Ready(Ok(count))
            }
        }
    }

    /// The process lets a stream go: what it wrote still goes out, and the other end hears that nobody reads.
    pub(super) fn release_stream(&mut self, hold: Hold, stream: u32) {
        let Hold { key, side } = hold;
        let is_open = |connection: &Connection| connection.ends[side].life == Life::Open;
        if self.connections.get(key).is_some_and(is_open) {
            // Fails only when the stream is forgotten already.
            let _ = self.finish(hold, stream);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        let mut tell = is_open(connection);
        if let Some(state) = connection.stream_mut(stream) {
            tell &= state.flows[1 - side].abandon();
            state.released[side] = true;
            tell &= !state.released[1 - side];
        }
        connection.ends[side].handles = connection.ends[side].handles.saturating_sub(1);
        connection.retire(stream, &mut self.wakes);
        if tell {
            self.send(Packet::new(key, 1 - side, Load::Stop { stream }));
        }
        self.forget(key);
    }

    /// Ends a connection, and tells the other end.
    pub(super) fn close(&mut self, hold: Hold) {
        let Hold { key, side } = hold;
        let Some(connection) = self.connections.get(key) else { return };
        let life = connection.ends[side].life;
        if life.is_live() {
            self.end(key, side, Error::Closed);
        }
        if life == Life::Open {
            self.send(Packet::new(key, 1 - side, Load::Close));
        }
    }

    /// The process lets a connection go.
    pub(super) fn release_end(&mut self, key: Key, side: usize) {
        self.close(Hold { key, side });
        if let Some(connection) = self.connections.get_mut(key) {
            connection.ends[side].handles = connection.ends[side].handles.saturating_sub(1);
        }
        self.forget(key);
    }

    fn held(&mut self, hold: Hold) -> Result<&mut Connection, Error> {
        self.connections.get_mut(hold.key).ok_or(Error::Reset)
    }
}

/// Keeps the waker of who waits.
fn wait(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}
