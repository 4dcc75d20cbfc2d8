//! A host that has installed a TLS provider of its own. It is the process', so this test has a file of its own.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use imtag_transport::SettingsError;
use rustls::crypto::{CryptoProvider, ring};
use support::*;

#[test]
fn a_provider_of_the_host_that_cannot_be_used_is_a_settings_error() {
    let provider = CryptoProvider {
        cipher_suites: Vec::new(),
        ..ring::default_provider()
    };
    provider.install_default().unwrap();
    let refused = builder("https://127.0.0.1:1").build().unwrap_err();
    assert!(matches!(refused, SettingsError::TlsProvider(_)));
    assert_eq!(
        refused.to_string(),
        "the TLS provider that this process has installed cannot be used: \
         unexpected error: no usable cipher suites configured"
    );
    // plain HTTP does not need it
    assert!(builder("http://127.0.0.1:1").build().is_ok());
}
