//! What a long outage costs, in virtual time: many calls begin all along, and nobody answers any.

use super::*;

const MINUTE: u64 = 60_000;

#[derive(Clone, Copy)]
struct Calls {
    /// One begins each so many milliseconds.
    each: u64,
    time: u64,
    /// An attempt hangs for half of what is left of its call; else it fails within a millisecond.
    hang: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Begins,
    Waits,
    Tries { started: u64, ends: u64 },
    Over,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn in_ms(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos().div_ceil(1_000_000)).unwrap()
}

/// When each attempt of a minute started and ended.
fn play(calls: Calls) -> Vec<(u64, u64)> {
    let mut outage = Outage::new(RetryPolicy::default());
    let count = usize::try_from(MINUTE / calls.each).unwrap();
    let begins = |call: usize| u64::try_from(call).unwrap() * calls.each;
    let mut doing = vec![Doing::Begins; count];
    let mut callers: Vec<Option<Caller>> = vec![None; count];
    let mut of: HashMap<Caller, usize> = HashMap::new();
    let mut events: BTreeSet<(u64, usize)> = (0..count).map(|call| (begins(call), call)).collect();
    let mut attempts = Vec::new();
    let mut random = 88_172_645_463_325_252_u64;
    while let Some((now, call)) = events.pop_first() {
        let deadline = begins(call) + calls.time;
        let mut tries = false;
        match doing[call] {
            Doing::Begins => {
                callers[call] = outage.must_wait(None, ms(now), ms(deadline));
                tries = callers[call].is_none();
            }
            Doing::Tries { started, ends } if ends <= now => {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let failure = Failure {
                    started: ms(started),
                    deadline: ms(deadline),
                    unanswered: true,
                };
                callers[call] = Some(outage.failed(callers[call], failure, ms(now), random));
            }
            Doing::Waits if now >= deadline => {
                doing[call] = Doing::Over;
                let caller = callers[call].take();
                outage.leave(caller.unwrap(), ms(now), random);
            }
            Doing::Waits => {}
            Doing::Tries { .. } | Doing::Over => continue,
        }
        if let Some(caller) = callers[call]
            && !tries
        {
            of.insert(caller, call);
            doing[call] = Doing::Waits;
            match outage.step(caller, ms(now)) {
                Step::Try => tries = true,
                Step::Wait(until) => {
                    events.insert((in_ms(until).min(deadline), call));
                }
                Step::GiveUp | Step::Spent => {
                    doing[call] = Doing::Over;
                    outage.leave(caller, ms(now), random);
                }
            }
        }
        if tries {
            let takes = if calls.hang { (deadline - now) / 2 } else { 1 };
            doing[call] = Doing::Tries {
                started: now,
                ends: now + takes,
            };
            attempts.push((now, now + takes));
            events.insert((now + takes, call));
        }
        events.extend(outage.take_woken().iter().map(|caller| (now, of[caller])));
    }
    attempts
}

fn in_each_second(attempts: &[(u64, u64)]) -> Vec<usize> {
    let seconds = 0..MINUTE / 1_000;
    let count = |second| attempts.iter().filter(|it| it.0 / 1_000 == second).count();
    seconds.map(count).collect()
}

#[test]
fn a_refusing_service_meets_two_requests_a_second_however_many_calls_there_are() {
    for each in [1, 10, 100] {
        let attempts = play(Calls {
            each,
            time: 10_000,
            hang: false,
        });
        let seconds = in_each_second(&attempts);
        println!("a call each {each} ms: {seconds:?}");
        assert!(seconds[3..].iter().all(|count| *count <= 4), "{seconds:?}");
        assert!(seconds[3..].iter().sum::<usize>() <= 57 * 5 / 2);
    }
}

#[test]
fn short_calls_have_two_last_probes_for_each_eighth_of_their_time() {
    let attempts = play(Calls {
        each: 5,
        time: 1_000,
        hang: false,
    });
    let seconds = in_each_second(&attempts);
    println!("{seconds:?}");
    assert!(seconds[3..].iter().all(|count| *count <= 20), "{seconds:?}");
}

#[test]
fn few_probes_hang_side_by_side_at_a_silent_service() {
    for (time, most) in [(1_000, 8), (10_000, 8)] {
        let attempts = play(Calls {
            each: 10,
            time,
            hang: true,
        });
        // those that began before the first had hung long enough to tell are over
        let late = attempts.iter().filter(|it| it.0 > 2 * time);
        let beside = late.map(|it| {
            let others = attempts.iter();
            others
                .filter(|other| other.0 <= it.0 && other.1 > it.0)
                .count()
        });
        let beside = beside.max().unwrap();
        println!("of {time} ms: {beside} side by side");
        assert!(beside <= most, "{beside}");
    }
}
