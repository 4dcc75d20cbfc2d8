//! The platform's root certificates, as one of the variables that name them says. They are the process', so each case
//! runs in a process of its own.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::path::Path;
use std::process::Command;

use imtag_transport::Roots;
use support::*;

/// Set for such a process: the endpoint, and a CA file or nothing.
const CHILD: &str = "IMTAG_TEST_CHILD";

/// Not a test of its own: what the started process runs.
#[test]
fn child_with_the_platforms_roots() {
    let Ok(child) = std::env::var(CHILD) else {
        return;
    };
    let (endpoint, ca) = child.split_once(' ').unwrap();
    let mut builder = builder(endpoint).retry(ONE_ATTEMPT).roots(Roots::Platform);
    if !ca.is_empty() {
        builder = builder.ca_file(ca);
    }
    let said = match builder.build() {
        Ok(client) => client
            .add_tag(&add())
            .map_or_else(|error| cause(&error), |_| "done".to_owned()),
        Err(refused) => refused.to_string(),
    };
    println!("said: {said}");
}

fn said(endpoint: &str, ca: &str, platform: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_with_the_platforms_roots", "--nocapture"])
        .env(CHILD, format!("{endpoint} {ca}"))
        .env("SSL_CERT_FILE", platform)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let said = output.lines().find_map(|line| line.split_once("said: "));
    said.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

#[test]
fn the_platforms_roots_are_trusted_in_place_of_the_built_in_ones_unless_a_ca_file_is_set() {
    let (emulator, other) = (tls_emulator(), tls_emulator());
    let (its, others) = (ca_file(&emulator), ca_file(&other));
    let endpoint = emulator.endpoint();
    let other_ca = others.path().to_str().unwrap();
    assert_eq!(said(&endpoint, "", its.path()), "done");
    assert_eq!(said(&endpoint, "", others.path()), "TLS");
    assert_eq!(said(&endpoint, other_ca, its.path()), "TLS");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let refused = said(&endpoint, "", empty.path());
    assert!(
        refused.starts_with("this machine has no root certificates")
            && refused.ends_with(
                ": install them (ca-certificates), set a CA file, or use the built-in roots"
            ),
        "{refused}"
    );
    // plain HTTP needs none
    let plain = support::emulator();
    assert_eq!(said(&plain.endpoint(), "", empty.path()), "done");
}
