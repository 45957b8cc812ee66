use std::fmt;

use config::{Map, Value, ValueKind};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A YAML node with the places of what is in it.
enum Node {
    Null,
    Scalar(ValueKind),
    List,
    Section(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Reads a YAML document; each value's origin is `name:line:column`, for a section that of its key. Null values are left
/// out: what is not said is left to the layers below.
pub(super) fn read(name: &str, text: &str) -> Result<Map<String, Value>, String> {
    let options = serde_saphyr::options! {
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let root = serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options).map_err(|error| {
        // Without the lines around it: there may be a password in one.
        let at = error.location().map_or(String::new(), |at| format!(":{}:{}", at.line(), at.column()));
        let plain = serde_saphyr::render_options! { snippets: serde_saphyr::SnippetMode::Off };
        format!("{name}{at}: not valid YAML: {}", error.without_snippet().render_with_options(plain))
    })?;
    match root.value {
        Node::Null => Ok(Map::new()),
        Node::Section(entries) => Ok(keyed(name, entries)),
        Node::Scalar(_) | Node::List => {
            Err(format!("{}: found no keys; accepted: a document of `key: value` lines", place(name, root.referenced)))
        }
    }
}

fn keyed(name: &str, entries: Vec<(Spanned<String>, Spanned<Node>)>) -> Map<String, Value> {
    let mut section = Map::new();
    for (key, value) in entries {
        let at = place(name, value.referenced);
        let value = match value.value {
            Node::Null => continue,
            Node::Scalar(kind) => Value::new(Some(&at), kind),
            Node::List => Value::new(Some(&at), ValueKind::Array(Vec::new())),
            Node::Section(entries) => {
                Value::new(Some(&place(name, key.referenced)), ValueKind::Table(keyed(name, entries)))
            }
        };
        section.insert(key.value, value);
    }
    section
}

fn place(name: &str, at: Location) -> String {
    format!("{name}:{}:{}", at.line(), at.column())
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(i64::try_from(value).map_or_else(|_| value.to_string().into(), ValueKind::from)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string().into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<Spanned<String>, Spanned<Node>>()? {
            entries.push(entry);
        }
        Ok(Node::Section(entries))
    }
}
