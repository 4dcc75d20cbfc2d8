//! Where connections come from: an address, a path, or what the process was started with.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use listenfd::ListenFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpStream, UnixStream};

use crate::socket::{Peer, Socket};

/// How many connections wait in the system; it takes fewer where its own bound is lower (`net.core.somaxconn`).
pub(crate) const BACKLOG: i32 = 4096;

/// Something that connections come in by. It is made, and used, within a runtime.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    origin: Origin,
}

/// Who listens on it once this process does not.
#[derive(Debug)]
enum Origin {
    /// Nobody. Its file is removed with it, where it has one.
    Own(Option<SocketFile>),
    /// Who has started this process, and hands it to the next one, with what waits in it.
    Inherited,
}

#[derive(Debug)]
enum Kind {
    Tcp(AsyncFd<TcpListener>),
    Unix(AsyncFd<UnixListener>),
}

/// The same call on either kind.
macro_rules! of_either {
    ($listener:expr, $it:ident => $call:expr) => {
        match &$listener.kind {
            Kind::Tcp($it) => $call,
            Kind::Unix($it) => $call,
        }
    };
}

/// Who may connect to a Unix socket: what `chmod` and `chgrp` would say of it.
#[derive(Debug, Clone, Copy)]
pub struct UnixAccess {
    /// Such as 0o660. Connecting needs the right to write.
    pub mode: u32,
    /// The group, if it is not that of the process.
    pub group: Option<u32>,
}

impl Listener {
    /// Listens on an address.
    ///
    /// # Errors
    /// Where the port is taken, or the system denies it.
    pub fn tcp(address: SocketAddr) -> io::Result<Listener> {
        Listener::from_tcp(TcpListener::bind(address)?, Origin::Own(None))
    }

    /// Listens on a path, which nobody can connect to before it has its mode and group. What an earlier process has left
    /// there is replaced; another file is not, nor a socket that is listened on. The path is removed with the listener.
    ///
    /// # Errors
    /// `AddrInUse` where another process listens on it, `AlreadyExists` where another file is there, `InvalidInput` where
    /// the path is longer than any caller could name it to the system, and what the system says else.
    pub fn unix(path: &Path, access: UnixAccess) -> io::Result<Listener> {
        // it is bound by a shorter path, and renamed
        std::os::unix::net::SocketAddr::from_pathname(path)?;
        let folder = folder_of(path);
        // Of two that start at once, one looks first and listens.
        let _lock = lock(folder)?;
        check_free(path)?;
        let (listener, file) = bind(folder, path, access)?;
        Listener::from_unix(listener, Origin::Own(Some(file)))
    }

    /// The sockets that the process was started with, by systemd or another of its kind (`LISTEN_FDS`), in their order;
    /// none where it has none. Ask once, before there are threads: the variables are removed.
    ///
    /// # Errors
    /// `InvalidInput` where one of them is no socket of TCP or Unix that is listened on.
    pub fn inherited() -> io::Result<Vec<Listener>> {
        let mut given = ListenFd::from_env();
        let mut listeners = Vec::new();
        for at in 0..given.len() {
            if let Ok(Some(listener)) = given.take_tcp_listener(at) {
                check_listening(&listener)?;
                listeners.push(Listener::from_tcp(listener, Origin::Inherited)?);
            } else if let Some(listener) = given.take_unix_listener(at)? {
                check_listening(&listener)?;
                listeners.push(Listener::from_unix(listener, Origin::Inherited)?);
            }
        }
        Ok(listeners)
    }

    /// As a process gets it that another one has started.
    #[cfg(test)]
    pub(crate) fn inherited_tcp(listener: TcpListener) -> io::Result<Listener> {
        Listener::from_tcp(listener, Origin::Inherited)
    }

    fn from_tcp(listener: TcpListener, origin: Origin) -> io::Result<Listener> {
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok(Listener {
            kind: Kind::Tcp(watched(listener)?),
            origin,
        })
    }

    fn from_unix(listener: UnixListener, origin: Origin) -> io::Result<Listener> {
        rustix::net::listen(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok(Listener {
            kind: Kind::Unix(watched(listener)?),
            origin,
        })
    }

    /// Removes its path, so that no caller finds it any more; over TCP callers come until it is closed. Returns whether who
    /// waits in it is lost when it is closed, as no other process listens on it.
    pub(crate) fn withdraw(&mut self) -> bool {
        match &mut self.origin {
            Origin::Own(file) => {
                *file = None;
                true
            }
            Origin::Inherited => false,
        }
    }

    /// The address that it listens on, with the port that it got; `None` for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(listener) => listener.get_ref().local_addr().ok(),
            Kind::Unix(_) => None,
        }
    }

    /// The path that it listens on; `None` for TCP, and for a socket without a name.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Tcp(_) => None,
            Kind::Unix(listener) => {
                // It was bound beside its path, which the system still says.
                let of_file = match &self.origin {
                    Origin::Own(Some(file)) => Some(file.path.clone()),
                    Origin::Own(None) | Origin::Inherited => None,
                };
                let address = || listener.get_ref().local_addr().ok();
                of_file.or_else(|| Some(address()?.as_pathname()?.to_owned()))
            }
        }
    }

    /// Returns once a connection may wait to be accepted.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        of_either!(self, it => it.readable().await.map(|_| ()))
    }

    /// Whether a connection waits to be accepted; it is not taken. Else the next [`readable`](Listener::readable) waits for one.
    pub(crate) fn has_waiting(&self) -> io::Result<bool> {
        let waiting = of_either!(self, it => it.try_io(Interest::READABLE, |it| {
            let is_there = polls_readable(it)?;
            is_there.then_some(()).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        }));
        unless_none(waiting).map(|it| it.is_some())
    }

    /// The same as the system has it, of which the runtime may not know yet.
    pub(crate) fn has_waiting_now(&self) -> io::Result<bool> {
        of_either!(self, it => polls_readable(it.get_ref()))
    }

    /// Takes a connection that waits.
    pub(crate) fn accept(&self) -> io::Result<Option<(Socket, Peer)>> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let accepted = listener.try_io(Interest::READABLE, TcpListener::accept);
                unless_none(accepted)?.map(of_tcp).transpose()
            }
            Kind::Unix(listener) => {
                let accepted = listener.try_io(Interest::READABLE, accept_unix);
                unless_none(accepted)?.map(of_unix).transpose()
            }
        }
    }

    /// The same, behind [`has_waiting_now`](Listener::has_waiting_now).
    pub(crate) fn accept_now(&self) -> io::Result<Option<(Socket, Peer)>> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let accepted = listener.get_ref().accept();
                unless_none(accepted)?.map(of_tcp).transpose()
            }
            Kind::Unix(listener) => {
                let accepted = accept_unix(listener.get_ref());
                unless_none(accepted)?.map(of_unix).transpose()
            }
        }
    }
}

fn of_tcp((stream, peer): (std::net::TcpStream, SocketAddr)) -> io::Result<(Socket, Peer)> {
    stream.set_nonblocking(true)?;
    // Answers go out at once where it is taken, and a little later elsewhere.
    let _ = stream.set_nodelay(true);
    let socket = Socket::tcp(TcpStream::from_std(stream)?);
    Ok((socket, Peer::Tcp(peer)))
}

fn of_unix(stream: std::os::unix::net::UnixStream) -> io::Result<(Socket, Peer)> {
    let stream = UnixStream::from_std(stream)?;
    let peer = stream.peer_cred()?;
    let peer = Peer::Unix {
        uid: peer.uid(),
        gid: peer.gid(),
        pid: peer.pid(),
    };
    Ok((Socket::unix(stream), peer))
}

/// Whether something is there to be taken at once.
fn polls_readable(socket: impl std::os::fd::AsFd) -> io::Result<bool> {
    let mut asked = [PollFd::new(&socket, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut asked, Some(&at_once))? > 0)
}

/// Takes a connection in one step, which does not block then.
#[cfg(target_os = "linux")]
fn accept_unix(listener: &UnixListener) -> io::Result<std::os::unix::net::UnixStream> {
    use rustix::io::retry_on_intr;
    use rustix::net::{SocketFlags, accept_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let stream = retry_on_intr(|| accept_with(listener, flags))?;
    Ok(stream.into())
}

#[cfg(not(target_os = "linux"))]
fn accept_unix(listener: &UnixListener) -> io::Result<std::os::unix::net::UnixStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Ready once a connection waits.
#[expect(
    deprecated,
    reason = "its place has taken one that is unsafe, for sockets that others could close; a listener is closed with it alone"
)]
fn watched<T: AsRawFd>(listener: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(listener, Interest::READABLE)
}

fn unless_none<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}

fn check_listening(socket: impl std::os::fd::AsFd) -> io::Result<()> {
    if rustix::net::sockopt::socket_acceptconn(socket)? {
        return Ok(());
    }
    let text = "an inherited socket is not listened on";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Waits for a moment, as others hold it for no longer.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    for _ in 0..100 {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            locked => return locked.map(|()| folder).map_err(Into::into),
        }
    }
    let text = "another process holds the lock of its folder";
    Err(io::Error::new(io::ErrorKind::WouldBlock, text))
}

/// Nothing is at a path, or a socket that nobody listens on.
fn check_free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(io::ErrorKind::AlreadyExists.into()),
        Ok(_) if is_listened_on(path)? => Err(io::ErrorKind::AddrInUse.into()),
        Ok(_) => Ok(()),
    }
}

/// Also true where it cannot be told; an error where it is another user's.
fn is_listened_on(path: &Path) -> io::Result<bool> {
    use rustix::io::Errno;
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    };
    let connected = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        // So that a full backlog is not waited for.
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
    .and_then(|socket| connect(&socket, &SocketAddrUnix::new(path)?));
    match connected {
        Err(Errno::CONNREFUSED) => Ok(false),
        Err(error @ (Errno::ACCESS | Errno::PERM)) => Err(error.into()),
        _ => Ok(true),
    }
}

/// Binds a socket in a folder that only this user can enter, gives it its mode and group, then its path.
fn bind(folder: &Path, path: &Path, access: UnixAccess) -> io::Result<(UnixListener, SocketFile)> {
    // Short, as the path of a socket may have about a hundred bytes; and of a name that nobody can have taken before.
    let private = tempfile::Builder::new()
        .prefix(".")
        .rand_bytes(6)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)?;
    let beside = private.path().join("s");
    let placed = UnixListener::bind(&beside).and_then(|listener| {
        if access.group.is_some() {
            chown(&beside, None, access.group)?;
        }
        fs::set_permissions(&beside, Permissions::from_mode(access.mode))?;
        let made = fs::symlink_metadata(&beside)?;
        fs::rename(&beside, path)?;
        let file = SocketFile {
            path: path.to_owned(),
            id: (made.dev(), made.ino()),
        };
        Ok((listener, file))
    });
    let _ = private.close();
    placed
}

/// The file of a socket, which is removed with this unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // so that no other process takes its place between the look and the removal
        let _lock = lock(folder_of(&self.path));
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
