//! The one loop that reads and writes every record.

use std::fmt;

use super::check::Mismatch;
use super::item::Item;
use super::table::{Shape, Table};
use crate::plist::{Dictionary, Value};
use crate::secret::Secret;

/// One field of a record, as the shared loop sees it.
pub trait Slot {
    /// Takes a value over.
    ///
    /// # Errors
    /// The value itself, when the field cannot hold it.
    fn put(&mut self, value: Value, shape: &Shape) -> Result<(), Value>;

    /// Takes the value out, when there is one.
    fn take(&mut self, shape: &Shape) -> Option<Value>;

    /// The content for `Debug`, when there is one.
    fn shown(&self) -> Option<&dyn fmt::Debug>;
}

/// The shape that a field's type stands for.
pub(crate) trait Field {
    const SHAPE: Shape;
}

impl<T: Item> Field for Option<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: Item> Slot for Option<T> {
    fn put(&mut self, value: Value, _: &Shape) -> Result<(), Value> {
        *self = Some(T::from_value(value)?);
        Ok(())
    }

    fn take(&mut self, _: &Shape) -> Option<Value> {
        Option::take(self).map(T::into_value)
    }

    fn shown(&self) -> Option<&dyn fmt::Debug> {
        self.as_ref().map(|item| -> &dyn fmt::Debug { item })
    }
}

impl Field for Option<Secret> {
    const SHAPE: Shape = Shape::Data;
}

/// A secret is data or text on the wire; the key's row says which.
impl Slot for Option<Secret> {
    fn put(&mut self, value: Value, shape: &Shape) -> Result<(), Value> {
        *self = Some(match (value, shape) {
            (Value::String(text), Shape::String) => Secret::from(text),
            (Value::Data(octets), Shape::Data) => Secret::new(octets),
            (other, _) => return Err(other),
        });
        Ok(())
    }

    fn take(&mut self, shape: &Shape) -> Option<Value> {
        let secret = Option::take(self)?;
        // A secret that a host made of other octets than text is written as the data that it is.
        match (shape, secret.expose_str()) {
            (Shape::String, Some(text)) => Some(text.into()),
            _ => Some(secret.expose().into()),
        }
    }

    fn shown(&self) -> Option<&dyn fmt::Debug> {
        self.as_ref().map(|secret| -> &dyn fmt::Debug { secret })
    }
}

/// A dictionary of the schema as a struct: each named key an optional field, everything else in `extra`.
///
/// Reading never fails. A key that the schema does not know, and a value that is not of its key's type, stay in `extra` as
/// they came; writing gives them back. A field that is set wins over an entry of the same key in `extra`.
pub trait Record: Clone + fmt::Debug + Default + PartialEq {
    /// The schema of this record.
    fn table() -> &'static Table;

    /// The fields, in the order of the table's keys, and `extra`.
    ///
    /// The one way to all fields at once. What only looks at a record looks at a copy; so nothing has to be written for each record
    /// twice.
    fn slots(&mut self) -> (Vec<&mut dyn Slot>, &mut Dictionary);

    /// From a dictionary.
    fn from_dictionary(entries: Dictionary) -> Self {
        let mut record = Self::default();
        fill(Self::table(), record.slots(), entries);
        record
    }

    /// As a dictionary: the fields in the order of the schema, then `extra`.
    fn into_dictionary(mut self) -> Dictionary {
        pour(Self::table(), self.slots())
    }

    /// As a dictionary, from a copy.
    fn to_dictionary(&self) -> Dictionary {
        self.clone().into_dictionary()
    }

    /// Every value, at any depth, that is not of the type that the schema gives its key. Such a value is in an `extra`, as it came.
    fn mismatches(&self) -> Vec<Mismatch> {
        Self::table().mismatches(&self.to_dictionary())
    }
}

/// Every record is a dictionary.
impl<R: Record> Item for R {
    const SHAPE: Shape = Shape::Record(R::table);

    fn from_value(value: Value) -> Result<Self, Value> {
        if let Value::Dictionary(entries) = value { Ok(R::from_dictionary(entries)) } else { Err(value) }
    }

    fn into_value(self) -> Value {
        Value::Dictionary(self.into_dictionary())
    }
}

/// Distributes entries over fields. This and its neighbours take their lists by value, so that the code which frees them is here once
/// and not in each of some eight hundred records.
fn fill(table: &Table, (mut slots, extra): (Vec<&mut dyn Slot>, &mut Dictionary), entries: Dictionary) {
    let mut rest = Vec::new();
    for (name, value) in entries {
        let at = table.keys.iter().position(|key| key.name == name);
        let place = at.and_then(|at| Some((table.keys.get(at)?, slots.get_mut(at)?)));
        match place {
            None => rest.push((name, value)),
            Some((key, slot)) => {
                if let Err(value) = slot.put(value, &key.shape) {
                    rest.push((name, value));
                }
            }
        }
    }
    *extra = Dictionary::from_distinct(rest);
}

/// Moves fields and `extra` into entries.
fn pour(table: &Table, (slots, extra): (Vec<&mut dyn Slot>, &mut Dictionary)) -> Dictionary {
    let mut entries = Vec::with_capacity(extra.len().saturating_add(4));
    for (key, slot) in table.keys.iter().zip(slots) {
        if let Some(value) = slot.take(&key.shape) {
            entries.push((key.name.to_owned(), value));
        }
    }
    let fields = entries.len();
    for (name, value) in std::mem::take(extra) {
        // Fields are few, whatever a device sends.
        if !entries.iter().take(fields).any(|(taken, _)| *taken == name) {
            entries.push((name, value));
        }
    }
    Dictionary::from_distinct(entries)
}

/// `Debug` of every record: the fields that are set, and of `extra` the keys and types only, since nobody knows whether an
/// unknown value is a secret.
pub(crate) fn show<R: Record>(record: &R, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show_slots(R::table(), record.clone().slots(), f)
}

fn show_slots(table: &Table, (slots, extra): (Vec<&mut dyn Slot>, &mut Dictionary), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut shown = f.debug_struct(table.name);
    for (key, slot) in table.keys.iter().zip(slots) {
        if let Some(content) = slot.shown() {
            shown.field(key.name, content);
        }
    }
    for (name, value) in extra.iter() {
        shown.field(name, &format_args!("<{}>", value.kind()));
    }
    shown.finish()
}

record! {
    /// A dictionary for which the schema names no key: what came is in `extra`.
    pub struct Empty = "" [] {}
}
