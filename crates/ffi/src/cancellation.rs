//! `pthread_cancel` of a thread that is in the library. Its unwinding would end at the panic boundary, and with it the
//! process: so it is put off until the thread is out of here.

#[cfg(target_os = "linux")]
use std::ffi::c_int;

/// While this lives, this thread is not cancelled.
pub(crate) struct PutOff {
    #[cfg(target_os = "linux")]
    before: c_int,
}

#[cfg(target_os = "linux")]
impl PutOff {
    /// `PTHREAD_CANCEL_DISABLE` of Linux, whichever its C library.
    const DISABLE: c_int = 1;

    pub(crate) fn begin() -> PutOff {
        let mut before = 0;
        // SAFETY: a state that there is, and a place of this frame. Its only error is another state.
        unsafe { pthread_setcancelstate(Self::DISABLE, &raw mut before) };
        PutOff { before }
    }
}

#[cfg(target_os = "linux")]
impl Drop for PutOff {
    fn drop(&mut self) {
        // SAFETY: the state that was; NULL is no place for the other.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

#[cfg(not(target_os = "linux"))]
impl PutOff {
    pub(crate) fn begin() -> PutOff {
        PutOff {}
    }
}
