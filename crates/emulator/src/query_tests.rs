//! What a query must hold, and what of it may be shown.

use super::*;

const GOOD: &str = "sdkappid=1400000000&identifier=admin&usersig=abc*-_&random=7&contenttype=json";

fn code(raw: &str) -> i32 {
    code_by(raw, true)
}

fn code_by(raw: &str, strict_random: bool) -> i32 {
    let query = Query::decode(raw).unwrap();
    query
        .credentials(strict_random)
        .map_or_else(|refusal| refusal.code, |_| 0)
}

#[test]
fn each_parameter_is_needed_once_and_in_this_spelling() {
    assert_eq!(code(GOOD), 0);
    assert_eq!(code(&GOOD.replace("sdkappid=1400000000&", "")), 60012);
    assert_eq!(code(&GOOD.replace("sdkappid", "SdkAppId")), 60012);
    for name in ["identifier", "usersig", "random", "contenttype"] {
        assert_eq!(code(&GOOD.replace(name, "other")), 60025, "{name}");
        assert_eq!(code(&GOOD.replace(name, &name.to_uppercase())), 60025);
        assert_eq!(code(&format!("{GOOD}&{name}=7")), 60025, "{name} twice");
    }
    assert_eq!(code(&GOOD.replace("=json", "=JSON")), 60025);
    assert_eq!(code(&format!("{GOOD}&other=1&other=2&&=")), 0);
}

/// What SDKs in the field send, and what the strict reading of the pages makes of it.
const RANDOMS: [(&str, i32); 13] = [
    ("random=0", 0),
    ("random=4294967295", 0),
    ("random=4294967296", 60025),
    ("random=-1", 60025),
    ("random=%2B1", 60025),
    ("random=1.0", 60025),
    ("random=", 60025),
    ("random", 60025),
    ("other=7", 60025),
    ("random=1&random=2", 60025),
    // uniqid(), nanoseconds, 21 digits
    ("random=65f1c2a7b3d94", 60025),
    ("random=1700000000123456789", 60025),
    ("random=123456789012345678901", 60025),
];

#[test]
fn random_may_be_anything() {
    for (random, _) in RANDOMS {
        let raw = GOOD.replace("random=7", random);
        assert_eq!(code_by(&raw, false), 0, "{random}");
    }
}

#[test]
fn random_is_a_number_of_32_bits_where_it_is_checked() {
    for (random, expected) in RANDOMS {
        let raw = GOOD.replace("random=7", random);
        assert_eq!(code_by(&raw, true), expected, "{random}");
    }
}

#[test]
fn an_sdkappid_that_is_no_number_is_invalid() {
    for value in ["", "x", "-1", "4294967296"] {
        assert_eq!(code(&GOOD.replace("1400000000", value)), 60006, "{value:?}");
    }
}

#[test]
fn escapes_are_undone_and_broken_ones_refused() {
    let query =
        Query::decode("identifier=%E7%AE%A1+%2b&sdkappid=1&usersig=a&random=1&contenttype=json");
    assert_eq!(
        query.unwrap().credentials(true).ok().unwrap().identifier,
        "管 +"
    );
    for broken in ["a=%", "a=%2", "a=%zz", "a=%ff", "%=1"] {
        assert!(Query::decode(broken).is_none(), "{broken}");
    }
}

#[test]
fn a_usersig_is_redacted_however_its_name_is_spelt() {
    for name in ["usersig", "UserSig", "USERSIG", "user_sig", "sig"] {
        let query = Query::decode(&format!("a=1&{name}=hush")).unwrap();
        let redacted = query.redacted();
        assert_eq!(redacted[0], ("a".to_owned(), "1".to_owned()));
        assert_eq!(redacted[1].1, "(redacted)");
    }
}

#[test]
fn a_usersig_that_an_escaped_ampersand_hides_is_redacted_too() {
    for raw in [
        "a=1%26UserSig=hush",
        "a%3D1%26usersig%3Dhush=1",
        "a=1%2526usersig%253Dhush",
        "a=1%2526user%25253Fs%2549g%253Dhush",
        "user%2573ig=hush",
    ] {
        let redacted = Query::decode(raw).unwrap().redacted();
        assert!(!format!("{redacted:?}").contains("hush"), "{redacted:?}");
    }
}

#[test]
fn a_path_with_a_usersig_is_redacted_however_often_it_was_escaped() {
    let mut path = "/v4/im_add_tag?sdkappid=1&UserSig=hush".to_owned();
    for _ in 0..20 {
        assert_eq!(redacted_path(&path), REDACTED);
        path = path.replace('%', "%25").replace(['=', '&', '?'], "%3d");
    }
    for hidden in ["/user%73ig=hush", "/%ff%zz%53IG%", "/%2553ig=hush%"] {
        assert_eq!(redacted_path(hidden), REDACTED);
    }
    for shown in ["/v4/timpush/add_tag", "/%", "/%zz%ff%2", "/100%25", ""] {
        assert_eq!(redacted_path(shown), shown);
    }
}
