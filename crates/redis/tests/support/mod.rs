//! A Redis of a test's own, on a socket in a folder that is removed with it, and what it takes to speak to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A server that ends with it.
pub(crate) struct Redis {
    child: Child,
    socket: PathBuf,
    _folder: TempDir,
}

/// A reply, its integers as text, and an array's elements.
pub(crate) type Reply = Vec<String>;

impl Redis {
    /// None if this machine has no Redis: the test is skipped by name.
    pub(crate) fn start() -> Option<Redis> {
        let missing = "redis-server is missing: cargo xtask test installs it";
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            println!("skipped: {missing}");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("redis");
        let mut server = Command::new("redis-server");
        server.args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"]);
        server.arg(folder.path()).arg("--unixsocket").arg(&socket);
        let mut child = server.stdout(Stdio::piped()).spawn().unwrap();
        // it says when it listens; what it says later fits in the pipe
        let mut says = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(says.any(|line| line.unwrap().contains("ready to accept connections")));
        Some(Redis {
            child,
            socket,
            _folder: folder,
        })
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection(BufReader::new(UnixStream::connect(&self.socket).unwrap()))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Connection(BufReader<UnixStream>);

impl Connection {
    /// What the server answers; its error is a panic.
    pub(crate) fn call<A: AsRef<str>>(&mut self, arguments: &[A]) -> Reply {
        let mut request = format!("*{}\r\n", arguments.len());
        for argument in arguments {
            let argument = argument.as_ref();
            request += &format!("${}\r\n{argument}\r\n", argument.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "*" => {
                let elements = 0..rest.parse().unwrap();
                elements.flat_map(|_: usize| self.reply()).collect()
            }
            "$" if rest == "-1" => Vec::new(),
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                vec![String::from_utf8(text).unwrap()]
            }
            ":" | "+" => vec![rest.to_owned()],
            _ => panic!("{line}"),
        }
    }
}
