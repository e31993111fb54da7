//! Files that are not what was written.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use proto::event::SignedEvent;

use super::{copy_tree, damaged_names, options, sample};
use crate::store::{
    Request,
    contract::{END, Pen, ROOM, ask, commit, events},
    sled::{Opened, SledStore},
};

/// Opens a store that something happened to; it must be whole, or set aside, or say so when read and be set aside then.
fn check_after_damage(directory: &Path, whole: &[SignedEvent], what: &str) {
    let read = |opened: &Opened| {
        ask(&opened.store, |reply| Request::History { channels: vec![ROOM], before: END, limit: usize::MAX, reply })
    };
    let mut opened = SledStore::open(directory, options()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut result = read(&opened);
    if result.is_err() {
        drop(opened);
        opened = SledStore::open(directory, options()).unwrap_or_else(|error| panic!("{what}, again: {error}"));
        assert!(opened.set_aside.is_some(), "{what}: failed, and was not set aside: {result:?}");
        result = read(&opened);
    }
    let found = result.unwrap().unwrap();
    match opened.set_aside {
        None => assert!(found == whole, "{what}: {} of {} events, and not set aside", found.len(), whole.len()),
        Some(aside) => {
            assert_eq!(damaged_names(directory), std::slice::from_ref(&aside), "{what}");
            assert!(aside.join("sled").join("conf").exists(), "{what}");
            assert!(found.is_empty() && opened.snapshot.log.is_some(), "{what}");
            commit(&opened.store, events(vec![Pen::new(ROOM, 1).write(1, 10, true)])).unwrap();
        }
    }
}

fn files_of(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("sled")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn a_settled_store_damaged_anywhere_is_whole_or_set_aside_and_never_silently_short() {
    damage_everywhere(true);
}

#[test]
fn an_unsettled_store_damaged_anywhere_is_whole_or_set_aside_and_never_silently_short() {
    damage_everywhere(false);
}

fn damage_everywhere(is_settled: bool) {
    let root = tempfile::tempdir().unwrap();
    let original = root.path().join("original");
    let whole = sample(&original, is_settled);
    let names: Vec<_> = files_of(&original).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names.len(), if is_settled { 3 } else { 2 }, "conf, db and a snapshot: {names:?}");
    for name in names {
        let len = fs::metadata(original.join("sled").join(&name)).unwrap().len();
        let steps = if len > 10_000 { 40 } else { 8 };
        for step in 0..steps {
            // An odd stride, so that headers and contents are met alike.
            let at = (len * step / steps + step * 37).min(len - 1);
            for truncates in [false, true] {
                let work = root.path().join("work");
                let directory = work.join("store");
                copy_tree(&original, &directory).unwrap();
                let path = directory.join("sled").join(&name);
                let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
                if truncates {
                    file.set_len(at).unwrap();
                } else {
                    let mut byte = [0];
                    file.seek(SeekFrom::Start(at)).unwrap();
                    file.read_exact(&mut byte).unwrap();
                    file.seek(SeekFrom::Start(at)).unwrap();
                    file.write_all(&[byte[0] ^ 0x41]).unwrap();
                }
                drop(file);
                let what = format!("{name:?} {} at {at} of {len}", if truncates { "cut" } else { "flipped" });
                check_after_damage(&directory, &whole, &what);
                fs::remove_dir_all(&work).unwrap();
            }
        }
    }
}

#[test]
fn a_database_whose_file_is_gone_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("store");
    let whole = sample(&directory, true);
    for file in files_of(&directory).into_iter().filter(|file| !file.ends_with("conf")) {
        fs::remove_file(file).unwrap();
    }
    check_after_damage(&directory, &whole, "gone");
}
