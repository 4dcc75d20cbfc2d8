//! The proxy through which a network lets its machines out: which one, for which hosts, from a setting or from the
//! environment. How it is spoken to is in `http::tunnel`.
//!
//! ```text
//! setting: a wrong URL ─────────────────────────────────► refused
//! endpoint on this machine ─────────────────────────────► none
//! setting: direct ──────────────────────────────────────► none
//! setting: a URL ───────────────────────────────────────► it
//! no setting: a host of NO_PROXY ───────────────────────► none
//!             HTTPS_PROXY, else ALL_PROXY ──────────────► it, or none
//! ```
//!
//! The URL holds a password. So no message shows the text of a setting or a variable, a proxy shows itself without user
//! and password, and they are wiped on drop.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::endpoint::Endpoint;

/// The variables that may name a proxy, by rank. As with curl and Go an empty one counts as not set.
const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The variables that may name hosts without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The longest user or password that SOCKS5 can carry.
const SOCKS_BYTES: usize = 255;

/// What a client's settings say of a proxy.
#[derive(Clone, Default)]
pub(crate) enum ProxySetting {
    /// Nothing: the environment may.
    #[default]
    Environment,
    /// There is none.
    Direct,
    Url(Result<Arc<Proxy>, InvalidProxy>),
}

/// A proxy that can be called.
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    /// Where it is: TLS if it is called by `https`.
    pub(crate) endpoint: Endpoint,
    pub(crate) credentials: Option<ProxyCredentials>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    Http,
    Https,
    Socks5,
}

/// They show themselves nowhere.
pub(crate) struct ProxyCredentials {
    pub(crate) user: Zeroizing<String>,
    pub(crate) password: Zeroizing<String>,
}

/// A proxy that cannot be used. No part of its text is shown, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy{} {why}: set it as http://host:port, https://host:port or socks5://host:port, with user:password@ \
     before the host if it asks for them, or as direct",
    .variable.map(|name| format!(" of {name}")).unwrap_or_default()
)]
pub struct InvalidProxy {
    /// The environment variable that names it, if that is not the setting.
    variable: Option<&'static str>,
    why: &'static str,
}

impl ProxySetting {
    /// Reads the setting: a URL, or `direct`.
    pub(crate) fn read(text: &str) -> ProxySetting {
        let text = bare(text);
        if text == "direct" {
            return ProxySetting::Direct;
        }
        let proxy = Proxy::parse(text).map(Arc::new);
        ProxySetting::Url(proxy.map_err(|why| InvalidProxy {
            variable: None,
            why,
        }))
    }

    /// The proxy through which an endpoint is called. `variable` reads the environment.
    pub(crate) fn for_endpoint(
        &self,
        endpoint: &Endpoint,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Arc<Proxy>>, InvalidProxy> {
        // a wrong one is wrong for any endpoint
        if let ProxySetting::Url(Err(why)) = self {
            return Err(why.clone());
        }
        match (self.choice(endpoint, &variable), self) {
            (ProxyChoice::Setting, ProxySetting::Url(Ok(proxy))) => Ok(Some(Arc::clone(proxy))),
            (ProxyChoice::Variable(name), _) => {
                let text = variable(name).unwrap_or_default();
                let proxy = Proxy::parse(bare(&text)).map(|proxy| Some(Arc::new(proxy)));
                proxy.map_err(|why| InvalidProxy {
                    variable: Some(name),
                    why,
                })
            }
            _ => Ok(None),
        }
    }

    fn choice(
        &self,
        endpoint: &Endpoint,
        variable: impl Fn(&str) -> Option<String>,
    ) -> ProxyChoice {
        match self {
            _ if endpoint.is_loopback() => ProxyChoice::ThisMachine,
            ProxySetting::Direct => ProxyChoice::Direct,
            ProxySetting::Url(_) => ProxyChoice::Setting,
            ProxySetting::Environment => {
                let variable = |name: &str| variable(name).filter(|text| !bare(text).is_empty());
                let named = VARIABLES.into_iter().find(|name| variable(name).is_some());
                let Some(named) = named else {
                    return ProxyChoice::NotSet;
                };
                let list = EXCEPTIONS
                    .into_iter()
                    .find_map(|name| Some((name, variable(name)?)));
                match list {
                    Some((name, list)) if is_exception(&list, endpoint) => {
                        ProxyChoice::Exception(name)
                    }
                    _ => ProxyChoice::Variable(named),
                }
            }
        }
    }
}

/// Why an endpoint is called through a proxy, which the setting or this variable names, or through none: none is named, the
/// setting is `direct`, the endpoint is on this machine, or this variable names its host.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyChoice {
    Setting,
    Variable(&'static str),
    NotSet,
    Direct,
    ThisMachine,
    Exception(&'static str),
}

/// Why a client with this setting calls an endpoint through a proxy, or through none, in this environment.
#[doc(hidden)]
#[must_use]
pub fn proxy_choice(setting: Option<&str>, endpoint: &Endpoint) -> ProxyChoice {
    let setting = setting.map_or(ProxySetting::Environment, ProxySetting::read);
    let variable = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
    setting.choice(endpoint, variable)
}

/// Fails for a setting that cannot be used, where it is to be known before a client is built.
#[doc(hidden)]
pub fn check_proxy(text: &str) -> Result<(), InvalidProxy> {
    match ProxySetting::read(text) {
        ProxySetting::Url(Err(why)) => Err(why),
        _ => Ok(()),
    }
}

impl Proxy {
    /// Reads `scheme://[user[:password]@]host[:port]`. Without a scheme, as the variables often are, it is `http` and needs
    /// a port. What URLs reserve is percent-encoded in user and password.
    fn parse(text: &str) -> Result<Proxy, &'static str> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (kind, port) = match scheme.to_ascii_lowercase().as_str() {
            "" => (ProxyKind::Http, None),
            "http" => (ProxyKind::Http, Some(80)),
            "https" => (ProxyKind::Https, Some(443)),
            // socks5h is what others call it if the proxy looks up the names, as it always does here
            "socks5" | "socks5h" => (ProxyKind::Socks5, Some(1080)),
            _ => return Err("has another scheme than http, https and socks5"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            None => (None, rest),
            Some((user, authority)) => (Some(ProxyCredentials::parse(user)?), authority),
        };
        let too_long = |it: &ProxyCredentials| it.user.len().max(it.password.len()) > SOCKS_BYTES;
        if kind == ProxyKind::Socks5 && credentials.as_ref().is_some_and(too_long) {
            return Err("has a user or a password of more than 255 bytes");
        }
        let tls = kind == ProxyKind::Https;
        let endpoint = Endpoint::from_authority(tls, authority, port);
        Ok(Proxy {
            kind,
            endpoint: endpoint.ok_or("has no host and port that can be read")?,
            credentials,
        })
    }

    fn scheme(&self) -> &'static str {
        match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5",
        }
    }
}

impl ProxyCredentials {
    fn parse(text: &str) -> Result<ProxyCredentials, &'static str> {
        let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(decoded) => Ok(Zeroizing::new(decoded.into_owned())),
            Err(_) => Err("has a user or a password that is not UTF-8"),
        };
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok(ProxyCredentials {
            user: decoded(user)?,
            password: decoded(password)?,
        })
    }
}

/// With scheme, host and port, and no credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.endpoint.host_and_port())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.credentials.as_ref().map_or("", |_| "***@");
        let place = self.endpoint.host_and_port();
        write!(f, "{}://{hidden}{place}", self.scheme())
    }
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxySetting::Environment => f.write_str("environment"),
            ProxySetting::Direct => f.write_str("direct"),
            ProxySetting::Url(proxy) => proxy.fmt(f),
        }
    }
}

/// A text without what may stand around it by accident.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Whether a list of exceptions names an endpoint, by the rules of Go's httpproxy: `*`; an address or a network
/// (`10.0.0.0/8`); a name, which stands for all below it too; `.name` or `*.name`, for those below it only. All but a
/// network may have a port. As with curl, blanks separate too.
fn is_exception(list: &str, endpoint: &Endpoint) -> bool {
    let host = endpoint.host().trim_end_matches('.').to_ascii_lowercase();
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = network(entry) {
            return ip.is_some_and(|ip| is_within(ip, network, bits));
        }
        let (name, port) = match entry.rsplit_once(':') {
            // an address of IPv6 without a port has colons, too
            Some((name, port)) if entry.parse::<IpAddr>().is_err() && !port.ends_with(']') => {
                (name, Some(port))
            }
            _ => (entry, None),
        };
        if port.is_some_and(|port| port.parse() != Ok(endpoint.port())) {
            return false;
        }
        let name = name.trim_start_matches('[').trim_end_matches([']', '.']);
        if let Ok(its) = name.parse::<IpAddr>() {
            return ip == Some(its.to_canonical());
        }
        let name = name.strip_prefix('*').unwrap_or(name).to_ascii_lowercase();
        let below = host.strip_suffix(name.trim_start_matches('.'));
        below.is_some_and(|below| match below {
            "" => !name.starts_with('.'),
            below => below.ends_with('.') && !name.is_empty(),
        })
    })
}

/// Reads `10.0.0.0/8`.
fn network(entry: &str) -> Option<(IpAddr, u32)> {
    let (ip, bits) = entry.split_once('/')?;
    Some((ip.parse().ok()?, bits.parse().ok()?))
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (differ, all) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => (u128::from(ip.to_bits() ^ network.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(network)) => (ip.to_bits() ^ network.to_bits(), 128),
        _ => return false,
    };
    bits <= all && differ.checked_shr(all - bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    /// What is used for an endpoint, with these variables.
    fn chosen(setting: &ProxySetting, text: &str, variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|it| it.0 == name);
            found.map(|it| it.1.to_owned())
        };
        match setting.for_endpoint(&endpoint(text), variable) {
            Ok(proxy) => proxy.map_or("none".to_owned(), |proxy| proxy.to_string()),
            Err(error) => error.to_string(),
        }
    }

    const SERVICE: &str = "https://console.tim.qq.com";

    #[test]
    fn a_setting_comes_before_the_environment_whose_first_variable_counts() {
        use ProxySetting::Environment;
        let of = |variables: &[(&str, &str)]| chosen(&Environment, SERVICE, variables);
        let set = [("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "http://b:2")];
        assert_eq!(of(&[]), "none");
        assert_eq!(of(&set), "http://a:1");
        assert_eq!(of(&[("https_proxy", "c:3"), set[1]]), "http://c:3");
        assert_eq!(of(&[("HTTPS_PROXY", " "), set[1]]), "http://b:2");
        assert_eq!(of(&[("all_proxy", "socks5h://d")]), "socks5://d:1080");
        assert_eq!(of(&[("HTTP_PROXY", "http://a:1")]), "none");
        assert_eq!(of(&[set[0], ("NO_PROXY", ".qq.com")]), "none");
        assert_eq!(of(&[set[0], ("no_proxy", "*")]), "none");
        let setting = ProxySetting::read("\u{feff}https://e\n");
        let exception = [set[0], ("NO_PROXY", "*")];
        assert_eq!(chosen(&setting, SERVICE, &exception), "https://e:443");
        assert_eq!(
            chosen(&ProxySetting::read(" direct"), SERVICE, &set),
            "none"
        );
    }

    #[test]
    fn an_endpoint_on_this_machine_has_no_proxy_and_reads_none_of_the_environment() {
        for text in [
            "https://localhost",
            "https://LOCALHOST.",
            "http://127.0.0.1:8080",
            "https://127.9.9.9",
            "https://[::1]:1",
            "https://[::ffff:127.0.0.1]",
        ] {
            let setting = ProxySetting::read("http://a:1");
            assert_eq!(chosen(&setting, text, &[]), "none", "{text}");
            let wrong = ProxySetting::read("bad");
            let endpoint = Endpoint::parse(text).unwrap();
            let refused = wrong.for_endpoint(&endpoint, |_| None);
            assert!(refused.is_err(), "{text}");
            let bad = [("HTTPS_PROXY", "ftp://a")];
            assert_eq!(chosen(&ProxySetting::Environment, text, &bad), "none");
        }
    }

    #[test]
    fn a_proxys_parts_are_read_and_its_credentials_shown_nowhere() {
        for (text, display, debug, credentials) in [
            ("http://p", "http://p:80", "http://p:80", None),
            ("HTTPS://p/", "https://p:443", "https://p:443", None),
            ("p:3128", "http://p:3128", "http://p:3128", None),
            (
                "socks5://u:hush@[::1]:1",
                "socks5://[::1]:1",
                "socks5://***@[::1]:1",
                Some(("u", "hush")),
            ),
            (
                "http://u%40corp:h%3Au@sh%2f@p:1",
                "http://p:1",
                "http://***@p:1",
                Some(("u@corp", "h:u@sh/")),
            ),
            (
                "u:h:ush@p:1",
                "http://p:1",
                "http://***@p:1",
                Some(("u", "h:ush")),
            ),
            (
                "http://u@p",
                "http://p:80",
                "http://***@p:80",
                Some(("u", "")),
            ),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.to_string(), display);
            assert_eq!(format!("{proxy:?}"), debug);
            let its = proxy.credentials.as_ref();
            let its = its.map(|it| (it.user.as_str(), it.password.as_str()));
            assert_eq!(its, credentials);
            let setting = ProxySetting::read(text);
            assert_eq!(format!("{setting:?}"), format!("Ok({debug})"));
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_refused_without_its_text() {
        let long = format!("socks5://{}:p@h:1", "u".repeat(256));
        for (text, why) in [
            ("", "has no host and port that can be read"),
            ("hush", "has no host and port that can be read"),
            ("http://", "has no host and port that can be read"),
            ("http://u:hush@", "has no host and port that can be read"),
            ("http://u:hush@p:0", "has no host and port that can be read"),
            ("http://p:1/hush", "has no host and port that can be read"),
            (
                "http://u:hu/sh%40p:1",
                "has no host and port that can be read",
            ),
            (
                "socks4://u:hush@p:1",
                "has another scheme than http, https and socks5",
            ),
            (
                "http://u:%ff@p:1",
                "has a user or a password that is not UTF-8",
            ),
            (&long, "has a user or a password of more than 255 bytes"),
        ] {
            let refused = chosen(&ProxySetting::read(text), SERVICE, &[]);
            let form = "set it as http://host:port, https://host:port or socks5://host:port, with user:password@ \
                        before the host if it asks for them, or as direct";
            assert_eq!(refused, format!("the proxy {why}: {form}"));
            let refused = chosen(&ProxySetting::Environment, SERVICE, &[("ALL_PROXY", text)]);
            if !text.is_empty() {
                assert_eq!(refused, format!("the proxy of ALL_PROXY {why}: {form}"));
            }
        }
    }

    #[test]
    fn exceptions_are_hosts_suffixes_addresses_and_networks_with_or_without_a_port() {
        for (list, host, is) in [
            ("", "https://a.b", false),
            ("*", "https://a.b", true),
            ("x, *", "https://a.b", true),
            ("a.b", "https://a.b", true),
            ("x;a.b", "https://a.b", false),
            ("x a.b", "https://a.b", true),
            ("A.b.", "https://a.B", true),
            ("b", "https://a.b", true),
            ("ab", "https://x.b", false),
            (".b", "https://a.b", true),
            ("*.b", "https://a.b", true),
            (".b", "https://b", false),
            ("*.b", "https://b", false),
            ("b", "https://ab", false),
            (".", "https://a.b", false),
            ("*b", "https://ab", false),
            ("a.b:443", "https://a.b", true),
            ("a.b:8443", "https://a.b", false),
            (".b:8443", "https://a.b:8443", true),
            ("a.b:x", "https://a.b", false),
            ("10.0.0.1", "https://10.0.0.1", true),
            ("10.0.0.1:443", "https://10.0.0.1", true),
            ("10.0.0.1:1", "https://10.0.0.1", false),
            ("10.0.0.0/8", "https://10.1.2.3", true),
            ("10.0.0.0/8", "https://11.1.2.3", false),
            ("10.0.0.0/8", "https://a.b", false),
            ("0.0.0.0/0", "https://8.8.8.8", true),
            ("10.0.0.0/33", "https://10.0.0.0", false),
            ("10.0.0.7/32", "https://10.0.0.7", true),
            ("10.0.0.7/32", "https://10.0.0.6", false),
            ("2001:db8::/32", "https://[2001:db8::1]", true),
            ("::/0", "https://[2001:db8::1]", true),
            ("::/0", "https://10.0.0.1", false),
            ("2001:db8::1", "https://[2001:db8::1]", true),
            ("[2001:db8::1]:443", "https://[2001:db8::1]", true),
            ("[2001:db8::1]:1", "https://[2001:db8::1]", false),
            ("[2001:db8::1]", "https://[2001:db8::1]", true),
        ] {
            assert_eq!(is_exception(list, &endpoint(host)), is, "{list} {host}");
        }
    }
}
