//! What comes from outside, such as a form's fields and an order's number, in the classes and functions of `examples`: no
//! key and no id makes another request of theirs, what is no text is refused by its place, and what PHP makes a number is
//! an account. The programs of `tests/serve` say what came of each, in the same words in every language.

use std::path::Path;

use crate::error::Error;
use crate::serve_later::{Request, answer, stand_in};

/// What each is started by, where the page's commands have run.
const PROGRAMS: [(&str, &str); 4] = [
    ("PHP", "php \"$LIBIMTAG/tests/serve/outside.php\""),
    (
        "Java",
        "java -cp classes \"$LIBIMTAG/tests/serve/Outside.java\"",
    ),
    ("Node", "node \"$LIBIMTAG/tests/serve/outside.mjs\""),
    ("sh", "sh \"$LIBIMTAG/tests/serve/outside.sh\""),
];

const KEY: &str = "the key is not 1 to 255 letters, digits and signs of ASCII, without blanks";
const ID: &str = "the id is none that post returns, such as 12";

/// Runs the program of a language. `print` runs one at a socket, and returns what it prints and how it ends; `real` is the
/// socket of a daemon.
pub(crate) fn outside(
    language: &str,
    folder: &Path,
    real: &str,
    print: impl Fn(&str, &str) -> Result<String, Error>,
) -> Result<(), Error> {
    let program = PROGRAMS.iter().find(|(name, _)| *name == language);
    let (_, program) = program.ok_or_else(|| format!("no program is known in {language}"))?;
    let deleted = answer("200 OK", "application/json", "", r#"{"deleted":1}"#);
    let requests = stand_in(&folder.join("brief.sock"), vec![deleted])?;
    let printed = print(program, &format!("{real} brief.sock"))?;
    let expected = expected(language);
    if printed != expected {
        return Err(
            format!("of what comes from outside it says\n{printed}\nnot\n{expected}").into(),
        );
    }
    let requests: Vec<Request> = requests.try_iter().collect();
    let brief = Request {
        target: "DELETE /v1/failures".to_owned(),
        key: String::new(),
        timeout: Some(1.5),
        body: r#"["7-1"]"#.to_owned(),
    };
    if language != "sh" && requests != [brief] {
        return Err(format!("with 1.5 seconds it asks for {requests:?}").into());
    }
    Ok(())
}

fn expected(language: &str) -> String {
    let (not_stored, not_read) = match language {
        "sh" => ("not stored: ", "not read: "),
        _ => ("", ""),
    };
    let mut lines = Vec::new();
    for key in ["a request", "an end", "a blank", "a letter", "none", "256"] {
        lines.push(format!("key of {key}: {not_stored}{KEY}"));
    }
    lines.push("key of 255: done".to_owned());
    lines.push("key of signs: done".to_owned());
    for id in ["a request", "another path", "none"] {
        lines.push(format!("id of {id}: {not_read}{ID}"));
    }
    let (why, remedy) = match language {
        "PHP" => (
            "no text: Malformed UTF-8 characters, possibly incorrectly encoded",
            "send UTF-8",
        ),
        _ => ("no text: half of a character", "cut no character in two"),
    };
    if language == "sh" {
        let refused = "the body is not UTF-8 in line 2: send it as UTF-8";
        lines.push(format!("rows: not stored: {refused}"));
    } else {
        lines.push("rows: 1 of 2 rows cannot be taken, and so none was stored".to_owned());
        lines.push(format!("  row 2: {why}: {remedy}"));
        for (call, account) in [("users", "half"), ("accounts", "?half")] {
            let others = "and 1 more; passing: mine";
            lines.push(format!(
                "{call}: {account}: {why} (not applied; {remedy}), {others}"
            ));
        }
    }
    lines.push("victim: ".to_owned());
    lines.push("42: beijing vip".to_owned());
    if language != "sh" {
        lines.push("brief: done".to_owned());
    }
    lines.push("exit 0\n".to_owned());
    lines.join("\n")
}
