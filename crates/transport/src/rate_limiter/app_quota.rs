//! The quota of an app in this process. Clients of the same app, endpoint and calls per second share one set of limiters,
//! whether they live at the same time or one after the other. So a client for each request or thread keeps the quota too.
//!
//! New limiters do not know what a predecessor of this process sent in the last second, so calls go one by one at first.
//! What this process knows begins
//! - with its start, as a supervisor starts a process when the one before it is gone; in a child of fork with the fork;
//! - with its first client where the start cannot be read (outside of Linux), and for `fresh_start(false)`: `exec` keeps
//!   a process' start, but not its clients;
//! - later where a client of the same app with another endpoint or other calls per second has just called: with its
//!   last call.
//!
//! So a process that has run for two seconds does not wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imtag_core::{CallRate, Operation, SdkAppId};

use crate::endpoint::Endpoint;
use crate::process::{PerProcess, process_age};
use crate::wait::Lock;

use super::limiter::RateLimiter;

/// Longer than any start slot is held: a process that has known all calls for so long holds none back.
const KNOWN_ENOUGH: Duration = Duration::from_secs(2);

/// How long a quota without a client is kept, beyond its window. An abandoned call counts for two seconds and a window.
const KEPT: Duration = Duration::from_secs(9);

/// A forked child has its own registry: a thread of its parent may have held the parent's lock at the fork.
static SHARED: PerProcess<Lock<Registry>> = PerProcess::empty();

/// A limiter for each operation.
pub(crate) struct AppQuota {
    limiters: [RateLimiter; Operation::ALL.len()],
}

impl AppQuota {
    /// The quota that this process' clients with such settings share.
    pub(crate) fn shared(key: QuotaKey, fresh_start: Option<bool>) -> Arc<AppQuota> {
        let registry = SHARED.get(|| Lock::new(Registry::new(Instant::now())));
        let mut registry = registry.lock();
        registry.quota(key, fresh_start, Instant::now(), process_age)
    }

    pub(crate) fn rate_limiter(&self, operation: Operation) -> &RateLimiter {
        &self.limiters[operation as usize]
    }

    /// Calls of a client go to another host from now on.
    pub(crate) fn path_changed(&self) {
        self.limiters.iter().for_each(RateLimiter::path_changed);
    }

    fn new(calls_per_second: CallRate, since: Instant) -> AppQuota {
        AppQuota {
            limiters: Operation::ALL.map(|_| RateLimiter::new(calls_per_second, since)),
        }
    }

    fn last_used(&self, now: Instant) -> Option<Instant> {
        let used = self
            .limiters
            .iter()
            .filter_map(|limiter| limiter.last_used(now));
        used.max()
    }
}

/// What clients that share a quota have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct QuotaKey {
    sdkappid: u32,
    endpoint: String,
    calls_per_second: CallRate,
}

impl QuotaKey {
    pub(crate) fn new(
        sdkappid: SdkAppId,
        endpoint: &Endpoint,
        calls_per_second: CallRate,
    ) -> QuotaKey {
        QuotaKey {
            sdkappid: sdkappid.get(),
            endpoint: endpoint.url().to_ascii_lowercase(),
            calls_per_second,
        }
    }
}

struct Registry {
    /// From here on this process knows all that it sent, even if `exec` makes it look older.
    first_client: Instant,
    quotas: BTreeMap<QuotaKey, Arc<AppQuota>>,
}

impl Registry {
    fn new(first_client: Instant) -> Registry {
        Registry {
            first_client,
            quotas: BTreeMap::new(),
        }
    }

    /// The quota of such clients, made where there is none.
    fn quota(
        &mut self,
        key: QuotaKey,
        fresh_start: Option<bool>,
        now: Instant,
        process_age: impl FnOnce() -> Option<Duration>,
    ) -> Arc<AppQuota> {
        let other = self.last_used_with_other_settings(&key, now);
        if let Some(quota) = self.quotas.get(&key) {
            let idle = |at| now.saturating_duration_since(at) >= KNOWN_ENOUGH;
            if fresh_start == Some(true) && other.is_none_or(idle) {
                quota
                    .limiters
                    .iter()
                    .for_each(RateLimiter::release_start_slots);
            }
            return Arc::clone(quota);
        }
        self.forget_unused(now);
        let known_for = match fresh_start {
            Some(true) => KNOWN_ENOUGH,
            Some(false) => Duration::ZERO,
            None => process_age().unwrap_or_default().min(KNOWN_ENOUGH),
        };
        let known_for = known_for.max(now.saturating_duration_since(self.first_client));
        let since = now.checked_sub(known_for).unwrap_or(now);
        let since = other.map_or(since, |other| since.max(other));
        let quota = Arc::new(AppQuota::new(key.calls_per_second, since));
        self.quotas.insert(key, Arc::clone(&quota));
        quota
    }

    /// When the app was last called by clients that do not share this quota.
    fn last_used_with_other_settings(&self, key: &QuotaKey, now: Instant) -> Option<Instant> {
        let same_app = |other: &QuotaKey| other.sdkappid == key.sdkappid && other != key;
        let others = self.quotas.iter().filter(|(other, _)| same_app(other));
        others.filter_map(|(_, quota)| quota.last_used(now)).max()
    }

    /// Keeps a process small that makes clients with ever new settings.
    fn forget_unused(&mut self, now: Instant) {
        self.quotas.retain(|key, quota| {
            let kept = KEPT + key.calls_per_second.window();
            let recently = |at| now.saturating_duration_since(at) < kept;
            Arc::strong_count(quota) > 1 || quota.last_used(now).is_some_and(recently)
        });
    }
}

#[cfg(test)]
mod tests {
    use imtag_core::quota::Turn;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A moment that the clock does not reach: it reads as the start of the limiters.
    fn start() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    fn key(sdkappid: u32, endpoint: &str, calls_per_second: impl Into<f64>) -> QuotaKey {
        QuotaKey {
            sdkappid,
            endpoint: endpoint.to_owned(),
            calls_per_second: CallRate::try_from(calls_per_second.into()).unwrap(),
        }
    }

    fn app() -> QuotaKey {
        key(1, "http://127.0.0.1:1", 100)
    }

    fn add(quota: &AppQuota) -> &RateLimiter {
        quota.rate_limiter(Operation::Add)
    }

    /// What the limiter of new clients says of a second call beside one that is under way, some time after its start.
    fn second_call(quota: &AppQuota, moment: Duration) -> Turn {
        let first = add(quota).send_at(moment);
        let turn = add(quota).turn_at(moment);
        first.withdrew();
        turn
    }

    fn unknown() -> Option<Duration> {
        None
    }

    #[test]
    fn clients_of_the_same_app_endpoint_and_calls_per_second_share_a_quota() {
        let now = start();
        let mut registry = Registry::new(now);
        let mut quota = |key| registry.quota(key, None, now, unknown);
        let first = quota(app());
        assert!(Arc::ptr_eq(&first, &quota(app())));
        for other in [
            key(2, "http://127.0.0.1:1", 100),
            key(1, "http://127.0.0.1:2", 100),
            key(1, "http://127.0.0.1:1", 99),
            key(1, "http://127.0.0.1:1", 99.5),
        ] {
            assert!(!Arc::ptr_eq(&first, &quota(other)));
        }
        assert!(Arc::ptr_eq(&first, &quota(app())));
    }

    #[test]
    fn a_client_after_a_dropped_one_goes_on_with_what_that_one_sent() {
        let now = start();
        let mut registry = Registry::new(now);
        let two = || key(1, "http://127.0.0.1:1", 2);
        let first = registry.quota(two(), Some(true), now, unknown);
        let begun = KNOWN_ENOUGH; // of the limiters' time
        drop(add(&first).send_at(begun)); // abandoned: it may arrive two seconds later, and counts for one then
        drop(first);
        let next = registry.quota(two(), Some(true), now + SECOND, unknown);
        let counts_until = begun + 3 * SECOND;
        assert_eq!(
            second_call(&next, begun + SECOND),
            Turn::WaitUntil(counts_until)
        );
        assert_eq!(second_call(&next, counts_until), Turn::Ready);
    }

    #[test]
    fn only_the_first_client_of_a_process_waits_at_its_second_call() {
        let slot = Turn::WaitUntil(ms(110));
        for fresh_start in [None, Some(false)] {
            let now = start();
            let mut registry = Registry::new(now);
            let mut quota = |key, after| registry.quota(key, fresh_start, now + after, unknown);
            let first = quota(app(), Duration::ZERO);
            assert_eq!(second_call(&first, Duration::ZERO), slot);
            // beside one that lives, and after it
            let beside = quota(app(), 2 * SECOND);
            assert_eq!(second_call(&beside, 2 * SECOND), Turn::Ready);
            drop((first, beside));
            let after = quota(app(), 3 * SECOND);
            assert_eq!(second_call(&after, 3 * SECOND), Turn::Ready);
            drop(after);
            // and after one that is forgotten
            quota(key(2, "http://127.0.0.1:1", 100), 60 * SECOND);
            let later = quota(app(), 61 * SECOND);
            assert_eq!(second_call(&later, 61 * SECOND), Turn::Ready);
        }
    }

    /// From when on new limiters count, before or after a process' first client.
    #[test]
    fn what_a_process_knows_begins_with_its_start_or_as_fresh_start_says() {
        let now = start();
        let since = |fresh_start, age: Option<u64>, first_client: u64| {
            let mut registry = Registry::new(now - ms(first_client));
            let quota = registry.quota(app(), fresh_start, now, || age.map(ms));
            now - add(&quota).start()
        };
        for (fresh_start, age, first_client, expected) in [
            (None, Some(300), 0, 300),
            (None, Some(1_000_000), 0, 2_000),
            (None, None, 0, 0),
            (None, None, 700, 700),
            (None, Some(300), 700, 700),
            (Some(true), Some(0), 0, 2_000),
            (Some(false), Some(1_500), 0, 0),
            (Some(false), Some(1_500), 400, 400),
        ] {
            let said = format!("{fresh_start:?} {age:?} {first_client}");
            assert_eq!(
                since(fresh_start, age, first_client),
                ms(expected),
                "{said}"
            );
        }
    }

    #[test]
    fn calls_of_the_app_with_other_settings_are_counted_from_the_last_one() {
        let now = start();
        for fresh_start in [None, Some(true)] {
            let mut registry = Registry::new(now);
            let age = || Some(60 * SECOND);
            let mut quota = |key, after| registry.quota(key, fresh_start, now + after, age);
            let first = quota(app(), Duration::ZERO);
            // an idle one holds nothing up
            let slower = quota(key(1, "http://127.0.0.1:1", 10), SECOND);
            assert_eq!(now + SECOND - add(&slower).start(), KNOWN_ENOUGH);
            let call = add(&first).send_at(KNOWN_ENOUGH);
            let elsewhere = quota(key(1, "http://127.0.0.1:2", 100), ms(1_500));
            assert_eq!(add(&elsewhere).start(), now + ms(1_500)); // one is under way
            call.answered_at(KNOWN_ENOUGH + SECOND);
            let third = quota(key(1, "http://127.0.0.1:3", 100), ms(1_600));
            assert_eq!(add(&third).start(), now + SECOND);
            let another_app = quota(key(2, "http://127.0.0.1:3", 100), ms(1_600));
            assert_eq!(now + ms(1_600) - add(&another_app).start(), KNOWN_ENOUGH);
        }
    }

    #[test]
    fn a_fresh_start_releases_start_slots_and_nothing_that_this_process_sent() {
        let now = start();
        let mut registry = Registry::new(now);
        let two = || key(1, "http://127.0.0.1:1", 2);
        let mut quota = |fresh_start| registry.quota(two(), fresh_start, now, unknown);
        let first = quota(None);
        let call = add(&first).send_at(Duration::ZERO);
        assert_eq!(
            add(&first).turn_at(Duration::ZERO),
            Turn::WaitUntil(ms(600))
        );
        let later = [Some(false), None].map(&mut quota);
        assert_eq!(
            add(&later[0]).turn_at(Duration::ZERO),
            Turn::WaitUntil(ms(600))
        );
        let fresh = quota(Some(true));
        assert_eq!(add(&fresh).turn_at(Duration::ZERO), Turn::Ready);
        let second = add(&fresh).send_at(Duration::ZERO);
        assert_eq!(add(&fresh).turn_at(Duration::ZERO), Turn::AwaitAnswer);
        call.withdrew();
        second.withdrew();
    }

    /// The apps with a quota, after another one has got its own some time after `now`.
    fn apps_with(registry: &mut Registry, another: u32, now: Instant, millis: u64) -> Vec<u32> {
        let another = key(another, "http://127.0.0.1:1", 100);
        registry.quota(another, None, now + ms(millis), unknown);
        registry.quotas.keys().map(|key| key.sdkappid).collect()
    }

    #[test]
    fn a_quota_is_kept_while_a_client_holds_it_or_its_calls_may_count() {
        let now = start();
        let mut registry = Registry::new(now);
        let used = registry.quota(app(), Some(true), now, unknown);
        add(&used).send_at(KNOWN_ENOUGH).answered_at(KNOWN_ENOUGH);
        drop(used);
        let held = registry.quota(key(2, "http://127.0.0.1:1", 100), None, now, unknown);
        registry.quota(key(3, "http://127.0.0.1:1", 100), None, now, unknown); // dropped, and never used
        assert_eq!(apps_with(&mut registry, 4, now, 9_999), [1, 2, 4]);
        assert_eq!(apps_with(&mut registry, 5, now, 10_000), [2, 5]);
        drop(held);
        assert_eq!(apps_with(&mut registry, 6, now, 10_001), [6]);

        let mut registry = Registry::new(now);
        let slow = registry.quota(key(1, "http://127.0.0.1:1", 0.001), None, now, unknown);
        add(&slow).send_at(ms(0)).answered_at(ms(0));
        drop(slow);
        assert_eq!(apps_with(&mut registry, 2, now, 1_008_999), [1, 2]);
        assert_eq!(apps_with(&mut registry, 3, now, 1_009_000), [3]);
    }
}
