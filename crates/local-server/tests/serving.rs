//! What a caller may do to a server, and what it gets: each limit of size and time, each malformed head.

#![allow(clippy::unwrap_used)] // all of it is test code

mod site;

use imtag_local_server::Limits;
use site::{LONG, SHORT, answered, get, limits, one, rest, send, start};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn half_a_head_is_closed_when_its_time_is_over_and_so_is_a_connection_without_one() {
    let (_site, address) = start(Limits {
        head: SHORT,
        ..limits()
    });
    for start in ["", "GE", "GET / HTTP/1.1\r\nHos"] {
        assert_eq!(answered(address, start).await, "");
    }
    // Also behind a request that was answered: from its first byte on, although it may be idle for long.
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &get("/a")).await;
    assert!(one(&mut stream).await.ends_with("/a "));
    send(&mut stream, "GET /b HTT").await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_comes_a_byte_at_a_time_has_no_more_time_than_another() {
    let (_site, address) = start(Limits {
        head: SHORT,
        ..limits()
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    assert_eq!(rest(&mut read).await, "");
    dripping.abort();
}

#[tokio::test]
async fn a_kept_connection_is_closed_when_it_is_idle_for_too_long_and_not_while_a_request_is_handled()
 {
    let (mut site, address) = start(Limits {
        idle: SHORT,
        ..limits()
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &get("/a")).await;
    one(&mut stream).await;
    site.sees("/a").await;
    assert_eq!(rest(&mut stream).await, "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &get("/held")).await;
    site.sees("/held").await;
    // Longer than it may be idle: the other one, which is asked meanwhile, ends by that.
    let mut other = TcpStream::connect(address).await.unwrap();
    send(&mut other, &get("/a")).await;
    rest(&mut other).await;
    site.release.notify_one();
    assert!(one(&mut stream).await.ends_with("/held "));
}

#[tokio::test]
async fn an_endless_head_is_refused_by_its_size() {
    let (mut site, address) = start(limits());
    for start in ["GET /", "GET / HTTP/1.1\r\nX: "] {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        write.write_all(start.as_bytes()).await.unwrap();
        let endless =
            tokio::spawn(async move { while write.write_all(&[b'x'; 4096]).await.is_ok() {} });
        let answer = rest(&mut read).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
        timeout(LONG, endless).await.unwrap().unwrap();
    }
    let fields = "A: b\r\n".repeat(101);
    let answer = answered(address, &format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(site.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused_at_once_and_its_caller_reads_why() {
    let (_site, address) = start(limits());
    let post = |fields: &str| format!("POST /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    for (length, status) in [(1000, "200"), (1001, "413")] {
        let close = "Connection: close\r\n";
        let head = post(&format!("{close}Content-Length: {length}\r\n"));
        let answer = answered(address, &format!("{head}{}", "x".repeat(length))).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    // Ten gigabytes are announced: nothing of them is asked for.
    let head = post("Expect: 100-continue\r\nContent-Length: 10000000000\r\n");
    let answer = answered(address, &head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with("the body is above 1000 bytes"), "{answer}");
    // One who sends all before reading is not reset meanwhile.
    let head = post("Content-Length: 20000000\r\n");
    let answer = answered(address, &format!("{head}{}", "x".repeat(20_000_000))).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn an_endless_body_in_chunks_is_refused_at_the_bound() {
    let (_site, address) = start(limits());
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(
        &mut stream,
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    .await;
    let (mut read, mut write) = stream.into_split();
    let chunk = format!("64\r\n{}\r\n", "x".repeat(100));
    let endless =
        tokio::spawn(async move { while write.write_all(chunk.as_bytes()).await.is_ok() {} });
    let answer = one(&mut read).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // It goes on to send, and is closed all the same.
    timeout(LONG, endless).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_said_to_be_late() {
    let (_site, address) = start(Limits {
        body: SHORT,
        ..limits()
    });
    let request = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx";
    let answer = answered(address, request).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_caller_that_does_not_read_its_answer_is_cut() {
    let (mut site, address) = start(Limits {
        write: SHORT,
        ..limits()
    });
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &get("/large")).await;
    site.sees("/large").await;
    let cut = async {
        while site.server.open() > 0 {
            tokio::time::sleep(SHORT / 10).await;
        }
    };
    timeout(LONG, cut).await.expect("it is not cut");
    // One who reads has the whole of it.
    let (_site, address) = start(limits());
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, "GET /large HTTP/1.0\r\n\r\n").await;
    assert!(rest(&mut stream).await.len() > 64 * 1024 * 1024);
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_order_one_at_a_time() {
    let (mut site, address) = start(limits());
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, &format!("{}{}", get("/held"), get("/next"))).await;
    site.sees("/held").await;
    assert!(timeout(SHORT, site.seen.recv()).await.is_err());
    site.release.notify_one();
    assert!(one(&mut stream).await.ends_with("/held "));
    assert!(one(&mut stream).await.ends_with("/next "));
    // What is sent ahead of an answer stays with the system, and so at last with the caller.
    send(&mut stream, &get("/held")).await;
    let ahead = get("/next").repeat(1_000_000);
    let all = timeout(SHORT * 5, stream.write_all(ahead.as_bytes())).await;
    assert!(all.is_err());
}

#[tokio::test]
async fn a_malformed_head_is_refused_and_nothing_behind_it_is_a_request() {
    let (mut site, address) = start(limits());
    let smuggled = get("/smuggled");
    for head in [
        "\r\n\0",
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
        "GET / HTTP/1.1\r\nA : c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\n: c\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let answer = answered(address, &format!("{head}{smuggled}")).await;
        let refused = answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 ");
        assert!(refused || answer.is_empty(), "{head:?}: {answer}");
        assert!(site.seen.try_recv().is_err(), "{head:?}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_ignored_and_the_connection_closed_behind_them() {
    let (mut site, address) = start(limits());
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        let chunks = "5\r\nhello\r\n0\r\n\r\n";
        let head = format!("POST /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
        let answer = answered(address, &format!("{head}{chunks}{}", get("/smuggled"))).await;
        assert!(answer.ends_with("/a hello"), "{answer}");
        site.sees("/a").await;
        assert!(site.seen.try_recv().is_err());
    }
}
