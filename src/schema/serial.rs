//! Records in JSON and in every other format of `serde`, through the same tables.
//!
//! Keys are those of the wire. Data is base64 text and a date is RFC 3339 text, as Apple's own JSON has them, and a real that is no
//! number is `nan`, `inf` or `-inf`; reading turns them back where the schema says so. Under a key that the schema does not know
//! they stay text, because nothing tells them apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed as _, Deserializer};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::json::Node;
use super::record::Record;
use super::table::{Shape, Table};
use crate::plist::{Dictionary, Value};

/// Writes a dictionary as JSON.
pub(crate) fn to_json(entries: &Dictionary) -> Vec<u8> {
    // Keys are strings, and a vector takes every byte: this does not fail.
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
        (Shape::Real, Value::String(text)) if matches!(&*text, "nan" | "inf" | "-inf") => {
            text.parse().map_or(Value::String(text), Value::Real)
        }
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
    match Node::UNBOUND.deserialize(deserializer)? {
        Value::Dictionary(entries) => Ok(R::from_dictionary(R::table().typed(entries))),
        _ => Err(serde::de::Error::custom("a record must be a map")),
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
            Value::Real(number) if !number.is_finite() => serializer.serialize_str(not_a_number(*number)),
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

/// How a real number that is none is spelled: JSON has no number for it.
fn not_a_number(number: f64) -> &'static str {
    if number.is_nan() {
        "nan"
    } else if number.is_sign_negative() {
        "-inf"
    } else {
        "inf"
    }
}
