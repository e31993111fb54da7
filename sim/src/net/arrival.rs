//! What a packet does where it arrives.
//!
//! | packet | at an end that is | effect |
//! |---|---|---|
//! | dial | unborn, and the host listens on that port | the end is open, accept is sent |
//! | dial | unborn, and nobody listens | refuse is sent |
//! | accept | dialing | open |
//! | refuse, close, reset | dialing or open | over |
//! | segment, credit, stop | open | for the stream |
//! | accept, segment, credit, stop | over | reset is sent |
//! | segment, credit, stop | dialing: the accept was lost | as if lost too |

use super::{
    address::PORT,
    connection::{Connection, DIALER, LISTENER, Life},
    error::Error,
    host::MAX_BACKLOG,
    packet::{Load, Packet},
    state::State,
    tap::{Delivery, Kind, Tap},
    traffic::Traffic,
};

impl State {
    /// A packet is at the machine for which it is.
    pub(super) fn arrive(&mut self, packet: Packet) {
        let Some(connection) = self.connections.get_mut(packet.connection) else { return };
        let host = connection.ends[packet.to].host;
        let life = connection.ends[packet.to].life;
        let is_early = life == Life::Dialing && packet.load.stream().is_some();
        let state = &self.hosts[host.0 as usize];
        let is_crowded = packet.load == Load::Dial && state.incoming.len() >= MAX_BACKLOG;
        if !state.is_on || is_early || is_crowded {
            return self.lose(packet);
        }
        // Who sends from another address than before has a new mapping: the answers go there from now on.
        connection.ends[packet.to].remote = connection.ends[packet.from()].visible;
        if let (Some(tap), Some(kind)) = (&mut self.tap, packet.load.notice()) {
            let stream = packet.load.stream().unwrap_or(0);
            report(tap, &self.traffic, self.now_us, connection, packet, (stream, kind, &[]));
        }
        match (packet.load, life) {
            (Load::Dial, Life::Unborn) => self.arrive_dial(packet),
            (Load::Accept, Life::Dialing) => {
                let end = &mut connection.ends[DIALER];
                end.life = Life::Open;
                self.wakes.extend(end.waker.take());
            }
            (Load::Refuse, _) => self.end_from_afar(packet, Error::Refused),
            (Load::Close, _) => self.end_from_afar(packet, Error::Closed),
            (Load::Reset, _) => self.end_from_afar(packet, Error::Reset),
            (Load::Segment { .. } | Load::Credit { .. } | Load::Stop { .. }, Life::Open) => {
                self.arrive_for_stream(packet);
            }
            (Load::Dial | Load::Accept, Life::Open) => {}
            _ => self.send(Packet::new(packet.connection, packet.from(), Load::Reset)),
        }
    }

    fn arrive_dial(&mut self, packet: Packet) {
        let key = packet.connection;
        let Some(connection) = self.connections.get_mut(key) else { return };
        let end = &mut connection.ends[LISTENER];
        let host = &mut self.hosts[end.host.0 as usize];
        if !host.is_listening || end.local_port != PORT {
            return self.send(key.answer(Load::Refuse));
        }
        end.life = Life::Open;
        end.handles = 1;
        host.connections.push(key);
        host.incoming.push_back(key);
        self.wakes.extend(host.waker.take());
        self.send(key.answer(Load::Accept));
    }

    fn end_from_afar(&mut self, packet: Packet, error: Error) {
        self.end(packet.connection, packet.to, error);
        self.forget(packet.connection);
    }

    fn arrive_for_stream(&mut self, packet: Packet) {
        if let Load::Segment { stream, number } = packet.load {
            return self.arrive_segment(packet, stream, number);
        }
        let Some(connection) = self.connections.get_mut(packet.connection) else { return };
        let Some(state) = packet.load.stream().and_then(|stream| connection.stream_mut(stream)) else { return };
        let flow = &mut state.flows[packet.to];
        match packet.load {
            Load::Credit { bytes, .. } => flow.credited(bytes),
            _ => flow.stopped = true,
        }
        self.wakes.extend(flow.writer.take());
    }

    /// A segment has arrived: the reader gets it, and those after it that waited for it.
    fn arrive_segment(&mut self, packet: Packet, stream: u32, number: u32) {
        let Self { connections, tap, traffic, wakes, now_us, .. } = self;
        let Some(connection) = connections.get_mut(packet.connection) else { return };
        let (from, to) = (packet.from(), packet.to);
        let Some(state) = connection.stream_mut(stream) else { return };
        let is_opener = state.opener == from;
        state.flows[from].arrive(number);
        while let Some((number, segment)) = connection.stream_mut(stream).and_then(|s| s.flows[from].release()) {
            let kind = match (segment.last, number) {
                (true, _) => Kind::End,
                (false, 0) if is_opener => Kind::Open,
                _ => Kind::Data,
            };
            if let Some(tap) = tap {
                report(tap, traffic, *now_us, connection, packet, (stream, kind, &segment.bytes));
            }
            if number == 0 && is_opener {
                connection.ends[to].incoming.push_back(stream);
                wakes.extend(connection.ends[to].waker.take());
            }
            let Some(state) = connection.stream_mut(stream) else { return };
            state.flows[from].receive(segment);
            wakes.extend(state.flows[from].reader.take());
        }
    }
}

/// Shows a packet to the tap.
fn report(
    tap: &mut Box<dyn Tap>,
    traffic: &Traffic,
    at_us: u64,
    connection: &Connection,
    packet: Packet,
    (stream, kind, bytes): (u32, Kind, &[u8]),
) {
    let protocol = connection.stream(stream).and_then(|state| traffic.name(state.negotiation.protocol()));
    let [from, to] = [packet.from(), packet.to].map(|side| connection.ends[side].host);
    let (number, stream) = (connection.number, u64::from(stream));
    tap.delivered(&Delivery { at_us, from, to, connection: number, stream, kind, protocol, bytes });
}
