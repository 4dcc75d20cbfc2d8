//! The names by which a server is reached: those of its certificate, and the ones of them that are its own.
//!
//! A host that it stands for is none of its own: a page of that host that is led to this machine would pass as the
//! server's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LOCALHOST: &str = "localhost";

/// A name that no certificate can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no name of a host: {problem}")]
pub struct InvalidName {
    name: String,
    problem: &'static str,
}

/// A host, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Address(IpAddr),
    Host(String),
    /// Any one label before this, which begins with a dot: `.dev.example` for `*.dev.example`.
    Below(String),
}

/// All names of a server.
#[derive(Debug)]
pub struct Names {
    /// What it was given, and its address.
    own: Vec<Name>,
    /// The hosts that it stands for.
    others: Vec<Name>,
}

impl Names {
    /// The names that are given, and those of an address to listen on: `HOST:PORT`, which is `ip`. It stands for
    /// `others`, too, if there are any.
    ///
    /// # Errors
    /// Where a name is none.
    pub fn new(
        given: &[String],
        address: &str,
        ip: IpAddr,
        others: &[&str],
    ) -> Result<Names, InvalidName> {
        let own = given.iter().map(|name| Name::new(name));
        let mut own = own.collect::<Result<Vec<_>, _>>()?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        // One that is no name was resolved all the same, so it is only known to this machine.
        own.extend(Name::new(host));
        own.push(Name::Address(ip.to_canonical()));
        // Also where it is listened on, no client asks for `0.0.0.0`.
        own.retain(|name| !matches!(name, Name::Address(ip) if ip.is_unspecified()));
        let others = others.iter().map(|name| Name::new(name));
        Ok(Names {
            own,
            others: others.collect::<Result<_, _>>()?,
        })
    }

    /// What the certificate holds.
    #[must_use]
    pub fn certified(&self) -> Vec<String> {
        let mut names: Vec<Name> = loopback().into();
        names.extend(self.own.iter().chain(&self.others).cloned());
        let mut texts: Vec<String> = Vec::new();
        for text in names.iter().map(Name::to_string) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// True where the certificate holds a host.
    #[must_use]
    pub fn certifies(&self, host: &str) -> bool {
        let known = self.own.iter().chain(&self.others).cloned();
        let mut known = known.chain(loopback());
        asked(host).is_some_and(|asked| known.any(|name| name.covers(&asked)))
    }

    /// True where a host is this machine's, or one that the server was given.
    #[must_use]
    pub fn are_own(&self, host: &str) -> bool {
        let Some(asked) = asked(host) else {
            return false;
        };
        let local = match &asked {
            Name::Address(ip) => ip.is_loopback(),
            Name::Host(host) => host == LOCALHOST || host.ends_with(".localhost"),
            Name::Below(_) => false,
        };
        local || self.own.iter().any(|name| name.covers(&asked))
    }
}

/// The host of an authority, without its port: `[::1]:443`, `localhost`.
#[must_use]
pub fn host_of(authority: &str) -> &str {
    let port = authority.rsplit_once(':').filter(|(_, port)| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && !authority.ends_with(']')
    });
    port.map_or(authority, |(host, _)| host)
}

fn loopback() -> [Name; 3] {
    [
        Name::Host(LOCALHOST.to_owned()),
        Name::Address(Ipv4Addr::LOCALHOST.into()),
        Name::Address(Ipv6Addr::LOCALHOST.into()),
    ]
}

/// A host that a request names; no wildcard.
fn asked(host: &str) -> Option<Name> {
    Name::new(host)
        .ok()
        .filter(|name| !matches!(name, Name::Below(_)))
}

impl Name {
    fn new(text: &str) -> Result<Name, InvalidName> {
        let invalid = |problem| InvalidName {
            name: text.to_owned(),
            problem,
        };
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Name::Address(ip.to_canonical()));
        }
        if !text.is_ascii() {
            return Err(invalid("write it as DNS has it, in ASCII (xn--…)"));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let below = lower.strip_prefix("*.");
        let host = below.unwrap_or(&lower);
        if host.is_empty() || host.len() > 253 {
            return Err(invalid("it has 1 to 253 characters"));
        }
        if !host.split('.').all(is_label) {
            return Err(invalid(
                "give the host alone, without a scheme, a port or a path; its parts have letters, digits, - and _",
            ));
        }
        let last = host.rsplit('.').next().unwrap_or(host);
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid("it is no address, and no name ends in a number"));
        }
        match below {
            None => Ok(Name::Host(lower)),
            Some(host) if host.contains('.') => Ok(Name::Below(format!(".{host}"))),
            Some(_) => Err(invalid(
                "clients take a wildcard only before two parts or more",
            )),
        }
    }

    fn covers(&self, asked: &Name) -> bool {
        match (self, asked) {
            (Name::Below(end), Name::Host(host)) => host
                .strip_suffix(end.as_str())
                .is_some_and(|label| !label.is_empty() && !label.contains('.')),
            _ => self == asked,
        }
    }
}

fn is_label(label: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let hyphen = label.starts_with('-') || label.ends_with('-');
    (1..=63).contains(&label.len()) && label.bytes().all(known) && !hyphen
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Address(ip) => ip.fmt(f),
            Name::Host(host) => host.fmt(f),
            Name::Below(end) => write!(f, "*{end}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[&str], address: &str) -> Names {
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        let ip = address.rsplit_once(':').unwrap().0.trim_matches(['[', ']']);
        let ip = ip.parse().unwrap_or(Ipv4Addr::LOCALHOST.into());
        Names::new(&given, address, ip, &["service.example"]).unwrap()
    }

    #[test]
    fn the_certificate_holds_loopback_what_is_given_the_address_and_the_hosts_it_stands_for() {
        let given = [
            "Emulator.",
            "10.0.0.7",
            "[FD00::1]",
            "*.Dev.example",
            "emulator",
        ];
        let certified = names(&given, "192.0.2.1:8443").certified();
        assert_eq!(
            certified[..9].join(" "),
            "localhost 127.0.0.1 ::1 emulator 10.0.0.7 fd00::1 *.dev.example 192.0.2.1 service.example"
        );
        assert_eq!(certified.len(), 9);
        // The host of the address is a name, and an address of all is none.
        for (address, fourth) in [
            ("Team-host:8443", "team-host"),
            ("localhost:0", "service.example"),
            ("0.0.0.0:8443", "service.example"),
            ("[::]:8443", "service.example"),
            ("[::ffff:0.0.0.0]:1", "service.example"),
        ] {
            assert_eq!(names(&[], address).certified()[3], fourth, "{address}");
        }
    }

    #[test]
    fn what_no_certificate_can_hold_is_refused_with_the_reason() {
        let alone = "https://host|host:8443|host/path|a..b|-a.b|a b|[::1]:1|*|a.*.b|*.";
        let wrong = alone.split('|').map(|name| (name, "the host alone"));
        for (name, says) in wrong.chain([
            ("", "1 to 253"),
            (".", "1 to 253"),
            ("*.com", "two parts"),
            ("1.2.3", "ends in a number"),
            ("标签.example", "xn--"),
        ]) {
            let text = Name::new(name).unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
            assert!(text.starts_with(&format!("{name:?} is no name of a host: ")));
        }
        let long = "a".repeat(64);
        assert!(Name::new(&long).is_err());
        assert!(Name::new(&long[..63]).is_ok());
    }

    #[test]
    fn own_names_are_loopback_the_address_and_what_was_given() {
        let names = names(&["emulator", "*.dev.example"], "127.0.0.1:0");
        let own = "localhost LOCALHOST. a.localhost 127.0.0.1 127.9.9.9 [::1] [::ffff:127.0.0.1] Emulator \
                   a.dev.example";
        for own in own.split(' ') {
            assert!(names.are_own(own), "{own}");
        }
        let foreign = "|example.com|localhost.example.com|notlocalhost|service.example|dev.example|a.b.dev.example\
                       |*.dev.example|0.0.0.0|10.0.0.1|127.1|2130706433|0x7f.1|[::]|::1%lo";
        for foreign in foreign.split('|') {
            assert!(!names.are_own(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_port_is_told_from_an_address() {
        for (authority, host) in [
            ("localhost", "localhost"),
            ("localhost:443", "localhost"),
            ("[::1]", "[::1]"),
            ("[::1]:443", "[::1]"),
            ("a:b", "a:b"),
            ("a:", "a"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
