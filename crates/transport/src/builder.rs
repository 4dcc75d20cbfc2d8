//! The settings of a client, checked together when it is built.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imtag_core::retry::RetryPolicy;
use imtag_core::{
    CallRate, Generation, Identifier, InvalidIdentifier, Limits, Region, Rules, SdkAppId,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::client::Client;
use crate::config::problems::Problems;
use crate::config::setting::{APP, CREDENTIALS, RATE, TARGET, TRUST};
use crate::credentials::Credentials;
use crate::endpoint::{Endpoint, InvalidEndpoint};
use crate::http::{Host, Resolver, Tls};
use crate::proxy::{InvalidProxy, ProxySetting};
use crate::roots::Roots;
use crate::settings_error::SettingsError;
use crate::state::{Settings, Shared};

/// Makes a [`Client`]. The app, its credentials, and a region or endpoint are required; all other settings have defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct ClientBuilder {
    sdkappid: u32,
    identifier: String,
    credentials: Option<Credentials>,
    place: Option<Target>,
    generation: Generation,
    limits: Limits,
    calls_per_second: Option<f64>,
    fresh_start: Option<bool>,
    connect_timeout: Duration,
    timeout: Duration,
    retry: RetryPolicy,
    ca_file: Option<CaFile>,
    roots: Roots,
    spare_endpoint: Option<Result<Option<Endpoint>, InvalidEndpoint>>,
    /// The spare endpoint was found outside the program, beside the region or endpoint.
    spare_is_found: bool,
    proxy: ProxySetting,
    resolver: Resolver,
    /// What is wrong with settings from outside the program.
    found: Option<Problems>,
}

/// What is no endpoint is kept without its text, which may hold a password.
#[derive(Debug, Clone)]
enum Target {
    Region(Region),
    Endpoint(Result<Endpoint, InvalidEndpoint>),
}

/// Root certificates of a file.
#[derive(Debug, Clone)]
enum CaFile {
    /// To be read when the client is built.
    Named(PathBuf),
    Read(RootCertStore),
}

impl Default for ClientBuilder {
    fn default() -> Self {
        ClientBuilder {
            sdkappid: 0,
            identifier: String::new(),
            credentials: None,
            place: None,
            generation: Generation::default(),
            limits: Limits::DOCUMENTED,
            calls_per_second: None,
            fresh_start: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            retry: RetryPolicy::default(),
            ca_file: None,
            roots: Roots::default(),
            spare_endpoint: None,
            spare_is_found: false,
            proxy: ProxySetting::default(),
            resolver: Resolver::default(),
            found: None,
        }
    }
}

impl Client {
    /// A builder for a client of an app, called as one of its administrators. The credentials are a
    /// [`SecretKey`](crate::SecretKey), a [`UserSig`](crate::UserSig), or [`Credentials::callback`].
    ///
    /// ```
    /// # let key = imtag_transport::SecretKey::new("of-no-app")?;
    /// use std::time::Duration;
    /// use imtag_transport::{Client, Region};
    ///
    /// let client = Client::builder(1400000000, "administrator", key)
    ///     .region(Region::Singapore)
    ///     .calls_per_second(50.0) // two processes share the app's quota
    ///     .timeout(Duration::from_secs(5))
    ///     .build()?; // connects to nothing yet
    /// # assert_eq!(client.sdkappid().get(), 1400000000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(
        sdkappid: u32,
        identifier: impl Into<String>,
        credentials: impl Into<Credentials>,
    ) -> ClientBuilder {
        ClientBuilder::default()
            .app(sdkappid, identifier)
            .credentials(credentials)
    }
}

impl ClientBuilder {
    /// The app, and the account of the app administrator that calls it. Required. What is 0 or empty is not set, and
    /// stays as it was.
    pub fn app(mut self, sdkappid: u32, identifier: impl Into<String>) -> Self {
        let identifier = identifier.into();
        let [app, admin] = APP;
        if sdkappid != 0 {
            self.sdkappid = sdkappid;
            self.settle(&[app]);
        }
        if !identifier.is_empty() {
            self.identifier = identifier;
            self.settle(&[admin]);
        }
        self
    }

    /// What UserSigs are made of, or what supplies them. Required.
    pub fn credentials(mut self, credentials: impl Into<Credentials>) -> Self {
        self.credentials = Some(credentials.into());
        self.settle(&CREDENTIALS);
        self
    }

    /// The app's data centre. Required, unless an endpoint is set; the later of the two counts.
    pub fn region(mut self, region: Region) -> Self {
        self.place = Some(Target::Region(region));
        self.settle(&TARGET);
        self.leave_found_spare();
        self
    }

    /// An address in place of a region's: `https://host[:port]`, or `http://` with a loopback address.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        let endpoint = Endpoint::parse(&endpoint.into());
        self.place = Some(Target::Endpoint(endpoint));
        self.settle(&TARGET);
        self.leave_found_spare();
        self
    }

    /// The host that is called while the first cannot be reached, like an [endpoint](ClientBuilder::endpoint); `none`: no
    /// host. Default: of a region the one that the service names for it, of an endpoint none. One that was found in the
    /// environment or a settings file is not used for a region or an endpoint that the program sets.
    ///
    /// Calls go there for a minute if a look-up, a connection or a TLS handshake with the first fails and one with the
    /// spare succeeds; then one call tries the first again. A call whose own time is too short for the first host takes no
    /// other call with it. Once any of a call was written to a host, all its attempts go
    /// to that host. A change that a bulk run or a batcher sends again in another request is in another call.
    pub fn spare_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.spare_endpoint = Some(read_spare(&endpoint.into()));
        self.spare_is_found = false;
        self.settle(&["spare_endpoint"]);
        self
    }

    /// What was found is a spare host of the region or endpoint that was found; `none` is for any.
    fn leave_found_spare(&mut self) {
        if self.found.is_none() {
            return;
        }
        self.settle(&["spare_endpoint"]);
        let is_left = |spare: &Result<_, _>| !self.spare_is_found || *spare == Ok(None);
        self.spare_endpoint = self.spare_endpoint.take().filter(is_left);
    }

    /// The proxy through which the service is called: `http://`, `https://` or `socks5://`, then
    /// `[user:password@]host[:port]`, where what URLs reserve is percent-encoded in user and password; or `direct`: none.
    /// The proxy looks up the service's host. One that is called by `https` is trusted by the same roots as the service.
    ///
    /// Default: the environment's when the client is built, `HTTPS_PROXY` or else `ALL_PROXY` (also in lower case), unless
    /// `NO_PROXY` names the host. An endpoint on this machine is never called through a proxy, not even one set here.
    pub fn proxy(mut self, proxy: &str) -> Self {
        self.proxy = ProxySetting::read(proxy);
        self.settle(&["proxy"]);
        self
    }

    /// Which root certificates are trusted; default: the built-in ones. Of roots and [CA file](ClientBuilder::ca_file) the
    /// later counts.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self.ca_file = None;
        self.settle(&TRUST);
        self
    }

    /// Looks hosts up in place of the system: for tests.
    #[doc(hidden)]
    pub fn resolver(
        mut self,
        look_up: impl Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        self.resolver = Resolver::new(look_up);
        self
    }

    /// The generation of paths; default: `all_member_push`.
    pub fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self.settle(&["generation"]);
        self
    }

    /// Says that no other process of the app called in the last second. A process does not know what its predecessor
    /// sent, so its calls go one by one at first, and at the full quota 1.1 s after its start; one that has run for longer
    /// does not wait. `true`: never wait. `false`: count from this process' first client, as a process that `exec` has
    /// replaced looks older than it is.
    ///
    /// What clients of this process sent is known, and always counts. Of clients that share a quota the first one's
    /// setting counts, and `true` of a later one.
    pub fn fresh_start(mut self, fresh_start: bool) -> Self {
        self.fresh_start = Some(fresh_start);
        self.settle(&["fresh_start"]);
        self
    }

    /// Other limits than the documented ones.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Calls per second of each operation that this process may make: 0.001 to 100000, with at most three decimals;
    /// default: the limits' (100). From 1 on it is so many whole calls in any second (2.5: two); below 1 it is one call
    /// in any 1 / calls seconds (0.5: one in 2 s).
    ///
    /// The processes of an app share its quota: give each its part. Clients of one process with the same app, endpoint
    /// and calls per second share it, whether they live at once or one after the other; those with others have a quota
    /// of their own.
    pub fn calls_per_second(mut self, calls: impl Into<f64>) -> Self {
        self.calls_per_second = Some(calls.into());
        self.settle(&RATE);
        self
    }

    /// The time for opening a connection: look-up, TCP, a proxy and TLS; default: 5 s. Where there is a spare host, half of
    /// it is for the host that is tried first, with a proxy half of what is left once that is reached.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The time for a whole call with all its waits and retries; default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often and how long a call is retried; default: 4 attempts. An outage is waited out without counting attempts,
    /// unless there is only one.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// A PEM file of root certificates, used instead of the built-in ones or the platform's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(CaFile::Named(path.into()));
        self.settle(&TRUST);
        self
    }

    /// Root certificates of a CA file that has been read.
    pub(crate) fn ca_file_read(mut self, roots: RootCertStore) -> Self {
        self.ca_file = Some(CaFile::Read(roots));
        self
    }

    /// What is wrong with settings from outside the program. What is set from here on settles its part.
    pub(crate) fn found(mut self, problems: Problems) -> Self {
        self.found = Some(problems);
        self.spare_is_found = true;
        self
    }

    fn settle(&mut self, keys: &[&str]) {
        if let Some(found) = &mut self.found {
            found.settle(keys);
        }
    }

    /// Makes the client. It sends nothing yet. Its TLS uses the default [`CryptoProvider`](rustls::crypto::CryptoProvider)
    /// of rustls if this process has installed one by now, else ring's.
    ///
    /// Without a [proxy](ClientBuilder::proxy) it reads `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment, also in
    /// lower case, unless the endpoint is on this machine; with the roots of the [platform](Roots::Platform)
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`. No other thread may change the environment meanwhile.
    ///
    /// # Errors
    /// Names all required settings that are missing, or else the first that cannot be used.
    pub fn build(mut self) -> Result<Client, SettingsError> {
        let missing = self.missing();
        if let Some(mut found) = self.found.take() {
            for (_, keys) in &missing {
                found.missing_unless_wrong(keys);
            }
            if let Some(problems) = found.in_words() {
                return Err(SettingsError::Found(problems));
            }
        }
        let mut missing: Vec<_> = missing.into_iter().map(|(error, _)| error).collect();
        match missing.len() {
            0 => {}
            1 => return Err(missing.remove(0)),
            _ => return Err(SettingsError::Several(missing)),
        }
        if self.retry.max_attempts == 0 {
            return Err(SettingsError::NoAttempts);
        }
        let calls_per_second = self
            .calls_per_second
            .unwrap_or(f64::from(self.limits.calls_per_second));
        let sdkappid = SdkAppId::new(self.sdkappid)?;
        let identifier = Identifier::new(self.identifier)?;
        let (endpoint, spare) = match self.place.ok_or(SettingsError::NoPlace)? {
            Target::Region(region) => (region.into(), Some(Endpoint::spare_of(region))),
            Target::Endpoint(endpoint) => (endpoint?, None),
        };
        let spare = match self.spare_endpoint {
            None => spare,
            Some(own) => own.map_err(SettingsError::SpareEndpoint)?,
        };
        let host = |endpoint: Endpoint| {
            let variable =
                |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
            let proxy = self.proxy.for_endpoint(&endpoint, variable)?;
            Ok(Host { endpoint, proxy })
        };
        let hosts = [Some(endpoint), spare].into_iter().flatten().map(host);
        let hosts: Vec<Host> = hosts.collect::<Result<_, InvalidProxy>>()?;
        let settings = Settings {
            sdkappid,
            identifier,
            credentials: self.credentials.ok_or(SettingsError::NoCredentials)?,
            tls: tls(&hosts, self.ca_file, self.roots)?,
            hosts,
            resolver: self.resolver,
            rules: Rules {
                generation: self.generation,
                limits: self.limits,
            },
            calls_per_second: CallRate::try_from(calls_per_second)?,
            fresh_start: self.fresh_start,
            connect_timeout: non_zero(self.connect_timeout, "connect timeout")?,
            timeout: non_zero(self.timeout, "timeout")?,
            retry: self.retry,
        };
        let shared = Arc::new(Shared::new(settings));
        Ok(Client { shared })
    }

    /// The required settings that are missing, each with the keys of what would set it.
    fn missing(&self) -> Vec<(SettingsError, &'static [&'static str])> {
        let app = SdkAppId::new(self.sdkappid).err().map(Into::into);
        let identifier = self.identifier.is_empty();
        let identifier = identifier.then_some(InvalidIdentifier::Empty.into());
        let credentials = self.credentials.is_none();
        let credentials = credentials.then_some(SettingsError::NoCredentials);
        let target = self.place.is_none().then_some(SettingsError::NoPlace);
        let [sdkappid, admin] = APP.each_ref().map(std::slice::from_ref);
        let all = [
            (app, sdkappid),
            (identifier, admin),
            (credentials, &CREDENTIALS[..]),
            (target, &TARGET),
        ];
        let missing = all
            .into_iter()
            .filter_map(|(error, keys)| Some((error?, keys)));
        missing.collect()
    }
}

/// Reads the setting: an endpoint, or `none`.
#[doc(hidden)]
pub fn parse_spare(text: &str) -> Result<Option<Endpoint>, SettingsError> {
    read_spare(text).map_err(SettingsError::SpareEndpoint)
}

fn read_spare(text: &str) -> Result<Option<Endpoint>, InvalidEndpoint> {
    if text.trim() == "none" {
        return Ok(None);
    }
    Endpoint::parse(text).map(Some)
}

fn non_zero(time: Duration, name: &'static str) -> Result<Duration, SettingsError> {
    if time.is_zero() {
        Err(SettingsError::NoTime(name))
    } else {
        Ok(time)
    }
}

fn tls(
    hosts: &[Host],
    ca_file: Option<CaFile>,
    roots: Roots,
) -> Result<Option<Tls>, SettingsError> {
    let from_file = match ca_file {
        Some(CaFile::Named(path)) => Some(read_roots(&path)?),
        Some(CaFile::Read(roots)) => Some(roots),
        None => None,
    };
    if !hosts.iter().any(|host| host.endpoint.is_tls()) {
        return Ok(None);
    }
    let roots = match (from_file, roots) {
        (None, Roots::Platform) => Some(platform_roots()?),
        (from_file, _) => from_file,
    };
    let tls = Tls::new(roots);
    tls.map(Some)
        .map_err(|error| SettingsError::TlsProvider(error.into()))
}

/// Those that can be read: systems have some of old forms among them.
fn platform_roots() -> Result<RootCertStore, SettingsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Err(SettingsError::NoPlatformRoots(why));
    }
    Ok(roots)
}

/// The certificates of a CA file.
pub(crate) fn read_roots(path: &Path) -> Result<RootCertStore, SettingsError> {
    let pem = std::fs::read(path).map_err(|source| SettingsError::CaFile {
        path: path.to_owned(),
        source,
    })?;
    let damaged = || SettingsError::NoCertificate(path.to_owned());
    // the parser finds a certificate only at the start of a line, so not after a BOM, blanks, or another file's end
    let pem = String::from_utf8_lossy(&pem).replace("-----BEGIN ", "\n-----BEGIN ");
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let certificates: Vec<_> = certificates
        .collect::<Result<_, _>>()
        .map_err(|_| damaged())?;
    if certificates.is_empty() {
        return Err(damaged());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a setting of text or number may be, tests/conformance/settings.json holds; limits are set by name there.
    #[test]
    fn a_limit_of_no_calls_per_second_is_refused() {
        let mut limits = Limits::DOCUMENTED;
        limits.calls_per_second = 0;
        let key = imtag_core::SecretKey::new("hush").unwrap();
        let builder = Client::builder(1_400_000_000, "administrator", key).limits(limits);
        let refusal = builder
            .region(Region::China)
            .build()
            .unwrap_err()
            .to_string();
        assert!(refusal.starts_with("0 calls per second: set 0.001 to 100000"));
    }
}
