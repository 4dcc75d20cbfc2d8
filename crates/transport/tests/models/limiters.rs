//! Models of the rate limiter: calls that find room beside calls that wait.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::CallRate;
use imtag_core::quota::Admission;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread::JoinHandle;

use crate::limiter::{Permit, RateLimiter};
use crate::service::beside;
use crate::wait::sync::let_time_pass;
use crate::wait::{CancelToken, WaitEnd, WaitScope, now};

const SECOND: Duration = Duration::from_secs(1);

fn one_a_second() -> Arc<RateLimiter> {
    let one = CallRate::try_from(1.0).unwrap();
    Arc::new(RateLimiter::new(one, now()))
}

fn on_threads<T: Send + 'static>(
    threads: usize,
    limiter: &Arc<RateLimiter>,
    act: impl Fn(&RateLimiter) -> T + Clone + Send + 'static,
) -> Vec<JoinHandle<T>> {
    let threads = (0..threads).map(|_| beside(limiter, act.clone()));
    threads.collect()
}

/// Calls that send nothing after all: each has its turn, one at a time, and the next is woken without the clock's help.
pub(crate) fn calls_of_a_quota_of_one() {
    let limiter = one_a_second();
    let under_way = Arc::new(AtomicUsize::new(0));
    let calls = on_threads(3, &limiter, move |limiter| {
        for _ in 0..2 {
            let permit = limiter.acquire(&WaitScope::endless(), false).unwrap();
            assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0);
            assert_eq!(under_way.fetch_sub(1, Ordering::SeqCst), 1);
            permit.withdrew();
        }
    });
    calls.into_iter().for_each(|call| call.join().unwrap());
}

/// Calls that are answered: more than a second lies between an answer and the next call, whichever way it got its permit.
pub(crate) fn a_quota_is_never_exceeded() {
    let limiter = one_a_second();
    let last_answer = Arc::new(Mutex::new(None));
    let time_stops = let_time_pass();
    let calls = on_threads(3, &limiter, move |limiter| {
        let permit = limiter.acquire(&WaitScope::endless(), false).unwrap();
        let mut last_answer = last_answer.lock().unwrap();
        assert!(last_answer.is_none_or(|last| now() > last + SECOND));
        *last_answer = Some(now());
        drop(last_answer);
        permit.answered(Admission::Admitted);
    });
    calls.into_iter().for_each(|call| call.join().unwrap());
    time_stops();
}

/// Of the calls that wait some are cancelled at any moment, also as the first, when they are woken: the others go on.
pub(crate) fn a_wait_that_ends_wakes_the_next() {
    let limiter = one_a_second();
    let token = CancelToken::new();
    let cancelled = {
        let token = token.clone();
        on_threads(2, &limiter, move |limiter| {
            let mut scope = WaitScope::endless();
            scope.cancel = Some(token.clone());
            let _watch = scope.watch();
            limiter.acquire(&scope, false).map(Permit::withdrew)
        })
    };
    let others = [false, true].map(|in_background| {
        on_threads(1, &limiter, move |limiter| {
            let permit = limiter.acquire(&WaitScope::endless(), in_background);
            permit.map(Permit::withdrew)
        })
    });
    token.cancel();
    for call in others.into_iter().flatten() {
        assert_eq!(call.join().unwrap(), Ok(()));
    }
    for call in cancelled {
        assert!(matches!(
            call.join().unwrap(),
            Ok(()) | Err(WaitEnd::Cancelled)
        ));
    }
}
