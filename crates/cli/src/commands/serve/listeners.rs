//! What the daemon listens on: the sockets that it was started with, or else the one at its path; and the address that was
//! given.

use std::env;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use imtag_serve::{Listener, UnixAccess};
use rustix::io::Errno;

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
        let listener = once_free(ENDS_WITHIN, || Listener::tcp(given), is_taken);
        listeners.push(listener.map_err(denied)?);
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
    let listener = once_free(ENDS_WITHIN, || Listener::unix(&path, access), is_taken);
    listener.map_err(|error| not_listening(&path, arguments.group.as_deref(), &error))
}

/// How long a start waits for what a daemon gives up as it begins to end, and has just been told to.
pub(super) const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// What is tried, once a daemon that is about to end no longer has it. As it begins to end, a daemon gives up what it listens
/// on and its folder, though it still answers calls that are under way: `kill` and a start behind it leave no gap.
pub(super) fn once_free<T, E>(
    within: Duration,
    attempt: impl Fn() -> Result<T, E>,
    is_taken: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let until = Instant::now() + within;
    loop {
        match attempt() {
            Err(error) if is_taken(&error) && Instant::now() < until => {
                thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn not_listening(path: &Path, group: Option<&str>, error: &io::Error) -> CommandError {
    let is_denied = error.raw_os_error() == Some(Errno::PERM.raw_os_error());
    if let Some(group) = group.filter(|_| is_denied) {
        return CommandError::usage(format_args!(
            "--group {group}: this user is not in that group, so the system lets it make no socket for it: add it to the \
             group and log in anew, or start the daemon by an init system (SupplementaryGroups={group} of systemd)"
        ));
    }
    let path = path.display();
    let why = match error.kind() {
        io::ErrorKind::InvalidInput => {
            return CommandError::usage(format_args!(
                "{path} is longer than the path of a socket may be: give one of 100 bytes at most (--socket)"
            ));
        }
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
    match given.parse() {
        // to the system it says that the group stays
        Ok(u32::MAX) => {
            return Err(CommandError::usage(format_args!(
                "--group {given}: there is no such group"
            )));
        }
        Ok(number) => return Ok(number),
        Err(_) => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_this_user_is_not_in_is_named_and_only_where_it_is_at_fault() {
        let says = |errno: Errno, group| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            not_listening(Path::new("/run/s"), group, &error).sentence
        };
        let of_group = says(Errno::PERM, Some("www-data"));
        assert!(
            of_group.starts_with("--group www-data: this user is not in that group"),
            "{of_group}"
        );
        for (errno, group) in [(Errno::PERM, None), (Errno::ACCESS, Some("www-data"))] {
            assert!(says(errno, group).starts_with("cannot listen on /run/s: "));
        }
    }

    #[test]
    fn a_group_is_a_name_or_a_number_and_not_the_number_that_means_none() {
        assert_eq!(group("65532").ok(), Some(65_532));
        let error = group("4294967295").unwrap_err();
        assert!(error.sentence.contains("no such group"));
    }

    #[test]
    fn what_another_has_is_waited_for_and_what_is_wrong_is_not() {
        let taken = std::cell::Cell::new(3);
        let attempt = || match taken.replace(taken.get() - 1) {
            0 => Ok(()),
            left => Err(left > 0),
        };
        assert_eq!(
            once_free(ENDS_WITHIN, attempt, |is_taken| *is_taken),
            Ok(())
        );
        assert_eq!(
            once_free(ENDS_WITHIN, || Err::<(), _>(1), |_| false),
            Err(1)
        );
    }
}
