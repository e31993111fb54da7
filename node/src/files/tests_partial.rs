//! Shares that are written block by block, in any order.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};

use proto::blob::{CHUNK_BYTES, layout::Layout};
use tempfile::TempDir;

use super::*;

fn bytes(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|at| (at.wrapping_mul(7) + at / 251 + salt) as u8).collect()
}

/// A folder with all kinds of files, and what is imported of it.
fn source() -> (TempDir, Imported) {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("source");
    fs::create_dir_all(folder.join("nothing/here")).unwrap();
    fs::create_dir_all(folder.join("many")).unwrap();
    for number in 0..3 * MAX_OPEN_FILES {
        fs::write(folder.join(format!("many/{number}")), bytes(number * 100, number)).unwrap();
    }
    fs::write(folder.join("large"), bytes(5 * CHUNK_BYTES + 77, 1)).unwrap();
    fs::write(folder.join("tool"), b"#!/bin/sh\n").unwrap();
    fs::set_permissions(folder.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let imported = share(&folder);
    (directory, imported)
}

fn share(path: &Path) -> Imported {
    import(&Import { path, symlinks: Symlinks::Refuse }, &Progress::default()).unwrap()
}

/// The bytes of a block, from where they were imported.
fn block(of: &Imported, layout: &Layout, block: u32) -> Vec<u8> {
    let part = |part: proto::blob::layout::Part| {
        let all = fs::read(&of.files[part.file as usize].0).unwrap();
        all[part.offset as usize..][..part.len as usize].to_vec()
    };
    layout.block(block).flat_map(part).collect()
}

fn begin(of: &Imported, target: &Path, selected: Option<BTreeSet<u32>>) -> Result<Partial, PartialError> {
    Partial::begin(target, of.content.id(), Shape::Folder(of.manifest.as_ref().unwrap()), selected)
}

#[test]
fn a_folder_that_is_written_block_by_block_by_two_processes_is_the_same_and_leaves_nothing_beside_it() {
    let (directory, imported) = source();
    let place = directory.path().join("fetched");
    fs::create_dir(&place).unwrap();
    let target = place.join("copy");
    let first = begin(&imported, &target, None).unwrap();
    let blocks = first.layout().blocks();
    for index in (0..blocks).filter(|index| index % 2 == 1) {
        first.write(index, &block(&imported, &first.layout().clone(), index)).unwrap();
    }
    first.sync().unwrap();
    drop(first);
    assert!(!target.exists());
    let second = begin(&imported, &target, None).unwrap();
    for index in (0..blocks).rev().filter(|index| index % 2 == 0) {
        second.write(index, &block(&imported, &second.layout().clone(), index)).unwrap();
    }
    for index in 0..blocks {
        assert_eq!(second.read(index).unwrap(), block(&imported, second.layout(), index));
    }
    assert_eq!(second.finish().unwrap(), target);
    assert_eq!(share(&target).content, imported.content, "files, directories, what can be run");
    let beside: Vec<_> = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["copy"]);
}

#[test]
fn a_target_that_is_there_is_never_replaced_however_late_it_came() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("file");
    let id = share(&{
        let source = directory.path().join("source");
        fs::write(&source, bytes(1_000, 3)).unwrap();
        source
    })
    .content
    .id();
    let begin = || Partial::begin(&target, id, Shape::File(1_000), None);
    let partial = begin().unwrap();
    assert!(matches!(partial.write(0, &bytes(999, 3)), Err(PartialError::Length)));
    partial.write(0, &bytes(1_000, 3)).unwrap();
    fs::write(&target, b"mine").unwrap();
    assert!(matches!(partial.finish(), Err(PartialError::Exists(_))));
    assert!(matches!(begin(), Err(PartialError::Exists(_))));
    assert_eq!(fs::read(&target).unwrap(), b"mine");
    fs::remove_file(&target).unwrap();
    assert_eq!(begin().unwrap().finish().unwrap(), target);
    assert_eq!(fs::read(&target).unwrap(), bytes(1_000, 3));
}

#[test]
fn only_selected_files_are_made_and_what_is_not_wanted_any_more_is_gone() {
    let (directory, imported) = source();
    let target = directory.path().join("some");
    let files: Vec<&str> = imported.manifest.as_ref().unwrap().files().map(|(path, _)| path.as_str()).collect();
    let large = files.iter().position(|path| *path == "large").unwrap() as u32;
    let partial = begin(&imported, &target, Some(BTreeSet::from([large]))).unwrap();
    for index in partial.layout().blocks_of(large) {
        partial.write(index, &block(&imported, &partial.layout().clone(), index)).unwrap();
    }
    let target = partial.finish().unwrap();
    assert_eq!(fs::read(target.join("large")).unwrap(), bytes(5 * CHUNK_BYTES + 77, 1));
    assert!(!target.join("many").exists() && !target.join("tool").exists());

    let partial = begin(&imported, &directory.path().join("other"), None).unwrap();
    let place = partial.place().to_owned();
    assert!(place.exists());
    partial.discard().unwrap();
    assert!(!place.exists());
}

#[test]
fn what_somebody_else_has_put_in_the_place_of_what_is_not_complete_is_not_written_to() {
    let (directory, imported) = source();
    let target = directory.path().join("fetched");
    let elsewhere = directory.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let part = begin(&imported, &target, None).unwrap().place().to_owned();
    fs::remove_dir_all(&part).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &part).unwrap();
    assert!(matches!(begin(&imported, &target, None), Err(PartialError::Exists(_))));
    fs::remove_file(&part).unwrap();
    fs::create_dir(&part).unwrap();
    fs::set_permissions(&part, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(begin(&imported, &target, None), Err(PartialError::Exists(_))));
    fs::set_permissions(&part, fs::Permissions::from_mode(0o700)).unwrap();
    begin(&imported, &target, None).unwrap();
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}
