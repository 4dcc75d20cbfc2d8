//! What a URL says, and what of it may be shown.
//!
//! The query has `sdkappid`, `identifier`, `usersig`, `random` and `contenttype`, each once, names and values
//! case-sensitive. What is unknown beside them is ignored, and so is `random` unless it is to be checked: the pages say
//! that it is a number of 32 bits, and SDKs in the field send all kinds of text.
//!
//! The UserSig is the one secret that arrives. It leaves this module in [`Credentials`] only; what is shown is
//! [`Query::redacted`] and [`shown_path`].

use percent_encoding::{percent_decode, percent_decode_str};

use crate::answer::Refusal;

/// What a value that must not be seen is replaced by.
const REDACTED: &str = "(redacted)";
/// Layers of escapes that are looked under: more than any mistake makes.
const ESCAPED_AT_MOST: usize = 8;
/// Bytes of a path that are shown: more than any route's has.
const PATH_BYTES_AT_MOST: usize = 256;
/// Bytes of a method, which a caller may make up.
const METHOD_BYTES_AT_MOST: usize = 32;

/// The decoded parameters in the order of the URL.
pub struct Query(Vec<(String, String)>);

/// Who calls, as the URL says; not verified yet.
pub struct Credentials<'a> {
    /// The app.
    pub sdkappid: u32,
    /// The administrator.
    pub identifier: &'a str,
    /// The secret.
    pub usersig: &'a str,
}

impl Query {
    /// Decodes the query; `None` where an escape is broken or a value is not UTF-8.
    #[must_use]
    pub fn decode(raw: &str) -> Option<Query> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        });
        decoded.collect::<Option<_>>().map(Query)
    }

    /// The parameters without the UserSig, however its name is spelt: a wrong call must not spill it either.
    #[must_use]
    pub fn redacted(&self) -> Vec<(String, String)> {
        let redact = |(name, value): &(String, String)| {
            let secret = holds(name, b"sig");
            let value = if secret { REDACTED } else { redacted(value) };
            (redacted(name).to_owned(), value.to_owned())
        };
        self.0.iter().map(redact).collect()
    }

    /// Checks everything that can be checked without a key.
    ///
    /// # Errors
    /// If a parameter is missing, wrong or there twice.
    pub fn credentials(&self, strict_random: bool) -> Result<Credentials<'_>, Refusal> {
        let sdkappid = self
            .one("sdkappid")?
            .ok_or_else(|| Refusal::new(60012, "sdkappid is missing in the URL"))?;
        let sdkappid = digits(sdkappid)
            .ok_or_else(|| Refusal::new(60006, "sdkappid is not a number of 32 bits"))?;
        let identifier = self.required("identifier")?;
        let usersig = self.required("usersig")?;
        if strict_random && digits(self.required("random")?).is_none() {
            let text = "random is not a whole number from 0 to 4294967295";
            return Err(Refusal::new(60025, text));
        }
        if self.required("contenttype")? != "json" {
            return Err(Refusal::new(60025, "contenttype is not json"));
        }
        Ok(Credentials {
            sdkappid,
            identifier,
            usersig,
        })
    }

    /// The app as it was given.
    ///
    /// # Errors
    /// If it is there twice.
    pub fn sdkappid(&self) -> Result<Option<&str>, Refusal> {
        self.one("sdkappid")
    }

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.one(name)?.unwrap_or_default();
        if value.is_empty() {
            return Err(Refusal::new(60025, format!("{name} is missing in the URL")));
        }
        Ok(value)
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// If it is there twice.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|pair| pair.0 == name);
        let value = values.next().map(|pair| pair.1.as_str());
        if values.next().is_some() {
            let text = format!("{name} is more than once in the URL");
            return Err(Refusal::new(60025, text));
        }
        Ok(value)
    }
}

/// The text, unless a parameter of a UserSig got into it, as by an `&` or a `?` that was escaped by mistake.
fn redacted(text: &str) -> &str {
    if holds(text, b"sig=") { REDACTED } else { text }
}

/// The start of a path, unless anything like a UserSig is in it: no right path comes near.
#[must_use]
pub fn shown_path(path: &str) -> String {
    let path = if holds(path, b"sig") { REDACTED } else { path };
    start(path.as_bytes(), PATH_BYTES_AT_MOST)
}

/// The start of a method.
#[must_use]
pub fn shown_method(method: &str) -> String {
    start(method.as_bytes(), METHOD_BYTES_AT_MOST)
}

/// The start of a text.
#[must_use]
pub fn start(bytes: &[u8], most: usize) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(most)]).into_owned()
}

/// Whether the text holds the lower-case `word`, in any case, as it is or once its escapes are undone, however often
/// it was escaped. What was escaped too often to tell counts as holding it. Broken escapes stay as they are.
fn holds(text: &str, word: &[u8]) -> bool {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..ESCAPED_AT_MOST {
        bytes.make_ascii_lowercase();
        if bytes.windows(word.len()).any(|part| part == word) {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded.len() == bytes.len() {
            return false;
        }
        bytes = decoded;
    }
    true
}

/// Digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Option<u32> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all_digits)
}

/// The text of a name or value; `None` where an escape is broken or it is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    let mut escapes = text.split('%').skip(1).map(str::as_bytes);
    if !escapes.all(|rest| rest.get(..2).is_some_and(is_hex)) {
        return None;
    }
    let spaced = text.replace('+', " ");
    String::from_utf8(percent_decode_str(&spaced).collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "sdkappid=1400000000&identifier=admin&usersig=abc*-_&random=7&contenttype=json";

    fn code(raw: &str, strict_random: bool) -> i32 {
        let query = Query::decode(raw).unwrap();
        let credentials = query.credentials(strict_random);
        credentials.map_or_else(|refusal| refusal.code, |_| 0)
    }

    #[test]
    fn each_parameter_is_needed_once_and_in_this_spelling() {
        let code = |raw: &str| code(raw, true);
        assert_eq!(code(GOOD), 0);
        assert_eq!(code(&GOOD.replace("sdkappid=1400000000&", "")), 60012);
        assert_eq!(code(&GOOD.replace("sdkappid", "SdkAppId")), 60012);
        for value in ["", "x", "-1", "4294967296"] {
            assert_eq!(code(&GOOD.replace("1400000000", value)), 60006, "{value:?}");
        }
        for name in ["identifier", "usersig", "random", "contenttype"] {
            assert_eq!(code(&GOOD.replace(name, "other")), 60025, "{name}");
            assert_eq!(code(&GOOD.replace(name, &name.to_uppercase())), 60025);
            assert_eq!(code(&format!("{GOOD}&{name}=7")), 60025, "{name} twice");
        }
        assert_eq!(code(&GOOD.replace("=json", "=JSON")), 60025);
        assert_eq!(code(&format!("{GOOD}&other=1&other=2&&=")), 0);
    }

    /// The last three are what SDKs in the field send: uniqid(), nanoseconds, 21 digits.
    const NO_NUMBERS: &str = "random=4294967296|random=-1|random=%2B1|random=1.0|random=|random|other=7\
                              |random=1&random=2|random=65f1c2a7b3d94|random=1700000000123456789\
                              |random=123456789012345678901";

    #[test]
    fn random_is_a_number_of_32_bits_where_it_is_checked_and_else_may_be_anything() {
        for random in ["random=0", "random=4294967295"] {
            assert_eq!(code(&GOOD.replace("random=7", random), true), 0);
        }
        for random in NO_NUMBERS.split('|') {
            let raw = GOOD.replace("random=7", random);
            assert_eq!(
                (code(&raw, true), code(&raw, false)),
                (60025, 0),
                "{random}"
            );
        }
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_refused() {
        let raw = GOOD.replace("admin", "%E7%AE%A1+%2b%25zz");
        let query = Query::decode(&raw).unwrap();
        let credentials = query.credentials(true).ok().unwrap();
        assert_eq!(credentials.identifier, "管 +%zz");
        for broken in [
            "a=%", "a=%2", "a=%zz", "a=%2z", "a=%+1", "a=%ff", "%=1", "a=%e7%AE",
        ] {
            assert!(Query::decode(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_usersig_is_redacted_however_its_name_is_spelt_or_hidden() {
        for name in ["usersig", "UserSig", "USERSIG", "user_sig", "sig"] {
            let query = Query::decode(&format!("a=1&{name}=hush")).unwrap();
            let redacted = query.redacted();
            assert_eq!(redacted[0], ("a".to_owned(), "1".to_owned()));
            assert_eq!(redacted[1].1, "(redacted)");
        }
        for raw in [
            "a=1%26UserSig=hush",
            "a%3D1%26usersig%3Dhush=1",
            "a=1%2526usersig%253Dhush",
            "a=1%2526user%25253Fs%2549g%253Dhush",
            "user%2573ig=hush",
        ] {
            let redacted = Query::decode(raw).unwrap().redacted();
            assert!(!format!("{redacted:?}").contains("hush"), "{redacted:?}");
        }
    }

    #[test]
    fn a_path_with_a_usersig_is_redacted_however_often_it_was_escaped() {
        let mut path = "/v4/im_add_tag?sdkappid=1&UserSig=hush".to_owned();
        for _ in 0..20 {
            assert_eq!(shown_path(&path), REDACTED);
            path = path.replace('%', "%25").replace(['=', '&', '?'], "%3d");
        }
        for hidden in ["/user%73ig=hush", "/%ff%zz%53IG%", "/%2553ig=hush%"] {
            assert_eq!(shown_path(hidden), REDACTED);
        }
        for shown in ["/v4/timpush/add_tag", "/%", "/%zz%ff%2", "/100%25", ""] {
            assert_eq!(shown_path(shown), shown);
        }
    }
}
