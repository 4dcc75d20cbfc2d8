//! A client, made of the settings. What the client's builder refuses is named by the setting that brought it.

use std::time::Duration;

use imtag_core::{CallRate, Generation, Identifier, Region, Rules, SdkAppId, UserSig};
use imtag_transport::{Client, ClientBuilder, Credentials, Endpoint};

use super::app::secret_key;
use super::error::{Problem, SettingsError};
use super::{Given, SettingId, Settings, whole};

const CREDENTIALS: &[SettingId] = &[
    SettingId::SecretKey,
    SettingId::SecretKeyFile,
    SettingId::UserSig,
];
const PLACES: &[SettingId] = &[SettingId::Region, SettingId::Endpoint];

/// A client, and its share of the quota.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) calls_per_second: CallRate,
}

/// What an app may send, and how often.
pub(crate) struct Terms {
    pub(crate) rules: Rules,
    pub(crate) calls_per_second: CallRate,
}

/// Where the service is.
enum Place {
    Region(Region),
    Endpoint(String),
}

impl Settings {
    /// A client of these settings; `timeout` is for each call.
    pub(crate) fn client(self, timeout: Option<Duration>) -> Result<Connection, SettingsError> {
        let mut problems = self.problems.clone();
        let builder = self.builder(timeout, &mut problems);
        let calls_per_second = self.share_of_quota(&mut problems);
        let connection = builder.zip(calls_per_second).and_then(|(builder, calls)| {
            let client = self.build(builder.calls_per_second(calls), &mut problems)?;
            Some(Connection {
                client,
                calls_per_second: calls,
            })
        });
        whole(connection, problems)
    }

    /// All but the share of the quota and the CA file.
    pub(super) fn builder(
        &self,
        timeout: Option<Duration>,
        problems: &mut Vec<Problem>,
    ) -> Option<ClientBuilder> {
        let (sdkappid, identifier) = self.who(problems);
        let credentials = self
            .choose(CREDENTIALS, problems)
            .and_then(|given| credentials(&given, problems));
        let place = self
            .choose(PLACES, problems)
            .and_then(|given| place(&given, problems));
        let generation = self.may(SettingId::Generation, str::parse::<Generation>, problems);
        let fresh_start = self.may(SettingId::FreshStart, on_or_off, problems);

        let builder = builder(sdkappid?, identifier?, credentials?, place?)
            .generation(generation.unwrap_or_default())
            // a shell that ends in `exec imtag` leaves it a start that is not its own
            .fresh_start(fresh_start.unwrap_or(false));
        Some(match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        })
    }

    /// The terms on which this app may call. Nothing need be set, but what is must be right.
    pub(crate) fn terms(self) -> Result<Terms, SettingsError> {
        let mut problems = self.problems.clone();
        let generation = self.may(SettingId::Generation, str::parse, &mut problems);
        let terms = self
            .share_of_quota(&mut problems)
            .map(|calls_per_second| Terms {
                rules: Rules::for_generation(generation.unwrap_or_default()),
                calls_per_second,
            });
        whole(terms, problems)
    }

    /// This process's share of the quota.
    fn share_of_quota(&self, problems: &mut Vec<Problem>) -> Option<CallRate> {
        match self.get(SettingId::CallsPerSecond) {
            Some(given) => super::parsed(&given, str::parse, problems),
            None => Some(CallRate::default()),
        }
    }

    /// What is left for the builder to find wrong is the CA file.
    fn build(&self, builder: ClientBuilder, problems: &mut Vec<Problem>) -> Option<Client> {
        let ca_file = self.get(SettingId::CaFile);
        let builder = match &ca_file {
            Some(given) => builder.ca_file(&given.path),
            None => builder,
        };
        let refused = match builder.build() {
            Ok(client) => return Some(client),
            Err(refused) => refused,
        };
        let name = ca_file.map_or("settings".to_owned(), |given| given.name);
        problems.push(Problem::wrong(name, refused));
        None
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is neither true nor false"))
}

fn builder(
    sdkappid: SdkAppId,
    identifier: Identifier,
    credentials: Credentials,
    place: Place,
) -> ClientBuilder {
    let builder = Client::builder(sdkappid.get(), identifier.as_str(), credentials);
    match place {
        Place::Region(region) => builder.region(region),
        Place::Endpoint(endpoint) => builder.endpoint(endpoint),
    }
}

fn credentials(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Credentials> {
    match given.id {
        SettingId::UserSig => {
            super::parsed(given, |text| UserSig::new(text), problems).map(Credentials::from)
        }
        _ => secret_key(given, problems).map(Credentials::from),
    }
}

fn place(given: &Given<'_>, problems: &mut Vec<Problem>) -> Option<Place> {
    match given.id {
        SettingId::Region => super::parsed(given, str::parse, problems).map(Place::Region),
        _ => {
            let checked = |text: &str| Endpoint::parse(text).map(|_| text.to_owned());
            super::parsed(given, checked, problems).map(Place::Endpoint)
        }
    }
}
