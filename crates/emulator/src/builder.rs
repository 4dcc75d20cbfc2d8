//! The settings of an emulator, each with a default under which it starts.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imtag_core::{Limits, Region, SdkAppId, SecretKey};
use imtag_local_server::Names;

use crate::disk::Disk;
use crate::emulator::Emulator;
use crate::error::StartError;
use crate::folder::Folder;
use crate::handler::Context;
use crate::identity;
use crate::quota::Window;
use crate::service::{Service, Settings};

/// The settings of an emulator; made by [`Emulator::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    sdkappid: Option<SdkAppId>,
    identifier: Option<String>,
    secret_key: Option<SecretKey>,
    data: Option<PathBuf>,
    tls: bool,
    address: String,
    names: Vec<String>,
    read_timeout: Duration,
    seed: Option<u64>,
    /// All but the seed.
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            sdkappid: None,
            identifier: None,
            secret_key: None,
            data: None,
            tls: false,
            address: "127.0.0.1:0".to_owned(),
            names: Vec::new(),
            read_timeout: Duration::from_secs(30),
            seed: None,
            settings: Settings::default(),
        }
    }
}

impl Emulator {
    /// The settings to start one with.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// The one app that is served; 1400000000 if not given.
    #[must_use]
    pub fn app(mut self, sdkappid: SdkAppId) -> Builder {
        self.sdkappid = Some(sdkappid);
        self
    }

    /// The app's one administrator; `administrator` if not given.
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Builder {
        self.identifier = Some(identifier.into());
        self
    }

    /// The app's secret key; if not given, the one that [`data`](Builder::data) keeps, or else a random one: see
    /// [`Emulator::secret_key`]. One that is given is never written down.
    #[must_use]
    pub fn secret_key(mut self, secret_key: SecretKey) -> Builder {
        self.secret_key = Some(secret_key);
        self
    }

    /// A folder in which users and their tags, app, administrator, secret key and certificate authority outlast this
    /// emulator; it is made if it is not there. What was answered is kept when the process ends, also by `kill -9`; a
    /// power cut may take what the system had not written yet. If not given, all is in memory and gone at the end.
    ///
    /// One emulator at a time uses it. It keeps to the first one's app and administrator: giving others is refused.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Builder {
        self.data = Some(folder.into());
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

    /// A name by which clients reach it, such as a container's or another machine's for it: a host, an IP address, or a
    /// wildcard such as `*.dev.example`. The certificate holds it, beside loopback, the host of
    /// [`address`](Builder::address), the address of this machine that is called, and the hosts of the service; tunnels
    /// are opened for it, and the admin API answers to it. Can be given several times.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.names.push(name.into());
        self
    }

    /// The quota of each route by itself, in whole calls of each second, as the service counts; 100 if not given.
    #[must_use]
    pub fn calls_per_second(mut self, calls: u32) -> Builder {
        self.settings.quota.calls_per_second = calls;
        self
    }

    /// How a second of the quota is counted; a sliding one if not given.
    #[must_use]
    pub fn window(mut self, window: Window) -> Builder {
        self.settings.quota.window = window;
        self
    }

    /// Whether an arrival that was rejected for its frequency counts too; true if not given. Then a caller that never
    /// slows down is never accepted again under [`Window::Sliding`].
    #[must_use]
    pub fn rejected_arrivals_count(mut self, count: bool) -> Builder {
        self.settings.quota.rejected_arrivals_count = count;
        self
    }

    /// All limits, those of [`calls_per_second`](Builder::calls_per_second) included; the documented ones if not given.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.settings.quota.calls_per_second = limits.calls_per_second;
        self.settings.rules.limits = limits;
        self
    }

    /// Accounts that count as never imported: any request that names one fails with 70107, on `timpush` for that
    /// account alone. None if not given.
    #[must_use]
    pub fn unknown_accounts<A: Into<String>>(
        mut self,
        accounts: impl IntoIterator<Item = A>,
    ) -> Builder {
        self.settings.rules.unknown_accounts = accounts.into_iter().map(Into::into).collect();
        self
    }

    /// Whether a FAIL of an older route for one user leaves the other users changed; false if not given. No page says
    /// which it is, so test under both.
    #[must_use]
    pub fn fail_changes_some(mut self, changes: bool) -> Builder {
        self.settings.rules.fail_changes_some = changes;
        self
    }

    /// Whether a `random` in the URL that is not a whole number from 0 to 4294967295 gets 60025; false if not given.
    /// The service's pages ask for such a number, and do not say that it is checked; other SDKs send other texts.
    #[must_use]
    pub fn strict_random(mut self, strict: bool) -> Builder {
        self.settings.rules.strict_random = strict;
        self
    }

    /// How long a TLS handshake, the head of a request, or its body may take to come in, and how long a connection may
    /// be idle; then it is closed. 30 s if not given, and a year at most.
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Builder {
        // Longer ones may lie beyond what an Instant can hold.
        self.read_timeout = timeout.min(Duration::from_secs(365 * 86_400));
        self
    }

    /// How long every request of the service is under way, there and back together; none if not given. Half of it
    /// passes before the request is counted and handled, half after.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Builder {
        self.settings.latency.mean = latency;
        self
    }

    /// How far the latency of a request may lie below or above [`latency`](Builder::latency), evenly, but never below
    /// 0; none if not given.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Builder {
        self.settings.latency.jitter = jitter;
        self
    }

    /// What chance is drawn from, for standing faults and jitter: the same seed brings the same to the same requests in
    /// the same order. If not given, a random one: see [`Emulator::seed`].
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Builder {
        self.seed = Some(seed);
        self
    }

    /// Starts the emulator: when this returns, it takes requests.
    ///
    /// # Errors
    /// Where the settings do not fit, the port is taken, or the system denies what is needed.
    pub fn start(self) -> Result<Emulator, StartError> {
        let address = self.resolve()?;
        let names = Names::new(&self.names, &self.address, address.ip(), &official_hosts())?;
        let folder = self.data.as_deref().map(Folder::open).transpose()?;
        let mut data = folder.map(Disk::open).transpose()?;
        let folder = data.as_ref().map(|(disk, _)| &disk.folder);
        // Before anything is written: it may be refused.
        let kept_ca = folder.filter(|_| self.tls);
        let kept_ca = kept_ca
            .map(|folder| folder.files.certificate(identity::CA))
            .transpose()?
            .flatten();
        let (app, secret_key_file) =
            identity::app(self.sdkappid, self.identifier, self.secret_key, folder)?;
        let tls = self.tls.then(|| identity::tls(&names, folder, kept_ca));
        let (tls, ca) = tls.transpose()?.unzip();
        let mut settings = self.settings;
        settings.seed = self.seed.map_or_else(identity::random_seed, Ok)?;
        if let Some((disk, _)) = &mut data {
            disk.begin()?;
        }
        let context = Context {
            service: Arc::new(Service::new(app, settings, data)),
            names: Arc::new(names),
            read_timeout: self.read_timeout,
        };
        Emulator::launch(
            address,
            context,
            tls.map(Arc::new),
            secret_key_file,
            ca.flatten(),
        )
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

/// What clients of the service ask for.
fn official_hosts() -> Vec<&'static str> {
    let regions = Region::ALL.into_iter();
    regions
        .flat_map(|region| [region.host(), region.spare_host()])
        .collect()
}
