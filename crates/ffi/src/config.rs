//! The settings of a client, one setter each, and the client that is made from them. The first setting that cannot be
//! used is remembered, so that a program may set all of them and check one status, that of `im_client_new`.

use std::ffi::{CString, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;

use imtag_core::{Limits, SecretKey, UserSig};
use imtag_transport::{
    Client, ClientBuilder, Config, Endpoint, RetryPolicy, check_proxy, parse_spare,
};

use crate::boundary::{millis, set, status};
use crate::credential::{OwnedContext, credentials, im_context_free, im_credential_callback};
use crate::error::im_error;
use crate::handle::{Misuse, borrow, free, into_raw, lock};
use crate::panic::guarded;
use crate::process::keep_number;
use crate::stats::im_stats;
use crate::status::im_status;
use crate::str::{c_string, im_str};

/// The settings of clients. Made by `im_config_new`, freed by `im_config_free`; used by one thread at a time. Any
/// number of clients may be made from it, and it may be freed once they are made.
///
/// Each setter copies what it is given and returns `IM_OK`, `IM_MISUSE` or `IM_SETTINGS`. A program need not check each
/// setter: `im_client_new` reports the first setting that cannot be used. If all can be used, it reports every setting
/// that is needed and not set.
#[derive(Default)]
pub struct im_config {
    settings: Mutex<Settings>,
    /// Of what was found in the environment.
    pub(crate) warnings: Vec<CString>,
}

#[derive(Default, Clone)]
struct Settings {
    builder: ClientBuilder,
    limits: Limits,
    /// The first setting that could not be used.
    fault: Option<String>,
}

/// A setting that cannot be used.
struct Unusable {
    /// In a sentence.
    why: String,
    /// The error that the setter returns.
    error: fn(&str) -> Box<im_error>,
}

impl im_config {
    pub(crate) fn found(config: &Config) -> im_config {
        let settings = Settings {
            builder: config.builder(),
            ..Settings::default()
        };
        im_config {
            settings: Mutex::new(settings),
            warnings: config.warnings().iter().map(c_string).collect(),
        }
    }

    /// Makes a client.
    pub(crate) fn client(&self) -> Result<Client, Box<im_error>> {
        keep_number();
        let settings = lock(&self.settings);
        match &settings.fault {
            Some(fault) => Err(im_error::settings(fault)),
            None => Ok(settings.builder.clone().build()?),
        }
    }

    fn set(
        &self,
        how: impl FnOnce(ClientBuilder) -> Result<ClientBuilder, Unusable>,
    ) -> Result<(), Box<im_error>> {
        self.change(|settings| {
            settings.builder = how(settings.builder.clone())?;
            Ok(())
        })
    }

    /// Changes the settings, and remembers the first that cannot be used.
    fn change(
        &self,
        how: impl FnOnce(&mut Settings) -> Result<(), Unusable>,
    ) -> Result<(), Box<im_error>> {
        let mut settings = lock(&self.settings);
        how(&mut settings).map_err(|Unusable { why, error }| {
            settings.fault.get_or_insert_with(|| why.clone());
            error(&why)
        })
    }
}

impl Clone for im_config {
    fn clone(&self) -> im_config {
        im_config {
            settings: Mutex::new(lock(&self.settings).clone()),
            warnings: self.warnings.clone(),
        }
    }
}

impl<E: std::error::Error> From<E> for Unusable {
    fn from(error: E) -> Self {
        Unusable {
            why: error.to_string(),
            error: im_error::settings,
        }
    }
}

impl From<Misuse> for Unusable {
    fn from(misuse: Misuse) -> Self {
        Unusable {
            why: misuse.what().to_owned(),
            error: im_error::misuse,
        }
    }
}

/// The text of a setting, as `text!(region, "the region")`.
macro_rules! text {
    ($text:expr, $name:expr) => {
        // SAFETY: readable until the function returns, as it documents.
        unsafe { $text.setting($name) }?
    };
}

/// Makes a config with every setting at its default. App, credentials, and region or endpoint have none.
#[unsafe(no_mangle)]
pub extern "C" fn im_config_new() -> *mut im_config {
    guarded(std::ptr::null_mut(), || into_raw(im_config::default()))
}

/// Sets the app, and the account of an app administrator that makes the calls.
///
/// sdkappid    the app's number, as the console shows it. 0: it stays as it is
/// identifier  1 to 32 bytes, such as administrator. Empty: it stays as it is
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_app(
    config: *mut im_config,
    sdkappid: u32,
    identifier: im_str,
) -> im_status {
    set!(config, app(sdkappid, text!(identifier, "the identifier")))
}

/// Sets the app's secret key, from which the client makes UserSigs. Of key, UserSig and callback, the one that is set
/// last is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_secret_key(
    config: *mut im_config,
    secret_key: im_str,
) -> im_status {
    set!(config, |builder| {
        builder.credentials(SecretKey::new(text!(secret_key, "the secret key"))?)
    })
}

/// Sets a ready UserSig, which is used until it expires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_usersig(
    config: *mut im_config,
    usersig: im_str,
) -> im_status {
    set!(
        config,
        credentials(UserSig::new(text!(usersig, "the UserSig"))?)
    )
}

/// Sets a callback that supplies a UserSig whenever a new one is needed.
///
/// callback      not NULL; runs on any thread that calls a client
/// context       passed to the callback as it is
/// context_free  may be NULL; called once with the context when it is no longer needed, also if this function fails
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_credential_callback(
    config: *mut im_config,
    callback: im_credential_callback,
    context: *mut c_void,
    context_free: im_context_free,
) -> im_status {
    status!(std::ptr::null_mut(), || {
        // made first, so that the context is freed however this ends
        let context = OwnedContext::new(context, context_free);
        // SAFETY: NULL, or made by this library and not freed during this call.
        let config = unsafe { borrow(config, "config") }?;
        config.set(|builder| Ok(builder.credentials(credentials(callback, context)?)))
    })
}

/// Sets the app's data centre by name: china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, mumbai,
/// saudi-arabia. Of region and endpoint, the one that is set last is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_region(config: *mut im_config, region: im_str) -> im_status {
    set!(config, region(text!(region, "the region").parse()?))
}

/// Sets an address in place of a region's: `https://host[:port]`, or `http://` with a loopback address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_endpoint(
    config: *mut im_config,
    endpoint: im_str,
) -> im_status {
    set!(config, |builder| {
        let endpoint = text!(endpoint, "the endpoint");
        Endpoint::parse(endpoint)?;
        builder.endpoint(endpoint)
    })
}

/// Sets the host that is called while the first cannot be reached.
///
/// endpoint  as that of im_config_set_endpoint; or none: there is no such host. Default: of a region the one that the
///           service names for it, of an endpoint none
///
/// Calls go there for a minute if a look-up, a connection or a TLS handshake with the first fails and one with the spare
/// succeeds; then one call tries the first again. Once any of a call was written to a host, all its attempts go to that
/// host. A change that a bulk run or a batcher sends again in another request is in another call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_spare_endpoint(
    config: *mut im_config,
    endpoint: im_str,
) -> im_status {
    set!(config, |builder| {
        let endpoint = text!(endpoint, "the spare endpoint");
        parse_spare(endpoint)?;
        builder.spare_endpoint(endpoint)
    })
}

/// Sets the proxy through which the service is called. It may hold a password: no message shows any part of it but the
/// scheme, host and port of a proxy that failed.
///
/// proxy  http://, https:// or socks5://, then [user:password@]host[:port], where what URLs reserve is percent-encoded in
///        user and password; the ports are 80, 443 and 1080 if none is given; host:port is http. Or direct: no proxy.
///        Default: that of the environment when the client is made, HTTPS_PROXY or else ALL_PROXY (also in lower case),
///        unless NO_PROXY names the host
///
/// The proxy looks up the service's host. One that is called by https is trusted by the same certificates as the service.
/// An endpoint on this machine is never called through a proxy, not even through one that is set here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_proxy(config: *mut im_config, proxy: im_str) -> im_status {
    set!(config, |builder| {
        let proxy = text!(proxy, "the proxy");
        check_proxy(proxy)?;
        builder.proxy(proxy)
    })
}

/// Sets the generation of the service's paths: all_member_push (the default) or timpush.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_generation(
    config: *mut im_config,
    generation: im_str,
) -> im_status {
    set!(
        config,
        generation(text!(generation, "the generation").parse()?)
    )
}

/// Sets how many calls of each operation this process may make in a second: 0.001 to 100000, with at most three
/// decimals; default: 100. From 1 up it is that many whole calls in any second (2.5: two); below 1 it is one call in any
/// 1 / calls seconds (0.5: one in 2 s). The processes of an app share its quota: give each its part. Clients of one
/// process with the same app, endpoint and calls per second share it, whether they live at once or one after the other.
///
/// Above 80 % of the calls of an operation that an app may make in a second, the service sends an alarm to the app's
/// webhook, if it has one. A bulk run at full speed sets it off; with 80 for all processes together it stays quiet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_calls_per_second(
    config: *mut im_config,
    calls: f64,
) -> im_status {
    set!(config, calls_per_second(calls))
}

/// Sets whether no other process of the app called in the last second. If it is not set, the client does not know, and
/// makes one call at a time until this process has run for 1.1 s.
///
/// fresh_start  0: no. The client makes one call at a time for 1.1 s from the making of this process' first client, as a
///              process that `exec` has replaced looks older than it is. Another number: yes, no call waits for other
///              processes. Of clients that share a quota the first decides, and any later one may say yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_fresh_start(
    config: *mut im_config,
    fresh_start: i32,
) -> im_status {
    set!(config, fresh_start(fresh_start != 0))
}

/// Sets the time for opening a connection (look-up, TCP, a proxy and TLS); above 0; default: 5000. Where there is a spare
/// host, half of it is for the host that is tried first, with a proxy half of what is left once that is reached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_connect_timeout_ms(
    config: *mut im_config,
    timeout_ms: u64,
) -> im_status {
    set!(config, connect_timeout(millis(timeout_ms)))
}

/// Sets the time for a whole call with all its waits and retries; above 0; default: 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_timeout_ms(
    config: *mut im_config,
    timeout_ms: u64,
) -> im_status {
    set!(config, timeout(millis(timeout_ms)))
}

/// Sets how many attempts a call makes at most, including the first; above 0; default: 4. Two kinds are not
/// counted: an attempt over a pooled connection that proves dead, which is made again at once over a new one, and an
/// attempt without an answer (the network failed, the attempt's time was up, a gateway answered 5xx, 408 or 429). The
/// call waits for the end of such an outage for up to half of the time that it has left. With 1 nothing is tried again,
/// and the call waits for no outage.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_max_attempts(
    config: *mut im_config,
    attempts: u32,
) -> im_status {
    set!(
        config,
        retry(RetryPolicy {
            max_attempts: attempts,
            ..RetryPolicy::default()
        })
    )
}

/// Sets which public root certificates are trusted: built-in (the default), which are Mozilla's and of the library's age;
/// or platform, those of this system, where a company's proxy that opens TLS has its CA. On Linux SSL_CERT_FILE and
/// SSL_CERT_DIR may say where these are. Of roots and CA file, the one that is set last is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_roots(config: *mut im_config, roots: im_str) -> im_status {
    set!(config, roots(text!(roots, "the roots").parse()?))
}

/// Sets a file of CA certificates (PEM) to trust in place of the public ones. The path is bytes, in any encoding. Of roots
/// and CA file, the one that is set last is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_ca_file(config: *mut im_config, path: im_str) -> im_status {
    set!(config, |builder| {
        // SAFETY: readable until the function returns, as it documents.
        let path = unsafe { path.bytes(&"the CA file") }?;
        builder.ca_file(OsStr::from_bytes(path))
    })
}

/// Sets a limit of the service, if the app's plan has another than the documented one.
///
/// name   users_per_request (100), tags_per_user_and_request (10), tags_per_user (100), tag_bytes (50) or
///        account_bytes (32)
/// value  above 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_limit(
    config: *mut im_config,
    name: im_str,
    value: usize,
) -> im_status {
    status!(std::ptr::null_mut(), |config| config.change(|settings| {
        settings.limits.set(text!(name, "the limit"), value)?;
        settings.builder = settings.builder.clone().limits(settings.limits);
        Ok(())
    }))
}

/// Frees a config; NULL does nothing. Clients that were made from it stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_free(config: *mut im_config) {
    free!(config);
}

/// A client of the service: connections, UserSig and retry budget, which all threads share, and a quota, which it shares
/// with this process' other clients of the same app, endpoint and calls per second. Made by `im_client_new`, freed by
/// `im_client_free`; any number of threads may use it at once.
pub struct im_client(pub(crate) Client);

/// Makes a client. Nothing is sent yet.
///
/// It reads the environment as getenv does: no other thread may change it meanwhile, by setenv, say. Unless a proxy is set
/// or the endpoint is on this machine, it reads HTTPS_PROXY, https_proxy, ALL_PROXY, all_proxy, NO_PROXY and no_proxy; with
/// the platform's roots SSL_CERT_FILE and SSL_CERT_DIR. The system's look-up of names, which calls use, may read it too.
///
/// config  not NULL; may be changed or freed afterwards
/// client  not NULL. NULL on entry; set on IM_OK. Free: im_client_free
/// error   may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_SETTINGS: the message names all settings that are needed and not set, or the first that cannot be used, with its
/// range and the remedy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_client_new(
    config: *const im_config,
    client: *mut *mut im_client,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(client), |config| {
        let made = config.client()?;
        client.give(|| im_client(made));
        Ok(())
    })
}

/// Frees a client; NULL does nothing. Not while one of its calls runs: wait for them, or cancel them. In a forked child
/// it does not touch what is its parent's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_client_free(client: *mut im_client) {
    free!(client);
}

/// Returns the figures of a client in this process, since it was made; a forked child begins with zeros. They are of all
/// its calls, also of the requests of its bulk runs and batchers. It takes microseconds and holds up no call:
///
/// imtag_calls_total                  calls that have ended; operation="add", "get", "remove" or "clear", and outcome="done",
///                                    "partial", or what the call failed by: "service", "timeout", "network", ...
/// imtag_calls_in_flight              calls that have begun and not ended. This and the next seven have an operation
/// imtag_attempts_total               attempts, also those that did not reach the service
/// imtag_attempts_sent_total          attempts of which any byte left this machine
/// imtag_quota_rejections_total       attempts that the service rejected as too frequent: others use the app's quota, too
/// imtag_quota_waits_total            waits for a turn in the quota
/// imtag_quota_wait_seconds_total     how long these were together
/// imtag_longest_quota_wait_seconds   the longest of them
/// imtag_app_refused                  1 while the service refuses the app, its credentials or its plan
/// imtag_connections_opened_total     connections that were opened
/// imtag_connections_reused_total     attempts over a connection that an earlier one had left
/// imtag_connections_dead_total       idle connections that were found closed, or did not answer
/// imtag_usersigs_total               UserSigs that were made or supplied
/// imtag_outages_total                how often the service became unavailable
/// imtag_in_outage                    1 while it is: until an answer
///
/// client  not NULL; any thread
/// stats   not NULL. NULL on entry; set on IM_OK. Free: im_stats_free
/// error   may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_client_stats(
    client: *const im_client,
    stats: *mut *mut im_stats,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, out(stats), |client| {
        stats.give(|| im_stats::new(client.0.stats().figures()));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::IM_OK;

    #[test]
    fn a_fresh_start_is_unknown_until_it_is_set_and_then_on_or_off() {
        let config = im_config_new();
        let shown = |expected: &str| {
            // SAFETY: made above, and freed at the end.
            let builder = format!("{:?}", lock(&unsafe { &*config }.settings).builder);
            assert!(builder.contains(expected), "{builder}");
        };
        shown("fresh_start: None");
        for (number, expected) in [(1, "Some(true)"), (0, "Some(false)"), (-1, "Some(true)")] {
            // SAFETY: as above.
            assert_eq!(unsafe { im_config_set_fresh_start(config, number) }, IM_OK);
            shown(&format!("fresh_start: {expected}"));
        }
        // SAFETY: used no more.
        unsafe { im_config_free(config) };
    }
}
