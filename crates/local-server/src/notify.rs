//! What the process tells the init system that started it, by systemd's protocol: a datagram of lines to the socket that
//! `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsStr;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Takes calls from now on.
pub const READY: &str = "READY=1";
/// Is about to end.
pub const STOPPING: &str = "STOPPING=1";
/// Still does its work.
pub const WATCHDOG: &str = "WATCHDOG=1";

/// Reads its settings anew; [`READY`] says when that is done.
#[must_use]
pub fn reloading() -> String {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    format!("RELOADING=1\nMONOTONIC_USEC={micros}")
}

/// Tells a state, where an init system wants to hear it. It may have gone meanwhile, which changes nothing here.
pub fn notify(state: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let Some(address) = address(&path) else {
        return;
    };
    if let Ok(socket) = UnixDatagram::unbound() {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

/// `@name` is one without a file.
fn address(path: &OsStr) -> Option<SocketAddr> {
    match path.as_bytes().strip_prefix(b"@") {
        #[cfg(target_os = "linux")]
        Some(name) => SocketAddr::from_abstract_name(name).ok(),
        #[cfg(not(target_os = "linux"))]
        Some(_) => None,
        None => SocketAddr::from_pathname(path).ok(),
    }
}

/// How often the init system wants to hear [`WATCHDOG`] at least, if it does.
#[must_use]
pub fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let pid = number("WATCHDOG_PID");
    if pid.is_some_and(|pid| pid != u64::from(std::process::id())) {
        return None;
    }
    let micros = number("WATCHDOG_USEC").filter(|it| *it > 0)?;
    Some(Duration::from_micros(micros))
}
