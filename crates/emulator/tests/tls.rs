//! TLS: the authority vouches for loopback and for every host of the service, and for nothing else.

#![allow(clippy::unwrap_used)] // all of it is test code

mod caller;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use caller::{ADD, Caller, GET, accounts, secure, socket, tags};
use imtag_core::Region;
use imtag_emulator::{DataError, Emulator, Fault, StartError};
use rustls::{ClientConnection, StreamOwned};

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A connection for which the emulator must prove to be `host`, by the authority of `trusted`.
fn connect(emulator: &Emulator, trusted: &Emulator, host: &str) -> Secure {
    secure::over(socket(emulator), secure::config(trusted), host)
}

fn call(emulator: &Emulator, trusted: &Emulator, host: &str) -> std::io::Result<i64> {
    let stream = connect(emulator, trusted, host);
    let answer = Caller::over(stream, emulator).call(GET, accounts(&["a"]));
    answer.map(|answer| answer.code())
}

#[test]
fn loopback_and_every_host_of_the_service_are_named() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    assert!(emulator.endpoint().starts_with("https://127.0.0.1:"));
    let hosts = Region::all().flat_map(|region| [region.host(), region.spare_host()]);
    let loopback = ["localhost", "127.0.0.1", "::1"];
    for host in loopback.into_iter().chain(hosts) {
        assert_eq!(call(&emulator, &emulator, host).unwrap(), 0, "{host}");
    }
}

#[test]
fn another_host_or_another_authority_is_refused_by_the_caller() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    let other = Emulator::builder().tls(true).start().unwrap();
    for (trusted, host) in [(&emulator, "example.com"), (&other, "localhost")] {
        let error = call(&emulator, trusted, host).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn faults_work_over_tls() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    emulator.faults(
        ADD,
        [
            Fault::drip(std::time::Duration::from_micros(10)),
            Fault::cut_after(),
        ],
    );
    let mut caller = Caller::over(connect(&emulator, &emulator, "localhost"), &emulator);
    assert_eq!(caller.code(ADD, tags(&[("a", &["t"])])), 0);
    caller.call(ADD, tags(&[("b", &["t"])])).unwrap_err();
    assert_eq!(emulator.users().len(), 2);
}

#[test]
fn a_name_that_is_given_is_in_the_certificate() {
    let emulator = Emulator::builder()
        .tls(true)
        .name("Emulator")
        .name("*.dev.example")
        .name("192.0.2.7")
        .start()
        .unwrap();
    for host in ["emulator", "a.dev.example", "192.0.2.7", "localhost"] {
        assert_eq!(call(&emulator, &emulator, host).unwrap(), 0, "{host}");
    }
    call(&emulator, &emulator, "b.a.dev.example").unwrap_err();
}

#[test]
fn a_name_that_is_none_is_refused_with_the_reason() {
    let builder = Emulator::builder().tls(true).name("https://emulator:8443");
    let error = builder.start().unwrap_err();
    assert!(matches!(error, StartError::Name(_)));
    let expected = "\"https://emulator:8443\" is no name of a host: give the host alone";
    assert!(error.to_string().starts_with(expected), "{error}");
}

/// An address of this machine that is not loopback, if it has one. Nothing is sent.
fn other_address() -> std::net::IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    match socket.connect("192.0.2.1:9") {
        Ok(()) => socket.local_addr().unwrap().ip(),
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

#[test]
fn whichever_address_of_the_machine_is_called_is_in_the_certificate() {
    let builder = Emulator::builder().tls(true).address("0.0.0.0:0");
    let emulator = builder.start().unwrap();
    let called = other_address();
    let stream = TcpStream::connect((called, emulator.address().port())).unwrap();
    let config = secure::config(&emulator);
    let stream = secure::over(stream, config, &called.to_string());
    assert_eq!(
        Caller::over(stream, &emulator).code(GET, accounts(&["a"])),
        0
    );
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn whatever_a_caller_offers_by_alpn_is_answered() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    let offers: [&[&str]; 5] = [
        &[],
        &["http/1.1"],
        &["h2", "http/1.1"],
        &["http/1.0"],
        &["h2"],
    ];
    for offer in offers {
        let mut config = secure::config(&emulator);
        config.alpn_protocols = offer.iter().map(|it| it.as_bytes().to_vec()).collect();
        let stream = secure::over(socket(&emulator), config, "localhost");
        let mut caller = Caller::over(stream, &emulator);
        assert_eq!(caller.code(GET, accounts(&["a"])), 0, "{offer:?}");
    }
}

#[test]
fn plain_http_on_a_port_of_tls_is_told_to_use_https() {
    let emulator = Emulator::builder().tls(true).start().unwrap();
    for request in [
        "GET /emulator/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/emulator/stats HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /v4/timpush/add_tag HTTP/1.0\r\n\r\n",
    ] {
        let mut stream = socket(&emulator);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(" 400 Bad Request\r\n"), "{answer}");
        assert!(answer.contains("this port takes HTTPS: use https://"));
    }
    assert_eq!(emulator.stats().arrivals(), 0);
    assert_eq!(call(&emulator, &emulator, "localhost").unwrap(), 0);
}

#[test]
fn a_caller_that_trusts_the_authority_of_lasting_data_goes_on_to_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let start = || {
        let builder = Emulator::builder().data(folder.path()).tls(true);
        builder.start().unwrap()
    };
    let before = start();
    assert_eq!(before.ca_file(), Some(file.as_path()));
    before.stop();
    let (written, mode) = {
        let metadata = std::fs::metadata(&file).unwrap();
        (metadata.ino(), metadata.permissions().mode() & 0o777)
    };
    assert_eq!(mode, 0o644);
    let after = start();
    assert_eq!(before.ca_pem(), after.ca_pem());
    assert_eq!(
        std::fs::metadata(&file).unwrap().ino(),
        written,
        "the same file"
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        after.ca_pem().unwrap()
    );
    assert_eq!(call(&after, &before, "localhost").unwrap(), 0);
}

#[test]
fn one_that_is_lost_is_made_anew_with_the_same_key_and_another_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let start = || Emulator::builder().data(folder.path()).tls(true).start();
    let before = start().unwrap();
    before.stop();
    for lost in [None, Some("")] {
        std::fs::remove_file(&file).unwrap();
        if let Some(text) = lost {
            std::fs::write(&file, text).unwrap();
        }
        let after = start().unwrap();
        assert_eq!(call(&after, &before, "localhost").unwrap(), 0);
        assert_eq!(call(&after, &after, "localhost").unwrap(), 0);
        after.stop();
    }
    std::fs::write(&file, "mine").unwrap();
    let error = start().unwrap_err();
    assert!(matches!(
        error,
        StartError::Data(DataError::NoCertificate { .. })
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
