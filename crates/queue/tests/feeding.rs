//! What is accepted is applied, in order per account, and only what the service says of an account or a tag fails.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use imtag_core::{ChangeOperation, ChangeRequest, Operation, SecretKey};
use imtag_emulator::{Fault, ProbabilisticFault};
use imtag_queue::{ChangeState, Filter, PauseReason};
use imtag_transport::{Client, RetryPolicy};
use support::{Home, add, client, client_with, many, service, until};

/// What users have after changes, one after the other.
#[derive(Default)]
struct Model(BTreeMap<String, BTreeSet<String>>);

impl Model {
    fn apply(&mut self, change: &ChangeRequest) {
        let tags = self.0.entry(change.account().to_owned()).or_default();
        match change.operation() {
            ChangeOperation::Add => tags.extend(change.tags().map(str::to_owned)),
            ChangeOperation::Remove => tags.retain(|tag| !change.tags().any(|it| it == tag)),
            _ => tags.clear(),
        }
    }

    fn users(&self) -> BTreeMap<String, BTreeSet<String>> {
        let some = self.0.iter().filter(|(_, tags)| !tags.is_empty());
        some.map(|(user, tags)| (user.clone(), tags.clone()))
            .collect()
    }
}

/// Numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    /// Of few users and tags, so that an account has many changes whose order shows.
    fn change(&mut self) -> ChangeRequest {
        let user = format!("u{}", self.below(40));
        let tag = format!("t{}", self.below(5));
        match self.below(5) {
            0 => ChangeRequest::clear(user),
            1 | 2 => ChangeRequest::remove(user, [tag]),
            _ => ChangeRequest::add(user, [tag]),
        }
    }
}

#[test]
fn all_is_applied_in_order_per_account_and_settled() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    open.send_by(client(&emulator));
    let (mut model, mut numbers) = (Model::default(), Numbers(1));
    let mut last = None;
    for _ in 0..20 {
        let changes: Vec<_> = (0..numbers.below(130) + 1)
            .map(|_| numbers.change())
            .collect();
        changes.iter().for_each(|change| model.apply(change));
        last = Some(open.accept(changes));
    }
    let last = last.unwrap();
    open.settled(last).wait().unwrap();
    let states = open.outcomes(last).wait().unwrap().unwrap();
    assert!(states.iter().all(|it| *it == ChangeState::Done));
    open.until_empty();
    assert_eq!(emulator.users(), model.users());
    let status = open.status();
    assert_eq!(status.counters.done, status.counters.accepted);
    assert_eq!(
        (status.bytes, status.under_way, status.oldest),
        (0, 0, None)
    );
    let drained = open.drain(Instant::now() + Duration::from_secs(60));
    assert_eq!((drained.unsettled, drained.in_doubt), (0, 0));
}

#[test]
fn over_faults_and_unclean_ends_nothing_is_lost_and_the_order_per_account_holds() {
    let emulator = service().seed(7).start().unwrap();
    for fault in [
        Fault::status(502),
        Fault::cut_before(),
        Fault::cut_after(),
        Fault::code(60_008),
        Fault::delay(Duration::from_millis(30)),
    ] {
        emulator.add_standing(ProbabilisticFault::new(fault, 0.02).unwrap());
    }
    let mut home = Home::new();
    // no request of this emulator is later, and each fault costs its account that time
    home.settings.late_window = Duration::from_secs(1);
    let (mut model, mut numbers) = (Model::default(), Numbers(2));
    for _ in 0..6 {
        let arrivals = emulator.stats().arrivals();
        let open = home.open();
        open.send_by(client(&emulator));
        for _ in 0..8 {
            let changes: Vec<_> = (0..numbers.below(60) + 1)
                .map(|_| numbers.change())
                .collect();
            changes.iter().for_each(|change| model.apply(change));
            open.accept(changes);
        }
        until("some are sent", || {
            emulator.stats().arrivals() > arrivals + 3
        });
        // whatever is under way is cancelled, and may arrive all the same
        drop(open);
    }
    let open = home.open();
    open.send_by(client(&emulator));
    open.until_empty();
    assert_eq!(open.status().failures, 0);
    assert_eq!(emulator.users(), model.users());
}

#[test]
fn what_the_service_says_of_an_account_is_a_failure_until_it_is_deleted_and_nothing_else_is() {
    let emulator = service().unknown_accounts(["eve"]).start().unwrap();
    let home = Home::new();
    let open = home.open();
    open.send_by(client(&emulator));
    let users = ["bob", "eve", "dan"].map(|user| add(user, "vip"));
    let accepted = open.accept(users);
    open.settled(accepted).wait().unwrap();
    let failures = open.failures(None, 10).wait().unwrap();
    let [failure] = failures.as_slice() else {
        panic!("{failures:?}");
    };
    let line = &failure.line;
    assert_eq!(failure.id, accepted.change(1));
    assert_eq!((line.account.as_str(), line.code), ("eve", Some(70_107)));
    assert_eq!(line.op, ChangeOperation::Add);
    assert_eq!(line.tags, ["vip"]);
    let failed = Some(ChangeState::Failed(Box::new(failure.clone())));
    let states = || open.outcomes(accepted).wait().unwrap().unwrap();
    assert_eq!(states()[1], failed.clone().unwrap());
    assert_eq!(
        (&states()[0], &states()[2]),
        (&ChangeState::Done, &ChangeState::Done)
    );
    assert_eq!(
        open.status().counters.failed,
        BTreeMap::from([(Some(70_107), 1)])
    );
    drop(open);
    let open = home.open();
    let state = || open.change(accepted.change(1)).wait().unwrap();
    assert_eq!(state(), failed);
    assert_eq!(open.status().failures, 1);
    assert_eq!(
        open.failures(Some(accepted.change(1)), 10).wait().unwrap(),
        []
    );
    let delete = |ids| open.delete_failures(ids).wait().unwrap();
    assert_eq!(delete(vec![accepted.change(0)]), 0);
    assert_eq!(delete(vec![accepted.change(1)]), 1);
    assert_eq!(state(), Some(ChangeState::FailureDeleted));
    assert_eq!((open.status().failures, open.status().bytes), (0, 0));
}

#[track_caller]
fn assert_says_nothing_twice(text: &str) {
    let parts = text.split([';', ':', '(', ')']).map(str::trim);
    let mut parts: Vec<&str> = parts.filter(|it| it.len() > 10).collect();
    let all = parts.len();
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), all, "{text}");
}

#[test]
fn a_wrong_key_pauses_the_queue_with_its_reason_and_the_right_one_sends_all() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    open.send_by(client_with(
        &emulator,
        SecretKey::new("0".repeat(64)).unwrap(),
    ));
    open.post(many(250)).wait().unwrap();
    until("it pauses", || !open.status().pauses.is_empty());
    let pause = open.status().pauses.remove(0);
    assert_eq!(pause.reason, PauseReason::App);
    assert!(!pause.text.contains(&"0".repeat(8)), "{}", pause.text);
    assert_says_nothing_twice(&pause.text);
    assert_eq!((open.status().changes, open.status().failures), (250, 0));
    open.send_by(client(&emulator));
    open.until_empty();
    assert_eq!(open.status().pauses, []);
    assert_eq!((emulator.users().len(), open.status().failures), (250, 0));
}

#[test]
fn where_the_plan_or_the_place_of_the_app_is_at_fault_the_queue_pauses_and_nothing_fails() {
    for (code, says) in [
        (60_020, "60020 the app has no valid plan"),
        (60_028, "60028 the trial app is past its request volume"),
        (60_021, "60021 the caller's IP address is not allowed"),
    ] {
        let (emulator, home) = (service().start().unwrap(), Home::new());
        let standing = ProbabilisticFault::new(Fault::code(code), 1.0).unwrap();
        let standing = emulator.add_standing(standing);
        let open = home.open();
        open.send_by(client(&emulator));
        open.post(many(250)).wait().unwrap();
        until("it pauses", || !open.status().pauses.is_empty());
        let pause = open.status().pauses.remove(0);
        assert_eq!(pause.reason, PauseReason::App);
        assert!(pause.text.contains(says), "{}", pause.text);
        assert_eq!((open.status().changes, open.status().failures), (250, 0));
        emulator.remove_standing(standing);
        open.resume().wait().unwrap();
        open.until_empty();
        assert_eq!((emulator.users().len(), open.status().failures), (250, 0));
    }
}

#[test]
fn an_outage_pauses_the_queue_which_goes_on_by_itself_and_no_failure_comes_of_it() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    let standing = ProbabilisticFault::new(Fault::code(60_008), 1.0).unwrap();
    let standing = emulator.add_standing(standing);
    open.send_by(client(&emulator));
    open.post(many(50)).wait().unwrap();
    until("it pauses", || {
        let pauses = open.status().pauses;
        pauses.iter().any(|it| it.reason == PauseReason::Service)
    });
    assert_says_nothing_twice(&open.status().pauses[0].text);
    assert_eq!((open.status().changes, open.status().failures), (50, 0));
    emulator.remove_standing(standing);
    open.until_empty();
    until("it is over", || open.status().pauses.is_empty());
    assert_eq!((emulator.users().len(), open.status().failures), (50, 0));
}

/// A client as a daemon has it, whose requests wait out an outage of a short time by themselves.
#[test]
fn an_outage_is_shown_as_soon_as_the_client_knows_of_it() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let away = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
    let away = emulator.add_standing(away);
    let client = Client::builder(1_400_000_000, "administrator", support::key())
        .endpoint(emulator.endpoint())
        .build()
        .unwrap();
    let open = home.open();
    open.send_by(client.clone());
    open.post(many(5)).wait().unwrap();
    until("there is an outage", || client.stats().in_outage);
    let begun = Instant::now();
    until("it is shown", || !open.status().pauses.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(open.status().pauses[0].reason, PauseReason::Service);
    emulator.remove_standing(away);
    open.until_empty();
    until("it is over", || open.status().pauses.is_empty());
    assert_eq!(open.status().failures, 0);
}

#[test]
fn a_user_that_the_way_rejects_alone_fails_and_all_others_are_done() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let fault = ProbabilisticFault::new(Fault::status(502), 1.0).unwrap();
    emulator.add_standing(fault.account("u5"));
    let quick = RetryPolicy {
        max_attempts: 1,
        longest_backoff: Duration::from_millis(20),
        ..RetryPolicy::default()
    };
    let client = imtag_transport::Client::builder(1_400_000_000, "administrator", support::key());
    let client = client
        .endpoint(emulator.endpoint())
        .calls_per_second(1_000)
        .retry(quick);
    let open = home.open();
    open.send_by(client.build().unwrap());
    open.accept(["u4", "u5"].map(|user| add(user, "vip")));
    // others are answered all the while
    let mut nth = 0;
    until("changes are left", || {
        nth += 1;
        open.accept([add(&format!("v{nth}"), "vip")]);
        std::thread::sleep(Duration::from_millis(20));
        open.status().failures > 0
    });
    open.until_empty();
    let failures = open.failures(None, 10).wait().unwrap();
    let accounts: Vec<_> = failures.iter().map(|it| it.line.account.as_str()).collect();
    assert_eq!(accounts, ["u5"]);
    assert_eq!(emulator.users().len(), 1 + nth);
}

#[test]
fn what_is_loaded_to_be_sent_is_bounded_by_its_memory_whatever_the_accounts_and_the_lengths() {
    let (emulator, mut home) = (service().start().unwrap(), Home::new());
    home.settings.memory = 64 << 10;
    let open = home.open();
    open.send_by(client(&emulator));
    let most_under_way = |changes: Vec<ChangeRequest>| {
        let operation = Operation::from(changes[0].operation());
        emulator.fault(operation, Fault::delay(Duration::from_millis(500)));
        open.accept(changes);
        let mut most = 0;
        until("changes are left", || {
            let status = open.status();
            most = status.under_way.max(most);
            status.changes == 0
        });
        most
    };
    // a batcher counts only a few of one account, and each of these waits for the one before
    let of_bob = |nth| match nth % 2 {
        0 => add("bob", "vip"),
        _ => ChangeRequest::remove("bob", ["vip"]),
    };
    let most = most_under_way((0..1_500).map(of_bob).collect());
    assert!((500..1_200).contains(&most), "{most}");
    let tags: Vec<String> = (0..400).map(|nth| format!("{nth:050}")).collect();
    let long = |nth| ChangeRequest::remove(format!("u{nth}"), &tags);
    let most = most_under_way((0..150).map(long).collect());
    assert!((5..120).contains(&most), "{most}");
    assert_eq!(open.status().failures, 0);
}

#[test]
fn an_end_need_not_wait_for_the_time_that_a_session_before_has() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    emulator.fault(Operation::Add, Fault::delay(Duration::from_secs(60)));
    let open = home.open();
    open.send_by(client(&emulator));
    open.post(many(5)).wait().unwrap();
    until("it is under way", || emulator.stats().arrivals() > 0);
    open.send_by(client(&emulator));
    let begun = Instant::now();
    let drained = open.drain(begun + Duration::from_millis(300));
    assert!(begun.elapsed() < Duration::from_secs(5), "{begun:?}");
    assert_eq!((drained.unsettled, drained.in_doubt), (5, 5));
}

#[test]
fn clients_that_follow_each_other_at_once_leave_the_last_one_sending() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    for _ in 0..20 {
        open.send_by(client(&emulator));
    }
    open.post(many(5)).wait().unwrap();
    open.until_empty();
    assert_eq!(emulator.users().len(), 5);
}

#[test]
fn what_is_purged_is_not_sent_and_what_is_under_way_stays() {
    let (emulator, home) = (service().start().unwrap(), Home::new());
    let open = home.open();
    let accepted = open.accept((0..300).map(|nth| add(&format!("u{}", nth % 3), "vip")));
    let mut of_one = Filter::default();
    of_one.account = Some("u1".to_owned());
    let purged = open.purge(of_one.clone()).wait().unwrap();
    assert_eq!((purged.deleted, purged.under_way), (100, 0));
    assert_eq!(open.status().changes, 200);
    let state = |nth| open.change(accepted.change(nth)).wait().unwrap().unwrap();
    assert_eq!(
        [state(0), state(1)],
        [ChangeState::Queued, ChangeState::Deleted]
    );
    let mut old = Filter::default();
    old.older_than = Some(Duration::from_secs(3_600));
    assert_eq!(open.purge(old).wait().unwrap().deleted, 0);
    emulator.fault(Operation::Add, Fault::delay(Duration::from_millis(300)));
    open.send_by(client(&emulator));
    until("it is under way", || emulator.stats().arrivals() > 0);
    let purged = open.purge(Filter::default()).wait().unwrap();
    assert_eq!((purged.deleted, purged.under_way), (0, 200));
    open.until_empty();
    assert_eq!(emulator.users().len(), 2);
}
