//! Answers against the service's own page, and what is no answer. The cases of tests/conformance/answers.json hold the rest.

use super::*;
use crate::request::{AddTags, GetTags};

fn answer<R: Request>(body: &str, request: &R) -> Result<Answer, NotUnderstood> {
    Answer::read(body.as_bytes(), request)
}

/// Why the answer to a get of `u` is not understood.
#[track_caller]
fn wrong(body: &str) -> String {
    let request = GetTags::new(["u"]).unwrap();
    answer(body, &request).unwrap_err().reason
}

fn add() -> AddTags<'static> {
    AddTags::new([("u", ["a"]), ("v", ["b"])]).unwrap()
}

/// An answer that is done, with more members.
fn ok(more: &str) -> String {
    format!(r#"{{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0{more}}}"#)
}

fn done(left_out: Vec<(String, Refusal)>) -> Verdict {
    Verdict::Done {
        left_out,
        tags: vec![],
        unanswered: vec![],
    }
}

fn refusal(code: i32, text: &str) -> Refusal {
    Refusal {
        code: Code(code),
        text: text.to_owned(),
    }
}

fn left_out(account: &str, code: i32, text: &str) -> (String, Refusal) {
    (account.to_owned(), refusal(code, text))
}

#[test]
fn the_sample_answer_of_the_documentation_is_done() {
    let sample = r#"{
        "ActionStatus": "OK",
        "ErrorInfo": "",
        "ErrorCode": 0
    }"#;
    for body in [sample, &format!("{sample}\r\n \t")] {
        let answer = answer(body, &add()).unwrap();
        assert_eq!((answer.verdict, answer.request_id), (done(vec![]), None));
    }
}

#[test]
fn tags_are_read_and_an_account_that_is_not_answered_is_named() {
    let get = GetTags::new(["u", "v", "w"]).unwrap();
    let body = ok(r#","UserTags":[{"To_Account":"v","Tags":["北京","b"]}],
            "ErrorList":[{"To_Account":"w","ErrorCode":70107,"ErrorInfo":"x"}]"#);
    assert_eq!(
        answer(&body, &get).unwrap().verdict,
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
fn a_text_for_people_of_another_type_is_shown_as_it_came() {
    let body = r#"{"UserTags":1,"ErrorList":"","ActionStatus":"FAIL","ErrorCode":70003,"ErrorInfo":{"why":[1]},"RequestId":7}"#;
    let answer = answer(body, &add()).unwrap();
    assert_eq!(answer.request_id.as_deref(), Some("7"));
    let refusal = refusal(70003, r#"{"why":[1]}"#);
    assert_eq!(answer.verdict, Verdict::Refused(refusal));
}

/// Answers to a get of `u`, and how the reason begins. `…` stands for the members of an answer that is done.
const NOT_UNDERSTOOD: &str = r#"
    <html>502</html> => not an answer: expected value
    null => not an answer: invalid type: null, expected a JSON object at line 1 column 4
    [] => not an answer: invalid type: sequence, expected a JSON object at line 1
    ["OK",0,"",null,null,null] => not an answer: invalid type: sequence, expected a JSON object
    {"ActionStatus":"OK","ErrorInfo":""} => not an answer: missing field `ErrorCode`
    {"ErrorInfo":"","ErrorCode":0} => not an answer: missing field `ActionStatus`
    {"ActionStatus":"OK","ErrorCode":"0"} => not an answer: invalid type: string "0", expected i32
    {"ActionStatus":"OK","ErrorCode":0.5} => not an answer: invalid type: floating point
    {"ActionStatus":"FAIL","ErrorCode":0} => ActionStatus "FAIL" with ErrorCode 0
    {"ActionStatus":"MAYBE","ErrorCode":0} => ActionStatus "MAYBE" with ErrorCode 0
    {… => not an answer: EOF
    {…}{…} => not an answer: trailing characters
    {…}x => not an answer: trailing characters
    {…,"ErrorList":{}} => ErrorList: invalid type: map, expected a sequence
    {…,"ErrorList":[{"To_Account":"u"}]} => ErrorList: missing field `ErrorCode`
    {…,"ErrorList":[["u",70107]]} => ErrorList: invalid type: sequence, expected a JSON object
    {…,"ErrorList":[["u",70107,"x"]]} => ErrorList: invalid type: sequence, expected a JSON object
    {…,"UserTags":[["u",["a"]]]} => UserTags: invalid type: sequence, expected a JSON object
    {…,"UserTags":[{"To_Account":"u","Tags":""}]} => UserTags: invalid type
    {…,"UserTags":[{"To_Account":"u","Tags":{}}]} => UserTags: invalid type
    {…,"UserTags":[{"To_Account":"u","Tags":0}]} => UserTags: invalid type
    {…,"UserTags":[{"To_Account":"u","Tags":[null]}]} => UserTags: invalid type
    {…,"UserTags":[{"To_Account":"u","Tags":[1]}]} => UserTags: invalid type
    {…,"ErrorInfo":""} => not an answer: duplicate field `ErrorInfo`
    {…,"ErrorCode":0} => not an answer: duplicate field `ErrorCode`
    {…,"ErrorList":[],"ErrorList":null} => not an answer: duplicate field `ErrorList`
    {…,"ErrorList":[{"To_Account":"u","To_Account":"u","ErrorCode":1}]} => ErrorList: duplicate field `To_Account`
    {…,"UserTags":[{"To_Account":"u","Tags":[],"Tags":["a"]}]} => UserTags: duplicate field `Tags`
    {…,"ErrorList":[{"To_Account":"x","ErrorCode":1}]} => ErrorList names an account that was not asked for: "x"
    {…,"UserTags":[{"To_Account":"x","Tags":[]}]} => UserTags names an account that was not asked for: "x"
    {…,"UserTags":[{"To_Account":"u"},{"To_Account":"u"}]} => UserTags names an account again: "u"
    {…,"UserTags":[{"To_Account":"u"}],"ErrorList":[{"To_Account":"u","ErrorCode":1}]} => UserTags names an account again: "u"
"#;

#[test]
fn what_is_no_answer_is_not_understood_and_says_why() {
    assert!(wrong("").starts_with("not an answer: EOF"));
    let done = ok("");
    let done = done.trim_matches(['{', '}']);
    for line in NOT_UNDERSTOOD.trim().lines() {
        let (body, why) = line.trim().split_once(" => ").unwrap();
        let reason = wrong(&body.replace('…', done));
        assert!(reason.starts_with(why), "{body}: {reason}");
    }
    let stranger = ok(r#","ErrorList":[{"To_Account":"x","ErrorCode":1}]"#);
    let error = answer(&stranger, &add()).unwrap_err();
    assert_eq!(error.start, stranger, "also of an add");
}

#[test]
fn a_message_stays_short_however_long_the_answers_parts_are() {
    let long = "é".repeat(100_000);
    let status = format!(r#"{{"ActionStatus":"{long}","ErrorInfo":"","ErrorCode":0}}"#);
    let error = answer(&status, &add()).unwrap_err();
    assert!(error.to_string().len() < 1_000);
    assert!(refusal(1, &long).to_string().len() < 1_000);
    let error = answer(&"é".repeat(500), &add()).unwrap_err();
    assert_eq!(error.start, "é".repeat(100));
}

#[test]
fn what_is_not_the_services_own_text_is_not_in_quotes() {
    let words = |code, text| refusal(code, text).code_and_text().to_string();
    assert_eq!(words(70107, "no such account"), "70107 \"no such account\"");
    assert_eq!(words(1, ""), "1 no text");
    assert_eq!(
        refusal(70107, "").to_string(),
        "70107 an account was never imported (import the account first, or let its user log in once)"
    );
}
