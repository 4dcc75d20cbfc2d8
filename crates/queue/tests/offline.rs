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
    assert_eq!(store.purge(filter.clone()).unwrap().deleted, 151);
    assert_eq!(store.purge(filter).unwrap().deleted, 0);
    assert_eq!(exported(&store), [all[151].clone()]);
    drop((store, files));
    let open = home.open();
    assert_eq!(open.status().changes, 1);
    let deleted = open.change("1-0".parse().unwrap()).wait().unwrap();
    assert_eq!(deleted, Some(imtag_queue::ChangeState::Deleted));
}

#[test]
fn where_there_is_none_none_is_made() {
    let home = Home::new();
    let files = KeptFiles::open(home.path(), "daemon").unwrap();
    assert!(matches!(Store::open(&files), Err(OpenError::Missing(_))));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}
