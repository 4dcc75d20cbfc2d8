//! What a call has given to the batcher: a change or a get for each of its users, in one step. All are on their way at once,
//! and each has its own outcome.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use imtag_transport::{ChangeError, OutcomesFuture, WaitEnd};
use tokio::time::{Instant, sleep_until};

use crate::relay::{Relay, Relayed};

/// A request that ends at its callers' deadline says more than that the time was up: it is waited for so much longer.
const GRACE: Duration = Duration::from_millis(100);

/// The future of a call's users. If it is dropped, as its caller has hung up, what was not sent is taken back.
pub(crate) struct UnderWay<T>(Option<Relayed<OutcomesFuture<T>>>);

impl<T> UnderWay<T> {
    pub(crate) fn new(outcomes: OutcomesFuture<T>, relay: &Arc<Relay>) -> UnderWay<T> {
        UnderWay(Some(Relayed::new(outcomes, relay)))
    }

    /// The outcomes, in the order of the users: at the deadline, or when the daemon `ends`, those that have none are
    /// withdrawn.
    pub(crate) async fn outcomes(
        mut self,
        deadline: Instant,
        ends: impl Future<Output = ()>,
    ) -> Vec<Result<T, ChangeError>> {
        let Some(outcomes) = &mut self.0 else {
            return Vec::new();
        };
        tokio::select! {
            biased;
            outcomes = outcomes => {
                self.0 = None;
                return outcomes;
            }
            () = sleep_until(deadline + GRACE) => {}
            () = ends => return self.end(WaitEnd::Cancelled),
        }
        // what has no outcome is withdrawn, which says what is known of it
        self.end(WaitEnd::TimedOut)
    }

    fn end(&mut self, why: WaitEnd) -> Vec<Result<T, ChangeError>> {
        let outcomes = self.0.take();
        outcomes.map_or_else(Vec::new, |outcomes| outcomes.into_inner().withdraw(why))
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.end(WaitEnd::Cancelled);
    }
}
