//! A request of an import that was killed, which arrives while the next one is at work.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use imtag_emulator::{Generation, Operation};
use stage::{ADD, Ran, Stage, wait_until};

const CLEAR: (Operation, Generation) = (Operation::Clear, Generation::AllMemberPush);

/// A network that holds the first request back: it arrives at the service when it is let go, although its sender may be
/// gone by then.
struct Network {
    endpoint: String,
    held: Receiver<()>,
    let_go: Sender<()>,
}

impl Network {
    fn before(service: SocketAddr) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (holds, held) = channel();
        let (let_go, go) = channel();
        thread::spawn(move || {
            let mut connections = listener.incoming().map(Result::unwrap);
            let first = connections.next().unwrap();
            thread::spawn(move || hold(first, service, &holds, &go));
            for connection in connections {
                pass(connection, service);
            }
        });
        Network {
            endpoint,
            held,
            let_go,
        }
    }
}

fn hold(mut from: TcpStream, service: SocketAddr, holds: &Sender<()>, go: &Receiver<()>) {
    let mut request = vec![0; 64 * 1024];
    let mut length = 0;
    while !request[..length].ends_with(b"}") {
        length += from.read(&mut request[length..]).unwrap();
    }
    holds.send(()).unwrap();
    go.recv().unwrap();
    let mut to = TcpStream::connect(service).unwrap();
    to.write_all(&request[..length]).unwrap();
    let _ = to.read(&mut request);
}

fn pass(from: TcpStream, service: SocketAddr) {
    let to = TcpStream::connect(service).unwrap();
    for (mut from, mut to) in [
        (from.try_clone().unwrap(), to.try_clone().unwrap()),
        (to, from),
    ] {
        thread::spawn(move || io::copy(&mut from, &mut to));
    }
}

/// Begins an import, kills it when its first request is on its way, and begins it again.
fn killed_and_begun_again(stage: &Stage, network: &Network) -> Child {
    let import = || {
        let mut command = stage.imtag(&["import", "users.csv"]);
        command.env("IMTAG_ENDPOINT", &network.endpoint);
        command.spawn().unwrap()
    };
    let mut first = import();
    network.held.recv().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    import()
}

#[test]
fn a_clear_of_a_killed_import_that_arrives_late_takes_away_nothing_that_is_added_after_it() {
    let stage = Stage::new();
    let network = Network::before(stage.emulator.address());
    stage.file("users.csv", "account,op,tag\nalice,clear,\nalice,add,vip\n");
    let second = killed_and_begun_again(&stage, &network);
    let came = |route| stage.emulator.stats().route(route).arrivals;
    wait_until("no clear arrives", || came(CLEAR) == 1);
    // an import that does not wait has added long before
    let began = Instant::now();
    while came(ADD) == 0 && began.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(1));
    }
    network.let_go.send(()).unwrap();
    wait_until("the late one does not arrive", || came(CLEAR) == 2);
    let ran = Ran::from_output(second.wait_with_output().unwrap());
    assert_eq!(ran.exit, Some(0), "{ran:?}");
    assert_eq!(stage.tags_of("alice"), ["vip"]);
    let said = "imtag: the run before was killed, and its last requests may still arrive: what is added to a user after \
                a clear or a remove waits for 10 s; other users go on\n";
    assert_eq!(ran.err.matches(said).count(), 1, "{ran:?}");
}

#[test]
fn an_import_that_only_adds_waits_for_no_killed_one_and_says_nothing_of_it() {
    let stage = Stage::new();
    let network = Network::before(stage.emulator.address());
    stage.file("users.csv", "account,op,tag\nalice,add,vip\nbob,clear,\n");
    let second = killed_and_begun_again(&stage, &network);
    let ran = Ran::from_output(second.wait_with_output().unwrap());
    assert_eq!((ran.exit, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    network.let_go.send(()).unwrap();
}
