//! `imtag doctor` beside a way to the service that is broken, or leads to another data centre: each is named by the one
//! check that it fails, with what to do. The official hosts are behind a proxy of the test's own.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

#[path = "stage/doctor.rs"]
mod diagnosis;
#[path = "../../transport/tests/support/proxy.rs"]
#[allow(dead_code)] // of which this is a part
mod proxy;
mod stage;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use diagnosis::{Diagnosis, unchanged};
use imtag_core::SecretKey;
use imtag_emulator::{Emulator, Fault, ProbabilisticFault};
use proxy::{EgressProxy, Kind};
use stage::{KEY, Stage, run};

const SINGAPORE: &str = "adminapisgp.im.qcloud.com:443";
const SPARE: &str = "adminapisgp.my-imcloud.com:443";
const TOKYO: &str = "adminapijpn.im.qcloud.com:443";

/// An app in Tokyo, and a set-up that calls Singapore: the official hosts are behind a proxy.
struct Regions {
    stage: Stage,
    /// What serves Tokyo.
    _tokyo: Emulator,
    proxy: EgressProxy,
    ca: PathBuf,
}

impl Regions {
    fn new(code_in_singapore: i32) -> Regions {
        let stage = Stage::with(|emulator| emulator.tls(true));
        let refuses = ProbabilisticFault::new(Fault::code(code_in_singapore), 1.0).unwrap();
        stage.emulator.add_standing(refuses);
        let key = SecretKey::new(KEY).unwrap();
        let tokyo = Emulator::builder()
            .secret_key(key)
            .tls(true)
            .start()
            .unwrap();
        let proxy = EgressProxy::start(Kind::Http, Some(("me", "hush-hush")));
        proxy.leads(SINGAPORE, stage.emulator.address());
        proxy.leads(TOKYO, tokyo.address());
        let both = [&stage.emulator, &tokyo]
            .map(|it| it.ca_pem().unwrap())
            .concat();
        let ca = stage.file("both.pem", both);
        Regions {
            stage,
            _tokyo: tokyo,
            proxy,
            ca,
        }
    }

    fn set(&self, command: &mut Command) {
        command
            .env_remove("IMTAG_ENDPOINT")
            .env("IMTAG_CA_FILE", &self.ca)
            .env("HTTPS_PROXY", self.proxy.url("me:hush-hush@"))
            .args(["--region", "singapore"]);
    }
}

#[test]
fn a_good_set_up_passes_all_checks_and_ends_with_0() {
    let stage = Stage::new();
    let plain = Diagnosis::new(&stage, unchanged);
    assert_eq!(plain.ran.exit, Some(0), "{}", plain.report);
    assert_eq!(plain.report["ok"], true);
    assert_eq!(plain.with_status("skipped"), ["dns", "proxy", "tls"]);
    assert_eq!(stage.emulator.stats().arrivals(), 4);

    let regions = Regions::new(0);
    regions.stage.emulator.remove_faults();
    let proxied = Diagnosis::new(&regions.stage, |command| regions.set(command));
    assert_eq!(proxied.ran.exit, Some(0), "{}", proxied.report);
    assert_eq!(proxied.with_status("skipped"), ["dns", "tcp"]);
    let detail = format!(
        "http://{} [HTTPS_PROXY] connects to {SINGAPORE}",
        regions.proxy.address
    );
    assert_eq!(proxied.check("proxy")["detail"], detail);
    for check in ["proxy", "tls", "service", "quota"] {
        assert!(proxied.check(check)["seconds"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn another_data_centre_is_named_by_asking_the_official_hosts() {
    for code in [60026, 70016, 70020] {
        let regions = Regions::new(code);
        let found = Diagnosis::new(&regions.stage, |command| regions.set(command));
        found.names(
            "region",
            3,
            "the host of tokyo has the app",
            "set the region tokyo (region: --region)",
        );
        let detail = found.check("region")["detail"].as_str().unwrap();
        assert!(detail.contains(&code.to_string()), "{detail}");
        assert_eq!(found.check("app")["detail"], "not known, as region failed");
        let text = found.ran.out + &found.ran.err;
        assert!(!text.contains("hush-hush"), "{text}");
    }
}

#[test]
fn where_no_official_host_has_the_app_it_says_so_and_an_endpoint_of_ones_own_asks_none() {
    let regions = Regions::new(60026);
    regions.proxy.leads(TOKYO, regions.stage.emulator.address());
    let found = Diagnosis::new(&regions.stage, |command| regions.set(command));
    let detail = "of the 8 other regions none has the app, and 7 gave no answer";
    found.names("region", 3, detail, "set the region that the console shows");

    let stage = Stage::new();
    let refuses = ProbabilisticFault::new(Fault::code(60026), 1.0).unwrap();
    stage.emulator.add_standing(refuses);
    let found = Diagnosis::new(&stage, unchanged);
    found.names(
        "region",
        3,
        "are not asked, as the endpoint is another",
        "set the region",
    );
}

#[test]
fn the_network_on_the_way() {
    let stage = Stage::new();
    let at = |endpoint: &str| {
        Diagnosis::new(&stage, |command| {
            command.env("IMTAG_ENDPOINT", endpoint);
        })
    };
    let found = at("https://nowhere.invalid");
    found.names(
        "dns",
        4,
        "while looking up the host",
        "correct the endpoint's host, or this machine's DNS (endpoint: IMTAG_ENDPOINT)",
    );
    assert_eq!(found.check("tcp")["detail"], "not known, as dns failed");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let found = at(&nobody);
    found.names(
        "tcp",
        4,
        "Connection refused",
        "check that something serves at 127.0.0.1:",
    );
}

#[test]
fn tls_of_another_name_and_of_an_authority_that_is_not_trusted() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    let public_roots = Diagnosis::new(&stage, |command| {
        command.env_remove("IMTAG_CA_FILE");
    });
    let remedy = "name its certificate in a CA file, or use the platform's roots (ca_file: IMTAG_CA_FILE, --ca-file, or \
                  the settings file)";
    public_roots.names("tls", 3, "UnknownIssuer", remedy);
    assert_eq!(public_roots.check("tcp")["status"], "ok");

    let proxy = EgressProxy::start(Kind::Http, None);
    proxy.leads("gateway.example:443", stage.emulator.address());
    let another = Diagnosis::new(&stage, |command| {
        command
            .env("IMTAG_ENDPOINT", "https://gateway.example")
            .args(["--proxy", &proxy.url("")]);
    });
    let remedy = "use a name that the certificate has, and a port where TLS is spoken (endpoint: IMTAG_ENDPOINT)";
    another.names("tls", 3, "gateway.example", remedy);
    assert_eq!(another.check("proxy")["status"], "ok");
}

#[test]
fn a_proxy() {
    let regions = Regions::new(0);
    regions.stage.emulator.remove_faults();
    let by = |url: &str| {
        Diagnosis::new(&regions.stage, |command| {
            regions.set(command);
            command.env("IMTAG_PROXY", url);
        })
    };
    let found = by(&regions.proxy.url("me:hush-wrong@"));
    let asks = "asks for a user and a password that it accepts: it answered \"HTTP/1.1 407";
    let remedy = "write the user and the password that the proxy takes as user:password@ before the host in IMTAG_PROXY";
    found.names("proxy", 3, asks, remedy);
    assert!(!found.ran.out.contains("hush-wrong"));
    assert_eq!(found.check("tls")["detail"], "not known, as proxy failed");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://me:hush-hush@{}", free.local_addr().unwrap());
    drop(free);
    let remedy = "check that the proxy runs, and its scheme, host and port in IMTAG_PROXY";
    by(&nobody).names("proxy", 4, "cannot be reached", remedy);
    let found = by("http://me:hush/hush%40p:1");
    found.names(
        "settings",
        3,
        "has no host and port that can be read",
        "correct what is named",
    );
    assert!(!found.ran.out.contains("hush/hush"));
}

#[test]
fn the_spare_host_in_place_of_the_first_is_no_fault_and_is_said() {
    let regions = Regions::new(0);
    regions.stage.emulator.remove_faults();
    regions.proxy.forgets(SINGAPORE);
    let both_away = Diagnosis::new(&regions.stage, |command| regions.set(command));
    both_away.names(
        "proxy",
        4,
        "did not reach the service",
        "check that a proxy of that scheme runs where HTTPS_PROXY says, and that it reaches",
    );
    let detail = both_away.check("proxy")["detail"].as_str().unwrap();
    let spare = format!("the spare host fails too, {SPARE}: the proxy did not reach the service");
    assert!(detail.ends_with(&spare), "{detail}");
    assert!(both_away.check("proxy")["seconds"].is_number());
    regions.proxy.leads(SPARE, regions.stage.emulator.address());
    let found = Diagnosis::new(&regions.stage, |command| regions.set(command));
    let detail = format!(
        "{SINGAPORE} fails here (the proxy did not reach the service), so calls go to the spare host {SPARE}"
    );
    found.warns("proxy", &detail, "check why the proxy does not reach");
    assert_eq!(found.check("tls")["status"], "ok");
}

#[test]
fn a_first_host_that_fails_is_named_at_the_check_that_it_fails() {
    let stage = Stage::with(|emulator| emulator.tls(true));
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let other = Emulator::builder().tls(true).start().unwrap();
    for (first, check, why) in [
        (
            "https://nowhere.invalid".to_owned(),
            "dns",
            "Name or service not known",
        ),
        (format!("https://{nobody}"), "tcp", "Connection refused"),
        (other.endpoint().to_owned(), "tls", "certificate"),
    ] {
        let found = Diagnosis::new(&stage, |command| {
            command
                .env("IMTAG_SPARE_ENDPOINT", stage.emulator.endpoint())
                .env("IMTAG_ENDPOINT", &first);
        });
        found.warns(
            check,
            why,
            "(endpoint: IMTAG_ENDPOINT; spare_endpoint: IMTAG_SPARE_ENDPOINT)",
        );
        let detail = found.check(check)["detail"].as_str().unwrap();
        assert!(
            detail.contains("so calls go to the spare host 127.0.0.1:"),
            "{detail}"
        );
        assert_eq!(found.check("service")["status"], "ok");
    }
}

#[test]
fn a_proxy_that_is_not_used_is_said_not_to_be_and_why() {
    let stage = Stage::new();
    let with = |variables: &[(&str, &str)]| {
        Diagnosis::new(&stage, |command| {
            command.envs(variables.iter().copied());
        })
    };
    let elsewhere = ("IMTAG_ENDPOINT", "https://a.invalid");
    let proxy = ("HTTPS_PROXY", "http://p:1");
    for (variables, says) in [
        (&[][..], "none is used: the endpoint is on this machine"),
        (
            &[("IMTAG_PROXY", "http://me:hush-hush@p:1")],
            "none is used, as the endpoint is on this machine: not that of IMTAG_PROXY",
        ),
        (&[elsewhere], "none is used: none is set"),
        (
            &[elsewhere, proxy, ("NO_PROXY", ".invalid")],
            "none is used: NO_PROXY names a.invalid",
        ),
        (
            &[elsewhere, proxy, ("IMTAG_PROXY", "direct")],
            "none is used: IMTAG_PROXY is direct",
        ),
    ] {
        let found = with(variables);
        assert_eq!(found.check("proxy")["status"], "skipped");
        assert_eq!(found.check("proxy")["detail"], says);
    }
    // the spare host has one, the first none
    let found = with(&[
        elsewhere,
        ("HTTPS_PROXY", "http://p.invalid:1"),
        ("NO_PROXY", "a.invalid"),
        ("IMTAG_SPARE_ENDPOINT", "https://b.invalid"),
    ]);
    found.names(
        "dns",
        4,
        "the spare host fails too",
        "correct the endpoint's host",
    );
    let says = "none is used: NO_PROXY names a.invalid";
    assert_eq!(found.check("proxy")["detail"], says);
}

#[test]
fn an_exception_that_keeps_a_host_from_the_proxy_is_the_cause() {
    let regions = Regions::new(0);
    regions.stage.emulator.remove_faults();
    regions.proxy.leads(SPARE, regions.stage.emulator.address());
    let with = |exceptions: &str| {
        Diagnosis::new(&regions.stage, |command| {
            command
                .env("IMTAG_CA_FILE", &regions.ca)
                .env("HTTPS_PROXY", regions.proxy.url("me:hush-hush@"))
                .env("NO_PROXY", exceptions)
                .env("IMTAG_ENDPOINT", "https://nowhere.invalid")
                .env("IMTAG_SPARE_ENDPOINT", format!("https://{SPARE}"));
        })
    };
    // the spare host has the proxy all the same
    let found = with(".invalid");
    let remedy = "take nowhere.invalid out of NO_PROXY, so that it is called through the proxy";
    found.warns("dns", "so calls go to the spare host", remedy);
    let proxy = &found.check("proxy");
    assert_eq!(proxy["status"], "ok", "{proxy}");
    let detail = proxy["detail"].as_str().unwrap();
    assert!(
        detail.ends_with(&format!(" [HTTPS_PROXY] connects to {SPARE}")),
        "{detail}"
    );
    let tcp = &found.check("tcp")["detail"];
    assert_eq!(tcp, "the proxy connects to the service");
    assert_eq!(found.check("tls")["status"], "ok");
    // nor the spare host
    let found = with("nowhere.invalid,my-imcloud.com");
    found.names("dns", 4, "the spare host fails too", remedy);
    let says = found.check("dns")["remedy"].as_str().unwrap();
    assert!(!says.contains("name the proxy"), "{says}");
}

#[test]
fn text_is_a_line_a_check_within_80_columns_and_as_the_readme_has_it() {
    let regions = Regions::new(60026);
    let mut command = regions.stage.imtag(&["doctor"]);
    regions.set(&mut command);
    command.env("IMTAG_CA_FILE", "ca.pem");
    std::fs::copy(&regions.ca, regions.stage.home.path().join("ca.pem")).unwrap();
    let ran = run(command);
    assert_eq!((ran.exit, ran.err.as_str()), (Some(3), ""), "{}", ran.out);
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.out
    );
    let proxy = regions.proxy.address.to_string();
    let said = without_numbers(&ran.out.replace(&proxy, "10.0.0.1:3128"));
    let readme = include_str!("../README.md");
    let example = readme.split("$ imtag doctor\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    assert_eq!(said, without_numbers(example), "{}", ran.out);
}

/// A report without times and numbers of requests, which differ from run to run.
fn without_numbers(report: &str) -> String {
    let mut words = report.split_inclusive(char::is_whitespace).map(|word| {
        let digits = word
            .trim_start_matches("(emulator-")
            .trim_start_matches('(');
        if digits.len() < word.len() && digits.starts_with(|c: char| c.is_ascii_digit()) {
            "N ".to_owned()
        } else {
            word.to_owned()
        }
    });
    words.by_ref().collect()
}
