//! A change of a case.

use imtag_transport::{Change, Invalid, Rules};
use serde_json::Value;

use crate::NotACase;
use crate::text::{bytes, texts};

/// A change, and why it cannot be one where its bytes are not UTF-8: what the library checks by itself is left to it.
pub(crate) struct Given {
    pub(crate) change: Change,
    pub(crate) invalid: Option<Invalid>,
}

pub(crate) fn read(rules: &Rules, change: &Value) -> Result<Given, NotACase> {
    let operation = change["operation"].as_str().unwrap_or_default();
    let (account, tags) = (bytes(&change["account"])?, texts(&change["tags"])?);
    let made = |account: &str, tags: Vec<String>| match operation {
        "add" => Ok(Change::add(account, tags)),
        "remove" => Ok(Change::remove(account, tags)),
        "clear" => Ok(Change::clear(account)),
        other => Err(NotACase::from(format!("there is no change {other:?}"))),
    };
    let tags_of_text = tags.iter().cloned().map(String::from_utf8);
    let tags_of_text: Result<Vec<String>, _> = tags_of_text.collect();
    if let (Ok(account), Ok(tags)) = (std::str::from_utf8(&account), tags_of_text) {
        let change = made(account, tags)?;
        return Ok(Given {
            change,
            invalid: None,
        });
    }
    let shown = tags.iter().map(|tag| String::from_utf8_lossy(tag).into());
    let shown = made(&String::from_utf8_lossy(&account), shown.collect())?;
    let tags = tags.iter().map(Vec::as_slice);
    let checked = match operation {
        "add" => Change::checked_add(rules, account.as_slice(), tags),
        "remove" => Change::checked_remove(rules, account.as_slice(), tags),
        _ => Change::checked_clear(rules, account.as_slice()),
    };
    Ok(Given {
        change: shown,
        invalid: checked.err(),
    })
}
