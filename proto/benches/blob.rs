//! How fast content is hashed into chunk hashes on one core, against SHA-256 over the same bytes alone; and what the tree above
//! the chunks, a proof and a large folder cost.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proto::blob::{
    BlobId, CHUNK_BYTES, Hash, chunk_hash,
    layer::{Layer, LayerRange},
    layout::Layout,
    manifest::{Entry, FileEntry, Manifest, Node},
    root_of,
};
use sha2::{Digest, Sha256};

/// Rounds of the ratio: the fastest of so many has been disturbed by nobody.
const ROUNDS: usize = 20;
const CONTENT_BYTES: usize = 64 * 1024 * 1024;
/// Chunks of a blob of 10 GiB.
const CHUNKS: u64 = 40_960;
const FILES: u32 = 10_000;

fn hashing(c: &mut Criterion) {
    let content: Vec<u8> = (0..CONTENT_BYTES).map(|at| (31 * at + at / 257) as u8).collect();
    let mut group = c.benchmark_group("64 MiB on one core");
    group.throughput(Throughput::Bytes(CONTENT_BYTES as u64)).sample_size(20);
    let alone = || black_box(Sha256::digest(black_box(&content)));
    let root = || {
        let chunks = black_box(&content).chunks(CHUNK_BYTES);
        let layer: Vec<Hash> = chunks.map(|chunk| chunk_hash(chunk, CONTENT_BYTES as u64)).collect();
        black_box(root_of(&layer, CONTENT_BYTES as u64))
    };
    group.bench_function("SHA-256 alone", |b| b.iter(alone));
    group.bench_function("chunk hashes and root", |b| b.iter(root));
    group.finish();
    print_ratio(alone, root);
}

/// The two in turn, so that what else the machine does slows both alike.
fn print_ratio<A, B>(alone: impl Fn() -> A, root: impl Fn() -> B) {
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        alone();
        let middle = Instant::now();
        root();
        fastest = [fastest[0].min(middle - start), fastest[1].min(middle.elapsed())];
    }
    let rate = fastest[0].as_secs_f64() / fastest[1].as_secs_f64();
    println!("chunk hashes and root: {:.1} % of the rate of SHA-256 alone\n", 100.0 * rate);
}

fn layers(c: &mut Criterion) {
    let hashes: Vec<Hash> = (0..CHUNKS).map(|index| Sha256::digest(index.to_be_bytes()).into()).collect();
    let blob_len = CHUNKS * CHUNK_BYTES as u64;
    let Ok(layer) = Layer::new(hashes.clone(), blob_len) else { unreachable!("as many hashes as chunks") };
    let range = LayerRange { first: 512, width: 512 };
    let Ok(part) = layer.part(range) else { unreachable!("the blob is that long") };
    let mut group = c.benchmark_group("layer of 10 GiB");
    group.bench_function("made", |b| b.iter(|| Layer::new(black_box(hashes.clone()), blob_len)));
    group.bench_function("512 hashes proved", |b| b.iter(|| layer.part(black_box(range))));
    group.bench_function("512 hashes verified", |b| b.iter(|| part.verify(range, &layer.root(), blob_len)));
    group.finish();
}

fn folders(c: &mut Criterion) {
    let entry = |number: u32| {
        let file = FileEntry { size: 4_096, root: BlobId([7; 32]), executable: false };
        let path = format!("directory {}/file {number}.dat", number % 100).parse();
        path.map(|path| Entry { path, node: Node::File(file) })
    };
    let entries: Vec<Entry> = (0..FILES).filter_map(|number| entry(number).ok()).collect();
    let Ok(manifest) = Manifest::new(entries.clone()) else { unreachable!("an ordinary folder") };
    let (bytes, layout) = (manifest.encode(), Layout::of_folder(&manifest));
    let mut group = c.benchmark_group("folder of 10,000 files");
    group.bench_function("manifest made", |b| b.iter(|| Manifest::new(black_box(entries.clone()))));
    group.bench_function("manifest read", |b| b.iter(|| Manifest::decode(black_box(&bytes))));
    group.bench_function("cut into blocks", |b| b.iter(|| Layout::of_folder(black_box(&manifest))));
    group.bench_function("all blocks looked up", |b| {
        b.iter(|| (0..layout.blocks()).map(|block| layout.block(block).count()).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, hashing, layers, folders);
criterion_main!(benches);
