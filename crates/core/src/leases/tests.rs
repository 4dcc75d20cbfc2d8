//! The client's side, rule by rule, with literal times; the store's answers are written out.

use std::time::Duration;

use super::*;
use crate::limits::CallRate;
use crate::operation::Operation;
use crate::quota::{Admission, Turn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A process that calls one operation, and a store that answers as the test says.
struct Process {
    lease: Lease,
    quota: SharedQuota,
    now: Duration,
    /// The store's clock.
    clock: u64,
}

impl Process {
    fn new(calls_per_second: f64) -> Process {
        let rate = CallRate::try_from(calls_per_second).expect("a rate that can be set");
        Process {
            lease: Lease::new("a".to_owned(), rate),
            quota: SharedQuota::new(rate, Duration::ZERO),
            now: Duration::ZERO,
            clock: 1_000,
        }
    }

    fn at(&mut self, millis: u64) -> &mut Process {
        self.now = ms(millis);
        self
    }

    fn due(&self) -> Option<Duration> {
        self.lease.due(self.quota.need())
    }

    fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= self.now)
    }

    fn message(&mut self) -> Message {
        let (quota, now) = (&mut self.quota, self.now);
        self.lease.message(now, |operation, seq| match operation {
            Operation::Add => quota.request(seq, now),
            _ => Request::default(),
        })
    }

    /// What it says of its one operation.
    fn request(&mut self) -> Request {
        let [request, ..] = self.message().operations;
        request
    }

    /// The store answers the last message. True if that was taken in.
    fn hear(&mut self, seq: u64, granted: &[u64], give_back: u32, known: bool) -> bool {
        let mut answer = Answer {
            clock: self.clock,
            known,
            terms: Terms {
                slots: 100,
                window: 1_000,
            },
            operations: Default::default(),
        };
        answer.operations[0] = Grant {
            granted: granted.to_vec(),
            give_back,
        };
        let renewal = self.lease.answered(seq, &answer, self.now);
        let taken = renewal.map(|it| self.quota.take(it, &answer.operations[0], self.now));
        taken.is_some()
    }

    fn granted(&mut self, usable_in: &[u64]) -> &mut Process {
        let message = self.message();
        assert!(self.hear(message.seq, usable_in, 0, true));
        self
    }

    fn told_to_give_back(&mut self, slots: u32) -> &mut Process {
        let message = self.message();
        assert!(self.hear(message.seq, &[], slots, true));
        self
    }

    fn turn(&mut self) -> Turn {
        self.quota.turn(self.now)
    }

    fn answered(&mut self, call: SharedCall) {
        self.quota.answered(call, self.now, Admission::Admitted);
    }

    /// So many calls, each answered after the same round trip.
    fn calls(&mut self, calls: usize, round_trip: u64) {
        let calls: Vec<_> = (0..calls).map(|_| self.quota.send(self.now)).collect();
        self.now += ms(round_trip);
        for call in calls {
            self.answered(call);
        }
    }
}

/// One that has so many slots, and more calls than those.
fn busy(slots: usize) -> Process {
    let mut process = Process::new(100.0);
    process.quota.set_queued(1_000);
    process.granted(&vec![0; slots]);
    process
}

#[test]
fn a_call_goes_when_a_slot_is_free_and_only_until_the_lease_ends() {
    let mut process = busy(0);
    assert_eq!(process.turn(), Turn::AwaitAnswer);
    process.at(100).granted(&[300]);
    assert_eq!(process.turn(), Turn::WaitUntil(ms(400)));
    assert_eq!(process.at(400).turn(), Turn::Ready);
    // sent at 100, whenever the answer came
    assert_eq!(process.quota.lease_end(), ms(5_100));
    assert_eq!(process.at(5_099).turn(), Turn::Ready);
    assert_eq!(process.at(5_100).turn(), Turn::AwaitAnswer);
    assert_eq!(process.at(5_200).granted(&[]).turn(), Turn::Ready);
}

#[test]
fn a_lease_counts_from_when_its_message_was_sent() {
    let mut process = busy(0);
    let seq = process.at(1_000).message().seq;
    assert!(process.at(1_150).hear(seq, &[0], 0, true));
    assert_eq!(process.quota.lease_end(), ms(6_000));
    assert_eq!(process.lease.end(), ms(6_000));
}

#[test]
fn an_answered_slot_is_free_for_others_1002_ms_later_and_earlier_here_by_the_credit() {
    let mut process = busy(2);
    process.calls(1, 40);
    // without a credit yet
    process.quota.set_queued(0);
    let given_back = process.request().given_back;
    // the unused one is free, and of the other 1,002 ms are left
    assert_eq!(given_back, [0, 1_002]);

    let mut process = busy(20);
    process.calls(20, 40);
    assert_eq!(process.turn(), Turn::WaitUntil(ms(40 + 1_002 - 40)));
    process.told_to_give_back(1);
    assert_eq!(process.request().given_back, [1_002]);
}

#[test]
fn a_granted_slot_is_used_without_credit() {
    let mut process = busy(20);
    process.calls(20, 40);
    process.granted(&[970]);
    // 40 + 970, not less 40; its own 20 come at 1,002
    assert_eq!(process.at(1_001).turn(), Turn::WaitUntil(ms(1_002)));
    process.at(1_002).calls(20, 0);
    assert_eq!(process.turn(), Turn::WaitUntil(ms(1_010)));
}

#[test]
fn an_abandoned_call_holds_its_slot_until_a_second_after_it_may_arrive_at_the_latest() {
    for (abandoned, free) in [(300, 3_000), (2_500, 3_500)] {
        let mut process = busy(1);
        let call = process.quota.send(ms(0));
        process.quota.abandoned(call, ms(abandoned));
        assert_eq!(process.at(abandoned).turn(), Turn::WaitUntil(ms(free)));
    }
}

#[test]
fn a_call_that_was_not_sent_leaves_its_slot_as_it_was() {
    let mut process = busy(20);
    process.calls(20, 40);
    let call = process.at(1_002).quota.send(ms(1_002));
    process.quota.withdrew(call);
    // still usable for its holder alone
    assert_eq!(process.turn(), Turn::Ready);
    process.told_to_give_back(20);
    assert_eq!(process.request().given_back, [40; 20]);
}

#[test]
fn what_it_is_told_to_give_back_goes_at_once_what_is_free_first_then_what_rests_longest() {
    let mut process = busy(4);
    process.at(100).calls(1, 20);
    process.at(200).calls(1, 20);
    process.told_to_give_back(3);
    assert_eq!(process.request().given_back, [0, 0, 1_002]);
    assert_eq!(process.quota.held(), 1);
}

#[test]
fn what_is_in_flight_goes_back_with_its_answer() {
    let mut process = busy(2);
    let calls = [process.quota.send(ms(0)), process.quota.send(ms(0))];
    process.at(10).told_to_give_back(1);
    assert_eq!((process.quota.held(), process.due()), (2, Some(ms(260))));
    let [first, second] = calls;
    process.at(30).answered(first);
    assert_eq!((process.quota.held(), process.is_due()), (1, true));
    process.answered(second);
    assert_eq!(process.quota.held(), 1);
    assert_eq!(process.request().given_back, [1_002]);
}

#[test]
fn what_is_given_back_while_a_message_is_under_way_is_part_of_what_its_answer_asks_for() {
    let mut process = busy(3);
    let call = process.quota.send(ms(0));
    let first = process.at(10).message();
    assert!(process.at(11).hear(first.seq, &[], 3, true));
    // two went at once, and one is owed; the store has not heard of it yet
    let second = process.at(20).message();
    assert_eq!(second.operations[0].given_back.len(), 2);
    process.at(21).answered(call);
    assert!(process.at(22).hear(second.seq, &[0], 1, true));
    assert_eq!(process.quota.held(), 1);
    assert_eq!(process.request().given_back, [1_001]);
}

#[test]
fn what_is_given_back_is_said_until_it_is_acknowledged() {
    let mut process = busy(2);
    process.told_to_give_back(1);
    let lost = process.at(10).message();
    assert_eq!(lost.operations[0].given_back, [0]);
    process.at(210).lease.unanswered(ms(210));
    assert_eq!(process.due(), Some(ms(460)));
    let again = process.at(460).message();
    assert_eq!(
        (again.seq, again.acknowledged),
        (lost.seq + 1, lost.seq - 1)
    );
    assert_eq!(again.operations[0].given_back, [0]);
    // a late answer is thrown away whole
    assert!(!process.hear(lost.seq, &[0; 50], 0, true));
    assert_eq!(process.quota.held(), 1);
    assert!(process.hear(again.seq, &[], 0, true));
    assert_eq!(process.at(500).request().given_back, Vec::<u64>::new());
}

#[test]
fn an_idle_process_keeps_what_its_calls_surely_need_and_gives_the_rest_back_as_it_rests() {
    let mut process = busy(40);
    let calls: Vec<_> = (0..40).map(|_| process.quota.send(ms(0))).collect();
    process.quota.set_queued(0);
    process.at(50);
    for call in calls {
        process.quota.answered(call, ms(50), Admission::Admitted);
    }
    // 40 calls in four seconds: 10 − √10 / 2 = 8.4
    assert_eq!((process.quota.held(), process.is_due()), (8, true));
    assert_eq!(process.request().given_back, [1_002; 32]);
    // and when those four seconds are over, none
    process.lease.unanswered(ms(250));
    assert_eq!(process.at(4_200).request().keep, 0);
}

#[test]
fn it_wants_a_slot_for_each_call_that_waits_is_under_way_or_just_was() {
    let mut process = busy(10);
    process.quota.set_queued(3);
    process.calls(4, 20);
    let _under_way = [
        process.quota.send(process.now),
        process.quota.send(process.now),
    ];
    assert_eq!(process.quota.want(), 4 + 2 + 3);
    process.quota.set_queued(1_000);
    assert_eq!(process.request().want, 100);
}

#[test]
fn the_store_is_called_at_once_for_more_and_then_less_often_the_more_it_has() {
    let mut process = Process::new(100.0);
    assert_eq!(process.due(), None);
    process.quota.set_queued(5);
    assert_eq!(process.at(1_000).due(), Some(ms(0)));
    process.granted(&[]);
    // it holds nothing
    assert_eq!(process.due(), Some(ms(1_100)));
    // it wants more than it said
    process.quota.set_queued(6);
    assert_eq!(process.due(), Some(ms(1_005)));
    process.at(1_010).granted(&[0]);
    assert_eq!(process.due(), Some(ms(1_260)));
    process.at(1_260).granted(&[0; 5]);
    // six for six: content
    assert_eq!(process.due(), Some(ms(2_260)));
    process.quota.set_queued(0);
    process.at(2_260).granted(&[]);
    // it holds nothing and wants nothing
    assert_eq!((process.quota.held(), process.due()), (0, None));
}

#[test]
fn one_message_is_under_way_at_a_time() {
    let mut process = busy(0);
    let seq = process.at(100).message().seq;
    assert_eq!(process.due(), None);
    assert!(process.lease.awaits(seq) && !process.lease.awaits(seq - 1));
    process.lease.unanswered(ms(300));
    assert_eq!(process.due(), Some(ms(550)));
}

#[test]
fn a_process_that_the_store_does_not_know_has_nothing_even_when_its_calls_are_answered() {
    let mut process = busy(3);
    let call = process.quota.send(ms(0));
    let seq = process.at(10).message().seq;
    assert!(process.hear(seq, &[20], 0, false));
    assert_eq!(process.quota.held(), 1);
    process.at(20).answered(call);
    assert_eq!(process.quota.held(), 1);
    assert_eq!(process.turn(), Turn::WaitUntil(ms(30)));
}

#[test]
fn some_credit_comes_with_twenty_answers_and_all_of_it_with_two_seconds_worth_of_the_app() {
    let mut process = busy(100);
    process.calls(19, 40);
    process.calls(1, 60);
    assert_eq!(process.turn(), Turn::Ready);
    process.calls(80, 40);
    // 100 answers of 40.2 ms on average: 39.8 of credit
    let usable = Duration::from_micros(1_002_200);
    assert_eq!(process.turn(), Turn::WaitUntil(usable));
    process.at(1_200).calls(100, 40);
    assert_eq!(process.turn(), Turn::WaitUntil(ms(1_240 + 1_002 - 40)));
}

#[test]
fn after_a_change_of_host_there_is_no_credit() {
    let mut process = busy(20);
    process.calls(20, 40);
    process.quota.path_changed(ms(40));
    assert_eq!(process.turn(), Turn::WaitUntil(ms(1_042)));
}

#[test]
fn a_process_that_ends_gives_all_back_and_calls_in_flight_for_when_they_have_arrived() {
    let mut process = busy(3);
    process.calls(1, 20);
    let call = process.quota.send(ms(20));
    process.quota.finish(ms(20));
    assert!(process.is_due());
    let request = process.request();
    assert_eq!((request.keep, request.want), (0, 0));
    assert_eq!(request.given_back, [0, 1_002, 3_000]);
    process.at(60).answered(call);
    assert_eq!(process.quota.held(), 0);
}

#[test]
fn a_rejection_is_said_at_once_and_until_an_answer_comes() {
    let mut process = busy(1);
    let call = process.quota.send(ms(10));
    process.quota.answered(call, ms(60), Admission::TooFrequent);
    assert!(process.at(60).is_due());
    assert_eq!(process.request().rejected, Some(50));
    process.lease.unanswered(ms(260));
    let again = process.at(510).message();
    assert_eq!(again.operations[0].rejected, Some(500));
    assert!(process.hear(again.seq, &[], 0, true));
    assert_eq!(process.at(600).request().rejected, None);
}

#[test]
fn a_process_with_another_quota_gets_nothing_and_asks_once_a_second() {
    let mut process = Process::new(50.0);
    process.quota.set_queued(1);
    let seq = process.message().seq;
    assert!(process.hear(seq, &[], 0, false));
    let others = process.lease.others_terms().map(|terms| terms.slots);
    assert_eq!((others, process.due()), (Some(100), Some(ms(1_000))));
}

#[test]
fn it_says_how_much_time_has_passed_since_the_store_said_what_time_it_is() {
    let mut process = busy(0);
    process.clock = 7_000;
    let seq = process.at(1_000).message().seq;
    process.at(1_150).hear(seq, &[], 0, true);
    let elapsed = process.at(2_000).message().elapsed;
    let expected = Elapsed {
        clock: 7_000,
        at_least: 850,
        at_most: 1_000,
    };
    assert_eq!(elapsed, Some(expected));
}

#[test]
fn a_quota_below_one_call_a_second_has_one_slot_and_a_longer_window() {
    let mut process = Process::new(0.5);
    process.quota.set_queued(2);
    process.granted(&[0]);
    process.calls(1, 40);
    // 2 s, and 2 ms of each second
    assert_eq!(process.turn(), Turn::WaitUntil(ms(40 + 2_004)));
    assert_eq!(process.quota.want(), 1);
}
