//! Real files in a directory of their own.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::Path,
};

use proto::blob::{
    CHUNK_BYTES, LEAF_BYTES,
    manifest::{Content, Node},
    merkle::{EMPTY_ROOT, root_of_bytes},
};
use tempfile::TempDir;

use super::*;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(31) + at / 257 + len) as u8).collect()
}

fn put(directory: &TempDir, path: &str, bytes: &[u8]) {
    let place = directory.path().join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

fn share(path: &Path, symlinks: Symlinks) -> Result<Imported, ImportError> {
    import(&Import { path, symlinks }, &Progress::default())
}

#[test]
fn a_file_has_the_root_of_its_bytes_whatever_its_length() {
    let directory = TempDir::new().unwrap();
    let edge = |at: usize| [at - 1, at, at + 1];
    let lengths =
        [0, 1].into_iter().chain(edge(LEAF_BYTES)).chain(edge(CHUNK_BYTES)).chain([40 * CHUNK_BYTES + 12_345]);
    for len in lengths {
        put(&directory, "file", &bytes(len));
        let imported = share(&directory.path().join("file"), Symlinks::Refuse).unwrap();
        let root = root_of_bytes(&bytes(len));
        assert_eq!(imported.content, Content::File { root, size: len as u64 });
        assert_eq!((imported.name.as_str(), imported.manifest, imported.files.len()), ("file", None, 1));
        assert_eq!(imported.files[0].2.hashes().len(), len.div_ceil(CHUNK_BYTES));
    }
}

#[test]
fn the_keys_of_a_node_are_not_shared_whichever_way_they_are_asked_for() {
    let directory = TempDir::new().unwrap();
    put(&directory, "home/.local/node/identity.key", b"secret");
    put(&directory, "home/.local/node/log/1", b"mine");
    put(&directory, "home/film", b"film");
    for path in ["home", "home/.local/node", "home/.local/node/identity.key", "home/.local/node/log"] {
        let error = share(&directory.path().join(path), Symlinks::Refuse).unwrap_err();
        assert!(matches!(error, ImportError::Scan(ScanError::Secrets(_))), "{path}: {error}");
    }
    assert!(share(&directory.path().join("home/film"), Symlinks::Refuse).is_ok());
}

#[test]
fn a_folder_is_all_that_is_in_it_in_the_order_of_its_paths() {
    let directory = TempDir::new().unwrap();
    for number in 0..500 {
        put(&directory, &format!("many/{number:03}"), &bytes(number * 7));
    }
    put(&directory, "grüße/🦊.txt", b"hello");
    put(&directory, "tool", b"#!/bin/sh\n");
    fs::set_permissions(directory.path().join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(directory.path().join("nothing/here")).unwrap();
    let imported = share(directory.path(), Symlinks::Refuse).unwrap();
    let manifest = imported.manifest.unwrap();
    let paths: Vec<&str> = manifest.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((paths.len(), paths[0], paths[501], paths[502]), (503, "grüße/🦊.txt", "nothing/here", "tool"));
    for ((path, file), (place, stamp, layer)) in manifest.files().zip(&imported.files) {
        assert!(place.ends_with(path.as_str()));
        let content = fs::read(place).unwrap();
        assert_eq!((file.root, file.size, stamp.size), (root_of_bytes(&content), content.len() as u64, file.size));
        assert_eq!((layer.root(), file.executable), (file.root, path.as_str() == "tool"));
    }
    let empty = manifest.entries().iter().find(|entry| entry.path.as_str() == "many/000").unwrap();
    assert!(matches!(empty.node, Node::File(file) if file.root == EMPTY_ROOT));
    assert_eq!(share(directory.path(), Symlinks::Refuse).unwrap().content, imported.content, "the same once more");
}

#[test]
fn symbolic_links_are_refused_by_name_or_followed_and_never_in_a_circle() {
    let (directory, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    put(&elsewhere, "secret", b"far away");
    put(&directory, "here", b"near");
    symlink(elsewhere.path(), directory.path().join("door")).unwrap();
    let refused = share(directory.path(), Symlinks::Refuse).unwrap_err().to_string();
    assert!(refused.contains("door' is a symbolic link") && refused.contains("--follow-symlinks"), "{refused}");
    let followed = share(directory.path(), Symlinks::Follow).unwrap().manifest.unwrap();
    let paths: Vec<&str> = followed.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["door/secret", "here"]);
    symlink(directory.path(), elsewhere.path().join("back")).unwrap();
    let circle = share(directory.path(), Symlinks::Follow).unwrap_err().to_string();
    assert!(circle.contains("door/back' leads back"), "{circle}");
    symlink("/nowhere/at/all", directory.path().join("dangling")).unwrap();
    assert!(matches!(share(directory.path(), Symlinks::Follow), Err(ImportError::Scan(_))));
    // What the user names is what the user means.
    symlink(directory.path().join("here"), directory.path().join("named")).unwrap();
    assert_eq!(share(&directory.path().join("named"), Symlinks::Refuse).unwrap().name.as_str(), "here");
}

#[test]
fn what_cannot_be_shared_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let refused = |path: &Path| share(path, Symlinks::Refuse).unwrap_err().to_string();
    let missing = refused(&directory.path().join("missing"));
    assert!(missing.contains("missing") && missing.contains("cannot read"), "{missing}");
    assert!(refused(Path::new("/")).contains("no name of its own"));
    for name in ["CON", "trailing.", "a\\b"] {
        put(&directory, "file", b"x");
        fs::write(directory.path().join(name), b"x").unwrap();
        assert!(refused(directory.path()).contains(name), "{name}");
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    let not_text = directory.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::write(&not_text, b"x").unwrap();
    assert!(refused(directory.path()).contains("not UTF-8"));
    fs::remove_file(not_text).unwrap();
    put(&directory, "Case", b"x");
    put(&directory, "case", b"x");
    let collision = refused(directory.path());
    assert!(collision.contains("'Case' and 'case'"), "{collision}");
    fs::remove_file(directory.path().join("Case")).unwrap();
    let _socket = UnixListener::bind(directory.path().join("socket")).unwrap();
    assert!(refused(directory.path()).contains("socket' is neither a file nor a directory"));
}

#[test]
fn a_file_that_changes_has_another_stamp_also_when_its_length_and_its_time_are_as_before() {
    let directory = TempDir::new().unwrap();
    put(&directory, "file", b"before");
    let place = directory.path().join("file");
    let before = fs::metadata(&place).unwrap();
    let stamp = Stamp::from(&before);
    // File systems' clocks tick every few milliseconds.
    while Stamp::from(&fs::metadata(directory.path()).unwrap()).changed_ns <= stamp.changed_ns {
        put(&directory, "tick", b"");
        fs::remove_file(directory.path().join("tick")).unwrap();
    }
    let file = fs::File::options().write(true).open(&place).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"change", 0).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let after = Stamp::of(&file).unwrap();
    assert_eq!((after.size, after.modified_ns), (stamp.size, stamp.modified_ns));
    assert_ne!(after, stamp);
}

#[test]
fn hashing_that_nobody_wants_any_more_ends() {
    let directory = TempDir::new().unwrap();
    put(&directory, "file", &bytes(3 * CHUNK_BYTES));
    let progress = Progress::default();
    progress.cancel();
    let cancelled = import(&Import { path: directory.path(), symlinks: Symlinks::Refuse }, &progress);
    assert!(matches!(cancelled, Err(ImportError::Hash(HashError::Cancelled))));
    assert_eq!(progress.bytes().0, 0);
}
