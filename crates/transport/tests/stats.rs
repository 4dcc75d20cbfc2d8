//! The figures of clients, bulk runs and batchers, as scenes at the emulator leave them.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use imtag_emulator::{Fault, ProbabilisticFault};
use imtag_transport::{
    AddTags, CallOptions, CancelToken, ChangeRequest, ClearTags, Figure, Limits, Operation,
    RemoveTags, SessionStats, Stats,
};
use support::*;

/// Too little to wait out an outage, and enough for some attempts.
const BRIEF: Duration = Duration::from_millis(1_500);

/// How the calls of an operation ended, without what did not happen.
fn ended(stats: &Stats, operation: Operation) -> Vec<(&'static str, u64)> {
    let ended = stats.operation(operation).ended.iter().copied();
    ended.filter(|(_, calls)| *calls > 0).collect()
}

#[test]
fn calls_count_by_operation_and_outcome_with_their_attempts_and_connections() {
    let emulator = emulator();
    let client = client(&emulator);
    assert_eq!(client.stats().usersigs, 0);
    client.add_tag(&add()).unwrap();
    emulator.fault(Operation::Add, Fault::leave_out(["u"], 70107));
    client.add_tag(&add()).unwrap_err();
    emulator.fault(Operation::Add, Fault::code(91000));
    client.add_tag(&add()).unwrap();
    emulator.fault(Operation::Add, Fault::code(90001));
    client.add_tag(&add()).unwrap_err();
    // a connection that dies costs an attempt more, over a new one
    emulator.fault(Operation::Get, Fault::cut_before());
    client.get_tag(&get()).unwrap();
    let over = CallOptions::new().timeout(Duration::ZERO);
    client.call(&get(), &over).unwrap_err();
    let token = CancelToken::new();
    token.cancel();
    let remove = RemoveTags::new([("u", ["t"])]).unwrap();
    let cancelled = CallOptions::new().cancel(&token);
    client.call(&remove, &cancelled).unwrap_err();

    let stats = client.clone().stats(); // clones share them
    assert_eq!(
        ended(&stats, Operation::Add),
        [("done", 2), ("partial", 1), ("service", 1)]
    );
    assert_eq!(ended(&stats, Operation::Get), [("done", 1), ("timeout", 1)]);
    assert_eq!(ended(&stats, Operation::Remove), [("cancelled", 1)]);
    assert_eq!(ended(&stats, Operation::Clear), []);
    assert_eq!(stats.operation(Operation::Add).ended("done"), 2);
    let attempts = Operation::ALL.map(|it| {
        let its = stats.operation(it);
        (its.attempts, its.attempts_sent, its.in_flight)
    });
    assert_eq!(attempts, [(5, 5, 0), (2, 2, 0), (0, 0, 0), (0, 0, 0)]);
    assert_eq!(
        (
            stats.connections_opened,
            stats.connections_reused,
            stats.connections_dead
        ),
        (2, 5, 1)
    );
    assert_eq!(
        (stats.usersigs, stats.outages, stats.in_outage),
        (1, 0, false)
    );
}

#[test]
fn what_an_attempt_meets_is_counted_as_its_cause() {
    let emulator = emulator();
    let client = client_of_one_attempt(&emulator);
    for fault in [
        Fault::status(404),
        Fault::status(502),
        Fault::garbage(),
        Fault::truncated(),
    ] {
        emulator.fault(Operation::Clear, fault);
        client
            .clear_tags(&ClearTags::new(["u"]).unwrap())
            .unwrap_err();
    }
    let invalid = AddTags::new([("u", ["t"; 1])]).unwrap();
    let mut rules = Limits::DOCUMENTED;
    rules.tag_bytes = 0;
    let strict = builder(&emulator.endpoint()).limits(rules).build().unwrap();
    strict.add_tag(&invalid).unwrap_err();
    assert_eq!(
        ended(&client.stats(), Operation::Clear),
        [("http_status", 2), ("network", 1), ("not_understood", 1)]
    );
    assert_eq!(ended(&strict.stats(), Operation::Add), [("invalid", 1)]);
    let away = builder(&nobody()).retry(ONE_ATTEMPT).build().unwrap();
    away.add_tag(&add()).unwrap_err();
    let stats = away.stats();
    assert_eq!(ended(&stats, Operation::Add), [("network", 1)]);
    let add = stats.operation(Operation::Add);
    assert_eq!((add.attempts, add.attempts_sent), (1, 0));
    assert_eq!(stats.connections_opened, 0);
}

#[test]
fn a_call_is_in_flight_until_it_ends() {
    let emulator = emulator();
    let client = client(&emulator);
    emulator.fault(Operation::Add, Fault::delay(LONG));
    let token = CancelToken::new();
    let in_flight = || client.stats().operation(Operation::Add).in_flight;
    let options = CallOptions::new().timeout(LONG).cancel(&token);
    thread::scope(|scope| {
        let call = || client.call(&add(), &options).unwrap_err();
        let calling = scope.spawn(call);
        until(|| emulator.stats().arrivals() == 1);
        assert_eq!(in_flight(), 1);
        token.cancel();
        calling.join().unwrap();
    });
    assert_eq!(in_flight(), 0);
    // a call that the host's panic ends is over, too
    let panics = client_whose_usersigs_panic(&emulator, 1);
    thread::scope(|scope| scope.spawn(|| panics.add_tag(&add())).join().unwrap_err());
    let stats = panics.stats();
    assert_eq!(stats.operation(Operation::Add).in_flight, 0);
    assert_eq!(ended(&stats, Operation::Add), []);
}

#[test]
fn rejections_by_the_quota_and_waits_for_it_are_counted_by_operation() {
    let emulator = emulator();
    let builder = builder(&emulator.endpoint()).calls_per_second(1);
    let client = builder.fresh_start(true).build().unwrap();
    client.add_tag(&add()).unwrap();
    client.get_tag(&get()).unwrap();
    client.add_tag(&add()).unwrap();
    let short = CallOptions::new().timeout(Duration::from_millis(20));
    client.call(&add(), &short).unwrap_err();
    let stats = client.stats();
    let add = stats.operation(Operation::Add);
    assert_eq!((add.quota_waits, add.quota_rejections), (2, 0));
    assert!(
        add.longest_quota_wait > Duration::from_millis(900),
        "{add:?}"
    );
    let both = add.longest_quota_wait + Duration::from_millis(20);
    assert!(add.quota_wait >= both, "{add:?}");
    assert_eq!(stats.operation(Operation::Get).quota_waits, 0);

    emulator.fault(Operation::Get, Fault::code(60007));
    let once = client_of_one_attempt(&emulator);
    once.call(&get(), &within(Duration::from_millis(500)))
        .unwrap_err();
    let stats = once.stats();
    assert_eq!(stats.operation(Operation::Get).quota_rejections, 1);
    assert_eq!(ended(&stats, Operation::Get), [("service", 1)]);
}

#[test]
fn an_outage_is_counted_once_however_many_calls_wait() {
    let emulator = emulator();
    let client = client(&emulator);
    emulator.add_standing(ProbabilisticFault::new(Fault::status(502), 1.0).unwrap());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.call(&add(), &within(LONG)).unwrap());
        }
        until(|| client.stats().in_outage);
        emulator.remove_faults();
    });
    let stats = client.stats();
    assert_eq!((stats.outages, stats.in_outage), (1, false));
}

/// Those of a batcher share a request, so that there is no second call at the time.
#[test]
fn an_outage_is_seen_by_one_caller_at_a_time_and_lasts_until_an_answer() {
    let emulator = emulator();
    let client = client(&emulator);
    let outages = || (client.stats().outages, client.stats().in_outage);
    client.add_tag(&add()).unwrap();
    let away = || emulator.add_standing(ProbabilisticFault::new(Fault::status(502), 1.0).unwrap());
    away();
    client.call(&add(), &within(BRIEF)).unwrap_err();
    client.call(&add(), &within(BRIEF)).unwrap_err();
    assert_eq!(outages(), (1, true), "also while nobody calls");
    client.call(&add(), &within(BRIEF)).unwrap_err();
    assert_eq!(outages(), (1, true), "it is the same one");
    emulator.remove_faults();
    client.add_tag(&add()).unwrap();
    assert_eq!(outages(), (1, false));
    away();
    let batcher = client.batcher().timeout(BRIEF).start();
    thread::scope(|scope| {
        for user in ["a", "b", "c"] {
            let batcher = &batcher;
            scope.spawn(move || batcher.add_tag(user, ["t"]).unwrap_err());
        }
    });
    assert_eq!(outages(), (2, true));
    emulator.remove_faults();
    emulator.fault(Operation::Add, Fault::code(70009));
    client.call(&add(), &within(BRIEF)).unwrap_err();
    assert_eq!(outages(), (2, false), "a refusal is an answer");
}

#[test]
fn a_refusal_of_the_app_is_a_figure_of_the_operation_until_another_answer() {
    let emulator = emulator();
    let client = client(&emulator);
    let refused = || Operation::ALL.map(|it| client.stats().operation(it).app_refused);
    emulator.fault(Operation::Add, Fault::code(70009));
    client.add_tag(&add()).unwrap_err();
    assert_eq!(refused(), [Some(70009), None, None, None]);
    let figures = client.stats().figures();
    let figure = figures.iter().find(|it| it.name == "imtag_app_refused");
    assert_eq!(figure.unwrap().value, 1.0);
    emulator.fault(Operation::Add, Fault::status(502));
    client.call(&add(), &within(LONG)).unwrap();
    assert_eq!(refused(), [None; 4]);
}

#[test]
fn one_attempt_without_an_answer_is_no_outage() {
    let emulator = emulator();
    let client = client_of_one_attempt(&emulator);
    for _ in 0..3 {
        emulator.fault(Operation::Add, Fault::status(502));
        client.call(&add(), &within(BRIEF)).unwrap_err();
        client.add_tag(&add()).unwrap();
    }
    assert_eq!(
        (client.stats().outages, client.stats().in_outage),
        (0, false)
    );
    // two in a row are one
    for _ in 0..2 {
        emulator.fault(Operation::Add, Fault::status(502));
        client.call(&add(), &within(BRIEF)).unwrap_err();
    }
    assert_eq!(
        (client.stats().outages, client.stats().in_outage),
        (1, true)
    );
}

fn counts(stats: &SessionStats) -> [u64; 8] {
    let it = &stats.progress;
    let (requests, users) = (it.requests, it.users);
    [
        it.taken,
        it.done,
        it.failed,
        requests,
        users,
        it.attempts,
        it.splits,
        stats.queued,
    ]
}

#[test]
fn a_batcher_counts_what_is_queued_and_the_users_of_each_request() {
    let emulator = emulator();
    let client = client(&emulator);
    let batcher = lingering(&client);
    assert_eq!(batcher.stats().oldest, None);
    for id in 0..3 {
        batcher.submit(id, user(id)).unwrap();
    }
    batcher.submit(3, ChangeRequest::add("", ["a"])).unwrap();
    batcher.submit_get_within(4, "u1", LONG).unwrap();
    let stats = batcher.stats();
    assert_eq!(counts(&stats), [5, 0, 1, 0, 0, 0, 0, 4]);
    assert!(stats.oldest.is_some());
    assert_eq!(stats.progress.unsettled(), 4);
    batcher.flush(&CallOptions::new()).unwrap();
    let stats = batcher.stats();
    assert_eq!(counts(&stats), [5, 4, 1, 2, 4, 2, 0, 0]);
    assert_eq!(stats.oldest, None);
    // its requests are calls of the client
    assert_eq!(ended(&client.stats(), Operation::Add), [("done", 1)]);
    assert_eq!(ended(&client.stats(), Operation::Get), [("done", 1)]);
}

#[test]
fn a_bulk_run_counts_the_requests_that_it_splits() {
    let emulator = emulator_without(["u1"]);
    let client = client(&emulator);
    let mut run = client.bulk().run(users(0..4));
    assert_eq!(run.by_ref().count(), 4);
    assert_eq!(counts(&run.stats()), [4, 3, 1, 5, 10, 5, 2, 0]);
    let ends = ended(&client.stats(), Operation::Add);
    assert_eq!(ends, [("done", 2), ("service", 3)]);
}

#[test]
fn figures_that_are_read_while_calls_go_on_only_grow_and_keep_no_call_from_ending() {
    let emulator = emulator();
    let client = client(&emulator);
    let batcher = client.batcher().start();
    let counters = || {
        let figures = [client.stats().figures(), batcher.stats().figures()].concat();
        let counters = figures.into_iter().filter(|it| it.is_counter);
        let named = counters.map(|it| ((it.name.clone(), it.labels()), it.value));
        named.collect::<Vec<_>>()
    };
    let reads = thread::scope(|scope| {
        let calls = [0; 2]
            .map(|_| scope.spawn(|| (0..50).for_each(|_| drop(client.add_tag(&add()).unwrap()))));
        let changes = scope.spawn(|| {
            (0..50).for_each(|id| batcher.submit(id, user(id)).unwrap());
            batcher.flush(&CallOptions::new()).unwrap();
        });
        let mut reads = 0;
        let mut before = counters();
        loop {
            let calls_are_over = calls.iter().all(ScopedJoinHandle::is_finished);
            let are_over = calls_are_over && changes.is_finished();
            let now = counters();
            for (earlier, later) in before.iter().zip(&now) {
                assert_eq!(earlier.0, later.0);
                assert!(earlier.1 <= later.1, "{earlier:?} {later:?}");
            }
            before = now;
            reads += 1;
            if are_over {
                break reads;
            }
        }
    });
    assert!(reads > 1);
    let stats = client.stats();
    let add = stats.operation(Operation::Add);
    assert_eq!(add.in_flight, 0);
    assert_eq!(batcher.stats().progress.done, 50);
    assert_eq!(add.ended("done"), 100 + batcher.stats().progress.requests);
}

#[test]
fn the_text_of_many_clients_has_each_help_once_and_their_labels() {
    let emulator = emulator();
    let client = client(&emulator);
    client.add_tag(&add()).unwrap();
    let of = |name: &'static str| {
        let figures = client.stats().figures().into_iter();
        figures.map(move |figure| figure.labelled("client", name))
    };
    let figures: Vec<Figure> = of("china").chain(of("a \"b\"\\\n")).collect();
    let text = Stats::text(&figures);
    let in_outage = "# HELP imtag_in_outage 1 while the service is unavailable.\n\
         # TYPE imtag_in_outage gauge\n\
         imtag_in_outage{client=\"china\"} 0\n\
         imtag_in_outage{client=\"a \\\"b\\\"\\\\\\n\"} 0\n";
    assert!(text.contains(in_outage), "{text}");
    let done = r#"imtag_calls_total{client="china",operation="add",outcome="done"} 1"#;
    assert!(text.lines().any(|line| line == done), "{text}");
    let mut helps: Vec<_> = text.lines().filter(|it| it.starts_with('#')).collect();
    let (all, samples) = (helps.len(), text.lines().filter(|it| !it.starts_with('#')));
    helps.sort_unstable();
    helps.dedup();
    assert_eq!(helps.len(), all);
    let mut names: Vec<_> = samples.map(|it| it.rsplit_once(' ').unwrap().0).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), figures.len(), "no sample stands twice");
}

#[test]
fn figures_have_the_names_and_labels_of_prometheus() {
    let emulator = emulator();
    let client = client(&emulator);
    client.add_tag(&add()).unwrap();
    let batcher = client.batcher().start();
    let figures = client.stats().figures();
    let named = |name: &str| -> Vec<Figure> {
        let its = figures.iter().filter(|it| it.name == name);
        its.cloned().collect()
    };
    let calls = named("imtag_calls_total");
    assert_eq!(calls.len(), 44);
    assert_eq!(calls[0].labels(), r#"operation="add",outcome="done""#);
    assert_eq!((calls[0].value, calls[0].is_counter), (1.0, true));
    let text = Stats::text(&named("imtag_attempts_total"));
    assert_eq!(
        text,
        "# HELP imtag_attempts_total Attempts, also those that did not reach the service.\n\
         # TYPE imtag_attempts_total counter\n\
         imtag_attempts_total{operation=\"add\"} 1\n\
         imtag_attempts_total{operation=\"get\"} 0\n\
         imtag_attempts_total{operation=\"remove\"} 0\n\
         imtag_attempts_total{operation=\"clear\"} 0\n"
    );
    let mut names: Vec<_> = figures.iter().map(|it| it.name.as_str()).collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "imtag_app_refused",
            "imtag_attempts_sent_total",
            "imtag_attempts_total",
            "imtag_calls_in_flight",
            "imtag_calls_total",
            "imtag_connections_dead_total",
            "imtag_connections_opened_total",
            "imtag_connections_reused_total",
            "imtag_in_outage",
            "imtag_longest_quota_wait_seconds",
            "imtag_outages_total",
            "imtag_quota_rejections_total",
            "imtag_quota_wait_seconds_total",
            "imtag_quota_waits_total",
            "imtag_usersigs_total",
        ]
    );
    let of_batcher = batcher.stats().figures();
    let names: Vec<_> = of_batcher.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "imtag_batcher_changes_taken_total",
            "imtag_batcher_changes_done_total",
            "imtag_batcher_changes_failed_total",
            "imtag_batcher_requests_total",
            "imtag_batcher_request_users_total",
            "imtag_batcher_attempts_total",
            "imtag_batcher_attempts_sent_total",
            "imtag_batcher_splits_total",
            "imtag_batcher_searches_total",
            "imtag_batcher_queued",
            "imtag_batcher_unsettled",
            "imtag_batcher_oldest_seconds",
        ]
    );
    let of_bulk = client.bulk().start().stats().figures();
    assert_eq!(of_bulk[0].name, "imtag_bulk_changes_taken_total");
}
