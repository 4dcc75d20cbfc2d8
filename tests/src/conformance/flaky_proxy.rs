//! A proxy before the server whose first connections fail, as a network's do before a request can be sent. The server's
//! own faults come with a request, which is too late for that.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

/// What goes wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ConnectionFault {
    /// It is accepted, and nothing is ever said.
    Silence,
    /// It is closed at the client's first bytes, which with TLS are not yet the request.
    Close,
}

/// How long a connection may be without its first bytes.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);

/// Both sides of all connections, to end them with the proxy; `None` once it ends.
type Open = Arc<Mutex<Option<Vec<TcpStream>>>>;

/// Open until it is dropped.
pub(super) struct FlakyProxy {
    pub(super) address: SocketAddr,
    open: Open,
    accepting: Option<JoinHandle<()>>,
}

impl FlakyProxy {
    /// Listens before `server`. Each of the first connections has one of the `faults`.
    pub(super) fn start(
        server: SocketAddr,
        faults: Vec<ConnectionFault>,
    ) -> io::Result<FlakyProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let open: Open = Arc::new(Mutex::new(Some(Vec::new())));
        let opened = Arc::clone(&open);
        let accepting = thread::spawn(move || {
            let mut faults = faults.into_iter();
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = |stream: &TcpStream| {
                    let mut open = opened.lock().unwrap_or_else(PoisonError::into_inner);
                    let kept = stream.try_clone().ok().zip(open.as_mut());
                    kept.map(|(stream, open)| open.push(stream)).is_some()
                };
                if !keep(&stream) {
                    return;
                }
                // the client sees a connection that ends
                let _ = serve(stream, server, faults.next(), keep);
            }
        });
        Ok(FlakyProxy {
            address,
            open,
            accepting: Some(accepting),
        })
    }
}

impl Drop for FlakyProxy {
    fn drop(&mut self) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        open.iter().flatten().for_each(close);
        // wakes the thread that accepts
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            // a panic there has failed the case already
            let _ = accepting.join();
        }
    }
}

fn serve(
    mut stream: TcpStream,
    server: SocketAddr,
    fault: Option<ConnectionFault>,
    keep: impl Fn(&TcpStream) -> bool,
) -> io::Result<()> {
    match fault {
        Some(ConnectionFault::Silence) => {}
        Some(ConnectionFault::Close) => {
            stream.set_read_timeout(Some(FIRST_BYTES_TIMEOUT))?;
            let read = stream.read(&mut [0; 16 * 1024]);
            close(&stream);
            read?;
        }
        None => {
            let server = TcpStream::connect(server)?;
            server.set_nodelay(true)?;
            stream.set_nodelay(true)?;
            if keep(&server) {
                forward(stream.try_clone()?, server.try_clone()?);
                forward(server, stream);
            }
        }
    }
    Ok(())
}

/// Copies all bytes, and then the end.
fn forward(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        // a side that breaks off ends the other
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn close(stream: &TcpStream) {
    // one that is closed already need not be
    let _ = stream.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_first_connections_have_their_faults_and_the_next_is_forwarded() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let faults = vec![ConnectionFault::Silence, ConnectionFault::Close];
        let proxy = FlakyProxy::start(server.local_addr().unwrap(), faults).unwrap();
        let called = || {
            let mut stream = TcpStream::connect(proxy.address).unwrap();
            let timeout = Some(FIRST_BYTES_TIMEOUT);
            stream.set_read_timeout(timeout).unwrap();
            stream.write_all(b"hello").unwrap();
            stream
        };
        let mut heard = [0; 5];
        let mut silent = called();
        assert_eq!(called().read(&mut heard).unwrap(), 0);
        let mut forwarded = called();
        let (mut served, _) = server.accept().unwrap();
        served.read_exact(&mut heard).unwrap();
        served.write_all(b"there").unwrap();
        forwarded.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"there");

        drop(proxy);
        assert_eq!(silent.read(&mut heard).unwrap_or(0), 0);
    }
}
