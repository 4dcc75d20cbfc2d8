//! An open connection as the system has it: TCP or Unix, one handle for reading, writing and looking whether the other
//! side is still there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{Shutdown, shutdown};
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

/// An open connection. Its clones are the same one, which is closed when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Stream>);

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The same call on either kind.
macro_rules! of_either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match &*$socket.0 {
            Stream::Tcp($stream) => $call,
            Stream::Unix($stream) => $call,
        }
    };
}

impl Socket {
    pub(crate) fn tcp(stream: TcpStream) -> Socket {
        Socket(Arc::new(Stream::Tcp(stream)))
    }

    pub(crate) fn unix(stream: UnixStream) -> Socket {
        Socket(Arc::new(Stream::Unix(stream)))
    }

    /// The stream of TCP; `None` for a Unix socket.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match &*self.0 {
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

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(of_either!(self, stream => stream.poll_read_ready(cx)))?;
            let room = buffer.remaining();
            let mut read = Err(io::ErrorKind::WouldBlock.into());
            let read_once = || {
                read = of_either!(self, stream => stream.try_read_buf(buffer));
                match read {
                    // Nothing more is there: to be told so would take another system call.
                    Ok(bytes) if 0 < bytes && bytes < room => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(()),
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
                written => return Poll::Ready(written),
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
