//! Files as people and programs write them, and what is wrong with their rows.

use super::*;
use imtag_core::Generation;

/// Each row as `account: tag|tag`, or as `line N: reason`.
fn rows_by(rules: Rules, bytes: &[u8]) -> Vec<String> {
    let input = Input::of("users.csv", std::io::Cursor::new(bytes.to_vec())).unwrap();
    let mut rows = Rows::of(input, rules).unwrap();
    let mut read = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        read.push(match row {
            Row::Good { account, tags } => {
                let tags: Vec<_> = tags.iter().map(Tag::as_str).collect();
                format!("{account}: {}", tags.join("|"))
            }
            Row::Bad(BadRow { line, reason }) => format!("line {line}: {reason}"),
        });
    }
    read
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
            "line 6: 3 fields, not 2 (account and tag): put a field that holds a comma in quotes",
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

/// What is said of a row of several lines.
fn unclosed(first: u64, last: u64) -> String {
    format!(
        "line {first}: lines {first} to {last} are one row, as a quote is probably not closed: close it, or leave out \
         the line end that a field holds"
    )
}

#[test]
fn line_numbers_count_blank_lines_and_lines_within_quotes() {
    assert_eq!(
        rows("account,tag\r\n\r\nalice,\"a\nb\"\r\n,x\r\n"),
        [
            unclosed(3, 4),
            "line 5: account: empty, at least 1 byte (leave it out, or fill it)".to_owned()
        ]
    );
}

#[test]
fn a_quote_that_is_not_closed_tags_nobody_and_names_the_lines_that_it_swallowed() {
    for (file, expected) in [
        (
            "carol,x\nalice,\"vip\nbob,gold\n",
            vec!["carol: x".to_owned(), unclosed(3, 4)],
        ),
        (
            "alice,\"vip\nbob,\"gold\"\ncarol,x\n",
            vec![unclosed(2, 3), "carol: x".to_owned()],
        ),
        ("alice,\"vip", vec![unclosed(2, 2)]),
        ("alice,\"vip\n", vec![unclosed(2, 2)]),
        ("alice,\"vip\r\nbob,x\r\n", vec![unclosed(2, 3)]),
        (
            "alice,\"a\rb\"\nbob,x",
            vec![unclosed(2, 2), "bob: x".to_owned()],
        ),
        ("alice,x\n\"", vec!["alice: x".to_owned(), unclosed(3, 3)]),
        ("alice,\"vip\"", vec!["alice: vip".to_owned()]),
    ] {
        assert_eq!(rows(&format!("account,tag\n{file}")), expected, "{file:?}");
    }
}

#[test]
fn bytes_that_are_not_utf8_spoil_their_row_only() {
    assert_eq!(
        rows_by(
            Rules::default(),
            b"account,tag\nalice,\xb1\xb1\xbe\xa9\nal\xffice,vip\nbob,vip\n"
        ),
        [
            "line 2: tag: not UTF-8 from byte 0 on (convert it to UTF-8)",
            "line 3: account: not UTF-8 from byte 2 on (convert it to UTF-8)",
            "bob: vip"
        ]
    );
}

#[test]
fn accounts_are_checked_by_the_rules_of_the_generation() {
    let id = "379C2F0D-290D-47AE-94D1-919058C39C77";
    let file = format!("account,tag\n{id},vip\n");
    assert_eq!(
        rows_by(Rules::of(Generation::Timpush), file.as_bytes()),
        [format!("{id}: vip")]
    );
    assert_eq!(
        rows(&file),
        ["line 2: account: 36 bytes, at most 32 (shorten it)"]
    );
}
