//! A batcher that goes on by another client, and what one that ends leaves to the next: for how long its requests may arrive.

use std::sync::Arc;
use std::time::Duration;

use super::batcher::{Batcher, unending};
use super::engine::State;
use super::options::{most_workers, requests_at_once};
use crate::call::CallOptions;
use crate::client::Client;
use crate::wait::Polled;

impl Batcher {
    /// Sends by another client from now on, such as one of newer credentials. Requests under way go on by the one before, and
    /// all else stays: the order of an account's changes, its late windows, what waits. Returns false, and does nothing, if
    /// the client is another app's, or has other rules: then this batcher is to be closed, and one of that client started.
    ///
    /// Runs and batchers that the client starts afterwards keep the order of an account's changes with this one; start none
    /// before.
    ///
    /// ```no_run
    /// # use imtag_transport::{Batcher, CallOptions, Client};
    /// fn reload(batcher: &mut Batcher, client: &Client) {
    ///     if !batcher.send_by(client) {
    ///         let _ = batcher.close(&CallOptions::new());
    ///         *batcher = client.batcher().start();
    ///     }
    /// }
    /// ```
    #[must_use = "if it is false, the batcher sends by the client before"]
    pub fn send_by(&self, client: &Client) -> bool {
        let before = self.sends_by.get();
        let (old, new) = (&before.settings, &client.shared.settings);
        if (old.sdkappid, &old.rules) != (new.sdkappid, &new.rules) {
            return false;
        }
        if self.session.is_owned() {
            let pipeline = self.session.shared_pipeline();
            client.shared.parts().1.share_pipeline(pipeline);
        }
        self.sends_by.set(Arc::clone(&client.shared));
        let producer = self.session.producer;
        let at_once = requests_at_once(new.calls_per_second);
        self.session.with(|state, _| {
            state.plan.set_requests_at_once(producer, at_once);
            let workers = &mut state.session(producer).workers;
            workers.set_most(most_workers(at_once));
        });
        true
    }

    /// Takes no more, sends nothing any more, and waits until no request is under way, at most for the timeout of the options
    /// (default: none). An attempt that was sent goes on to its answer. What was not sent, and what would be sent again, has no
    /// outcome, and is dropped with the batcher. Returns false if the wait ended before.
    ///
    /// For what is handed to another batcher, as by a daemon that ends: [`close`](Batcher::close) sends all that waits first.
    ///
    /// ```no_run
    /// # use imtag_transport::{Batcher, CallOptions};
    /// fn end(batcher: Batcher) {
    ///     let all_answered = batcher.hold(&CallOptions::new().timeout(std::time::Duration::from_secs(5)));
    ///     let outcomes = batcher.poll(std::time::Duration::ZERO);
    ///     println!("{} are over; all were answered: {all_answered}", outcomes.len());
    /// }
    /// ```
    pub fn hold(&self, options: &CallOptions) -> bool {
        let producer = self.session.producer;
        let scope = unending(options);
        if self.session.with(|state, _| state.hold(producer)).is_none() {
            return true; // in a forked process, which has sent nothing
        }
        // ends what waits for its turn or to be tried again
        self.session.drain.cancel();
        let waited = self.session.wait(&scope, |state, _| {
            match state.plan.requests_under_way(producer) {
                0 => Polled::Ready(()),
                _ => Polled::Pending,
            }
        });
        !matches!(waited, Some(Err(_)))
    }

    /// How many requests are under way. While the batcher pauses and there is none, no change has its outcome.
    #[must_use]
    pub fn requests_under_way(&self) -> usize {
        let producer = self.session.producer;
        let requests = |state: &mut State, _| state.plan.requests_under_way(producer);
        self.session.with(requests).unwrap_or(0)
    }

    /// For how long from now on requests may still arrive at the service that nobody waits for any more: the rest of the last
    /// late window that is open. It is the whole one where a change is in a request now, as if that were given up. Zero where
    /// all was answered. What is sent by another batcher or another process, and could be undone by such a request, must
    /// wait for so long.
    ///
    /// ```no_run
    /// # use imtag_transport::{Batcher, CallOptions};
    /// fn end(batcher: Batcher) {
    ///     let _ = batcher.close(&CallOptions::new().timeout(std::time::Duration::from_secs(5)));
    ///     println!("start the next one in {:?}", batcher.may_arrive_for());
    /// }
    /// ```
    #[must_use]
    pub fn may_arrive_for(&self) -> Duration {
        let producer = self.session.producer;
        let left = |state: &mut State, now| {
            let until = state.plan.late_until(producer, now);
            until.saturating_sub(now)
        };
        self.session.with(left).unwrap_or_default()
    }
}
