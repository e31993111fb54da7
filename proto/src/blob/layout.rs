//! How the bytes of a share are cut into blocks.
//!
//! A block is what is asked for, transferred and recorded: a run of chunks, in the order of the manifest and of each file, that
//! has at most [`CHUNK_BYTES`] and [`MAX_BLOCK_PARTS`] parts. Each is as long as that allows, so a full chunk is a block of its
//! own, and small files share one. It follows from the sizes of the files alone, so all peers cut alike, and one bit for each
//! block tells what a peer has.

use super::{CHUNK_BYTES, MAX_FOLDER_ENTRIES, MAX_SHARE_BYTES, manifest::Manifest};

/// Parts of a block. Each is a file that whoever serves the block opens, so that one question must not ask for too many.
pub const MAX_BLOCK_PARTS: usize = 256;

/// Blocks of a share, at most: any two neighbours have over [`CHUNK_BYTES`] together, or the first has [`MAX_BLOCK_PARTS`].
pub const MAX_BLOCKS: u32 = MAX_BLOCKS_WIDE as u32;

const MAX_BLOCKS_WIDE: u64 =
    2 * MAX_SHARE_BYTES / CHUNK_BYTES as u64 + (MAX_FOLDER_ENTRIES / MAX_BLOCK_PARTS) as u64 + 2;
const _: () = assert!(MAX_BLOCKS_WIDE <= u32::MAX as u64);

const CHUNK: u64 = CHUNK_BYTES as u64;

/// Sizes that no share can have: more than [`MAX_SHARE_BYTES`] together, or of more than [`MAX_FOLDER_ENTRIES`] files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more files or bytes than a share can have")]
pub struct TooLarge;

/// A chunk, or what there is of the last one of a file, as part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which file, in the order of [`Manifest::files`]; 0 in a share of one file.
    pub file: u32,
    /// Which chunk of the file.
    pub chunk: u32,
    /// Where it begins in the file, bytes.
    pub offset: u64,
    /// Its bytes.
    pub len: u32,
    /// Where it begins in the block, bytes.
    pub at: u32,
}

/// Where the chunks of one file went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    file: u32,
    /// The block of its first chunk; each next one is in the next block.
    first: u32,
    /// Where its first chunk begins in that block. The others begin theirs.
    at: u32,
    size: u64,
}

impl Span {
    /// The block after that of its last chunk.
    fn end(&self) -> u32 {
        self.first + self.size.div_ceil(CHUNK) as u32
    }

    /// Its chunk in a block in which it has one.
    fn part(&self, block: u32) -> Part {
        let chunk = block - self.first;
        let offset = u64::from(chunk) * CHUNK;
        let len = (self.size - offset).min(CHUNK) as u32;
        Part { file: self.file, chunk, offset, len, at: if chunk == 0 { self.at } else { 0 } }
    }
}

/// The blocks of a share. It holds a few words for each file, whatever their sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The files that are not empty, in order.
    spans: Vec<Span>,
    /// How many there are with the empty ones.
    files: u32,
    size: u64,
}

impl Layout {
    /// The layout of files with these sizes, in the order of their paths.
    ///
    /// # Errors
    /// [`TooLarge`] when no share has so many.
    pub fn new(sizes: impl IntoIterator<Item = u64>) -> Result<Self, TooLarge> {
        let mut spans: Vec<Span> = Vec::new();
        let (mut blocks, mut filled, mut parts, mut total) = (0, CHUNK, 0, 0u64);
        let mut files = 0;
        for (file, size) in sizes.into_iter().enumerate() {
            total = total.checked_add(size).filter(|total| *total <= MAX_SHARE_BYTES).ok_or(TooLarge)?;
            if file >= MAX_FOLDER_ENTRIES {
                return Err(TooLarge);
            }
            files = file as u32 + 1;
            if size == 0 {
                continue;
            }
            if filled + size.min(CHUNK) > CHUNK || parts == MAX_BLOCK_PARTS {
                (blocks, filled, parts) = (blocks + 1, 0, 0);
            }
            let span = Span { file: file as u32, first: blocks - 1, at: filled as u32, size };
            spans.push(span);
            if size > CHUNK {
                (blocks, filled, parts) = (span.end(), 0, 0);
            }
            filled += (size - 1) % CHUNK + 1;
            parts += 1;
        }
        Ok(Self { spans, files, size: total })
    }

    /// The layout of a folder.
    pub fn of_folder(manifest: &Manifest) -> Self {
        #[expect(clippy::expect_used, reason = "a manifest keeps the same limits")]
        Self::new(manifest.files().map(|(_, file)| file.size)).expect("a manifest is within the limits of a share")
    }

    /// Number of files, empty ones too.
    pub fn files(&self) -> u32 {
        self.files
    }

    /// Bytes of the share.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of blocks, at most [`MAX_BLOCKS`].
    pub fn blocks(&self) -> u32 {
        self.spans.last().map_or(0, Span::end)
    }

    /// The parts of a block, in order; none beyond the last block.
    pub fn block(&self, block: u32) -> impl Iterator<Item = Part> {
        let start = self.spans.partition_point(|span| span.end() <= block);
        self.spans[start..].iter().take_while(move |span| span.first <= block).map(move |span| span.part(block))
    }

    /// Bytes of a block; 0 beyond the last.
    pub fn block_len(&self, block: u32) -> u32 {
        self.block(block).map(|part| part.len).sum()
    }

    /// The blocks that hold bytes of a file: none for an empty one, and for one that there is not.
    pub fn blocks_of(&self, file: u32) -> std::ops::Range<u32> {
        match self.spans.binary_search_by_key(&file, |span| span.file) {
            Ok(at) => self.spans[at].first..self.spans[at].end(),
            Err(_) => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(layout: &Layout) -> Vec<Vec<Part>> {
        (0..layout.blocks()).map(|block| layout.block(block).collect()).collect()
    }

    fn files() -> impl Strategy<Value = Vec<u64>> {
        let around = (0..4u64, 0..3u64).prop_map(|(chunks, more)| (chunks * CHUNK + more).saturating_sub(1));
        let size = prop_oneof![3 => 0..3u64, 2 => 0..CHUNK, 2 => around, 1 => 0..5 * CHUNK];
        prop_oneof![prop::collection::vec(size, 0..40), prop::collection::vec(0..3u64, 500..900)]
    }

    #[test]
    fn small_files_share_a_block_and_full_chunks_have_their_own() {
        let layout = Layout::new([0, 10, CHUNK - 10, 1, CHUNK, 0, 2 * CHUNK + 5, 7]).unwrap();
        let part = |file, chunk, len, at| Part { file, chunk, offset: u64::from(chunk) * CHUNK, len, at };
        let full = CHUNK as u32;
        let expected = vec![
            vec![part(1, 0, 10, 0), part(2, 0, full - 10, 10)],
            vec![part(3, 0, 1, 0)],
            vec![part(4, 0, full, 0)],
            vec![part(6, 0, full, 0)],
            vec![part(6, 1, full, 0)],
            vec![part(6, 2, 5, 0), part(7, 0, 7, 5)],
        ];
        assert_eq!(parts(&layout), expected);
        assert_eq!(layout.blocks_of(6), 3..6);
        assert!(layout.blocks_of(5).is_empty() && layout.blocks_of(8).is_empty());
        assert_eq!((layout.block(6).count(), layout.block_len(5)), (0, 12));
    }

    #[test]
    fn the_largest_share_has_no_more_blocks_than_is_said() {
        assert_eq!(Layout::new([MAX_SHARE_BYTES]).unwrap().blocks(), 4 << 20);
        let worst = (0..190_000).map(|at| if at % 2 == 0 { 1 } else { CHUNK });
        assert!(Layout::new(worst).unwrap().blocks() < MAX_BLOCKS);
        assert_eq!(Layout::new([MAX_SHARE_BYTES, 1]), Err(TooLarge));
        assert_eq!(Layout::new([u64::MAX, 1]), Err(TooLarge));
        assert_eq!(Layout::new(vec![0; MAX_FOLDER_ENTRIES + 1]), Err(TooLarge));
        assert_eq!(Layout::new([]).unwrap().blocks(), 0);
    }

    proptest! {
        #[test]
        fn the_blocks_cover_every_byte_once(sizes in files()) {
            let layout = Layout::new(sizes.iter().copied()).unwrap();
            let mut reached = vec![0; sizes.len()];
            let mut last = 0;
            for (block, parts) in parts(&layout).into_iter().enumerate() {
                let mut filled = 0;
                for part in &parts {
                    prop_assert!(part.file >= last && part.len > 0);
                    last = part.file;
                    prop_assert_eq!((part.at, part.offset), (filled, reached[part.file as usize]));
                    prop_assert_eq!(part.offset, u64::from(part.chunk) * CHUNK);
                    prop_assert!(layout.blocks_of(part.file).contains(&(block as u32)));
                    filled += part.len;
                    reached[part.file as usize] += u64::from(part.len);
                }
                prop_assert!((1..=CHUNK).contains(&u64::from(filled)) && parts.len() <= MAX_BLOCK_PARTS);
                prop_assert_eq!(layout.block_len(block as u32), filled);
            }
            prop_assert_eq!(&reached, &sizes);
            prop_assert_eq!(layout.size(), sizes.iter().sum::<u64>());
        }

        #[test]
        fn a_block_ends_only_where_the_next_chunk_does_not_fit(sizes in files()) {
            let layout = Layout::new(sizes).unwrap();
            for pair in parts(&layout).windows(2) {
                let filled: u32 = pair[0].iter().map(|part| part.len).sum();
                let full = u64::from(filled + pair[1][0].len) > CHUNK || pair[0].len() == MAX_BLOCK_PARTS;
                prop_assert!(full);
            }
        }
    }
}
