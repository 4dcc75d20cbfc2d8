//! What unknown accounts take from the others, in virtual time: on the older paths one of them fails a whole request, and the
//! answer names none.

use super::rates::{BATCHER, World};
use super::*;

/// A small generator, the same numbers each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }

    /// The account of a call, and whether it is unknown: one call of `one_in` is of one of `unknown`, or of a new one.
    fn account(&mut self, call: u64, one_in: u64, unknown: Option<u64>) -> (String, bool) {
        let bad = one_in > 0 && self.below(one_in) == 0;
        let account = if bad {
            format!("bad{}", unknown.map_or(call, |unknown| self.below(unknown)))
        } else {
            format!("u{call}")
        };
        (account, bad)
    }
}

/// Calls on 900 callers, each with one change at a time.
#[derive(Clone, Copy)]
struct Calls {
    /// One call in so many is of an unknown account; none is where it is 0.
    one_in: u64,
    /// They are of so many accounts; each is a new one where it is none.
    unknown: Option<u64>,
    /// One in so many of the others is of a new account; none is where it is 0. The rest are of the caller's own.
    new_in: u64,
}

/// What callers got through in a second.
#[derive(Debug, Default, Clone, Copy)]
struct Second {
    good: usize,
    bad: usize,
    requests: usize,
    /// The longest that one of them has waited.
    longest: Duration,
}

impl Calls {
    fn account(&self, dice: &mut Dice, caller: usize, call: u64) -> String {
        let (account, is_bad) = dice.account(call, self.one_in, self.unknown);
        let is_new = self.new_in > 0 && dice.below(self.new_in) == 0;
        if is_bad || is_new {
            account
        } else {
            format!("own{caller}")
        }
    }

    /// What they get through, second by second.
    fn run(&self, seconds: usize) -> Vec<Second> {
        let mut world = World::new(BATCHER, 50);
        let (mut dice, mut calls) = (Dice(7), 0);
        let mut since = vec![Duration::ZERO; 900];
        let mut done = vec![Second::default(); seconds + 1];
        let mut call = |world: &mut World, caller: usize| {
            calls += 1;
            let account = self.account(&mut dice, caller, calls);
            world.push(add(&account, ["a"]), caller);
        };
        (0..900).for_each(|caller| call(&mut world, caller));
        while world.step() && world.now < Duration::from_secs(seconds as u64) {
            let outcomes: Vec<_> = world.plan.take_settled(world.producer).collect();
            let second = &mut done[usize::try_from(world.now.as_secs()).unwrap()];
            second.requests += std::mem::take(&mut world.requests);
            for settled in outcomes {
                let is_bad = settled.item.account().starts_with("bad");
                assert_eq!(settled.failure.is_some(), is_bad);
                second.good += usize::from(!is_bad);
                second.bad += usize::from(is_bad);
                let waited = world.now - since[settled.reply];
                second.longest = second.longest.max(waited);
                since[settled.reply] = world.now;
                call(&mut world, settled.reply);
            }
        }
        done
    }
}

/// A second's means.
fn mean(seconds: &[Second]) -> Second {
    let sum = |of: fn(&Second) -> usize| seconds.iter().map(of).sum::<usize>() / seconds.len();
    Second {
        good: sum(|it| it.good),
        bad: sum(|it| it.bad),
        requests: sum(|it| it.requests),
        longest: seconds.iter().map(|it| it.longest).max().unwrap(),
    }
}

/// One call in 100 is of one of 200 unknown accounts, as is said of it.
const OF_200: Calls = Calls {
    one_in: 100,
    unknown: Some(200),
    new_in: 0,
};

#[test]
fn the_others_have_half_on_the_mean_of_the_first_seconds_and_more_then_where_their_accounts_come_again()
 {
    let none = Calls {
        one_in: 0,
        ..OF_200
    }
    .run(4);
    assert_eq!(mean(&none[1..4]).good, 10_000);
    let seconds = OF_200.run(70);
    let [cold, learning, warm] = [0..1, 1..8, 8..70].map(|it| mean(&seconds[it]));
    println!("cold {cold:?}\nlearning {learning:?}\nwarm {warm:?}");
    assert!(learning.good >= 4_850, "{learning:?}");
    let least = seconds[8..70].iter().map(|it| it.good).min().unwrap();
    assert!(least >= 7_000, "{least}");
    // 200 in turn have a quarter of 100 requests a second
    assert!(
        warm.bad >= 60 && warm.longest <= Duration::from_secs(11),
        "{warm:?}"
    );
}

#[test]
fn unknown_accounts_that_are_always_new_leave_half_to_accounts_that_come_again() {
    let seconds = Calls {
        unknown: None,
        ..OF_200
    }
    .run(25);
    let [learning, warm] = [1..8, 8..25].map(|it| mean(&seconds[it]));
    println!("learning {learning:?}\nwarm {warm:?}");
    assert!(
        learning.good >= 4_850 && warm.good >= 4_850,
        "{learning:?} {warm:?}"
    );
    // each takes a request, and as many callers wait for one as would do 99 calls of others
    assert!(warm.bad >= 30, "{warm:?}");
}

#[test]
fn accounts_that_come_for_the_first_time_get_through_as_fast_as_faults_are_found() {
    // also where nobody comes again, log2 of 100 and more requests find one of a hundred: hardly more than 1,200 get through
    for new_in in [1, 4] {
        let many = Calls {
            unknown: None,
            new_in,
            ..OF_200
        }
        .run(12);
        let known = Calls { new_in, ..OF_200 }.run(40);
        let (many, learning, known) =
            (mean(&many[2..12]), mean(&known[0..8]), mean(&known[32..40]));
        println!("new in {new_in}: many {many:?}\nlearning {learning:?}\nknown {known:?}");
        assert!(
            many.good >= 900 && many.longest <= Duration::from_secs(12),
            "{many:?}"
        );
        assert!(learning.good >= 900, "{learning:?}");
        // once they are known, they go by themselves
        assert!(known.good >= 7_000, "{known:?}");
    }
}

#[test]
fn one_unknown_account_in_a_thousand_calls_takes_less_than_half() {
    for new_in in [0, 1] {
        let rare = Calls {
            one_in: 1_000,
            unknown: None,
            new_in,
        }
        .run(10);
        let rare = mean(&rare[1..10]);
        println!("new in {new_in}: {rare:?}");
        assert!(
            rare.good >= 5_000 && rare.bad > 0 && rare.requests <= 100,
            "{rare:?}"
        );
    }
}

#[test]
fn unknown_accounts_do_not_starve_a_trickle_of_good_ones() {
    let mut world = World::new(BATCHER, 30);
    for at in 0..200 {
        world.push(add(&format!("bad{at}"), ["a"]), at);
    }
    let mut good = 0;
    world.push(add("good", ["a"]), 200);
    while world.step() && world.now < Duration::from_secs(10) {
        let outcomes: Vec<_> = world.plan.take_settled(world.producer).collect();
        for settled in outcomes {
            good += usize::from(settled.failure.is_none());
            let again = add(settled.item.account(), ["a"]);
            world.push(again, settled.reply);
        }
    }
    // one caller: once the others are known, each of its calls takes the linger time, a turn or two and a round trip
    println!("{good} of one caller in 10 s");
    assert!(good >= 60, "{good}");
}

/// What becomes of good changes that are submitted as fast as there is capacity, as by a thread that reads a queue.
#[derive(Debug, Default)]
struct Open {
    done: usize,
    failed: usize,
    longest: Duration,
}

/// The same faults as of `callers`. Each change has 30 s. Those that come before the second `from` do not count, and those
/// that are still there in the end count by their time.
fn open(one_in: u64, unknown: Option<u64>, from: u64, to: u64) -> Open {
    let mut world = World::new(BATCHER, 30);
    let mut dice = Dice(7);
    let mut pushed: Vec<(Duration, bool, bool)> = Vec::new();
    let mut open = Open::default();
    while world.now < Duration::from_secs(to) {
        while world.plan.has_capacity(world.producer, Operation::Add) {
            let call = pushed.len();
            let (account, bad) = dice.account(call as u64, one_in, unknown);
            let deadline = world.now + Duration::from_secs(30);
            pushed.push((world.now, bad, false));
            world.push_until(add(&account, ["a"]), call, deadline);
        }
        assert!(world.step());
        for settled in world.plan.take_settled(world.producer) {
            let (since, bad, over) = &mut pushed[settled.reply];
            *over = true;
            if !*bad && *since >= Duration::from_secs(from) {
                open.done += usize::from(settled.failure.is_none());
                open.failed += usize::from(settled.failure.is_some());
                open.longest = open.longest.max(world.now - *since);
            }
        }
    }
    let left = pushed.iter().filter(|(_, bad, over)| !bad && !over);
    let longest = left.map(|(since, ..)| world.now - *since).max();
    open.longest = open.longest.max(longest.unwrap_or_default());
    open
}

#[test]
fn no_good_change_fails_by_its_time_or_waits_long_where_the_capacity_is_kept_full() {
    // the time in the plan is the capacity by the rate (10,000 by 5,500 or 1,000 a second), and about a second to find a
    // fault; the same 200 are new at first
    for (one_in, unknown, from, to, longest) in [
        (1_000, None, 0, 40, 5),
        (100, None, 0, 40, 15),
        (100, Some(200), 0, 40, 15),
        (100, Some(200), 40, 60, 5),
    ] {
        let open = open(one_in, unknown, from, to);
        println!("1 in {one_in} of {unknown:?} from {from} s: {open:?}");
        assert_eq!(open.failed, 0, "{open:?}");
        assert!(open.longest <= Duration::from_secs(longest), "{open:?}");
    }
}

#[test]
fn an_account_that_is_imported_is_a_suspect_no_longer_once_it_had_its_turn() {
    let mut world = World::new(BATCHER, 50);
    let mut done = Vec::new();
    for at in 0..900 {
        let name = if at < 200 { "bad" } else { "own" };
        world.push(add(&format!("{name}{at}"), ["a"]), at);
    }
    while world.step() && world.now < Duration::from_secs(60) {
        if world.now >= Duration::from_secs(40) {
            world.imported = Some("bad7");
        }
        let outcomes: Vec<_> = world.plan.take_settled(world.producer).collect();
        for settled in outcomes {
            let account = settled.item.account();
            if account == "bad7" && settled.failure.is_none() {
                done.push(world.now);
            }
            world.push(add(account, ["a"]), settled.reply);
        }
    }
    // 199 others have their turns before it
    println!("done at {:?}, and {} times", done.first(), done.len());
    assert!(done[0] <= Duration::from_secs(50), "{done:?}");
    assert!(done.len() >= 80, "{done:?}");
}
