//! Answers against the service's own page, whole, in pieces and with bytes after them.

use super::*;
use crate::{AddTags, GetTags};

fn answer<R: Request>(body: &str, request: &R) -> Result<Answer, NotUnderstood> {
    let whole = feed([body.as_bytes()], request);
    let byte_by_byte = feed(body.as_bytes().chunks(1), request);
    assert_eq!(whole, byte_by_byte);
    whole
}

fn feed<'b, R: Request>(
    pieces: impl IntoIterator<Item = &'b [u8]>,
    request: &R,
) -> Result<Answer, NotUnderstood> {
    let mut reader = AnswerReader::new(1 << 20);
    for piece in pieces {
        reader.feed(piece).unwrap();
    }
    reader.finish(request)
}

fn add() -> AddTags<'static> {
    AddTags::new([("u", ["a"]), ("v", ["b"])]).unwrap()
}

fn done(left_out: Vec<LeftOut>) -> Verdict {
    Verdict::Done {
        left_out,
        tags: vec![],
        unanswered: vec![],
    }
}

fn left_out(account: &str, code: i32, text: &str) -> LeftOut {
    LeftOut {
        account: account.to_owned(),
        refusal: Refusal {
            code: Code(code),
            text: text.to_owned(),
        },
    }
}

#[test]
fn the_sample_answer_of_the_documentation_is_done() {
    let sample = r#"{
        "ActionStatus": "OK",
        "ErrorInfo": "",
        "ErrorCode": 0
    }"#;
    for body in [sample.to_owned(), format!("{sample}\r\n \t")] {
        let answer = answer(&body, &add()).unwrap();
        assert_eq!(answer.verdict, done(vec![]));
        assert_eq!(answer.request_id, None);
    }
}

#[test]
fn fields_may_come_in_any_order_and_unknown_ones_are_ignored() {
    let body = r#"{"New":{"x":[1]},"ErrorCode":0,"RequestId":"r-1","ErrorDisplay":"","ErrorInfo":"","ActionStatus":"OK"}"#;
    let answer = answer(body, &add()).unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("r-1"));
    assert_eq!(answer.verdict, done(vec![]));
}

#[test]
fn accounts_left_out_of_a_good_answer_are_named_with_their_reason() {
    let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[
        {"To_Account":"v","ErrorCode":70107,"ErrorInfo":"not imported"},
        {"To_Account":"u","ErrorCode":90033},
        {"To_Account":"v","ErrorCode":90033}]}"#;
    assert_eq!(
        answer(body, &add()).unwrap().verdict,
        done(vec![
            left_out("v", 70107, "not imported"),
            left_out("u", 90033, "")
        ])
    );
}

#[test]
fn a_refusal_keeps_code_and_text_also_of_an_unknown_code() {
    for (body, code, text) in [
        (
            r#"{"ActionStatus":"FAIL","ErrorInfo":"too fast","ErrorCode":60007}"#,
            60007,
            "too fast",
        ),
        (
            r#"{"ActionStatus":"FAIL","ErrorInfo":"new","ErrorCode":99999}"#,
            99999,
            "new",
        ),
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"odd","ErrorCode":91000}"#,
            91000,
            "odd",
        ),
    ] {
        let refusal = Refusal {
            code: Code(code),
            text: text.to_owned(),
        };
        assert_eq!(
            answer(body, &add()).unwrap().verdict,
            Verdict::Refused(refusal)
        );
    }
}

#[test]
fn tags_are_read_and_an_account_that_is_not_answered_is_named() {
    let get = GetTags::new(["u", "v", "w"]).unwrap();
    let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,
        "UserTags":[{"To_Account":"v","Tags":["北京","b"]}],
        "ErrorList":[{"To_Account":"w","ErrorCode":70107,"ErrorInfo":"x"}]}"#;
    assert_eq!(
        answer(body, &get).unwrap().verdict,
        Verdict::Done {
            left_out: vec![left_out("w", 70107, "x")],
            tags: vec![AccountTags {
                account: "v".to_owned(),
                tags: vec!["北京".to_owned(), "b".to_owned()],
            }],
            unanswered: vec!["u".to_owned()],
        }
    );
}

#[test]
fn optional_parts_may_be_missing_null_or_empty() {
    let ok = r#""ActionStatus":"OK","ErrorCode":0"#;
    for rest in [
        "",
        r#","ErrorInfo":null,"RequestId":null,"ErrorDisplay":null,"ErrorList":null,"UserTags":null"#,
        r#","ErrorInfo":"","ErrorDisplay":"","ErrorList":[],"UserTags":[]"#,
    ] {
        let body = format!("{{{ok}{rest}}}");
        let answer = answer(&body, &add()).unwrap();
        assert_eq!(answer.verdict, done(vec![]), "{body}");
        assert_eq!(answer.request_id, None);
    }
    for text in ["", r#","ErrorInfo":null"#, r#","ErrorInfo":"""#] {
        let entry = format!(r#"{{"To_Account":"u","ErrorCode":70107{text}}}"#);
        let body = format!(r#"{{{ok},"ErrorList":[{entry}]}}"#);
        let verdict = answer(&body, &add()).unwrap().verdict;
        assert_eq!(verdict, done(vec![left_out("u", 70107, "")]), "{body}");
        let body = format!(r#"{{"ActionStatus":"FAIL","ErrorCode":70003{text}}}"#);
        let refusal = left_out("u", 70003, "").refusal;
        let verdict = answer(&body, &add()).unwrap().verdict;
        assert_eq!(verdict, Verdict::Refused(refusal), "{body}");
    }
}

#[test]
fn a_text_for_people_of_another_type_is_shown_as_it_came() {
    let body = r#"{"ActionStatus":"FAIL","ErrorCode":70003,"ErrorInfo":{"why":[1]},"RequestId":7}"#;
    let answer = answer(body, &add()).unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("7"));
    let refusal = left_out("u", 70003, r#"{"why":[1]}"#).refusal;
    assert_eq!(answer.verdict, Verdict::Refused(refusal));
}

#[test]
fn a_member_that_the_answer_is_not_asked_for_may_be_anything() {
    let body = r#"{"ActionStatus":"OK","ErrorCode":0,"UserTags":"none","ErrorDisplay":{},"ErrorDisplay":1}"#;
    assert_eq!(answer(body, &add()).unwrap().verdict, done(vec![]));
    let body = r#"{"UserTags":1,"ErrorList":"","ActionStatus":"FAIL","ErrorCode":70003}"#;
    let refusal = left_out("u", 70003, "").refusal;
    assert_eq!(
        answer(body, &GetTags::new(["u"]).unwrap()).unwrap().verdict,
        Verdict::Refused(refusal)
    );
}

#[test]
fn a_user_whose_tags_are_missing_null_or_empty_has_none() {
    let get = GetTags::new(["u", "v", "w"]).unwrap();
    let body = r#"{"ActionStatus":"OK","ErrorCode":0,"UserTags":[
        {"To_Account":"u"},{"Tags":null,"To_Account":"v"},{"To_Account":"w","Tags":[],"New":{}}]}"#;
    let user = |account: &str| AccountTags {
        account: account.to_owned(),
        tags: vec![],
    };
    assert_eq!(
        answer(body, &get).unwrap().verdict,
        Verdict::Done {
            left_out: vec![],
            tags: vec![user("u"), user("v"), user("w")],
            unanswered: vec![],
        }
    );
    for tags in [r#""""#, "{}", "[null]", "[1]", "0"] {
        let body = format!(
            r#"{{"ActionStatus":"OK","ErrorCode":0,"UserTags":[{{"To_Account":"u","Tags":{tags}}}]}}"#
        );
        let error = answer(&body, &get).unwrap_err();
        assert!(
            error.reason.starts_with("UserTags: invalid type"),
            "{error}"
        );
        assert_eq!(error.start, body);
    }
}

#[test]
fn without_user_tags_each_account_that_is_not_left_out_is_unanswered() {
    let get = GetTags::new(["u", "v"]).unwrap();
    let u = r#"{"To_Account":"u","ErrorCode":70107}"#;
    let v = r#"{"To_Account":"v","ErrorCode":70107}"#;
    for rest in ["", r#","UserTags":null"#, r#","UserTags":[]"#] {
        for (errors, failed, unanswered) in [
            (String::new(), vec![], vec!["u", "v"]),
            (u.to_owned(), vec!["u"], vec!["v"]),
            (format!("{v},{u}"), vec!["v", "u"], vec![]),
        ] {
            let body =
                format!(r#"{{"ActionStatus":"OK","ErrorCode":0,"ErrorList":[{errors}]{rest}}}"#);
            assert_eq!(
                answer(&body, &get).unwrap().verdict,
                Verdict::Done {
                    left_out: failed.iter().map(|it| left_out(it, 70107, "")).collect(),
                    tags: vec![],
                    unanswered: unanswered.iter().map(ToString::to_string).collect(),
                }
            );
        }
    }
}

#[test]
fn what_is_no_answer_is_not_understood_and_shows_its_start() {
    let ok = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
    for body in [
        "",
        "<html>502</html>",
        "null",
        "[]",
        r#"{"ActionStatus":"OK","ErrorInfo":""}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":"0"}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0.5}"#,
        r#"{"ErrorInfo":"","ErrorCode":0}"#,
        r#"{"ActionStatus":"FAIL","ErrorInfo":"","ErrorCode":0}"#,
        r#"{"ActionStatus":"MAYBE","ErrorInfo":"","ErrorCode":0}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":{}}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[{"To_Account":"u"}]}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0"#,
        &format!("{ok}{ok}"),
        &format!("{ok}x"),
    ] {
        let error = answer(body, &add()).unwrap_err();
        assert_eq!(error.start, body, "{error}");
    }
}

#[test]
fn an_answer_and_its_entries_are_objects_and_no_lists_of_their_fields() {
    let add_reason = |body: &str| answer(body, &add()).unwrap_err().reason;
    assert_eq!(
        add_reason("null"),
        "not an answer: invalid type: null, expected a JSON object at line 1 column 4"
    );
    for body in ["[]", r#"["OK",0,"",null,null,null]"#] {
        let reason = add_reason(body);
        let start = "not an answer: invalid type: sequence, expected a JSON object at line 1";
        assert!(reason.starts_with(start), "{body}: {reason}");
    }
    for body in [
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[["u",70107]]}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[["u",70107,"x"]]}"#,
    ] {
        let reason = add_reason(body);
        let start = "ErrorList: invalid type: sequence, expected a JSON object";
        assert!(reason.starts_with(start), "{body}: {reason}");
    }
    let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[["u",["a"]]]}"#;
    let reason = answer(body, &GetTags::new(["u"]).unwrap())
        .unwrap_err()
        .reason;
    assert!(reason.contains("expected a JSON object"), "{reason}");
}

#[test]
fn a_field_that_stands_twice_makes_the_answer_not_understood() {
    let get = GetTags::new(["u"]).unwrap();
    for (body, field) in [
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorInfo":"","ErrorCode":0}"#,
            "ErrorInfo",
        ),
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorCode":0}"#,
            "ErrorCode",
        ),
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[],"ErrorList":null}"#,
            "ErrorList",
        ),
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[{"To_Account":"u","To_Account":"u","ErrorCode":1}]}"#,
            "To_Account",
        ),
        (
            r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[{"To_Account":"u","Tags":[],"Tags":["a"]}]}"#,
            "Tags",
        ),
    ] {
        let reason = answer(body, &get).unwrap_err().reason;
        let twice = format!(": duplicate field `{field}`");
        assert!(reason.contains(&twice), "{body}: {reason}");
    }
}

#[test]
fn an_account_that_was_not_asked_for_makes_the_answer_not_understood() {
    let stranger = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"ErrorList":[{"To_Account":"x","ErrorCode":1}]}"#;
    assert_eq!(
        answer(stranger, &add()).unwrap_err().reason,
        "ErrorList names an account that was not asked for: \"x\""
    );
    let get = GetTags::new(["u"]).unwrap();
    let stranger = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[{"To_Account":"x","Tags":[]}]}"#;
    assert!(
        answer(stranger, &get)
            .unwrap_err()
            .reason
            .starts_with("UserTags names")
    );
}

#[test]
fn an_account_that_is_read_twice_or_read_and_failed_makes_the_answer_not_understood() {
    let get = GetTags::new(["u"]).unwrap();
    for body in [
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[{"To_Account":"u","Tags":["a"]},{"To_Account":"u","Tags":["b"]}]}"#,
        r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0,"UserTags":[{"To_Account":"u","Tags":["a"]}],"ErrorList":[{"To_Account":"u","ErrorCode":1}]}"#,
    ] {
        let error = answer(body, &get).unwrap_err();
        assert_eq!(error.reason, "UserTags names an account again: \"u\"");
    }
}

#[test]
fn a_message_stays_short_however_long_the_answers_parts_are() {
    let long = "é".repeat(100_000);
    let status = format!(r#"{{"ActionStatus":"{long}","ErrorInfo":"","ErrorCode":0}}"#);
    assert!(answer(&status, &add()).unwrap_err().to_string().len() < 1_000);
    let refusal = Refusal {
        code: Code(1),
        text: long,
    };
    assert!(refusal.to_string().len() < 1_000);
}

#[test]
fn an_answer_past_its_bound_is_not_understood() {
    let mut reader = AnswerReader::new(4);
    assert!(reader.feed(b"1234").is_ok());
    let error = reader.feed(b"5").unwrap_err();
    assert_eq!(error.reason, "the answer has more than 4 bytes");
    assert_eq!(error.start, "12345");
}

#[test]
fn only_the_first_bytes_of_an_answer_are_shown() {
    let error = answer(&"é".repeat(500), &add()).unwrap_err();
    assert_eq!(error.start, "é".repeat(100));
}

#[test]
fn what_is_not_the_services_own_text_is_not_in_quotes() {
    let refusal = |code, text: &str| Refusal {
        code: Code(code),
        text: text.to_owned(),
    };
    let said = refusal(70107, "no such account");
    assert_eq!(
        said.code_and_text().to_string(),
        "70107 \"no such account\""
    );
    let silent = refusal(70107, "");
    assert_eq!(
        silent.to_string(),
        "70107 an account was never imported (import the account first, or let its user log in once)"
    );
    assert_eq!(refusal(1, "").code_and_text().to_string(), "1 no text");
}
