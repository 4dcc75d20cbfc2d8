//! The request that asks whether the service is back.

use std::time::Duration;

use super::Caller;

/// How long a probe keeps others from probing: the first, and at most.
const LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Probe {
    pub(super) caller: Caller,
    pub(super) granted: Duration,
    pub(super) lease_ends: Duration,
}

impl Probe {
    /// The probe after so many that failed, and beside so many that hang.
    pub(super) fn new(caller: Caller, now: Duration, failed: u32, hanging: usize) -> Probe {
        let hanging = u32::try_from(hanging).unwrap_or(u32::MAX);
        let doublings = failed.saturating_sub(1).saturating_add(hanging);
        let lease = LEASE.saturating_mul(1 << doublings.min(3));
        Probe {
            caller,
            granted: now,
            lease_ends: now + lease.min(LONGEST_LEASE),
        }
    }
}
