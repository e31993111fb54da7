//! Metainfo written and read back, and metainfo that is refused.

use proptest::prelude::*;

use super::*;
use crate::blob::chunk_count;

const NO_LAYERS: fn(&BlobId) -> Option<Vec<Hash>> = |_| None;

fn name(text: &str) -> FileName {
    text.parse().unwrap()
}

/// A made-up file of so many chunks, and its layer.
fn file(size: u64, executable: bool) -> (FileEntry, Vec<Hash>) {
    let layer: Vec<Hash> = (0..chunk_count(size)).map(|index| [index as u8 + 1; 32]).collect();
    (FileEntry { size, root: root_of(&layer, size).unwrap(), executable }, layer)
}

fn folder(entries: &[(&str, Node)]) -> Tree {
    let entries = entries.iter().map(|(path, node)| Entry { path: path.parse().unwrap(), node: *node });
    Tree::Folder(Manifest::new(entries.collect()).unwrap())
}

fn small(size: u64) -> Node {
    Node::File(file(size, false).0)
}

/// A metainfo with this info dictionary's content.
fn with_info(info: &str) -> Vec<u8> {
    format!("d4:infod{info}ee").into_bytes()
}

/// A metainfo with this file tree.
fn with_tree(tree: &str) -> Vec<u8> {
    with_info(&format!("9:file tree{tree}12:meta versioni2e4:name1:n12:piece lengthi16384e"))
}

#[test]
fn a_file_comes_back_with_its_layer_beside_it() {
    let size = 3 * CHUNK_BYTES as u64 + 1;
    let (entry, layer) = file(size, true);
    let tree = Tree::File(entry);
    let written = write(&name("a.bin"), &tree, |root| (*root == entry.root).then_some(&layer)).unwrap();
    let read = Metainfo::read(&written.bytes).unwrap();
    assert_eq!((&read.tree, read.info_hash), (&tree, written.info_hash));
    assert_eq!(read.content, Content::File { root: entry.root, size });
    let expected = [b"12:piece layersd32:", &entry.root.0[..], b"128:", layer.as_flattened(), b"ee"].concat();
    assert!(written.bytes.ends_with(&expected));
    assert_eq!(write(&name("a.bin"), &tree, NO_LAYERS), Err(MissingLayer(entry.root)));
    assert_eq!(write(&name("a.bin"), &tree, |_| Some(&layer[1..])), Err(MissingLayer(entry.root)));
}

#[test]
fn a_folder_with_empty_directories_says_which_share_it_is() {
    let whole = folder(&[("a", Node::EmptyDirectory), ("b/c", small(5)), ("b/d/e", small(0)), ("b.txt", small(7))]);
    let (Tree::Folder(manifest), content) = (&whole, whole.content()) else { unreachable!("made above") };
    let written = write(&name("n"), &whole, NO_LAYERS).unwrap();
    let read = Metainfo::read(&written.bytes).unwrap();
    assert_eq!((read.content, read.info_hash), (content, written.info_hash));
    assert!(read.agrees_with(manifest));
    let Tree::Folder(other) = folder(&[("b/c", small(5))]) else { unreachable!("made above") };
    assert!(!read.agrees_with(&other));
    let full = folder(&[("b/c", small(5)), ("b/d/e", small(0)), ("b.txt", small(7))]);
    let written = write(&name("n"), &full, NO_LAYERS).unwrap();
    assert!(written.bytes.ends_with(b"12:piece layersdee"));
    assert_eq!(Metainfo::read(&written.bytes).unwrap().content, full.content());
    assert_eq!(written.info_hash, read.info_hash);
}

#[test]
fn a_folder_that_looks_like_a_file_stays_one() {
    let tree = folder(&[("n", small(5))]);
    let read = Metainfo::read(&write(&name("n"), &tree, NO_LAYERS).unwrap().bytes).unwrap();
    assert_eq!((&read.tree, read.content), (&tree, tree.content()));
    let read = Metainfo::read(&write(&name("m"), &tree, NO_LAYERS).unwrap().bytes).unwrap();
    assert_eq!(read.content, tree.content());
}

#[test]
fn the_parts_for_version_1_are_passed_over() {
    let root = "r".repeat(32);
    let tree = format!("d1:ad0:d6:lengthi5e11:pieces root32:{root}eee");
    let hybrid = with_info(&format!(
        "9:file tree{tree}5:filesld6:lengthi5e4:pathl1:aeed4:attr1:p6:lengthi11e4:pathl4:.pad2:11eee\
         12:meta versioni2e4:name1:n12:piece lengthi16384e6:pieces20:{}",
        "p".repeat(20)
    ));
    let read = Metainfo::read(&hybrid).unwrap();
    let Tree::Folder(manifest) = &read.tree else { panic!("{read:?}") };
    let files: Vec<_> = manifest.files().map(|(path, file)| (path.as_str(), file.size)).collect();
    assert_eq!(files, [("a", 5)]);
    let old = with_info(&format!("6:lengthi5e4:name1:n12:piece lengthi16384e6:pieces20:{}", "p".repeat(20)));
    assert_eq!(Metainfo::read(&old), Err(InvalidMetainfo::OnlyVersion1));
}

#[test]
fn what_no_share_has_is_refused_by_name() {
    let file = |name: &str| format!("d{}:{name}d0:d6:lengthi0eeee", name.len());
    assert!(Metainfo::read(&with_tree(&file("a"))).is_ok());
    for bad in ["..", "a/b", "CON", "C:", "a\\b"] {
        let refused = Metainfo::read(&with_tree(&file(bad)));
        assert!(matches!(&refused, Err(InvalidMetainfo::Path(error)) if error.to_string().contains(bad)), "{bad}");
    }
    let link = with_tree("d1:ad0:d4:attr1:l6:lengthi0e12:symlink pathl1:beeee");
    assert_eq!(Metainfo::read(&link), Err(InvalidMetainfo::Symlink("a".into())));
    let colliding = with_tree("d1:Ad0:d6:lengthi0eee1:ad0:d6:lengthi0eeee");
    assert!(matches!(Metainfo::read(&colliding), Err(InvalidMetainfo::Manifest(InvalidManifest::Collision(..)))));
}

#[test]
fn an_impossible_tree_is_refused() {
    let root = "r".repeat(32);
    for tree in [
        "i0e".into(),
        "d0:d6:lengthi0eee".into(),
        "d1:ad0:d6:lengthi5eeee".into(),
        "d1:ad0:d6:lengthi-1eeee".into(),
        format!("d1:ad0:d6:lengthi0e11:pieces root32:{root}eee"),
        format!("d1:ad0:d6:lengthi5e11:pieces root31:{}eee", &root[1..]),
        format!("d1:ad0:d6:lengthi5e11:pieces root32:{root}e1:bd0:d6:lengthi0eeeee"),
        format!("d1:ad0:d6:lengthi{}e11:pieces root32:{root}eee", MAX_SHARE_BYTES + 1),
        "d1:bd0:d6:lengthi0eee1:ad0:d6:lengthi0eeee".into(),
        format!("{}{}", "d1:a".repeat(100), "e".repeat(100)),
    ] {
        assert!(Metainfo::read(&with_tree(&tree)).is_err(), "{tree}");
    }
    for info in
        ["", "9:file treede4:name1:n12:piece lengthi16384e", "12:meta versioni3e4:name1:n12:piece lengthi16384e"]
    {
        assert!(Metainfo::read(&with_info(info)).is_err(), "{info}");
    }
    assert_eq!(Metainfo::read(b"de"), Err(InvalidMetainfo::Key("info")));
}

proptest! {
    #[test]
    fn any_folder_comes_back(
        files in prop::collection::btree_map("[a-c]{1,2}(/[a-c]{1,2}){0,2}", (0..3u64, any::<bool>()), 0..8),
        empty in prop::collection::btree_set("[d-e]{1,2}", 0..2),
    ) {
        let files = files.iter().map(|(path, (size, executable))| (path, Node::File(file(*size, *executable).0)));
        let entries = files.chain(empty.iter().map(|path| (path, Node::EmptyDirectory)));
        let entries = entries.map(|(path, node)| Entry { path: path.parse().unwrap(), node });
        if let Ok(manifest) = Manifest::new(entries.collect()) {
            let tree = Tree::Folder(manifest.clone());
            let written = write(&name("a"), &tree, NO_LAYERS).unwrap();
            let read = Metainfo::read(&written.bytes).unwrap();
            prop_assert_eq!((read.content, read.info_hash), (manifest.content(), written.info_hash));
            prop_assert!(read.agrees_with(&manifest));
        }
    }

    #[test]
    fn no_changed_byte_makes_reading_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let tree = folder(&[("a", Node::EmptyDirectory), ("b/c", small(5))]);
        let mut bytes = write(&name("n"), &tree, NO_LAYERS).unwrap().bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Metainfo::read(&bytes);
        let _ = Metainfo::read(&bytes[..at]);
    }
}
