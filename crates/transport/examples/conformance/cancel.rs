//! Cancelling what a case says, at the moment that it says.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use imtag_transport::CancelToken;
use serde_json::Value;

use crate::lines;

/// Does something with the token that is cancelled: before it, so long after its start, or when so many requests have
/// arrived; none where the case does not say it.
pub(crate) fn within<T>(case: &Value, act: impl FnOnce(Option<&CancelToken>) -> T) -> T {
    let token = CancelToken::new();
    if let Some(count) = case["cancel_after_arrivals"].as_u64() {
        return thread::scope(|scope| {
            scope.spawn(|| {
                lines::await_arrivals(count).expect("the harness answers");
                token.cancel();
            });
            act(Some(&token))
        });
    }
    let Some(after) = case["cancel_after_ms"].as_u64().map(Duration::from_millis) else {
        return act(None);
    };
    if after.is_zero() {
        token.cancel();
        return act(Some(&token));
    }
    let (over, until_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let token = &token;
        scope.spawn(move || {
            if until_over.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
                token.cancel();
            }
        });
        let done = act(Some(token));
        drop(over);
        done
    })
}
