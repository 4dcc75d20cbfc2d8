//! What the models put in the place of the lock, the threads and the clock.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use shuttle::sync::Mutex;

pub(crate) use shuttle::sync::MutexGuard;
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU64};

pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use shuttle::thread::{JoinHandle, Thread, ThreadId, current, park, spawn};

    /// Parks, and lets the clock end it. A time of years is for ever.
    pub(crate) fn park_timeout(time: Duration) {
        if time < super::FOREVER {
            let mover = super::CLOCK.with_borrow_mut(|clock| clock.sleep(time));
            mover.iter().for_each(Thread::unpark);
        }
        park();
        super::CLOCK.with_borrow_mut(super::Clock::wake);
    }
}

const FOREVER: Duration = Duration::from_secs(1_000_000);

/// The time, and who sleeps until when.
#[derive(Default)]
struct Clock {
    passed: Duration,
    sleeping: Vec<(Duration, thread::Thread)>,
    /// The thread that moves the clock.
    mover: Option<thread::Thread>,
    over: bool,
}

thread_local! {
    // all threads of a model are on one thread of the system
    static CLOCK: RefCell<Clock> = RefCell::new(Clock::default());
    static ORIGIN: Instant = Instant::now();
}

impl Clock {
    /// Returns the thread that moves the clock, to be woken.
    fn sleep(&mut self, time: Duration) -> Option<thread::Thread> {
        self.sleeping.push((self.passed + time, thread::current()));
        self.mover.clone()
    }

    fn wake(&mut self) {
        let this = thread::current().id();
        self.sleeping.retain(|(_, thread)| thread.id() != this);
    }
}

pub(crate) fn now() -> Instant {
    let passed = CLOCK.with_borrow(|clock| clock.passed);
    ORIGIN.with(|origin| *origin) + passed
}

/// Starts a model: the time is zero.
pub(crate) fn reset() {
    CLOCK.set(Clock::default());
}

/// Moves the clock to the next moment that a thread sleeps until, again and again, between any steps of the others. Returns
/// how to stop it.
pub(crate) fn let_time_pass() -> impl FnOnce() {
    let mover = thread::spawn(|| {
        CLOCK.with_borrow_mut(|clock| clock.mover = Some(thread::current()));
        loop {
            let next = CLOCK.with_borrow_mut(|clock| {
                let next = clock
                    .sleeping
                    .iter()
                    .min_by_key(|(until, _)| *until)
                    .cloned();
                if let Some((until, _)) = &next {
                    clock.passed = clock.passed.max(*until);
                }
                if clock.over { Err(()) } else { Ok(next) }
            });
            match next {
                Err(()) => return,
                Ok(Some((_, thread))) => {
                    thread.unpark();
                    shuttle::thread::yield_now();
                }
                Ok(None) => thread::park(),
            }
        }
    });
    move || {
        CLOCK.with_borrow_mut(|clock| clock.over = true);
        mover.thread().unpark();
        mover.join().unwrap();
    }
}

thread_local! {
    /// The process that the model's threads think they are in.
    pub(crate) static PROCESS: Cell<u32> = const { Cell::new(1) };
}

pub(crate) fn process_id() -> u32 {
    PROCESS.get()
}

#[derive(Debug, Default)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}
