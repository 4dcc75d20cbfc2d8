//! A client of the settings that were found. What cannot be used, and what is missing, is the builder's to report: the
//! program may set it first.

use imtag_core::{Generation, Identifier, Region, SdkAppId, UserSig};
use rustls::RootCertStore;

use super::parser::{Parser, RATES, key_in_file, on_or_off, parsed, secret_key};
use super::{Config, Given};
use crate::builder::{ClientBuilder, parse_spare, read_roots};
use crate::client::Client;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::proxy::check_proxy;
use crate::roots::Roots;
use crate::settings_error::SettingsError;

/// Where the service is.
enum Target {
    Region(Region),
    Endpoint(String),
}

/// What is trusted.
enum Trust {
    Roots(Roots),
    File(RootCertStore),
}

impl Client {
    /// A client by the variables `IMTAG_…` and the settings file. See [`Config::from_env`], which takes a profile too, and
    /// whose builder takes what the program sets by itself.
    ///
    /// # Errors
    /// Names everything that is missing or wrong, with each place where it could stand.
    pub fn from_env() -> Result<Client, SettingsError> {
        Config::from_env(None)?.builder().build()
    }
}

impl Config {
    /// A builder with these settings. What the program sets on it takes the place of what was found, also of what is wrong
    /// there. All that is missing or wrong then is an error of [`build`](ClientBuilder::build), with each place where it
    /// could stand.
    pub fn builder(&self) -> ClientBuilder {
        let mut parser = Parser::new(self);
        let sdkappid = parser.may("sdkappid", parsed::<SdkAppId>);
        let identifier = parser.may("identifier", parsed::<Identifier>);
        let credentials = parser.any_of(&[
            ("secret_key", |it| secret_key(it).map(Credentials::from)),
            ("secret_key_file", |it| {
                key_in_file(it).map(Credentials::from)
            }),
            ("usersig", usersig),
        ]);
        let target = parser.any_of(&[
            ("region", |it| parsed(it).map(Target::Region)),
            ("endpoint", endpoint),
        ]);
        let generation = parser.may("generation", parsed::<Generation>);
        let rate = parser.any_of(&RATES);
        let fresh_start = parser.may("fresh_start", on_or_off);
        let trust = parser.any_of(&[
            ("roots", |it| parsed(it).map(Trust::Roots)),
            ("ca_file", ca_file),
        ]);
        let proxy = parser.may("proxy", proxy);
        let spare_endpoint = match self.target_of_another_spare() {
            None => parser.may("spare_endpoint", spare_endpoint),
            Some(_) => None,
        };

        let sdkappid = sdkappid.map_or(0, SdkAppId::get);
        let identifier = identifier.as_ref().map_or("", Identifier::as_str);
        let mut builder = ClientBuilder::default().app(sdkappid, identifier);
        builder = with(builder, credentials, ClientBuilder::credentials);
        builder = match target {
            Some(Target::Region(region)) => builder.region(region),
            Some(Target::Endpoint(endpoint)) => builder.endpoint(endpoint),
            None => builder,
        };
        builder = with(builder, generation, ClientBuilder::generation);
        builder = with(builder, rate, ClientBuilder::calls_per_second);
        builder = with(builder, fresh_start, ClientBuilder::fresh_start);
        builder = match trust {
            Some(Trust::Roots(roots)) => builder.roots(roots),
            Some(Trust::File(roots)) => builder.ca_file_read(roots),
            None => builder,
        };
        builder = with(builder, proxy.as_deref(), ClientBuilder::proxy);
        builder = with(builder, spare_endpoint, ClientBuilder::spare_endpoint);
        builder.found(parser.problems)
    }
}

fn with<V>(
    builder: ClientBuilder,
    value: Option<V>,
    set: impl FnOnce(ClientBuilder, V) -> ClientBuilder,
) -> ClientBuilder {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

fn usersig(given: &Given) -> Result<Credentials, String> {
    let usersig = UserSig::new(given.text()?).map_err(|why| why.to_string())?;
    Ok(usersig.into())
}

fn endpoint(given: &Given) -> Result<Target, String> {
    let endpoint = given.text()?;
    Endpoint::parse(endpoint).map_err(|why| why.to_string())?;
    Ok(Target::Endpoint(endpoint.to_owned()))
}

/// Read here, and not again when the client is built: by then the program may have no right to.
fn ca_file(given: &Given) -> Result<Trust, String> {
    let roots = read_roots(&given.path()?).map_err(|why| why.to_string())?;
    Ok(Trust::File(roots))
}

fn proxy(given: &Given) -> Result<String, String> {
    let proxy = given.text()?;
    check_proxy(proxy).map_err(|why| why.to_string())?;
    Ok(proxy.to_owned())
}

fn spare_endpoint(given: &Given) -> Result<String, String> {
    let spare = given.text()?;
    parse_spare(spare).map_err(|why| why.to_string())?;
    Ok(spare.to_owned())
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
