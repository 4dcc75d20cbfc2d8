//! CA files as editors, shells and other systems leave them: every certificate in one is found, or the file is refused
//! by name.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use std::io::Write;

use imtag_transport::SettingsError;
use support::*;
use tempfile::NamedTempFile;

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn a_certificate_is_found_whatever_line_ends_or_marks_are_around_it() {
    let (emulator, other) = (tls_emulator(), tls_emulator());
    let pem = emulator.ca_pem().unwrap().trim_end();
    let other = other.ca_pem().unwrap().trim_end();
    let crlf = |text: &str| text.replace('\n', "\r\n");
    for (name, text) in [
        ("CRLF", crlf(pem)),
        ("CR", pem.replace('\n', "\r")),
        ("a BOM", format!("\u{feff}{pem}")),
        ("a BOM and CRLF", format!("\u{feff}{}", crlf(pem))),
        ("two BOMs", format!("\u{feff}{other}\n\u{feff}{pem}\n")),
        ("no line end between two", format!("{other}{pem}")),
        ("a comment that is not UTF-8", format!("# caf\u{e9}\n{pem}")),
    ] {
        // as Latin-1 has it where that can say it
        let latin = |c: char| u8::try_from(u32::from(c)).ok();
        let bytes: Option<Vec<u8>> = text.chars().map(latin).collect();
        let ca = file(&bytes.unwrap_or(text.into_bytes()));
        let client = builder(&emulator.endpoint()).ca_file(ca.path());
        let called = client.build().map(|client| client.add_tag(&add()));
        assert!(matches!(called, Ok(Ok(_))), "{name}: {called:?}");
    }
}

#[test]
fn a_ca_file_that_cannot_be_read_as_pem_is_refused_by_name() {
    let emulator = tls_emulator();
    let pem = emulator.ca_pem().unwrap();
    let wide: Vec<u8> = pem.bytes().flat_map(|byte| [byte, 0]).collect();
    for (name, bytes) in [
        ("nothing", b"".as_slice()),
        ("a BOM alone", b"\xef\xbb\xbf"),
        ("UTF-16", &[b"\xff\xfe", wide.as_slice()].concat()),
        ("cut off", &pem.as_bytes()[..pem.len() / 2]),
        ("another form", b"\x30\x82\x01\x0a\x02\x82\x01\x01"),
    ] {
        let ca = file(bytes);
        let refused = builder(&emulator.endpoint()).ca_file(ca.path()).build();
        let refused = refused.unwrap_err();
        assert!(matches!(refused, SettingsError::NoCertificate(_)), "{name}");
        assert_eq!(
            refused.to_string(),
            format!(
                "the CA file {} holds no certificate, or a damaged one: give it in PEM form, with BEGIN CERTIFICATE",
                ca.path().display()
            )
        );
    }
}
