//! The settings of a client, one setter each. A setting that cannot be used is remembered, so that a program may set
//! all of them and look at one status: that of `im_client_new`.

use std::ffi::{OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use imtag_core::{Generation, Limits, Region, SecretKey, UserSig};
use imtag_transport::{Client, ClientBuilder, Credentials, RetryPolicy};

use crate::boundary::{boundary, guarded};
use crate::credential::{Supplier, im_context_free, im_credential_callback};
use crate::error::{Misuse, im_error};
use crate::pointer::{borrow_mut, free, into_raw};
use crate::status::im_status;
use crate::text::im_str;

/// The settings of clients. Made by `im_config_new`, freed by `im_config_free`; used by one thread at a time. Any
/// number of clients may be made of one, and it may be freed as soon as they are.
///
/// Each setter copies what it is given and returns `IM_OK`, `IM_MISUSE` or `IM_SETTINGS`; the first setting that
/// could not be used is also reported by `im_client_new`, so that the setters' statuses need not be looked at. If all
/// could be used, `im_client_new` reports all that are needed and not set.
#[derive(Default)]
pub struct im_config {
    sdkappid: u32,
    identifier: String,
    credentials: Option<Credentials>,
    place: Option<Place>,
    generation: Generation,
    limits: Limits,
    calls_per_second: Option<u32>,
    fresh_start: Option<bool>,
    connect_timeout: Option<Duration>,
    timeout: Option<Duration>,
    max_attempts: Option<u32>,
    ca_file: Option<PathBuf>,
    fault: Option<String>,
}

enum Place {
    Region(Region),
    Endpoint(String),
}

/// A setting that cannot be used.
struct Unusable {
    /// In a sentence.
    why: String,
    /// What the setter answers.
    error: fn(&str) -> Box<im_error>,
}

impl im_config {
    /// Makes a client.
    pub(crate) fn client(&self) -> Result<Client, Box<im_error>> {
        match &self.fault {
            Some(fault) => Err(im_error::settings(fault)),
            None => Ok(self.builder().build()?),
        }
    }

    fn builder(&self) -> ClientBuilder {
        let builder = ClientBuilder::default()
            .app(self.sdkappid, &self.identifier)
            .generation(self.generation)
            .limits(self.limits);
        let builder = with(
            builder,
            self.credentials.clone(),
            ClientBuilder::credentials,
        );
        let builder = match &self.place {
            None => builder,
            Some(Place::Region(region)) => builder.region(*region),
            Some(Place::Endpoint(endpoint)) => builder.endpoint(endpoint),
        };
        let builder = with(
            builder,
            self.calls_per_second,
            ClientBuilder::calls_per_second,
        );
        let builder = with(builder, self.fresh_start, ClientBuilder::fresh_start);
        let builder = with(
            builder,
            self.connect_timeout,
            ClientBuilder::connect_timeout,
        );
        let builder = with(builder, self.timeout, ClientBuilder::timeout);
        let builder = with(builder, self.ca_file.as_ref(), ClientBuilder::ca_file);
        with(builder, self.max_attempts, |builder, max_attempts| {
            builder.retry(RetryPolicy {
                max_attempts,
                ..RetryPolicy::default()
            })
        })
    }
}

fn with<T>(
    builder: ClientBuilder,
    setting: Option<T>,
    set: impl FnOnce(ClientBuilder, T) -> ClientBuilder,
) -> ClientBuilder {
    match setting {
        Some(setting) => set(builder, setting),
        None => builder,
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

/// Sets something, and remembers the first that cannot be.
///
/// # Safety
/// `config` is NULL, or was made by this library, is not freed, and is used by this thread alone.
unsafe fn set(
    config: *mut im_config,
    setter: impl FnOnce(&mut im_config) -> Result<(), Unusable>,
) -> im_status {
    let act = || {
        // SAFETY: the caller's promise.
        let config = unsafe { borrow_mut(config, "config") }?;
        setter(config).map_err(|Unusable { why, error }| {
            config.fault.get_or_insert_with(|| why.clone());
            error(&why)
        })
    };
    // SAFETY: NULL is no place for an error.
    unsafe { boundary(std::ptr::null_mut(), act) }
}

/// Makes a config with every setting at its default. App, credentials, and region or endpoint have none.
#[unsafe(no_mangle)]
pub extern "C" fn im_config_new() -> *mut im_config {
    guarded(std::ptr::null_mut(), || into_raw(im_config::default()))
}

/// Sets the app, and the account of an app administrator in whose name it is called.
///
/// sdkappid    the app's number, as the console shows it; not 0
/// identifier  1 to 32 bytes, such as administrator
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_app(
    config: *mut im_config,
    sdkappid: u32,
    identifier: im_str,
) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        config.identifier = unsafe { identifier.setting("the identifier") }?.to_owned();
        config.sdkappid = sdkappid;
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets the app's secret key, of which the client makes UserSigs by itself. Of key, UserSig and callback the one that
/// is set last holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_secret_key(
    config: *mut im_config,
    secret_key: im_str,
) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let key = SecretKey::new(unsafe { secret_key.setting("the secret key") }?)?;
        config.credentials = Some(key.into());
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets a ready UserSig, which is used until it expires.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_usersig(
    config: *mut im_config,
    usersig: im_str,
) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let usersig = UserSig::new(unsafe { usersig.setting("the UserSig") }?)?;
        config.credentials = Some(usersig.into());
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets a callback that supplies a UserSig whenever a new one is needed.
///
/// callback      not NULL; runs on any thread that calls a client
/// context       handed to the callback as it is
/// context_free  may be NULL; called once with the context when it is needed no more, also if this function fails
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_credential_callback(
    config: *mut im_config,
    callback: im_credential_callback,
    context: *mut c_void,
    context_free: im_context_free,
) -> im_status {
    let supplier = Supplier::new(callback, context, context_free);
    let setter = |config: &mut im_config| {
        let supplier = supplier.callable()?;
        config.credentials = Some(Credentials::callback(move || supplier.supply()));
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets the app's data centre by name: china, singapore, seoul, tokyo, frankfurt, silicon-valley, jakarta, mumbai,
/// saudi-arabia. Of region and endpoint the one that is set last holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_region(config: *mut im_config, region: im_str) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let region = unsafe { region.setting("the region") }?.parse()?;
        config.place = Some(Place::Region(region));
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets an address in place of a region's: `https://host[:port]`, or `http://` with a loopback address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_endpoint(
    config: *mut im_config,
    endpoint: im_str,
) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let endpoint = unsafe { endpoint.setting("the endpoint") }?;
        imtag_transport::Endpoint::parse(endpoint)?;
        config.place = Some(Place::Endpoint(endpoint.to_owned()));
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets the generation of the service's paths: all_member_push (the default) or timpush.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_generation(
    config: *mut im_config,
    generation: im_str,
) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        config.generation = unsafe { generation.setting("the generation") }?.parse()?;
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets how many calls of each operation this process may make in a second: 1 to 100000; default: 100. The processes of
/// an app share its quota: give each its part. Clients of one process with the same app, endpoint and calls per second
/// share it, whether they live at once or one after the other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_calls_per_second(
    config: *mut im_config,
    calls: u32,
) -> im_status {
    let setter = |config: &mut im_config| {
        config.calls_per_second = Some(calls);
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets whether no other process of the app called in the last second. Not set: unknown, so the client's calls come one
/// by one until this process has run for 1.1 s.
///
/// fresh_start  0: no; one by one for 1.1 s from the making of this process' first client, as a process that `exec` has
///              replaced looks older than it is. Another number: yes, so that nothing is held back for other processes.
///              Of clients that share a quota the first decides, and any later one may say yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_fresh_start(
    config: *mut im_config,
    fresh_start: i32,
) -> im_status {
    let setter = |config: &mut im_config| {
        config.fresh_start = Some(fresh_start != 0);
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets the time for opening a connection, look-up, TCP and TLS; above 0; default: 5000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_connect_timeout_ms(
    config: *mut im_config,
    timeout_ms: u64,
) -> im_status {
    let setter = |config: &mut im_config| {
        config.connect_timeout = Some(Duration::from_millis(timeout_ms));
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets the time for a whole call with all its waits and retries; above 0; default: 10000.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_timeout_ms(
    config: *mut im_config,
    timeout_ms: u64,
) -> im_status {
    let setter = |config: &mut im_config| {
        config.timeout = Some(Duration::from_millis(timeout_ms));
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets how many attempts a call makes at most, the first with it; above 0; default: 4. Not counted are attempts over a
/// pooled connection that proved dead, which are made again at once over a new one, and attempts that nobody answered (the
/// network failed, an attempt's time was up, a gateway answered 5xx, 408 or 429): such an outage is waited out for up to
/// half of the time that the call has left. With 1 nothing is tried again, and no outage is waited out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_max_attempts(
    config: *mut im_config,
    attempts: u32,
) -> im_status {
    let setter = |config: &mut im_config| {
        config.max_attempts = Some(attempts);
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets a file of certificates (PEM) that the server's must lead to, in place of the public ones. The path is taken
/// as bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_set_ca_file(config: *mut im_config, path: im_str) -> im_status {
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let path = unsafe { path.bytes(&|| "the CA file".to_owned()) }?;
        config.ca_file = Some(OsStr::from_bytes(path).into());
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Sets a limit of the service, where a plan grants another than the documented one.
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
    let setter = |config: &mut im_config| {
        // SAFETY: readable during this call.
        let name = unsafe { name.setting("the limit") }?;
        config.limits.set(name, value)?;
        Ok(())
    };
    // SAFETY: the config is this thread's.
    unsafe { set(config, setter) }
}

/// Frees a config; NULL is none. Clients that were made of it stay.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_config_free(config: *mut im_config) {
    // SAFETY: NULL, or made by `im_config_new` and freed only once.
    guarded((), || unsafe { free(config) });
}

#[cfg(test)]
mod tests;
