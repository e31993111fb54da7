//! Shares that the user has.

use std::os::unix::fs::{FileExt, PermissionsExt};

use proto::blob::layer::LayerRange;

use super::*;
use crate::store::{
    Batch, Request, Store,
    tables::{Table, put},
};

#[tokio::test]
async fn what_is_shared_can_be_read_also_after_a_restart_in_place_and_copied() {
    for copied in [false, true] {
        let home = Home::new();
        let file = home.put("file", &bytes(3 * CHUNK_BYTES + 5, 2));
        let folder = home.folder("folder");
        let vault = home.vault();
        for path in [&folder, &file] {
            let held = vault.import(ShareThis { copy: copied, ..this(path) }, progress()).await.unwrap();
            assert_eq!(held.place, *path);
            assert_eq!(held.holding, if copied { Holding::Copied } else { Holding::InPlace });
        }
        let (one, other) = (Source::of(&folder), Source::of(&file));
        let before = vault.list().await.unwrap();
        drop(vault);
        let vault = home.vault();
        assert_eq!(vault.list().await.unwrap(), before);
        assert_eq!(before.iter().map(|held| held.name.as_str()).collect::<Vec<_>>(), ["folder", "file"]);
        for (source, held) in [one, other].iter().zip(&before) {
            source.assert_serves(&vault, &held.servable()).await;
            assert!(held.servable().is_all());
            assert_eq!(vault.outline(source.id()).await.unwrap(), source.outline);
            assert!(matches!(vault.read(source.id(), source.blocks()).await, Err(VaultError::Unknown)));
        }
    }
}

#[tokio::test]
async fn hashes_and_manifest_are_proven_by_the_share_and_ranges_that_there_are_not_are_unknown() {
    let home = Home::new();
    let folder = home.folder("folder");
    let vault = home.vault();
    let held = vault.import(this(&folder), progress()).await.unwrap();
    let source = Source::of(&folder);
    let Content::Folder { manifest, manifest_len, .. } = held.content else { panic!("{held:?}") };
    for vault in [vault, home.vault()] {
        let range = LayerRange::covering(0, manifest_len.into()).unwrap();
        let part = vault.layer(source.id(), Tree::Manifest, range).await.unwrap();
        assert_eq!(part.verify(range, &manifest, manifest_len.into()), Ok(()));
        let bytes = vault.manifest_chunk(source.id(), 0).await.unwrap();
        assert_eq!(bytes, source.outline.manifest().unwrap().encode());
        let large = source.outline.layer(source.file("large")).unwrap();
        let range = LayerRange::covering(3, large.blob_len()).unwrap();
        let part = vault.layer(source.id(), Tree::File(source.file("large")), range).await.unwrap();
        assert_eq!(part.verify(range, &large.root(), large.blob_len()), Ok(()));
        let odd = LayerRange { first: 1, width: 2 };
        assert!(matches!(vault.layer(source.id(), Tree::File(0), odd).await, Err(VaultError::Unknown)));
        assert!(matches!(vault.layer(source.id(), Tree::File(9_999), range).await, Err(VaultError::Unknown)));
        assert!(matches!(vault.manifest_chunk(source.id(), 1).await, Err(VaultError::Unknown)));
    }
}

#[tokio::test]
async fn a_file_that_was_changed_is_never_read_wrong_however_well_that_is_hidden() {
    let home = Home::new();
    let file = home.put("file", &bytes(2 * CHUNK_BYTES, 2));
    let vault = home.vault();
    let id = vault.import(this(&file), progress()).await.unwrap().content.id();
    assert!(vault.read(id, 0).await.is_ok(), "it is open now");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    let handle = fs::File::options().write(true).open(&file).unwrap();
    handle.write_all_at(b"other", 10).unwrap();
    handle.set_modified(modified).unwrap();
    // Within the tick of the clock in which it was hashed its stamp may be as before: then the hashes tell.
    let Err(VaultError::Changed(changed)) = vault.read(id, 0).await else { panic!("read") };
    assert_eq!(changed, file.display().to_string());
    for vault in [vault, home.vault()] {
        let held = only(&vault).await;
        assert_eq!(held.holding, Holding::Changed { file: changed.clone() });
        assert!(held.servable().is_empty());
        assert!(matches!(vault.read(id, 1).await, Err(VaultError::Changed(_))), "nothing of it is served");
        let range = LayerRange { first: 0, width: 1 };
        assert!(matches!(vault.layer(id, Tree::File(0), range).await, Err(VaultError::Changed(_))));
    }
    let vault = home.vault();
    assert!(matches!(vault.verify(id, progress()).await.unwrap().holding, Holding::Changed { .. }));
    fs::write(&file, bytes(2 * CHUNK_BYTES, 2)).unwrap();
    assert_eq!(vault.verify(id, progress()).await.unwrap().holding, Holding::InPlace);
    assert_eq!(home.vault().read(id, 0).await.unwrap(), bytes(CHUNK_BYTES, 2));
}

#[tokio::test]
async fn another_file_in_the_place_of_one_that_is_shared_is_noticed_and_so_is_none() {
    for gone in [false, true] {
        let home = Home::new();
        let folder = home.folder("folder");
        let vault = home.vault();
        let id = vault.import(this(&folder), progress()).await.unwrap().content.id();
        let source = Source::of(&folder);
        let block = source.outline.layout().blocks_of(source.file("many/07")).start;
        // The same bytes, but nobody knows that.
        fs::copy(folder.join("many/07"), folder.join("other")).unwrap();
        if gone {
            fs::remove_file(folder.join("many/07")).unwrap();
        } else {
            fs::rename(folder.join("other"), folder.join("many/07")).unwrap();
        }
        let changed = vault.read(id, block).await;
        assert!(matches!(&changed, Err(VaultError::Changed(file)) if file.ends_with("many/07")), "{changed:?}");
        let verified = vault.verify(id, progress()).await.unwrap().holding;
        assert_eq!(verified == Holding::InPlace, !gone);
    }
}

#[tokio::test]
async fn a_bit_that_flips_on_the_disk_of_a_copy_is_noticed() {
    let home = Home::new();
    let file = home.put("file", &bytes(CHUNK_BYTES, 2));
    let vault = home.vault();
    let id = vault.import(copy(&file), progress()).await.unwrap().content.id();
    fs::remove_file(&file).unwrap();
    assert_eq!(vault.read(id, 0).await.unwrap(), bytes(CHUNK_BYTES, 2), "the user's is not needed");
    let kept = home.shares().join("files").join(id.to_string());
    let mut wrong = fs::read(&kept).unwrap();
    wrong[1000] ^= 1;
    fs::write(&kept, &wrong).unwrap();
    assert!(matches!(vault.read(id, 0).await, Err(VaultError::Changed(_))));
    home.put("file", &bytes(CHUNK_BYTES, 2));
    assert_eq!(vault.import(copy(&file), progress()).await.unwrap().holding, Holding::Copied, "and mended");
    assert_eq!(vault.read(id, 0).await.unwrap(), bytes(CHUNK_BYTES, 2));
}

#[tokio::test]
async fn equal_files_are_kept_once_and_as_long_as_a_share_needs_them() {
    let home = Home::new();
    for path in ["one/a", "one/b", "two/c"] {
        home.put(path, &bytes(1_000, 1));
    }
    home.put("two/d", &bytes(500, 2));
    let vault = home.vault();
    let one = vault.import(copy(&home.place("one")), progress()).await.unwrap().content.id();
    let two = vault.import(copy(&home.place("two")), progress()).await.unwrap().content.id();
    assert_eq!(names(&home.shares().join("files")).len(), 2);
    let usage = vault.usage().await.unwrap();
    assert_eq!((usage.copied_bytes, usage.garbage_bytes, usage.partial_bytes), (1_500, 0, 0));
    assert_eq!(vault.collect_garbage().await.unwrap(), 0);
    vault.forget(two).await.unwrap();
    assert_eq!(vault.usage().await.unwrap().garbage_bytes, 500);
    assert_eq!(home.vault().collect_garbage().await.unwrap(), 500);
    assert_eq!(vault.read(one, 0).await.unwrap().len(), 2_000);
    vault.forget(one).await.unwrap();
    assert_eq!(vault.collect_garbage().await.unwrap(), 1_000);
    assert_eq!(names(&home.shares()), ["files"], "and no outline is left");
}

#[tokio::test]
async fn garbage_is_what_a_killed_run_left_and_nothing_else() {
    let home = Home::new();
    let folder = home.folder("folder");
    let vault = home.vault();
    let id = vault.import(copy(&folder), progress()).await.unwrap().content.id();
    home.put("shares/files/3.new", &bytes(10, 0));
    home.put(&format!("shares/files/{}", BlobId([3; 32])), &bytes(20, 0));
    home.put(&format!("shares/{}/hashes", BlobId([4; 32])), &bytes(40, 0));
    let mine = home.put("shares/mine", b"mine");
    assert_eq!(vault.usage().await.unwrap().garbage_bytes, 70);
    assert_eq!(vault.collect_garbage().await.unwrap(), 70);
    assert_eq!(vault.usage().await.unwrap().garbage_bytes, 0);
    assert!(mine.exists());
    Source::of(&folder).assert_serves(&vault, &vault.verify(id, progress()).await.unwrap().servable()).await;
}

#[tokio::test]
async fn what_is_shared_again_is_held_as_is_said_then_but_a_copy_stays() {
    let home = Home::new();
    let (one, two) = (home.put("one", b"one"), home.put("two", b"two"));
    let vault = home.vault();
    vault.import(this(&one), progress()).await.unwrap();
    vault.import(this(&two), progress()).await.unwrap();
    let other = home.put("elsewhere/one", b"one");
    let named = |path| ShareThis { name: Some("name".parse().unwrap()), now_ms: 99, ..this(path) };
    let held = vault.import(named(&other), progress()).await.unwrap();
    assert_eq!((held.name.as_str(), &held.place, held.added_ms), ("name", &other, 5));
    vault.import(copy(&one), progress()).await.unwrap();
    let held = vault.import(named(&other), progress()).await.unwrap();
    assert_eq!((held.name.as_str(), held.holding), ("name", Holding::Copied));
    let all = home.vault().list().await.unwrap();
    assert_eq!(all.iter().map(|held| held.name.as_str()).collect::<Vec<_>>(), ["name", "two"]);
    assert_eq!((&all[0].holding, &all[1].holding), (&Holding::Copied, &Holding::InPlace));
    assert_eq!(vault.collect_garbage().await.unwrap(), 0);
}

#[tokio::test]
async fn a_forged_outline_is_refused_and_can_be_mended() {
    for file in ["hashes", "manifest"] {
        let home = Home::new();
        let folder = home.folder("folder");
        let id = home.vault().import(this(&folder), progress()).await.unwrap().content.id();
        let place = home.shares().join(id.to_string()).join(file);
        assert_eq!(fs::metadata(place.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let mut forged = fs::read(&place).unwrap();
        *forged.last_mut().unwrap() ^= 1;
        fs::write(&place, &forged).unwrap();
        let vault = home.vault();
        let refused = vault.read(id, 0).await.unwrap_err().to_string();
        assert!(refused.contains(file) && refused.contains("not what was written"), "{refused}");
        assert!(vault.outline(id).await.is_err());
        let held = only(&vault).await;
        assert_eq!(matches!(held.holding, Holding::Changed { .. }), file == "manifest", "{held:?}");
        vault.import(this(&folder), progress()).await.unwrap();
        assert!(vault.read(id, 0).await.is_ok());
    }
}

#[tokio::test]
async fn of_many_shares_some_are_in_memory_at_a_time() {
    let home = Home::new();
    let vault = home.vault();
    let mut ids = Vec::new();
    for number in 0..2 * MAX_OPEN_SHARES {
        let file = home.put(&format!("file{number}"), &bytes(10, number));
        ids.push(vault.import(this(&file), progress()).await.unwrap().content.id());
    }
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(vault.read(id, 0).await.unwrap(), bytes(10, number));
        assert!(vault.open_shares() <= MAX_OPEN_SHARES);
    }
    assert_eq!(vault.open_shares(), MAX_OPEN_SHARES);
}

#[tokio::test]
async fn there_are_no_more_shares_than_there_may_be() {
    let home = Home::new();
    let file = home.put("file", b"file");
    let first = home.vault().import(this(&file), progress()).await.unwrap();
    let entries = (1..MAX_SHARES as u64).map(|number| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let content = Content::File { root: BlobId(id), size: 9 };
        records::put_record(&records::Record {
            content,
            name: first.name.clone(),
            place: file.clone(),
            way: records::Way::Copied,
            changed: None,
            added_ms: 0,
            number,
        })
    });
    let (reply, answer) = tokio::sync::oneshot::channel();
    let batch = Batch { entries: entries.collect(), ..Batch::default() };
    home.store.submit(Request::Commit { batch, reply }).unwrap();
    answer.await.unwrap().unwrap();
    let vault = home.vault();
    assert_eq!(vault.list().await.unwrap().len(), MAX_SHARES);
    let more = home.put("more", b"more");
    assert!(matches!(vault.import(this(&more), progress()).await, Err(VaultError::TooMany(MAX_SHARES))));
    let source = Source::of(&more);
    let begun = vault.begin(source.outline.clone(), to(&home.place("target"))).await;
    assert!(matches!(begun, Err(VaultError::TooMany(MAX_SHARES))));
    assert!(vault.import(this(&file), progress()).await.is_ok(), "one that is held may be shared again");
    vault.forget(first.content.id()).await.unwrap();
    assert!(vault.import(this(&more), progress()).await.is_ok());
}

#[tokio::test]
async fn a_damaged_table_is_told_and_not_taken_for_an_empty_one() {
    let home = Home::new();
    let (reply, answer) = tokio::sync::oneshot::channel();
    let batch = Batch { entries: vec![put(Table::Shares, [1; 32], &7u8)], ..Batch::default() };
    home.store.submit(Request::Commit { batch, reply }).unwrap();
    answer.await.unwrap().unwrap();
    assert!(matches!(home.vault().list().await, Err(VaultError::Store(StoreError::Failed(_)))));
}

#[tokio::test]
async fn what_nobody_waits_for_is_done_all_the_same() {
    let home = Home::new();
    let folder = home.folder("folder");
    let vault = home.vault();
    drop(vault.import(this(&folder), progress()));
    let id = Source::of(&folder).id();
    while vault.read(id, 0).await.is_err() {}
    assert_eq!(only(&home.vault()).await.holding, Holding::InPlace);
}
