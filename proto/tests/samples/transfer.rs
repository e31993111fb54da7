//! One of every message about shares, and of every frame on a lane.

use proto::{
    blob::BlobId,
    transfer::MAX_BLOCK_BYTES,
    transfer::message::{Delivery, Met, News, Order, Other, Piece, Refusal, Reply, ShareAnswer, ShareQuestion, Tree},
};

use super::{blob, signer};

fn share() -> BlobId {
    blob::manifest().content().id()
}

pub fn questions() -> Vec<ShareQuestion> {
    let layer = |of| ShareQuestion::Layer { share: share(), of, range: blob::range() };
    let news = [
        News { share: share(), here: true, wanting: true, has: vec![0, 250, 251, 70_000] },
        News { share: BlobId([0xab; 32]), here: false, wanting: false, has: vec![] },
    ];
    vec![
        ShareQuestion::Meet { share: share() },
        layer(Tree::Manifest),
        layer(Tree::File(300)),
        ShareQuestion::Tell { serving: true, news: news.into() },
    ]
}

fn other() -> Other {
    Other {
        peer: signer(2).author().peer_id().unwrap().to_bytes(),
        addresses: vec!["/ip4/192.0.2.1/udp/4001/quic-v1".into(), "/ip6/2001:db8::1/tcp/4001".into()],
    }
}

pub fn answers() -> Vec<ShareAnswer> {
    let met = Met {
        content: Some(blob::manifest().content()),
        name: "flock".into(),
        have: Some(blob::blocks()),
        others: vec![other()],
    };
    let newcomer = Met { content: None, name: String::new(), have: None, others: vec![] };
    vec![
        ShareAnswer::Met(met),
        ShareAnswer::Met(newcomer),
        ShareAnswer::Unknown,
        ShareAnswer::Layer(blob::part()),
        ShareAnswer::Lacks,
        ShareAnswer::Noted,
        ShareAnswer::Unavailable,
    ]
}

pub fn orders() -> Vec<Order> {
    let ask = |number, piece| Order::Ask { number, share: share(), piece };
    vec![
        ask(0, Piece::Manifest(1)),
        ask(70_000, Piece::Block(300)),
        Order::TakeBack { number: 70_000 },
        Order::Received { number: 1 },
    ]
}

pub fn deliveries() -> Vec<Delivery> {
    let refused = [Refusal::Choked, Refusal::Busy, Refusal::Gone, Refusal::Lacks];
    let replies = [Reply::Bytes(MAX_BLOCK_BYTES)].into_iter().chain(refused.map(Reply::Refused));
    replies.zip(1..).map(|(reply, number)| Delivery { number, reply }).collect()
}
