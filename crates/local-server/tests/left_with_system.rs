//! Callers of a Unix socket, whose requests are left with the system until they are answered: all come whole, in pieces or in
//! a row, and each end is seen.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // all of it is test code

mod site;

use std::time::Duration;

use imtag_local_server::{Limits, Listener, UnixAccess};
use rustix::net::sockopt::set_socket_send_buffer_size;
use site::{LONG, Site, get, limits, one, rest, send, serve};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// A server at a socket that is gone with the folder.
fn start() -> (Site, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let access = UnixAccess {
        mode: 0o600,
        group: None,
    };
    let listener = Listener::unix(&folder.path().join("s"), access).unwrap();
    let roomy = Limits {
        body_bytes: 1024 * 1024,
        bodies_bytes: 1024 * 1024,
        ..limits()
    };
    (serve(roomy, listener), folder)
}

async fn connect(folder: &TempDir) -> UnixStream {
    UnixStream::connect(folder.path().join("s")).await.unwrap()
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Reads an answer that ends so.
async fn ends_with(stream: &mut UnixStream, end: &str) {
    let mut all = Vec::new();
    while !all.ends_with(end.as_bytes()) {
        let read = timeout(LONG, stream.read_buf(&mut all)).await;
        assert!(read.expect("no answer").unwrap() > 0, "it is closed");
    }
}

#[tokio::test]
async fn a_request_comes_whole_whatever_its_size_and_however_small_the_pieces() {
    let (_site, folder) = start();
    // the system counts a piece of a byte as hundreds of bytes
    for (size, piece) in [(10, 1), (3000, 1), (3000, 7), (20_000, 10), (100_000, 4096)] {
        let mut stream = connect(&folder).await;
        set_socket_send_buffer_size(&stream, 4096).unwrap();
        let body = "b".repeat(size);
        for turn in 0..2 {
            let path = format!("/{turn}");
            let request = post(&path, &body);
            let sends = async {
                for piece in request.as_bytes().chunks(piece) {
                    stream.write_all(piece).await.unwrap();
                }
            };
            timeout(LONG, sends).await.expect("it is not read");
            ends_with(&mut stream, &format!("\r\n\r\n{path} {body}")).await;
        }
    }
}

#[tokio::test]
async fn requests_in_a_row_and_after_a_pause_are_each_answered_once() {
    let (_site, folder) = start();
    let mut stream = connect(&folder).await;
    let requests = (0..5).map(|number| post(&format!("/{number}"), "body"));
    let in_a_row: Vec<String> = requests.collect();
    // the end of the last one comes later
    let (begin, end) = (in_a_row.concat(), in_a_row[0].clone());
    let (half, rest_of_it) = end.split_at(end.len() / 2);
    send(&mut stream, &(begin + half)).await;
    for number in 0..5 {
        assert!(
            one(&mut stream)
                .await
                .ends_with(&format!("\r\n\r\n/{number} body"))
        );
    }
    send(&mut stream, rest_of_it).await;
    assert!(one(&mut stream).await.ends_with("\r\n\r\n/0 body"));
    for _ in 0..3 {
        sleep(Duration::from_millis(5)).await;
        send(&mut stream, &get("/again")).await;
        assert!(one(&mut stream).await.ends_with("\r\n\r\n/again "));
    }
    let mut nothing = [0];
    let more = timeout(Duration::from_millis(20), stream.read(&mut nothing)).await;
    assert!(more.is_err(), "an answer too many: {more:?}");
}

#[tokio::test]
async fn a_caller_that_is_cut_reads_an_end_and_no_reset() {
    let (mut site, folder) = start();
    let mut stream = connect(&folder).await;
    send(&mut stream, &get("/held")).await;
    site.sees("/held").await;
    site.server.disconnect();
    let mut heard = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(read.unwrap(), 0);
}

#[tokio::test]
async fn the_end_of_a_caller_shows_though_its_request_is_left() {
    for ahead in ["", "P", &get("/next")] {
        let (mut site, folder) = start();
        let mut stream = connect(&folder).await;
        send(&mut stream, &(post("/waits", "body") + ahead)).await;
        site.sees("/waits").await;
        stream.shutdown().await.unwrap();
        site.sees("gone /waits").await;
        assert_eq!(rest(&mut stream).await, "", "{ahead:?}");
    }
}
