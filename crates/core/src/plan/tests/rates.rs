//! How fast changes get through beside hot accounts, in virtual time: 100 requests a second of each operation, one each 10 ms,
//! and an answer a round trip later. A request with a user at fault fails as a whole, and so does one whose time is up.

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
pub(super) struct World {
    pub(super) plan: Plan<usize, Failed>,
    pub(super) producer: ProducerId,
    pub(super) now: Duration,
    round_trip: Duration,
    /// How long the answer to a get takes, if not as long as others.
    get_takes: Option<Duration>,
    /// Threads that each hold a request until it is answered.
    workers: usize,
    next_turn: [Duration; Operation::ALL.len()],
    events: BTreeMap<(Duration, u64), Event>,
    numbers: u64,
    wakes: Option<Duration>,
    pub(super) requests: usize,
    /// An account that is known by now, though it is called bad.
    pub(super) imported: Option<&'static str>,
}

impl World {
    pub(super) fn new(policy: BatchPolicy, round_trip: u64) -> World {
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
            imported: None,
        }
    }

    pub(super) fn push(&mut self, item: impl Into<Item>, reply: usize) {
        self.push_until(item, reply, Duration::MAX);
    }

    pub(super) fn push_until(&mut self, item: impl Into<Item>, reply: usize, deadline: Duration) {
        self.plan
            .push(self.producer, item, reply, deadline, self.now);
    }

    fn is_bad(&self, account: &str) -> bool {
        account.starts_with("bad") && self.imported != Some(account)
    }

    fn at(&mut self, moment: Duration, event: Event) {
        self.numbers += 1;
        self.events.insert((moment, self.numbers), event);
    }

    /// Takes what is ready, then lets the next thing happen. False if nothing will.
    pub(super) fn step(&mut self) -> bool {
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
                } else if slots.any(|slot| self.is_bad(slot.account())) {
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

pub(super) const BATCHER: BatchPolicy = BatchPolicy {
    linger: Duration::from_millis(10),
    late_window: BatchPolicy::LATE_WINDOW,
    capacity: 10_000,
    requests_at_once: 64,
    full_slot_is_enough: true,
    remember_rejected: false,
    probe_first: false,
};

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
