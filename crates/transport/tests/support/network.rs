//! A network between client and server that a test can break: as a proxy, on a port that stays its own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use socket2::{Domain, SockRef, Socket, Type};
use std::time::Duration;

/// What becomes of a connection at the client's next word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// It is reset.
    Reset,
    /// It is closed.
    Close,
    /// It is answered with bytes that are no TLS.
    Garbage,
    /// Nothing is ever said.
    Silence,
}

/// Which connections die, and at which word of the client's.
#[derive(Clone, Copy)]
enum Victims {
    /// Those up to this number, at the next.
    UpTo(usize),
    /// Every one, at the next.
    All,
    /// Every one, at its second.
    AfterOneWord,
}

#[derive(Clone)]
pub(crate) struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    address: SocketAddr,
    /// Bound and never listening: the port stays this network's, and refuses while nothing else listens.
    _port: Socket,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    listener: Option<Arc<Socket>>,
    /// Connections that were accepted.
    connections: usize,
    /// How many more are accepted, if not all.
    accepts: Option<usize>,
    dies: Option<(Victims, Death)>,
    /// Words of the client that a connection died of.
    lost: usize,
    /// Nothing is passed on before so many connections have a word to pass on.
    hold_until: usize,
    held: usize,
    open: Vec<Arc<TcpStream>>,
}

fn any_port(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

/// Closes a connection so that its peer sees a reset.
fn reset(stream: &TcpStream) {
    SockRef::from(stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Lets the tests of a file that have hundreds of connections go one after the other, as together they would need more
/// files than most systems let a process have.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// One that passes everything on.
    pub(crate) fn to(server: SocketAddr) -> Network {
        let port = any_port("127.0.0.1:0".parse().unwrap());
        let address = port.local_addr().unwrap().as_socket().unwrap();
        let network = Network {
            shared: Arc::new(Shared {
                server,
                address,
                _port: port,
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        };
        network.restore();
        network
    }

    pub(crate) fn endpoint(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.shared.address)
    }

    /// New connections are refused.
    pub(crate) fn stop_listening(&self) {
        if let Some(listener) = self.state().listener.take() {
            listener.shutdown(Shutdown::Both).unwrap();
        }
    }

    /// After so many more connections, new ones are refused: before a word of the last of them is passed on.
    pub(crate) fn accepts(&self, connections: usize) {
        self.state().accepts = Some(connections);
    }

    /// New connections are refused, and those that are open are reset.
    pub(crate) fn refuse(&self) {
        self.stop_listening();
        for stream in self.state().open.drain(..) {
            reset(&stream);
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Connections are passed on again.
    pub(crate) fn restore(&self) {
        let listener = any_port(self.shared.address);
        listener.listen(1024).unwrap();
        let listener = Arc::new(listener);
        self.state().listener = Some(Arc::clone(&listener));
        let network = self.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let network = network.clone();
                let accepts = {
                    let mut state = network.state();
                    state.accepts = state.accepts.map(|left| left.saturating_sub(1));
                    state.accepts
                };
                if accepts == Some(0) {
                    network.state().accepts = None;
                    network.stop_listening();
                }
                thread::spawn(move || network.pass_on(stream.into()));
            }
        });
    }

    /// All connections that are open die in this way at the client's next word.
    pub(crate) fn doom(&self, death: Death) {
        let mut state = self.state();
        state.dies = Some((Victims::UpTo(state.connections), death));
    }

    /// From now on every connection dies in this way at the client's next word, new ones too.
    pub(crate) fn lose_all(&self, death: Death) {
        self.state().dies = Some((Victims::All, death));
    }

    /// From now on words are passed on again.
    pub(crate) fn lose_none(&self) {
        self.state().dies = None;
    }

    /// From now on each connection dies in this way at the client's second word.
    pub(crate) fn one_word_each(&self, death: Death) {
        self.state().dies = Some((Victims::AfterOneWord, death));
    }

    /// Passes nothing on until so many connections have something to pass on.
    pub(crate) fn hold_until(&self, connections: usize) {
        let mut state = self.state();
        state.held = 0;
        state.hold_until = connections;
    }

    /// Words that connections had to pass on since `hold_until`.
    pub(crate) fn held(&self) -> usize {
        self.state().held
    }

    /// Connections that were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Words of the client that a connection died of.
    pub(crate) fn lost(&self) -> usize {
        self.state().lost
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    fn pass_on(&self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.shared.server) else {
            return;
        };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        // shared and not cloned: a test of 200 connections has 1,024 files on most systems
        let (client, server) = (Arc::new(client), Arc::new(server));
        let number = {
            let mut state = self.state();
            state.connections += 1;
            state.open.push(Arc::clone(&client));
            state.connections
        };
        let (from, to) = (Arc::clone(&server), Arc::clone(&client));
        let back = thread::spawn(move || {
            drop(std::io::copy(&mut &*from, &mut &*to));
            drop(to.shutdown(Shutdown::Write));
        });
        let mut words = 0;
        let mut word = [0; 64 * 1024];
        loop {
            let read = match (&*client).read(&mut word) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            words += 1;
            match self.death_of(number, words) {
                None => {}
                Some(Death::Reset) => {
                    reset(&client);
                    break;
                }
                Some(Death::Close) => break,
                Some(Death::Garbage) => {
                    drop((&*client).write_all(b"no record of TLS"));
                    break;
                }
                Some(Death::Silence) => continue,
            }
            if (&*server).write_all(&word[..read]).is_err() {
                break;
            }
        }
        drop(server.shutdown(Shutdown::Both));
        drop(back.join());
        self.state().open.retain(|it| !Arc::ptr_eq(it, &client));
    }

    fn death_of(&self, number: usize, words: usize) -> Option<Death> {
        let mut state = self.state();
        let death = state.dies.and_then(|(victims, death)| {
            let dies = match victims {
                Victims::UpTo(last) => number <= last,
                Victims::All => true,
                Victims::AfterOneWord => words > 1,
            };
            dies.then_some(death)
        });
        if let Some(death) = death {
            state.lost += 1;
            return Some(death);
        }
        state.held += 1;
        self.shared.changed.notify_all();
        let waits = |state: &mut State| state.held < state.hold_until;
        drop(self.shared.changed.wait_while(state, waits).unwrap());
        None
    }
}
