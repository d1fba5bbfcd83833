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

    /// The value, when there is one.
    fn value(&self, shape: &Shape) -> Option<Value>;

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

    fn value(&self, _: &Shape) -> Option<Value> {
        self.as_ref().map(T::to_value)
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

    fn value(&self, shape: &Shape) -> Option<Value> {
        let secret = self.as_ref()?;
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
pub trait Record: Clone + Default + PartialEq {
    /// The schema of this record.
    fn table() -> &'static Table;

    /// The fields, in the order of the table's keys.
    fn slots(&self) -> Vec<&dyn Slot>;

    /// The fields and `extra`, to be written.
    fn slots_mut(&mut self) -> (Vec<&mut dyn Slot>, &mut Dictionary);

    /// What is in no field.
    fn extra(&self) -> &Dictionary;

    /// From a dictionary.
    fn from_dictionary(entries: Dictionary) -> Self {
        let mut record = Self::default();
        fill(Self::table(), record.slots_mut(), entries);
        record
    }

    /// As a dictionary: the fields in the order of the schema, then `extra`.
    fn to_dictionary(&self) -> Dictionary {
        pour(Self::table(), self.slots(), self.extra())
    }

    /// Every value, at any depth, that is not of the type that the schema gives its key. Such a value is in an `extra`, as it came.
    fn mismatches(&self) -> Vec<Mismatch> {
        Self::table().mismatches(&self.to_dictionary())
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

/// Collects fields into entries.
fn pour(table: &Table, slots: Vec<&dyn Slot>, extra: &Dictionary) -> Dictionary {
    let mut entries = Vec::with_capacity(extra.len().saturating_add(4));
    for (key, slot) in table.keys.iter().zip(slots) {
        if let Some(value) = slot.value(&key.shape) {
            entries.push((key.name.to_owned(), value));
        }
    }
    let fields = entries.len();
    for (name, value) in extra.iter() {
        // Fields are few, whatever a device sends.
        if !entries.iter().take(fields).any(|(taken, _)| taken == name) {
            entries.push((name.to_owned(), value.clone()));
        }
    }
    Dictionary::from_distinct(entries)
}

/// `Debug` of every record: the fields that are set, and of `extra` the keys and types only, since nobody knows whether an
/// unknown value is a secret.
pub(crate) fn show<R: Record>(record: &R, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    show_slots(R::table(), record.slots(), record.extra(), f)
}

fn show_slots(table: &Table, slots: Vec<&dyn Slot>, extra: &Dictionary, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
