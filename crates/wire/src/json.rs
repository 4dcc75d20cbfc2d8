//! JSON as it came, in one list and without copies: a text is a part of the body, unless an escape is in it.
//!
//! The list has each value before those in it, as they stand in the body. So a body takes one piece of memory, however
//! many lists and objects are in it:
//!
//! ```text
//! {"a": [1, "t"], "b": {}}      Object 6 │ "a" │ List 3 │ 1 │ "t" │ "b" │ Object 1
//! ```
//!
//! It is read by the rules of [`serde_json::Value`]: the same bodies are JSON, and no others, except those with an object
//! of a name that serde_json keeps for itself.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The name of the object that numbers are with serde_json's feature `arbitrary_precision`, which another crate of a
/// program may turn on.
const NUMBER: &str = "$serde_json::private::Number";
/// What a node of a full request takes in the body, about.
const NODE_BYTES: usize = 16;
/// Nodes that memory is set aside for before they are read.
const RESERVED_AT_MOST: usize = 4096;

/// A body.
#[derive(Debug)]
pub struct Json<'a>(Vec<Node<'a>>);

#[derive(Debug, PartialEq, Eq)]
enum Node<'a> {
    /// Names and values in turn; how many nodes it has, itself included.
    Object(usize),
    List(usize),
    Text(Cow<'a, str>),
    /// A whole number from 0.
    Unsigned(u64),
    Other,
}

/// What is told apart.
#[derive(Debug, Clone, Copy)]
pub enum Value<'j, 'a> {
    /// An object.
    Object(Fields<'j, 'a>),
    /// A list.
    List(Items<'j, 'a>),
    /// A text.
    Text(&'j Cow<'a, str>),
    /// A whole number from 0.
    Unsigned(u64),
    /// Anything else.
    Other,
}

/// The values of a list.
#[derive(Debug, Clone, Copy)]
pub struct Items<'j, 'a>(&'j [Node<'a>]);

/// The fields of an object.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'j, 'a>(Items<'j, 'a>);

impl<'a> Json<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// If it is not JSON.
    pub fn read(body: &'a [u8]) -> Result<Json<'a>, serde_json::Error> {
        let mut nodes = Vec::with_capacity((body.len() / NODE_BYTES).min(RESERVED_AT_MOST));
        match std::str::from_utf8(body) {
            Ok(text) => read(serde_json::Deserializer::from_str(text), &mut nodes)?,
            // For the error, which says where.
            Err(_) => read(serde_json::Deserializer::from_slice(body), &mut nodes)?,
        }
        Ok(Json(nodes))
    }

    /// The whole.
    #[must_use]
    pub fn value(&self) -> Value<'_, 'a> {
        Items(&self.0).next().unwrap_or(Value::Other)
    }
}

fn read<'a, R: serde_json::de::Read<'a>>(
    mut json: serde_json::Deserializer<R>,
    nodes: &mut Vec<Node<'a>>,
) -> Result<(), serde_json::Error> {
    Reader(nodes).deserialize(&mut json)?;
    json.end()
}

impl<'j, 'a> Iterator for Items<'j, 'a> {
    type Item = Value<'j, 'a>;

    fn next(&mut self) -> Option<Value<'j, 'a>> {
        let (first, after) = self.0.split_first()?;
        let within = |nodes: usize| Items(&after[..nodes - 1]);
        let (value, nodes) = match first {
            Node::Object(nodes) => (Value::Object(Fields(within(*nodes))), *nodes),
            Node::List(nodes) => (Value::List(within(*nodes)), *nodes),
            Node::Text(text) => (Value::Text(text), 1),
            Node::Unsigned(number) => (Value::Unsigned(*number), 1),
            Node::Other => (Value::Other, 1),
        };
        self.0 = &self.0[nodes..];
        Some(value)
    }
}

impl<'j, 'a> Fields<'j, 'a> {
    /// The fields, in their order.
    pub fn all(mut self) -> impl Iterator<Item = (&'j str, Value<'j, 'a>)> {
        std::iter::from_fn(move || match (self.0.next()?, self.0.next()?) {
            (Value::Text(name), value) => Some((&**name, value)),
            _ => None,
        })
    }

    /// A field. Of several with this name the last one counts.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'j, 'a>> {
        let found = self.all().filter(|(it, _)| *it == name).last();
        found.map(|(_, value)| value)
    }

    /// The names, each once, in order.
    #[must_use]
    pub fn names(self) -> Vec<&'j str> {
        let mut names: Vec<&str> = self.all().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Reads a value after the nodes that are there.
struct Reader<'n, 'a>(&'n mut Vec<Node<'a>>);

impl<'de> DeserializeSeed<'de> for Reader<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Reader<'_, 'de> {
    fn push<E>(self, node: Node<'de>) -> Result<(), E> {
        self.0.push(node);
        Ok(())
    }

    /// Reads what is within a list or an object, after a node for it.
    fn within<E>(
        self,
        node: fn(usize) -> Node<'de>,
        mut next: impl FnMut(&mut Vec<Node<'de>>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let at = self.0.len();
        self.0.push(Node::Other);
        while next(self.0)? {}
        self.0[at] = node(self.0.len() - at);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Reader<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Node::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.push(Node::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.push(Node::Unsigned(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.push(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.push(Node::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.push(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.within(Node::List, |nodes| {
            Ok(items.next_element_seed(Reader(nodes))?.is_some())
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Reader(nodes) = self;
        let at = nodes.len();
        Reader(nodes).within(Node::Object, |nodes| {
            if fields.next_key_seed(Reader(nodes))?.is_none() {
                return Ok(false);
            }
            fields.next_value_seed(Reader(nodes))?;
            Ok(true)
        })?;
        if let [Node::Object(_), Node::Text(name), Node::Text(number)] = &nodes[at..] {
            if name == NUMBER {
                let number = number.parse().map_or(Node::Other, Node::Unsigned);
                nodes.truncate(at);
                nodes.push(number);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(json: Value<'_, '_>, value: &serde_json::Value) -> bool {
        use serde_json::Value as Plain;
        match (json, value) {
            (Value::Object(fields), Plain::Object(values)) => {
                fields.names().into_iter().eq(values.keys())
                    && values
                        .iter()
                        .all(|(name, value)| same(fields.get(name).unwrap(), value))
            }
            (Value::List(list), Plain::Array(values)) => {
                list.count() == values.len() && list.zip(values).all(|(a, b)| same(a, b))
            }
            (Value::Text(text), Plain::String(value)) => text == value,
            (Value::Unsigned(count), value) => value.as_u64() == Some(count),
            (Value::Other, Plain::Number(number)) => number.as_u64().is_none(),
            (Value::Other, Plain::Null | Plain::Bool(_)) => true,
            _ => false,
        }
    }

    /// Both read it, to the same, or both say the same of it.
    fn compare(body: &[u8]) {
        let shown = String::from_utf8_lossy(body);
        let plain = serde_json::from_slice::<serde_json::Value>(body);
        match (Json::read(body), plain) {
            (Ok(json), Ok(plain)) => assert!(same(json.value(), &plain), "{shown}: {json:?}"),
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
    fn numbers_are_told_apart_where_serde_json_keeps_their_digits() {
        for (number, expected) in [("1", "Unsigned(1)"), ("-1", "Other"), ("1e3", "Other")] {
            let body = format!(r#"[{{"$serde_json::private::Number":"{number}"}},"t"]"#);
            let json = Json::read(body.as_bytes()).unwrap();
            let Value::List(mut items) = json.value() else {
                panic!("{json:?}");
            };
            assert_eq!(format!("{:?}", items.next().unwrap()), expected);
            assert!(matches!(items.next(), Some(Value::Text(text)) if text == "t"));
        }
    }

    #[test]
    fn a_text_is_a_part_of_the_body_unless_it_is_escaped() {
        let json = Json::read(r#"["标","a\n"]"#.as_bytes()).unwrap();
        let texts = &json.0[1..];
        assert!(matches!(texts[0], Node::Text(Cow::Borrowed("标"))));
        assert!(matches!(&texts[1], Node::Text(Cow::Owned(text)) if text == "a\n"));
        assert_eq!(json.0[0], Node::List(3));
    }
}
