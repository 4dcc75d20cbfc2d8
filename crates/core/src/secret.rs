//! The two secrets: the app's key, and a UserSig made with it. Neither shows itself, and both are wiped on drop.

use std::fmt;
use zeroize::Zeroizing;

/// The secret key of an app, as the console shows it. Whoever has it can act as any user of the app.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

/// A secret that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It is empty.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A UserSig holds letters, digits, `*`, `-` and `_` only.
    #[error("the UserSig holds a character that none has: letters, digits, * - _ only")]
    NotAUserSig,
    /// The variable that should hold it is not set, or not text.
    #[error("the environment variable {0} is not set, or not UTF-8")]
    NoVariable(String),
}

impl SecretKey {
    /// Takes the key; white space around it (a line end from a file) is dropped.
    ///
    /// # Errors
    /// For an empty key.
    pub fn new(key: impl Into<String>) -> Result<SecretKey, InvalidSecret> {
        let given = Zeroizing::new(key.into());
        let key = given.trim();
        if key.is_empty() {
            return Err(InvalidSecret::Empty("secret key"));
        }
        Ok(SecretKey(Zeroizing::new(key.to_owned())))
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
/// [`UserSig::sign`](crate::UserSig::sign), or given by whoever keeps the key.
#[derive(Clone)]
pub struct UserSig(Zeroizing<String>);

impl UserSig {
    /// Takes a ready UserSig; white space around it is dropped. Whether it fits the app is the service's to say.
    ///
    /// # Errors
    /// Where it is empty, or holds a character that no UserSig has.
    pub fn new(text: impl Into<String>) -> Result<UserSig, InvalidSecret> {
        let given = Zeroizing::new(text.into());
        let text = given.trim();
        if text.is_empty() {
            return Err(InvalidSecret::Empty("UserSig"));
        }
        let of_a_usersig = |byte: u8| byte.is_ascii_alphanumeric() || b"*-_".contains(&byte);
        if !text.bytes().all(of_a_usersig) {
            return Err(InvalidSecret::NotAUserSig);
        }
        Ok(UserSig(Zeroizing::new(text.to_owned())))
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
    fn neither_secret_shows_itself() {
        let key = SecretKey::new("0123456789abcdef").unwrap();
        let sig = UserSig::new("eJyrVgrx*-_").unwrap();
        assert_eq!(format!("{key:?} {sig:?}"), "SecretKey(…) UserSig(…)");
    }

    #[test]
    fn a_line_end_after_a_secret_is_not_part_of_it() {
        assert_eq!(SecretKey::new("abc\r\n").unwrap().as_bytes(), b"abc");
        assert_eq!(UserSig::new(" abc\n").unwrap().expose(), "abc");
    }

    #[test]
    fn a_secret_that_cannot_be_one_is_refused_without_being_shown() {
        assert_eq!(
            SecretKey::new(" \n").unwrap_err().to_string(),
            "the secret key is empty"
        );
        assert_eq!(
            UserSig::new("").unwrap_err().to_string(),
            "the UserSig is empty"
        );
        let refused = UserSig::new("hush&random=1").unwrap_err();
        assert_eq!(refused, InvalidSecret::NotAUserSig);
        assert!(!format!("{refused} {refused:?}").contains("hush"));
    }
}
