//! One call, from its body to its answer: each of its users becomes a change or a get of the batcher.

use std::future::Future;
use std::sync::Arc;

use imtag_core::{ChangeRequest, Effect, Generation, Limits, Operation};
use imtag_transport::{Batcher, ChangeError, Client};
use imtag_wire::{Job, Route, User, read_for_daemon};
use tokio::sync::RwLockReadGuard;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::relay::Relay;
use crate::reply::{Fate, Reply, refused_for_some, reply};
use crate::under_way::UnderWay;

/// What sends: a client, and the batcher in which the calls of all callers meet.
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) batcher: Arc<Batcher>,
    pub(crate) relay: Arc<Relay>,
}

impl Sender {
    pub(crate) fn generation(&self) -> Generation {
        self.client.rules().generation
    }

    fn limits(&self) -> &Limits {
        &self.client.rules().limits
    }

    /// Does what the body of a call asks for. Once it is handed over, this may be replaced. It is answered earlier where the
    /// daemon `ends`.
    pub(crate) async fn call(
        &self,
        route: Route,
        body: &[u8],
        deadline: Instant,
        ends: impl Future<Output = ()>,
        handing_over: RwLockReadGuard<'_, ()>,
    ) -> Reply {
        let not_done = not_done(route.operation);
        let job = match read_for_daemon(route, body, self.limits()) {
            Ok(job) => job,
            Err(refusal) => return Reply::refused(refusal, not_done),
        };
        // a mistake of one user is only his on the newer paths; the older ones refuse the call
        let is_refused = |user: &User<'_>| user.mistake.is_some();
        if route.generation == Generation::AllMemberPush && job.users.iter().any(is_refused) {
            let users = job.users.into_iter();
            let users = users.map(|user| (user.account.into_owned(), user.mistake));
            return refused_for_some(users, not_done);
        }
        let fates = self.fates(route, &job, deadline, ends, handing_over).await;
        let accounts = job.users.iter().map(|user| user.account.to_string());
        reply(route, accounts.zip(fates).collect())
    }

    /// What becomes of each user, in their order.
    async fn fates(
        &self,
        route: Route,
        job: &Job<'_>,
        deadline: Instant,
        ends: impl Future<Output = ()>,
        handing_over: RwLockReadGuard<'_, ()>,
    ) -> Vec<Fate> {
        let timeout = deadline.saturating_duration_since(Instant::now());
        let good = || job.users.iter().filter(|user| user.mistake.is_none());
        let outcomes: Vec<Result<Option<Vec<String>>, ChangeError>> =
            if route.operation == Operation::Get {
                let accounts = good().map(|user| &user.account);
                let gets = self.batcher.get_all_async_within(accounts, timeout);
                let gets = UnderWay::new(gets, &self.relay);
                drop(handing_over);
                gets.outcomes(deadline, ends).await
            } else {
                let changes = good().map(|user| change(route.operation, job, user));
                let changes = self.batcher.call_all_async_within(changes, timeout);
                let changes = UnderWay::new(changes, &self.relay);
                drop(handing_over);
                let outcomes = changes.outcomes(deadline, ends).await;
                outcomes.into_iter().map(|it| it.map(|()| None)).collect()
            };
        let in_outage = outcomes.iter().any(Result::is_err) && self.client.stats().in_outage;
        let mut outcomes = outcomes.into_iter();
        let fate = |user: &User<'_>| match &user.mistake {
            Some(mistake) => Err(Failure::mistake(mistake.clone(), not_done(route.operation))),
            None => {
                let outcome = outcomes.next().expect("each good user has an outcome");
                outcome.map_err(|error| Failure::new(&error, in_outage))
            }
        };
        job.users.iter().map(fate).collect()
    }
}

fn change(operation: Operation, job: &Job<'_>, user: &User<'_>) -> ChangeRequest {
    let tags = &job.tags[user.tags.clone()];
    match operation {
        Operation::Add if job.replace => ChangeRequest::replace(&user.account, tags),
        Operation::Add => ChangeRequest::add(&user.account, tags),
        Operation::Remove => ChangeRequest::remove(&user.account, tags),
        Operation::Clear | Operation::Get => ChangeRequest::clear(&user.account),
    }
}

fn not_done(operation: Operation) -> Effect {
    Effect::NotApplied.for_operation(operation)
}
