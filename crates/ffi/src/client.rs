//! The client as a handle.

use imtag_transport::Client;

use crate::boundary::status;
use crate::config::im_config;
use crate::error::im_error;
use crate::handle::free;
use crate::status::im_status;

/// A client of the service: connections, UserSig and retry budget that all threads share, and a quota that this
/// process' other clients with the same app, endpoint and calls per second share too. Made by `im_client_new`, freed by
/// `im_client_free`; any number of threads may use it at once.
pub struct im_client(pub(crate) Client);

/// Makes a client. Nothing is sent yet.
///
/// config  not NULL; may be changed or freed afterwards
/// client  not NULL. NULL on entry; set on IM_OK. Free: im_client_free
/// error   may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
/// IM_SETTINGS: the first setting that cannot be used; the message names it, its range and the remedy.
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

/// Frees a client; NULL is none. Not while a call of it runs: let them end first, or cancel them. In a forked child
/// it leaves alone what is its parent's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_client_free(client: *mut im_client) {
    free!(client);
}
