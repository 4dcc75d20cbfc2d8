//! What commands make of the settings: a client, the rules of its requests, an app that signs, an app that an
//! emulator serves. What the client's builder rejects is named by the setting that brought it.

use std::fs::File;
use std::io::Read;
use std::str::FromStr;
use std::time::Duration;

use imtag_core::{
    CallRate, Generation, Identifier, InvalidSecret, Region, Rules, SdkAppId, SecretKey, UserSig,
};
use imtag_transport::{Client, ClientBuilder, Credentials, Endpoint};

use super::file::warn_if_others_can_read;
use super::messages::{self, Alternative, Problems, SettingsError};
use super::{Given, Settings};

/// No key is longer; a larger file is not a key.
const KEY_BYTES_AT_MOST: u64 = 4096;

/// A client, and its share of the quota.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) calls_per_second: CallRate,
}

/// An app that UserSigs can be made for.
pub(crate) struct App {
    pub(crate) sdkappid: SdkAppId,
    pub(crate) identifier: Identifier,
    pub(crate) key: SecretKey,
}

/// What is set of the app that an emulator serves. The rest is the emulator's own.
#[cfg(feature = "emulator")]
pub(crate) struct Served {
    pub(crate) sdkappid: Option<SdkAppId>,
    pub(crate) identifier: Option<Identifier>,
    pub(crate) key: Option<SecretKey>,
    pub(crate) calls_per_second: Option<u32>,
}

/// Where the service is.
enum Place {
    Region(Region),
    Endpoint(String),
}

impl Settings {
    /// A client of these settings; `timeout` is for each call.
    pub(crate) fn client(self, timeout: Option<Duration>) -> Result<Connection, SettingsError> {
        let mut problems = Problems::new(&self.unknown);
        let builder = self.builder(timeout, &mut problems);
        let calls_per_second = self.share_of_quota(&mut problems);
        let connection = builder.zip(calls_per_second).and_then(|(builder, calls)| {
            let client = self.build(builder.calls_per_second(calls), &mut problems)?;
            Some(Connection {
                client,
                calls_per_second: calls,
            })
        });
        problems.whole(connection)
    }

    /// All but the share of the quota and the CA file.
    fn builder(&self, timeout: Option<Duration>, problems: &mut Problems) -> Option<ClientBuilder> {
        let sdkappid: Option<SdkAppId> = self.sdkappid(problems);
        let identifier = self.identifier(problems);
        let credentials = problems.need(
            messages::CREDENTIALS,
            &[
                (&self.secret_key, |it| secret_key(it).map(Credentials::from)),
                (&self.secret_key_file, |it| {
                    key_in_file(it).map(Credentials::from)
                }),
                (&self.usersig, |it| {
                    let usersig = UserSig::new(it.text()?).map_err(|why| why.to_string())?;
                    Ok(Credentials::from(usersig))
                }),
            ],
        );
        let place = problems.need(
            messages::SERVICE,
            &[
                (&self.region, |it| parsed(it).map(Place::Region)),
                (&self.endpoint, |it| {
                    let endpoint = it.text()?;
                    Endpoint::parse(endpoint).map_err(|why| why.to_string())?;
                    Ok(Place::Endpoint(endpoint.to_owned()))
                }),
            ],
        );
        let generation = problems.may(&self.generation, parsed::<Generation>);
        let fresh_start = problems.may(&self.fresh_start, on_or_off);

        let builder = Client::builder(sdkappid?.get(), identifier?.as_str(), credentials?);
        let builder = match place? {
            Place::Region(region) => builder.region(region),
            Place::Endpoint(endpoint) => builder.endpoint(endpoint),
        };
        let builder = builder
            .generation(generation.unwrap_or_default())
            // a shell that ends in `exec imtag` leaves it a start that is not its own
            .fresh_start(fresh_start.unwrap_or(false));
        Some(match timeout {
            Some(timeout) => builder.timeout(timeout),
            None => builder,
        })
    }

    /// The rules for this app's requests, and its share of the quota. Nothing need be set, but what is must be right.
    pub(crate) fn rules(self) -> Result<(Rules, CallRate), SettingsError> {
        let mut problems = Problems::new(&self.unknown);
        let generation = problems.may(&self.generation, parsed);
        let calls_per_second = self.share_of_quota(&mut problems);
        let rules = Rules::for_generation(generation.unwrap_or_default());
        problems.whole(calls_per_second.map(|calls| (rules, calls)))
    }

    /// The app and its key. A UserSig that is set as well does not matter: it is not what signs.
    pub(crate) fn app(self) -> Result<App, SettingsError> {
        let mut problems = Problems::new(&self.unknown);
        let sdkappid = self.sdkappid(&mut problems);
        let identifier = self.identifier(&mut problems);
        let key = problems.need(messages::SECRET_KEY, &self.keys_of_the_app());
        let app = sdkappid.zip(identifier).zip(key);
        problems.whole(app.map(|((sdkappid, identifier), key)| App {
            sdkappid,
            identifier,
            key,
        }))
    }

    /// The app to serve. Nothing need be set, but what is must be right.
    #[cfg(feature = "emulator")]
    pub(crate) fn served(self) -> Result<Served, SettingsError> {
        let mut problems = Problems::new(&self.unknown);
        let served = Served {
            sdkappid: problems.may(&self.sdkappid, parsed),
            identifier: problems.may(&self.identifier, parsed),
            key: problems.any_of(&self.keys_of_the_app()),
            calls_per_second: problems.may(&self.calls_per_second, whole_calls),
        };
        problems.whole(Some(served))
    }

    /// The UserSig that is set, as it stands there.
    pub(crate) fn usersig_text(&self) -> Option<&str> {
        self.usersig.as_ref()?.text().ok()
    }

    fn sdkappid(&self, problems: &mut Problems) -> Option<SdkAppId> {
        problems.need(messages::SDKAPPID, &[(&self.sdkappid, parsed)])
    }

    fn identifier(&self, problems: &mut Problems) -> Option<Identifier> {
        problems.need(messages::IDENTIFIER, &[(&self.identifier, parsed)])
    }

    fn keys_of_the_app(&self) -> [Alternative<'_, SecretKey>; 2] {
        [
            (&self.secret_key, secret_key),
            (&self.secret_key_file, key_in_file),
        ]
    }

    /// This process's share of the quota.
    fn share_of_quota(&self, problems: &mut Problems) -> Option<CallRate> {
        match self.calls_per_second {
            Some(_) => problems.may(&self.calls_per_second, parsed),
            None => Some(CallRate::default()),
        }
    }

    /// What is left for the builder to find wrong is the CA file.
    fn build(&self, builder: ClientBuilder, problems: &mut Problems) -> Option<Client> {
        let builder = match &self.ca_file {
            Some(_) => builder.ca_file(problems.may(&self.ca_file, Given::path)?),
            None => builder,
        };
        let built = builder.build();
        built
            .map_err(|rejected| match &self.ca_file {
                Some(given) => problems.wrong(given, rejected),
                None => problems.wrong("settings", rejected),
            })
            .ok()
    }
}

fn parsed<T: FromStr<Err: ToString>>(given: &Given) -> Result<T, String> {
    given.text()?.parse().map_err(|why: T::Err| why.to_string())
}

fn on_or_off(given: &Given) -> Result<bool, String> {
    let text = given.text()?;
    text.parse()
        .map_err(|_| format!("{text:?} is neither true nor false"))
}

fn secret_key(given: &Given) -> Result<SecretKey, String> {
    SecretKey::new(given.text()?).map_err(|why| why.to_string())
}

fn key_in_file(given: &Given) -> Result<SecretKey, String> {
    let path = given.path()?;
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(KEY_BYTES_AT_MOST + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if bytes.len() as u64 > KEY_BYTES_AT_MOST {
        return Err(format!(
            "the file {shown} is too long for a key: it must hold the key and nothing else"
        ));
    }
    warn_if_others_can_read(&path);
    SecretKey::from_bytes(&bytes)
        .map_err(|error: InvalidSecret| format!("in the file {shown}, {error}"))
}

/// The emulator counts as the service does, whole calls in each second. A client's fraction in the same place is no
/// quota of an app.
#[cfg(feature = "emulator")]
fn whole_calls(given: &Given) -> Result<u32, String> {
    let rate: CallRate = parsed(given)?;
    if CallRate::try_from(f64::from(rate.calls().get())) == Ok(rate) {
        Ok(rate.calls().get())
    } else {
        Err(format!(
            "{rate} calls per second: the emulator counts whole calls: set 1 to 100000, the app's quota"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    const APP: &[(&str, &str)] = &[
        ("sdkappid", "1400000000"),
        ("identifier", "administrator"),
        ("secret_key", "hush"),
        ("region", "singapore"),
    ];

    fn rejection(settings: Settings) -> String {
        settings.client(None).err().unwrap().to_string()
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once_by_its_variable() {
        let wrong = [
            ("sdkappid", "14e8"),
            ("identifier", "a name that is longer than any account"),
            ("secret_key", " "),
            ("region", "mars"),
            ("generation", "v5"),
            ("calls_per_second", "many"),
            ("fresh_start", "yes"),
        ];
        let rejection = rejection(Settings::at(Place::Variable, &wrong));
        for part in [
            "IMTAG_SDKAPPID: \"14e8\" is not an SDKAppID",
            "IMTAG_IDENTIFIER: the identifier has 38 bytes",
            "IMTAG_SECRET_KEY: the secret key is empty",
            "IMTAG_REGION: unknown region \"mars\": use one of china, singapore",
            "IMTAG_GENERATION: unknown generation \"v5\"",
            "IMTAG_CALLS_PER_SECOND: \"many\" calls per second: set 0.001 to 100000",
            "IMTAG_FRESH_START: \"yes\" is neither true nor false",
        ] {
            assert!(rejection.contains(part), "{part}: {rejection}");
        }
    }

    #[test]
    fn the_first_place_that_has_any_of_those_that_exclude_each_other_decides() {
        let mut settings = Settings::at(Place::Variable, &[("endpoint", "https://127.0.0.1:1")]);
        settings.complete(Settings::at(Place::File("config.toml".into()), APP));
        let client = format!("{:?}", settings.client(None).ok().unwrap().client);
        assert!(client.contains("127.0.0.1"), "{client}");
        assert!(!client.contains("hush"), "{client}");
    }

    #[test]
    fn one_that_is_missing_is_named_beside_two_that_exclude_each_other() {
        let mut settings = Settings::at(
            Place::Flag,
            &[("endpoint", "https://x"), ("region", "tokyo")],
        );
        settings.complete(Settings::at(Place::Variable, APP));
        settings.identifier = None;
        assert_eq!(
            rejection(settings.clone()),
            "settings are missing or wrong:\n  \
             set IMTAG_IDENTIFIER or --identifier (an administrator of the app, often `administrator`)\n  \
             --region and --endpoint are both set: keep one"
        );
        settings.endpoint = None;
        assert_eq!(
            rejection(settings),
            "a setting is missing: set IMTAG_IDENTIFIER or --identifier (an administrator of the app, often \
             `administrator`)"
        );
    }

    #[test]
    fn a_start_is_fresh_only_where_it_is_said_to_be() {
        for (set, expected) in [
            (None, "fresh_start: Some(false)"),
            (Some("false"), "fresh_start: Some(false)"),
            (Some("true"), "fresh_start: Some(true)"),
        ] {
            let mut settings = Settings::at(Place::Variable, APP);
            settings.fresh_start = set.map(|text| Given::from(std::ffi::OsString::from(text)));
            let builder = settings.builder(None, &mut Problems::new(&[]));
            let shown = format!("{:?}", builder.unwrap());
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    #[cfg(feature = "emulator")]
    fn an_emulator_counts_whole_calls_and_says_so_of_a_fraction() {
        let says =
            "calls per second: the emulator counts whole calls: set 1 to 100000, the app's quota";
        for (text, expected) in [
            ("100", Ok(100)),
            ("1.0", Ok(1)),
            ("0.5", Err(format!("0.5 {says}"))),
            ("2.5", Err(format!("2.5 {says}"))),
        ] {
            assert_eq!(
                whole_calls(&Given::from(std::ffi::OsString::from(text))),
                expected
            );
        }
    }
}
