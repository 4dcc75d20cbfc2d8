//! A server that has nothing to do sleeps.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // all of it is test code

use std::convert::Infallible;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::service::service_fn;
use imtag_local_server::{Connection, Limits, Listener, Server, runtime};

const NAME: &str = "idle-server";
/// More than the switches that start and end what is measured.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

/// How often the threads of the server have gone to sleep so far.
fn sleeps() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    let of_server =
        tasks.filter(|task| fs::read_to_string(task.join("comm")).unwrap().trim() == NAME);
    let counts: Vec<u64> = of_server
        .map(|task| {
            let status = fs::read_to_string(task.join("status")).unwrap();
            let line = status
                .lines()
                .find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse().unwrap()
        })
        .collect();
    assert!(!counts.is_empty());
    counts.iter().sum()
}

#[test]
fn a_server_without_connections_is_not_woken_on_one_thread_or_on_several() {
    for workers in [1, 3] {
        let (tell, told) = mpsc::channel();
        let server = Server::new(Limits::default());
        let accepting = server.clone();
        let run = move || {
            let runtime = runtime(NAME, workers).unwrap();
            runtime.block_on(async {
                let listener = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
                tell.send(listener.address().unwrap()).unwrap();
                let serve = |connection: Connection| async move {
                    let answer =
                        |_| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) };
                    connection
                        .http(connection.socket(), service_fn(answer))
                        .await
                };
                accepting.accept(listener, serve).await;
            });
        };
        let thread = thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(run)
            .unwrap();
        let address = told.recv().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        assert!(stream.read_to_end(&mut Vec::new()).unwrap() > 0);
        drop(stream);
        while server.open() > 0 {
            thread::yield_now();
        }
        thread::sleep(LONG_ENOUGH / 5);
        let before = sleeps();
        thread::sleep(LONG_ENOUGH);
        assert_eq!(sleeps(), before, "{workers}");
        let ender = runtime("ender", 1).unwrap();
        assert_eq!(ender.block_on(server.drain(LONG_ENOUGH)), 0);
        thread.join().unwrap();
    }
}
