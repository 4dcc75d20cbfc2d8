//! Who makes room for others: connections at the bound of a listener, and bodies at the bound of all.

#![allow(clippy::unwrap_used)] // all of it is test code

mod site;

use imtag_local_server::{Limits, Listener, UnixAccess};
use site::{answered, get, limits, one, rest, send, serve_all, start};
use tokio::net::{TcpStream, UnixStream};

#[tokio::test]
async fn callers_of_one_listener_take_no_room_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let access = UnixAccess {
        mode: 0o600,
        group: None,
    };
    let tcp = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = tcp.address().unwrap();
    let unix = Listener::unix(&path, access).unwrap();
    let limits = Limits {
        connections: 1,
        ..limits()
    };
    let mut site = serve_all(limits, [tcp, unix]);
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &get("/held")).await;
    site.sees("/held").await;
    let mut caller = UnixStream::connect(&path).await.unwrap();
    send(&mut caller, &get("/a")).await;
    assert!(one(&mut caller).await.ends_with("/a "));
}

#[tokio::test]
async fn who_has_sent_nothing_makes_room_before_who_is_kept() {
    let (_site, address) = start(Limits {
        connections: 2,
        ..limits()
    });
    let mut kept = TcpStream::connect(address).await.unwrap();
    send(&mut kept, &get("/a")).await;
    one(&mut kept).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    // it may be silent for a moment; until then who is kept would go
    tokio::time::sleep(site::SHORT * 3).await;
    let mut next = TcpStream::connect(address).await.unwrap();
    send(&mut next, &get("/b")).await;
    assert!(one(&mut next).await.ends_with("/b "));
    assert_eq!(rest(&mut silent).await, "");
    send(&mut kept, &get("/c")).await;
    assert!(one(&mut kept).await.ends_with("/c "));
}

#[tokio::test]
async fn who_does_not_go_on_with_a_head_makes_room_long_before_its_time_is_up() {
    let (_site, address) = start(Limits {
        connections: 2,
        ..limits()
    });
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        send(&mut stream, "GET /slow HT").await;
        slow.push(stream);
    }
    let mut next = TcpStream::connect(address).await.unwrap();
    send(&mut next, &get("/b")).await;
    assert!(one(&mut next).await.ends_with("/b "));
    assert_eq!(rest(&mut slow[0]).await, "");
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn bodies_take_no_more_than_the_room_for_all_of_them_until_they_are_answered() {
    let (mut site, address) = start(Limits {
        bodies_bytes: 1500,
        ..limits()
    });
    let large = "x".repeat(1000);
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &post("/held", &large)).await;
    site.sees("/held").await;
    for (length, status) in [(500, "200"), (501, "503"), (1000, "503"), (500, "200")] {
        let answer = answered(address, &post("/a", &large[..length])).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    site.release.notify_one();
    assert!(rest(&mut held).await.ends_with("x"));
    let answer = answered(address, &post("/a", &large)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_body_waits_a_while_for_the_room_of_another() {
    let (mut site, address) = start(Limits {
        bodies_bytes: 1000,
        room: site::LONG,
        ..limits()
    });
    let large = "x".repeat(1000);
    let mut held = TcpStream::connect(address).await.unwrap();
    send(&mut held, &post("/held", &large)).await;
    site.sees("/held").await;
    let mut waits = TcpStream::connect(address).await.unwrap();
    send(&mut waits, &post("/a", &large)).await;
    site.sees("/a").await;
    site.release.notify_one();
    assert!(rest(&mut held).await.ends_with("x"));
    assert!(rest(&mut waits).await.starts_with("HTTP/1.1 200"));
}
