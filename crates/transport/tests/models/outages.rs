//! Models of the wait for a service that does not answer: its calm way, on which no call takes a lock, beside the other.

use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::RetryPolicy;

use crate::error::{Cause, Phase};
use crate::outage::{Outage, OutagePlace};
use crate::service::beside;
use crate::wait::{WaitScope, deadline_after, now};

fn outage() -> Arc<Outage> {
    Arc::new(Outage::new(RetryPolicy::default()))
}

/// An attempt that was started at once gets no answer.
fn fails(place: &mut OutagePlace<'_>) {
    let cause = Arc::new(Cause::Timeout { phase: Phase::Read });
    place.failed(&cause, true, now(), deadline_after(Duration::MAX));
}

fn may_begin(outage: &Outage) -> bool {
    OutagePlace::new(outage).may_send(deadline_after(Duration::MAX))
}

/// A call is answered while another fails, so what fails after both, and was sent before, begins no outage: the answer
/// counts, whether it is noted beside the rule or told to it.
pub(crate) fn an_answer_counts_whenever_it_comes() {
    let outage = outage();
    let mut first = OutagePlace::new(&outage);
    let answered = beside(&outage, Outage::answered);
    fails(&mut first);
    answered.join().unwrap();
    assert!(outage.is_told_of_answers());
    let mut second = OutagePlace::new(&outage);
    fails(&mut second); // the clock stands still: it was started before the answer
    assert!(may_begin(&outage) && outage.service_has_answered());
    drop((first, second));
    assert!(may_begin(&outage));
}

/// Two calls have failed, so others wait with them; of yet others one is answered, and one fails and leaves. The clock
/// stands still, so no probe comes due: only the answer ends the waits.
pub(crate) fn an_answer_ends_the_wait_of_all() {
    let outage = outage();
    let mut failed = [(); 2].map(|()| OutagePlace::new(&outage));
    failed.iter_mut().for_each(fails);
    assert!(!may_begin(&outage));
    let waits = [(); 2].map(|()| {
        beside(&outage, |outage| {
            let endless = WaitScope::until(deadline_after(Duration::MAX));
            OutagePlace::new(outage)
                .await_turn(&endless, || false)
                .is_ok()
        })
    });
    let leaves = beside(&outage, |outage| fails(&mut OutagePlace::new(outage)));
    outage.answered();
    assert!(waits.into_iter().all(|wait| wait.join().unwrap()));
    leaves.join().unwrap();
    drop(failed);
    assert!(may_begin(&outage));
}
