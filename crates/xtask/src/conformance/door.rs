//! A door before the server: connections pass through it, but for the first ones, which meet what a network does before
//! a request can be sent. The server's own faults come with a request, and so too late for that.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a connection meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meets {
    /// It is accepted, and nothing is ever said.
    Silence,
    /// It is closed at the first word, which with TLS is none of the request.
    Close,
}

impl Meets {
    /// By its name in a case.
    pub(super) fn named(name: &str) -> Option<Meets> {
        match name {
            "silence" => Some(Meets::Silence),
            "close" => Some(Meets::Close),
            _ => None,
        }
    }
}

/// So long a connection may be without its first word.
const PATIENCE: Duration = Duration::from_secs(10);

/// Open as long as it lives.
pub(super) struct Door {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    ended: AtomicBool,
    /// Both sides of all connections, to end them with the door.
    open: Mutex<Vec<TcpStream>>,
}

impl Door {
    /// Opens one before `server`; the first connections meet `first`.
    pub(super) fn open(server: SocketAddr, first: &[Meets]) -> io::Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let (theirs, first) = (Arc::clone(&shared), first.to_vec());
        let accepting = thread::spawn(move || theirs.accept(&listener, first));
        Ok(Door {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // wakes the thread that accepts
        let woken = TcpStream::connect(self.address).is_ok();
        for stream in self.shared.streams().drain(..) {
            close(&stream);
        }
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            // a panic there has failed the case already
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn accept(&self, listener: &TcpListener, first: Vec<Meets>) {
        let mut first = first.into_iter();
        for stream in listener.incoming().map_while(Result::ok) {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // whoever called sees a connection that ends
            let _ = self.receive(stream, first.next());
        }
    }

    fn receive(&self, mut stream: TcpStream, meets: Option<Meets>) -> io::Result<()> {
        self.streams().push(stream.try_clone()?);
        match meets {
            Some(Meets::Silence) => {}
            Some(Meets::Close) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                let heard = stream.read(&mut [0; 16 * 1024]);
                close(&stream);
                heard?;
            }
            None => {
                let server = TcpStream::connect(self.server)?;
                server.set_nodelay(true)?;
                stream.set_nodelay(true)?;
                self.streams().push(server.try_clone()?);
                pass(stream.try_clone()?, server.try_clone()?);
                pass(server, stream);
            }
        }
        Ok(())
    }

    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on all that comes, and that it has ended.
fn pass(mut from: TcpStream, mut to: TcpStream) {
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
    fn the_first_connections_meet_their_fate_and_the_next_passes() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = [Meets::Silence, Meets::Close];
        let door = Door::open(server.local_addr().unwrap(), &first).unwrap();
        let called = || {
            let mut stream = TcpStream::connect(door.address()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"hello").unwrap();
            stream
        };
        let mut heard = [0; 5];
        let mut silent = called();
        assert_eq!(called().read(&mut heard).unwrap(), 0);
        let mut passed = called();
        let (mut served, _) = server.accept().unwrap();
        served.read_exact(&mut heard).unwrap();
        served.write_all(b"there").unwrap();
        passed.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"there");

        drop(door);
        assert_eq!(silent.read(&mut heard).unwrap_or(0), 0);
    }
}
