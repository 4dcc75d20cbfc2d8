//! How fast changes get through beside hot accounts and bad ones, in virtual time: 100 requests a second of each operation, one
//! each 10 ms, and an answer a round trip later. A request with a user at fault fails as a whole, and so does one whose time
//! is up.

use std::collections::BTreeMap;

use super::*;

/// The quota: one request of an operation each 10 ms.
const TURN: Duration = Duration::from_millis(10);

enum Event {
    Admitted(Operation),
    Answered(Batch),
    Wake,
}

/// A service, with all that happens later.
struct World {
    plan: Plan<usize, Failed>,
    producer: ProducerId,
    now: Duration,
    round_trip: Duration,
    /// How long the answer to a get takes, if not as long as others.
    get_takes: Option<Duration>,
    /// Threads that each hold a request until it is answered.
    workers: usize,
    next_turn: [Duration; Operation::ALL.len()],
    events: BTreeMap<(Duration, u64), Event>,
    numbers: u64,
    wakes: Option<Duration>,
    requests: usize,
}

impl World {
    fn new(policy: BatchPolicy, round_trip: u64) -> World {
        let mut plan = Plan::new(Rules::default());
        let producer = plan.open(policy);
        World {
            plan,
            producer,
            now: Duration::ZERO,
            round_trip: ms(round_trip),
            get_takes: None,
            workers: usize::MAX,
            next_turn: [Duration::ZERO; Operation::ALL.len()],
            events: BTreeMap::new(),
            numbers: 0,
            wakes: None,
            requests: 0,
        }
    }

    fn push(&mut self, item: impl Into<Item>, reply: usize) {
        self.push_until(item, reply, Duration::MAX);
    }

    fn push_until(&mut self, item: impl Into<Item>, reply: usize, deadline: Duration) {
        self.plan
            .push(self.producer, item, reply, deadline, self.now);
    }

    fn at(&mut self, moment: Duration, event: Event) {
        self.numbers += 1;
        self.events.insert((moment, self.numbers), event);
    }

    /// Takes what is ready, then lets the next thing happen. False if nothing will.
    fn step(&mut self) -> bool {
        while self.workers > 0 {
            let Some(batch) = self.plan.take(self.producer, self.now) else {
                break;
            };
            self.workers -= 1;
            let operation = batch.operation();
            let turn = &mut self.next_turn[operation as usize];
            let admitted = self.now.max(*turn);
            *turn = admitted + TURN;
            self.requests += 1;
            self.at(admitted, Event::Admitted(operation));
            let get_takes = self.get_takes.filter(|_| operation == Operation::Get);
            let takes = get_takes.unwrap_or(self.round_trip);
            self.at(admitted + takes, Event::Answered(batch));
        }
        if let Readiness::NotBefore(moment) = self.plan.poll(self.producer, self.now) {
            if self.wakes.is_none_or(|wakes| moment < wakes) {
                self.wakes = Some(moment);
                self.at(moment, Event::Wake);
            }
        }
        let Some(((moment, _), event)) = self.events.pop_first() else {
            return false;
        };
        self.now = moment;
        if self.wakes.is_some_and(|wakes| wakes <= moment) {
            self.wakes = None;
        }
        match event {
            Event::Wake => {}
            Event::Admitted(operation) => self.plan.admitted(self.producer, operation),
            Event::Answered(batch) => {
                self.workers += 1;
                let mut slots = batch.slots.iter();
                let result = if batch.deadline() < self.now {
                    BatchResult::Failed(Failed::expired())
                } else if slots.any(|slot| slot.account().starts_with("bad")) {
                    bad(Scope::Account)
                } else {
                    done(vec![])
                };
                self.plan.settle(batch, result, false, self.now);
            }
        }
        true
    }
}

const BATCHER: BatchPolicy = BatchPolicy {
    linger: Duration::from_millis(10),
    late_window: BatchPolicy::LATE_WINDOW,
    capacity: 10_000,
    requests_at_once: 64,
    full_slot_is_enough: true,
    remember_rejected: false,
    probe_first: false,
};

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

/// What callers of a batcher get through, a second.
#[derive(Debug)]
struct Rate {
    good: usize,
    bad: usize,
    requests: usize,
}

/// 900 callers, each with one change at a time. One of `one_in` calls is of an unknown account: one of `unknown`, or always
/// a new one. What is counted is from the second `from` to the second `to`.
fn callers(one_in: u64, unknown: Option<u64>, from: u64, to: u64) -> Rate {
    let mut world = World::new(BATCHER, 30);
    let (mut dice, mut calls) = (Dice(7), 0_u64);
    let mut rate = Rate {
        good: 0,
        bad: 0,
        requests: 0,
    };
    let mut before = None;
    let call = |world: &mut World, dice: &mut Dice, calls: &mut u64| {
        *calls += 1;
        let (account, _) = dice.account(*calls, one_in, unknown);
        world.push(add(&account, ["a"]), 0);
    };
    for _ in 0..900 {
        call(&mut world, &mut dice, &mut calls);
    }
    while world.step() && world.now < Duration::from_secs(to) {
        if before.is_none() && world.now >= Duration::from_secs(from) {
            before = Some(world.requests);
        }
        let outcomes: Vec<_> = world.plan.take_settled(world.producer).collect();
        for settled in outcomes {
            if before.is_some() {
                rate.good += usize::from(settled.failure.is_none());
                rate.bad += usize::from(settled.failure.is_some());
            }
            call(&mut world, &mut dice, &mut calls);
        }
    }
    let seconds = usize::try_from(to - from).unwrap();
    rate.requests = (world.requests - before.unwrap_or(0)) / seconds;
    rate.good /= seconds;
    rate.bad /= seconds;
    rate
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

/// How many of `others` are done when the time is up, behind `hot` alternating changes of one account.
fn behind(hot: usize, policy: BatchPolicy, seconds: u64) -> usize {
    let mut world = World::new(policy, 50);
    let mut pushed = 0;
    let mut others = 0;
    loop {
        while world.plan.has_capacity(world.producer, Operation::Add) && pushed < hot + 1_000_000 {
            let change = match (pushed < hot, pushed % 2) {
                (true, 0) => add("hot", ["a"]),
                (true, _) => remove("hot", ["a"]),
                (false, _) => add(&format!("u{pushed}"), ["a"]),
            };
            world.push(change, pushed);
            pushed += 1;
        }
        if !world.step() || world.now > Duration::from_secs(seconds) {
            return others;
        }
        let settled = world.plan.take_settled(world.producer);
        others += settled.filter(|it| it.reply >= hot).count();
    }
}

const RUN: BatchPolicy = BatchPolicy {
    linger: Duration::from_secs(1),
    capacity: 4_096,
    full_slot_is_enough: false,
    remember_rejected: true,
    ..BATCHER
};

#[test]
fn few_unknown_accounts_take_little_from_the_others() {
    let none = callers(0, None, 1, 3);
    let [rare, many, known] = [
        (1_000, None, 2, 8),
        (100, None, 2, 8),
        (100, Some(200), 40, 45),
    ]
    .map(|(one_in, unknown, from, to)| callers(one_in, unknown, from, to));
    println!(
        "none {none:?}\n1 in 1,000 {rare:?}\n1 in 100 {many:?}\n1 in 100 of the same 200 {known:?}"
    );
    assert_eq!(none.good, 10_000);
    // with both halves of each split tested, before all else: 4,469, 721 and 728
    assert!(rare.good >= 5_000, "{rare:?}");
    // log2 of 100 and more requests find one of a hundred, so there are hardly more than 1,200
    assert!(many.good >= 900, "{many:?}");
    // once they are known, they go by themselves
    assert!(known.good >= 6_000, "{known:?}");
    assert!(
        [rare, many, known]
            .iter()
            .all(|rate| rate.bad > 0 && rate.requests <= 100)
    );
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

#[test]
fn a_hot_account_does_not_stop_the_others() {
    for policy in [RUN, BATCHER] {
        let [none, some, many] = [0, 12_000, 20_000].map(|hot| behind(hot, policy, 5));
        println!("others done in 5 s: {none}, behind 12,000 {some}, behind 20,000 {many}");
        assert!(none >= 49_000, "{none}");
        assert!(some >= 45_000 && many >= 45_000, "{some} {many}");
    }
}

#[test]
fn the_gets_of_a_hot_account_wait_for_none_of_its_changes() {
    const CALLERS: usize = 50;
    let mut world = World::new(BATCHER, 50);
    for change in 0..5_000 {
        let change = if change % 2 == 0 { add::<&str> } else { remove };
        world.push(change("hot", ["a"]), CALLERS);
    }
    let mut read = 0;
    (0..CALLERS).for_each(|caller| world.push(get("hot"), caller));
    while world.step() && world.now < Duration::from_secs(6) {
        let outcomes: Vec<_> = world.plan.take_settled(world.producer).collect();
        for settled in outcomes {
            if settled.item.operation() == Operation::Get {
                read += 1;
                world.push(get("hot"), settled.reply);
            }
        }
    }
    // each time all callers share a slot, after the linger time and a round trip: 60 ms
    println!("{read} gets in 6 s");
    assert_eq!(read, 99 * CALLERS);
}

/// The requests a second, of adds and of gets, of which there are always as many as there is capacity.
fn adds_and_gets(workers: usize, get_takes: Option<Duration>) -> [usize; 2] {
    const FROM: Duration = Duration::from_secs(2);
    const SECONDS: usize = 4;
    let mut world = World::new(BATCHER, 700);
    (world.workers, world.get_takes) = (workers, get_takes);
    let mut users = 0;
    let mut done = [0; 2];
    while world.now < FROM + Duration::from_secs(SECONDS as u64) {
        while world.plan.has_capacity(world.producer, Operation::Add) {
            users += 1;
            world.push(add(&format!("u{users}"), ["a"]), 0);
        }
        while world.plan.has_capacity(world.producer, Operation::Get) {
            users += 1;
            world.push(get(&format!("u{users}")), 1);
        }
        assert!(world.step());
        for settled in world.plan.take_settled(world.producer) {
            done[settled.reply] += usize::from(world.now >= FROM);
        }
    }
    done.map(|users| users / 100 / SECONDS)
}

#[test]
fn adds_and_gets_at_full_load_leave_each_other_half_of_few_workers() {
    let [adds, gets] = adds_and_gets(64, None);
    println!("{adds} and {gets} requests a second");
    assert!(adds >= 45 && gets >= 45, "{adds} {gets}");
}

#[test]
fn a_route_of_gets_that_hangs_takes_nothing_from_the_changes() {
    let [adds, gets] = adds_and_gets(128, Some(Duration::from_secs(10)));
    println!("{adds} and {gets} requests a second");
    // 64 workers by 0.7 s
    assert!(adds >= 90 && gets == 0, "{adds} {gets}");
}
