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
use super::parser::{Alternative, Parser, SettingsError};
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

/// The key as it is set, or the file that holds it.
const KEYS: [Alternative<SecretKey>; 2] =
    [("secret_key", secret_key), ("secret_key_file", key_in_file)];

impl Settings {
    /// A client of these settings; `timeout` is for each call.
    pub(crate) fn client(&self, timeout: Option<Duration>) -> Result<Connection, SettingsError> {
        let mut parser = Parser::new(self);
        let builder = parser.builder(timeout);
        let calls_per_second = parser.share_of_quota();
        let client = builder.and_then(|builder| {
            let builder = builder.calls_per_second(calls_per_second);
            parser.client(builder)
        });
        parser.finish(client.map(|client| Connection {
            client,
            calls_per_second,
        }))
    }

    /// The rules for this app's requests, and its share of the quota. Nothing need be set, but what is must be right.
    pub(crate) fn rules(&self) -> Result<(Rules, CallRate), SettingsError> {
        let mut parser = Parser::new(self);
        let generation = parser.may("generation", parsed);
        let calls_per_second = parser.share_of_quota();
        let rules = Rules::for_generation(generation.unwrap_or_default());
        parser.finish(Some((rules, calls_per_second)))
    }

    /// The app and its key. A UserSig that is set as well does not matter: it is not what signs.
    pub(crate) fn app(&self) -> Result<App, SettingsError> {
        let mut parser = Parser::new(self);
        let sdkappid = parser.need(&[("sdkappid", parsed)]);
        let identifier = parser.need(&[("identifier", parsed)]);
        let key = parser.need(&KEYS);
        let app = sdkappid.zip(identifier).zip(key);
        parser.finish(app.map(|((sdkappid, identifier), key)| App {
            sdkappid,
            identifier,
            key,
        }))
    }

    /// The app to serve. Nothing need be set, but what is must be right.
    #[cfg(feature = "emulator")]
    pub(crate) fn served(&self) -> Result<Served, SettingsError> {
        let mut parser = Parser::new(self);
        let served = Served {
            sdkappid: parser.may("sdkappid", parsed),
            identifier: parser.may("identifier", parsed),
            key: parser.any_of(&KEYS),
            calls_per_second: parser.may("calls_per_second", whole_calls),
        };
        parser.finish(Some(served))
    }

    /// The UserSig that is set, as it stands there.
    pub(crate) fn usersig_text(&self) -> Option<&str> {
        self.get("usersig")?.text().ok()
    }
}

impl Parser<'_> {
    /// All but the share of the quota and the CA file.
    fn builder(&mut self, timeout: Option<Duration>) -> Option<ClientBuilder> {
        let sdkappid: Option<SdkAppId> = self.need(&[("sdkappid", parsed)]);
        let identifier: Option<Identifier> = self.need(&[("identifier", parsed)]);
        let credentials = self.need(&[
            ("secret_key", |it| secret_key(it).map(Credentials::from)),
            ("secret_key_file", |it| {
                key_in_file(it).map(Credentials::from)
            }),
            ("usersig", |it| {
                let usersig = UserSig::new(it.text()?).map_err(|why| why.to_string())?;
                Ok(Credentials::from(usersig))
            }),
        ]);
        let place = self.need(&[
            ("region", |it| parsed(it).map(Place::Region)),
            ("endpoint", |it| {
                let endpoint = it.text()?;
                Endpoint::parse(endpoint).map_err(|why| why.to_string())?;
                Ok(Place::Endpoint(endpoint.to_owned()))
            }),
        ]);
        let generation = self.may("generation", parsed::<Generation>);
        let fresh_start = self.may("fresh_start", on_or_off);

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

    /// What is left for the builder to find wrong is the CA file.
    fn client(&mut self, builder: ClientBuilder) -> Option<Client> {
        let ca_file = self.settings.get("ca_file");
        let builder = match ca_file {
            Some(_) => builder.ca_file(self.may("ca_file", Given::path)?),
            None => builder,
        };
        let built = builder.build();
        built
            .map_err(|rejected| match ca_file {
                Some(given) => self.wrong(given, rejected),
                None => self.wrong("settings", rejected),
            })
            .ok()
    }

    /// This process's share of the quota.
    fn share_of_quota(&mut self) -> CallRate {
        self.may("calls_per_second", parsed).unwrap_or_default()
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

    fn rejection(settings: &Settings) -> String {
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
        let rejection = rejection(&Settings::at(Place::Variable, &wrong));
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
    fn what_is_missing_is_named_by_what_would_set_it() {
        assert_eq!(
            rejection(&Settings::default()),
            "settings are missing:\n  \
             set IMTAG_SDKAPPID or --sdkappid (the app's SDKAppID, as the console shows it)\n  \
             set IMTAG_IDENTIFIER or --identifier (an administrator of the app, often `administrator`)\n  \
             set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG or --secret-key-file (the app's secret \
             key; or a file that holds the secret key and nothing else; or a UserSig made elsewhere, in place of the \
             key)\n  \
             set IMTAG_REGION or IMTAG_ENDPOINT or --region or --endpoint (the app's data centre, as the console shows \
             it: `china`, `singapore`, `seoul` …; or an address in place of the region's: https://host:port, or \
             http:// on this machine)"
        );
        assert_eq!(
            rejection(&Settings::at(Place::Variable, &APP[1..])),
            "a setting is missing: set IMTAG_SDKAPPID or --sdkappid (the app's SDKAppID, as the console shows it)"
        );
    }

    #[test]
    fn of_those_that_exclude_each_other_the_first_place_that_has_any_decides_and_has_one() {
        let file = Settings::at(Place::File("config.toml".into()), APP);
        let with = |texts: &[(&str, &str)]| {
            let mut settings = Settings::at(Place::Flag, texts);
            settings.complete(file.clone());
            settings
        };
        let settings = with(&[("endpoint", "https://127.0.0.1:1")]);
        let client = format!("{:?}", settings.client(None).ok().unwrap().client);
        assert!(client.contains("127.0.0.1"), "{client}");
        assert!(!client.contains("hush"), "{client}");
        let both = with(&[("endpoint", "https://x"), ("region", "tokyo")]);
        let says = "--region and --endpoint are both set: keep one";
        assert_eq!(rejection(&both), says);
    }

    #[test]
    fn a_start_is_fresh_only_where_it_is_said_to_be() {
        for (set, expected) in [
            (None, "fresh_start: Some(false)"),
            (Some("false"), "fresh_start: Some(false)"),
            (Some("true"), "fresh_start: Some(true)"),
        ] {
            let set = set.map(|text| ("fresh_start", text));
            let texts: Vec<_> = APP.iter().copied().chain(set).collect();
            let settings = Settings::at(Place::Variable, &texts);
            let shown = format!("{:?}", Parser::new(&settings).builder(None).unwrap());
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    #[cfg(feature = "emulator")]
    fn an_emulator_counts_whole_calls_and_says_so_of_a_fraction() {
        for (text, expected) in [
            ("100", Ok(Some(100))),
            ("1.0", Ok(Some(1))),
            ("0.5", Err("0.5")),
            ("2.5", Err("2.5")),
        ] {
            let settings = Settings::at(Place::Variable, &[("calls_per_second", text)]);
            let served = settings.served().map(|it| it.calls_per_second);
            let served = served.map_err(|error| error.to_string());
            let expected = expected.map_err(|rate| {
                format!(
                    "IMTAG_CALLS_PER_SECOND: {rate} calls per second: the emulator counts whole calls: set 1 to \
                     100000, the app's quota"
                )
            });
            assert_eq!(served, expected);
        }
    }
}
