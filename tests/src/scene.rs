//! An app of an emulator, for all that is played or measured against one, and a client for it.

use std::process::Command;
use std::time::Duration;

use imtag_core::SecretKey;
use imtag_emulator::{Builder, Emulator, Generation, Operation, RouteStats, Window};
use imtag_transport::Client;

use crate::error::Error;

/// The app's key. No real app has it.
pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub const SDKAPPID: u32 = 1_400_000_000;
pub const IDENTIFIER: &str = "administrator";

/// The documented quota.
pub const CALLS_PER_SECOND: u32 = 100;
/// As far away as a service is.
pub const LATENCY: Duration = Duration::from_millis(50);

/// An emulator of the app, not started yet.
pub fn emulator() -> Result<Builder, Error> {
    Ok(Emulator::builder().secret_key(SecretKey::new(KEY)?))
}

/// Makes `command` a client of the app, by the settings that the command line and the benchmarks read.
pub fn set(command: &mut Command, endpoint: &str) {
    command
        .env("IMTAG_SDKAPPID", SDKAPPID.to_string())
        .env("IMTAG_IDENTIFIER", IDENTIFIER)
        .env("IMTAG_SECRET_KEY", KEY)
        .env("IMTAG_ENDPOINT", endpoint);
}

/// An emulator that is as far away as a service, and a client for it.
pub struct Scene {
    pub emulator: Emulator,
    pub client: Client,
}

impl Scene {
    pub fn new(window: Window, jitter: Duration) -> Result<Scene, Error> {
        Scene::with(emulator()?.window(window).jitter(jitter), CALLS_PER_SECOND)
    }

    /// Of an emulator with its own settings, and a quota for both sides.
    pub fn with(emulator: Builder, calls_per_second: u32) -> Result<Scene, Error> {
        let emulator = emulator.latency(LATENCY).calls_per_second(calls_per_second);
        let emulator = emulator.start()?;
        let client = Client::builder(SDKAPPID, IDENTIFIER, SecretKey::new(KEY)?)
            .endpoint(emulator.endpoint())
            .calls_per_second(calls_per_second)
            .build()?;
        Ok(Scene { emulator, client })
    }

    /// What arrived of requests that add tags.
    pub fn adds(&self) -> RouteStats {
        let add = (Operation::Add, Generation::AllMemberPush);
        self.emulator.stats().route(add)
    }

    /// Requests that were answered with this code.
    pub fn answered(&self, code: i32) -> u64 {
        self.emulator.stats().code(code)
    }
}
