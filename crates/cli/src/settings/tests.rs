//! Settings from several places, and everything that is wrong with them at once.

use super::layer::Place;
use super::*;

fn settings(layers: &[(Place, &[(SettingId, &str)])]) -> Settings {
    let layer = |(place, values): &(Place, &[(SettingId, &str)])| {
        let mut layer = Layer::empty(place.clone());
        for (key, value) in *values {
            layer.set(*key, (*value).to_owned());
        }
        layer
    };
    Settings {
        layers: layers.iter().map(layer).collect(),
        problems: Vec::new(),
    }
}

const APP: &[(SettingId, &str)] = &[
    (SettingId::SdkAppId, "1400000000"),
    (SettingId::Identifier, "administrator"),
    (SettingId::SecretKey, "hush"),
    (SettingId::Region, "singapore"),
];

fn file() -> Place {
    Place::File("config.toml".into())
}

fn refusal(layers: &[(Place, &[(SettingId, &str)])]) -> String {
    settings(layers).client(None).err().unwrap().to_string()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let region = |place, name| (place, [(SettingId::Region, name)]);
    let [flag, variable, in_file] = [
        region(Place::Flags, "tokyo"),
        region(Place::Environment, "seoul"),
        region(file(), "china"),
    ];
    let name_of = |layers: &[&(Place, [(SettingId, &'static str); 1])]| {
        let layers: Vec<_> = layers
            .iter()
            .map(|(place, values)| (place.clone(), values.as_slice()))
            .collect();
        let settings = settings(&layers);
        settings.get(SettingId::Region).map(|given| given.name)
    };
    assert_eq!(
        name_of(&[&flag, &variable, &in_file]).as_deref(),
        Some("--region")
    );
    assert_eq!(
        name_of(&[&variable, &in_file]).as_deref(),
        Some("IMTAG_REGION")
    );
    assert_eq!(
        name_of(&[&in_file]).as_deref(),
        Some("region in config.toml")
    );
    assert_eq!(name_of(&[]), None);
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let refusal = refusal(&[]);
    for name in [
        "set IMTAG_SDKAPPID or --sdkappid",
        "set IMTAG_IDENTIFIER or --identifier",
        "set IMTAG_SECRET_KEY or IMTAG_SECRET_KEY_FILE or IMTAG_USERSIG or --secret-key-file",
        "set IMTAG_REGION or IMTAG_ENDPOINT or --region or --endpoint",
    ] {
        assert!(refusal.contains(name), "{name}: {refusal}");
    }
}

#[test]
fn everything_that_is_wrong_is_named_at_once_by_its_variable() {
    let refusal = refusal(&[(
        Place::Environment,
        &[
            (SettingId::SdkAppId, "14e8"),
            (
                SettingId::Identifier,
                "a name that is longer than any account",
            ),
            (SettingId::SecretKey, " "),
            (SettingId::Region, "mars"),
            (SettingId::Generation, "v5"),
            (SettingId::CallsPerSecond, "many"),
            (SettingId::FreshStart, "yes"),
        ],
    )]);
    for part in [
        "IMTAG_SDKAPPID: \"14e8\" is not an SDKAppID",
        "IMTAG_IDENTIFIER: the identifier has 38 bytes",
        "IMTAG_SECRET_KEY: the secret key is empty",
        "IMTAG_REGION: unknown region \"mars\": use one of china, singapore",
        "IMTAG_GENERATION: unknown generation \"v5\"",
        "IMTAG_CALLS_PER_SECOND: \"many\" calls per second: set 0.001 to 100000",
        "IMTAG_FRESH_START: \"yes\" is neither true nor false",
    ] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
}

#[test]
fn two_that_exclude_each_other_in_one_place_are_an_error() {
    assert_eq!(
        refusal(
            &[
                (Place::Environment, APP),
                (
                    Place::Flags,
                    &[
                        (SettingId::Endpoint, "https://x"),
                        (SettingId::Region, "tokyo")
                    ]
                )
            ]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        ),
        "--region and --endpoint are both set: keep one"
    );
    let mut both = APP.to_vec();
    both.push((SettingId::UserSig, "hush2"));
    let refusal = refusal(&[(Place::Environment, &both)]);
    assert_eq!(
        refusal,
        "IMTAG_SECRET_KEY and IMTAG_USERSIG are both set: keep one"
    );
}

#[test]
fn the_first_place_that_has_any_of_those_that_exclude_each_other_decides() {
    let over = settings(&[
        (
            Place::Environment,
            &[(SettingId::Endpoint, "https://127.0.0.1:1")],
        ),
        (file(), APP),
    ]);
    let client = format!("{:?}", over.client(None).ok().unwrap().client);
    assert!(client.contains("127.0.0.1"), "{client}");
    assert!(!client.contains("hush"), "{client}");
}

#[test]
fn what_the_client_refuses_is_named_by_its_setting() {
    let mut values = APP.to_vec();
    values.push((SettingId::CaFile, "/nonexistent/ca.pem"));
    let missing = refusal(&[(Place::Environment, &values)]);
    assert!(
        missing.starts_with("IMTAG_CA_FILE: the CA file /nonexistent/ca.pem cannot be read"),
        "{missing}"
    );
    *values.last_mut().unwrap() = (SettingId::CallsPerSecond, "100001");
    let too_many = refusal(&[(Place::Environment, &values)]);
    assert!(
        too_many.starts_with("IMTAG_CALLS_PER_SECOND: 100001 calls per second"),
        "{too_many}"
    );
}

#[test]
fn a_start_is_fresh_only_where_it_is_said_to_be() {
    for (set, expected) in [
        (None, "fresh_start: Some(false)"),
        (Some("false"), "fresh_start: Some(false)"),
        (Some("true"), "fresh_start: Some(true)"),
    ] {
        let mut values = APP.to_vec();
        values.extend(set.map(|value| (SettingId::FreshStart, value)));
        let mut problems = Vec::new();
        let builder = settings(&[(Place::Environment, &values)]).builder(None, &mut problems);
        let shown = format!("{:?}", builder.unwrap());
        assert!(shown.contains(expected), "{shown}");
        assert!(problems.is_empty());
    }
}

#[test]
fn a_key_file_that_cannot_be_read_is_named() {
    let mut values = APP.to_vec();
    values[2] = (SettingId::SecretKeyFile, "/nonexistent/key");
    let missing = refusal(&[(Place::Flags, &values)]);
    assert!(
        missing.starts_with("--secret-key-file: the file /nonexistent/key cannot be read: No such"),
        "{missing}"
    );
}
