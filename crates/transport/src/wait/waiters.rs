//! The threads that wait for something behind a lock to change. They stand beside it, behind the same lock: a thread that
//! registers before it unlocks and parks is woken by any later change. A wait leaves when it ends, however it ends.

use std::collections::VecDeque;

use super::sync::Lock;
use super::sync::thread::{self, Thread, ThreadId};

/// Threads that wait, the first to wake first. A thread may be here more than once: a host that is polled by a wait may
/// call, and that call may wait too.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    queue: VecDeque<Waiter>,
    registered: u64,
}

/// One that waits.
#[derive(Debug)]
struct Waiter {
    /// Of its wait.
    number: u64,
    /// Beside the thread, as ids are compared, and thousands may wait.
    id: ThreadId,
    thread: Thread,
    /// How many that come later go before it.
    lets_pass: u32,
}

/// So many go before one who waits in the background: what comes then goes behind it, so that it has a tenth at least.
const LETS_PASS: u32 = 9;

/// The place of one wait among the waiters behind `lock`. It leaves them when it is dropped, so drop it without the lock.
pub(crate) struct WaitPlace<'l, S> {
    lock: &'l Lock<S>,
    waiters: fn(&mut S) -> &mut Waiters,
    number: Option<u64>,
    in_background: bool,
}

impl Waiters {
    /// Adds this thread behind all but those in the background, or before itself: what it waited for before goes on only
    /// after this wait.
    pub(crate) fn register(&mut self) -> u64 {
        self.insert(0)
    }

    /// The same for one in the background: it lets a few that come later go first.
    fn register_in_background(&mut self) -> u64 {
        self.insert(LETS_PASS)
    }

    fn insert(&mut self, lets_pass: u32) -> u64 {
        let this = thread::current();
        let id = this.id();
        let outer = self.queue.iter().position(|it| it.id == id);
        let index = outer.unwrap_or_else(|| {
            if lets_pass > 0 {
                self.queue.len()
            } else {
                self.pass()
            }
        });
        self.registered += 1;
        let waiter = Waiter {
            number: self.registered,
            id,
            thread: this,
            lets_pass,
        };
        self.queue.insert(index, waiter);
        self.registered
    }

    /// Passes those at the end who let others pass. Returns the place before them.
    fn pass(&mut self) -> usize {
        let mut place = self.queue.len();
        let passed = self.queue.iter_mut().rev();
        for waiter in passed.take_while(|it| it.lets_pass > 0) {
            waiter.lets_pass -= 1;
            place -= 1;
        }
        place
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.queue.iter().position(|it| it.number == number)
    }

    /// Removes a wait, unless it was released. Returns where it stood.
    pub(crate) fn leave(&mut self, number: u64) -> Option<usize> {
        let position = self.position(number)?;
        self.queue.remove(position);
        Some(position)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Wakes the first, which stays registered.
    pub(crate) fn wake_first(&self) {
        if let Some(first) = self.queue.front() {
            first.thread.unpark();
        }
    }

    /// Wakes the first, and removes it.
    pub(crate) fn release_first(&mut self) {
        if let Some(first) = self.queue.pop_front() {
            first.thread.unpark();
        }
    }

    /// Wakes all, and removes them.
    pub(crate) fn release_all(&mut self) {
        self.take_all().for_each(|thread| thread.unpark());
    }

    /// Removes all, which the caller wakes.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Thread> + '_ {
        self.queue.drain(..).map(|it| it.thread)
    }
}

impl<'l, S> WaitPlace<'l, S> {
    pub(crate) fn new(lock: &'l Lock<S>, waiters: fn(&mut S) -> &mut Waiters) -> WaitPlace<'l, S> {
        WaitPlace {
            lock,
            waiters,
            number: None,
            in_background: false,
        }
    }

    /// The same, in the background if that is wanted.
    pub(crate) fn in_background(self, in_background: bool) -> WaitPlace<'l, S> {
        WaitPlace {
            in_background,
            ..self
        }
    }

    /// Adds this thread to the waiters, unless this wait has its place already.
    pub(crate) fn register(&mut self, state: &mut S) {
        if self.position(state).is_none() {
            let waiters = (self.waiters)(state);
            self.number = Some(if self.in_background {
                waiters.register_in_background()
            } else {
                waiters.register()
            });
        }
    }

    /// True from the registration until the wait is released.
    pub(crate) fn is_registered(&self, state: &mut S) -> bool {
        self.position(state).is_some()
    }

    /// True if this wait is the next to wake.
    pub(crate) fn is_first(&self, state: &mut S) -> bool {
        self.position(state) == Some(0)
    }

    fn position(&self, state: &mut S) -> Option<usize> {
        (self.waiters)(state).position(self.number?)
    }

    /// Ends the wait now, instead of when this is dropped.
    pub(crate) fn leave(&mut self, state: &mut S) {
        let Some(number) = self.number.take() else {
            return;
        };
        let waiters = (self.waiters)(state);
        // it may have been woken as the first
        if waiters.leave(number) == Some(0) {
            waiters.wake_first();
        }
    }
}

impl<S> Drop for WaitPlace<'_, S> {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.leave(&mut self.lock.lock());
        }
    }
}
