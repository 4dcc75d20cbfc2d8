//! The settings of an emulator, each with a default under which it starts.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use imtag_core::{Identifier, Limits, SdkAppId, SecretKey};
use tokio_rustls::rustls::crypto::ring;

use crate::apply::Rules;
use crate::emulator::{Emulator, Parts};
use crate::error::StartError;
use crate::gate::App;
use crate::tls::{self, Tls};
use crate::traffic::{Quota, Window};
use crate::world::World;

/// The app of an emulator that was not told another.
const DEFAULT_SDKAPPID: u32 = 1_400_000_000;

/// The settings of an emulator; made by [`Emulator::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    sdkappid: SdkAppId,
    identifier: String,
    secret_key: Option<SecretKey>,
    tls: bool,
    address: String,
    window: Window,
    rejected_arrivals_count: bool,
    read_timeout: Duration,
    rules: Rules,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            sdkappid: SdkAppId::new(DEFAULT_SDKAPPID).expect("the default is not 0"),
            identifier: "administrator".to_owned(),
            secret_key: None,
            tls: false,
            address: "127.0.0.1:0".to_owned(),
            window: Window::default(),
            rejected_arrivals_count: true,
            read_timeout: Duration::from_secs(30),
            rules: Rules::default(),
        }
    }
}

impl Builder {
    /// The one app that is served; 1400000000 if not given.
    #[must_use]
    pub fn app(mut self, sdkappid: SdkAppId) -> Builder {
        self.sdkappid = sdkappid;
        self
    }

    /// The app's one administrator; `administrator` if not given.
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Builder {
        self.identifier = identifier.into();
        self
    }

    /// The app's secret key; if not given, a random one is made at the start: see [`Emulator::secret_key`].
    #[must_use]
    pub fn secret_key(mut self, secret_key: SecretKey) -> Builder {
        self.secret_key = Some(secret_key);
        self
    }

    /// HTTPS, with a certificate authority made at the start (see [`Emulator::ca_pem`]); if not given, plain HTTP,
    /// on a loopback address only.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Builder {
        self.tls = tls;
        self
    }

    /// The address to listen on; if not given, a free port of 127.0.0.1.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Builder {
        self.address = address.into();
        self
    }

    /// The quota of each route by itself; 100 calls a second if not given.
    #[must_use]
    pub fn calls_per_second(mut self, calls: u32) -> Builder {
        self.rules.limits.calls_per_second = calls;
        self
    }

    /// How a second of the quota is counted; a sliding one if not given.
    #[must_use]
    pub fn window(mut self, window: Window) -> Builder {
        self.window = window;
        self
    }

    /// Whether an arrival that was rejected for its frequency counts too; true if not given. Then a caller that never
    /// slows down is never let in again under [`Window::Sliding`].
    #[must_use]
    pub fn rejected_arrivals_count(mut self, count: bool) -> Builder {
        self.rejected_arrivals_count = count;
        self
    }

    /// All limits, those of [`calls_per_second`](Builder::calls_per_second) included; the documented ones if not given.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.rules.limits = limits;
        self
    }

    /// Accounts that count as never imported: any request that names one fails with 70107, on `timpush` for that
    /// account alone. None if not given.
    #[must_use]
    pub fn unknown_accounts<A: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = A>,
    ) -> Builder {
        self.rules.unknown_accounts = accounts.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a FAIL of an older route for one user leaves the other users changed; false if not given. No page says
    /// which it is, so test under both.
    #[must_use]
    pub fn fail_changes_some(mut self, changes: bool) -> Builder {
        self.rules.fail_changes_some = changes;
        self
    }

    /// How long a TLS handshake, the head of a request, or its body may take to come in, and how long a connection may
    /// be idle; then it is closed. 30 s if not given.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Builder {
        self.read_timeout = timeout;
        self
    }

    /// Starts the emulator: when this returns, it takes requests.
    ///
    /// # Errors
    /// Where the settings do not fit, the port is taken, or the system denies what is needed.
    pub fn start(self) -> Result<Emulator, StartError> {
        let identifier =
            Identifier::new(self.identifier.clone()).map_err(StartError::Identifier)?;
        let address = self.resolve()?;
        let secret_key = self.secret_key.map_or_else(random_key, Ok)?;
        let tls = self.tls.then(|| make_tls(address)).transpose()?;
        let quota = Quota {
            calls_per_second: self.rules.limits.calls_per_second,
            window: self.window,
            rejected_arrivals_count: self.rejected_arrivals_count,
        };
        let app = App {
            sdkappid: self.sdkappid,
            identifier: identifier.as_str().to_owned(),
            secret_key,
        };
        Emulator::launch(Parts {
            world: World::new(app, self.rules, quota),
            address,
            tls,
            read_timeout: self.read_timeout,
        })
    }

    fn resolve(&self) -> Result<SocketAddr, StartError> {
        let refused = |source| StartError::Address {
            address: self.address.clone(),
            source,
        };
        let mut addresses = self.address.to_socket_addrs().map_err(refused)?;
        let address = addresses
            .next()
            .ok_or_else(|| refused(std::io::ErrorKind::NotFound.into()))?;
        if !self.tls && !address.ip().is_loopback() {
            return Err(StartError::NotLoopback { address });
        }
        Ok(address)
    }
}

fn make_tls(address: SocketAddr) -> Result<Tls, StartError> {
    tls::make(address.ip()).map_err(|error| StartError::Certificate(error.into()))
}

fn random_key() -> Result<SecretKey, StartError> {
    let mut bytes = [0; 32];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| StartError::Random)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    SecretKey::new(hex).map_err(|_| StartError::Random)
}
