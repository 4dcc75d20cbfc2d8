//! The query string: `sdkappid`, `identifier`, `usersig`, `random`, `contenttype`, each once, names and values
//! case-sensitive. What is unknown beside them is ignored, and so is `random` unless it is to be checked: the pages say
//! that it is a number of 32 bits, and SDKs in the field send all kinds of text.
//!
//! The UserSig is the one secret that arrives. It leaves this module in [`Credentials`] only, and
//! [`Query::redacted`] is what the record of requests gets.

use crate::refusal::Refusal;

/// What a value that must not be seen is replaced by.
const REDACTED: &str = "(redacted)";
/// Layers of escapes that are looked under: more than any mistake makes.
const ESCAPED_AT_MOST: usize = 8;

/// The decoded parameters in the order of the URL.
pub(crate) struct Query(Vec<(String, String)>);

/// Who calls, as the URL says; not verified yet.
#[derive(PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) sdkappid: u32,
    pub(crate) identifier: &'a str,
    pub(crate) usersig: &'a str,
}

impl Query {
    /// Decodes the query; `None` where an escape is broken or a value is not UTF-8.
    pub(crate) fn decode(raw: &str) -> Option<Query> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name)?, unescape(value)?))
        });
        decoded.collect::<Option<_>>().map(Query)
    }

    /// The parameters without the UserSig, however its name is spelt: also a wrong call must not spill it.
    pub(crate) fn redacted(&self) -> Vec<(String, String)> {
        let redact = |(name, value): &(String, String)| {
            let secret = holds(name, b"sig");
            let value = if secret { REDACTED } else { redacted(value) };
            (redacted(name).to_owned(), value.to_owned())
        };
        self.0.iter().map(redact).collect()
    }

    /// Checks everything that can be checked without a key.
    pub(crate) fn credentials(&self, strict_random: bool) -> Result<Credentials<'_>, Refusal> {
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

    fn required(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.one(name)?.unwrap_or_default();
        if value.is_empty() {
            return Err(Refusal::new(60025, format!("{name} is missing in the URL")));
        }
        Ok(value)
    }

    fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
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

/// A path that is no route's, unless anything like a UserSig is in it: no right path comes near.
pub(crate) fn redacted_path(path: &str) -> &str {
    if holds(path, b"sig") { REDACTED } else { path }
}

/// Whether the text holds the lower-case `word`, in any case, as it is or once its escapes are undone, however often
/// it was escaped. What was escaped too often to tell counts as holding it.
fn holds(text: &str, word: &[u8]) -> bool {
    let mut bytes = text.to_ascii_lowercase().into_bytes();
    for _ in 0..ESCAPED_AT_MOST {
        if bytes.windows(word.len()).any(|part| part == word) {
            return true;
        }
        let Some(decoded) = undone(&bytes) else {
            return false;
        };
        bytes = decoded;
    }
    true
}

/// The bytes with one layer of escapes undone, in lower case; broken escapes stay. `None` where there is none.
fn undone(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(&byte) = bytes.get(place) {
        let escaped = match bytes.get(place + 1..place + 3) {
            Some(&[high, low]) if byte == b'%' => hex(high).zip(hex(low)),
            _ => None,
        };
        let value = escaped.map_or(byte, |(high, low)| high * 16 + low);
        decoded.push(value.to_ascii_lowercase());
        place += if escaped.is_some() { 3 } else { 1 };
    }
    (decoded.len() < bytes.len()).then_some(decoded)
}

/// Digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Option<u32> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| all_digits)
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? * 16 + hex(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    // At most 15, so it fits.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
