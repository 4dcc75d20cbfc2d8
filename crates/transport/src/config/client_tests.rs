//! Which client comes of settings that were found, and what is said where none does.

use std::path::PathBuf;

use super::super::setting::{SETTINGS, Setting};
use super::super::{Place, problems::Places};
use super::*;

const APP: &[(&str, &str)] = &[
    ("sdkappid", "1400000000"),
    ("identifier", "administrator"),
    ("secret_key", "hush"),
    ("region", "singapore"),
];

/// Adds settings of a place.
fn also(mut config: Config, place: &Place, texts: &[(&str, &str)]) -> Config {
    for (key, text) in texts {
        config.add(Given {
            setting: Setting::named(key).unwrap(),
            place: place.clone(),
            line: None,
            value: Ok(text.into()),
        });
    }
    config
}

fn at(place: &Place, texts: &[(&str, &str)]) -> Config {
    also(Config::default(), place, texts)
}

fn file() -> Place {
    Place::File("/etc/imtag/config.toml".into())
}

fn profile() -> Place {
    Place::Profile("/etc/imtag/config.toml".into(), "live".to_owned())
}

fn refusal(builder: ClientBuilder) -> String {
    builder.build().unwrap_err().to_string()
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
        ("ca_file", "/dev/null"),
    ];
    let refusal = refusal(at(&Place::Variable, &wrong).builder());
    let lines: Vec<_> = refusal.lines().collect();
    for (line, start) in [
        "settings are wrong:",
        "  IMTAG_SDKAPPID: \"14e8\" is not an SDKAppID",
        "  IMTAG_IDENTIFIER: the identifier has 38 bytes",
        "  IMTAG_SECRET_KEY: the secret key is empty",
        "  IMTAG_REGION: unknown region \"mars\": use one of china, singapore",
        "  IMTAG_GENERATION: unknown generation \"v5\"",
        "  IMTAG_CALLS_PER_SECOND: \"many\" calls per second: set 0.001 to 100000",
        "  IMTAG_FRESH_START: \"yes\" is neither true nor false",
        "  IMTAG_CA_FILE: the CA file /dev/null holds no certificate",
    ]
    .into_iter()
    .enumerate()
    {
        assert!(lines[line].starts_with(start), "{start}: {refusal}");
    }
    assert_eq!(lines.len(), 9);
}

#[test]
fn what_is_missing_is_named_with_each_place_where_it_could_stand() {
    let mut config = at(&Place::Variable, &APP[1..]);
    let one = |config: &Config| refusal(config.builder());
    assert_eq!(
        one(&config),
        "a setting is missing: set IMTAG_SDKAPPID (the app's SDKAppID, as the console shows it)"
    );
    config.places.file = Some("config.toml".into());
    assert_eq!(
        one(&config),
        "a setting is missing: set IMTAG_SDKAPPID, or sdkappid in config.toml (the app's SDKAppID, as the console \
         shows it)"
    );
    config.places.profile = Some("live".to_owned());
    assert_eq!(
        one(&config),
        "a setting is missing: set IMTAG_SDKAPPID, or sdkappid in [profile.live] of config.toml (the app's \
         SDKAppID, as the console shows it)"
    );
    let places = Places {
        has_flags: true,
        file: Some("config.toml".into()),
        profile: None,
    };
    let config = Config {
        places,
        ..Config::default()
    };
    assert_eq!(
        one(&config),
        "settings are missing:\n  \
         set IMTAG_SDKAPPID or --sdkappid, or sdkappid in config.toml (the app's SDKAppID, as the console shows \
         it)\n  \
         set IMTAG_IDENTIFIER or --identifier, or identifier in config.toml (an administrator of the app, often \
         `administrator`)\n  \
         set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG or --secret-key-file, or secret_key or \
         secret_key_file or usersig in config.toml (the app's secret key; or a file that holds the secret key and \
         nothing else; or a UserSig made elsewhere, in place of the key)\n  \
         set IMTAG_REGION or IMTAG_ENDPOINT or --region or --endpoint, or region or endpoint in config.toml (the \
         app's data centre, as the console shows it: `china`, `singapore`, `seoul` …; or an address in place of \
         the region's: https://host:port, or http:// on this machine)"
    );
}

#[test]
fn what_is_missing_and_what_is_wrong_is_named_together() {
    let config = at(
        &Place::Variable,
        &[("region", "mars"), ("secret_key", "hush")],
    );
    let refusal = refusal(config.builder());
    let starts = [
        "settings are missing or wrong:",
        "  set IMTAG_SDKAPPID (",
        "  set IMTAG_IDENTIFIER (",
        "  IMTAG_REGION: unknown region",
    ];
    let lines: Vec<_> = refusal.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{refusal}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{refusal}");
    }
}

#[test]
fn what_the_program_sets_takes_the_place_of_what_was_found_and_of_what_is_wrong_there() {
    let wrong = [
        ("sdkappid", "x"),
        ("usersig", " "),
        ("endpoint", "x"),
        ("region", "mars"),
        ("generation", "v5"),
        ("calls_per_second", "many"),
        ("fresh_start", "yes"),
        ("ca_file", "/dev/null"),
    ];
    let config = at(&Place::Variable, &wrong);
    let key = imtag_core::SecretKey::new("hush").unwrap();
    let builder = config
        .builder()
        .app(5, "administrator")
        .credentials(key)
        .generation(Generation::Timpush)
        .calls_per_second(7)
        .fresh_start(true)
        .region(Region::Tokyo);
    assert!(refusal(builder.clone()).starts_with("IMTAG_CA_FILE: the CA file /dev/null"));
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen_pem();
    std::fs::write(ca_file.path(), key).unwrap();
    let client = builder.ca_file(ca_file.path()).build().unwrap();
    assert_eq!(client.sdkappid().get(), 5);
    assert_eq!(client.endpoint(), &Region::Tokyo.into());
    assert_eq!(client.rules().generation, Generation::Timpush);
    assert_eq!(f64::from(client.calls_per_second()), 7.0);
}

/// A certificate that an emulator made.
fn rcgen_pem() -> String {
    let emulator = imtag_emulator::Emulator::builder()
        .tls(true)
        .start()
        .unwrap();
    emulator.ca_pem().unwrap().to_owned()
}

#[test]
fn a_setting_that_is_not_given_is_not_taken_away() {
    let config = at(&Place::Variable, APP);
    let client = config.builder().app(0, "").build().unwrap();
    assert_eq!(client.sdkappid().get(), 1_400_000_000);
    let client = config.builder().app(5, "").build().unwrap();
    assert_eq!(client.sdkappid().get(), 5);
}

#[test]
fn of_those_that_exclude_each_other_the_first_place_that_has_any_decides_and_has_one() {
    let endpoint = [("endpoint", "https://127.0.0.1:1")];
    for place in [Place::Flag, Place::Variable, profile()] {
        let config = also(at(&place, &endpoint), &file(), APP);
        let client = format!("{:?}", config.builder().build().unwrap());
        assert!(client.contains("127.0.0.1"), "{client}");
        assert!(!client.contains("hush"), "{client}");
    }
    for (place, says) in [
        (
            Place::Flag,
            "--region and --endpoint are both set: keep one",
        ),
        (
            profile(),
            "region in [profile.live] of /etc/imtag/config.toml and endpoint in [profile.live] of \
             /etc/imtag/config.toml are both set: keep one",
        ),
    ] {
        let both = at(&place, &[("endpoint", "https://x"), ("region", "tokyo")]);
        assert_eq!(refusal(also(both, &file(), APP).builder()), says);
    }
}

#[test]
fn a_profile_that_has_a_usersig_leaves_the_key_of_the_top_unused() {
    let signed = at(&profile(), &[("usersig", "eJx")]);
    let builder = also(signed, &file(), APP).builder();
    let shown = format!("{builder:?}");
    assert!(shown.contains("UserSig"), "{shown}");
    assert!(!shown.contains("eJx") && !shown.contains("hush"), "{shown}");
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_profile_and_the_file() {
    let places = [Place::Flag, Place::Variable, profile(), file()];
    let names = [
        "--ca-file",
        "IMTAG_CA_FILE",
        "ca_file in [profile.live] of /etc/imtag/config.toml",
        "ca_file in /etc/imtag/config.toml",
    ];
    for (strongest, name) in names.into_iter().enumerate() {
        let config = places[strongest..]
            .iter()
            .fold(Config::default(), |config, place| {
                also(config, place, &[("ca_file", "ca.pem")])
            });
        assert_eq!(config.get("ca_file").unwrap().to_string(), name);
    }
}

#[test]
fn a_path_in_a_file_is_relative_to_the_file() {
    let path = |place, text| {
        let config = at(&place, &[("ca_file", text)]);
        config.get("ca_file").unwrap().path().unwrap()
    };
    let in_file = PathBuf::from("/etc/imtag/ca.pem");
    assert_eq!(path(file(), "ca.pem"), in_file);
    assert_eq!(path(profile(), "ca.pem"), in_file);
    assert_eq!(path(file(), "/srv/ca.pem"), PathBuf::from("/srv/ca.pem"));
    assert_eq!(path(Place::Variable, "ca.pem"), PathBuf::from("ca.pem"));
}

#[test]
fn roots_and_a_ca_file_exclude_each_other() {
    let (platform, none) = ([("roots", "platform")], [("ca_file", "/dev/null")]);
    let both = also(at(&file(), &platform), &file(), &none);
    assert_eq!(
        refusal(also(both, &file(), APP).builder()),
        "roots in /etc/imtag/config.toml and ca_file in /etc/imtag/config.toml are both set: keep one"
    );
    let stronger = also(at(&profile(), &platform), &file(), &none);
    let settled = also(at(&file(), &none), &file(), APP);
    for builder in [
        also(stronger, &file(), APP).builder(),
        settled.builder().roots(Roots::Platform),
    ] {
        let shown = format!("{builder:?}");
        assert!(shown.contains("ca_file: None, roots: Platform"), "{shown}");
        assert!(shown.contains("missing: [], wrong: []"), "{shown}");
    }
    let unknown = at(&Place::Variable, &[("roots", "system")]);
    assert_eq!(
        refusal(also(unknown, &file(), APP).builder()),
        "IMTAG_ROOTS: unknown roots \"system\": use built-in or platform"
    );
}

/// A program may give up the right to read it, or change its root, before it makes the client.
#[test]
fn a_ca_file_is_read_once_when_it_is_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rcgen_pem()).unwrap();
    let path = file.path().to_str().unwrap();
    let builder = also(
        at(&Place::Variable, APP),
        &Place::Variable,
        &[("ca_file", path)],
    )
    .builder();
    file.close().unwrap();
    builder.build().unwrap();
}

#[test]
fn a_proxy_and_a_spare_endpoint_are_taken_and_a_proxy_that_cannot_be_used_is_not_shown() {
    let with = |key, text| also(at(&Place::Variable, &[(key, text)]), &file(), APP).builder();
    for (proxy, expected) in [
        (
            "http://me:hush@proxy:3128",
            "proxy: Ok(http://***@proxy:3128)",
        ),
        ("direct", "proxy: direct"),
    ] {
        let shown = format!("{:?}", with("proxy", proxy));
        assert!(shown.contains(expected), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
    assert_eq!(
        refusal(with("proxy", "ftp://me:hush@proxy")),
        "IMTAG_PROXY: the proxy has another scheme than http, https and socks5: set it as http://host:port, \
         https://host:port or socks5://host:port, with user:password@ before the host if it asks for them, or as \
         direct"
    );
    for (spare, expected) in [
        ("none", "spare_endpoint: Some(Ok(None))"),
        (
            "https://spare",
            "spare_endpoint: Some(Ok(Some(Endpoint { tls: true, host: \"spare\", port: 443 })))",
        ),
    ] {
        let shown = format!("{:?}", with("spare_endpoint", spare));
        assert!(shown.contains(expected), "{shown}");
    }
    assert_eq!(
        refusal(with("spare_endpoint", "spare")),
        "IMTAG_SPARE_ENDPOINT: spare: the endpoint \"spare\" is not of the form https://host or https://host:port; \
         none turns it off"
    );
}

#[test]
fn below_alarm_that_is_false_leaves_the_number_of_any_place() {
    let rate = |places: &[(Place, &[(&str, &str)])]| {
        let config = places
            .iter()
            .fold(Config::default(), |config, (place, texts)| {
                also(config, place, texts)
            });
        let client = also(config, &file(), APP).builder().build().unwrap();
        f64::from(client.calls_per_second())
    };
    let off: &[(&str, &str)] = &[("below_alarm", "false")];
    let on: &[(&str, &str)] = &[("below_alarm", "true")];
    let number: &[(&str, &str)] = &[("calls_per_second", "50")];
    assert_eq!(rate(&[(Place::Variable, off), (file(), number)]), 50.0);
    assert_eq!(
        rate(&[(Place::Variable, off), (Place::Variable, number)]),
        50.0
    );
    assert_eq!(rate(&[(Place::Variable, off), (file(), on)]), 100.0);
    assert_eq!(rate(&[(Place::Variable, on), (file(), number)]), 80.0);
    assert_eq!(rate(&[(Place::Variable, number), (file(), on)]), 50.0);
    let config = also(at(&Place::Variable, off), &file(), number);
    assert_eq!(
        config.in_place_of("below_alarm").unwrap().to_string(),
        "calls_per_second in /etc/imtag/config.toml"
    );
    assert!(config.in_place_of("calls_per_second").is_none());
}

#[test]
fn a_spare_endpoint_belongs_to_the_region_or_endpoint_that_it_was_found_beside() {
    let spare = |builder: ClientBuilder| format!("{:?}", builder.build().unwrap());
    let found: &[(&str, &str)] = &[("spare_endpoint", "https://spare.example")];
    let target: &[(&str, &str)] = &[("endpoint", "https://127.0.0.1:1")];
    for (place, of_target, is_used) in [
        (file(), file(), true),
        (profile(), file(), true),
        (Place::Variable, file(), true),
        (file(), profile(), false),
        (file(), Place::Variable, false),
        (Place::Variable, Place::Flag, false),
    ] {
        let config = also(at(&place, found), &of_target, target);
        let config = also(config, &file(), &APP[..3]);
        let shown = spare(config.builder());
        assert_eq!(shown.contains("spare.example"), is_used, "{shown}");
        let instead = config.in_place_of("spare_endpoint");
        let counts = instead.map(|it| (it.setting.key, it.place == of_target));
        assert_eq!(counts, (!is_used).then_some(("endpoint", true)));
    }
    let config = also(at(&Place::Variable, found), &file(), APP);
    for builder in [
        config.builder().region(Region::Tokyo),
        config.builder().endpoint("https://127.0.0.1:1"),
    ] {
        assert!(!spare(builder).contains("spare.example"));
    }
    let set = config.builder().spare_endpoint("https://own.example");
    assert!(spare(set.region(Region::Tokyo)).contains("own.example"));
    // none is for any of them, and what is wrong with one that is left out is no matter
    let none = also(at(&file(), &[("spare_endpoint", "none")]), &file(), APP);
    let shown = spare(none.builder().region(Region::Tokyo));
    assert!(!shown.contains("my-imcloud"), "{shown}");
    let wrong = also(at(&file(), &[("spare_endpoint", "x")]), &file(), APP);
    wrong.builder().region(Region::Tokyo).build().unwrap();
}

#[test]
fn a_value_that_may_be_a_secret_in_the_wrong_place_is_not_shown() {
    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    let keys = [
        "sdkappid",
        "region",
        "endpoint",
        "generation",
        "calls_per_second",
        "below_alarm",
        "fresh_start",
        "ca_file",
        "roots",
        "spare_endpoint",
        "secret_key_file",
    ];
    for key in keys {
        let refused = refusal(at(&Place::Variable, &[(key, KEY)]).builder());
        assert!(!refused.contains("5bd2850f"), "{refused}");
        assert!(refused.contains("***"), "{refused}");
    }
}

#[test]
fn a_login_in_the_place_of_any_setting_is_not_shown() {
    for setting in &SETTINGS {
        for login in [
            "http://me:hush@proxy:3128",
            "https://me:hush@proxy.example/x",
            "me:hush@proxy:3128",
            "me:hush@p:1",
        ] {
            for place in [Place::Variable, file()] {
                let given = at(&place, &[(setting.key, login)]);
                let read = given.with_file().map(|config| config.builder());
                let shown_builder = format!("{read:?}");
                let refused = read.and_then(ClientBuilder::build).unwrap_err();
                for shown in [shown_builder, refused.to_string(), format!("{refused:?}")] {
                    // an identifier may have that form, and is no secret
                    let is_shown = setting.key == "identifier" && shown.starts_with("Ok(");
                    assert!(
                        is_shown || !shown.contains("hush"),
                        "{}: {shown}",
                        setting.key
                    );
                }
            }
        }
    }
}

#[test]
fn below_the_alarm_is_80_calls_a_second_and_no_other_number_beside_it() {
    let with = |texts: &[(&str, &str)]| also(at(&Place::Variable, texts), &file(), APP).builder();
    for (switch, calls) in [("true", 80.0), ("false", 100.0)] {
        let client = with(&[("below_alarm", switch)]).build().unwrap();
        assert_eq!(f64::from(client.calls_per_second()), calls);
    }
    assert_eq!(
        refusal(with(&[("below_alarm", "true"), ("calls_per_second", "50")])),
        "IMTAG_CALLS_PER_SECOND and IMTAG_BELOW_ALARM are both set: keep one"
    );
    assert_eq!(
        refusal(with(&[("below_alarm", "80")])),
        "IMTAG_BELOW_ALARM: \"80\" is neither true nor false"
    );
}
