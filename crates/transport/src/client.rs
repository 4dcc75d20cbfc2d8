//! The client: one object for all threads, cheap to clone.

use std::fmt;
use std::sync::Arc;

use imtag_core::{AddTags, CallRate, ClearTags, GetTags, RemoveTags, Request, Rules, SdkAppId};

use crate::call::{Call, CallOptions};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::pipeline::options::{BatcherOptions, BulkOptions};
use crate::state::Shared;
use crate::stats::Stats;

/// A client of the service. Clones share connections, UserSig and retry budget, and all clients of a process with the
/// same app, endpoint and calls per second share a quota. All methods may be called from any thread, and after `fork()`,
/// where the child starts with connections and a quota of its own.
///
/// Each of the four calls sends exactly one request of the API, plus retries, and blocks until it is answered, its
/// time is up, or it is cancelled. The only thread that it starts looks up the host's name, or the proxy's: in the first
/// call, and again every minute in the background.
///
/// A client of a [region](crate::ClientBuilder::region) has a [spare host](crate::ClientBuilder::spare_endpoint) for when
/// the region's cannot be reached. A [proxy](crate::ClientBuilder::proxy) is taken from the settings or the environment.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

impl Client {
    /// The client's rules; a request that breaks them is rejected before a byte is sent.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use imtag_transport::ChangeRequest;
    ///
    /// assert_eq!(client.rules().limits.tag_bytes, 50);
    /// let change = ChangeRequest::add("xiaojun012", ["x".repeat(51)]).check(client.rules());
    /// assert_eq!(change.unwrap_err().violations()[0].to_string(), "tags[0]: 51 bytes, at most 50");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.shared.settings.rules
    }

    /// The app.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// assert_eq!(client.sdkappid().get(), 1400000000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sdkappid(&self) -> SdkAppId {
        self.shared.settings.sdkappid
    }

    /// Where the service is.
    ///
    /// ```
    /// # let key = imtag_transport::SecretKey::new("of-no-app")?;
    /// use imtag_transport::{Client, Region};
    ///
    /// let client = Client::builder(1400000000, "administrator", key).region(Region::Singapore).build()?;
    /// assert_eq!(client.endpoint().host(), "adminapisgp.im.qcloud.com");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.shared.settings.endpoint()
    }

    /// This process's share of the app's quota.
    ///
    /// ```no_run
    /// # fn show(client: &imtag_transport::Client) {
    /// println!("at most {} calls a second", client.calls_per_second());
    /// # }
    /// ```
    #[must_use]
    pub fn calls_per_second(&self) -> CallRate {
        self.shared.settings.calls_per_second
    }

    /// Adds tags to users.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use imtag_transport::AddTags;
    ///
    /// let request = AddTags::new([("xiaojun012", ["vip", "beijing"]), ("xiaojun013", ["vip", "seoul"])])?;
    /// assert_eq!(client.add_tag(&request)?.accounts, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails unless every account was tagged; a partial success names each that was not.
    pub fn add_tag(&self, request: &AddTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Reads the tags of users.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// # client.add_tag(&imtag_transport::AddTags::new([("xiaojun012", ["vip"])])?)?;
    /// use imtag_transport::GetTags;
    ///
    /// let outcome = client.get_tag(&GetTags::new(["xiaojun012", "xiaojun013"])?)?;
    /// for user in &outcome.tags {
    ///     println!("{}: {}", user.account, user.tags.join(", "));
    /// }
    /// # assert_eq!(outcome.tags[0].tags, ["vip"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails unless every account was read; a partial success holds what was.
    pub fn get_tag(&self, request: &GetTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Removes tags from users.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// # client.add_tag(&imtag_transport::AddTags::new([("xiaojun012", ["vip", "seoul"])])?)?;
    /// use imtag_transport::RemoveTags;
    ///
    /// client.remove_tag(&RemoveTags::new([("xiaojun012", ["vip"])])?)?;
    /// # assert!(emulator.user("xiaojun012").iter().eq(["seoul"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails unless it was done for every account; a partial success names the others.
    pub fn remove_tag(&self, request: &RemoveTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Removes all tags of users.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// # client.add_tag(&imtag_transport::AddTags::new([("xiaojun012", ["vip"])])?)?;
    /// use imtag_transport::ClearTags;
    ///
    /// client.clear_tags(&ClearTags::new(["xiaojun012", "xiaojun013"])?)?;
    /// # assert!(emulator.user("xiaojun012").is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails unless it was done for every account; a partial success names the others.
    pub fn clear_tags(&self, request: &ClearTags<'_>) -> Result<Outcome, Error> {
        self.call(request, &CallOptions::new())
    }

    /// Sends any of the four requests, with options for this call.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use std::time::Duration;
    /// use imtag_transport::{AddTags, CallOptions, CancelToken};
    ///
    /// let token = CancelToken::new(); // cancel it from any thread
    /// let options = CallOptions::new().timeout(Duration::from_secs(3)).cancel(&token);
    /// let request = AddTags::new([("xiaojun012", ["vip"])])?;
    /// if let Err(error) = client.call(&request, &options) {
    ///     eprintln!("{error}: {}", error.effect()); // not applied, or possibly applied
    /// #   panic!("{error}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Fails unless it was done for every account.
    pub fn call(&self, request: &dyn Request, options: &CallOptions) -> Result<Outcome, Error> {
        let (settings, state) = self.shared.parts();
        Call::new(settings, state, request, options, false).run()
    }

    /// What the client has done in this process since it was made: its calls, and the requests of its bulk runs and
    /// batchers. It takes microseconds, and holds up no call.
    ///
    /// ```no_run
    /// # fn watch(client: &imtag_transport::Client) {
    /// use imtag_transport::Operation;
    ///
    /// let stats = client.stats();
    /// let add = stats.operation(Operation::Add);
    /// println!("{} added, {} rejected as too frequent", add.ended("done"), add.quota_rejections);
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.parts().1.stats()
    }

    /// Options of a bulk run: any number of changes, packed into the fewest requests and sent at the full quota.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use imtag_transport::ChangeRequest;
    ///
    /// let users = (0..1000).map(|number| ChangeRequest::add(format!("user-{number}"), ["vip"]));
    /// let summary = client.bulk().run(users).finish();
    /// assert_eq!((summary.progress.done, summary.progress.requests), (1000, 10));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bulk(&self) -> BulkOptions {
        BulkOptions::for_bulk(Arc::clone(&self.shared))
    }

    /// Options of a batcher: changes and gets of many threads share requests.
    ///
    /// ```
    /// # let key = || imtag_transport::SecretKey::new("of-no-app").unwrap();
    /// # let emulator = imtag_emulator::Emulator::builder().secret_key(key()).start()?;
    /// # let client = imtag_transport::Client::builder(1400000000, "administrator", key());
    /// # let client = client.endpoint(emulator.endpoint()).build()?;
    /// use std::thread;
    /// use imtag_transport::CallOptions;
    ///
    /// let batcher = client.batcher().start();
    /// thread::scope(|scope| {
    ///     for number in 0..100 {
    ///         let batcher = &batcher;
    ///         scope.spawn(move || batcher.add_tag(format!("user-{number}"), ["seen"]));
    ///     }
    /// });
    /// batcher.close(&CallOptions::new())?; // loses nothing
    /// # assert_eq!(emulator.users().len(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        let others = Lock::new([(); 2].map(|()| OutagePlace::new(&state.outages.service)));
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
                let waited =
                    others[0].await_turn(&WaitScope::until(deadline_after(LONG)), || false);
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
