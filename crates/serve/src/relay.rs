//! Wakes the tasks of calls that are answered together.
//!
//! Outcomes come on the batcher's threads, and answers of the queue on its own. A wake of a runtime from another thread takes a
//! system call, a hundred for a request of a hundred callers, or for a commit of as many posts. So the first of them wakes the relay, which wakes their tasks from within the runtime:
//!
//! ```text
//! off ──► asleep ──► awake: wakes what came, a few a turn ──┐      off: each task is woken from where it is
//!  ▲        ▲                                               │
//!  │        └───────────────────────────────────────────────┤
//!  └────────────────────────────────────────────── dropped ─┘
//! ```
//!
//! Between two turns the runtime takes new connections. So the callers that were answered first, and come again at once, are
//! in a request before all others of a larger burst are answered; and bursts that have met are apart from then on.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// How many tasks are woken in a turn: as many as the runtime runs before it looks for new connections.
const IN_A_TURN: usize = 16;

#[derive(Default)]
pub(crate) struct Relay(Mutex<State>);

#[derive(Default)]
struct State {
    /// To be woken.
    tasks: VecDeque<Waker>,
    relay: Place,
}

#[derive(Default)]
enum Place {
    #[default]
    Off,
    Asleep(Waker),
    Awake,
}

impl Relay {
    /// Relays wakes until it is dropped. To be polled in the runtime of the tasks.
    pub(crate) async fn run(&self) {
        let _off = Off(self);
        poll_fn(|cx| {
            let (tasks, has_more) = self.turn(cx.waker());
            tasks.into_iter().for_each(Waker::wake);
            if has_more {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    /// Those whose turn it is, and whether there are others: then the relay stays awake.
    fn turn(&self, relay: &Waker) -> (VecDeque<Waker>, bool) {
        let mut state = self.0.lock();
        let turn = state.tasks.len().min(IN_A_TURN);
        let later = state.tasks.split_off(turn);
        let has_more = !later.is_empty();
        state.relay = if has_more {
            Place::Awake
        } else {
            Place::Asleep(relay.clone())
        };
        (mem::replace(&mut state.tasks, later), has_more)
    }

    fn off(&self) -> VecDeque<Waker> {
        let mut state = self.0.lock();
        state.relay = Place::Off;
        mem::take(&mut state.tasks)
    }

    /// Wakers are woken when the lock is free, as they are another's code.
    fn wake(&self, task: Waker) {
        let mut state = self.0.lock();
        let woken = match mem::replace(&mut state.relay, Place::Awake) {
            Place::Off => {
                state.relay = Place::Off;
                task
            }
            Place::Asleep(relay) => {
                state.tasks.push_back(task);
                relay
            }
            Place::Awake => {
                state.tasks.push_back(task);
                return;
            }
        };
        drop(state);
        woken.wake();
    }
}

/// Turns the relay off when it is dropped.
struct Off<'r>(&'r Relay);

impl Drop for Off<'_> {
    fn drop(&mut self) {
        let tasks = self.0.off();
        tasks.into_iter().for_each(Waker::wake);
    }
}

/// A future that is woken by the relay.
pub(crate) struct Relayed<F> {
    future: F,
    relay: Arc<Relay>,
    /// Of the task that polls, and what wakes it.
    wakers: Option<(Waker, Waker)>,
}

struct ByRelay {
    task: Waker,
    relay: Arc<Relay>,
}

impl Wake for ByRelay {
    fn wake(self: Arc<Self>) {
        self.relay.wake(self.task.clone());
    }
}

impl<F> Relayed<F> {
    pub(crate) fn new(future: F, relay: &Arc<Relay>) -> Relayed<F> {
        Relayed {
            future,
            relay: Arc::clone(relay),
            wakers: None,
        }
    }

    pub(crate) fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future + Unpin> Future for Relayed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let (task, relay) = (cx.waker(), &this.relay);
        let known = this.wakers.take().filter(|(of, _)| of.will_wake(task));
        let (_, waker) = this.wakers.insert(known.unwrap_or_else(|| {
            let by_relay = ByRelay {
                task: task.clone(),
                relay: Arc::clone(relay),
            };
            (task.clone(), Waker::from(Arc::new(by_relay)))
        }));
        Pin::new(&mut this.future).poll(&mut Context::from_waker(waker))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[derive(Default)]
    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A task, and how often it was woken.
    fn task() -> (Arc<Counts>, Waker) {
        let counts = Arc::new(Counts::default());
        (Arc::clone(&counts), counts.into())
    }

    #[test]
    fn tasks_are_woken_by_one_wake_of_the_relay_or_each_by_itself_where_it_does_not_run() {
        let relay = Arc::new(Relay::default());
        let tasks: Vec<_> = (0..3).map(|_| task()).collect();
        let woken = || tasks.iter().map(|(counts, _)| counts.0.load(SeqCst));
        let wake_all = || tasks.iter().for_each(|(_, task)| relay.wake(task.clone()));
        wake_all();
        assert_eq!(woken().collect::<Vec<_>>(), [1; 3]);
        let (counts, its) = task();
        let mut cx = Context::from_waker(&its);
        {
            let mut run = pin!(relay.run());
            for turn in 1..3 {
                assert!(run.as_mut().poll(&mut cx).is_pending());
                assert_eq!(woken().collect::<Vec<_>>(), [turn; 3]);
                wake_all();
                assert_eq!(woken().collect::<Vec<_>>(), [turn; 3]);
                assert_eq!(counts.0.load(SeqCst), turn);
            }
        }
        assert_eq!(woken().collect::<Vec<_>>(), [3; 3], "the last are not lost");
        wake_all();
        assert_eq!(woken().collect::<Vec<_>>(), [4; 3]);
    }

    #[test]
    fn many_tasks_are_woken_in_turns_and_the_relay_asks_for_each() {
        let relay = Arc::new(Relay::default());
        let tasks: Vec<_> = (0..2 * IN_A_TURN + 1).map(|_| task()).collect();
        let woken = || {
            let counts = tasks.iter().map(|(counts, _)| counts.0.load(SeqCst));
            counts.sum::<usize>()
        };
        let (counts, its) = task();
        let mut cx = Context::from_waker(&its);
        let mut run = pin!(relay.run());
        assert!(run.as_mut().poll(&mut cx).is_pending());
        tasks.iter().for_each(|(_, task)| relay.wake(task.clone()));
        for (turn, expected) in [IN_A_TURN, 2 * IN_A_TURN, tasks.len()].iter().enumerate() {
            assert_eq!(counts.0.load(SeqCst), turn + 1);
            assert!(run.as_mut().poll(&mut cx).is_pending());
            assert_eq!(woken(), *expected);
        }
        assert_eq!(counts.0.load(SeqCst), 3, "it sleeps");
    }

    #[test]
    fn a_future_wakes_the_task_that_has_polled_it_last() {
        let relay = Arc::new(Relay::default());
        let mut waker = None;
        let future = poll_fn(|cx| {
            waker = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        let mut relayed = Relayed::new(future, &relay);
        let [(first, its), (second, others)] = [task(), task()];
        for task in [&its, &others, &others] {
            let polled = Pin::new(&mut relayed).poll(&mut Context::from_waker(task));
            assert!(polled.is_pending());
        }
        drop(relayed);
        waker.unwrap().wake();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
    }
}
