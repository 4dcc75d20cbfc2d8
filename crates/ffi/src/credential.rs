//! UserSigs from outside: a callback that fetches one, for example from a vault.

use std::error::Error as StdError;
use std::ffi::c_void;
use std::time::Duration;

use imtag_core::UserSig;
use imtag_transport::{CallbackError, Credentials, SuppliedUserSig};

use crate::boundary::status;
use crate::error::im_error;
use crate::handle::{Context, Misuse, borrow_mut};
use crate::status::im_status;
use crate::str::im_str;

/// Where a callback stores a UserSig, or why there is none. It lives for that call of the callback only.
pub struct im_credential {
    supplied: Result<SuppliedUserSig, CallbackError>,
}

/// Supplies a UserSig with `im_credential_set`, or says why it cannot with `im_credential_refuse`; the later call of the
/// two counts. It runs whenever the client needs a new UserSig, on a thread that calls the client, or on one of a bulk run
/// or a batcher, for one client on one thread at a time. A call's deadline cannot interrupt it: it should limit its own
/// waits. It may not call the client that it supplies.
pub type im_credential_callback =
    Option<unsafe extern "C" fn(context: *mut c_void, credential: *mut im_credential)>;

/// Frees a context that the library was given: once, when no client or config needs it any more, on the thread that frees
/// the last of them; after `fork()`, once in each process that frees its client and config. It may use neither.
pub type im_context_free = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// The context of a callback, which is freed when the last client or config that has it is.
pub(crate) struct OwnedContext {
    context: Context,
    free: im_context_free,
}

impl OwnedContext {
    pub(crate) fn new(context: *mut c_void, free: im_context_free) -> OwnedContext {
        let context = Context::new(context);
        OwnedContext { context, free }
    }
}

impl Drop for OwnedContext {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: given for this use; only this calls it, and no callback has the context any more.
            unsafe { free(self.context.get()) };
        }
    }
}

/// The credentials that a callback supplies.
pub(crate) fn credentials(
    callback: im_credential_callback,
    context: OwnedContext,
) -> Result<Credentials, Misuse> {
    let callback = callback.ok_or_else(|| Misuse::new("the credential callback is NULL"))?;
    Ok(Credentials::callback(move || {
        let mut credential = im_credential {
            supplied: Err("the credential callback supplied none".into()),
        };
        let context = &context;
        // SAFETY: given for this use, with this context, which has not been freed.
        unsafe { callback(context.context.get(), &raw mut credential) };
        credential.supplied
    }))
}

/// Stores a UserSig. For a credential callback, with the handle that it was given.
///
/// usersig       copied
/// valid_for_ms  how long it is valid from now. The callback is asked for a new one when half of that is over: of
///               86,400,000 (a day), after 12 h. 0: unknown; it is used until the service says that it expired
/// error         may be NULL. NULL on entry; set unless IM_OK. Free: im_error_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_credential_set(
    credential: *mut im_credential,
    usersig: im_str,
    valid_for_ms: u64,
    error: *mut *mut im_error,
) -> im_status {
    status!(error, || {
        // SAFETY: NULL, or the handle that the callback was given.
        let credential = unsafe { borrow_mut(credential, "credential") }?;
        // SAFETY: readable during this call.
        let text = unsafe { usersig.setting("usersig") };
        let text = text.inspect_err(|misuse| credential.supplied = Err(misuse.what().into()))?;
        let made = UserSig::new(text).map(|usersig| SuppliedUserSig {
            usersig,
            valid_for: (valid_for_ms > 0).then(|| Duration::from_millis(valid_for_ms)),
        });
        let refused = made.as_ref().err().map(ToString::to_string);
        credential.supplied = made.map_err(Into::into);
        refused.map_or(Ok(()), |why| Err(im_error::settings(&why)))
    })
}

/// Says why there is no UserSig. The text becomes part of the error's message, so it should hold no secret. For a
/// credential callback, with the handle that it was given.
///
/// reason  copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn im_credential_refuse(
    credential: *mut im_credential,
    reason: im_str,
) -> im_status {
    status!(std::ptr::null_mut(), || {
        // SAFETY: NULL, or the handle that the callback was given.
        let credential = unsafe { borrow_mut(credential, "credential") }?;
        // SAFETY: readable during this call.
        let reason = unsafe { reason.bytes(&"reason") }?;
        let reason: Box<dyn StdError + Send + Sync> = String::from_utf8_lossy(reason).into();
        credential.supplied = Err(reason);
        Ok(())
    })
}
