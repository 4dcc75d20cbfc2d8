//! Files as people and programs write them: what their rows come to, what is wrong with a row, and what refuses a file.

use imtag_core::{ChangeOperation, Generation};

use super::*;
use crate::import::memory::Memory;
use imtag_rows::ROW_BYTES;

/// Each row as `account: tag|tag`, with its operation before it if that is not add, or as `line N: reason`; or what is
/// wrong with the file.
fn read_by(rules: Rules, bytes: &[u8]) -> Result<Vec<String>, String> {
    let from = std::io::Cursor::new(bytes.to_vec());
    let input =
        Input::from_reader("users.csv", from, Memory::LEAST).map_err(|error| error.to_string())?;
    let mut read = Vec::new();
    let taken = for_each_row(input, &rules, |row| {
        read.push(match row {
            Ok(Row { account, op, tags }) => {
                let mut list = Vec::new();
                tags.for_each(|tag| list.push(tag.to_owned()));
                assert_eq!(list.len(), tags.count());
                let op = match op {
                    ChangeOperation::Add => String::new(),
                    op => format!("{} ", op.name()),
                };
                format!("{op}{account}: {}", list.join("|"))
            }
            Err(BadRow { line, reason }) => format!("line {line}: {reason}"),
        });
        Ok::<_, FileError>(())
    });
    taken.map_err(|error| error.to_string())?;
    Ok(read)
}

fn rows(text: &str) -> Vec<String> {
    read_by(Rules::default(), text.as_bytes()).unwrap()
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    read_by(Rules::default(), bytes.as_ref()).unwrap_err()
}

#[track_caller]
fn each_comes_to(files: &[(&str, &[&str])]) {
    for (file, expected) in files {
        assert_eq!(rows(file), *expected, "{file:?}");
    }
}

const EMPTY_ACCOUNT: &str = "account: empty, at least 1 byte (leave it out, or fill it)";

/// What is said of a row of several lines.
fn unclosed(first: u64, last: u64) -> String {
    format!(
        "line {first}: lines {first} to {last} are one row, as a quote is probably not closed: close it, or leave out \
         the line end that a field holds"
    )
}

#[test]
fn good_files_come_to_their_rows() {
    each_comes_to(&[
        ("account,tag\n", &[]),
        ("account,tag", &[]),
        (
            "account,tag\nalice,vip\nbob,北京\n",
            &["alice: vip", "bob: 北京"],
        ),
        (
            "account,tags\nalice,vip;北京\nbob,ios\n",
            &["alice: vip|北京", "bob: ios"],
        ),
        // a tag a row may hold the separator
        ("account,tag\nalice,a;b\n", &["alice: a;b"]),
        (
            "\u{feff}account,tag\r\nalice,vip\r\n\r\nbob,vip",
            &["alice: vip", "bob: vip"],
        ),
        (
            "\"account\",\"tag\"\n\"li,na\",\"the \"\"gold\"\" plan\"\ncarol,x\nalice,\"vip\"",
            &["li,na: the \"gold\" plan", "carol: x", "alice: vip"],
        ),
    ]);
}

#[test]
fn a_bad_row_names_its_line_and_the_rows_after_it_are_read_on() {
    let file = format!(
        "account,tag\n,vip\nalice,\nalice,{}\n{},vip\nalice,vip,beijing\nalice\n\"u1,vip\"\n\"u1\"\na,x,,\nalice,vip\n",
        "很".repeat(17),
        "a".repeat(33)
    );
    assert_eq!(
        rows(&file),
        [
            "line 2: account: empty, at least 1 byte (leave it out, or fill it)",
            "line 3: tag: empty, at least 1 byte (leave it out, or fill it)",
            "line 4: tag: 51 bytes, at most 50 (shorten it)",
            "line 5: account: 33 bytes, at most 32 (shorten it)",
            "line 6: 3 fields, not 2 (account and tag): put a field that holds a comma in quotes; or, if two rows stand \
             here, break the line between them",
            "line 7: 1 field, not 2 (account and tag): add the other",
            "line 8: 1 field, not 2 (account and tag): leave out the quotes around the whole row",
            "line 9: 1 field, not 2 (account and tag): add the other",
            "line 10: 4 fields, not 2 (account and tag): leave out the commas at its end",
            "alice: vip",
        ]
    );
}

#[test]
fn a_row_with_one_bad_tag_among_good_ones_is_bad_as_a_whole() {
    let empty = "tag: empty, at least 1 byte (leave it out, or fill it)";
    assert_eq!(
        rows("account,tags\nalice,vip;;ios\nbob,vip;\ncarol,vip\n"),
        [
            format!("line 2: {empty}"),
            format!("line 3: {empty}"),
            "carol: vip".to_owned(),
        ]
    );
}

#[test]
fn an_op_column_says_what_a_row_does_and_a_clear_has_no_tag() {
    each_comes_to(&[
        (
            "op,account,tags\nadd,a,x;y\n,a,x\nremove,a,x\nclear,a,\nAdd,a,x\ndelete,a,x\n",
            &[
                "a: x|y",
                "a: x",
                "remove a: x",
                "clear a: ",
                "line 6: op: \"Add\" is none of add, remove, clear (use one of them; nothing means add)",
                "line 7: op: \"delete\" is none of add, remove, clear (use one of them; nothing means add)",
            ],
        ),
        // it may leave out a last field for it
        (
            "account,op,tag\na,clear,\na,clear\na,clear,x\na,add\nclear\na,clear,,\na,add,\n",
            &[
                "clear a: ",
                "clear a: ",
                "line 4: tag: \"x\" beside clear, which removes all (leave it empty, or use remove)",
                "line 5: 2 fields, not 3 (account, op and tag): add the other",
                "line 6: 1 field, not 3 (account, op and tag): add the others",
                "line 7: 4 fields, not 3 (account, op and tag): leave out the commas at its end",
                "line 8: tag: empty, at least 1 byte (leave it out, or fill it)",
            ],
        ),
        // which would be the operation here
        (
            "account,tag,op\nclear,\n",
            &["line 2: 2 fields, not 3 (account, tag and op): add the other"],
        ),
    ]);
}

#[test]
fn ndjson_has_rows_of_both_forms_and_a_bad_line_spoils_no_other() {
    let lines = [
        "\u{feff}",
        r#"{"To_Account":"alice","Tags":["a;b","北京"]}"#,
        r#"{"account":"bob","op":"remove","tags":["x"],"code":1,"reason":"r","remedy":"m","effect":"e"}"#,
        "",
        r#" { "op" : "clear" , "To_Account" : "c\u0061\"rol" } "#,
        r#"{"To_Account":"carol","op":"clear","Tags":["x"]}"#,
        r#"{"To_Account":"dave","Tags":[]}"#,
        r#"{"To_Account":"dave","op":"Add","Tags":["x"]}"#,
        r#"{"To_Account":"","Tags":["x"]}"#,
        r#"{"To_Account":"dave","Tag":["x"]}"#,
        "dave,x",
        r#"{"To_Account":"dave","Tags":["x"]}"#,
    ];
    let read = rows(&lines.join("\r\n"));
    assert_eq!(
        read[..7],
        [
            "alice: a;b|北京",
            "remove bob: x",
            "clear ca\"rol: ",
            "line 6: tag: \"x\" beside clear, which removes all (leave it empty, or use remove)",
            "line 7: tags: none given, at least 1 (leave it out, or fill it)",
            "line 8: op: \"Add\" is none of add, remove, clear (use one of them; nothing means add)",
            "line 9: account: empty, at least 1 byte (leave it out, or fill it)",
        ]
    );
    for (row, start) in [
        (
            &read[7],
            "line 10: column 26: unknown field `Tag`, expected one of",
        ),
        (&read[8], "line 11: no object (a row is"),
        (&read[9], "dave: x"),
    ] {
        assert!(row.starts_with(start), "{row}");
    }
    let long = format!("{{\"To_Account\":\"a\",\"{}\":1}}", "x".repeat(100_000));
    assert!(rows(&long)[0].len() < 400, "a name is shown in part");
}

#[test]
fn accounts_are_checked_by_the_rules_of_the_generation() {
    let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
    let file = format!("account,tag\n{id},vip\n");
    let timpush = Rules::for_generation(Generation::Timpush);
    assert_eq!(
        read_by(timpush, file.as_bytes()),
        Ok(vec![format!("{id}: vip")])
    );
    assert_eq!(
        rows(&file),
        ["line 2: account: 36 bytes, at most 32 (shorten it)"]
    );
}

#[test]
fn a_quote_that_is_closed_in_a_later_line_tags_nobody_and_names_the_lines_that_it_swallowed() {
    let empty = |line| format!("line {line}: {EMPTY_ACCOUNT}");
    for (file, expected) in [
        (
            "alice,\"vip\nbob,\"gold\"\ncarol,x\n",
            vec![unclosed(2, 3), "carol: x".to_owned()],
        ),
        // line ends of each kind, and empty lines, are counted
        (
            "\r\nalice,\"a\r\nb\"\r\n,x\r\n",
            vec![unclosed(3, 4), empty(5)],
        ),
        (
            "alice,vip\r\r,vip\ralice,\"a\rb\"\rbob,x",
            vec![
                "alice: vip".to_owned(),
                empty(4),
                unclosed(5, 6),
                "bob: x".to_owned(),
            ],
        ),
    ] {
        let end = if file.contains('\r') { "\r" } else { "\n" };
        assert_eq!(
            rows(&format!("account,tag{end}{file}")),
            expected,
            "{file:?}"
        );
    }
}

#[test]
fn a_quote_that_is_open_at_the_end_refuses_the_file_and_names_its_line() {
    for (file, line) in [
        ("account,\"tag\nalice,vip\n", 1),
        ("account,tag\ncarol,x\nalice,\"vip\nbob,gold\n", 3),
        ("account,tag\nalice,\"vip", 2),
        ("account,tag\nalice,\"vip\r\nbob,x\r\n", 2),
        ("account,tag\nalice,\"vip\"\"\n", 2),
        ("account,tag\n\"a\n\nb\",\"c\r\n", 4),
        ("account,tag\nalice,x\n\"", 3),
    ] {
        assert_eq!(
            refusal(file),
            format!(
                "users.csv ends within quotes that open in line {line}: close them, or double a quote that belongs \
                 to the text; nothing was sent"
            ),
            "{file:?}"
        );
    }
}

#[test]
fn a_quote_where_none_may_stand_makes_a_bad_row_in_every_column() {
    let after =
        "text after its closing quote (put the whole field in quotes, and double those in it)";
    let inside = "a quote inside a field that has none around it (put the field in quotes, and double those in it)";
    let blank = "a blank before its quote (leave it out; or put it in quotes too, and double those in the field)";
    for (header, row, field, what) in [
        ("account,tag", "\"abc\"def,vip", "account", after),
        ("account,tag", "u,\"27\" monitor\"", "tag", after),
        ("account,tag", "u,\"a\" ", "tag", after),
        ("account,tag", "u,\"\"a\"\"", "tag", after),
        ("account,tag", "u,27\" monitor", "tag", inside),
        ("account,tag", "u\",a", "account", inside),
        ("account,tag", "u,a\"b,\"c\"d", "tag", inside),
        ("account,tag", "u, \"vip\"", "tag", blank),
        ("account,tag", "u,\t\"vip\"", "tag", blank),
        ("tags,account", "a;b\"c\",u", "tags", inside),
        ("account,tags", "u,\"a\";\"b\"", "tags", after),
        ("account,op,tag", "u,\"add\" ,vip", "op", after),
        ("account,tag", "u,vip,\"a\"b", "field 3", after),
    ] {
        for end in ["\n", "\r\n", "\r", ""] {
            let file = format!(
                "{header}{}{row}{end}",
                if end.is_empty() { "\n" } else { end }
            );
            assert_eq!(
                rows(&file),
                [format!("line 2: {field}: {what}")],
                "{file:?}"
            );
        }
    }
}

#[test]
fn a_header_that_comes_again_is_a_bad_row_and_one_of_other_columns_refuses_the_file() {
    let again = |line| {
        format!(
            "line {line}: the header again, as where files were put together (leave it out; a user or a tag of that \
             name goes in NDJSON)"
        )
    };
    assert_eq!(
        rows(
            "account,tag\na,x\naccount,tag\n\u{feff}account,tag\nAccount,Tag\nb,x\nalice,account\n"
        ),
        [
            "a: x".to_owned(),
            again(3),
            again(4),
            again(5),
            "b: x".to_owned(),
            "alice: account".to_owned()
        ]
    );
    assert_eq!(
        refusal("account,tag\na,x\n\u{feff}tag,account\nx,b\n"),
        "users.csv has another header in line 3 (tag,account), after which its rows would be read in the wrong way: \
         import the files that were put together one by one (a user named account goes in NDJSON); nothing was sent"
    );
}

#[test]
fn rows_of_empty_fields_count_as_blank_lines() {
    let empty = |line| format!("line {line}: {EMPTY_ACCOUNT}");
    assert_eq!(
        rows(
            ",,\naccount,tag\na,x\n,\n,,,\n\"\",\"\"\n , \n\t,\u{a0}\n  \n\" \",\n\u{3000},\u{3000},\n,x\n"
        ),
        ["a: x".to_owned(), empty(12)]
    );
    for empty in ["", ",,\n,,\n", "\u{feff}", "\n\r\n", "\u{feff}\n"] {
        let says =
            "users.csv is empty: its first line must be the header account,tag or account,tags";
        assert_eq!(refusal(empty), says, "{empty:?}");
    }
    let row = |account: &str| format!("{{\"To_Account\":\"{account}\",\"Tags\":[\"x\"]}}\n");
    let json = [row("a"), "  \n\t\r\n".to_owned(), row("")].concat();
    assert_eq!(rows(&json), ["a: x".to_owned(), empty(4)]);
}

#[test]
fn bytes_that_are_no_text_refuse_the_file_wherever_they_stand() {
    let filler = "alice,vip\n".repeat(70_000);
    let late = |bytes: &[u8]| [b"account,tag\n", filler.as_bytes(), bytes].concat();
    let zero = "is not a text file: line {} holds a zero byte, as UTF-16 text and binary files do; give a CSV file in \
                UTF-8, with the header account,tag or account,tags; nothing was sent";
    let gbk = "is not UTF-8 in line {}, and a file has one encoding; it is probably GBK or GB18030 (else Big5 or \
               another): export it as CSV UTF-8, or convert it with iconv -f GB18030 -t UTF-8; nothing was sent";
    let json = |tag: &[u8]| [b"{\"To_Account\":\"a\",\"Tags\":[\"", tag, b"\"]}\n"].concat();
    for (file, line, says) in [
        (b"acc\0ount,tag\nalice,vip\n".to_vec(), 1, zero),
        (late(b"al\0ice,x\n"), 70_002, zero),
        (json(b"x\"],\"reason\":[\"\0"), 1, zero),
        // the next row is GBK that is UTF-8 by chance
        (late(b"bob,\xb1\xb1\xbe\xa9\ncarol,\xc4\xa7\n"), 70_002, gbk),
        ([json(b"x"), json(b"\xb1\xb1\xbe\xa9")].concat(), 2, gbk),
    ] {
        let says = says.replace("{}", &line.to_string());
        assert_eq!(refusal(file), format!("users.csv {says}"));
    }
}

#[test]
fn a_row_has_a_bound_and_those_after_it_are_read_on() {
    let tag = "x".repeat(ROW_BYTES);
    let long =
        "line 2: more than 1048576 bytes, at most 1048576 a row (split its tags into several rows)";
    assert_eq!(
        rows(&format!("account,tags\nalice,{tag}\nbob,x\n")),
        [long, "bob: x"]
    );
    let json = |account: &str| format!("{{\"To_Account\":\"{account}\",\"Tags\":[\"x\"]}}\n");
    assert_eq!(
        rows(&[json("alice"), json(&tag), json("bob")].concat()),
        ["alice: x", long, "bob: x"]
    );
}

#[test]
fn a_name_that_nobody_means_makes_a_bad_row_and_may_be_removed() {
    let white = "only white space (leave it out, or fill it)";
    let zero_width = "holds U+200B, which cannot be seen (leave it out)";
    let mark = "holds U+FEFF, a byte order mark, which cannot be seen (leave it out)";
    let lost =
        "holds U+FFFD, which stands for a character that was lost before (take it from the source)";
    let zero = "holds a zero byte (leave it out)";
    let dos = "U+001A, which ends a file of DOS (leave it out)";
    assert_eq!(
        rows(concat!(
            "\u{feff}\u{feff}account,op,tags\n ,,x\na,,x; ;y\n\u{feff}b,,x\nb,,x;\u{fffd}\n",
            " ,remove,x\na,remove, \nu4\u{200b},clear,\nb,remove,\u{fffd}x\n\u{a0}a,,x y\na,,vip\u{1a}\n\u{1a}"
        )),
        [
            format!("line 2: account: {white}"),
            format!("line 3: tag: {white}"),
            format!("line 4: account: {mark}"),
            format!("line 5: tag: {lost}"),
            "remove  : x".to_owned(),
            "remove a:  ".to_owned(),
            "clear u4\u{200b}: ".to_owned(),
            "remove b: \u{fffd}x".to_owned(),
            "\u{a0}a: x y".to_owned(),
            format!("line 11: tag: holds {dos}"),
            format!("line 12: {dos}"),
        ]
    );
    // escapes of JSON make them too
    let lines = [
        r#"{"To_Account":" ","Tags":["x"]}"#,
        r#"{"To_Account":"a","Tags":["x","\u200b"]}"#,
        r#"{"To_Account":"a","Tags":["x\ufeff"]}"#,
        r#"{"To_Account":"b","Tags":["\ufffd"]}"#,
        r#"{"To_Account":"al\u0000ice","Tags":["x"]}"#,
        r#"{"To_Account":"a","Tags":["x","\u0000"]}"#,
        r#"{"To_Account":"a","op":"add\u0000","Tags":["x"]}"#,
        "\u{feff}{\"To_Account\":\"b\",\"Tags\":[\"x\"]}",
        r#"{"To_Account":"a\n","op":"remove","Tags":[" "]}"#,
        r#"{"account":"a","tags":["x"],"reason":"\u0000\ud800"}"#,
        "\u{1a}",
    ];
    assert_eq!(
        rows(&lines.join("\n")),
        [
            format!("line 1: account: {white}"),
            format!("line 2: tag: {zero_width}"),
            format!("line 3: tag: {mark}"),
            format!("line 4: tag: {lost}"),
            format!("line 5: account: {zero}"),
            format!("line 6: tag: {zero}"),
            "line 7: op: \"add\\0\" is none of add, remove, clear (use one of them; nothing means add)".to_owned(),
            "line 8: begins with U+FEFF, a byte order mark, as where files were put together (leave it out)".to_owned(),
            "remove a\n:  ".to_owned(),
            "a: x".to_owned(),
            format!("line 11: {dos}"),
        ]
    );
    for name in ["\\ud800", "\\udc00x", "\\ud83dx"] {
        let read = rows(&format!("{{\"To_Account\":\"{name}\",\"Tags\":[\"x\"]}}"));
        assert!(read[0].starts_with("line 1: column "), "{read:?}");
    }
}
