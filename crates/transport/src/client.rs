//! The client: one object for all threads, cheap to clone.

use std::fmt;
use std::sync::Arc;

use imtag_core::{AddTags, ClearTags, GetTags, RemoveTags, Request, Rules, SdkAppId};

use crate::call::{Call, CallOptions};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::pipeline::options::{BatcherOptions, BulkOptions};
use crate::state::Shared;

/// A client of the service. Clones share connections, UserSig and retry budget, and all clients of a process with the
/// same app, endpoint and calls per second share a quota. All methods may be called from any thread, and after `fork()`,
/// where the child starts with connections and a quota of its own.
///
/// Each of the four calls sends exactly one request of the API, plus retries, and blocks until it is answered, its
/// time is up, or it is cancelled. The only thread that it starts looks up the host's name: in the first call, and again
/// every minute in the background.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// The client's rules; a request that breaks them is rejected before a byte is sent.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.shared.settings.rules
    }

    /// The app.
    #[must_use]
    pub fn sdkappid(&self) -> SdkAppId {
        self.shared.settings.sdkappid
    }

    /// Where the service is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.settings.endpoint
    }

    /// Adds tags to users.
    ///
    /// # Errors
    /// Fails unless every account was tagged; a partial success names each that was not.
    pub fn add_tag(&self, request: &AddTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Reads the tags of users.
    ///
    /// # Errors
    /// Fails unless every account was read; a partial success holds what was.
    pub fn get_tag(&self, request: &GetTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Removes tags from users.
    ///
    /// # Errors
    /// Fails unless it was done for every account; a partial success names the others.
    pub fn remove_tag(&self, request: &RemoveTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Removes all tags of users.
    ///
    /// # Errors
    /// Fails unless it was done for every account; a partial success names the others.
    pub fn clear_tags(&self, request: &ClearTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Sends any of the four requests, with options for this call.
    ///
    /// # Errors
    /// Fails unless it was done for every account.
    pub fn call(&self, request: &dyn Request, options: &CallOptions) -> Result<Outcome, Error> {
        let (settings, state) = self.shared.parts();
        Call::new(settings, state, request, options, false).run()
    }

    /// Options of a bulk run: any number of changes, packed into the fewest requests and sent at the full quota.
    pub fn bulk(&self) -> BulkOptions {
        BulkOptions::for_bulk(Arc::clone(&self.shared))
    }

    /// Options of a batcher: changes and gets of many threads share requests.
    pub fn batcher(&self) -> BatcherOptions {
        BatcherOptions::for_batcher(Arc::clone(&self.shared))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use imtag_core::retry::RetryPolicy;
    use imtag_core::{AddTags, Code, SecretKey};
    use imtag_emulator::{Emulator, Fault, ProbabilisticFault};

    use super::*;
    use crate::error::{Cause, Phase};
    use crate::outage::OutagePlace;
    use crate::wait::{Lock, WaitScope, deadline_after};

    const LONG: Duration = Duration::from_secs(200);
    const BACKOFF: Duration = Duration::from_secs(1);

    #[test]
    fn a_call_that_failed_reports_its_own_failure_if_an_outage_of_others_ends_it() {
        let key = || SecretKey::new("key").unwrap();
        let emulator = Emulator::builder().secret_key(key()).start().unwrap();
        emulator.add_standing(ProbabilisticFault::new(Fault::code(91000), 1.0).unwrap());
        let retry = RetryPolicy {
            first_backoff: BACKOFF,
            longest_backoff: BACKOFF,
            ..RetryPolicy::default()
        };
        let client = Client::builder(1_400_000_000, "administrator", key()).retry(retry);
        let client = client.endpoint(emulator.endpoint()).build().unwrap();
        let client: &'static Client = Box::leak(Box::new(client));
        let (_, state) = client.shared.parts();
        let others = Lock::new([(); 2].map(|()| OutagePlace::new(&state.outage)));
        let all_fail = |others: &mut [OutagePlace<'_>; 2], started| {
            let cause = Cause::Timeout { phase: Phase::Read }.into();
            for other in others {
                other.failed(&cause, true, started, deadline_after(LONG));
            }
        };
        let polls = AtomicU64::new(0);
        let host_poll = move || {
            let mut others = others.lock();
            if polls.fetch_add(1, Ordering::SeqCst) == 0 {
                // the call is in its backoff: an outage begins, and one of the others asks whether it is over
                all_fail(&mut others, Instant::now());
                let waited = others[0].await_turn(&WaitScope::until(deadline_after(LONG)));
                assert!(waited.is_ok());
            } else {
                // the call waits for the result: the outage lasts longer than it may
                all_fail(&mut others, deadline_after(LONG));
            }
            false
        };
        let options = CallOptions::new().timeout(LONG).interrupt(host_poll);
        let request = AddTags::new([("u", ["t"])]).unwrap();
        let error = client.call(&request, &options).unwrap_err();
        assert_eq!(error.code(), Some(Code(91000)));
    }
}
