//! What /openapi.json says of an answer: its status, its type, and its body by what of JSON Schema the page uses.

use std::sync::LazyLock;

use serde_json::Value;

use super::http::Answer;

/// The page as the daemon has it.
pub(crate) static PAGE: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/openapi.json")).unwrap());

/// The answer is one that the page knows.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, answer: &Answer) {
    if let Err(why) = checked(method, path, answer) {
        panic!(
            "{method} {path}, status {}: {why}\n{}",
            answer.status, answer.json
        );
    }
}

fn checked(method: &str, path: &str, answer: &Answer) -> Result<(), String> {
    let path = match path.strip_prefix("/v1/changes/") {
        Some(_) => "/v1/changes/{id}",
        None => path,
    };
    let responses = &PAGE["paths"][path][method]["responses"];
    let response = &responses[answer.status.to_string()];
    if response.is_null() {
        return Err("the page knows no such status".to_owned());
    }
    let kind = answer.field("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let schema = &response["content"][kind]["schema"];
    let line = &response["content"][kind]["x-line"];
    if !line.is_null() {
        let mut lines = answer.lines().into_iter();
        return lines.try_for_each(|it| valid(line, &it, "line"));
    }
    if schema.is_null() {
        return Err(format!("the page knows no {kind:?}"));
    }
    valid(schema, &answer.json, "body")
}

/// A value is what a schema says, or why it is not.
pub(crate) fn valid(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = schema.as_object().ok_or(format!("{at}: no schema"))?;
    for (rule, says) in rules {
        match rule.as_str() {
            "$ref" => valid(referred(says), value, at)?,
            "type" => (is_of(says, value) || (value.is_null() && rules.contains_key("nullable")))
                .then_some(())
                .ok_or(format!("{at} is no {says}"))?,
            "enum" => {
                let values = says.as_array().unwrap();
                let is_one = values.contains(value);
                is_one
                    .then_some(())
                    .ok_or(format!("{at} is none of {says}"))?;
            }
            "required" => {
                let mut names = says.as_array().unwrap().iter();
                let missing = names.find(|name| value.get(name.as_str().unwrap()).is_none());
                missing.map_or(Ok(()), |name| Err(format!("{at} has no {name}")))?;
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    valid(says, item, &format!("{at}[{index}]"))?;
                }
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = says.get(name) {
                        valid(schema, field, &format!("{at}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(*says, false, "{at}");
                let mut names = value.as_object().into_iter().flatten().map(|it| it.0);
                let unknown = names.find(|name| schema["properties"].get(name).is_none());
                unknown.map_or(Ok(()), |name| {
                    Err(format!("{at}.{name} is not on the page"))
                })?;
            }
            "oneOf" => {
                let schemas = says.as_array().unwrap().iter();
                let fitting = schemas.filter(|it| valid(it, value, at).is_ok()).count();
                (fitting == 1)
                    .then_some(())
                    .ok_or(format!("{at} is {fitting} of {says}"))?;
            }
            "nullable" | "description" => {}
            _ => return Err(format!("the rule {rule} is not checked")),
        }
    }
    Ok(())
}

fn referred(to: &Value) -> &'static Value {
    let path = to.as_str().and_then(|to| to.strip_prefix('#')).unwrap();
    PAGE.pointer(path).expect("what a $ref names")
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("a type {other} is not checked"),
    }
}
