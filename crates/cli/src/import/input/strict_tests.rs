//! What no row and no file may be, since it would tag what nobody wrote: bad rows, and files that are refused.

use super::*;

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
            "alice,\"vip\nbob,\"gold\"\ncarol,x\n",
            vec![unclosed(2, 3), "carol: x".to_owned()],
        ),
        (
            "alice,\"a\rb\"\nbob,x",
            vec![unclosed(2, 3), "bob: x".to_owned()],
        ),
        ("alice,\"vip\"", vec!["alice: vip".to_owned()]),
    ] {
        assert_eq!(rows(&format!("account,tag\n{file}")), expected, "{file:?}");
    }
}

#[test]
fn a_quote_that_is_open_at_the_end_refuses_the_file_and_names_its_line() {
    for (file, line) in [
        ("carol,x\nalice,\"vip\nbob,gold\n", 3),
        ("alice,\"vip", 2),
        ("alice,\"vip\r\nbob,x\r\n", 2),
        ("alice,x\n\"", 3),
    ] {
        assert_eq!(
            refusal(format!("account,tag\n{file}")),
            format!(
                "users.csv ends within quotes that open in line {line}: close them, or double a quote that is one of \
                 the text; nothing was sent"
            ),
            "{file:?}"
        );
    }
    assert!(refusal("account,\"tag\nalice,vip\n").contains("quotes that open in line 1"));
}

#[test]
fn a_quote_where_none_may_stand_makes_a_bad_row_in_every_column() {
    let after =
        "text after its closing quote (put the whole field in quotes, and double those in it)";
    let inside = "a quote inside a field that has none around it (put the field in quotes, and double those in it)";
    let blank = "a blank before its quote (leave it out; or put it in quotes too, and double those in the field)";
    for (header, row, reason) in [
        ("account,tag", "\"abc\"def,vip", format!("account: {after}")),
        ("account,tag", "u,\"27\" monitor\"", format!("tag: {after}")),
        ("account,tag", "u,27\" monitor", format!("tag: {inside}")),
        ("account,tag", "u, \"vip\"", format!("tag: {blank}")),
        ("tags,account", "a;b\"c\",u", format!("tags: {inside}")),
        ("account,tags", "u,\"a\";\"b\"", format!("tags: {after}")),
        ("account,op,tag", "u,\"add\" ,vip", format!("op: {after}")),
        ("account,tag", "u,vip,\"a\"b", format!("field 3: {after}")),
    ] {
        assert_eq!(
            rows(&format!("{header}\n{row}\n")),
            [format!("line 2: {reason}")],
            "{row}"
        );
    }
}

#[test]
fn a_header_that_comes_again_is_a_bad_row_and_one_of_other_columns_refuses_the_file() {
    let again = "the header again, as where files were put together (leave it out; a user or a tag of that name goes in NDJSON)";
    assert_eq!(
        rows("account,tag\na,x\naccount,tag\n\u{feff}account,tag\nAccount,Tag\nb,x\n"),
        [
            "a: x".to_owned(),
            format!("line 3: {again}"),
            format!("line 4: {again}"),
            format!("line 5: {again}"),
            "b: x".to_owned()
        ]
    );
    assert_eq!(
        rows("account,tag,op\na,x,add\naccount,tag,op\n")[1],
        format!("line 3: {again}")
    );
    assert_eq!(
        refusal("account,tag\na,x\n\u{feff}tag,account\nx,b\n"),
        "users.csv has another header in line 3 (tag,account), after which its rows would be read in the wrong way: \
         import the files that were put together one by one (a user named account goes in NDJSON); nothing was sent"
    );
    assert!(refusal("account,tags\na,x;y\naccount,tag\nb,x\n").contains("in line 3 (account,tag)"));
}

#[test]
fn rows_of_empty_fields_are_as_blank_lines() {
    assert_eq!(
        rows(
            ",,\naccount,tag\na,x\n,\n,,,\n\"\",\"\"\n , \n\t,\u{a0}\n  \n\" \",\n\u{3000},\u{3000},\n,x\n"
        ),
        [
            "a: x",
            "line 12: account: empty, at least 1 byte (leave it out, or fill it)"
        ]
    );
    assert_eq!(
        rows("account,tag\na,x,,\n"),
        ["line 2: 4 fields, not 2 (account and tag): leave out the commas at its end"]
    );
    assert_eq!(refusal(",,\n,,\n"), refusal(""));
    let row = |account: &str| format!("{{\"To_Account\":\"{account}\",\"Tags\":[\"x\"]}}\n");
    let json = [row("a"), "  \n\t\r\n".to_owned(), row("")].concat();
    assert_eq!(
        rows(&json),
        [
            "a: x",
            "line 4: account: empty, at least 1 byte (leave it out, or fill it)"
        ]
    );
}

#[test]
fn a_file_with_cr_for_line_ends_has_lines_too() {
    assert_eq!(
        rows("account,tag\ralice,vip\r\r,vip\ralice,\"a\rb\"\rbob,x"),
        [
            "alice: vip".to_owned(),
            "line 4: account: empty, at least 1 byte (leave it out, or fill it)".to_owned(),
            unclosed(5, 6),
            "bob: x".to_owned(),
        ]
    );
}

#[test]
fn a_zero_byte_refuses_the_file_wherever_it_stands() {
    let filler = "alice,vip\n".repeat(70_000);
    for (file, line) in [
        ("account,tag\nalice,vip\0\n".to_owned(), 2),
        ("acc\0ount,tag\nalice,vip\n".to_owned(), 1),
        ("account,op,tag\nalice,ad\0d,vip\n".to_owned(), 2),
        (format!("account,tags\n{filler}al\0ice,x\n"), 70_002),
        (format!("account,tag\n{filler}\0\n"), 70_002),
        ("{\"To_Account\":\"a\0\",\"Tags\":[\"x\"]}".to_owned(), 1),
        (
            "{\"account\":\"a\",\"tags\":[\"x\"],\"reason\":\"\0\"}".to_owned(),
            1,
        ),
    ] {
        assert_eq!(
            refusal(file),
            format!(
                "users.csv is not a text file: line {line} holds a zero byte, as UTF-16 text and binary files do; give \
                 a CSV file in UTF-8, with the header account,tag or account,tags; nothing was sent"
            )
        );
    }
}

#[test]
fn a_row_has_a_bound_and_those_after_it_are_read_on() {
    let tag = "x".repeat(ROW_BYTES);
    let reason =
        "more than 1048576 bytes, at most 1048576 a row (split its tags into several rows)";
    assert_eq!(
        rows(&format!("account,tags\nalice,{tag}\nbob,x\n")),
        [format!("line 2: {reason}"), "bob: x".to_owned()]
    );
    let json = |account: &str| format!("{{\"To_Account\":\"{account}\",\"Tags\":[\"x\"]}}\n");
    assert_eq!(
        rows(&[json("alice"), json(&tag), json("bob")].concat()),
        [
            "alice: x".to_owned(),
            format!("line 2: {reason}"),
            "bob: x".to_owned()
        ]
    );
}

#[test]
fn a_row_that_is_not_utf8_refuses_the_file_also_where_others_pass_by_chance() {
    // the last row is GBK for a tag that is UTF-8 too
    let gbk = b"account,tag\nalice,\xb1\xb1\xbe\xa9\nbob,\xc9\xcf\xba\xa3\ncarol,\xc4\xa7\n";
    let json = b"{\"To_Account\":\"a\",\"Tags\":[\"x\"]}\n{\"To_Account\":\"a\",\"Tags\":[\"\xb1\xb1\xbe\xa9\"]}\n";
    for bytes in [&gbk[..], &json[..]] {
        assert_eq!(
            refusal(bytes),
            "users.csv is not UTF-8 in line 2, and a file has one encoding; it is probably GBK or GB18030 (else Big5 or \
             another): export it as CSV UTF-8, or convert it with iconv -f GB18030 -t UTF-8; nothing was sent"
        );
    }
    let filler = "alice,vip\n".repeat(70_000);
    let late = [b"account,tag\n", filler.as_bytes(), b"bob,caf\xe9\n"].concat();
    let said = refusal(late);
    assert!(
        said.contains("in line 70002, ") && said.contains("Windows-1252"),
        "{said}"
    );
}

#[test]
fn a_name_of_any_length_in_a_bad_row_is_shown_in_part() {
    let row = format!("{{\"To_Account\":\"a\",\"{}\":1}}", "x".repeat(100_000));
    assert!(rows(&row)[0].len() < 400);
}

/// Brings so many bytes at once.
struct Chunks {
    bytes: std::io::Cursor<Vec<u8>>,
    most: usize,
}

impl std::io::Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = self.most.min(into.len());
        self.bytes.read(&mut into[..most])
    }
}

/// Each line that has a row as its number and the row's account, or what `serde_json` says of it by itself.
fn lines_by_themselves(text: &str) -> Vec<(u64, Option<String>)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = (1..).zip(text.split('\n'));
    let account = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(row["To_Account"].as_str()?.to_owned())
    };
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| (number, account(line)))
        .collect()
}

proptest::proptest! {
    #[test]
    fn a_line_of_ndjson_is_read_by_itself_wherever_reads_end(
        parts in proptest::collection::vec(0..7_usize, 1..12),
        most in 1..9_usize,
    ) {
        let parts = parts.into_iter().map(|part| [
            r#"{"To_Account":"alice","Tags":["vip"]}"#,
            r#"{"To_Account":"北京","Tags":["贵宾"]}"#,
            r#"{"To_Account":"cut","Tags":["vip""#,
            "\n",
            "\r\n",
            "\r",
            " ",
        ][part]);
        let text = parts.collect::<String>();
        let bytes = std::io::Cursor::new(text.clone().into_bytes());
        let lines = Lines::new(Box::new(Chunks { bytes, most }));
        let rows = Rows {
            name: "users.ndjson".to_owned(),
            rules: Rules::default(),
            rows: ByFormat::Ndjson(JsonLines { lines, line_buffer: String::new() }),
        };
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        rows.for_each(|row| {
            match row {
                Ok(change) => good.push(change.account.to_owned()),
                Err(row) => bad.push(row.line),
            }
            Ok::<_, FileError>(())
        }).unwrap();
        let expected = lines_by_themselves(&text);
        let names = expected.iter().filter_map(|(_, account)| account.clone());
        let refused = expected.iter().filter(|(_, account)| account.is_none());
        proptest::prop_assert_eq!(good, names.collect::<Vec<_>>());
        proptest::prop_assert_eq!(bad, refused.map(|(line, _)| *line).collect::<Vec<_>>());
    }
}
