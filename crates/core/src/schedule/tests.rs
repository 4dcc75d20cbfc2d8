//! Scenarios of the schedule in virtual time. A [`Rig`] is a schedule and its clock; requests and outcomes are
//! written out as text, so that each test shows what is sent and what is said.

mod accounts;
mod endings;
mod faults;
mod lanes;
mod model;
mod recount;
mod service;
mod splits;

use super::*;

const SETTLING: Duration = Duration::from_secs(2);

const PACE: Pace = Pace {
    linger: Duration::from_millis(10),
    settling: SETTLING,
    room: 1_000,
    full_slot_is_enough: true,
    remembers: true,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// `count` tags, from `t{from}` on.
fn tags(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|tag| format!("t{tag}")).collect()
}

fn fault(concerns: Concerns) -> Fault<&'static str> {
    Fault {
        why: "bad",
        effect: Effect::NotApplied,
        concerns,
    }
}

fn left_out(
    account: &str,
    concerns: Concerns,
    again_at: Option<Duration>,
) -> LeftOut<&'static str> {
    LeftOut {
        account: account.to_owned(),
        fault: fault(concerns),
        again_at,
    }
}

fn done(left_out: Vec<LeftOut<&'static str>>) -> Verdict<&'static str> {
    Verdict::Done { left_out }
}

/// A request in words: `add u:a,b v:c`.
fn text(batch: &Batch) -> String {
    let slots = batch.slots().iter().map(|slot| {
        let tags: Vec<&str> = slot.tags().collect();
        format!(" {}:{}", slot.account(), tags.join(","))
    });
    format!("{}{}", batch.operation(), slots.collect::<String>())
}

struct Rig {
    schedule: Schedule<u32, &'static str>,
    source: Source,
    now: Duration,
    pushed: u32,
}

impl Rig {
    /// With one source, of this pace.
    fn of(pace: Pace) -> Rig {
        let mut schedule = Schedule::new(Rules::default());
        let source = schedule.open(pace);
        Rig {
            schedule,
            source,
            now: ms(1_000),
            pushed: 0,
        }
    }

    fn new() -> Rig {
        Rig::of(PACE)
    }

    fn push_by(&mut self, source: Source, change: Change) -> Number {
        self.pushed += 1;
        let reply = self.pushed - 1;
        self.schedule
            .push(source, change, reply, Duration::MAX, self.now)
    }

    /// Pushes a change; its reply is how many were pushed before it.
    fn push(&mut self, change: Change) -> Number {
        self.push_by(self.source, change)
    }

    fn push_until(&mut self, change: Change, deadline: Duration) -> Number {
        self.pushed += 1;
        let reply = self.pushed - 1;
        self.schedule
            .push(self.source, change, reply, deadline, self.now)
    }

    fn hurry(&mut self) {
        self.schedule.hurry(self.source, true);
    }

    fn next_by(&mut self, source: Source) -> Next {
        self.schedule.next(source, self.now)
    }

    fn next(&mut self) -> Next {
        self.next_by(self.source)
    }

    /// The next request, which has its turn at once.
    #[track_caller]
    fn take_by(&mut self, source: Source) -> Batch {
        let Next::Send(batch) = self.next_by(source) else {
            panic!("nothing to send: {:#?}", self.schedule);
        };
        self.schedule.had_its_turn(source, batch.operation());
        batch
    }

    #[track_caller]
    fn take(&mut self) -> Batch {
        self.take_by(self.source)
    }

    /// Requests are to be there, of these words.
    #[track_caller]
    fn sends<const N: usize>(&mut self, words: [&str; N]) -> [Batch; N] {
        let batches = words.map(|words| {
            let batch = self.take();
            assert_eq!(text(&batch), words);
            batch
        });
        assert!(!matches!(self.next(), Next::Send(_)), "one more");
        batches
    }

    #[track_caller]
    fn waits(&mut self) {
        let next = self.next();
        assert!(matches!(next, Next::Wait), "{next:?}");
    }

    #[track_caller]
    fn waits_until(&mut self, moment: Duration) {
        match self.next() {
            Next::WaitUntil(until) => assert_eq!(until, moment),
            next => panic!("{next:?}"),
        }
    }

    fn settle(&mut self, batch: Batch, verdict: Verdict<&'static str>) {
        self.schedule.settle(batch, verdict, false, self.now);
    }

    fn done(&mut self, batch: Batch) {
        self.settle(batch, done(vec![]));
    }

    /// An attempt of it was given up before it was done.
    fn done_late(&mut self, batch: Batch) {
        self.schedule.settle(batch, done(vec![]), true, self.now);
    }

    /// The outcomes of a source since the last look: `0 done`, or `1 Request("bad") not applied [0, 1]`.
    fn outcomes_by(&mut self, source: Source) -> Vec<String> {
        let settled = self.schedule.take_settled(source).into_iter();
        let words = settled.map(|settled| match settled.failed {
            None => format!("{} done", settled.reply),
            Some(failed) => format!(
                "{} {:?} {} {:?}",
                settled.reply, failed.why, failed.effect, failed.undone
            ),
        });
        words.collect()
    }

    fn outcomes(&mut self) -> Vec<String> {
        self.outcomes_by(self.source)
    }

    /// Nothing is kept when all is over.
    #[track_caller]
    fn is_empty(&mut self) {
        self.now += SETTLING;
        self.next();
        assert_empty(&self.schedule);
    }
}

#[track_caller]
fn assert_empty<R, E: Clone + std::fmt::Debug>(schedule: &Schedule<R, E>) {
    assert!(schedule.changes.is_empty());
    assert!(schedule.accounts.is_empty());
    assert!(schedule.settling.is_empty());
    for of in schedule.sources.values() {
        assert_eq!((of.unsent, of.under_way), (0, 0));
        assert!(of.unsettled.is_empty());
        for lane in &of.lanes {
            assert!(lane.packer.is_empty() && lane.again.is_empty());
            assert!(lane.since.is_none() && lane.awaits_its_turn.is_none());
            assert!(!lane.full_slot && lane.behind == 0);
        }
    }
}
