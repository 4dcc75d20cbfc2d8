//! What is accepted is kept.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::BTreeSet;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use imtag_core::ChangeRequest;
use imtag_queue::{ChangeState, Limit, PostId, Refused};
use support::{Home, add, keyed, many, post};

#[test]
fn what_was_answered_is_there_after_a_kill_at_any_moment() {
    let home = Home::new();
    let open = home.open();
    let mut answered = Vec::new();
    for round in 1..=30 {
        let posts: Vec<_> = (0..round % 4 + 1)
            .map(|_| open.post(many(round * 7)))
            .collect();
        for post in posts {
            answered.push(post.wait().unwrap());
        }
        let killed = home.killed();
        let after = killed.open();
        let changes: u64 = answered.iter().map(|it| u64::from(it.changes)).sum();
        assert_eq!(after.status().changes, changes);
        for accepted in &answered {
            let states = after.outcomes(accepted.post).wait().unwrap().unwrap();
            assert_eq!(states.len(), accepted.changes as usize);
            assert!(states.iter().all(|it| *it == ChangeState::Queued));
        }
        let unused = answered.len() as u64 + 1;
        let next = after.post(many(1)).wait().unwrap().post;
        assert_eq!(next.to_string(), unused.to_string(), "no id is used twice");
    }
}

#[test]
fn posts_of_many_callers_are_kept_whole_each_under_an_id_of_its_own() {
    let home = Home::new();
    let open = home.open();
    let ids: Vec<PostId> = thread::scope(|scope| {
        let callers: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| -> Vec<PostId> {
                    (0..25)
                        .map(|_| open.post(many(3)).wait().unwrap().post)
                        .collect()
                })
            })
            .collect();
        let ids = callers.into_iter().flat_map(|caller| {
            let ids = caller.join().unwrap();
            assert!(ids.is_sorted());
            ids
        });
        ids.collect()
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 500);
    let status = open.status();
    assert_eq!((status.changes, status.counters.posts), (1_500, 500));
    assert!(status.counters.commits <= 500);
}

#[test]
fn the_same_key_and_body_is_answered_as_the_first_time_over_restarts_and_another_body_is_refused() {
    let home = Home::new();
    let open = home.open();
    let twice = [0, 1].map(|_| open.post(keyed(many(5), "k", "{}")));
    let [first, again] = twice.map(|post| post.wait().unwrap());
    assert!(!first.repeated && again.repeated);
    assert_eq!((again.post, again.changes), (first.post, 5));
    let other = |body| open.post(keyed(many(5), "k", body)).wait();
    assert_eq!(other("{ }"), Err(Refused::KeyReused));
    let mut of_another = many(5);
    of_another.set_key("uid 34", "k", b"{ }");
    assert!(!open.post(of_another).wait().unwrap().repeated);
    drop(open);
    let open = home.open();
    let later = open.post(keyed(many(5), "k", "{}")).wait().unwrap();
    assert_eq!((later.post, later.repeated), (first.post, true));
    assert_eq!(open.status().changes, 10);
}

#[test]
fn a_queue_at_its_limit_says_which_and_takes_as_much_as_fits() {
    let mut home = Home::new();
    home.settings.changes = 10;
    let open = home.open();
    open.post(many(6)).wait().unwrap();
    let full = |limit| Err(Refused::Full { limit });
    assert_eq!(open.post(many(5)).wait(), full(Limit::Changes(10)));
    open.post(many(4)).wait().unwrap();
    assert_eq!(open.post(many(1)).wait(), full(Limit::Changes(10)));
    drop(open);
    home.settings.changes = 1_000;
    home.settings.bytes = 200;
    let open = home.open();
    let mut takes = (0..10).map(|_| open.post(many(1)).wait());
    let refused = takes.find(Result::is_err).unwrap();
    assert_eq!(refused, full(Limit::Bytes(200)));
    let never = |limit| Err(Refused::NeverFits { limit });
    assert_eq!(open.post(many(100)).wait(), never(Limit::Bytes(200)));
    assert_eq!(open.post(many(1_001)).wait(), never(Limit::Changes(1_000)));
    let waits = open.status().changes;
    drop(open);
    home.settings.bytes = 1 << 20;
    home.settings.min_free = u64::MAX;
    let open = home.open();
    let refused = open.post(many(1)).wait().unwrap_err();
    assert_eq!(
        refused,
        Refused::Full {
            limit: Limit::MinFree(u64::MAX)
        }
    );
    assert!(refused.retry_after().is_some());
    assert_eq!(open.status().changes, waits);
}

#[test]
fn an_unknown_change_is_told_from_one_that_waits() {
    let home = Home::new();
    let open = home.open();
    let accepted = open
        .post(post([add("bob", "vip"), add("eve", "vip")]))
        .wait()
        .unwrap();
    let state = |id| open.change(id).wait().unwrap();
    assert_eq!(state(accepted.post.change(1)), Some(ChangeState::Queued));
    assert_eq!(state(accepted.post.change(2)), None);
    let next: PostId = "7".parse().unwrap();
    assert_eq!(state(next.change(0)), None);
    assert_eq!(open.outcomes(next).wait().unwrap(), None);
    open.settled(next).wait().unwrap();
    let waits = open.settled(accepted.post);
    assert!(waits.wait_for(Duration::from_millis(20)).is_none());
}

#[test]
fn a_drained_queue_refuses_and_its_file_alone_has_all() {
    let home = Home::new();
    let open = home.open();
    open.post(many(250)).wait().unwrap();
    let drained = open.drain(Instant::now());
    assert_eq!((drained.unsettled, drained.in_doubt), (250, 0));
    assert_eq!(open.post(many(1)).wait(), Err(Refused::Closed));
    drop(open);
    assert!(!home.path().join("queue.sqlite-wal").exists());
    assert_eq!(home.open().status().changes, 250);
}

#[test]
fn while_the_disk_hangs_posts_wait_up_to_a_limit_and_those_whose_callers_have_gone_are_not_stored()
{
    let home = Home::new();
    let open = home.open();
    let (goes_on, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let (hangs, held) = mpsc::channel();
    let first = open.on_its_thread(move || {
        hangs.send(()).unwrap();
        let _ = waits.lock().unwrap().recv();
    });
    held.recv().unwrap();
    let before = open.status().changes;
    let tags: Vec<String> = (0..20_000).map(|nth| format!("{nth:050}")).collect();
    let long = post([ChangeRequest::remove("bob", &tags)]);
    let mut answers = Vec::new();
    let refused = loop {
        let answer = open.post(long.clone());
        match answer.wait_for(Duration::ZERO) {
            None => answers.push(answer),
            Some(answer) => break answer.unwrap_err(),
        }
    };
    assert_eq!(refused, Refused::Behind { mebibytes: 64 });
    assert!((60..=66).contains(&answers.len()), "{}", answers.len());
    let stays = answers.split_off(answers.len() - 1);
    drop(answers);
    let again = open.post(long.clone()).wait_for(Duration::ZERO);
    assert_eq!(again, Some(Err(refused)), "they are still in its memory");
    drop(goes_on);
    first.wait().unwrap();
    for answer in stays {
        answer.wait().unwrap();
    }
    assert_eq!(open.status().changes, before + 1);
    assert!(!open.post(long).wait().unwrap().repeated);
}

#[test]
fn a_panic_of_its_thread_is_told_and_nothing_waits_for_it() {
    let home = Home::new();
    let open = home.open();
    let (breaks, broken) = mpsc::channel();
    let again = breaks.clone();
    open.on_broken(move || breaks.send(()).unwrap());
    let answer = open.on_its_thread(|| panic!("for a test"));
    broken.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(answer.wait().map(|it| it.changes), Ok(1));
    let refused = open.post(many(1)).wait();
    assert!(
        matches!(refused, Err(Refused::Closed | Refused::InDoubt { .. })),
        "{refused:?}"
    );
    open.on_broken(move || again.send(()).unwrap());
    broken.recv_timeout(Duration::from_secs(60)).unwrap();
    open.drain(Instant::now());
    drop(open);
    assert!(home.open().status().changes >= 1);
}
