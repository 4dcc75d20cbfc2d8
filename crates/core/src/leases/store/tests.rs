//! The store's side, rule by rule, with literal times.

use super::*;

const TERMS: Terms = Terms {
    slots: 10,
    window: 1_000,
};

/// A store, and processes that are no more than what they say.
struct Stage {
    store: Store,
    run: &'static str,
    time: u64,
}

/// What a process says of its one operation; the rest is what is usual.
#[derive(Debug, Clone, Default)]
struct Says {
    seq: u64,
    acknowledged: Option<u64>,
    keep: u32,
    given_back: Vec<u64>,
    want: u32,
    rejected: Option<u64>,
    elapsed: Option<Elapsed>,
    lease_is_over: bool,
}

impl Stage {
    /// One whose state was written by hand.
    fn fresh() -> Stage {
        Stage {
            store: Store::fresh("1", 100_000, TERMS),
            run: "1",
            time: 100_000,
        }
    }

    fn after(&mut self, millis: u64) -> &mut Stage {
        self.time += millis;
        self
    }

    fn hear(&mut self, holder: &str, says: Says) -> Answer {
        let mut message = Message {
            holder: holder.to_owned(),
            terms: TERMS,
            seq: says.seq,
            acknowledged: says.acknowledged.unwrap_or(says.seq - 1),
            holds_lease: !says.lease_is_over,
            elapsed: says.elapsed,
            operations: Default::default(),
        };
        message.operations[0] = Request {
            keep: says.keep,
            given_back: says.given_back,
            want: says.want,
            rejected: says.rejected,
            round_trip: 50,
        };
        self.store.call(self.run, self.time, &message)
    }

    /// A process says that it has so many and wants so many; what it is granted, and what it is to give back.
    fn wants(&mut self, holder: &str, seq: u64, keep: u32, want: u32) -> (Vec<u64>, u32) {
        let answer = self.hear(
            holder,
            Says {
                seq,
                keep,
                want,
                ..Says::default()
            },
        );
        assert!(answer.known);
        let [Grant { granted, give_back }, ..] = answer.operations;
        (granted, give_back)
    }

    fn held_and_pooled(&self) -> (u64, u64) {
        self.store.held_and_pooled(Operation::Add).expect("a state")
    }
}

#[test]
fn one_process_gets_all_that_it_wants_and_others_their_share_of_it() {
    let mut stage = Stage::fresh();
    assert_eq!(stage.wants("a", 1, 0, 10), (vec![0; 10], 0));
    // looked at just before: nobody knows of b's want yet
    assert_eq!(stage.wants("b", 1, 0, 10), (vec![], 0));
    assert_eq!(stage.after(100).wants("a", 2, 10, 10), (vec![], 5));
    let gives = Says {
        seq: 3,
        keep: 5,
        want: 10,
        given_back: vec![0, 0, 300, 700, 1_002],
        ..Says::default()
    };
    assert_eq!(
        stage.hear("a", gives).operations[0].granted,
        Vec::<u64>::new()
    );
    assert_eq!(stage.held_and_pooled(), (5, 5));
    // ahead of their time up to three
    assert_eq!(stage.wants("b", 2, 0, 10), (vec![0, 0, 300], 0));
    assert_eq!(stage.after(699).wants("b", 3, 3, 10), (vec![], 0));
    assert_eq!(stage.after(1).wants("b", 4, 3, 10), (vec![0], 0));
}

#[test]
fn what_is_left_over_goes_round() {
    let mut stage = Stage::fresh();
    for (place, holder) in ["a", "b", "c", "d"].iter().enumerate() {
        stage.wants(holder, 1, 0, if place == 0 { 10 } else { 3 });
    }
    // 10 for 3, 3, 3 and a: 2 each, and two of them one more
    stage.after(100).wants("a", 2, 10, 10);
    let targets = |stage: &Stage| {
        let state = stage.store.state.as_ref().expect("a state");
        let level = state.operations[0].level;
        let targets = state
            .processes
            .values()
            .map(|it| it.shares[0].target(level));
        targets.collect::<Vec<_>>()
    };
    assert_eq!(targets(&stage), [3, 3, 2, 2]);
    for seq in 3..42 {
        let before = targets(&stage);
        assert_eq!(before, [3, 3, 2, 2]);
        stage.after(100);
        for holder in ["a", "b", "c", "d"] {
            stage.wants(holder, seq, 0, if holder == "a" { 10 } else { 3 });
        }
    }
    stage.after(100).wants("a", 42, 0, 10);
    // four seconds later it is the others' turn
    assert_eq!(targets(&stage), [2, 2, 3, 3]);
}

#[test]
fn slots_of_a_lease_that_is_over_are_free_3002_ms_later() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 10);
    for seq in 1..=5 {
        stage.after(1_600).wants("b", seq, 0, 10);
    }
    // 5,000 and 3,002 after 100,000
    assert_eq!(stage.after(1).wants("b", 6, 0, 10), (vec![], 0));
    assert_eq!(stage.after(100).wants("b", 7, 0, 10), (vec![0; 10], 0));
}

#[test]
fn a_message_that_comes_late_changes_nothing() {
    let mut stage = Stage::fresh();
    stage.wants("a", 5, 0, 4);
    let before = stage.held_and_pooled();
    let answer = stage.hear(
        "a",
        Says {
            seq: 5,
            want: 10,
            ..Says::default()
        },
    );
    assert_eq!(answer.operations, <[Grant; OPERATIONS]>::default());
    assert_eq!((before, stage.held_and_pooled()), ((4, 6), (4, 6)));
}

#[test]
fn a_process_that_says_it_has_more_than_it_was_given_has_nothing_and_its_slots_rest() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 4);
    let says = Says {
        seq: 2,
        keep: 5,
        want: 10,
        ..Says::default()
    };
    let answer = stage.after(100).hear("a", says);
    assert!(!answer.known);
    assert_eq!(answer.operations[0].granted, [0; 6]);
    stage.after(1_501).wants("b", 1, 0, 0);
    assert_eq!(stage.after(1_500).wants("a", 3, 6, 10), (vec![], 0));
    assert_eq!(stage.after(1).wants("a", 4, 6, 10), (vec![0; 4], 0));
}

#[test]
fn what_was_granted_in_an_answer_that_was_not_heard_rests_for_another_second() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 4);
    // it heard nothing, and gives back nothing; then it heard of a second grant
    let says = Says {
        seq: 2,
        acknowledged: Some(0),
        ..Says::default()
    };
    assert!(stage.after(100).hear("a", says).known);
    assert_eq!(stage.held_and_pooled(), (0, 10));
    stage.wants("b", 1, 0, 10);
    assert_eq!(stage.after(1_001).wants("b", 2, 6, 10), (vec![], 0));
    assert_eq!(stage.after(1).wants("b", 3, 6, 10), (vec![0; 4], 0));
}

#[test]
fn what_is_said_again_is_taken_in_once() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 5);
    let mut says = Says {
        seq: 2,
        keep: 3,
        want: 3,
        given_back: vec![400, 500],
        ..Says::default()
    };
    stage.hear("a", says.clone());
    assert_eq!(stage.held_and_pooled(), (3, 7));
    // the answer was lost: again, and one more
    says.seq = 3;
    says.acknowledged = Some(1);
    [says.keep, says.want] = [2, 2];
    says.given_back = vec![300, 400, 700];
    stage.after(100).hear("a", says);
    assert_eq!(stage.held_and_pooled(), (2, 8));
    let pool = &stage.store.state.as_ref().expect("a state").operations[0].pool;
    assert_eq!(pool[5..], [100_400, 100_500, 100_100 + 700 + 1_002]);
}

#[test]
fn a_store_that_lost_all_believes_processes_until_their_leases_are_over() {
    for run in ["1", "2"] {
        let mut stage = Stage::fresh();
        stage.wants("a", 1, 0, 6);
        stage.after(100);
        if run == "1" {
            stage.store = Store::default();
        }
        stage.run = run;
        // a newcomer waits for leases that may last
        assert_eq!(stage.wants("b", 1, 0, 10), (vec![], 0));
        for seq in 2..=4 {
            stage.after(1_600).wants("b", seq, 0, 10);
        }
        assert_eq!(stage.after(99).wants("a", 2, 6, 6), (vec![], 0));
        assert_eq!(stage.held_and_pooled(), (6, 4));
        // seen from 100,100: the lease and what it takes for the last call to arrive
        assert_eq!(stage.after(1_500).wants("b", 5, 0, 10), (vec![], 0));
        assert_eq!(stage.after(1_500).wants("b", 6, 0, 10), (vec![103; 3], 0));
        assert_eq!(stage.after(102).wants("b", 7, 3, 10), (vec![], 0));
        assert_eq!(stage.after(1).wants("b", 8, 3, 10), (vec![0], 0));
    }
}

#[test]
fn a_store_that_lost_all_believes_nothing_after_that_nor_of_a_lease_that_is_over() {
    for (after, lease_is_over) in [(4_999, true), (5_000, false)] {
        let mut stage = Stage::fresh();
        stage.store = Store::default();
        stage.wants("b", 1, 0, 1);
        for seq in 2..=5 {
            stage.after(1_000).wants("b", seq, 0, 1);
        }
        let says = Says {
            seq: 9,
            keep: 6,
            want: 6,
            lease_is_over,
            ..Says::default()
        };
        assert!(!stage.after(after - 4_000).hear("a", says).known);
    }
}

#[test]
fn a_clock_that_is_set_moves_no_more_than_processes_have_seen_pass() {
    let mut stage = Stage::fresh();
    let mut clock = stage
        .hear(
            "a",
            Says {
                seq: 1,
                ..Says::default()
            },
        )
        .clock;
    let start = clock;
    for (seq, set) in [(2, 3_600_000), (3, 0), (4, -3_600_000), (5, 40)] {
        stage.time = stage.time.checked_add_signed(set + 500).expect("a time");
        let elapsed = Some(Elapsed {
            clock,
            at_least: 499,
            at_most: 501,
        });
        clock = stage
            .hear(
                "a",
                Says {
                    seq,
                    elapsed,
                    ..Says::default()
                },
            )
            .clock;
    }
    assert_eq!(clock - start, 499 + 500 + 499 + 499);
}

#[test]
fn no_lease_is_over_at_once_after_a_time_in_which_nobody_could_call() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 4);
    stage.after(60_000).wants("b", 1, 0, 10);
    assert_eq!(stage.wants("a", 2, 4, 4), (vec![], 0));
}

#[test]
fn a_rejection_takes_a_tenth_of_the_slots_from_all_and_once() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 5);
    stage.after(100).wants("b", 1, 0, 5);
    let mut says = Says {
        seq: 2,
        keep: 5,
        want: 5,
        rejected: Some(20),
        ..Says::default()
    };
    stage.after(100).hear("b", says.clone());
    // nine slots: 4 each, and one of them 5
    assert_eq!(stage.after(1).wants("a", 2, 5, 5), (vec![], 0));
    says.seq = 3;
    says.rejected = Some(100);
    let answer = stage.after(1_900).hear("b", says.clone());
    assert_eq!(answer.operations[0].give_back, 1);
    // what was sent more than two seconds after the cut counts
    says.seq = 4;
    says.rejected = Some(10);
    stage.after(111).hear("b", says);
    let state = stage.store.state.as_ref().expect("a state");
    assert_eq!(state.operations[0].cut.cap(10, state.clock), 8);
}

#[test]
fn a_process_with_another_quota_gets_nothing_while_others_live() {
    let mut stage = Stage::fresh();
    stage.wants("a", 1, 0, 1);
    let message = |seq| Message {
        holder: "b".to_owned(),
        terms: Terms {
            slots: 20,
            window: 1_000,
        },
        seq,
        acknowledged: seq - 1,
        holds_lease: false,
        elapsed: None,
        operations: std::array::from_fn(|_| Request {
            want: 20,
            ..Request::default()
        }),
    };
    let answer = stage.store.call("1", stage.time, &message(1));
    assert_eq!((answer.known, answer.terms), (false, TERMS));
    // until the last of them is gone
    for seq in 2..=6 {
        stage.after(2_000);
        stage.store.call("1", stage.time, &message(seq));
    }
    let answer = stage.after(3_002);
    let time = answer.time;
    let answer = stage.store.call("1", time, &message(7));
    assert_eq!(answer.terms.slots, 20);
}
