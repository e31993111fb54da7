//! Shares that are fetched.

use super::*;

fn parts(held: &Held) -> (&Blocks, &Blocks, &Blocks) {
    let Holding::Parts { have, wanted, cut, .. } = &held.holding else { panic!("{held:?}") };
    (have, wanted, cut)
}

#[tokio::test]
async fn a_folder_is_fetched_by_vaults_that_are_killed_and_is_then_in_place() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let target = home.place("there/folder");
    let vault = home.vault();
    let held = vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    assert_eq!((held.place.as_path(), held.name.as_str(), held.added_ms), (target.as_path(), "fetched", 7));
    assert!(parts(&held).0.is_empty() && parts(&held).1.is_all() && parts(&held).2.is_empty());
    let odd: Vec<u32> = (0..source.blocks()).filter(|block| block % 2 == 1).collect();
    source.fetch(&vault, odd.clone()).await;
    source.write(&vault, [0]).await;
    assert_eq!(vault.read(source.id(), 0).await.unwrap(), source.block(0), "before it is durable");
    drop(vault);
    let vault = home.vault();
    let held = only(&vault).await;
    assert_eq!(*parts(&held).0, Blocks::of(source.blocks(), odd), "what was not synced is not there");
    source.assert_serves(&vault, &held.servable()).await;
    assert!(matches!(vault.finish(source.id()).await, Err(VaultError::Unknown)));
    assert!(vault.usage().await.unwrap().partial_bytes > 2 * CHUNK_BYTES as u64);
    source.fetch(&vault, (0..source.blocks()).filter(|block| block % 2 == 0)).await;
    let done = vault.finish(source.id()).await.unwrap();
    assert_eq!(done.holding, Holding::InPlace);
    assert_eq!(names(target.parent().unwrap()), ["folder"]);
    assert_eq!(Source::of(&target).id(), source.id(), "files, directories, what can be run");
    for vault in [vault, home.vault()] {
        assert_eq!(only(&vault).await.holding, Holding::InPlace);
        source.assert_serves(&vault, &Blocks::all(source.blocks())).await;
        assert!(matches!(vault.write(source.id(), 0, source.block(0)).await, Err(VaultError::Unknown)));
    }
}

#[tokio::test]
async fn files_of_all_lengths_are_fetched() {
    for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 9 * CHUNK_BYTES + 3] {
        let home = Home::new();
        let source = Source::of(&home.put("source", &bytes(len, 3)));
        let (vault, target) = (home.vault(), home.place("target"));
        vault.begin(source.outline.clone(), to(&target)).await.unwrap();
        source.fetch(&vault, 0..source.blocks()).await;
        assert_eq!(vault.finish(source.id()).await.unwrap().holding, Holding::InPlace);
        assert_eq!(fs::read(&target).unwrap(), bytes(len, 3));
        source.assert_serves(&home.vault(), &Blocks::all(source.blocks())).await;
    }
}

#[tokio::test]
async fn wrong_bytes_and_blocks_that_were_not_written_are_refused() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let vault = home.vault();
    let id = source.id();
    assert!(matches!(vault.write(id, 0, source.block(0)).await, Err(VaultError::Unknown)));
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    let mut wrong = source.block(0);
    wrong[7] ^= 1;
    assert!(matches!(vault.write(id, 0, wrong).await, Err(VaultError::Wrong)));
    assert!(matches!(vault.write(id, 0, source.block(1)).await, Err(VaultError::Wrong)));
    assert!(matches!(vault.write(id, source.blocks(), Vec::new()).await, Err(VaultError::Unknown)));
    source.write(&vault, [1]).await;
    assert!(matches!(vault.sync(id, vec![1, 0]).await, Err(VaultError::Unknown)));
    assert!(parts(&only(&vault).await).0.is_empty());
    vault.sync(id, vec![1]).await.unwrap();
    vault.sync(id, vec![1, 1]).await.unwrap();
    assert_eq!(*parts(&only(&vault).await).0, Blocks::of(source.blocks(), [1]));
}

#[tokio::test]
async fn what_is_begun_again_goes_on_and_elsewhere_it_is_here_already() {
    let home = Home::new();
    let folder = home.folder("source");
    let source = Source::of(&folder);
    let target = home.place("target");
    let vault = home.vault();
    vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    source.fetch(&vault, [0]).await;
    source.write(&vault, [1]).await;
    vault.pause(source.id(), true).await.unwrap();
    assert!(matches!(only(&home.vault()).await.holding, Holding::Parts { paused: true, .. }));
    let again = FetchThis { addresses: vec!["new".into()], now_ms: 99, ..to(&target) };
    let held = vault.begin(source.outline.clone(), again).await.unwrap();
    let Holding::Parts { have, paused: false, addresses, .. } = &held.holding else { panic!("{held:?}") };
    assert_eq!((have, held.added_ms), (&Blocks::of(source.blocks(), [0]), 7));
    assert_eq!(addresses, &["new", "/ip4/1.2.3.4"]);
    vault.sync(source.id(), vec![1]).await.unwrap();
    let elsewhere = vault.begin(source.outline.clone(), to(&home.place("elsewhere"))).await;
    assert!(matches!(elsewhere, Err(VaultError::Here(place)) if place == target.display().to_string()));
    assert!(matches!(vault.import(this(&folder), progress()).await, Err(VaultError::Here(_))));
    fs::write(&target, b"mine").unwrap();
    let exists = vault.begin(source.outline.clone(), to(&target)).await;
    assert!(matches!(exists, Err(VaultError::Partial(PartialError::Exists(_)))));
    vault.forget(source.id()).await.unwrap();
    assert!(matches!(vault.list().await.as_deref(), Ok([])));
    assert_eq!(names(home.directory.path()), ["shares", "source", "target"]);
    assert_eq!(names(&home.shares()), ["files"]);
    let exists = vault.begin(source.outline.clone(), to(&target)).await;
    assert!(matches!(exists, Err(VaultError::Partial(PartialError::Exists(_)))));
    vault.import(this(&folder), progress()).await.unwrap();
    let whole = vault.begin(source.outline.clone(), to(&home.place("elsewhere"))).await;
    assert!(matches!(whole, Err(VaultError::Here(place)) if place == folder.display().to_string()));
}

#[tokio::test]
async fn who_may_not_write_in_a_place_is_told_at_once_and_nothing_is_held() {
    let home = Home::new();
    let vault = home.vault();
    let file = home.put("in/the/way", b"a file");
    for source in [Source::of(&home.put("source", &bytes(9, 1))), Source::of(&home.folder("folder"))] {
        let refused = vault.begin(source.outline.clone(), to(&file.join("below"))).await;
        assert!(matches!(refused, Err(VaultError::Partial(PartialError::Place { .. }))), "{refused:?}");
        assert!(vault.list().await.unwrap().is_empty());
        assert_eq!(names(&home.place("in/the")), ["way"]);
        vault.begin(source.outline.clone(), to(&home.place("elsewhere"))).await.unwrap();
        vault.forget(source.id()).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_as_long_as_may_be_is_fetched_and_new_directories_above_are_the_users() {
    let home = Home::new();
    let (vault, name) = (home.vault(), "ü".repeat(127));
    let source = Source::of(&home.put("source", &bytes(9, 1)));
    let target = home.place("new").join(&name);
    vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    source.fetch(&vault, vec![0]).await;
    vault.finish(source.id()).await.unwrap();
    assert_eq!(fs::read(&target).unwrap(), bytes(9, 1));
    assert_eq!(names(&home.place("new")), [name]);
}

#[tokio::test]
async fn what_is_forgotten_is_forgotten_though_its_outline_cannot_be_removed() {
    let home = Home::new();
    let source = Source::of(&home.put("source", &bytes(CHUNK_BYTES, 3)));
    let vault = home.vault();
    let held = vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    assert_eq!(vault.held(source.id()).await.unwrap(), held);
    let outline = home.shares().join(source.id().to_string());
    fs::remove_dir_all(&outline).unwrap();
    fs::write(&outline, "in its place").unwrap();
    vault.forget(source.id()).await.unwrap();
    assert!(matches!(vault.held(source.id()).await, Err(VaultError::Unknown)));
    for vault in [vault, home.vault()] {
        assert!(vault.list().await.unwrap().is_empty());
        assert!(vault.usage().await.unwrap().garbage_bytes > 0 || !outline.exists());
        vault.collect_garbage().await.unwrap();
        assert!(!outline.exists());
    }
}

#[tokio::test]
async fn of_a_block_with_files_that_are_not_wanted_nothing_is_served() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let target = home.place("target");
    let vault = home.vault();
    let (large, small) = (source.file("large"), source.file("many/40"));
    let nothing = vault.begin(source.outline.clone(), some(&target, &["large/*"])).await;
    assert!(matches!(nothing, Err(VaultError::NothingSelected(_))));
    let held = vault.begin(source.outline.clone(), some(&target, &["large", "*/40"])).await.unwrap();
    let (_, wanted, cut) = parts(&held);
    let layout = source.outline.layout();
    let of = |file: u32| layout.blocks_of(file);
    assert_eq!(*wanted, Blocks::of(source.blocks(), of(large).chain(of(small))));
    assert!(cut.contains(of(small).start) && !cut.contains(of(large).start));
    let unwanted = (0..source.blocks()).find(|block| !wanted.contains(*block)).unwrap();
    let refused = vault.write(source.id(), unwanted, source.block(unwanted)).await;
    assert!(matches!(refused, Err(VaultError::Unknown)));
    let wanted: Vec<u32> = wanted.iter().collect();
    source.fetch(&vault, wanted.clone()).await;
    let held = only(&home.vault()).await;
    assert!(parts(&held).0.len() > held.servable().len());
    source.assert_serves(&vault, &held.servable()).await;
    assert_eq!(vault.verify(source.id(), progress()).await.unwrap(), held, "also what is cut is right");
    let done = vault.finish(source.id()).await.unwrap();
    assert!(matches!(&done.holding, Holding::Some { have, cut } if have.without(cut) == held.servable()));
    assert_eq!(fs::read(target.join("many/40")).unwrap(), bytes(40 * 400, 40));
    assert_eq!(names(&target.join("many")), ["40"]);
    for vault in [vault, home.vault()] {
        assert_eq!(only(&vault).await, done);
        source.assert_serves(&vault, &done.servable()).await;
        assert_eq!(vault.verify(source.id(), progress()).await.unwrap(), done);
    }
}

#[tokio::test]
async fn files_that_are_wanted_later_are_fetched_though_their_block_was_had() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let target = home.place("target");
    let vault = home.vault();
    let select = |number: u8| some(&target, &[&format!("many/{number}")]);
    let (one, other) = (source.file("many/40"), source.file("many/41"));
    let block = source.outline.layout().blocks_of(one).start;
    assert_eq!(block, source.outline.layout().blocks_of(other).start);
    vault.begin(source.outline.clone(), select(40)).await.unwrap();
    source.fetch(&vault, [block]).await;
    let held = vault.begin(source.outline.clone(), select(40)).await.unwrap();
    assert_eq!(parts(&held).0.len(), 1);
    // Left of another time, and as long as it should be.
    let part = home.place(&format!("target.{}.part", &source.id().to_string()[..16]));
    fs::write(part.join("many/41"), bytes(41 * 400, 0)).unwrap();
    let held = vault.begin(source.outline.clone(), select(41)).await.unwrap();
    assert_eq!((parts(&held).0.len(), parts(&held).1.len()), (0, 1));
    assert_eq!(only(&home.vault()).await, held);
    source.fetch(&vault, [block]).await;
    vault.finish(source.id()).await.unwrap();
    assert_eq!(names(&target.join("many")), ["40", "41"]);
    assert_eq!(fs::read(target.join("many/41")).unwrap(), bytes(41 * 400, 41));
}

#[tokio::test]
async fn blocks_whose_files_the_user_removed_are_fetched_again() {
    for restart in [false, true] {
        let home = Home::new();
        let source = Source::of(&home.folder("source"));
        let target = home.place("target");
        let mut vault = home.vault();
        vault.begin(source.outline.clone(), to(&target)).await.unwrap();
        source.fetch(&vault, 0..source.blocks()).await;
        let part = home.place(&format!("target.{}.part", &source.id().to_string()[..16]));
        fs::remove_file(part.join("many/41")).unwrap();
        fs::File::options().write(true).open(part.join("large")).unwrap().set_len(7).unwrap();
        let layout = source.outline.layout();
        let lost = ["many/41", "large"].map(|path| layout.blocks_of(source.file(path)));
        let lost = Blocks::of(source.blocks(), lost.into_iter().flatten());
        if restart {
            vault = home.vault();
        } else {
            assert!(vault.finish(source.id()).await.is_err());
        }
        assert_eq!(*parts(&only(&vault).await).0, Blocks::all(source.blocks()).without(&lost));
        let held = vault.begin(source.outline.clone(), to(&target)).await.unwrap();
        assert_eq!(*parts(&held).0, Blocks::all(source.blocks()).without(&lost));
        source.fetch(&vault, lost.iter().collect::<Vec<_>>()).await;
        vault.finish(source.id()).await.unwrap();
        assert_eq!(Source::of(&target).id(), source.id());
    }
}

#[tokio::test]
async fn a_bit_that_flips_in_what_is_fetched_costs_one_block() {
    let home = Home::new();
    let source = Source::of(&home.put("source", &bytes(4 * CHUNK_BYTES, 3)));
    let vault = home.vault();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    source.fetch(&vault, 0..4).await;
    let part = home.place(&format!("target.{}.part", &source.id().to_string()[..16]));
    let mut wrong = fs::read(&part).unwrap();
    wrong[2 * CHUNK_BYTES + 5] ^= 1;
    wrong[3 * CHUNK_BYTES + 5] ^= 1;
    fs::write(&part, wrong).unwrap();
    assert!(matches!(vault.read(source.id(), 2).await, Err(VaultError::Lost(_))));
    assert_eq!(*parts(&only(&home.vault()).await).0, Blocks::of(4, [0, 1, 3]));
    let progress = progress();
    let held = vault.verify(source.id(), progress.clone()).await.unwrap();
    assert_eq!(*parts(&held).0, Blocks::of(4, [0, 1]));
    assert_eq!(progress.bytes(), (3 * CHUNK_BYTES as u64, 3 * CHUNK_BYTES as u64));
    source.fetch(&vault, 2..4).await;
    vault.finish(source.id()).await.unwrap();
}

#[tokio::test]
async fn an_outline_that_was_damaged_while_a_share_is_fetched_is_mended_by_beginning_again() {
    let home = Home::new();
    let source = Source::of(&home.folder("source"));
    let target = home.place("target");
    let vault = home.vault();
    vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    source.fetch(&vault, [0, 2]).await;
    fs::write(home.shares().join(source.id().to_string()).join("manifest"), b"forged").unwrap();
    let vault = home.vault();
    assert!(matches!(only(&vault).await.holding, Holding::Changed { .. }));
    assert!(vault.write(source.id(), 1, source.block(1)).await.is_err());
    let held = vault.begin(source.outline.clone(), to(&target)).await.unwrap();
    assert_eq!(*parts(&held).0, Blocks::of(source.blocks(), [0, 2]));
    source.fetch(&vault, 0..source.blocks()).await;
    vault.finish(source.id()).await.unwrap();
}

#[tokio::test]
async fn blocks_are_written_read_and_synced_by_many_at_once() {
    let home = Home::new();
    let source = Arc::new(Source::of(&home.folder("source")));
    let vault = home.vault();
    vault.begin(source.outline.clone(), to(&home.place("target"))).await.unwrap();
    let tasks = (0..source.blocks()).map(|block| {
        let (vault, source) = (vault.clone(), source.clone());
        tokio::spawn(async move {
            source.fetch(&vault, [block]).await;
            assert_eq!(vault.read(source.id(), block).await.unwrap(), source.block(block));
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(parts(&only(&home.vault()).await).0.is_all());
    vault.finish(source.id()).await.unwrap();
}
