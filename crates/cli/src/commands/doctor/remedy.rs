//! What to do about each failure, in a sentence, with the settings that it is about and where each of them stands.

use imtag_core::{Code, Generation, Scope};
use imtag_transport::{
    Cause, Client, Config, Error, Given, Phase, ProxyChoice, ProxyFailure, proxy_choice,
};

use super::check::Check;
use super::places::{place, with_places};

const CREDENTIALS: [&str; 3] = ["secret_key", "secret_key_file", "usersig"];
const HOST: [&str; 2] = ["region", "endpoint"];
const ROOTS: [&str; 2] = ["ca_file", "roots"];
const RATE: [&str; 2] = ["calls_per_second", "below_alarm"];

pub(super) struct Remedies {
    config: Config,
    client: Client,
    choice: ProxyChoice,
    /// That of the spare host.
    spare_choice: Option<ProxyChoice>,
}

impl Remedies {
    pub(super) fn new(config: &Config, client: &Client) -> Remedies {
        let proxy = config.get("proxy").and_then(|it| it.text().ok());
        Remedies {
            config: config.clone(),
            client: client.clone(),
            choice: proxy_choice(proxy, client.endpoint()),
            spare_choice: client.spare_endpoint().map(|it| proxy_choice(proxy, it)),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.client.endpoint().is_tls()
    }

    /// The roots that a certificate is checked by.
    pub(super) fn roots(&self) -> String {
        match self.one_of(&ROOTS).map(|it| (it.setting.key, shown(it))) {
            Some(("ca_file", file)) => format!("the CA file {file}"),
            Some((_, roots)) => format!("the {roots} roots"),
            None => "the built-in roots".to_owned(),
        }
    }

    /// True if only the spare host is called through a proxy, as an exception names the first.
    pub(super) fn is_spare_alone_proxied(&self) -> bool {
        let is_proxied = |choice| matches!(choice, ProxyChoice::Setting | ProxyChoice::Variable(_));
        !is_proxied(self.choice) && self.spare_choice.is_some_and(is_proxied)
    }

    /// Where the proxy is named.
    pub(super) fn proxy_place(&self) -> String {
        let spare = self.spare_choice.filter(|_| self.is_spare_alone_proxied());
        match spare.unwrap_or(self.choice) {
            ProxyChoice::Variable(name) => name.to_owned(),
            _ => self.config.get("proxy").map(place).unwrap_or_default(),
        }
    }

    pub(super) fn why_no_proxy(&self) -> String {
        let set = || self.config.get("proxy").map(place);
        match self.choice {
            ProxyChoice::Exception(name) => {
                format!(
                    "none is used: {name} names {}",
                    self.client.endpoint().host()
                )
            }
            ProxyChoice::Direct => {
                format!("none is used: {} is direct", set().unwrap_or_default())
            }
            ProxyChoice::ThisMachine => match set() {
                Some(place) => {
                    format!("none is used, as the endpoint is on this machine: not that of {place}")
                }
                None => "none is used: the endpoint is on this machine".to_owned(),
            },
            _ => "none is used: none is set".to_owned(),
        }
    }

    /// For a UserSig, a key, an identifier or an SDKAppID that do not fit.
    pub(super) fn of_credentials(&self, sentence: &str) -> String {
        let keys = [&CREDENTIALS[..], &["sdkappid", "identifier"]].concat();
        self.with_places(sentence, &keys)
    }

    /// For a first host that cannot be reached, where the spare host is.
    pub(super) fn of_first_host(&self, check: Check, host: &str) -> String {
        let keys = [&HOST[..], &["spare_endpoint"]].concat();
        let sentence = match check {
            _ if self.is_spare_alone_proxied() => match self.out_of_exceptions() {
                Some(sentence) => sentence,
                None => format!("let this machine reach {host}"),
            },
            Check::Dns => format!("check why this machine's DNS does not know {host}"),
            Check::Tls => format!("check who answers in the place of {host}"),
            Check::Proxy => format!("check why the proxy does not reach {host}"),
            _ => format!("let this machine reach {host}"),
        };
        let sentence = sentence + "; once a minute a call tries it again, and is slower for it";
        self.with_places(&sentence, &keys)
    }

    /// For a call that did not come to the service.
    pub(super) fn on_the_way(&self, error: &Error) -> String {
        let remedy = self.of_way(error);
        match error.cause() {
            Cause::Timeout { .. } => remedy + "; or allow more time by --timeout",
            _ => remedy,
        }
    }

    /// What to do where an exception names the host of a proxy that is there.
    fn out_of_exceptions(&self) -> Option<String> {
        match self.choice {
            ProxyChoice::Exception(name) => Some(format!(
                "take {} out of {name}, so that it is called through the proxy",
                self.client.endpoint().host()
            )),
            _ => None,
        }
    }

    fn of_way(&self, error: &Error) -> String {
        let is_of_network = matches!(error.cause(), Cause::Network { .. } | Cause::Timeout { .. });
        let remedy = self.of_way_taken(error);
        match self.out_of_exceptions() {
            Some(out) if is_of_network && !error.is_local_failure() => {
                // a proxy is named
                let remedy = remedy.replace(", or name the proxy of this network", "");
                format!("{out}; or {remedy}")
            }
            _ => remedy,
        }
    }

    fn of_way_taken(&self, error: &Error) -> String {
        let host = self.client.endpoint().host_and_port();
        let is_region = self
            .one_of(&HOST)
            .is_some_and(|it| it.setting.key == "region");
        match error.cause() {
            _ if error.is_local_failure() => error.remedy().to_owned(),
            Cause::Proxy { failure, .. } => self.of_proxy(*failure, &host),
            Cause::Timeout {
                phase: Phase::Proxy,
            } => self.of_proxy(ProxyFailure::Unreachable, &host),
            Cause::Timeout {
                phase: Phase::Tunnel,
            } => self.of_proxy(ProxyFailure::NoTunnel, &host),
            Cause::Tls(why) => self.of_tls(&why.to_string(), is_region),
            Cause::Network { phase, .. } | Cause::Timeout { phase } => match phase {
                Phase::Resolve if is_region => self.with_places(
                    "let this machine's DNS know the region's host, or name the proxy of this network",
                    &["region", "proxy"],
                ),
                Phase::Resolve => self.with_places(
                    "correct the endpoint's host, or this machine's DNS",
                    &["endpoint"],
                ),
                _ if error.reason().contains("plain HTTP is for this machine") => {
                    self.with_places("call another machine by https://", &["endpoint"])
                }
                _ if has_no_route(error) => self.with_places(
                    &format!(
                        "give this machine a route to {host} (to an IPv6 address one of IPv6), or name the proxy of this \
                         network"
                    ),
                    &["region", "endpoint", "proxy"],
                ),
                Phase::Handshake => self.with_places(
                    &format!("check that TLS is spoken at {host}, and that no firewall cuts it"),
                    &HOST,
                ),
                _ if is_region => self.with_places(
                    &format!("let the firewall pass {host}, or name the proxy of this network"),
                    &["region", "proxy"],
                ),
                _ => self.with_places(
                    &format!("check that something serves at {host}, and that no firewall is between"),
                    &["endpoint"],
                ),
            },
            _ => error.remedy().to_owned(),
        }
    }

    fn of_proxy(&self, failure: ProxyFailure, host: &str) -> String {
        let place = self.proxy_place();
        match failure {
            ProxyFailure::Unreachable => {
                format!("check that the proxy runs, and its scheme, host and port in {place}")
            }
            ProxyFailure::Credentials if place == "--proxy" => {
                "set the proxy in IMTAG_PROXY, or proxy in the settings file, with user:password@ before the host, in \
                 place of --proxy, which takes no password"
                    .to_owned()
            }
            ProxyFailure::Credentials => format!(
                "write the user and the password that the proxy takes as user:password@ before the host in {place}"
            ),
            ProxyFailure::NoTunnel => self.with_places(
                &format!(
                    "check that a proxy of that scheme runs where {place} says, and that it reaches {host}"
                ),
                &HOST,
            ),
            _ => format!(
                "let the proxy of {place} connect to {host} (CONNECT), or name another one there; is it a proxy of this kind?"
            ),
        }
    }

    fn of_tls(&self, why: &str, is_region: bool) -> String {
        let is_of_time = ["Expired", "expired", "NotValidYet", "not valid yet"];
        if is_of_time.iter().any(|it| why.contains(it)) {
            return self.with_places(
                "set this machine's clock; if it is right, have the certificate renewed",
                &HOST,
            );
        }
        let has_ca_file = self
            .one_of(&ROOTS)
            .is_some_and(|it| it.setting.key == "ca_file");
        let is_unknown = why.contains("UnknownIssuer");
        if is_unknown && has_ca_file {
            return self.with_places(
                "put the authority that signed this certificate into the CA file, or take the setting out for the public ones",
                &["ca_file"],
            );
        }
        if is_unknown {
            return self.with_places(
                "if the endpoint, or a proxy that opens TLS, has an authority of its own, name its certificate in a CA file, \
                 or use the platform's roots",
                &["ca_file", "roots"],
            );
        }
        if is_region {
            return self.with_places(
                "find out who answers in the service's place: a captive portal, a proxy that opens TLS, or a wrong DNS",
                &HOST,
            );
        }
        self.with_places(
            "use a name that the certificate has, and a port where TLS is spoken",
            &HOST,
        )
    }

    /// For an answer that is none of the service's, or a code that fits no other check.
    pub(super) fn of_service(&self, error: &Error) -> String {
        let through = match self.choice {
            ProxyChoice::Setting | ProxyChoice::Variable(_) => {
                format!(", the proxy of {}", self.proxy_place())
            }
            _ => String::new(),
        };
        match (error.cause(), error.code()) {
            (_, Some(Code(60002))) => self.with_places(error.remedy(), &HOST),
            (_, Some(code)) if code.entry().is_some() && code.scope() != Scope::Service => {
                "ask the service's support with the number of the request: a read of one account does not cause this"
                    .to_owned()
            }
            (_, Some(code)) if code.entry().is_some() => {
                "call again later; if it stays, ask the service's support with the number of the request".to_owned()
            }
            (_, Some(_)) | (Cause::Encoded { .. }, _) => error.remedy().to_owned(),
            (Cause::Timeout { .. }, _) => self.with_places(
                "allow more time by --timeout, or call again when the service is faster",
                &HOST,
            ),
            (Cause::Network { .. }, _) => self.with_places(
                &format!("find out what cuts the connection: a firewall{through}, or the endpoint"),
                &HOST,
            ),
            (Cause::HttpStatus { .. }, _) if error.retryable() => self.with_places(
                &format!("call again; if it stays, a gateway answers in the service's place{through}"),
                &HOST,
            ),
            _ => self.with_places(
                &format!(
                    "correct the address, or find out what answers in the service's place: a captive portal, a gateway{through}"
                ),
                &HOST,
            ),
        }
    }

    /// For a refusal by a code.
    pub(super) fn of_code(&self, check: Check, code: Code, sentence: &str) -> String {
        match (check, code.0) {
            (Check::App, 60006 | 60012 | 70020) => self.with_places(sentence, &["sdkappid"]),
            (Check::App, 70001) => self.with_places(sentence, &CREDENTIALS),
            (Check::App, 70016) => self.with_places(sentence, &[&HOST[..], &["sdkappid"]].concat()),
            (Check::App, _) => self.of_credentials(sentence),
            (Check::Region, _) => self.with_places(sentence, &HOST),
            (Check::Rights, _) => self.with_places(sentence, &["identifier"]),
            (Check::Plan, _) => self.with_places(sentence, &["sdkappid"]),
            (Check::Product, _) if self.client.rules().generation == Generation::Timpush => {
                self.of_no_product()
            }
            (Check::Product, _) => self.with_places(sentence, &["generation"]),
            (Check::Address, _) => {
                let what = match self.choice {
                    ProxyChoice::Setting | ProxyChoice::Variable(_) => {
                        format!("the address of the proxy of {}", self.proxy_place())
                    }
                    _ => "this machine's public address".to_owned(),
                };
                format!("{sentence} to allow {what}, or call from an address that is allowed")
            }
            (Check::Quota, _) => self.with_places(
                "slow the app's other processes down, or set this process's share of the quota",
                &RATE,
            ),
            _ => sentence.to_owned(),
        }
    }

    /// For an app that has the paths of neither product.
    pub(super) fn of_no_product(&self) -> String {
        self.with_places(
            "use an app of the Push product, or ask the service's support which paths this app has",
            &["sdkappid", "generation"],
        )
    }

    /// The region, or the generation, to set.
    pub(super) fn to_set(&self, key: &'static str, value: &str) -> String {
        let keys: &[&str] = if key == "region" {
            &HOST
        } else {
            &["generation"]
        };
        let in_place_of = match self.one_of(keys) {
            Some(given) if given.setting.key != key => {
                format!(" in place of the {}", given.setting.key)
            }
            _ => String::new(),
        };
        self.with_places(&format!("set the {key} {value}{in_place_of}"), keys)
    }

    /// The one of these settings that counts.
    fn one_of(&self, keys: &[&str]) -> Option<&Given> {
        let mut given = keys.iter().filter_map(|key| self.config.get(key));
        given.find(|it| self.config.in_place_of(it.setting.key).is_none())
    }

    /// `set the region tokyo (region: --region)`.
    pub(super) fn with_places(&self, sentence: &str, keys: &[&str]) -> String {
        with_places(&self.config, sentence, keys)
    }
}

/// This machine, or a router on the way, knows no way to the host's network.
fn has_no_route(error: &Error) -> bool {
    use std::io::ErrorKind::{HostUnreachable, NetworkUnreachable};
    match error.cause() {
        Cause::Network { source, .. } => {
            matches!(source.kind(), HostUnreachable | NetworkUnreachable)
        }
        _ => false,
    }
}

fn shown(given: &Given) -> String {
    match given.path() {
        Ok(path) if given.setting.key == "ca_file" => path.display().to_string(),
        _ => given.text().unwrap_or_default().to_owned(),
    }
}
