//! Which root certificates are trusted where no CA file is set.

use std::fmt;
use std::str::FromStr;

use imtag_core::shown_setting;

/// Where the trusted root certificates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roots {
    /// Mozilla's, which are built in: the same on all machines, and of the library's age.
    #[default]
    BuiltIn,
    /// The system's: where it keeps them, or where `SSL_CERT_FILE` and `SSL_CERT_DIR` say. A company's proxy that opens TLS
    /// has its CA there.
    Platform,
}

/// A name that no roots have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown roots {0:?}: use built-in or platform")]
pub struct UnknownRoots(String);

impl Roots {
    /// Their name in settings: `built-in` or `platform`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Roots::BuiltIn => "built-in",
            Roots::Platform => "platform",
        }
    }
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Roots {
    type Err = UnknownRoots;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = [Roots::BuiltIn, Roots::Platform].into_iter();
        let known = all.find(|roots| roots.name() == name);
        known.ok_or_else(|| UnknownRoots(shown_setting(name).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_by_their_name() {
        assert_eq!("built-in".parse(), Ok(Roots::BuiltIn));
        assert_eq!("platform".parse(), Ok(Roots::Platform));
        let unknown = "system".parse::<Roots>().unwrap_err().to_string();
        assert_eq!(
            unknown,
            "unknown roots \"system\": use built-in or platform"
        );
    }
}
