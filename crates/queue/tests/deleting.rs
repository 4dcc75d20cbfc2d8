//! Changes and failures are deleted, however many there are, and nothing else waits for that.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::Duration;

use imtag_queue::{ChangeState, Failures, Filter, Refused};
use support::{Home, Open, add, client, many, post, service, until};

/// More than a purge looks at in one go.
const MANY: u32 = 200_000;

fn filled(home: &Home, changes: u32) -> Open {
    let open = home.open();
    open.post(post([add("solo", "gone")])).wait().unwrap();
    for _ in 0..changes / 10_000 {
        open.post(many(10_000)).wait().unwrap();
    }
    open
}

fn of_tag(tag: &str) -> Filter {
    let mut filter = Filter::default();
    filter.tag = Some(tag.to_owned());
    filter
}

#[test]
fn a_purge_writes_only_what_it_deletes() {
    let home = Home::new();
    let open = filled(&home, MANY);
    let commits = || open.status().counters.commits;
    let before = commits();
    let none = open.purge(of_tag("none")).wait().unwrap();
    assert_eq!((none.deleted, none.looked_at), (0, u64::from(MANY) + 1));
    assert_eq!(commits(), before, "nothing was meant");
    assert_eq!(open.purge(of_tag("gone")).wait().unwrap().deleted, 1);
    assert_eq!(commits(), before + 1);
    assert_eq!(
        open.purge(of_tag("vip")).wait().unwrap().deleted,
        u64::from(MANY)
    );
    // 2,000 blocks; a slow machine looks at fewer of them in its time
    assert!(commits() <= before + 50, "{}", commits() - before);
    assert_eq!(open.status().changes, 0);
}

#[test]
fn while_a_purge_is_at_work_posts_are_taken_and_another_purge_is_refused() {
    let home = Home::new();
    let open = filled(&home, 5 * MANY);
    let purge = open.purge(of_tag("vip"));
    let second = open.purge(of_tag("vip"));
    let accepted = open.post(many(1));
    assert_eq!(second.wait(), Err(Refused::Purging));
    let later = accepted.wait().unwrap().post;
    assert!(open.status().purging.is_some(), "posts come first");
    assert!(purge.wait_for(Duration::ZERO).is_none());
    assert_eq!(purge.wait().unwrap().deleted, u64::from(5 * MANY));
    // it came later
    let state = open.change(later.change(0)).wait().unwrap();
    assert_eq!(state, Some(ChangeState::Queued));
    assert_eq!(open.status().purging, None);
    assert_eq!(open.purge(of_tag("vip")).wait().unwrap().deleted, 1);
}

#[test]
fn who_waits_for_a_post_hears_that_its_changes_were_deleted() {
    let home = Home::new();
    let open = home.open();
    let accepted = open.accept([add("bob", "gone"), add("eve", "gone")]);
    let settled = open.settled(accepted);
    open.purge(of_tag("gone")).wait().unwrap();
    let deleted = Some(vec![ChangeState::Deleted; 2]);
    assert_eq!(settled.wait(), Ok(deleted.clone()));
    assert_eq!(open.settled(accepted).wait(), Ok(deleted));
}

#[test]
fn the_failures_up_to_a_change_are_deleted_with_few_commits_and_later_ones_stay() {
    const FAILS: u32 = 12_000;
    let home = Home::new();
    let emulator = service().unknown_accounts(["eve"]).start().unwrap();
    let open = home.open();
    open.send_by(client(&emulator));
    let first = open.accept([add("eve", "0")]);
    open.settled(first).wait().unwrap();
    // known by now, and so not sent
    for _ in 0..FAILS / 6_000 {
        open.accept((0..6_000).map(|nth| add("eve", &format!("t{nth}"))));
    }
    until("all have failed", || {
        open.status().failures == u64::from(FAILS) + 1
    });
    let failures = open.failures(None, usize::MAX).wait().unwrap();
    let last = failures[FAILS as usize - 1].id;
    let before = open.status().counters.commits;
    let deletion = open.delete_failures(Failures::Through(last));
    let second = open.delete_failures(Failures::Through(last));
    assert_eq!(second.wait(), Err(Refused::Deleting));
    assert_eq!(deletion.wait(), Ok(u64::from(FAILS)));
    let commits = open.status().counters.commits - before;
    assert!(commits <= 3, "{commits}");
    assert_eq!(open.status().failures, 1);
}
