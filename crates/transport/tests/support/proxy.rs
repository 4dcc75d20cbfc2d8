//! An egress proxy that does as a test says: by CONNECT over HTTP or HTTPS, or by SOCKS5, with and without a login. It
//! leads each host to a server of the test's own, and nothing outside of this machine. It needs nothing else of the
//! tests' support, so that checks of other languages can start it too.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long one side of a tunnel is listened to before the other is.
const TURN: Duration = Duration::from_millis(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Https,
    Socks5,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Http, Kind::Https, Kind::Socks5];
}

/// What it does with a connection.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Connects, unless the host is unknown or the login wrong.
    Connects,
    /// Answers this in place of a proxy's answer, and closes.
    Says(Vec<u8>),
    /// Answers this again and again.
    SaysForEver(&'static [u8]),
    /// Never says a word, not even of TLS.
    IsSilent,
    /// Hears what is asked, and never answers.
    Stalls,
    /// Closes the tunnel after so many words of the client.
    ClosesAfter(usize),
}

pub(crate) struct EgressProxy {
    kind: Kind,
    pub(crate) address: SocketAddr,
    /// Of its certificate, which names `localhost` and `127.0.0.1`.
    pub(crate) ca_pem: String,
    shared: Arc<Mutex<State>>,
}

struct State {
    login: Option<(String, String)>,
    hosts: HashMap<String, SocketAddr>,
    /// Those that it forgets once it was asked for them.
    once: Vec<String>,
    behaviour: Behaviour,
    /// How long a connection is heard by nobody.
    deaf_for: Duration,
    connections: usize,
    /// The hosts and ports that it was asked for.
    asked: Vec<String>,
}

impl State {
    /// Where a host is that it is asked for.
    fn server_of(&mut self, host: &str) -> Option<SocketAddr> {
        self.asked.push(host.to_owned());
        let server = self.hosts.get(host).copied();
        if self.once.iter().any(|it| it == host) {
            self.hosts.remove(host);
        }
        server
    }
}

trait Stream: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl EgressProxy {
    pub(crate) fn start(kind: Kind, login: Option<(&str, &str)>) -> EgressProxy {
        let key = rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(String::from));
        let rcgen::CertifiedKey { cert, signing_key } = key.unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_no_client_auth();
        let tls = Arc::new(tls.with_single_cert(vec![cert.der().clone()], key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(State {
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            hosts: HashMap::new(),
            once: Vec::new(),
            behaviour: Behaviour::Connects,
            deaf_for: Duration::ZERO,
            connections: 0,
            asked: Vec::new(),
        }));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state, tls) = (stream.unwrap(), Arc::clone(&state), Arc::clone(&tls));
                state.lock().unwrap().connections += 1;
                thread::spawn(move || {
                    let (behaviour, deaf_for) = {
                        let state = state.lock().unwrap();
                        (state.behaviour.clone(), state.deaf_for)
                    };
                    thread::sleep(deaf_for);
                    if let Behaviour::IsSilent = behaviour {
                        return until_closed(stream);
                    }
                    stream.set_nodelay(true).unwrap();
                    if kind == Kind::Https {
                        let tls = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(tls, stream), kind, &behaviour, &state);
                    } else {
                        serve(stream, kind, &behaviour, &state);
                    }
                });
            }
        });
        EgressProxy {
            kind,
            address,
            ca_pem: cert.pem(),
            shared,
        }
    }

    /// Its URL, with what stands before the host: nothing, or `user:password@`.
    pub(crate) fn url(&self, login: &str) -> String {
        let scheme = format!("{:?}", self.kind).to_lowercase();
        format!("{scheme}://{login}{}", self.address)
    }

    /// `host:port` is there.
    pub(crate) fn leads(&self, host: &str, server: SocketAddr) {
        let mut state = self.shared.lock().unwrap();
        state.hosts.insert(host.to_owned(), server);
    }

    /// `host:port` is there once, and then nowhere.
    pub(crate) fn leads_once(&self, host: &str, server: SocketAddr) {
        self.leads(host, server);
        self.shared.lock().unwrap().once.push(host.to_owned());
    }

    /// `host:port` is nowhere.
    pub(crate) fn forgets(&self, host: &str) {
        self.shared.lock().unwrap().hosts.remove(host);
    }

    /// What it does from the next connection on.
    pub(crate) fn behaves(&self, behaviour: Behaviour) {
        self.shared.lock().unwrap().behaviour = behaviour;
    }

    /// How long it takes from the next connection on before it hears a word.
    pub(crate) fn greets_after(&self, time: Duration) {
        self.shared.lock().unwrap().deaf_for = time;
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.lock().unwrap().asked.clone()
    }
}

/// Serves a client. Whatever ends its connection, ends it.
fn serve(mut client: impl Stream, kind: Kind, behaviour: &Behaviour, state: &Mutex<State>) {
    match behaviour {
        Behaviour::Says(answer) => {
            drop(heard(&mut client));
            drop(client.write_all(answer));
            drop(client.flush());
        }
        Behaviour::SaysForEver(answer) => {
            drop(heard(&mut client));
            while client.write_all(answer).is_ok() {}
        }
        Behaviour::Stalls => while heard(&mut client).is_some_and(|word| !word.is_empty()) {},
        Behaviour::IsSilent => {}
        Behaviour::Connects | Behaviour::ClosesAfter(_) => {
            let opened = match kind {
                Kind::Http | Kind::Https => by_connect(&mut client, state),
                Kind::Socks5 => by_socks(&mut client, state),
            };
            let words = match behaviour {
                Behaviour::ClosesAfter(words) => *words,
                _ => usize::MAX,
            };
            if let Some(server) = opened {
                pass_on(client, server, words);
            }
        }
    }
}

fn until_closed(mut stream: TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

/// The client's next word.
fn heard(client: &mut impl Stream) -> Option<Vec<u8>> {
    let mut word = vec![0; 64 * 1024];
    let read = client.read(&mut word).ok()?;
    word.truncate(read);
    Some(word)
}

fn exactly<const N: usize>(client: &mut impl Stream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn by_connect(client: &mut impl Stream, state: &Mutex<State>) -> Option<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(exactly::<1>(client)?);
    }
    let head = String::from_utf8(head).unwrap();
    let (first, lines) = head.split_once("\r\n").unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    let ["CONNECT", host, "HTTP/1.1"] = words[..] else {
        panic!("{head}");
    };
    assert!(lines.contains(&format!("host: {host}\r\n")), "{head}");
    let (login, server) = {
        let mut state = state.lock().unwrap();
        (state.login.clone(), state.server_of(host))
    };
    let given = lines
        .split("\r\n")
        .find_map(|line| line.strip_prefix("proxy-authorization: "));
    let expected = login
        .map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
    let answer = if expected.is_some() && given != expected.as_deref() {
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 0\r\n\r\n"
    } else if let Some(server) = server.and_then(|server| TcpStream::connect(server).ok()) {
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .ok()?;
        client.flush().ok()?;
        return Some(server);
    } else {
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
    };
    client.write_all(answer.as_bytes()).ok()?;
    client.flush().ok()?;
    None
}

/// A text behind its length.
fn text(client: &mut impl Stream) -> Option<String> {
    let [length] = exactly(client)?;
    let mut text = vec![0; usize::from(length)];
    client.read_exact(&mut text).ok()?;
    Some(String::from_utf8(text).unwrap())
}

fn by_socks(client: &mut impl Stream, state: &Mutex<State>) -> Option<TcpStream> {
    let [version, methods] = exactly(client)?;
    assert_eq!(version, 5);
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).ok()?;
    let login = state.lock().unwrap().login.clone();
    let method = if login.is_some() { 2 } else { 0 };
    if !offered.contains(&method) {
        client.write_all(&[5, 255]).ok()?;
        return None;
    }
    client.write_all(&[5, method]).ok()?;
    if let Some(login) = login {
        assert_eq!(exactly(client)?, [1]);
        let given = (text(client)?, text(client)?);
        client.write_all(&[1, u8::from(given != login)]).ok()?;
        if given != login {
            return None;
        }
    }
    assert_eq!(exactly(client)?, [5, 1, 0, 3]);
    let host = text(client)?;
    let host = format!("{host}:{}", u16::from_be_bytes(exactly(client)?));
    let server = {
        let mut state = state.lock().unwrap();
        state.server_of(&host)
    };
    let server = server.and_then(|server| TcpStream::connect(server).ok());
    let code = if server.is_some() { 0 } else { 4 };
    // an address with a name, which is of any length
    client
        .write_all(&[5, code, 0, 3, 2, b'm', b'e', 0, 1])
        .ok()?;
    server
}

/// Passes on what both sides say, by turns, as TLS has one state for both ways. Closes after so many words of the client.
fn pass_on(mut client: impl Stream, mut server: TcpStream, mut words: usize) {
    server.set_nodelay(true).unwrap();
    client.socket().set_read_timeout(Some(TURN)).unwrap();
    server.set_read_timeout(Some(TURN)).unwrap();
    fn pass(from: &mut impl Read, to: &mut impl Write) -> Option<usize> {
        let mut word = [0; 64 * 1024];
        match from.read(&mut word) {
            Ok(0) => None,
            Ok(read) => {
                to.write_all(&word[..read]).ok()?;
                to.flush().ok()?;
                Some(read)
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Some(0),
                _ => None,
            },
        }
    }
    loop {
        match pass(&mut client, &mut server) {
            Some(0) => {}
            Some(_) if words > 1 => words -= 1,
            _ => return,
        }
        if pass(&mut server, &mut client).is_none() {
            return;
        }
    }
}
