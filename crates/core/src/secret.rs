//! The two secrets: the app's key, and a UserSig made with it. Neither shows itself, and both are wiped on drop.

use std::fmt;
use zeroize::Zeroizing;

/// The secret key of an app, as the console shows it. It lets its holder act as any user of the app.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

/// Why a text cannot be a secret. No message holds the text, nor a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// It holds what no secret has.
    #[error("the {secret} {what}")]
    Holds {
        /// Which secret.
        secret: &'static str,
        /// What is wrong, and what to do.
        what: &'static str,
    },
    /// A UserSig holds letters, digits, `*`, `-` and `_` only.
    #[error("the UserSig holds a character that none has: letters, digits, * - _ only")]
    NotAUserSig,
    /// The variable that should hold it is not set, or not text.
    #[error("the environment variable {0} is not set, or not UTF-8")]
    NoVariable(String),
}

/// A text without what may stand around it by accident: white space, line ends, and the mark that Windows' editors put
/// before a text in UTF-8.
pub(crate) fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// No name or number of a setting is longer.
const LETTERS_OF_A_SETTING: usize = 24;

/// Few names of files are longer.
const LETTERS_OF_A_FILE: usize = 40;

/// True if a text that is no value of a setting may be a key, or an address with a password, in the wrong place: it is longer
/// than any name or number of a setting, or has an `@`.
#[must_use]
pub fn may_be_secret(text: &str) -> bool {
    text.contains('@') || bare(text).chars().count() > LETTERS_OF_A_SETTING
}

/// What a message shows of such a text: `***` where it may be a secret.
#[must_use]
pub fn shown_setting(text: &str) -> &str {
    if may_be_secret(text) { "***" } else { text }
}

/// True if a text has the form of an address with a user and a password, with a scheme or without:
/// `http://me:hush@proxy:3128`, `me:hush@proxy:3128`.
#[must_use]
pub fn holds_login(text: &str) -> bool {
    let before = text.rsplit_once('@').map(|(before, _)| before);
    before.is_some_and(|before| before.contains(':'))
}

/// True if what is to be the path of a file may be a key or such an address: a key has no slash, and is longer than the names
/// of most files.
#[must_use]
pub fn path_may_be_secret(path: &str) -> bool {
    holds_login(path) || !path.contains('/') && bare(path).chars().count() > LETTERS_OF_A_FILE
}

/// What web pages and editors put into a text unseen, and what stands where a character was lost.
const INVISIBLE: [char; 9] = [
    '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}',
    '\u{fffd}',
];

/// Typewriters' quotation marks, and those that word processors make of them.
const QUOTES: [char; 9] = ['"', '\'', '`', '“', '”', '„', '‘', '’', '«'];

/// What is wrong with a text that holds more than a secret, or no text at all. A key's alphabet is stated nowhere, and
/// one of the official vectors has a key of Chinese characters, so only what no key can hold is named.
fn not_a_secret(text: &str) -> Option<&'static str> {
    let has = |found: fn(char) -> bool| text.contains(found);
    if text.contains('\0') {
        Some("holds zero bytes: save its file as UTF-8, not as UTF-16")
    } else if text.starts_with("-----BEGIN") {
        Some(
            "is a PEM file, a certificate or a private key: use what the console shows for the app",
        )
    } else if text.contains(['\n', '\r']) {
        Some("has more than one line: leave only the secret itself")
    } else if has(char::is_control) {
        Some("holds a control character: copy it anew")
    } else if has(char::is_whitespace) {
        Some("holds a blank: leave only the secret itself")
    } else if text.contains(INVISIBLE) {
        Some("holds a character that cannot be seen: copy it anew")
    } else if text.contains(QUOTES) {
        Some("holds a quotation mark: leave only what stands between the quotes")
    } else if names_a_variable(text) {
        Some("begins with a name and =: leave only what stands behind it")
    } else {
        None
    }
}

/// `SECRET_KEY=…`, as a line of a file of settings has it. Base64 may end in `=`, and has none before.
fn names_a_variable(text: &str) -> bool {
    let Some((name, value)) = text.split_once(['=', ':']) else {
        return false;
    };
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
    let rest = value.trim_start_matches('=');
    !rest.is_empty() && !name.is_empty() && name.chars().all(of_a_name)
}

/// A secret's bare text.
fn checked(given: &str, secret: &'static str) -> Result<Zeroizing<String>, InvalidSecret> {
    let text = bare(given);
    if text.is_empty() {
        return Err(InvalidSecret::Empty(secret));
    }
    match not_a_secret(text) {
        Some(what) => Err(InvalidSecret::Holds { secret, what }),
        None => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// A file's bytes as text.
fn text_of(bytes: &[u8], secret: &'static str) -> Result<String, InvalidSecret> {
    let what = if bytes.contains(&0) {
        "holds zero bytes: save its file as UTF-8, not as UTF-16"
    } else {
        "is not UTF-8: save its file as UTF-8"
    };
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| InvalidSecret::Holds { secret, what })?;
    Ok(text.to_owned())
}

impl SecretKey {
    /// Takes the key. White space, line ends and a byte order mark around it are dropped.
    ///
    /// # Errors
    /// For an empty key, and for a text that holds more than a key: several lines, quotes, a name before it, UTF-16.
    pub fn new(key: impl Into<String>) -> Result<SecretKey, InvalidSecret> {
        let given = Zeroizing::new(key.into());
        checked(&given, "secret key").map(SecretKey)
    }

    /// Takes the bytes of a file that holds the key.
    ///
    /// # Errors
    /// As [`new`](SecretKey::new), and where they are no UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<SecretKey, InvalidSecret> {
        text_of(bytes, "secret key").and_then(SecretKey::new)
    }

    /// Whether it looks as the keys of the console do. No page promises that all do.
    #[must_use]
    pub fn has_usual_form(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Reads the key from an environment variable.
    ///
    /// # Errors
    /// Where it is not set, not UTF-8, or empty.
    pub fn from_env(variable: &str) -> Result<SecretKey, InvalidSecret> {
        let key =
            std::env::var(variable).map_err(|_| InvalidSecret::NoVariable(variable.to_owned()))?;
        SecretKey::new(key)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A UserSig: the password of one identifier for one app, until it expires. Made with
/// [`UserSig::sign`](crate::UserSig::sign), or given by the keeper of the key.
#[derive(Clone)]
pub struct UserSig(Zeroizing<String>);

impl UserSig {
    /// Takes a ready UserSig; white space and a byte order mark around it are dropped. Whether it fits the app is the
    /// service's to say.
    ///
    /// # Errors
    /// Where it is empty, or holds a character that no UserSig has.
    pub fn new(text: impl Into<String>) -> Result<UserSig, InvalidSecret> {
        let given = Zeroizing::new(text.into());
        let text = checked(&given, "UserSig")?;
        let of_a_usersig = |byte: u8| byte.is_ascii_alphanumeric() || b"*-_".contains(&byte);
        if !text.bytes().all(of_a_usersig) {
            return Err(InvalidSecret::NotAUserSig);
        }
        Ok(UserSig(text))
    }

    /// Takes the bytes of a file that holds the UserSig.
    ///
    /// # Errors
    /// As [`new`](UserSig::new), and where they are no UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<UserSig, InvalidSecret> {
        text_of(bytes, "UserSig").and_then(UserSig::new)
    }

    /// The text, for the query string of a call. Keep it out of logs and messages.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserSig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserSig(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_in_place_of_a_setting_is_in_no_message() {
        use crate::{CallRate, Generation, Limits, Region, SdkAppId};
        let key = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
        for text in [key, "corp:5bd2850f@example.com", &format!(" {key} ")] {
            let refusals = [
                format!("{0} {0:?}", text.parse::<Region>().unwrap_err()),
                format!("{0} {0:?}", text.parse::<Generation>().unwrap_err()),
                format!("{0} {0:?}", text.parse::<SdkAppId>().unwrap_err()),
                format!("{0} {0:?}", text.parse::<CallRate>().unwrap_err()),
                format!("{0} {0:?}", Limits::default().set(text, 1).unwrap_err()),
            ];
            for refused in refusals {
                assert!(!refused.contains("5bd2850f"), "{refused}");
                assert_eq!(refused.matches("***").count(), 2, "{refused}");
            }
        }
        let shown = "silicon-valley-and-more!".parse::<Region>().unwrap_err();
        assert!(shown.to_string().contains("silicon-valley-and-more!"));
    }

    #[test]
    fn a_path_of_a_file_is_shown_and_a_key_in_its_place_is_not() {
        assert!(path_may_be_secret(&"5bd2850f".repeat(8)));
        assert!(path_may_be_secret(
            "https://corp:5bd2850f@example.com/ca.pem"
        ));
        assert!(path_may_be_secret("me:hush@proxy:1"));
        assert!(!path_may_be_secret("ca.pem"));
        assert!(!path_may_be_secret("me@proxy.pem"));
        assert!(!path_may_be_secret(&format!("/etc/{}.pem", "a".repeat(60))));
    }

    #[test]
    fn what_stands_around_a_secret_is_dropped_and_neither_secret_shows_itself() {
        for text in [
            "abc\r\n",
            "\u{feff}abc",
            "\u{feff} abc\r\n",
            "\tabc\n\n",
            "\u{3000}abc\u{a0}",
        ] {
            let (key, usersig) = (SecretKey::new(text), UserSig::new(text));
            let (key, usersig) = (key.unwrap(), usersig.unwrap());
            assert_eq!((key.as_bytes(), usersig.expose()), (&b"abc"[..], "abc"));
            let from_file = SecretKey::from_bytes(text.as_bytes()).unwrap();
            assert_eq!(from_file.as_bytes(), b"abc");
            let shown = format!("{key:?} {usersig:?}");
            assert_eq!(shown, "SecretKey(…) UserSig(…)");
        }
    }

    /// No page states the form of a key.
    #[test]
    fn a_key_may_be_of_any_form_and_a_usual_one_has_64_hexadecimal_characters() {
        let usual = "0123456789abcDEF".repeat(4);
        for (text, is_usual) in [
            ("short", false),
            ("aGVsbG8=", false),
            ("aGVsbG8+/w==", false),
            ("a-b_c.d", false),
            ("密钥-key", false),
            (&usual, true),
            (&usual[1..], false),
            (&usual.replace(['f', 'F'], "g"), false),
        ] {
            let key = SecretKey::new(text).unwrap();
            assert_eq!(key.as_bytes(), text.as_bytes());
            assert_eq!(key.has_usual_form(), is_usual, "{text}");
        }
    }

    #[test]
    fn what_no_secret_holds_is_named_and_the_secret_is_not() {
        const UTF_16: &str = "holds zero bytes: save its file as UTF-8, not as UTF-16";
        for (text, what) in [
            (" \n", "is empty"),
            ("h\0u\0s\0h\0", UTF_16),
            ("hush\nhush", "has more than one line"),
            ("hush\r\nhush", "has more than one line"),
            ("hush hush", "holds a blank"),
            ("hush\u{7}", "holds a control character"),
            ("hu\u{feff}sh", "holds a character that cannot be seen"),
            ("hu\u{200b}sh", "holds a character that cannot be seen"),
            ("hu\u{fffd}sh", "holds a character that cannot be seen"),
            ("“hush”", "holds a quotation mark"),
            ("\"hush\"", "holds a quotation mark"),
            ("'hush'", "holds a quotation mark"),
            ("SECRET_KEY=hush", "begins with a name and ="),
            ("secret-key:hush", "begins with a name and ="),
            ("-----BEGIN PRIVATE KEY-----\nhush", "is a PEM file"),
        ] {
            check("secret key", SecretKey::new(text).unwrap_err(), what);
            check("UserSig", UserSig::new(text).unwrap_err(), what);
        }
        let key = |bytes: &[u8]| SecretKey::from_bytes(bytes).unwrap_err();
        check("secret key", key(b"\xff\xfeh\0u\0"), UTF_16);
        check("secret key", key(b"hush\xff"), "is not UTF-8");
        let usersig = UserSig::new("hush&random=1").unwrap_err();
        check("UserSig", usersig, "holds a character that none has");
    }

    #[track_caller]
    fn check(secret: &str, refused: InvalidSecret, what: &str) {
        let message = refused.to_string();
        let start = format!("the {secret} {what}");
        assert!(message.starts_with(&start), "{message}");
        assert!(!format!("{refused:?} {message}").contains("hus"));
    }
}
