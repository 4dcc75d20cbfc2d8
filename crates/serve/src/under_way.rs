//! What a call has given to the batcher: a change or a get for each of its users. All are on their way at once, and each has
//! its own outcome.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use imtag_transport::{ChangeError, OutcomeFuture, WaitEnd};
use tokio::time::{Instant, timeout_at};

/// A request that ends at its callers' deadline says more than that the time was up: it is waited for so much longer.
const GRACE: Duration = Duration::from_millis(100);

/// The futures of a call's users, in their order. If it is dropped, as its caller has hung up, what is in no request is
/// taken back.
pub(crate) struct UnderWay<T>(Vec<Slot<T>>);

enum Slot<T> {
    Pending(OutcomeFuture<T>),
    Over(Result<T, ChangeError>),
}

impl<T> UnderWay<T> {
    pub(crate) fn new(futures: impl IntoIterator<Item = OutcomeFuture<T>>) -> UnderWay<T> {
        UnderWay(futures.into_iter().map(Slot::Pending).collect())
    }

    /// The outcomes, in the order of the users: at the deadline those that have none are withdrawn.
    pub(crate) async fn outcomes(mut self, deadline: Instant) -> Vec<Result<T, ChangeError>> {
        // what has no outcome then is withdrawn, which says what is known of it
        let _ = timeout_at(deadline + GRACE, All(&mut self.0)).await;
        self.end(WaitEnd::TimedOut)
    }

    fn end(&mut self, why: WaitEnd) -> Vec<Result<T, ChangeError>> {
        let slots = mem::take(&mut self.0).into_iter();
        let outcome = |slot| match slot {
            Slot::Pending(future) => future.withdraw(why),
            Slot::Over(outcome) => outcome,
        };
        slots.map(outcome).collect()
    }
}

impl<T> Drop for UnderWay<T> {
    fn drop(&mut self) {
        self.end(WaitEnd::Cancelled);
    }
}

/// Ready when all are over. Each wake looks at all that are pending: one of them may be the one whose turn for capacity it is.
struct All<'s, T>(&'s mut [Slot<T>]);

impl<T> Future for All<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut all_over = true;
        for slot in &mut *self.0 {
            let Slot::Pending(future) = slot else {
                continue;
            };
            match Pin::new(future).poll(cx) {
                Poll::Ready(outcome) => *slot = Slot::Over(outcome),
                Poll::Pending => all_over = false,
            }
        }
        if all_over {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
