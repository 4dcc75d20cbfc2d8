//! A client's state in each process: connections, UserSig, retry budget, outage, pipeline, and the quota that clients of a
//! process share.

use std::sync::{Arc, MutexGuard};

use imtag_core::Operation;
use imtag_core::retry::RetryBudget;

use crate::app_quota::AppQuota;
use crate::credentials::UserSigs;
use crate::http::Http;
use crate::outage::Outage;
use crate::pipeline::Pipeline;
use crate::rate_limiter::RateLimiter;
use crate::settings::Settings;
use crate::wait::Lock;

/// A client's state in one process.
pub(crate) struct State {
    pub(crate) http: Http,
    pub(crate) usersigs: UserSigs,
    budget: Lock<RetryBudget>,
    pub(crate) outage: Outage,
    /// The changes of bulk runs and batchers.
    pub(crate) pipeline: Pipeline,
    /// Shared with this process' other clients of the app.
    quota: Arc<AppQuota>,
}

impl State {
    pub(crate) fn new(settings: &Settings) -> State {
        State {
            http: Http::new(&settings.endpoint, settings.roots.as_ref()),
            usersigs: UserSigs::new(),
            budget: Lock::new(RetryBudget::full()),
            outage: Outage::new(settings.retry),
            pipeline: Pipeline::new(settings.rules),
            quota: AppQuota::shared(settings),
        }
    }

    pub(crate) fn budget(&self) -> MutexGuard<'_, RetryBudget> {
        self.budget.lock()
    }

    pub(crate) fn rate_limiter(&self, operation: Operation) -> &RateLimiter {
        self.quota.rate_limiter(operation)
    }
}
