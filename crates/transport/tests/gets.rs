//! Gets of a batcher against the emulator: callers share requests and slots, and each has its own user's tags or its own
//! user's failure.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::thread;
use std::time::Duration;

use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use imtag_transport::{
    Batcher, BatcherCompletion, CallOptions, CancelToken, Cause, ChangeError, ChangeRequest,
    Client, Code, Effect, Generation, Operation, Scope, WaitEnd, WhenFull,
};
use support::*;

fn client_for(emulator: &Emulator, generation: Generation) -> Client {
    let builder = builder(&emulator.endpoint()).generation(generation);
    builder.build().unwrap()
}

type Read = Result<Option<Vec<String>>, ChangeError>;

/// Reads each of these users on a thread of its own, at the same time.
fn get_each(batcher: &Batcher, users: impl Iterator<Item = usize>) -> Vec<(usize, Read)> {
    thread::scope(|scope| {
        let get = |user: usize| {
            let get = move || batcher.get_tag(&format!("u{user}"), &CallOptions::new());
            (user, scope.spawn(get))
        };
        let gets: Vec<_> = users.map(get).collect();
        let read = gets
            .into_iter()
            .map(|(user, it)| (user, it.join().unwrap()));
        read.collect()
    })
}

fn some(tags: &[&str]) -> Option<Vec<String>> {
    Some(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

#[test]
fn a_hundred_callers_of_a_hundred_users_are_one_request_and_each_has_its_own_tags() {
    for generation in Generation::ALL {
        let emulator = emulator();
        let batcher = lingering(&client_for(&emulator, generation));
        thread::scope(|scope| {
            for user in 0..100 {
                let (batcher, tag) = (&batcher, format!("t{user}"));
                scope.spawn(move || batcher.add_tag(format!("u{user}"), [tag]).unwrap());
            }
        });
        assert_eq!(emulator.stats().arrivals(), 1);
        for (user, read) in get_each(&batcher, 0..100) {
            assert_eq!(read.unwrap(), some(&[&format!("t{user}")]));
        }
        assert_eq!(emulator.stats().arrivals(), 2);
        batcher.close(&CallOptions::new()).unwrap();
    }
}

#[test]
fn a_get_sees_each_change_that_was_answered_before_it() {
    let emulator = emulator();
    let batcher = client(&emulator).batcher().linger(Duration::from_millis(1));
    let batcher = batcher.start();
    thread::scope(|scope| {
        for caller in 0..40 {
            let batcher = &batcher;
            scope.spawn(move || {
                let (account, tag) = (format!("u{}", caller % 4), format!("t{caller}"));
                for _ in 0..5 {
                    batcher.add_tag(&account, [&tag]).unwrap();
                    let read = batcher.get_tag(&account, &CallOptions::new()).unwrap();
                    assert!(read.unwrap().contains(&tag));
                    batcher.remove_tag(&account, [&tag]).unwrap();
                    let read = batcher.get_tag(&account, &CallOptions::new()).unwrap();
                    assert!(!read.unwrap().contains(&tag));
                }
            });
        }
    });
}

#[test]
fn of_a_request_that_is_refused_only_the_callers_of_the_unknown_user_fail_with_its_code() {
    for (generation, said) in [
        (
            Generation::AllMemberPush,
            "get \"u7\": the service refused the request: 70107 \"the account was never imported\" \
             (not read; import the account first, or let its user log in once)",
        ),
        (
            Generation::Timpush,
            "get \"u7\": the service left it out: 70107 \"the account was never imported\" \
             (not read; import the account first, or let its user log in once)",
        ),
    ] {
        let emulator = emulator_without(["u7"]);
        let batcher = client_for(&emulator, generation).batcher().start();
        for (user, read) in get_each(&batcher, (0..100).chain([7])) {
            if user != 7 {
                assert_eq!(read.unwrap(), some(&[]));
                continue;
            }
            let error = read.unwrap_err();
            assert_eq!(error.to_string(), said);
            assert_eq!(error.code(), Some(Code(70107)));
            assert_eq!((error.account(), error.operation()), ("u7", Operation::Get));
            assert_eq!(error.effect(), Effect::NotRead);
            assert!(error.undone().is_empty());
        }
    }
}

#[test]
fn a_user_that_is_left_out_is_read_again_alone() {
    let emulator = emulator();
    emulator.fault(Operation::Get, Fault::leave_out(["u1"], 91000));
    let batcher = client_for(&emulator, Generation::Timpush).batcher();
    let batcher = batcher.linger(LONG).timeout(LONG).start();
    for (_, read) in get_each(&batcher, 0..100) {
        assert_eq!(read.unwrap(), some(&[]));
    }
    let requests = emulator.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].body, r#"{"To_Account":["u1"]}"#);
}

#[test]
fn a_user_that_the_answer_does_not_name_is_neither_read_nor_without_tags() {
    let emulator = emulator();
    let nothing = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[]}"#;
    emulator.fault(Operation::Get, Fault::answer(nothing));
    let batcher = client(&emulator).batcher().start();
    assert_eq!(batcher.get_tag("u", &CallOptions::new()).unwrap(), None);
}

/// Each request with u7 in it is answered by this.
fn reads_of_u7_are_answered(emulator: &Emulator, answer: impl Into<Vec<u8>>) {
    let standing = ProbabilisticFault::new(Fault::answer(answer), 1.0).unwrap();
    emulator.add_standing(standing.on(Operation::Get).account("u7"));
}

#[test]
fn of_an_answer_that_cannot_be_read_only_the_callers_of_the_user_at_fault_fail() {
    let tag_of_no_text =
        r#"{"ActionStatus":"OK","ErrorCode":0,"UserTags":[{"To_Account":"u7","Tags":[7]}]}"#;
    let too_long = format!("{{{}", " ".repeat(2 << 20));
    for answer in [tag_of_no_text, &too_long] {
        let emulator = emulator();
        reads_of_u7_are_answered(&emulator, answer);
        let batcher = lingering(&client(&emulator));
        for (user, read) in get_each(&batcher, 0..100) {
            if user == 7 {
                let error = read.unwrap_err();
                assert!(matches!(error.cause(), Cause::NotUnderstood(_)), "{error}");
                assert_eq!(error.effect(), Effect::NotRead);
            } else {
                assert_eq!(read.unwrap(), some(&[]));
            }
        }
        // the search is all that is repeated
        let arrivals = emulator.stats().arrivals();
        assert!(arrivals <= 16, "{arrivals}");
    }
}

#[test]
fn a_user_that_cannot_be_read_neither_spends_the_clients_retries_nor_pauses_a_batcher() {
    let emulator = emulator();
    reads_of_u7_are_answered(&emulator, "{}");
    let client = client(&emulator);
    let options = client.batcher().linger(Duration::ZERO);
    let batcher = options.pause_when_unavailable(true).timeout(LONG).start();
    for _ in 0..40 {
        let error = batcher.get_tag("u7", &CallOptions::new()).unwrap_err();
        assert!(matches!(error.cause(), Cause::NotUnderstood(_)), "{error}");
        assert_eq!((error.scope(), error.retryable()), (Scope::Account, true));
        assert!(batcher.paused().is_none());
    }
    // alone, each is tried once more
    assert_eq!(emulator.stats().arrivals(), 80);
    emulator.fault(Operation::Add, Fault::code(91000));
    let outcome = client.add_tag(&add()).unwrap();
    assert_eq!(outcome.attempts, 2);
}

#[test]
fn an_answer_of_a_gateway_is_no_single_users_fault() {
    let emulator = emulator();
    emulator.fault(Operation::Get, Fault::answer("<html>"));
    let client = client_of_one_attempt(&emulator);
    let batcher = client.batcher().linger(LONG).timeout(LONG).start();
    for (_, read) in get_each(&batcher, 0..100) {
        assert!(matches!(read.unwrap_err().cause(), Cause::NotUnderstood(_)));
    }
    assert_eq!(emulator.stats().arrivals(), 1);
}

#[test]
fn gets_are_answered_while_all_routes_of_changes_hang() {
    let emulator = emulator();
    for operation in [Operation::Add, Operation::Remove, Operation::Clear] {
        emulator.faults(operation, vec![Fault::delay(LONG); 64]);
    }
    let client = builder(&emulator.endpoint()).calls_per_second(100);
    let options = client.build().unwrap().batcher().linger(Duration::ZERO);
    let batcher = options.attempt_timeout(LONG).timeout(LONG).start();
    for user in 0..64 {
        for (at, change) in [
            ChangeRequest::add(format!("a{user}"), ["t"]),
            ChangeRequest::remove(format!("r{user}"), ["t"]),
            ChangeRequest::clear(format!("c{user}")),
        ]
        .into_iter()
        .enumerate()
        {
            let number = 3 * user + at as u64;
            batcher.submit(number, change).unwrap();
            // each is a request of its own
            until(|| emulator.stats().arrivals() == number + 1);
        }
    }
    let read = batcher.get_tag("u", &within(Duration::from_secs(20)));
    assert_eq!(read.unwrap(), some(&[]));
    assert_eq!(batcher.abandon(), 192);
}

#[test]
fn an_invalid_account_is_not_sent() {
    let emulator = emulator();
    let batcher = client(&emulator).batcher().start();
    let error = batcher.get_tag("", &CallOptions::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid request, nothing was sent: account: empty, at least 1 byte (leave it out, or fill it)"
    );
    assert_eq!(error.effect(), Effect::NotRead);
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn a_get_whose_time_is_up_or_that_is_cancelled_is_not_read() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    let error = batcher.get_tag("u", &within(Duration::from_millis(30)));
    assert_eq!(
        error.unwrap_err().to_string(),
        "get \"u\": its time was up (not read; allow more time, or try again)"
    );
    let token = CancelToken::new();
    let cancellable = CallOptions::new().cancel(&token);
    thread::scope(|scope| {
        let get = scope.spawn(|| batcher.get_tag("u", &cancellable));
        until(|| batcher.unsettled() == 1);
        token.cancel();
        assert_eq!(
            get.join().unwrap().unwrap_err().to_string(),
            "get \"u\": cancelled by its caller (not read; send it again if it is still wanted)"
        );
    });
    assert_eq!(batcher.unsettled(), 0);
    assert_eq!(emulator.stats().arrivals(), 0);
}

#[test]
fn a_get_in_a_request_that_its_caller_gives_up_is_not_read_either() {
    let emulator = emulator();
    emulator.faults(Operation::Get, vec![Fault::delay(LONG); 2]);
    let options = client(&emulator).batcher().timeout(LONG);
    let batcher = options.attempt_timeout(LONG).start();
    let token = CancelToken::new();
    let cancellable = CallOptions::new().cancel(&token);
    thread::scope(|scope| {
        let get = scope.spawn(|| batcher.get_tag("u", &cancellable));
        until(|| emulator.stats().arrivals() == 1);
        token.cancel();
        let error = get.join().unwrap().unwrap_err();
        assert!(matches!(error.cause(), Cause::Abandoned));
        assert_eq!(error.effect(), Effect::NotRead);
    });
    // its request ends at its caller's deadline, or no answer has come by then
    let late = batcher.get_tag("v", &within(Duration::from_millis(300)));
    let error = late.unwrap_err();
    let cause = error.cause();
    assert!(matches!(cause, Cause::Timeout { .. } | Cause::NotAnswered));
    assert_eq!(error.effect(), Effect::NotRead);
    assert_eq!(batcher.unsettled(), 0);
}

#[test]
fn a_close_sends_the_gets_that_linger_and_takes_no_more() {
    let emulator = emulator();
    let batcher = lingering(&client(&emulator));
    thread::scope(|scope| {
        let get = scope.spawn(|| batcher.get_tag("u", &CallOptions::new()));
        until(|| batcher.unsettled() == 1);
        batcher.close(&CallOptions::new()).unwrap();
        assert_eq!(get.join().unwrap().unwrap(), some(&[]));
    });
    let error = batcher.get_tag("u", &CallOptions::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "get \"u\": it is closed (not read; use it before it is closed, or make another)"
    );
}

#[test]
fn a_batcher_that_is_full_of_gets_refuses_gets_alone_and_says_when_there_is_capacity() {
    let emulator = emulator();
    emulator.fault(Operation::Get, Fault::delay(LONG));
    let options = client(&emulator).batcher().linger(LONG).timeout(LONG);
    let options = options.attempt_timeout(LONG).capacity(1);
    let batcher = options.when_full(WhenFull::Signal).start();
    let (sent, lingers) = (CancelToken::new(), CancelToken::new());
    thread::scope(|scope| {
        let get = |user: &'static str, token: &CancelToken| {
            let (batcher, options) = (&batcher, CallOptions::new().cancel(token));
            scope.spawn(move || batcher.get_tag(user, &options).unwrap_err())
        };
        get("u1", &sent); // goes out at once, as no more can come
        until(|| emulator.stats().arrivals() == 1);
        get("u2", &lingers);
        until(|| batcher.unsettled() == 2);
        let error = batcher.get_tag("u3", &CallOptions::new()).unwrap_err();
        assert!(matches!(error.cause(), Cause::Full));
        assert_eq!(error.effect(), Effect::NotRead);
        batcher.submit(0, user(0)).unwrap();
        assert_eq!(batcher.poll(LONG).len(), 1);
        let polled = scope.spawn(|| (batcher.poll(LONG).len(), batcher.unsettled()));
        lingers.cancel();
        // before the first get has ended
        assert_eq!(polled.join().unwrap(), (0, 1));
        sent.cancel();
    });
}

#[test]
fn a_get_waits_in_a_pause_for_the_resume_or_until_its_time_is_up() {
    let emulator = emulator();
    emulator.fault(Operation::Get, Fault::code(70009)); // the UserSig is not valid
    let options = client(&emulator).batcher().linger(Duration::ZERO);
    let batcher = options.pause_when_unavailable(true).timeout(LONG).start();
    thread::scope(|scope| {
        let get = scope.spawn(|| batcher.get_tag("u", &CallOptions::new()));
        until(|| batcher.paused().is_some());
        let late = batcher.get_tag("v", &within(Duration::from_millis(50)));
        assert!(matches!(late.unwrap_err().cause(), Cause::Expired));
        assert_eq!(emulator.stats().arrivals(), 1);
        batcher.resume();
        assert_eq!(get.join().unwrap().unwrap(), some(&[]));
    });
    assert_eq!(emulator.stats().arrivals(), 2);
}

/// What a poll says of a get: its number, its user, and the tags or the sentence.
fn polled(batcher: &Batcher) -> Vec<(u64, String, Read)> {
    let completions = batcher.poll(LONG).into_iter();
    let gets = completions.map(|it| match it {
        BatcherCompletion::Get(get) => {
            let read = get.result.map(|tags| tags.map(|tags| tags.to_vec()));
            (get.id, get.account.to_string(), read)
        }
        BatcherCompletion::Change(change) => panic!("{change:?}"),
    });
    gets.collect()
}

#[test]
fn gets_that_are_submitted_share_a_request_and_are_polled_by_their_numbers_with_their_tags() {
    let emulator = emulator_without(["u2"]);
    let batcher = lingering(&client_for(&emulator, Generation::Timpush));
    for user in 0..3 {
        let account = format!("u{user}");
        batcher.submit_get_within(user, &account, LONG).unwrap();
    }
    batcher.flush(&CallOptions::new()).unwrap();
    let mut polled = polled(&batcher);
    polled.sort_by_key(|it| it.0);
    assert_eq!(emulator.stats().arrivals(), 1);
    let [first, second, third] = polled.try_into().unwrap();
    assert_eq!((first.0, &*first.1, first.2.unwrap()), (0, "u0", some(&[])));
    assert_eq!((second.0, second.2.unwrap()), (1, some(&[])));
    let error = third.2.unwrap_err();
    assert_eq!((third.0, error.code()), (2, Some(Code(70107))));
    assert_eq!(error.effect(), Effect::NotRead);
    let invalid = batcher.submit_get_within(3, "", LONG).unwrap_err();
    assert!(matches!(invalid.cause(), Cause::Invalid(_)));
}

#[test]
fn a_get_that_is_withdrawn_is_not_read_whether_it_was_sent_or_not() {
    let emulator = emulator();
    emulator.faults(Operation::Get, vec![Fault::delay(LONG); 2]);
    let options = client(&emulator).batcher().linger(LONG).timeout(LONG);
    let batcher = options.attempt_timeout(LONG).start();
    for (id, why, said) in [
        (0, WaitEnd::Cancelled, "cancelled by its caller"),
        (1, WaitEnd::TimedOut, "its time was up"),
    ] {
        batcher.submit_get_within(id, "u", LONG).unwrap();
        batcher.withdraw(id, why);
        let [(number, account, read)] = polled(&batcher).try_into().unwrap();
        assert_eq!((number, &*account), (id, "u"));
        let error = read.unwrap_err();
        assert_eq!(error.effect(), Effect::NotRead);
        let sentence = format!("get \"u\": {said} (not read; ");
        assert!(error.to_string().starts_with(&sentence), "{error}");
    }
    assert_eq!(emulator.stats().arrivals(), 0);
    for (id, user, why) in [(2, "v", WaitEnd::Cancelled), (3, "w", WaitEnd::TimedOut)] {
        batcher.submit_get_within(id, user, LONG).unwrap();
        let _ = batcher.flush(&within(Duration::ZERO));
        until(|| emulator.stats().arrivals() == id - 1);
        batcher.withdraw(id, why);
        let [(number, account, read)] = polled(&batcher).try_into().unwrap();
        assert_eq!((number, &*account), (id, user));
        let error = read.unwrap_err();
        let is_why = match why {
            WaitEnd::Cancelled => matches!(error.cause(), Cause::Abandoned),
            WaitEnd::TimedOut => matches!(error.cause(), Cause::NotAnswered),
        };
        assert!(is_why && error.effect() == Effect::NotRead, "{error}");
    }
    assert_eq!(batcher.unsettled(), 0);
}
