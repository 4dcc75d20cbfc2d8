//! An open connection as the system has it: TCP or Unix, one handle for reading, writing and looking whether the other
//! side is still there.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// Who is on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Tcp(SocketAddr),
    /// A process of this machine, as it was when it connected.
    Unix {
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its number, where the system says it.
        pid: Option<i32>,
    },
}

impl Peer {
    /// True for a caller on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Peer::Unix { .. } => true,
        }
    }
}

/// Whether requests are left with the system.
const LEAVES: bool = cfg!(target_os = "linux");
/// Of a request no more bytes are left with the system.
const LEFT_AT_MOST: usize = 4096;

/// An open connection. Its clones are the same one, which is closed when the last of them is dropped.
///
/// On Linux, to take what has come by a Unix socket wakes its other side, though that waits for an answer. So the first
/// that is read after a write, where it is small, is left with the system. It is taken by what comes first of another read,
/// as it was no whole request then, a write, and the end: a caller is woken by its answer alone.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Open>);

#[derive(Debug)]
struct Open {
    stream: Stream,
    /// Nothing was read so far, nor tried to be.
    is_new: AtomicBool,
    /// Something was read since the last write.
    has_read: AtomicBool,
    /// Bytes that were read, and are left with the system.
    left: AtomicUsize,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The same call on either kind.
macro_rules! of_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match &$socket.0.stream {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl Socket {
    fn new(stream: Stream) -> Socket {
        Socket(Arc::new(Open {
            stream,
            is_new: AtomicBool::new(true),
            has_read: AtomicBool::new(false),
            left: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn tcp(stream: TcpStream) -> Socket {
        Socket::new(Stream::Tcp(stream))
    }

    pub(crate) fn unix(stream: UnixStream) -> Socket {
        Socket::new(Stream::Unix(stream))
    }

    /// The stream of TCP; `None` for a Unix socket.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &self.0.stream {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(_) => None,
        }
    }

    /// The address of this machine that was called; `None` for a Unix socket.
    #[must_use]
    pub fn here(&self) -> Option<IpAddr> {
        let address = self.as_tcp()?.local_addr().ok()?;
        Some(address.ip())
    }

    /// Whether [`closed`](Socket::closed) ever returns.
    pub(crate) const TELLS_OF_END: bool = cfg!(any(target_os = "linux", target_os = "android"));

    /// Returns when the other side has closed its sending half or the connection, also where it has sent something
    /// before that was not read yet.
    pub(crate) async fn closed(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // Ready by urgent data, which HTTP has not, or by an end.
            let end = Interest::PRIORITY;
            let ended = of_either!(self, stream => stream.ready(end).await);
            if ended.is_ok_and(tokio::io::Ready::is_read_closed) {
                return;
            }
        }
        // Elsewhere an end shows to a read alone.
        std::future::pending::<()>().await;
    }

    /// Ends what is sent, then reads what comes until the other side closes, and throws it away.
    pub(crate) async fn discard(&self) -> io::Result<()> {
        self.0.take_left();
        of_either!(self, stream => shutdown(stream, Shutdown::Write))?;
        // On the heap, as the future of each connection has room for this one.
        let mut thrown_away = vec![0; 16 * 1024];
        loop {
            of_either!(self, stream => stream.readable().await)?;
            match of_either!(self, stream => stream.try_read(&mut thrown_away)) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Open {
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let bytes = match &self.stream {
            Stream::Unix(stream) if LEAVES && !self.has_read.load(Relaxed) => {
                self.read_first(stream, buffer)
            }
            Stream::Unix(stream) => stream.try_read_buf(buffer),
            Stream::Tcp(stream) => stream.try_read_buf(buffer),
        }?;
        self.has_read.store(true, Relaxed);
        Ok(bytes)
    }

    fn read_first(&self, stream: &UnixStream, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
        let bytes = self.peek(stream, buffer)?;
        match bytes {
            Some(bytes) => Ok(bytes),
            None => stream.try_read_buf(buffer),
        }
    }

    /// A caller has mostly sent its request when its connection is accepted: then it is there before the system has been
    /// asked what is ready, and no limit of time has to be watched.
    fn read_at_once(&self, buffer: &mut ReadBuf<'_>) -> bool {
        let Stream::Unix(stream) = &self.stream else {
            return false;
        };
        let read = LEAVES && matches!(self.peek(stream, buffer), Ok(Some(bytes)) if bytes > 0);
        self.has_read.store(read, Relaxed);
        read
    }

    /// Reads what is small, and leaves it with the system.
    fn peek(&self, stream: &UnixStream, buffer: &mut ReadBuf<'_>) -> io::Result<Option<usize>> {
        let room = buffer.remaining().min(LEFT_AT_MOST);
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let (bytes, _) = recv(stream, buffer.initialize_unfilled_to(room), flags)?;
        if bytes == room {
            return Ok(None);
        }
        buffer.advance(bytes);
        self.left.store(bytes, Relaxed);
        Ok(Some(bytes))
    }

    fn take_left(&self) {
        let Stream::Unix(stream) = &self.stream else {
            return;
        };
        let mut left = self.left.swap(0, Relaxed);
        let mut taken = [MaybeUninit::uninit(); LEFT_AT_MOST];
        while left > 0 {
            match recv(stream, &mut taken[..left], RecvFlags::DONTWAIT) {
                Ok((_, bytes)) if bytes > 0 => left -= bytes,
                Err(Errno::INTR) => {}
                _ => return,
            }
        }
    }
}

impl Drop for Open {
    /// With bytes left, the other side would be told of a reset.
    fn drop(&mut self) {
        self.take_left();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.take_left();
        if self.0.is_new.swap(false, Relaxed) && self.0.read_at_once(buffer) {
            return Poll::Ready(Ok(()));
        }
        loop {
            ready!(of_either!(self, stream => stream.poll_read_ready(cx)))?;
            let room = buffer.remaining();
            let mut read = Err(io::ErrorKind::WouldBlock.into());
            let read_once = || {
                read = self.0.read(buffer);
                match &read {
                    Ok(bytes) if *bytes == 0 || *bytes == room => Ok(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Ok(()),
                    // Nothing more is there: to be told so would take another system call.
                    _ => Err(io::ErrorKind::WouldBlock.into()),
                }
            };
            // It is ready anew by what comes from now on, and stays so after an end.
            let _ = of_either!(self, stream => stream.try_io(Interest::READABLE, read_once));
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|_| ())),
            }
        }
    }
}

impl Socket {
    fn poll_write_by(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&Self) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(of_either!(self, stream => stream.poll_write_ready(cx)))?;
            match write(self) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => {
                    self.0.take_left();
                    self.0.has_read.store(false, Relaxed);
                    return Poll::Ready(written);
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(cx, |it| of_either!(it, stream => stream.try_write(bytes)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_by(
            cx,
            |it| of_either!(it, stream => stream.try_write_vectored(parts)),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The connection ends now: closing it says so, and a system call of its own would wake the other side twice.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
