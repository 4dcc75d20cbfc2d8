//! Files that are refused as a whole: whatever they are packed with, wherever they come from and whatever is to be done
//! with them, one sentence says what they are and what to do, the exit code is 2, and nothing is sent.

#![cfg(feature = "emulator")]
#![allow(clippy::unwrap_used)] // all of it is test code

mod stage;

use stage::{Stage, gzip, run, run_with_input};

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// Files, and what is said of each after its name.
const REFUSED: [(&[u8], &str); 8] = [
    (
        b"account,tag\nalice,\xb1\xb1\xbe\xa9\nbob,vip\n",
        "is not UTF-8 in line 2, and a file has one encoding; it is probably GBK or GB18030",
    ),
    (
        b"{\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}\n{\"To_Account\":\"bob\",\"Tags\":[\"\xb1\xb1\xbe\xa9\"]}\n",
        "is not UTF-8 in line 2, and a file has one encoding; it is probably GBK or GB18030",
    ),
    (
        b"a\0c\0c\0o\0u\0n\0t\0,\0t\0a\0g\0\n\0",
        "is UTF-16LE text: save it as UTF-8, or convert it with iconv -f UTF-16LE -t UTF-8",
    ),
    (
        b"account,tag\nalice,v\0ip\n",
        "is not a text file: line 2 holds a zero byte",
    ),
    (
        b"account,tag\nalice,vip\nbob,\"gold\ncarol,x\n",
        "ends within quotes that open in line 3",
    ),
    (
        b"account,tag\nalice,vip\ntag,account\nvip,bob\n",
        "has another header in line 3 (tag,account)",
    ),
    (
        b"[{\"To_Account\":\"alice\",\"Tags\":[\"vip\"]}]\n",
        "is a JSON array: write an object a line (jq -c '.[]')",
    ),
    (
        b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0[Content_Types].xml",
        "is an Excel workbook: export it as CSV UTF-8, and import that",
    ),
];

#[test]
fn a_refused_file_says_the_same_packed_piped_dry_and_in_a_demo_and_nothing_is_sent() {
    let stage = Stage::new();
    for (bytes, sentence) in REFUSED {
        for packed in [bytes.to_vec(), gzip(bytes), zstd(bytes)] {
            stage.file("users.csv", &packed);
            let said = format!("imtag: users.csv {sentence}");
            stage.run(&["import", "users.csv"]).refuses(2, &said);
            for how in ["--dry-run", "--demo"] {
                run(stage.bare(&["import", how, "users.csv"])).refuses(2, &said);
            }
            let piped = run_with_input(stage.imtag(&["import", "-"]), &packed);
            piped.refuses(2, &format!("imtag: standard input {sentence}"));
        }
    }
    assert_eq!(stage.emulator.stats().arrivals(), 0);
    let left = std::fs::read_dir(stage.home.path()).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["users.csv"], "no journal and no list");
}

#[test]
fn a_refused_file_names_itself_in_json_too_and_steers_no_terminal() {
    let stage = Stage::new();
    let name = "a\u{1b}[2J.csv";
    stage.file(name, "alice\u{1b}[2J,vip\n");
    stage.run(&["import", name]).refuses(
        2,
        "imtag: a\\u{1b}[2J.csv does not start with the header account,tag or account,tags: its first line is \
         \"alice\\u{1b}[2J,vip\"\n",
    );
    let (exit, refused) = stage.json(&["import", name]);
    assert_eq!(exit, Some(2));
    assert_eq!(refused["error"]["exit_code"], 2);
}
