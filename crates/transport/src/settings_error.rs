//! Why no client can be built from its settings.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use imtag_core::{InvalidCallRate, InvalidIdentifier, InvalidSdkAppId, path_may_be_secret};

use crate::endpoint::InvalidEndpoint;
use crate::proxy::InvalidProxy;

/// Why no client can be built from the settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The SDKAppID is 0.
    #[error(transparent)]
    SdkAppId(#[from] InvalidSdkAppId),
    /// The identifier is not an account.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
    /// No credentials are set.
    #[error("no credentials are set: set a secret key, a UserSig, or a callback")]
    NoCredentials,
    /// Neither region nor endpoint is set.
    #[error(
        "neither a region nor an endpoint is set: set the region that the console shows for the app"
    )]
    NoPlace,
    /// The settings file cannot be read.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The settings file is not TOML. The line is named, but never shown: it may hold the key.
    #[error("the settings file {}{} is not TOML: write name = \"value\", a text in quotes", path.display(), at_line(*.line))]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, if it is known.
        line: Option<usize>,
    },
    /// The profile that was asked for is not there.
    #[error("there is no profile {profile:?}: {why}")]
    NoSuchProfile {
        /// Its name.
        profile: String,
        /// What there is.
        why: String,
    },
    /// What is missing or wrong in the environment and the settings file: everything, with each place where it could
    /// stand.
    #[error("{0}")]
    Found(String),
    /// More than one required setting is missing.
    #[error("{}", sentences(.0))]
    Several(Vec<SettingsError>),
    /// The endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The spare endpoint cannot be used.
    #[error("spare: {0}; none turns it off")]
    SpareEndpoint(#[source] InvalidEndpoint),
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// No call could be made, or more than any app may make, or the number is finer than 0.001.
    #[error(transparent)]
    CallsPerSecond(#[from] InvalidCallRate),
    /// A time limit of zero.
    #[error("the {0} is zero: set the time that may pass, or leave it out for the default")]
    NoTime(&'static str),
    /// No attempt could be made.
    #[error("0 attempts: set 1 or more; the first attempt counts too")]
    NoAttempts,
    /// The CA file cannot be read.
    #[error("the CA file {} cannot be read: {source}", shown(path))]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The CA file holds no certificate, or a damaged one.
    #[error("the CA file {} holds no certificate, or a damaged one: give it in PEM form, with BEGIN CERTIFICATE", shown(.0))]
    NoCertificate(PathBuf),
    /// This machine has no root certificates where its system keeps them.
    #[error("this machine has no root certificates{}: install them (ca-certificates), set a CA file, or use the built-in roots", .0.as_deref().map(|why| format!(" ({why})")).unwrap_or_default())]
    NoPlatformRoots(Option<String>),
    /// This process has a default TLS provider of rustls, which cannot be used.
    #[error("the TLS provider that this process has installed cannot be used: {0}")]
    TlsProvider(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn sentences(errors: &[SettingsError]) -> String {
    let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
    sentences.join("; ")
}

/// A path that a program sets, unless it may be a key in the wrong place.
fn shown(path: &Path) -> Cow<'_, str> {
    let shown = path.to_string_lossy();
    if path_may_be_secret(&shown) {
        return Cow::Borrowed("***");
    }
    shown
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line},"))
        .unwrap_or_default()
}
