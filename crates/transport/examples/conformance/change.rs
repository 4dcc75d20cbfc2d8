//! A change of a case.

use imtag_transport::{ChangeOperation, ChangeRequest};
use serde_json::Value;

use crate::NotACase;
use crate::text::{bytes, texts};

pub(crate) fn read(change: &Value) -> Result<ChangeRequest, NotACase> {
    let operation = match change["operation"].as_str().unwrap_or_default() {
        "add" => ChangeOperation::Add,
        "remove" => ChangeOperation::Remove,
        "clear" => ChangeOperation::Clear,
        other => return Err(NotACase::from(format!("there is no change {other:?}"))),
    };
    let (account, tags) = (bytes(&change["account"])?, texts(&change["tags"])?);
    let tags = tags.iter().map(Vec::as_slice);
    Ok(ChangeRequest::from_bytes(operation, &account, tags))
}
