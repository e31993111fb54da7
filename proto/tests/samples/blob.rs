//! A share of each kind, and what is asked and told of it.

use proto::blob::{
    BlobId, Blocks, CHUNK_BYTES, Hash,
    layer::{Layer, LayerPart, LayerRange},
    link::Link,
    manifest::{Content, Entry, FileEntry, Manifest, Node},
    merkle::EMPTY_ROOT,
};

fn file(size: u64, root: BlobId, executable: bool) -> Node {
    Node::File(FileEntry { size, root, executable })
}

pub fn manifest() -> Manifest {
    let entries = [
        ("a.txt", file(5, BlobId([0x0a; 32]), false)),
        ("a/b", file(1_000_003, BlobId([0xab; 32]), true)),
        ("a/empty", file(0, EMPTY_ROOT, false)),
        ("Über 🐦", Node::EmptyDirectory),
    ];
    Manifest::new(entries.map(|(path, node)| Entry { path: path.parse().unwrap(), node }).into()).unwrap()
}

fn link(content: Content, name: &str) -> Link {
    let address = "/ip4/192.0.2.1/udp/4001/quic-v1/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    Link { content, name: name.parse().unwrap(), addresses: vec![address.into()] }
}

pub fn links() -> [Link; 2] {
    let file = Content::File { root: BlobId([0xab; 32]), size: 1_000_003 };
    [link(file, "murmuration.mp4"), link(manifest().content(), "flock")]
}

/// A layer of five chunks.
pub fn layer() -> Layer {
    let hashes: Vec<Hash> = (1..=5).map(|byte| [byte; 32]).collect();
    Layer::new(hashes, 4 * CHUNK_BYTES as u64 + 1).unwrap()
}

pub fn range() -> LayerRange {
    LayerRange { first: 4, width: 2 }
}

/// The last chunk's hash and its proof, in which the first node is padding.
pub fn part() -> LayerPart {
    layer().part(range()).unwrap()
}

pub fn blocks() -> Blocks {
    Blocks::of(10, [0, 3, 9])
}
