//! Connections: how many there are, who is on the other side and whether it still is, and their end in order.

#![allow(clippy::unwrap_used)] // all of it is test code

mod site;

use std::io::{self, Read, Write};
use std::time::Instant;

use imtag_local_server::{Limits, Listener, Peer, UnixAccess};
use site::{LONG, SHORT, get, limits, one, rest, send, serve, serve_all, start};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

#[tokio::test]
async fn connections_above_the_bound_wait_and_are_served_when_there_is_room() {
    let (mut site, address) = start(Limits {
        connections: 2,
        ..limits()
    });
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, &get("/held")).await;
        site.sees("/held").await;
        held.push(stream);
    }
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, "GET /a HTTP/1.0\r\n\r\n").await;
        waiting.push(stream);
    }
    let nothing = timeout(SHORT, site.seen.recv()).await;
    assert!(nothing.is_err() && site.server.open() == 2);
    site.release.notify_one();
    // The one that was released is kept, and idle: it makes room.
    for stream in &mut waiting {
        assert!(rest(stream).await.ends_with("/a "));
        assert!(site.server.open() <= 2);
    }
}

#[tokio::test]
async fn the_connection_that_is_idle_for_longest_makes_room_for_a_new_one() {
    let (_site, address) = start(Limits {
        connections: 2,
        ..limits()
    });
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, &get("/a")).await;
        one(&mut stream).await;
        idle.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    send(&mut third, &get("/b")).await;
    assert!(one(&mut third).await.ends_with("/b "));
    assert_eq!(rest(&mut idle[0]).await, "");
    send(&mut idle[1], &get("/c")).await;
    assert!(one(&mut idle[1]).await.ends_with("/c "));
}

#[tokio::test]
async fn a_unix_caller_is_known_by_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let access = UnixAccess {
        mode: 0o660,
        group: None,
    };
    let listener = Listener::unix(&path, access).unwrap();
    assert_eq!(listener.path().as_deref(), Some(path.as_path()));
    let _site = serve(limits(), listener);
    let mut stream = UnixStream::connect(&path).await.unwrap();
    send(&mut stream, &get("/peer")).await;
    let answer = one(&mut stream).await;
    let peer = Peer::Unix {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        pid: Some(i32::try_from(std::process::id()).unwrap()),
    };
    assert!(answer.ends_with(&format!("{peer:?}")), "{answer}");
}

#[tokio::test]
async fn the_handler_of_a_caller_that_hangs_up_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let access = UnixAccess {
        mode: 0o600,
        group: None,
    };
    let mut site = serve(limits(), Listener::unix(&path, access).unwrap());
    let mut stream = UnixStream::connect(&path).await.unwrap();
    send(&mut stream, &get("/held")).await;
    site.sees("/held").await;
    drop(stream);
    // Dropped, or told and done: the end is seen by both at once.
    let seen = timeout(LONG, site.seen.recv()).await.unwrap().unwrap();
    assert!(["gone /held", "told /held"].contains(&&*seen), "{seen}");
}

#[tokio::test]
async fn a_handler_is_told_of_the_end_of_a_caller_that_has_sent_more_requests_ahead() {
    let (mut site, address) = start(limits());
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &format!("{}{}", get("/held"), get("/next"))).await;
    site.sees("/held").await;
    drop(stream);
    site.sees("told /held").await;
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_closes_what_is_idle_and_takes_nothing_new() {
    let (mut site, address) = start(limits());
    let mut fresh = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    send(&mut idle, &get("/a")).await;
    one(&mut idle).await;
    site.sees("/a").await;
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &get("/held")).await;
    site.sees("/held").await;
    let server = site.server.clone();
    let draining = tokio::spawn(async move { server.drain(LONG).await });
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut fresh).await, "");
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!draining.is_finished());
    site.release.notify_one();
    let answer = rest(&mut held).await;
    assert!(
        answer.contains("connection: close") && answer.ends_with("/held "),
        "{answer}"
    );
    assert_eq!(draining.await.unwrap(), 0);
}

#[tokio::test]
async fn who_waits_to_be_accepted_when_a_drain_begins_is_answered_and_nobody_else_comes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let access = UnixAccess {
        mode: 0o660,
        group: None,
    };
    let unix = Listener::unix(&path, access).unwrap();
    let tcp = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = tcp.address().unwrap();
    let limits = Limits {
        connections: 2,
        ..limits()
    };
    let site = serve_all(limits, [unix, tcp]);
    tokio::task::yield_now().await;
    let request = "GET /a HTTP/1.0\r\n\r\n";
    // this thread is the server's, too: it accepts none of them meanwhile
    let mut of_unix = Vec::new();
    let mut of_tcp = Vec::new();
    for _ in 0..20 {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        of_unix.push(stream);
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        of_tcp.push(stream);
    }
    assert_eq!(timeout(LONG, site.server.drain(LONG)).await, Ok(0));
    for mut stream in of_unix {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("/a "), "{answer}");
    }
    for mut stream in of_tcp {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("/a "), "{answer}");
    }
    assert!(!path.exists());
    let refused = std::net::TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn who_waits_for_longer_than_the_time_of_grace_is_not_taken_any_more() {
    let (mut site, address) = start(Limits {
        connections: 1,
        ..limits()
    });
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &get("/held")).await;
    site.sees("/held").await;
    let mut waits = TcpStream::connect(address).await.unwrap();
    send(&mut waits, &get("/a")).await;
    assert_eq!(timeout(LONG, site.server.drain(SHORT)).await, Ok(1));
    assert_eq!(rest(&mut waits).await, "");
}

#[tokio::test]
async fn a_connection_that_was_accepted_just_before_a_drain_may_send_its_request() {
    let (site, address) = start(limits());
    let mut fresh = TcpStream::connect(address).await.unwrap();
    while site.server.open() == 0 {
        tokio::task::yield_now().await;
    }
    let server = site.server.clone();
    let draining = tokio::spawn(async move { server.drain(LONG).await });
    // Until the port is closed, so that the drain has begun.
    while TcpStream::connect(address).await.is_ok() {}
    send(&mut fresh, &get("/a")).await;
    assert!(rest(&mut fresh).await.ends_with("/a "));
    assert_eq!(draining.await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_done_within_the_time_of_grace_is_cut_and_counted() {
    let (mut site, address) = start(limits());
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &get("/held")).await;
    site.sees("/held").await;
    let started = Instant::now();
    assert_eq!(site.server.drain(SHORT).await, 1);
    assert!(started.elapsed() >= SHORT);
    site.sees("gone /held").await;
    assert_eq!(rest(&mut held).await, "");
    assert_eq!(site.server.open(), 0);
}

#[tokio::test]
async fn a_disconnect_cuts_what_is_open_and_takes_new_connections() {
    let (mut site, address) = start(limits());
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &get("/held")).await;
    site.sees("/held").await;
    site.server.disconnect();
    assert_eq!(rest(&mut held).await, "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &get("/a")).await;
    assert!(one(&mut stream).await.ends_with("/a "));
}

#[tokio::test]
async fn a_head_that_has_begun_on_a_kept_connection_is_read_to_its_end_in_a_drain() {
    let (mut site, address) = start(limits());
    let mut kept = TcpStream::connect(address).await.unwrap();
    send(&mut kept, &get("/a")).await;
    one(&mut kept).await;
    site.sees("/a").await;
    let (half, rest_of_it) = ("GET /b HTTP/1.1\r\nHo", "st: x\r\n\r\n");
    send(&mut kept, half).await;
    // a request of another caller that is answered shows that what was sent before has been read
    let mut other = TcpStream::connect(address).await.unwrap();
    send(&mut other, &get("/c")).await;
    one(&mut other).await;
    let server = site.server.clone();
    let draining = tokio::spawn(async move { server.drain(LONG).await });
    assert_eq!(rest(&mut other).await, "");
    send(&mut kept, rest_of_it).await;
    assert!(rest(&mut kept).await.ends_with("/b "));
    assert_eq!(draining.await.unwrap(), 0);
}

#[tokio::test]
async fn what_a_caller_does_not_send_does_not_hold_up_a_drain() {
    let (mut site, address) = start(limits());
    let mut callers = Vec::new();
    for part in [
        "",
        "GET /b HT",
        "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, part).await;
        callers.push(stream);
    }
    site.sees("/body").await;
    let started = Instant::now();
    assert_eq!(site.server.drain(LONG).await, 0);
    assert!(started.elapsed() < LONG / 4);
    assert!(rest(&mut callers[2]).await.starts_with("HTTP/1.1 408"));
}
