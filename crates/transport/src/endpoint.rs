//! Where the service is: scheme, host and port. HTTPS may go anywhere. Plain HTTP may go to this machine only, as others on
//! the way could read the UserSig.

use std::net::IpAddr;

use imtag_core::Region;

/// A service's address: `https://host[:port]`, or `http://` with a loopback address.
///
/// ```
/// use imtag_transport::Endpoint;
///
/// assert!(Endpoint::parse("https://adminapisgp.im.qcloud.com").is_ok());
/// assert!(Endpoint::parse("http://127.0.0.1:8080").is_ok());
/// assert!(Endpoint::parse("http://example.com").is_err()); // would show the UserSig to the network
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
}

/// An endpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// It is not `https://host[:port]`.
    #[error("the endpoint {0:?} is not of the form https://host or https://host:port")]
    Malformed(String),
    /// It is `host:port` of this machine.
    #[error("the endpoint {0:?} has no scheme: write http://{0}, or https://{0} if it speaks TLS")]
    NoScheme(String),
    /// Plain HTTP to another machine.
    #[error(
        "the endpoint {0:?} is plain HTTP to another machine, which would show the UserSig to the network: \
         use https://, or http:// with 127.0.0.1, [::1] or localhost"
    )]
    PlainHttp(String),
    /// Its host has more letters than a name may have.
    #[error("the endpoint's host has {0} letters, at most {HOST_LETTERS}: check its name")]
    LongHost(usize),
    /// So has a part of its host.
    #[error(
        "a part of the endpoint's host has {0} letters, at most {LABEL_LETTERS} between dots: check its name"
    )]
    LongLabel(usize),
}

/// The longest name of a host, and the longest part of one (RFC 1035).
const HOST_LETTERS: usize = 253;
const LABEL_LETTERS: usize = 63;

/// No more letters of what is no URL are shown: it may be a key in the wrong place.
const SHOWN: usize = 40;

impl Endpoint {
    /// Reads `https://host[:port]` or `http://loopback[:port]`; a slash at the end is allowed, a path is not. White
    /// space and a byte order mark around it are dropped.
    ///
    /// # Errors
    /// Fails for another form, or for plain HTTP to another machine.
    pub fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let malformed = || match Endpoint::from_authority(false, text, None) {
            Some(here) if here.is_loopback() => InvalidEndpoint::NoScheme(text.to_owned()),
            _ => InvalidEndpoint::Malformed(without_secret(text)),
        };
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(malformed()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let endpoint = Endpoint::from_authority(tls, authority, Some(default_port(tls)));
        let endpoint = endpoint.ok_or_else(malformed)?;
        let name = endpoint.host.strip_suffix('.').unwrap_or(&endpoint.host);
        if name.len() > HOST_LETTERS {
            return Err(InvalidEndpoint::LongHost(name.len()));
        }
        let longest = name.split('.').map(str::len).max().unwrap_or(0);
        if longest > LABEL_LETTERS {
            return Err(InvalidEndpoint::LongLabel(longest));
        }
        if !tls && !endpoint.is_loopback() {
            return Err(InvalidEndpoint::PlainHttp(without_secret(text)));
        }
        Ok(endpoint)
    }

    /// Reads `host[:port]`; without a default it needs the port. Plain HTTP may go anywhere here, as to a proxy.
    pub(crate) fn from_authority(
        tls: bool,
        authority: &str,
        default: Option<u16>,
    ) -> Option<Endpoint> {
        let (host, port) = split_port(authority)?;
        let endpoint = Endpoint {
            tls,
            host: host.to_owned(),
            port: port.or(default)?,
        };
        endpoint.well_formed().then_some(endpoint)
    }

    /// The spare host of a region.
    pub(crate) fn spare_of(region: Region) -> Endpoint {
        Endpoint::of_host(region.spare_host())
    }

    fn of_host(host: &str) -> Endpoint {
        Endpoint {
            tls: true,
            host: host.to_owned(),
            port: default_port(true),
        }
    }

    /// Whether it is HTTPS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, an IPv6 one without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let inside = self.host.strip_prefix('[');
        inside
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(&self.host)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The start of a URL: scheme, host and port, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// The host and the port, as requests name them.
    pub(crate) fn authority(&self) -> String {
        if self.port == default_port(self.tls) {
            self.host.clone()
        } else {
            self.host_and_port()
        }
    }

    /// `host:port`, as proxies are asked for it.
    #[doc(hidden)] // for the command line
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host().trim_end_matches('.');
        let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
        host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
    }

    fn well_formed(&self) -> bool {
        let bracketed = self.host.starts_with('[');
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
        if bracketed {
            self.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6())
        } else {
            !self.host.is_empty() && self.host.chars().all(is_name)
        }
    }
}

impl From<Region> for Endpoint {
    fn from(region: Region) -> Self {
        Endpoint::of_host(region.host())
    }
}

/// What a message shows of an endpoint that cannot be used: before an `@` there is a password, and what is no URL may be a
/// key.
fn without_secret(text: &str) -> String {
    let is_url = text.contains("://");
    if text.contains('@') || !is_url && text.chars().count() > SHOWN {
        "***".to_owned()
    } else {
        text.chars().take(HOST_LETTERS + SHOWN).collect()
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        // the colon is inside the brackets of an IPv6 address
        Some((_, port)) if port.ends_with(']') => Some((authority, None)),
        // std would accept a plus sign
        Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Some((host, port)) => Some((host, Some(port.parse().ok().filter(|port| *port != 0)?))),
        None => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_may_go_anywhere_and_plain_http_to_this_machine() {
        for (text, url) in [
            ("https://example.com", "https://example.com"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("https://10.0.0.1:1", "https://10.0.0.1:1"),
            ("\u{feff} https://10.0.0.1:1\r\n", "https://10.0.0.1:1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("http://localhost", "http://localhost"),
            ("http://LOCALHOST.:1", "http://LOCALHOST.:1"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[::1]", "https://[::1]"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().url(), url);
        }
        for (text, host, port) in [
            ("https://example.com", "example.com", 443),
            ("https://10.0.0.1:1", "10.0.0.1", 1),
            ("http://localhost", "localhost", 80),
            ("http://[::1]:8080", "::1", 8080),
            ("https://[::1]", "::1", 443),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host(), endpoint.port()), (host, port));
        }
    }

    #[test]
    fn plain_http_to_another_machine_is_refused_with_the_reason() {
        for text in [
            "http://example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://[2001:db8::1]",
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert_eq!(refused, InvalidEndpoint::PlainHttp(text.to_owned()));
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:x",
            "https://example.com/path",
            "https://exa mple.com",
            "https://[::1",
            "https://[1.2.3.4]",
            "https://a:b:c",
            "HTTPS://example.com",
            "https://example.com?x",
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            assert_eq!(refused, InvalidEndpoint::Malformed(text.to_owned()));
        }
    }

    #[test]
    fn a_password_or_a_key_in_its_place_is_not_shown() {
        let key = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
        for text in [
            "https://corp:hush@example.com",
            "http://corp:hush@127.0.0.1",
            "corp:hush@example.com",
            key,
        ] {
            let refused = Endpoint::parse(text).unwrap_err();
            for shown in [refused.to_string(), format!("{refused:?}")] {
                assert!(
                    !shown.contains("hush") && !shown.contains(&key[..8]),
                    "{shown}"
                );
                assert!(shown.contains("***"), "{shown}");
            }
        }
    }

    #[test]
    fn a_host_has_253_letters_and_63_between_dots_at_most() {
        let host = |last: usize| format!("{}{}", "a234567.".repeat(30), "x".repeat(last));
        assert!(Endpoint::parse(&format!("https://{}", host(13))).is_ok());
        assert!(Endpoint::parse(&format!("https://{}.:8443", host(13))).is_ok());
        assert_eq!(
            Endpoint::parse(&format!("https://{}", host(14)))
                .unwrap_err()
                .to_string(),
            "the endpoint's host has 254 letters, at most 253: check its name"
        );
        let label = "y".repeat(63);
        assert!(Endpoint::parse(&format!("https://{label}.com")).is_ok());
        assert_eq!(
            Endpoint::parse(&format!("https://{label}y.com"))
                .unwrap_err()
                .to_string(),
            "a part of the endpoint's host has 64 letters, at most 63 between dots: check its name"
        );
    }

    #[test]
    fn a_regions_endpoint_is_its_host_over_tls() {
        assert_eq!(
            Endpoint::from(Region::Singapore).url(),
            "https://adminapisgp.im.qcloud.com"
        );
        assert_eq!(
            Endpoint::spare_of(Region::Singapore).url(),
            "https://adminapisgp.my-imcloud.com"
        );
    }
}
