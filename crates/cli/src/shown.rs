//! Accounts, tags and texts of the service as they are shown: control characters escaped, so that none of them can
//! steer a terminal. And messages as they are shown: without a secret that was given in the wrong place.

use std::ffi::OsStr;
use std::fmt::{self, Write};

/// Text from outside, safe to show.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c.is_control() {
            true => write!(f, "{}", c.escape_default()),
            false => f.write_char(c),
        })
    }
}

/// A message without what may be a secret that was given in the wrong place: a key in place of the path of its file, a
/// UserSig in place of an account. Logs keep messages.
pub(crate) fn without_secrets(message: &str) -> String {
    let variables = std::env::vars_os().filter(|(name, _)| is_ours(name));
    let given = std::env::args_os().chain(variables.map(|(_, value)| value));
    let given: Vec<_> = given.filter_map(|it| it.into_string().ok()).collect();
    hide_secrets(message, given.iter().map(String::as_str))
}

fn is_ours(variable: &OsStr) -> bool {
    variable.as_encoded_bytes().starts_with(b"IMTAG_")
}

fn hide_secrets<'g>(message: &str, given: impl Iterator<Item = &'g str>) -> String {
    let secrets = given.map(value).filter(|it| may_be_a_secret(it));
    secrets.fold(message.to_owned(), |message, secret| {
        message.replace(secret, "(not shown, as it may be a secret)")
    })
}

/// Of a flag the value.
fn value(given: &str) -> &str {
    let value = given.strip_prefix("--").and_then(|it| it.split_once('='));
    value.map_or(given, |(_, value)| value).trim()
}

/// A secret key has 64 letters and digits. A UserSig is longer, and starts as packed JSON does in base64.
fn may_be_a_secret(text: &str) -> bool {
    let is_key = text.len() == 64 && text.bytes().all(|it| it.is_ascii_alphanumeric());
    let of_usersig = |it: u8| it.is_ascii_alphanumeric() || b"*-_+/=".contains(&it);
    is_key || (text.len() > 80 && text.starts_with("eJ") && text.bytes().all(of_usersig))
}

/// `1 row`, `2 rows`.
pub(crate) fn count<N: fmt::Display + PartialEq + From<u8>>(
    number: N,
    one: &str,
    many: &str,
) -> String {
    match number == N::from(1) {
        true => format!("1 {one}"),
        false => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_all_others_are_not() {
        assert_eq!(
            Shown("北京 🎉\u{1b}[2J\n").to_string(),
            "北京 🎉\\u{1b}[2J\\n"
        );
    }

    #[test]
    fn what_may_be_a_secret_is_hidden_and_a_path_or_a_tag_is_not() {
        let key = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb9b2a4";
        let tag = "t".repeat(63);
        let path = format!("/{key}");
        let flag = format!("--secret-key-file={key}");
        let hidden = |message: &str, given: &str| hide_secrets(message, [given].into_iter());
        assert_eq!(
            hidden(&format!("no file {key}"), &flag),
            "no file (not shown, as it may be a secret)"
        );
        assert_eq!(hidden(&format!("no {tag}"), &tag), format!("no {tag}"));
        assert_eq!(hidden(&format!("no {path}"), &path), format!("no {path}"));
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!(count(0, "row", "rows"), "0 rows");
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(2, "row", "rows"), "2 rows");
    }
}
