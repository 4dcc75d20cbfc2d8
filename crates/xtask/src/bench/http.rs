//! The servers that benchmarks have written by hand: each reads a request's length and body, and costs as little as can
//! be. They serve until the program ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::Error;

/// Serves plain HTTP; the endpoint.
pub(super) fn serve(
    answer: impl Fn(&[u8]) -> Result<String, Error> + Copy + Send + 'static,
) -> Result<String, Error> {
    let port = listen(move |stream| answer_all(stream, answer))?;
    Ok(format!("http://127.0.0.1:{port}"))
}

/// Serves each connection on a thread of its own. The port. An error ends its connection, which the client sees.
pub(super) fn listen(
    serve: impl Fn(TcpStream) -> Result<(), Error> + Clone + Send + 'static,
) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || {
                stream.set_nodelay(true)?;
                serve(stream)
            });
        }
    });
    Ok(port)
}

/// Answers each request of a connection, by its body, with a body of JSON.
pub(super) fn answer_all(
    stream: impl Read + Write,
    answer: impl Fn(&[u8]) -> Result<String, Error>,
) -> Result<(), Error> {
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut bytes = 0;
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(()); // the client has hung up
            }
            let field = line.split_once(':');
            let length = field.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            if let Some((_, length)) = length {
                bytes = length.trim().parse()?;
            }
        }
        line.clear();
        body.resize(bytes, 0);
        stream.read_exact(&mut body)?;
        let answer = answer(&body)?;
        let length = answer.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 29 Nov 2026 10:58:03 GMT\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: keep-alive\r\n\r\n{answer}"
        );
        stream.get_mut().write_all(answer.as_bytes())?;
        stream.get_mut().flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_of_a_connection_is_answered_by_its_body() {
        let endpoint = serve(|body| Ok(body.len().to_string())).unwrap();
        let mut stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
        let first = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";
        let last = "POST / HTTP/1.1\r\ncontent-length:2\r\nHost: a\r\n\r\n{}";
        stream.write_all([first, last].concat().as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        let bodies: Vec<_> = answers.split("keep-alive\r\n\r\n").skip(1).collect();
        assert!(bodies[0].starts_with("5HTTP/1.1 200 OK\r\n"), "{answers}");
        assert_eq!(bodies[1], "2");
    }
}
