//! Changes and failures are deleted, however many there are, and nothing else waits for that.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::time::{Duration, Instant};

use imtag_queue::{ChangeId, ChangeState, Failure, Filter, Refused};
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
fn a_purge_whose_caller_has_gone_before_it_began_is_not_made() {
    let home = Home::new();
    let open = filled(&home, 10_000);
    let hangs = open.hang();
    let purge = open.purge(of_tag("gone"));
    assert!(!purge.has_begun());
    drop(purge);
    hangs.end();
    let purge = open.purge(of_tag("none"));
    assert_eq!(purge.wait().unwrap().looked_at, open.status().changes);
    assert_eq!(open.status().counters.deleted, 0);
}

#[test]
fn a_purge_that_an_end_cuts_says_that_a_part_may_be_done() {
    let home = Home::new();
    let open = filled(&home, 2 * MANY);
    let purge = open.purge(of_tag("vip"));
    until("a part is done", || open.status().counters.deleted > 0);
    assert!(purge.has_begun());
    open.drain(Instant::now());
    assert_eq!(purge.wait(), Err(Refused::Stopped));
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
fn many_failures_are_deleted_in_parts_that_several_callers_share() {
    const FAILS: usize = 12_000;
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
        open.status().failures == FAILS as u64 + 1
    });
    let mut failures: Vec<Failure> = Vec::new();
    loop {
        let after = failures.last().map(|it| it.id);
        let page = open.failures(after, usize::MAX).wait().unwrap();
        // of some 200 bytes each
        assert!(page.len() < 5_000, "{}", page.len());
        if page.is_empty() {
            break;
        }
        failures.extend(page);
    }
    assert_eq!(failures.len(), FAILS + 1);
    let ids: Vec<ChangeId> = failures[1..].iter().map(|it| it.id).collect();
    let hangs = open.hang();
    let before = open.status().counters.commits;
    let callers: Vec<_> = ids
        .chunks(100)
        .map(|some| open.delete_failures(some.to_vec()))
        .collect();
    let all = open.delete_failures(ids.clone());
    hangs.end();
    for caller in callers {
        assert_eq!(caller.wait(), Ok(100));
    }
    assert_eq!(all.wait(), Ok(0));
    // one is the post that held it up
    let commits = open.status().counters.commits - before;
    assert!((5..=7).contains(&commits), "{commits}");
    assert_eq!(open.status().failures, 1);
    assert_eq!(open.delete_failures(Vec::new()).wait(), Ok(0));
}

#[test]
fn while_the_disk_hangs_deletions_and_reads_wait_up_to_a_limit_and_end_with_their_callers() {
    let home = Home::new();
    let emulator = service().unknown_accounts(["eve"]).start().unwrap();
    let open = home.open();
    open.send_by(client(&emulator));
    let fails = open.accept([add("eve", "vip")]);
    open.settled(fails).wait().unwrap();
    let hangs = open.hang();
    let ids = vec![fails.change(0); 10_000];
    let behind = Err(Refused::Behind { mebibytes: 64 });
    let mut answers = Vec::new();
    let refused = loop {
        let answer = open.delete_failures(ids.clone());
        match answer.wait_for(Duration::ZERO) {
            None => answers.push(answer),
            Some(answer) => break answer,
        }
    };
    assert_eq!(refused, behind);
    let bytes = answers.len() * size_of_val(ids.as_slice());
    assert!(((60 << 20)..=(64 << 20)).contains(&bytes), "{bytes}");
    let reads = (0..1_000_000).find(|_| {
        let read = open.change(fails.change(0));
        read.wait_for(Duration::ZERO).is_some()
    });
    assert!(reads.is_some(), "reads have no limit");
    drop(answers);
    let again = open.delete_failures(ids.clone());
    assert_eq!(again.wait_for(Duration::ZERO), Some(behind));
    hangs.end();
    until("there is room", || open.post(many(1)).wait().is_ok());
    assert_eq!(open.status().failures, 1, "their callers have gone");
    assert_eq!(open.delete_failures(ids).wait(), Ok(1));
}
