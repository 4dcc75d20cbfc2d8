//! Models of the wait for a service that does not answer: its calm way, on which no call takes a lock, beside the other.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::RetryPolicy;
use shuttle::thread;

use crate::error::{Cause, Phase};
use crate::outage::{Outage, Place};
use crate::wait::{WaitScope, deadline_after, now};

fn outage() -> Arc<Outage> {
    Arc::new(Outage::new(RetryPolicy::default()))
}

/// An attempt that was started at once gets no answer.
fn fails(place: &mut Place<'_>) {
    let cause = Arc::new(Cause::Timeout { phase: Phase::Read });
    place.failed(&cause, true, now(), deadline_after(Duration::MAX));
}

fn may_begin(outage: &Outage) -> bool {
    Place::new(outage).may_send(deadline_after(Duration::MAX))
}

/// A call is answered while another fails, so what fails after both, and was sent before, begins no outage: the answer
/// counts, whether it is noted beside the rule or told to it.
pub(crate) fn an_answer_counts_whenever_it_comes() {
    let outage = outage();
    let mut first = Place::new(&outage);
    let answered = {
        let outage = Arc::clone(&outage);
        thread::spawn(move || Place::new(&outage).answered())
    };
    fails(&mut first);
    answered.join().unwrap();
    assert!(outage.is_told_of_answers());
    let mut second = Place::new(&outage);
    fails(&mut second); // the clock stands still: it was started before the answer
    assert!(may_begin(&outage) && outage.service_has_answered());
    drop((first, second));
    assert!(may_begin(&outage));
}

/// Two calls have failed and wait; of others one is answered, and one fails and leaves. All that wait go on.
pub(crate) fn an_answer_ends_the_wait_of_all() {
    let outage = outage();
    let waits = [(); 2].map(|()| {
        let outage = Arc::clone(&outage);
        thread::spawn(move || {
            let mut place = Place::new(&outage);
            fails(&mut place);
            let endless = WaitScope::until(deadline_after(Duration::MAX));
            place.await_turn(&endless).is_ok()
        })
    });
    Place::new(&outage).answered();
    let leaves = {
        let outage = Arc::clone(&outage);
        thread::spawn(move || fails(&mut Place::new(&outage)))
    };
    leaves.join().unwrap();
    let time_stops = crate::wait::sync::let_time_pass();
    assert!(waits.into_iter().all(|wait| wait.join().unwrap()));
    time_stops();
    Place::new(&outage).answered();
    assert!(may_begin(&outage));
}
