//! Files as people and programs write them, and what is wrong with their rows.

use super::*;
use crate::import::memory::Memory;
use imtag_core::Generation;

#[path = "leftover_tests.rs"]
mod leftover;
#[path = "strict_tests.rs"]
mod strict;

/// Each row as `account: tag|tag`, with its operation before it where that is not add, or as `line N: reason`; or what is
/// wrong with the file.
fn read_by(rules: Rules, bytes: &[u8]) -> Result<Vec<String>, String> {
    let from = std::io::Cursor::new(bytes.to_vec());
    let input =
        Input::from_reader("users.csv", from, Memory::LEAST).map_err(|error| error.to_string())?;
    let mut read = Vec::new();
    let rows = Rows::new(input, rules).map_err(|error| error.to_string())?;
    let count = rows.for_each(|row| {
        read.push(match row {
            Ok(Change { account, op, tags }) => {
                let mut list = Vec::new();
                tags.for_each(|tag| list.push(tag.to_owned()));
                assert_eq!(list.len(), tags.count());
                let op = match op {
                    Op::Add => String::new(),
                    op => format!("{} ", op.name()),
                };
                format!("{op}{account}: {}", list.join("|"))
            }
            Err(BadRow { line, reason }) => format!("line {line}: {reason}"),
        });
        Ok::<_, FileError>(())
    });
    let count = count.map_err(|error| error.to_string())?;
    assert_eq!(count.rows, read.len() as u64);
    Ok(read)
}

fn rows_by(rules: Rules, bytes: &[u8]) -> Vec<String> {
    read_by(rules, bytes).unwrap()
}

fn refusal(bytes: impl AsRef<[u8]>) -> String {
    read_by(Rules::default(), bytes.as_ref()).unwrap_err()
}

fn rows(text: &str) -> Vec<String> {
    rows_by(Rules::default(), text.as_bytes())
}

#[test]
fn a_tag_a_row() {
    assert_eq!(
        rows("account,tag\nalice,vip\nbob,北京\n"),
        ["alice: vip", "bob: 北京"]
    );
}

#[test]
fn all_tags_in_one_field() {
    assert_eq!(
        rows("account,tags\nalice,vip;北京\nbob,ios\n"),
        ["alice: vip|北京", "bob: ios"]
    );
}

#[test]
fn a_semicolon_is_part_of_the_tag_where_there_is_a_tag_a_row() {
    assert_eq!(rows("account,tag\nalice,a;b\n"), ["alice: a;b"]);
}

#[test]
fn a_bom_crlf_blank_lines_and_no_last_line_end() {
    assert_eq!(
        rows("\u{feff}account,tag\r\nalice,vip\r\n\r\nbob,vip"),
        ["alice: vip", "bob: vip"]
    );
}

#[test]
fn quoted_fields_with_commas_and_quotes() {
    assert_eq!(
        rows("\"account\",\"tag\"\n\"li,na\",\"the \"\"gold\"\" plan\"\ncarol,x\n"),
        ["li,na: the \"gold\" plan", "carol: x"]
    );
}

#[test]
fn a_header_alone_is_a_file_without_rows() {
    assert!(rows("account,tag\n").is_empty());
    assert!(rows("account,tag").is_empty());
}

#[test]
fn a_bad_row_names_its_line_and_the_rows_after_it_are_read_on() {
    let file = format!(
        "account,tag\n,vip\nalice,\nalice,{}\n{},vip\nalice,vip,beijing\nalice\nalice,vip\n",
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
            "alice: vip",
        ]
    );
}

#[test]
fn a_row_with_one_bad_tag_among_good_ones_is_bad_as_a_whole() {
    assert_eq!(
        rows("account,tags\nalice,vip;;ios\nbob,vip;\ncarol,vip\n"),
        [
            "line 2: tag: empty, at least 1 byte (leave it out, or fill it)",
            "line 3: tag: empty, at least 1 byte (leave it out, or fill it)",
            "carol: vip",
        ]
    );
}

#[test]
fn an_op_column_says_what_a_row_does_and_nothing_in_it_means_add() {
    assert_eq!(
        rows("op,account,tags\nadd,a,x;y\n,a,x\nremove,a,x\nclear,a,\nAdd,a,x\ndelete,a,x\n"),
        [
            "a: x|y",
            "a: x",
            "remove a: x",
            "clear a: ",
            "line 6: op: \"Add\" is none of add, remove, clear (use one of them; nothing means add)",
            "line 7: op: \"delete\" is none of add, remove, clear (use one of them; nothing means add)",
        ]
    );
}

#[test]
fn a_clear_has_no_tag_and_may_leave_out_a_last_field_for_it() {
    assert_eq!(
        rows("account,op,tag\na,clear,\na,clear\na,clear,x\na,add\nclear\na,clear,,\na,add,\n"),
        [
            "clear a: ",
            "clear a: ",
            "line 4: tag: \"x\" beside clear, which removes all (leave it empty, or use remove)",
            "line 5: 2 fields, not 3 (account, op and tag): add the other",
            "line 6: 1 field, not 3 (account, op and tag): add the others",
            "line 7: 4 fields, not 3 (account, op and tag): leave out the commas at its end",
            "line 8: tag: empty, at least 1 byte (leave it out, or fill it)",
        ]
    );
    // what is left out here would be the operation
    assert_eq!(
        rows("account,tag,op\nclear,\n"),
        ["line 2: 2 fields, not 3 (account, tag and op): add the other"]
    );
}

#[test]
fn ndjson_has_rows_of_both_forms_and_a_bad_line_spoils_no_other() {
    let lines = [
        "\u{feff}",
        r#"{"To_Account":"alice","Tags":["a;b","北京"]}"#,
        r#"{"account":"bob","op":"remove","tags":["x"],"code":1,"reason":"r","remedy":"m","effect":"e"}"#,
        "",
        r#"{"To_Account":"carol","op":"clear"}"#,
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
            "clear carol: ",
            "line 6: tag: \"x\" beside clear, which removes all (leave it empty, or use remove)",
            "line 7: tags: none, at least 1 (leave it out, or fill it)",
            "line 8: op: \"Add\" is none of add, remove, clear (use one of them; nothing means add)",
            "line 9: account: empty, at least 1 byte (leave it out, or fill it)",
        ]
    );
    assert!(
        read[7].starts_with("line 10: column 26: unknown field `Tag`, expected one of"),
        "{}",
        read[7]
    );
    assert!(
        read[8].starts_with("line 11: no object (a row is"),
        "{}",
        read[8]
    );
    assert_eq!(read[9], "dave: x");
}

#[test]
fn a_line_of_ndjson_that_buffers_share_is_one() {
    let line = "{\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}\n";
    let read = rows(&line.repeat(10_000));
    assert_eq!(read.len(), 10_000);
    assert!(read.iter().all(|row| row == "alice: vip"));
}

#[test]
fn accounts_are_checked_by_the_rules_of_the_generation() {
    let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
    let file = format!("account,tag\n{id},vip\n");
    assert_eq!(
        rows_by(Rules::for_generation(Generation::Timpush), file.as_bytes()),
        [format!("{id}: vip")]
    );
    assert_eq!(
        rows(&file),
        ["line 2: account: 36 bytes, at most 32 (shorten it)"]
    );
}
