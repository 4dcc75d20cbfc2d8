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
    /// Plain HTTP to another machine.
    #[error(
        "the endpoint {0:?} is plain HTTP to another machine, which would show the UserSig to the network: \
         use https://, or http:// with 127.0.0.1, [::1] or localhost"
    )]
    PlainHttp(String),
}

impl Endpoint {
    /// Reads `https://host[:port]` or `http://loopback[:port]`; a slash at the end is allowed, a path is not. White
    /// space and a byte order mark around it are dropped.
    ///
    /// # Errors
    /// Fails for another form, or for plain HTTP to another machine.
    pub fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        let malformed = || InvalidEndpoint::Malformed(text.to_owned());
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(malformed()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_port(authority, tls).ok_or_else(malformed)?;
        let endpoint = Endpoint {
            tls,
            host: host.to_owned(),
            port,
        };
        if !endpoint.well_formed() {
            return Err(malformed());
        }
        if !tls && !endpoint.loopback_name() {
            return Err(InvalidEndpoint::PlainHttp(text.to_owned()));
        }
        Ok(endpoint)
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
            format!("{}:{}", self.host, self.port)
        }
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

    fn loopback_name(&self) -> bool {
        let is_loopback = |ip: IpAddr| ip.is_loopback();
        self.host == "localhost" || self.host().parse().is_ok_and(is_loopback)
    }
}

impl From<Region> for Endpoint {
    fn from(region: Region) -> Self {
        Endpoint {
            tls: true,
            host: region.host().to_owned(),
            port: default_port(true),
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn split_port(authority: &str, tls: bool) -> Option<(&str, u16)> {
    let without_port = Some((authority, default_port(tls)));
    match authority.rsplit_once(':') {
        // the colon is inside the brackets of an IPv6 address
        Some((_, port)) if port.ends_with(']') => without_port,
        // std would accept a plus sign
        Some((_, port)) if !port.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Some((host, port)) => Some((host, port.parse().ok().filter(|port| *port != 0)?)),
        None => without_port,
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
            "https://user@example.com",
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
    fn a_regions_endpoint_is_its_host_over_tls() {
        assert_eq!(
            Endpoint::from(Region::Singapore).url(),
            "https://adminapisgp.im.qcloud.com"
        );
    }
}
