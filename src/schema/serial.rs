//! Records in JSON and in every other format of `serde`, through the same tables.
//!
//! Keys are those of the wire. Data is base64 text and a date is RFC 3339 text, as Apple's own JSON has them; reading turns them
//! back where the schema says so. Under a key that the schema does not know they stay text, because nothing tells them apart.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::record::Record;
use super::table::{Shape, Table};
use crate::plist::{Dictionary, Value};

/// Why bytes are no JSON document that a property list can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// More bytes than the limits allow.
    #[error("the JSON document has {length} bytes, more than the limit of {limit}")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// No JSON, nested too deeply, a key twice, or `null`, which property lists do not have.
    #[error("no JSON document of the protocol, at line {line}, column {column}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 before the first.
        column: usize,
    },
    /// The document is not an object.
    #[error("the JSON document is {0}, not an object")]
    NotAnObject(&'static str),
}

/// Reads a JSON object as a dictionary. Text stays text: [`Table::typed`] turns it into what the schema says.
pub(crate) fn parse_json(bytes: &[u8], limit: usize) -> Result<Dictionary, JsonError> {
    if bytes.len() > limit {
        return Err(JsonError::TooLong { length: bytes.len(), limit });
    }
    // The parser itself stops at 128 levels.
    let parsed: Result<Untyped, _> = serde_json::from_slice(bytes);
    match parsed {
        Ok(Untyped(Value::Dictionary(entries))) => Ok(entries),
        Ok(Untyped(other)) => Err(JsonError::NotAnObject(other.kind())),
        Err(error) => Err(JsonError::Malformed { line: error.line(), column: error.column() }),
    }
}

/// Writes a dictionary as JSON.
pub(crate) fn to_json(entries: &Dictionary) -> Vec<u8> {
    // Keys are strings, numbers are finite or become null, and a vector takes every byte: this does not fail.
    serde_json::to_vec(&Entries(entries)).unwrap_or_default()
}

impl Table {
    /// The same dictionary with text turned into data, dates and reals where this schema asks for them and the text is one.
    pub fn typed(&self, entries: Dictionary) -> Dictionary {
        let typed = entries.into_iter().map(|(name, value)| match self.key(&name) {
            Some(key) => (name, typed(&key.shape, value)),
            None => (name, value),
        });
        Dictionary::from_distinct(typed.collect())
    }
}

fn typed(shape: &Shape, value: Value) -> Value {
    match (shape, value) {
        (Shape::Data, Value::String(text)) => STANDARD.decode(&text).map_or(Value::String(text), Value::Data),
        (Shape::Date, Value::String(text)) => text.parse().map_or(Value::String(text), Value::Date),
        // 1 and 1.0 are one number in JSON.
        (Shape::Real, Value::Integer(number)) => exact(number).map_or(Value::Integer(number), Value::Real),
        (Shape::Array(item), Value::Array(values)) => {
            values.into_iter().map(|value| typed(item, value)).collect::<Vec<_>>().into()
        }
        (Shape::Map(item), Value::Dictionary(entries)) => {
            let entries = entries.into_iter().map(|(name, value)| (name, typed(item, value)));
            Dictionary::from_distinct(entries.collect()).into()
        }
        (Shape::Record(table), Value::Dictionary(entries)) => table().typed(entries).into(),
        (Shape::Union { tag, members }, Value::Dictionary(entries)) => {
            let kind = entries.get(tag).and_then(Value::as_str);
            match members.iter().find(|(name, _)| Some(*name) == kind) {
                Some((_, table)) => table().typed(entries).into(),
                None => entries.into(),
            }
        }
        (_, value) => value,
    }
}

/// The number as a real, when a real holds it exactly.
fn exact(number: i64) -> Option<f64> {
    i32::try_from(number).ok().map(f64::from)
}

/// `Serialize` of every record.
pub(crate) fn serialize<R: Record, S: Serializer>(record: &R, serializer: S) -> Result<S::Ok, S::Error> {
    Entries(&record.to_dictionary()).serialize(serializer)
}

/// `Deserialize` of every record.
pub(crate) fn deserialize<'de, R: Record, D: Deserializer<'de>>(deserializer: D) -> Result<R, D::Error> {
    match Untyped::deserialize(deserializer)? {
        Untyped(Value::Dictionary(entries)) => Ok(R::from_dictionary(R::table().typed(entries))),
        Untyped(_) => Err(serde::de::Error::custom("a record must be a map")),
    }
}

struct Entries<'a>(&'a Dictionary);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.iter() {
            map.serialize_entry(key, &Plain(value))?;
        }
        map.end()
    }
}

struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Boolean(truth) => serializer.serialize_bool(*truth),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Real(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::Data(octets) => serializer.serialize_str(&STANDARD.encode(octets)),
            Value::Date(at) => serializer.collect_str(at),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Plain(item))?;
                }
                list.end()
            }
            Value::Dictionary(entries) => Entries(entries).serialize(serializer),
        }
    }
}

/// A value as the format tells it, before the schema has its word.
struct Untyped(Value);

impl<'de> Deserialize<'de> for Untyped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Untyped)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that a property list can hold")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, octets: &[u8]) -> Result<Value, E> {
        Ok(octets.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Untyped(item)) = list.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some((name, Untyped(value))) = map.next_entry::<String, Untyped>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom("a key comes twice"));
            }
            entries.push((name, value));
        }
        Ok(Dictionary::from_distinct(entries).into())
    }
}
