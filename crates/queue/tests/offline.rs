//! The queue of a folder without a daemon.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_core::ChangeRequest;
use imtag_local_server::KeptFiles;
use imtag_queue::{ChangeId, Filter, OpenError, Refused, Store};
use support::{Home, add, many, post};

fn exported(store: &Store) -> Vec<(String, ChangeRequest)> {
    let mut all = Vec::new();
    let each = |id: ChangeId, change| {
        all.push((id.to_string(), change));
        Ok::<_, Refused>(())
    };
    store.export(each).unwrap();
    all
}

#[test]
fn what_waits_is_read_and_deleted_without_a_daemon_and_is_gone_for_the_next() {
    let home = Home::new();
    let open = home.open();
    open.post(many(150)).wait().unwrap();
    let tagged = ["vip", "北京"].map(|tag| add("bob", tag));
    open.post(post(tagged.clone())).wait().unwrap();
    assert!(
        KeptFiles::open(home.path(), "daemon").is_err(),
        "a daemon has it"
    );
    drop(open);
    let files = KeptFiles::open(home.path(), "daemon").unwrap();
    let mut store = Store::open(&files).unwrap();
    let all = exported(&store);
    assert_eq!((all.len(), store.status().changes), (152, 152));
    assert_eq!(all[101], ("1-101".to_owned(), add("101", "vip")));
    assert_eq!(all[151], ("2-1".to_owned(), tagged[1].clone()));
    let mut filter = Filter::default();
    filter.tag = Some("vip".to_owned());
    assert_eq!(store.purge(filter.clone(), |_| {}).unwrap().deleted, 151);
    assert_eq!(store.purge(filter, |_| {}).unwrap().deleted, 0);
    assert_eq!(exported(&store), [all[151].clone()]);
    drop((store, files));
    let open = home.open();
    assert_eq!(open.status().changes, 1);
    let deleted = open.change("1-0".parse().unwrap()).wait().unwrap();
    assert_eq!(deleted, Some(imtag_queue::ChangeState::Deleted));
}

#[test]
fn a_purge_says_how_far_it_is_and_gives_the_space_back() {
    let home = Home::new();
    let open = home.open();
    for _ in 0..100 {
        let long = |nth: u32| add(&nth.to_string(), &format!("{nth:050}"));
        open.post(post((0..5_000).map(long))).wait().unwrap();
    }
    drop(open);
    let length = || {
        std::fs::metadata(home.path().join("queue.sqlite"))
            .unwrap()
            .len()
    };
    let before = length();
    let files = KeptFiles::open(home.path(), "daemon").unwrap();
    let mut store = Store::open(&files).unwrap();
    let (mut parts, mut filter) = (Vec::new(), Filter::default());
    filter.older_than = Some(std::time::Duration::ZERO);
    let purged = store.purge(filter, |purged| parts.push(purged)).unwrap();
    assert_eq!((purged.deleted, purged.looked_at), (500_000, 500_000));
    assert_eq!(parts.last(), Some(&purged));
    // 5,000 blocks, and few commits
    assert!(parts.len() <= 20, "{}", parts.len());
    drop(store);
    assert!(
        before > 25 << 20 && length() <= 17 << 20,
        "{before}, {}",
        length()
    );
}

#[test]
fn where_there_is_none_none_is_made() {
    let home = Home::new();
    let files = KeptFiles::open(home.path(), "daemon").unwrap();
    assert!(matches!(Store::open(&files), Err(OpenError::Missing(_))));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
