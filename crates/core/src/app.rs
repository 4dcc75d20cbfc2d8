//! Who calls: the app, and the administrator in whose name the service is called.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::secret::shown_setting;

/// The number of an app in the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SdkAppId(NonZeroU32);

/// A number that no app has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an SDKAppID: a whole number from 1 to 4294967295, as the console shows it")]
pub struct InvalidSdkAppId(String);

impl SdkAppId {
    /// Takes any number but 0.
    ///
    /// # Errors
    /// For 0, which no app has.
    pub fn new(number: u32) -> Result<SdkAppId, InvalidSdkAppId> {
        match NonZeroU32::new(number) {
            Some(number) => Ok(SdkAppId(number)),
            None => Err(InvalidSdkAppId(number.to_string())),
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for SdkAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SdkAppId {
    type Err = InvalidSdkAppId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSdkAppId(shown_setting(text).to_owned());
        // what std parses may also begin with a plus sign
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        text.parse().map(SdkAppId).map_err(|_| invalid())
    }
}

/// The account in whose name the service is called. It must be an administrator of the app; the service answers
/// 90009 or 60010 where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier(String);

/// An identifier that no app can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    /// It is empty.
    #[error(
        "the identifier is empty: give the name of an app administrator, such as administrator"
    )]
    Empty,
    /// It is longer than an account can be.
    #[error(
        "the identifier has {bytes} bytes, at most {most}: give the name of an app administrator"
    )]
    TooLong {
        /// Its bytes in UTF-8.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// It holds a line feed, with which it could forge the text that a UserSig signs.
    #[error("the identifier holds a control character: give the name of an app administrator")]
    ControlCharacter,
    /// A blank or a byte order mark stands before or after it. No page says that an account may not have one, so it
    /// is not dropped; no administrator's name has one.
    #[error("the identifier has a blank before or after it: give the name alone")]
    Blank,
}

impl Identifier {
    /// Takes the name of an administrator: an account, so 1 to 32 bytes, without control characters.
    ///
    /// # Errors
    /// Says which of these it breaks.
    pub fn new(name: impl Into<String>) -> Result<Identifier, InvalidIdentifier> {
        let name = name.into();
        let most = crate::limits::Limits::DOCUMENTED.account_bytes;
        if name.is_empty() {
            return Err(InvalidIdentifier::Empty);
        }
        if name.len() > most {
            return Err(InvalidIdentifier::TooLong {
                bytes: name.len(),
                most,
            });
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidIdentifier::ControlCharacter);
        }
        if crate::secret::bare(&name) != name {
            return Err(InvalidIdentifier::Blank);
        }
        Ok(Identifier(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Identifier {
    type Err = InvalidIdentifier;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Identifier::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdkappid_is_any_number_of_32_bits_but_zero() {
        assert_eq!("1".parse::<SdkAppId>().unwrap().get(), 1);
        assert_eq!("4294967295".parse::<SdkAppId>().unwrap().get(), u32::MAX);
        for wrong in ["0", "", "-1", "4294967296", "14e8", " 1", "+1", "1.0"] {
            assert!(wrong.parse::<SdkAppId>().is_err(), "{wrong:?}");
        }
        assert!(SdkAppId::new(0).is_err());
    }

    #[test]
    fn an_identifier_has_1_to_32_bytes_and_neither_control_characters_nor_blanks_around_it() {
        use InvalidIdentifier::{Blank, ControlCharacter, Empty, TooLong};
        for name in ["a".repeat(32), "管".repeat(10) + "ab"] {
            assert!(Identifier::new(name).is_ok());
        }
        let (long, bytes, most) = ("管".repeat(11), 33, 32);
        for (name, refusal) in [
            ("", Empty),
            (&long, TooLong { bytes, most }),
            ("admin\nTLS.sdkappid:1", ControlCharacter),
            (" admin", Blank),
            ("admin\u{feff}", Blank),
        ] {
            assert_eq!(Identifier::new(name), Err(refusal));
        }
    }
}
