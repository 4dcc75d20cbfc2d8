//! What converting texts and putting files together leaves in rows, and what cannot be seen in them.

use super::*;

#[test]
fn a_name_that_nobody_means_makes_a_bad_row_and_may_be_removed() {
    let white = "only white space (leave it out, or fill it)";
    let zero_width = "holds U+200B, which cannot be seen (leave it out)";
    let dos = "holds U+001A, which ends a file of DOS (leave it out)";
    assert_eq!(
        rows(concat!(
            "account,op,tag\n ,,x\na,, \na,,\u{a0}\nu4\u{200b},,x\na,,\u{7}\n",
            " ,remove,x\na,remove, \nu4\u{200b},remove,x\nu4\u{200b},clear,\na,remove,vip\u{1a}\n",
            "\u{a0}a,,x y\na,,vip\u{1a}\n\u{1a}"
        )),
        [
            format!("line 2: account: {white}"),
            format!("line 3: tag: {white}"),
            format!("line 4: tag: {white}"),
            format!("line 5: account: {zero_width}"),
            "line 6: tag: holds U+0007, a control character (leave it out)".to_owned(),
            "remove  : x".to_owned(),
            "remove a:  ".to_owned(),
            "remove u4\u{200b}: x".to_owned(),
            "clear u4\u{200b}: ".to_owned(),
            "remove a: vip\u{1a}".to_owned(),
            "\u{a0}a: x y".to_owned(),
            format!("line 13: tag: {dos}"),
            "line 14: U+001A, which ends a file of DOS (leave it out)".to_owned(),
        ]
    );
    assert_eq!(
        rows("account,tags\na,x; ;y\na,x;y\u{200b}\n"),
        [
            format!("line 2: tag: {white}"),
            format!("line 3: tag: {zero_width}")
        ]
    );
    assert_eq!(
        rows(concat!(
            r#"{"To_Account":" ","Tags":["x"]}"#,
            "\n",
            r#"{"To_Account":"a","Tags":["x","\u200b"]}"#,
            "\n",
            r#"{"To_Account":"a\n","op":"remove","Tags":[" "]}"#,
            "\n\u{1a}",
        )),
        [
            format!("line 1: account: {white}"),
            format!("line 2: tag: {zero_width}"),
            "remove a\n:  ".to_owned(),
            "line 4: U+001A, which ends a file of DOS (leave it out)".to_owned(),
        ]
    );
}

#[test]
fn a_later_header_with_columns_of_its_own_refuses_the_file() {
    assert_eq!(
        refusal("account,tag\nu1,vip\naccount,comment\nu2,rude\n"),
        "users.csv has another header in line 3 (account,comment), after which its rows would be read in the wrong way: \
         import the files that were put together one by one (a user named account goes in NDJSON); nothing was sent"
    );
    assert!(refusal("tag,account\nvip,u1\nname,Account,age\n").contains("(name,account,age)"));
    assert_eq!(
        rows("account,tag\nalice,account\n{\"a\",x\n")[0],
        "alice: account"
    );
}

#[test]
fn a_row_in_quotes_as_a_whole_is_said_to_be_one_field() {
    assert_eq!(
        rows("account,tag\n\"u1,vip\"\n\"u1\"\n"),
        [
            "line 2: 1 field, not 2 (account and tag): leave out the quotes around the whole row",
            "line 3: 1 field, not 2 (account and tag): add the other"
        ]
    );
}

#[test]
fn what_json_escapes_of_a_zero_or_half_a_character_make_is_a_bad_row_where_it_is_read() {
    let zero = "holds a zero byte (leave it out)";
    assert_eq!(
        rows(concat!(
            r#"{"To_Account":"al\u0000ice","Tags":["x"]}"#,
            "\n",
            r#"{"To_Account":"a","Tags":["x","\u0000"]}"#,
            "\n",
            r#"{"To_Account":"a","op":"add\u0000","Tags":["x"]}"#,
            "\n",
            r#"{"account":"a","tags":["x"],"reason":"\u0000\ud800"}"#,
        )),
        [
            format!("line 1: account: {zero}"),
            format!("line 2: tag: {zero}"),
            "line 3: op: \"add\\0\" is none of add, remove, clear (use one of them; nothing means add)".to_owned(),
            "a: x".to_owned(),
        ]
    );
    for row in [
        r#"{"To_Account":"\ud800","Tags":["x"]}"#,
        r#"{"To_Account":"a","Tags":["\udc00x"]}"#,
        r#"{"To_Account":"a","Tags":["\ud83dx"]}"#,
    ] {
        let read = rows(row);
        assert!(read[0].starts_with("line 1: column "), "{read:?}");
    }
}

#[test]
fn a_mark_or_a_lost_character_in_a_name_makes_a_bad_row() {
    let mark = "holds U+FEFF, a byte order mark, which cannot be seen (leave it out)";
    let lost =
        "holds U+FFFD, which stands for a character that was lost before (take it from the source)";
    assert_eq!(
        rows(
            "\u{feff}\u{feff}account,op,tag\na,,x\n\u{feff}b,,x\nb,,x\u{fffd}\nb\u{fffd},,x\nb,remove,\u{fffd}x\n"
        ),
        [
            "a: x".to_owned(),
            format!("line 3: account: {mark}"),
            format!("line 4: tag: {lost}"),
            format!("line 5: account: {lost}"),
            "remove b: \u{fffd}x".to_owned(),
        ]
    );
    assert_eq!(
        rows(concat!(
            r#"{"To_Account":"a","Tags":["x\ufeff"]}"#,
            "\n\u{feff}",
            r#"{"To_Account":"b","Tags":["x"]}"#,
            "\n",
            r#"{"To_Account":"b","Tags":["\ufffd"]}"#,
        )),
        [
            format!("line 1: tag: {mark}"),
            "line 2: begins with U+FEFF, a byte order mark, as where files were put together (leave it out)".to_owned(),
            format!("line 3: tag: {lost}"),
        ]
    );
}
