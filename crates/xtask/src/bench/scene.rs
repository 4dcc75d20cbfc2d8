//! An emulator for a benchmark, as far away as a service is, and a client for it.

use std::time::Duration;

use imtag_core::SecretKey;
use imtag_emulator::{Emulator, Generation, Operation, RouteStats, Window};
use imtag_transport::Client;

use crate::Error;

/// The documented quota.
pub(super) const CALLS_PER_SECOND: u32 = 100;
pub(super) const LATENCY: Duration = Duration::from_millis(50);

/// The key of the app, which is nobody's.
pub(super) const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) struct Scene {
    pub(super) emulator: Emulator,
    pub(super) client: Client,
}

impl Scene {
    pub(super) fn new(window: Window, jitter: Duration) -> Result<Scene, Error> {
        let emulator = Emulator::builder()
            .secret_key(SecretKey::new(KEY)?)
            .calls_per_second(CALLS_PER_SECOND)
            .window(window)
            .latency(LATENCY)
            .jitter(jitter)
            .start()?;
        let key = SecretKey::new(KEY)?;
        let client = Client::builder(emulator.sdkappid().get(), emulator.identifier(), key)
            .endpoint(emulator.endpoint())
            .calls_per_second(CALLS_PER_SECOND)
            .build()?;
        Ok(Scene { emulator, client })
    }

    /// What arrived of requests that add tags.
    pub(super) fn adds(&self) -> RouteStats {
        let add = (Operation::Add, Generation::AllMemberPush);
        self.emulator.stats().route(add)
    }

    /// Requests that were answered with this code.
    pub(super) fn answered(&self, code: i32) -> u64 {
        self.emulator.stats().code(code)
    }
}

/// A number of events in a time, a second.
pub(super) fn per_second(events: u64, time: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss)] // no benchmark counts to 2^52
    let events = events as f64;
    events / time.as_secs_f64()
}

/// The share of the quota that so many calls are in a time, in per cent.
pub(super) fn of_quota(calls: u64, time: Duration) -> f64 {
    100.0 * per_second(calls, time) / f64::from(CALLS_PER_SECOND)
}

/// Reads `--seconds N`, from 1 to `most`.
pub(super) fn seconds(
    mut arguments: lexopt::Parser,
    default: u64,
    most: u64,
) -> Result<Duration, Error> {
    use lexopt::ValueExt;
    let mut seconds = default;
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("seconds") => seconds = arguments.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    if (1..=most).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(format!("--seconds {seconds}: from 1 to {most}").into())
    }
}
