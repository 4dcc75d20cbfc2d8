//! What is asked of the store's thread: an answer that a thread or a task waits for. It needs no runtime.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::byte_limit::Taken;
use crate::error::Refused;

/// An answer to come: a future of any runtime, or [`wait`](Answer::wait) for it on a thread. What was asked for is done
/// whether or not the answer is taken; only of a post whose answer is dropped it is not known whether it is stored.
#[must_use = "what was asked for may have been refused"]
pub struct Answer<T>(Arc<Shared<T>>);

/// Where it is given.
pub(crate) struct Reply<T> {
    to: Option<Arc<Shared<T>>>,
    /// What was asked takes these bytes until it is answered.
    taken: Option<Taken>,
}

struct Shared<T> {
    slot: Mutex<Slot<T>>,
    is_given: Condvar,
}

struct Slot<T> {
    answer: Option<Result<T, Refused>>,
    /// It is being done.
    has_begun: bool,
    waker: Option<Waker>,
}

/// An answer that is there already.
pub(crate) fn given<T>(answer: Result<T, Refused>) -> Answer<T> {
    let (reply, given) = channel();
    reply.give(answer);
    given
}

/// A reply, and the answer that it gives.
pub(crate) fn channel<T>() -> (Reply<T>, Answer<T>) {
    let shared = Arc::new(Shared {
        slot: Mutex::new(Slot {
            answer: None,
            has_begun: false,
            waker: None,
        }),
        is_given: Condvar::new(),
    });
    let reply = Reply {
        to: Some(Arc::clone(&shared)),
        taken: None,
    };
    (reply, Answer(shared))
}

impl<T> Reply<T> {
    /// It gives these bytes back when it has answered.
    pub(crate) fn holds(&mut self, taken: Taken) {
        self.taken = Some(taken);
    }

    pub(crate) fn give(mut self, answer: Result<T, Refused>) {
        // who has the answer may ask for as much again
        drop(self.taken.take());
        if let Some(shared) = self.to.take() {
            shared.give(answer);
        }
    }

    /// What was asked is being done from now on.
    pub(crate) fn begins(&self) {
        if let Some(shared) = &self.to {
            shared.slot.lock().has_begun = true;
        }
    }

    /// True if nothing waits any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.to.as_ref().is_none_or(|it| Arc::strong_count(it) == 1)
    }
}

impl<T> Shared<T> {
    fn give(&self, answer: Result<T, Refused>) {
        let mut slot = self.slot.lock();
        slot.answer = Some(answer);
        let waker = slot.waker.take();
        drop(slot);
        self.is_given.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The store has ended; in a panic perhaps in the middle of what was asked.
impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        drop(self.taken.take());
        if let Some(shared) = self.to.take() {
            let refused = if thread::panicking() {
                let reason = "a fault of imtag has ended the queue".to_owned();
                Refused::InDoubt { reason }
            } else {
                Refused::Closed
            };
            shared.give(Err(refused));
        }
    }
}

/// What would wake for it need not be kept.
impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let waker = self.0.slot.lock().waker.take();
        drop(waker);
    }
}

impl<T> Answer<T> {
    /// True once a deletion of changes is at work, which goes on where the answer is dropped. Before, it ends with it.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.slot.lock().has_begun
    }

    /// Waits for it.
    ///
    /// # Errors
    /// Where it was refused.
    pub fn wait(self) -> Result<T, Refused> {
        let mut slot = self.0.slot.lock();
        loop {
            if let Some(answer) = slot.answer.take() {
                return answer;
            }
            self.0.is_given.wait(&mut slot);
        }
    }

    /// Waits for it, at most so long; `None` if it did not come.
    pub fn wait_for(&self, time: Duration) -> Option<Result<T, Refused>> {
        let until = Instant::now().checked_add(time);
        let mut slot = self.0.slot.lock();
        loop {
            if slot.answer.is_some() {
                return slot.answer.take();
            }
            match until {
                None => self.0.is_given.wait(&mut slot),
                Some(until) if self.0.is_given.wait_until(&mut slot, until).timed_out() => {
                    return slot.answer.take();
                }
                Some(_) => {}
            }
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Refused>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // cloned before the lock is taken; what it replaces is dropped when the lock is free
        let waker = context.waker().clone();
        let mut slot = self.0.slot.lock();
        if let Some(answer) = slot.answer.take() {
            return Poll::Ready(answer);
        }
        let replaced = slot.waker.replace(waker);
        drop(slot);
        drop(replaced);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[test]
    fn a_thread_waits_until_the_answer_comes_or_the_store_ends() {
        let (reply, answer) = channel();
        assert!(answer.wait_for(Duration::ZERO).is_none());
        let waits = thread::spawn(move || answer.wait());
        reply.give(Ok(7));
        assert!(matches!(waits.join(), Ok(Ok(7))));
        let (reply, answer) = channel::<u8>();
        drop(reply);
        assert!(matches!(answer.wait(), Err(Refused::Closed)));
        let (reply, answer) = channel::<u8>();
        assert!(!reply.is_forgotten());
        drop(answer);
        assert!(reply.is_forgotten());
    }

    #[test]
    fn a_task_that_no_longer_waits_is_not_kept() {
        struct Task;
        impl Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let task = Arc::new(Task);
        let waker = Waker::from(Arc::clone(&task));
        let (reply, mut answer) = channel::<u8>();
        let polled = Pin::new(&mut answer).poll(&mut Context::from_waker(&waker));
        drop(waker);
        assert!(polled.is_pending());
        assert_eq!(Arc::strong_count(&task), 2);
        drop(answer);
        assert_eq!(Arc::strong_count(&task), 1);
        assert!(reply.is_forgotten());
    }
}
