//! Where a value is not of the type that the schema gives it.

use std::fmt::Write as _;

use super::table::{Shape, Table};
use crate::plist::{Dictionary, Value};

/// A value of another type than the schema's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Where: keys with dots between, items by number: `QueryResponses.ServiceSubscriptions[1].IMEI`.
    pub path: String,
    /// The type that the schema gives.
    pub expected: &'static str,
    /// The type that the value has.
    pub found: &'static str,
}

/// All of them in a dictionary, at any depth.
pub(super) fn mismatches(table: &Table, entries: &Dictionary) -> Vec<Mismatch> {
    let mut found = Vec::new();
    record(table, entries, &mut String::new(), &mut found);
    found
}

fn record(table: &Table, entries: &Dictionary, path: &mut String, found: &mut Vec<Mismatch>) {
    for (name, value) in entries.iter() {
        if let Some(key) = table.key(name) {
            under(path, name, |path| differ(&key.shape, value, path, found));
        }
    }
}

/// Does something under one more key, and takes the key off the path again.
fn under(path: &mut String, name: &str, act: impl FnOnce(&mut String)) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    act(path);
    path.truncate(length);
}

fn differ(shape: &Shape, value: &Value, path: &mut String, found: &mut Vec<Mismatch>) {
    match (shape, value) {
        (Shape::Any, _)
        | (Shape::Boolean, Value::Boolean(_))
        | (Shape::Integer, Value::Integer(_))
        | (Shape::Real, Value::Real(_))
        | (Shape::String | Shape::OneOf(_), Value::String(_))
        | (Shape::Data, Value::Data(_))
        | (Shape::Date, Value::Date(_)) => {}
        (Shape::Array(item), Value::Array(values)) => {
            for (at, value) in values.iter().enumerate() {
                let length = path.len();
                // Writing to a string does not fail.
                let _ = write!(path, "[{at}]");
                differ(item, value, path, found);
                path.truncate(length);
            }
        }
        (Shape::Map(Shape::Any), Value::Dictionary(_)) => {}
        (Shape::Map(item), Value::Dictionary(entries)) => {
            for (name, value) in entries.iter() {
                under(path, name, |path| differ(item, value, path, found));
            }
        }
        (Shape::Record(table), Value::Dictionary(entries)) => record(table(), entries, path, found),
        (Shape::Union { tag, members }, Value::Dictionary(entries)) => {
            let kind = entries.get(tag).and_then(Value::as_str);
            if let Some((_, table)) = members.iter().find(|(name, _)| Some(*name) == kind) {
                record(table(), entries, path, found);
            }
        }
        _ => {
            // The kind of a number that 64 bits with a sign do not hold would read like the kind that was expected.
            let kind = if matches!(value, Value::Unsigned(_)) { "integer above 9223372036854775807" } else { value.kind() };
            found.push(Mismatch { path: path.clone(), expected: shape.name(), found: kind });
        }
    }
}
