//! Scenarios of the whole rule, with literal times.

use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn rate(calls_per_second: f64) -> CallRate {
    CallRate::try_from(calls_per_second).expect("a rate that can be set")
}

fn quota(calls_per_second: u32) -> Quota {
    Quota::new(rate(f64::from(calls_per_second)), Duration::ZERO)
}

/// One that has been idle since its start slots were released.
fn started(calls_per_second: u32) -> Quota {
    let mut quota = quota(calls_per_second);
    let _ = quota.turn(ms(2_000));
    quota
}

/// Sends all that may go at `now`.
fn send_all(quota: &mut Quota, now: Duration) -> Vec<Sent> {
    let mut calls = Vec::new();
    while quota.turn(now) == Turn::Ready {
        calls.push(quota.send(now));
    }
    calls
}

/// Sends all that may go at `now`, each answered after the same round trip.
fn burst(quota: &mut Quota, now: Duration, round_trip: Duration) -> usize {
    let calls = send_all(quota, now);
    let sent = calls.len();
    for call in calls {
        quota.answered(call, now + round_trip, Admission::Admitted);
    }
    sent
}

/// No call may be sent until then, when one may.
#[track_caller]
fn is_full_until(quota: &mut Quota, now: Duration, until: Duration) {
    for moment in [now, until - Duration::from_nanos(1)] {
        assert_eq!(quota.turn(moment), Turn::WaitUntil(until));
    }
    assert_eq!(quota.turn(until), Turn::Ready);
}

#[test]
fn an_answer_counts_for_a_second_and_two_milliseconds_less_the_least_round_trip_of_200_answers() {
    let mut quota = started(100);
    assert_eq!(burst(&mut quota, ms(2_000), ms(40)), 100);
    is_full_until(&mut quota, ms(2_040), ms(3_042));
    assert_eq!(burst(&mut quota, ms(3_042), ms(40)), 100);
    // 3,082 + 1,002 − 40
    is_full_until(&mut quota, ms(3_082), ms(4_044));
}

#[test]
fn a_round_trip_below_two_milliseconds_leaves_more_than_a_second_to_count() {
    let mut quota = started(50);
    let round_trip = Duration::from_micros(500);
    assert_eq!(burst(&mut quota, ms(2_000), round_trip), 50);
    assert_eq!(burst(&mut quota, ms(3_100), round_trip), 50);
    // 3,100.5 + 1,002 − 0.5
    is_full_until(&mut quota, ms(3_101), ms(4_102));
}

#[test]
fn a_faster_answer_withdraws_credit_already_given() {
    let mut quota = started(50);
    assert_eq!(burst(&mut quota, ms(2_000), ms(300)), 50);
    assert_eq!(burst(&mut quota, ms(3_302), ms(300)), 50);
    // 3,602 + 1,002 − 300
    is_full_until(&mut quota, ms(3_602), ms(4_304));
    let fast = quota.send(ms(4_304));
    quota.answered(fast, ms(4_324), Admission::Admitted);
    // 3,602 + 1,002 − 20: they count again.
    assert_eq!(quota.turn(ms(4_324)), Turn::WaitUntil(ms(4_584)));
}

#[test]
fn a_round_trip_of_more_than_a_second_leaves_only_the_calls_in_flight_to_count() {
    let mut quota = started(50);
    assert_eq!(burst(&mut quota, ms(2_000), ms(1_500)), 50);
    assert_eq!(burst(&mut quota, ms(4_502), ms(1_500)), 50);
    assert_eq!(send_all(&mut quota, ms(6_002)).len(), 50);
}

#[test]
fn a_rejection_takes_a_tenth_of_the_quota_once_for_all_calls_under_way() {
    let mut quota = started(100);
    let mut calls = send_all(&mut quota, ms(2_000));
    for _ in 0..3 {
        let call = calls.pop().expect("100 calls are under way");
        quota.answered(call, ms(2_050), Admission::TooFrequent);
    }
    for call in calls {
        quota.answered(call, ms(2_050), Admission::Admitted);
    }
    // 100 answers for a cap of 90: the earliest event is the end of their second.
    assert_eq!(quota.turn(ms(2_050)), Turn::WaitUntil(ms(3_052)));
    assert_eq!(send_all(&mut quota, ms(3_052)).len(), 90);
    // Five seconds after the cut one more may go.
    assert_eq!(quota.turn(ms(3_052)), Turn::WaitUntil(ms(7_050)));
    assert_eq!(send_all(&mut quota, ms(7_050)).len(), 1);
}

#[test]
fn a_clock_that_goes_back_stands_still_until_it_has_caught_up() {
    let mut quota = Quota::new(rate(1.0), ms(10_000));
    assert_eq!(quota.turn(ms(0)), Turn::Ready);
    let call = quota.send(ms(0));
    quota.answered(call, ms(5_000), Admission::Admitted);
    assert_eq!(quota.turn(ms(0)), Turn::WaitUntil(ms(11_002)));
    assert_eq!(quota.turn(ms(11_002)), Turn::Ready);
    let call = quota.send(ms(11_002));
    quota.abandoned(call, ms(0));
    assert_eq!(quota.turn(ms(0)), Turn::WaitUntil(ms(14_002)));
}

#[test]
fn a_clock_at_the_end_of_time_ends_no_process() {
    let mut quota = started(2);
    let answered = quota.send(Duration::MAX);
    let abandoned = quota.send(Duration::MAX);
    quota.answered(answered, Duration::MAX, Admission::TooFrequent);
    quota.abandoned(abandoned, Duration::MAX);
    let _ = quota.turn(Duration::MAX);
}

#[test]
fn every_quota_up_to_a_hundred_thousand_admits_itself_and_no_more() {
    for calls_per_second in [1, 2, 3, 7, 99, 100, 1_000, 100_000] {
        let mut quota = started(calls_per_second);
        assert_eq!(
            burst(&mut quota, ms(2_000), ms(5)),
            calls_per_second as usize
        );
        assert_eq!(quota.turn(ms(2_005)), Turn::WaitUntil(ms(3_007)));
    }
}

#[test]
fn a_fraction_below_one_that_was_rejected_goes_on_at_its_rate() {
    let mut quota = Quota::new(rate(0.1), Duration::ZERO);
    for second in [0, 11, 22] {
        assert_eq!(quota.turn(ms(second * 1_000)), Turn::Ready);
        let call = quota.send(ms(second * 1_000));
        quota.answered(call, ms(second * 1_000), Admission::TooFrequent);
        let next = Turn::WaitUntil(ms(second * 1_000 + 10_020));
        assert_eq!(quota.turn(ms(second * 1_000)), next);
    }
}

/// One that always has work, 30 ms away and 40 ms there and back, in virtual time.
#[test]
fn a_fraction_is_never_exceeded_in_any_window_and_used_in_the_long_run() {
    for (calls_per_second, n, window, hours) in [
        (0.001, 1, ms(1_000_000), 100),
        (0.1, 1, ms(10_000), 10),
        (0.5, 1, ms(2_000), 2),
        (1.0, 1, ms(1_000), 1),
        (2.5, 2, ms(1_000), 1),
    ] {
        let mut quota = Quota::new(rate(calls_per_second), Duration::ZERO);
        let (round_trip, end) = (ms(40), ms(hours * 3_600_000));
        let mut under_way = std::collections::VecDeque::new();
        let mut arrivals: Vec<Duration> = Vec::new();
        let mut now = Duration::ZERO;
        while now < end {
            let answer = under_way.front().map(|(answer, _)| *answer);
            now = match quota.turn(now) {
                Turn::Ready => {
                    arrivals.push(now + ms(30));
                    under_way.push_back((now + round_trip, quota.send(now)));
                    continue;
                }
                Turn::WaitUntil(moment) => answer.map_or(moment, |answer| answer.min(moment)),
                Turn::AwaitAnswer => answer.expect("a call is under way"),
            };
            if Some(now) == answer {
                let (_, call) = under_way.pop_front().expect("it is under way");
                quota.answered(call, now, Admission::Admitted);
            }
        }
        arrivals.sort_unstable();
        for calls in arrivals.windows(n + 1) {
            let within = calls[n] - calls[0];
            assert!(within > window, "{calls_per_second}: {within:?}");
        }
        let admitted = n as f64 * end.as_secs_f64() / window.as_secs_f64();
        let used = arrivals.len() as f64 / admitted;
        assert!(
            used > 0.95 && used <= 1.0 + 2.0 / admitted,
            "{calls_per_second}: {used}"
        );
    }
}

/// One that always has work, and whose path changes once it has a credit for the old one, in virtual time.
#[test]
fn calls_that_go_over_to_another_host_exceed_nothing_and_soon_use_the_quota_again() {
    for (old, new) in [(200, 10), (10, 200), (500, 1), (40, 40)] {
        let (calls_per_second, changes, end) = (100, ms(10_000), ms(30_000));
        let mut quota = quota(calls_per_second);
        let mut under_way = std::collections::BTreeMap::new();
        let mut arrivals: Vec<Duration> = Vec::new();
        let (mut now, mut round_trip) = (Duration::ZERO, ms(old));
        while now < end {
            if now >= changes && round_trip != ms(new) {
                quota.path_changed(now);
                round_trip = ms(new);
            }
            let answer = under_way.first_key_value().map(|((at, _), _)| *at);
            let next = match quota.turn(now) {
                Turn::Ready => {
                    arrivals.push(now + round_trip / 2);
                    let call = (now + round_trip, arrivals.len());
                    under_way.insert(call, quota.send(now));
                    continue;
                }
                Turn::WaitUntil(moment) => answer.map_or(moment, |answer| answer.min(moment)),
                Turn::AwaitAnswer => answer.expect("a call is under way"),
            };
            now = if now < changes {
                next.min(changes)
            } else {
                next
            };
            if Some(now) == answer {
                let (_, call) = under_way.pop_first().expect("it is under way");
                quota.answered(call, now, Admission::Admitted);
            }
        }
        arrivals.sort_unstable();
        for calls in arrivals.windows(calls_per_second as usize + 1) {
            let within = calls[calls.len() - 1] - calls[0];
            assert!(within > ms(1_000), "{old} to {new} ms: {within:?}");
        }
        // with a credit again: without one it would use 5 in 6 of the quota at 200 ms
        let last = |at: &&Duration| (ms(20_000)..end).contains(*at);
        let used = arrivals.iter().filter(last).count();
        assert!(used >= 980, "{old} to {new} ms: {used} of 1000");
    }
}

#[test]
fn answers_of_calls_over_the_old_path_measure_nothing_of_the_new_one() {
    let mut quota = started(50);
    assert_eq!(burst(&mut quota, ms(2_000), ms(300)), 50);
    let old = send_all(&mut quota, ms(3_302));
    assert_eq!(old.len(), 50);
    quota.path_changed(ms(3_400));
    for call in old {
        quota.answered(call, ms(3_602), Admission::Admitted);
    }
    // 100 answers, and none of the new path
    is_full_until(&mut quota, ms(3_602), ms(4_604));
    assert_eq!(burst(&mut quota, ms(4_604), ms(20)), 50);
    is_full_until(&mut quota, ms(4_624), ms(5_626));
    assert_eq!(burst(&mut quota, ms(5_626), ms(20)), 50);
    // 5,646 + 1,002 − 20
    is_full_until(&mut quota, ms(5_646), ms(6_628));
}
