//! What lets callers in over TCP: the local key and the authority, which the daemon's folder keeps, and a token.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use imtag_local_server::Names;
use imtag_serve::{Access, Authority, Data, Listener};
use imtag_transport::readable_secret;

use super::listeners::refuse_plain;
use crate::args::ServeArgs;
use crate::commands::data_folder::unusable;
use crate::exit::CommandError;
use crate::output::note_warning;

/// A token that is shorter is guessed.
const TOKEN_AT_LEAST: usize = 16;
const TOKEN_AT_MOST: u64 = 4096;

/// How callers over TCP come in.
pub(super) struct Entry<'a> {
    arguments: &'a ServeArgs,
    address: SocketAddr,
    data: &'a Data,
}

impl<'a> Entry<'a> {
    /// That of these listeners; `None` where none of them is for TCP.
    pub(super) fn new(
        arguments: &'a ServeArgs,
        listeners: &[Listener],
        data: Option<&'a Data>,
    ) -> Result<Option<Entry<'a>>, CommandError> {
        let addresses: Vec<_> = listeners.iter().filter_map(Listener::address).collect();
        for address in &addresses {
            refuse_plain(*address, arguments.tls)?;
        }
        let Some(&address) = addresses.first() else {
            return refuse_flags_of_tcp(arguments).map(|()| None);
        };
        Ok(data.map(|data| Entry {
            arguments,
            address,
            data,
        }))
    }

    /// What lets a caller in, as the files have it now: the local key, and the token, if a file of one is set.
    pub(super) fn access(&self, token_file: Option<&Path>) -> Result<Access, CommandError> {
        let access = Access::new().local_key(self.data.local_key().map_err(unusable)?);
        Ok(match token_file {
            Some(path) => {
                let token = token(path)?;
                if let Some(warning) = readable_secret(path) {
                    note_warning(format_args!("{warning}"));
                }
                access.token(&token)
            }
            None => access,
        })
    }

    /// The names by which callers come.
    pub(super) fn names(&self) -> Result<Names, CommandError> {
        let address = match &self.arguments.address {
            Some(address) => address.clone(),
            None => self.address.to_string(),
        };
        let names = Names::new(&self.arguments.names, &address, self.address.ip(), &[]);
        names.map_err(CommandError::usage)
    }

    /// The authority, with a new certificate for the daemon; `None` without TLS.
    pub(super) fn authority(&self) -> Result<Option<Authority>, CommandError> {
        if !self.arguments.tls {
            return Ok(None);
        }
        let authority = self.data.authority(&self.names()?);
        authority.map(Some).map_err(unusable)
    }

    /// The start of a URL for it.
    pub(super) fn endpoint(&self) -> String {
        let scheme = if self.arguments.tls { "https" } else { "http" };
        let port = self.address.port();
        match self.arguments.names.first() {
            Some(name) if !name.starts_with('*') => {
                let is_bare = name.contains(':') && !name.starts_with('[');
                let name = if is_bare {
                    format!("[{name}]")
                } else {
                    name.clone()
                };
                format!("{scheme}://{name}:{port}")
            }
            _ => {
                let ip = self.address.ip();
                let mut reachable = self.address;
                if ip.is_unspecified() && ip.is_ipv4() {
                    reachable.set_ip([127, 0, 0, 1].into());
                } else if ip.is_unspecified() {
                    reachable.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
                }
                format!("{scheme}://{reachable}")
            }
        }
    }

    pub(super) fn local_key_file(&self) -> PathBuf {
        self.data.local_key_file()
    }

    pub(super) fn ca_file(&self) -> Option<PathBuf> {
        self.arguments.tls.then(|| self.data.ca_file())
    }
}

/// They would be ignored, and somebody would rely on them.
fn refuse_flags_of_tcp(arguments: &ServeArgs) -> Result<(), CommandError> {
    let flag = [
        (arguments.tls, "--tls"),
        (!arguments.names.is_empty(), "--name"),
        (arguments.token_file.is_some(), "--token-file"),
    ];
    match flag.into_iter().find(|it| it.0) {
        None => Ok(()),
        Some((_, flag)) => Err(CommandError::usage(format_args!(
            "{flag} is for calls over TCP: give --address HOST:PORT too"
        ))),
    }
}

/// The token that a file holds. No message has a part of it.
fn token(path: &Path) -> Result<String, CommandError> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TOKEN_AT_MOST + 1).read_to_end(&mut bytes))
        .map_err(CommandError::machine(format!(
            "cannot read the token in {shown}"
        )))?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let token = text.trim();
    let can_be_sent = token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.len() < TOKEN_AT_LEAST || text.len() as u64 > TOKEN_AT_MOST || !can_be_sent {
        return Err(CommandError::usage(format_args!(
            "{shown} holds no token: put {TOKEN_AT_LEAST} or more letters and digits into it, and nothing else, such as \
             openssl rand -hex 32 prints them"
        )));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_can_be_sent_and_not_guessed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("token");
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            token(&path).map_err(|error| error.sentence)
        };
        assert_eq!(read(b"0123456789abcdef\n").unwrap(), "0123456789abcdef");
        for wrong in [
            "",
            "hush-hush",
            "hush 56789 abcdefg",
            "标签标签标签标签标签",
            "hush\n0123456789abcd",
        ] {
            let error = read(wrong.as_bytes()).unwrap_err();
            assert!(
                error.contains("holds no token") && !error.contains("hush"),
                "{error}"
            );
        }
        assert!(read(&[0xff; 40]).is_err());
        assert!(read(&[b'a'; 5000]).is_err());
    }
}
