//! Accounts and tags as a case has them: text, or bytes that need be none.

use serde_json::Value;

use crate::NotACase;

pub(crate) fn texts(texts: &Value) -> Result<Vec<Vec<u8>>, NotACase> {
    texts.as_array().into_iter().flatten().map(bytes).collect()
}

/// A string, or any bytes as `{"hex": "…"}`.
pub(crate) fn bytes(text: &Value) -> Result<Vec<u8>, NotACase> {
    if let Some(text) = text.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let hex = text["hex"].as_str().ok_or("a text is a string or hex")?;
    let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
    hex.as_bytes().chunks(2).map(byte).collect()
}
