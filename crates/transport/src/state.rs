//! What a client holds: its settings, and its state in each process.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::{RetryBudget, RetryPolicy};
use imtag_core::{CallRate, Identifier, Rules, SdkAppId};

use crate::credentials::{Credentials, UserSigs};
use crate::endpoint::Endpoint;
use crate::http::{Host, Http, Resolver, Tls};
use crate::outages::Outages;
use crate::pipeline::engine::Pipeline;
use crate::process::{PerProcess, Random};
use crate::rate_limiter::{AppQuota, QuotaKey};
use crate::stats::{Counters, Stats};
use crate::wait::Lock;

/// The checked settings of a client. Only the builder makes them.
pub(crate) struct Settings {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
    pub(crate) credentials: Credentials,
    /// The first, and a spare one if there is one.
    pub(crate) hosts: Vec<Host>,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Tls>,
    pub(crate) resolver: Resolver,
    pub(crate) rules: Rules,
    pub(crate) calls_per_second: CallRate,
    pub(crate) fresh_start: Option<bool>,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) retry: RetryPolicy,
}

/// What the clones of a client, its runs and its batchers share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    state: PerProcess<State>,
}

impl Settings {
    /// The first host's.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.hosts[0].endpoint
    }

    /// The proxy, without user and password.
    pub(crate) fn proxy(&self) -> Option<Arc<str>> {
        let proxy = self.hosts.iter().find_map(|host| host.proxy.as_ref());
        proxy.map(|proxy| proxy.to_string().into())
    }
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        let state = PerProcess::new(State::new(&settings));
        Shared { settings, state }
    }

    /// The settings, and this process' state.
    pub(crate) fn parts(&self) -> (&Settings, &State) {
        let state = self.state.get(|| State::new(&self.settings));
        (&self.settings, state)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("Client")
            .field("sdkappid", &settings.sdkappid)
            .field("identifier", &settings.identifier)
            .field("credentials", &settings.credentials)
            .field("hosts", &settings.hosts)
            .field("rules", &settings.rules)
            .finish_non_exhaustive()
    }
}

/// A client's state in one process.
pub(crate) struct State {
    pub(crate) http: Http,
    pub(crate) usersigs: UserSigs,
    pub(crate) budget: RetryBudget,
    pub(crate) outages: Outages,
    /// The figures of its calls.
    pub(crate) counters: Counters,
    /// For the `random` of each request.
    pub(crate) random: Random,
    /// The changes of bulk runs and batchers. Another client's, once this one takes its place.
    pipeline: Lock<Arc<Pipeline>>,
    /// Shared with this process' other clients of the app.
    pub(crate) quota: Arc<AppQuota>,
}

impl State {
    fn new(settings: &Settings) -> State {
        let key = QuotaKey::new(
            settings.sdkappid,
            settings.endpoint(),
            settings.calls_per_second,
        );
        let quota = AppQuota::shared(key, settings.fresh_start);
        let of_path = Arc::clone(&quota);
        let hosts = settings.hosts.iter().map(|host| host.endpoint.host());
        State {
            http: Http::new(
                &settings.hosts,
                settings.tls.as_ref(),
                &settings.resolver,
                settings.sdkappid,
                &settings.identifier,
                Box::new(move || of_path.path_changed()),
            ),
            usersigs: UserSigs::default(),
            budget: RetryBudget::full(),
            outages: Outages::new(settings.retry, hosts),
            counters: Counters::default(),
            random: Random::seeded(),
            pipeline: Lock::new(Arc::new(Pipeline::new(settings.rules))),
            quota,
        }
    }

    /// The pipeline of what begins from now on.
    pub(crate) fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline.lock())
    }

    pub(crate) fn share_pipeline(&self, pipeline: Arc<Pipeline>) {
        let before = mem::replace(&mut *self.pipeline.lock(), pipeline);
        drop(before); // without the lock
    }

    /// The figures of the client in this process.
    pub(crate) fn stats(&self) -> Stats {
        let [connections_opened, connections_reused, connections_dead] = self.http.counted();
        let (outages, in_outage) = self.outages.service.counted();
        Stats {
            operations: self.counters.snapshot(),
            connections_opened,
            connections_reused,
            connections_dead,
            usersigs: self.usersigs.made(),
            outages,
            in_outage,
        }
    }
}
