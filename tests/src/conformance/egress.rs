//! The egress proxy of a case: what it is and does, and which hosts it was asked for.

use std::net::SocketAddr;

use serde::Deserialize;

use super::egress_proxy::{Behaviour, EgressProxy, Kind};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    #[serde(deserialize_with = "kind")]
    kind: Kind,
    /// The user and the password that it asks for.
    login: Option<(String, String)>,
    #[serde(default)]
    does: Does,
    /// Those that it leads to the server.
    #[serde(default)]
    hosts: Vec<String>,
    /// Those that it leads to the server once.
    #[serde(default)]
    hosts_once: Vec<String>,
    /// Those that it must have been asked for, in this order.
    pub(super) asked: Vec<String>,
    /// How often it is asked for the last of them depends on time.
    #[serde(default)]
    asked_again: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Does {
    /// Connects to the hosts that it knows, and answers 502 for others.
    #[default]
    Connects,
    Silence,
    Stalls,
    Says(String),
    ClosesAfter(usize),
}

fn kind<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
    let name = String::deserialize(from)?;
    let named = Kind::ALL
        .into_iter()
        .find(|kind| format!("{kind:?}").to_lowercase() == name);
    named.ok_or_else(|| serde::de::Error::custom(format!("no kind of proxy: {name}")))
}

impl Egress {
    /// The user and the password that it asks for, if it does.
    pub(super) fn login(&self) -> impl Iterator<Item = &str> {
        let login = self.login.iter();
        login.flat_map(|(user, password)| [user.as_str(), password])
    }

    /// What it was asked for, as a case says it.
    pub(super) fn as_said(&self, mut asked: Vec<String>) -> Vec<String> {
        if self.asked_again {
            let expected = self.asked.len();
            let repeated =
                |asked: &[String]| asked.last() == asked.get(asked.len().wrapping_sub(2));
            while asked.len() > expected && repeated(&asked) {
                asked.pop();
            }
        }
        asked
    }

    /// Starts it before a server.
    pub(super) fn start(&self, server: SocketAddr) -> EgressProxy {
        let login = self.login.as_ref();
        let login = login.map(|(user, password)| (user.as_str(), password.as_str()));
        let proxy = EgressProxy::start(self.kind, login);
        for host in &self.hosts {
            proxy.leads(host, server);
        }
        for host in &self.hosts_once {
            proxy.leads_once(host, server);
        }
        proxy.behaves(match self.does.clone() {
            Does::Connects => Behaviour::Connects,
            Does::Silence => Behaviour::IsSilent,
            Does::Stalls => Behaviour::Stalls,
            Does::Says(answer) => Behaviour::Says(answer.into_bytes()),
            Does::ClosesAfter(words) => Behaviour::ClosesAfter(words),
        });
        proxy
    }
}
