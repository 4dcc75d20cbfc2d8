//! Wakes the tasks of calls that are answered together.
//!
//! Outcomes come on the batcher's threads, and answers of the queue on its own. A wake of a runtime from another thread takes a
//! system call, a hundred for a request of a hundred callers, or for a commit of as many posts. So the first of them wakes the relay, which wakes their tasks from within the runtime:
//!
//! ```text
//! off ──► asleep ──► awake: wakes all that came ──┐      off: each task is woken from where it is
//!  ▲        ▲                                     │
//!  │        └─────────────────────────────────────┤
//!  └──────────────────────────────────── dropped ─┘
//! ```

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

#[derive(Default)]
pub(crate) struct Relay(Mutex<State>);

#[derive(Default)]
struct State {
    /// To be woken.
    tasks: Vec<Waker>,
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
            let here = Place::Asleep(cx.waker().clone());
            let tasks = self.turn(here);
            tasks.into_iter().for_each(Waker::wake);
            Poll::<()>::Pending
        })
        .await;
    }

    fn turn(&self, place: Place) -> Vec<Waker> {
        let mut state = self.0.lock();
        state.relay = place;
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
                state.tasks.push(task);
                relay
            }
            Place::Awake => {
                state.tasks.push(task);
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
        let tasks = self.0.turn(Place::Off);
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
