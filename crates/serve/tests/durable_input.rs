//! Requests for changes that last which are wrong: each is refused in a sentence with its place, and nothing is stored.

#![allow(clippy::unwrap_used)] // all of it is test code

mod support;

use serde_json::json;

use support::durable::{assert_refused, paused, stored};
use support::{http, schema};

const ROW: &str = r#"{"To_Account":"a","Tags":["t"]}"#;
const NDJSON: &str = "Content-Type: application/x-ndjson\r\n";
const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

#[test]
fn a_malformed_body_is_refused_with_each_bad_row_and_nothing_is_stored() {
    let scene = paused();
    let user = |account: &str, tags: &str| format!(r#"{{"To_Account":{account},"Tags":{tags}}}"#);
    let cases: Vec<(&str, String, usize, &str)> = vec![
        (NDJSON, "{".into(), 1, "EOF while parsing"),
        (
            NDJSON,
            format!("{ROW}\n{ROW}x\n{ROW}"),
            2,
            "trailing characters",
        ),
        (NDJSON, format!("\n\n{ROW}{ROW}"), 3, "trailing characters"),
        (NDJSON, "null".into(), 1, "no object"),
        (NDJSON, "7".into(), 1, "no object"),
        (NDJSON, "account,tag".into(), 1, "no object"),
        (NDJSON, format!("\u{feff}{ROW}"), 1, "U+FEFF"),
        (NDJSON, format!("{ROW}\n\u{1a}"), 2, "U+001A"),
        (NDJSON, "{}".into(), 1, "no To_Account"),
        (
            NDJSON,
            r#"{"To_Account":"a"}"#.into(),
            1,
            "tags: none given",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","Tag":["t"]}"#.into(),
            1,
            "unknown field `Tag`",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","Tags":["t"],"Tags":["u"]}"#.into(),
            1,
            "duplicate field",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","Tags":["t"],"id":"1-0"}"#.into(),
            1,
            "id does not go with",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","op":"set","Tags":["t"]}"#.into(),
            1,
            "op: \"set\" is none of",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","op":"replace","Tags":["t"]}"#.into(),
            1,
            "replace: not possible",
        ),
        (
            NDJSON,
            r#"{"To_Account":"a","op":"clear","Tags":["t"]}"#.into(),
            1,
            "beside clear",
        ),
        (NDJSON, user("7", r#"["t"]"#), 1, "expected a string"),
        (NDJSON, user("null", r#"["t"]"#), 1, "no To_Account"),
        (NDJSON, user(r#""""#, r#"["t"]"#), 1, "account"),
        (NDJSON, user(r#""\ud800""#, r#"["t"]"#), 1, "column"),
        (NDJSON, user(r#""a\u0000""#, r#"["t"]"#), 1, "a zero byte"),
        (NDJSON, user(r#""a""#, r#""t""#), 1, "expected a sequence"),
        (NDJSON, user(r#""a""#, "[7]"), 1, "expected a string"),
        (NDJSON, user(r#""a""#, r#"["t",]"#), 1, "trailing comma"),
        (NDJSON, user(r#""a""#, r#"[" "]"#), 1, "only white space"),
        (NDJSON, user(r#""a""#, r#"["v\u200bip"]"#), 1, "U+200B"),
        (NDJSON, format!("[{ROW}"), 0, "begins as an array of JSON"),
        (JSON, format!("[{ROW},]"), 0, "begins as an array of JSON"),
        (JSON, format!("[{ROW}]x"), 0, "begins as an array of JSON"),
        (JSON, "[".repeat(100_000), 0, "begins as an array of JSON"),
        (JSON, format!("[{ROW},[{ROW}]]"), 2, "no object"),
        (JSON, format!("[{ROW},null]"), 2, "no object"),
        (JSON, format!("{ROW}\n{ROW}"), 1, "trailing characters"),
        (JSON, "\"a\"".into(), 1, "no object"),
    ];
    for (kind, body, row, part) in cases {
        let answer = scene.ask("POST", "/v1/changes", kind, &body);
        let start = &body[..body.len().min(80)];
        if row == 0 {
            assert_refused(&answer, 400, part);
        } else {
            assert_refused(&answer, 422, "so none was stored");
            let errors = answer.json["errors"].as_array().unwrap();
            assert_eq!(errors.len(), 1, "{start}: {}", answer.text);
            assert_eq!(errors[0]["row"], row, "{start}");
            let why = errors[0]["error"].as_str().unwrap();
            assert!(
                why.contains(part) && why.len() < 1_000,
                "{part:?} is not in {why:?}"
            );
        }
    }
    for (kind, body) in [
        (NDJSON, ""),
        (NDJSON, " \r\n\n"),
        (JSON, ""),
        (JSON, "[]"),
        (JSON, " "),
    ] {
        let answer = scene.ask("POST", "/v1/changes", kind, body);
        assert_refused(&answer, 422, "no change in the body");
    }
    let mut stream = scene.connect();
    let head = http::post("/v1/changes", "", format!("{ROW}\n??"));
    let body = head
        .into_bytes()
        .into_iter()
        .map(|byte| if byte == b'?' { 0xff } else { byte });
    stream.say(body.collect::<Vec<_>>());
    let answer = stream.answer().unwrap();
    schema::check("post", "/v1/changes", &answer);
    assert_refused(&answer, 400, "not UTF-8 in line 2");
    assert_eq!(stored(&scene), 0);
    assert_eq!(scene.keep("", ROW).status, 202);
    assert_eq!(stored(&scene), 1);
}

#[test]
fn every_bad_row_of_a_post_is_named_and_the_good_ones_are_not_stored_without_them() {
    let scene = paused();
    let rows: Vec<String> = (0..1_000)
        .map(|nth| {
            if nth % 10 == 3 {
                "{".to_owned()
            } else {
                ROW.to_owned()
            }
        })
        .collect();
    let answer = scene.keep("", &rows.join("\r\n"));
    assert_refused(&answer, 422, "100 of 1000 rows cannot be taken");
    let errors = answer.json["errors"].as_array().unwrap();
    let places: Vec<u64> = errors
        .iter()
        .map(|it| it["row"].as_u64().unwrap())
        .collect();
    assert_eq!(places, (0..100).map(|nth| 10 * nth + 4).collect::<Vec<_>>());
    assert_eq!(stored(&scene), 0);
}

#[test]
fn a_body_is_lines_or_an_array_or_one_object_and_the_type_says_which_only_where_it_must() {
    let scene = paused();
    let pretty = "\n {\n \"To_Account\": \"a\",\n \"Tags\": [\"t\"]\n }\n";
    for (kind, body, count) in [
        ("", format!("{ROW}\n{ROW}\n"), 2),
        (NDJSON, format!("\n{ROW}\r\n\r\n{ROW}"), 2),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            ROW.to_owned(),
            1,
        ),
        (JSON, ROW.to_owned(), 1),
        (JSON, pretty.to_owned(), 1),
        ("Content-Type: APPLICATION/JSON\r\n", pretty.to_owned(), 1),
        (JSON, format!("[{ROW},\n{pretty},{ROW}]"), 3),
        (NDJSON, format!(" [{ROW}]\n"), 1),
    ] {
        let answer = scene.ask("POST", "/v1/changes", kind, &body);
        assert_eq!(answer.status, 202, "{kind}{body}: {}", answer.text);
        assert_eq!(answer.json["changes"].as_array().unwrap().len(), count);
    }
    for encoding in ["gzip", "br, gzip"] {
        let line = format!("Content-Encoding: {encoding}\r\n");
        let answer = scene.ask("POST", "/v1/changes", &line, ROW);
        assert_refused(&answer, 415, "send it plain");
    }
    let plain = scene.ask("POST", "/v1/changes", "Content-Encoding: identity\r\n", ROW);
    assert_eq!(plain.status, 202);
}

#[test]
fn a_list_of_ids_with_anything_else_in_it_deletes_nothing() {
    let scene = paused();
    for (body, row) in [
        ("12-0", 1),
        ("\"12\"", 1),
        ("\"1-0\"\n7", 2),
        ("\"1-0\"\n{}", 2),
        ("[\"1-0\",{\"id\":7}]", 2),
        ("[\"1-0\",null]", 2),
    ] {
        let answer = scene.ask("DELETE", "/v1/failures", "", body);
        assert_refused(&answer, 422, "so nothing was deleted");
        assert_eq!(answer.json["errors"][0]["row"], row, "{body}");
    }
    for body in ["", "[]", "\n"] {
        let answer = scene.ask("DELETE", "/v1/failures", "", body);
        assert_refused(&answer, 422, "no id in the body");
    }
    for body in [
        "\"1-0\"",
        "[\"1-0\",\"1-0\"]",
        "{\"id\":\"1-0\",\"account\":\"a\"}\n\"9-9\"",
    ] {
        let answer = scene.ask("DELETE", "/v1/failures", "", body);
        assert_eq!(
            answer.json,
            json!({"deleted": 0}),
            "none of them failed: {body}"
        );
    }
}
