//! JSON as it came, without copies: a text is a part of the body, unless an escape is in it. It is read by the rules of
//! [`serde_json::Value`]: the same bodies are JSON, and no others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// What the emulator tells apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Json<'a> {
    Object(Fields<'a>),
    List(Vec<Json<'a>>),
    Text(Cow<'a, str>),
    /// A whole number from 0.
    Count(u64),
    Other,
}

/// The fields of an object, in the order of the body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Result<Json<'a>, serde_json::Error> {
        match std::str::from_utf8(body) {
            Ok(text) => serde_json::from_str(text),
            // For the error, which says where.
            Err(_) => serde_json::from_slice(body),
        }
    }
}

impl<'a> Fields<'a> {
    /// Takes a field out. Of several with this name the last one counts.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Json<'a>> {
        let mut found = None;
        while let Some(at) = self.0.iter().position(|(it, _)| it == name) {
            found = Some(self.0.remove(at).1);
        }
        found
    }

    /// The names that are left, each once, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Count(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Json::Text(name), value)) = fields.next_entry()? {
            object.push((name, value));
        }
        Ok(Json::Object(Fields(object)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn same(json: &Json<'_>, value: &Value) -> bool {
        match (json, value) {
            (Json::Object(fields), Value::Object(values)) => {
                let names = fields.names();
                let last = |name: &&&str| fields.0.iter().rfind(|(it, _)| it == **name);
                let fields = names.iter().map(|name| last(&name).map(|(_, json)| json));
                names.iter().eq(values.keys())
                    && fields
                        .zip(values.values())
                        .all(|(json, value)| same(json.unwrap(), value))
            }
            (Json::List(list), Value::Array(values)) => {
                list.len() == values.len() && list.iter().zip(values).all(|(a, b)| same(a, b))
            }
            (Json::Text(text), Value::String(value)) => text == value,
            (Json::Count(count), value) => value.as_u64() == Some(*count),
            (Json::Other, Value::Number(number)) => number.as_u64().is_none(),
            (Json::Other, Value::Null | Value::Bool(_)) => true,
            _ => false,
        }
    }

    /// Both read it, to the same, or both say the same of it.
    fn compare(body: &[u8]) {
        let shown = String::from_utf8_lossy(body);
        match (Json::read(body), serde_json::from_slice::<Value>(body)) {
            (Ok(json), Ok(value)) => assert!(same(&json, &value), "{shown}: {json:?} {value:?}"),
            (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{shown}"),
            (ours, theirs) => panic!("{shown}: {ours:?} {theirs:?}"),
        }
    }

    #[test]
    fn it_is_read_as_serde_json_reads_values() {
        let deep = [127, 128].map(|depth| "[".repeat(depth) + &"]".repeat(depth));
        let texts = r#"{"UserTags":[{"To_Account":"a","Tags":["t","标签",""]}],"Replace":1}
{"a":1,"b":{"c":[]},"a":[2],"\u0061":"last"}
"\ud83c\udff7 \n\\ \u6807"
"\ud800"
"\q"
[0,1,-1,1.0,1e3,18446744073709551615,18446744073709551616,-0]
1e999
[null,true,false,nul]
{"a":1,}
{"a"}
{1:2}
[1 2]
{}{}
  {} 
 
"open"#;
        let lines = texts.lines().chain(deep.iter().map(String::as_str));
        for text in lines.clone() {
            compare(text.as_bytes());
            for end in 0..text.len() {
                compare(&text.as_bytes()[..end]);
            }
        }
        compare("\u{feff}{}".as_bytes());
        compare(b"{\"a\":[\"\xff\"]}");
        compare(b"{\"\xff\":1}");
        compare(b"[1,\xff]");
        compare(b"\"a\x00\"");
    }

    #[test]
    fn a_text_is_a_part_of_the_body_unless_it_is_escaped() {
        let Ok(Json::List(list)) = Json::read(r#"["标","a\n"]"#.as_bytes()) else {
            panic!("it is a list");
        };
        assert!(matches!(list[0], Json::Text(Cow::Borrowed("标"))));
        assert!(matches!(&list[1], Json::Text(Cow::Owned(text)) if text == "a\n"));
    }
}
