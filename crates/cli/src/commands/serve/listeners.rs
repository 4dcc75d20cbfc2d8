//! What the daemon listens on: the sockets that it was started with, or else the one at its path; and the address that was
//! given.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use imtag_serve::{Listener, UnixAccess};

use crate::args::ServeArgs;
use crate::exit::{CommandError, Exit};

/// The sockets that the process was started with. Ask once, before there are threads.
pub(super) fn inherited() -> Result<Vec<Listener>, CommandError> {
    Listener::inherited().map_err(CommandError::machine(
        "cannot take the sockets of LISTEN_FDS",
    ))
}

/// What is listened on beside those that the process was started with.
pub(super) fn own(
    arguments: &ServeArgs,
    has_inherited: bool,
) -> Result<Vec<Listener>, CommandError> {
    let mut listeners = Vec::new();
    if !has_inherited || arguments.socket.is_some() {
        listeners.push(unix(arguments)?);
    }
    if let Some(address) = &arguments.address {
        let denied = CommandError::machine(format!(
            "cannot listen on {address}: use another port, or 0 for a free one"
        ));
        let given = resolved(address)?;
        // before anybody can connect
        refuse_plain(given, arguments.tls)?;
        listeners.push(Listener::tcp(given).map_err(denied)?);
    }
    Ok(listeners)
}

fn resolved(address: &str) -> Result<SocketAddr, CommandError> {
    let found = address.to_socket_addrs().ok().and_then(|mut it| it.next());
    found.ok_or_else(|| {
        CommandError::usage(format_args!(
            "{address:?} is no address to listen on: give one such as 127.0.0.1:8443"
        ))
    })
}

/// Refuses plain HTTP where others than this machine's processes could read it.
pub(super) fn refuse_plain(address: SocketAddr, tls: bool) -> Result<(), CommandError> {
    if tls || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(CommandError::usage(format_args!(
        "{address} is not a loopback address, and plain HTTP would show tokens and UserSigs to the network: listen on \
         127.0.0.1 or [::1], or turn TLS on (--tls)"
    )))
}

fn unix(arguments: &ServeArgs) -> Result<Listener, CommandError> {
    let path = match &arguments.socket {
        Some(path) => path.clone(),
        None => default_socket(),
    };
    let access = UnixAccess {
        mode: 0o660,
        group: arguments.group.as_deref().map(group).transpose()?,
    };
    Listener::unix(&path, access).map_err(|error| not_listening(&path, &error))
}

fn not_listening(path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another process listens on {path}: end it, or give another path (--socket)")
        }
        io::ErrorKind::AlreadyExists => {
            format!("{path} is there already, and no socket: give another path (--socket)")
        }
        io::ErrorKind::NotFound => {
            format!("the folder of {path} is not there: make it, or give another path (--socket)")
        }
        _ => format!("cannot listen on {path}: {error}"),
    };
    CommandError::new(Exit::Unavailable, why)
}

fn default_socket() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").filter(|it| !it.is_empty());
    own.map_or_else(
        || PathBuf::from("/run/imtag/imtag.sock"),
        |folder| PathBuf::from(folder).join("imtag.sock"),
    )
}

/// A group by its number, or by its name in /etc/group.
fn group(given: &str) -> Result<u32, CommandError> {
    if let Ok(number) = given.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group");
    let groups = groups.map_err(CommandError::machine("cannot read /etc/group"))?;
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(given)).then(|| fields.nth(1)?.parse().ok())?
    });
    number
        .ok_or_else(|| CommandError::usage(format_args!("--group {given}: there is no such group")))
}
