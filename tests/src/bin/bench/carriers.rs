//! How fast blocks of 256 KiB get from one process to another over one connection, without any of our program: on a stream for each
//! (request-response), and one after another on a stream that is kept. What files are measured against, and why lanes are what they are.

use std::{
    io::{self, BufRead, BufReader},
    process::{Command, Stdio},
    time::Instant,
};

use futures::prelude::*;
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise,
    request_response::{self, Message, ProtocolSupport},
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use libp2p_stream as stream;

use crate::report::Report;

/// The argument with which this program serves itself.
pub const SERVE: &str = "serve-carriers";

const BLOCK: usize = 256 * 1024;
const BYTES: usize = 1 << 30;
/// Blocks that are asked for at a time.
const WINDOW: usize = 16;
const ASKED: StreamProtocol = StreamProtocol::new("/bench/asked/1");
const KEPT: StreamProtocol = StreamProtocol::new("/bench/kept/1");

#[derive(Clone, Default)]
struct Codec;

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = u32;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<u32> {
        let mut number = [0; 4];
        io.read_exact(&mut number).await?;
        Ok(u32::from_le_bytes(number))
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK];
        io.read_exact(&mut block).await?;
        Ok(block)
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        number: u32,
    ) -> io::Result<()> {
        io.write_all(&number.to_le_bytes()).await?;
        io.close().await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        block: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&block).await?;
        io.close().await
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    asked: request_response::Behaviour<Codec>,
    kept: stream::Behaviour,
}

fn swarm() -> Swarm<Behaviour> {
    let protocols = [(ASKED, ProtocolSupport::Full)];
    let config = request_response::Config::default().with_max_concurrent_streams(4 * WINDOW);
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_quic()
        .with_behaviour(|_| Behaviour {
            asked: request_response::Behaviour::new(protocols, config),
            kept: stream::Behaviour::new(),
        })
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(std::time::Duration::from_secs(60)))
        .build()
}

/// Serves until it is killed; prints where.
pub async fn serve() {
    let mut server = swarm();
    for address in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        server.listen_on(address.parse().unwrap()).unwrap();
    }
    let mut incoming = server.behaviour().kept.new_control().accept(KEPT).unwrap();
    tokio::spawn(async move {
        while let Some((_, stream)) = incoming.next().await {
            tokio::spawn(serve_kept(stream));
        }
    });
    loop {
        match server.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => println!("{address}"),
            SwarmEvent::Behaviour(BehaviourEvent::Asked(request_response::Event::Message {
                message: Message::Request { channel, .. },
                ..
            })) => _ = server.behaviour_mut().asked.send_response(channel, vec![7; BLOCK]),
            _ => {}
        }
    }
}

async fn serve_kept(mut stream: libp2p::Stream) {
    let block = vec![7u8; BLOCK];
    let mut number = [0; 4];
    while stream.read_exact(&mut number).await.is_ok() {
        if stream.write_all(&block).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Bytes a second over TCP on a stream that is kept: what whatever moves bytes over libp2p is measured against.
pub async fn raw_stream() -> f64 {
    let mut server = Server::start();
    let (mut client, peer) = connect(server.addresses.remove(0)).await;
    let control = client.behaviour().kept.new_control();
    let drive = tokio::spawn(async move {
        loop {
            client.select_next_some().await;
        }
    });
    let rate = over_kept_stream(control, peer).await;
    drive.abort();
    rate
}

/// Measures both, over both transports.
pub async fn measure(report: &mut Report) {
    let mut server = Server::start();
    for (transport, address) in ["tcp", "quic"].into_iter().zip(server.addresses.drain(..)) {
        let (mut client, peer) = connect(address).await;
        let asked = over_stream_each(&mut client, peer).await;
        let control = client.behaviour().kept.new_control();
        let drive = tokio::spawn(async move {
            loop {
                client.select_next_some().await;
            }
        });
        let kept = over_kept_stream(control, peer).await;
        drive.abort();
        let name = |carrier: &str| format!("{transport}, 1 GiB in blocks of 256 KiB, {carrier}");
        report.add("carriers", &name("a stream for each"), asked / 1e6, "MB/s");
        report.add("carriers", &name("one stream"), kept / 1e6, "MB/s");
        report.add("carriers", &format!("{transport}, ratio of these"), asked / kept, "");
    }
}

struct Server {
    process: std::process::Child,
    addresses: Vec<Multiaddr>,
}

impl Server {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut process = Command::new(program).arg(SERVE).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut addresses: Vec<Multiaddr> = (0..2).map(|_| lines.next().unwrap().unwrap().parse().unwrap()).collect();
        addresses.sort_by_key(|address| address.to_string().contains("udp"));
        Self { process, addresses }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn connect(address: Multiaddr) -> (Swarm<Behaviour>, PeerId) {
    let mut client = swarm();
    client.dial(address).unwrap();
    loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = client.select_next_some().await {
            return (client, peer_id);
        }
    }
}

async fn over_stream_each(client: &mut Swarm<Behaviour>, peer: PeerId) -> f64 {
    let since = Instant::now();
    let (mut asked, mut came) = (0, 0);
    while came < BYTES / BLOCK {
        while asked < BYTES / BLOCK && asked < came + WINDOW {
            client.behaviour_mut().asked.send_request(&peer, asked as u32);
            asked += 1;
        }
        match client.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Asked(request_response::Event::Message {
                message: Message::Response { response, .. },
                ..
            })) => {
                assert_eq!(response.len(), BLOCK);
                came += 1;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Asked(request_response::Event::OutboundFailure {
                error, ..
            })) => panic!("{error}"),
            _ => {}
        }
    }
    BYTES as f64 / since.elapsed().as_secs_f64()
}

async fn over_kept_stream(mut control: stream::Control, peer: PeerId) -> f64 {
    let since = Instant::now();
    let mut stream = control.open_stream(peer, KEPT).await.unwrap();
    let (mut asked, mut came) = (0, 0);
    while came < BYTES / BLOCK {
        while asked < BYTES / BLOCK && asked < came + WINDOW {
            stream.write_all(&(asked as u32).to_le_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            asked += 1;
        }
        let mut block = vec![0; BLOCK];
        stream.read_exact(&mut block).await.unwrap();
        came += 1;
    }
    BYTES as f64 / since.elapsed().as_secs_f64()
}
