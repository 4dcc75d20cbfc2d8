//! The quota of an app in this process: how often each operation may be called, and who is next. The rule is core's
//! `quota`; this adds the clock, the queue of threads, and which clients share a quota.

mod app_quota;
mod limiter;

pub(crate) use app_quota::{AppQuota, QuotaKey};
pub(crate) use limiter::Permit;
