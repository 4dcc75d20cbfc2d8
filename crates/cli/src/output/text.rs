//! How text is shown. Accounts, tags and texts of the service have their control characters and invisible ones escaped,
//! so that none of them steers a terminal, turns its text around or hides. Messages lose what has the form of a secret.
//! Lines of a report fit a page, and a count of one is singular.

use std::fmt::{self, Write};

use imtag_rows::odd::is_invisible;

/// Text from outside, safe to show.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if c.is_control() || is_invisible(c) {
                write!(f, "{}", c.escape_default())
            } else {
                f.write_char(c)
            }
        })
    }
}

const HIDDEN: &str = "(not shown, as it may be a secret)";

/// A secret key has 64 letters and digits. Any run that is as long counts as one.
const KEY_LENGTH: usize = 64;

/// A UserSig has more letters than this.
const USERSIG_LENGTH: usize = 80;

/// Of a secret that a message cuts short, a start of this many letters is hidden as well.
const CUT_LENGTH: usize = 32;

/// A message without what has the form of a secret: a key in place of the path of its file, in another setting or with
/// something beside it; a UserSig in place of an account. Logs keep messages.
pub(crate) fn without_secrets(message: &str) -> String {
    let message = &without_logins(message);
    let mut shown = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while !rest.is_empty() {
        let start = rest.find(is_of_secret).unwrap_or(rest.len());
        let (before, from_run) = rest.split_at(start);
        shown.push_str(before);
        // in an escape such as \n of a quoted value, the letter is no part of what follows
        let escaped =
            usize::from(before.ends_with('\\') && from_run.starts_with(['n', 'r', 't', '0']));
        let (letter, from_run) = from_run.split_at(escaped);
        shown.push_str(letter);
        let end = from_run.find(|c| !is_of_secret(c));
        let (run, after) = from_run.split_at(end.unwrap_or(from_run.len()));
        hide_in(run, after.starts_with('…'), &mut shown);
        rest = after;
    }
    shown
}

/// A message without what stands before the host of a URL: a user, and perhaps a password.
fn without_logins(message: &str) -> String {
    let mut parts = message.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || c == '"');
        let login = part[..end.unwrap_or(part.len())].rfind('@');
        shown.push_str("://");
        shown.push_str(if login.is_some() { "***" } else { "" });
        shown.push_str(&part[login.unwrap_or(0)..]);
    }
    shown
}

/// The letters of a UserSig; those of a key are among them.
fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || "*-_+/=".contains(c)
}

fn hide_in(run: &str, is_cut: bool, shown: &mut String) {
    let usersig_at = usersig_in(run, is_cut);
    let (keys, usersig) = run.split_at(usersig_at.unwrap_or(run.len()));
    let words = keys.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    for word in words {
        let letters = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_start = is_cut && run.ends_with(word) && letters.len() == word.len();
        if letters.len() >= KEY_LENGTH || (is_start && letters.len() >= CUT_LENGTH) {
            shown.push_str(HIDDEN);
            shown.push_str(&word[letters.len()..]);
        } else {
            shown.push_str(word);
        }
    }
    if !usersig.is_empty() {
        shown.push_str(HIDDEN);
    }
}

/// Where a UserSig starts, as packed JSON does in base64.
fn usersig_in(run: &str, is_cut: bool) -> Option<usize> {
    let long = if is_cut {
        CUT_LENGTH
    } else {
        USERSIG_LENGTH + 1
    };
    let starts = run.match_indices("eJ").map(|(at, _)| at);
    let mut long_enough = starts.take_while(|at| run.len() - at >= long);
    long_enough.find(|at| !run[..*at].ends_with(|c: char| c.is_ascii_alphanumeric()))
}

/// The columns of a page, and of a terminal that does not say how wide it is.
pub(crate) const USUAL_WIDTH: usize = 80;

/// Breaks a line of a report at blanks where it is too wide for a page, and never within quotes. Its next lines begin with
/// `indent` blanks.
pub(crate) fn wrapped(line: impl fmt::Display, indent: usize) -> String {
    let line = line.to_string();
    let mut lines = String::with_capacity(line.len());
    let mut columns = 0;
    let mut is_quoted = false;
    let words = line.split_inclusive(|c| {
        is_quoted ^= c == '"';
        c == ' ' && !is_quoted
    });
    for word in words {
        let width = word.trim_end().chars().count();
        if columns > indent && columns + width > USUAL_WIDTH {
            lines.truncate(lines.trim_end().len());
            lines.push('\n');
            lines.extend(std::iter::repeat_n(' ', indent));
            columns = indent;
        }
        lines.push_str(word);
        columns += word.chars().count();
    }
    lines
}

/// `1 row`, `2 rows`.
pub(crate) fn count<N: fmt::Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    many: &str,
) -> String {
    if number == N::from(1) {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_turns_text_around_or_cannot_be_seen_is_escaped() {
        for (text, shown) in [
            ("北京 🎉\u{1b}[2J\n", "北京 🎉\\u{1b}[2J\\n"),
            (
                "a\u{202e}b\u{200b}c\u{2066}d\u{feff}e\u{2028}f\u{ad}",
                "a\\u{202e}b\\u{200b}c\\u{2066}d\\u{feff}e\\u{2028}f\\u{ad}",
            ),
            // a family is one picture only with its joiners
            ("👩\u{200d}👧", "👩\u{200d}👧"),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb9b2a4";

    #[test]
    fn what_has_the_form_of_a_secret_is_hidden_whatever_stands_beside_it() {
        let hidden = "(not shown, as it may be a secret)";
        let usersig = format!("eJ{}-_*{}", "yrVa".repeat(15), "Dx9".repeat(10));
        for around in [
            "the file [] cannot be read",
            "/etc/[]: no such file",
            "unknown region \"key:[]\"",
            "--secret-key-file: '\"[]\"'",
            "\"1400000000 []\" is not an SDKAppID",
            "account []:",
            "key=[]",
            "/[]",
            "./[]",
            "\"\\n[]\\n\"",
            "密钥[]密钥",
        ] {
            for secret in [KEY, &usersig] {
                let said = without_secrets(&around.replace("[]", secret));
                assert_eq!(said, around.replace("[]", hidden));
            }
        }
        assert_eq!(
            without_secrets(&format!("{KEY}_{KEY}")),
            format!("{hidden}_{hidden}")
        );
        for secret in [KEY, &usersig] {
            let cut = format!("its first line is \"{}…\"", &secret[..60]);
            let said = format!("its first line is \"{hidden}…\"");
            assert_eq!(without_secrets(&cut), said);
        }
    }

    #[test]
    fn what_stands_before_the_host_of_a_url_is_hidden() {
        for (message, shown) in [
            (
                "IMTAG_REGION: unknown region \"http://me:hush@p:1\": use one",
                "IMTAG_REGION: unknown region \"http://***@p:1\": use one",
            ),
            ("a://u@b c://d:e/f@g@h", "a://***@b c://***@h"),
            ("at bob@corp.example", "at bob@corp.example"),
            ("https://a.b:1 and bob@corp", "https://a.b:1 and bob@corp"),
            ("://", "://"),
        ] {
            assert_eq!(without_secrets(message), shown);
        }
    }

    #[test]
    fn other_words_and_paths_are_shown() {
        for shown in [
            &"t".repeat(63),
            &format!("{}…", "t".repeat(31)),
            &format!("/home/theJob/{}", "folder/".repeat(20)),
            "users.csv cannot be read: No such file or directory",
            "\\",
            "北京…",
        ] {
            assert_eq!(without_secrets(shown), *shown);
        }
    }

    #[test]
    fn a_line_is_broken_at_the_last_blank_that_fits() {
        let line = |words: usize| format!("what:  {}", "ninechar ".repeat(words).trim_end());
        assert_eq!(wrapped(line(8), 7), line(8));
        let broken = format!("{}\n       ninechar ninechar", line(8));
        assert_eq!(wrapped(line(10), 7), broken);
        // a word is never broken, and the start of a line stays
        let long = "x".repeat(90);
        assert_eq!(
            wrapped(format_args!("  {long} y"), 4),
            format!("  {long}\n    y")
        );
        let quoted = format!("tag: \"{}\" is no tag", "a  b ".repeat(16));
        assert_eq!(
            wrapped(&quoted, 2),
            quoted.replace("tag: ", "tag:\n  ").replace(" is", "\n  is")
        );
        assert_eq!(wrapped("", 4), "");
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!(count(0, "row", "rows"), "0 rows");
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(2, "row", "rows"), "2 rows");
    }
}
