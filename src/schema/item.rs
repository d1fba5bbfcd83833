//! What a field may hold: one implementation per type of value, used by every record.

use std::collections::BTreeMap;
use std::fmt;

use super::table::Shape;
use crate::plist::{Dictionary, Value};
use crate::time::Timestamp;

/// A type that a value of the schema can have.
///
/// Implemented for booleans, `i64`, `f64`, `String`, `Vec<u8>` (data), [`Timestamp`], [`Value`] (anything), [`Dictionary`],
/// arrays and maps of these, and every generated record and value list.
pub trait Item: Clone + fmt::Debug + PartialEq + Sized {
    /// The type in the schema's terms.
    const SHAPE: Shape;

    /// From a value.
    ///
    /// # Errors
    /// The value itself, when it is of another type.
    fn from_value(value: Value) -> Result<Self, Value>;

    /// As a value. What came from [`from_value`](Item::from_value) gives that value back, up to the order of dictionary keys.
    fn into_value(self) -> Value;

    /// As a value, from a copy.
    fn to_value(&self) -> Value {
        self.clone().into_value()
    }
}

macro_rules! scalar {
    ($($type:ty: $shape:ident, $variant:ident;)*) => {$(
        impl Item for $type {
            const SHAPE: Shape = Shape::$shape;

            fn from_value(value: Value) -> Result<Self, Value> {
                if let Value::$variant(held) = value { Ok(held) } else { Err(value) }
            }

            fn into_value(self) -> Value {
                Value::$variant(self)
            }
        }
    )*};
}

scalar! {
    bool: Boolean, Boolean;
    i64: Integer, Integer;
    f64: Real, Real;
    String: String, String;
    Vec<u8>: Data, Data;
    Timestamp: Date, Date;
}

impl Item for Value {
    const SHAPE: Shape = Shape::Any;

    fn from_value(value: Value) -> Result<Self, Value> {
        Ok(value)
    }

    fn into_value(self) -> Value {
        self
    }
}

impl Item for Dictionary {
    const SHAPE: Shape = Shape::Map(&Shape::Any);

    fn from_value(value: Value) -> Result<Self, Value> {
        if let Value::Dictionary(entries) = value { Ok(entries) } else { Err(value) }
    }

    fn into_value(self) -> Value {
        Value::Dictionary(self)
    }
}

impl<T: Item> Item for Vec<T> {
    const SHAPE: Shape = Shape::Array(&T::SHAPE);

    fn from_value(value: Value) -> Result<Self, Value> {
        let Value::Array(values) = value else { return Err(value) };
        if is_bloated_array(size_of::<T>(), &values) {
            return Err(Value::Array(values));
        }
        let mut items = Vec::with_capacity(values.len());
        let mut rest = values.into_iter();
        while let Some(value) = rest.next() {
            match T::from_value(value) {
                Ok(item) => items.push(item),
                Err(odd) => return Err(rejoined(into_values(items), odd, rest)),
            }
        }
        Ok(items)
    }

    fn into_value(self) -> Value {
        Value::Array(into_values(self))
    }
}

/// A loop, and functions of no type around it, here and in the map below: every iterator adapter would be compiled anew for each of some
/// hundred types.
fn into_values<T: Item>(items: Vec<T>) -> Vec<Value> {
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        values.push(item.into_value());
    }
    values
}

/// An array with one item of another type, as it came.
fn rejoined(mut taken: Vec<Value>, odd: Value, rest: std::vec::IntoIter<Value>) -> Value {
    taken.push(odd);
    taken.extend(rest);
    Value::Array(taken)
}

/// Whether the typed form would take far more memory than what was sent: a record has room for every key of the schema, and an empty
/// dictionary is seven octets of XML. Such a list stays as it came, and is reported like any value of another type. No list that a
/// device makes is near it, since below a megabyte none is looked at. `keys` counts those of each item.
pub(crate) fn is_bloated(item_size: usize, keys: &mut dyn ExactSizeIterator<Item = usize>) -> bool {
    const SMALL: usize = 1 << 20;
    const FOR_AN_ITEM: usize = 64;
    const FOR_A_KEY: usize = 200;
    let items = keys.len();
    let typed = item_size.saturating_mul(items);
    typed > SMALL && typed > FOR_AN_ITEM.saturating_mul(items).saturating_add(FOR_A_KEY.saturating_mul(keys.sum()))
}

fn is_bloated_array(item_size: usize, values: &[Value]) -> bool {
    is_bloated(item_size, &mut values.iter().map(|value| value.as_dictionary().map_or(0, Dictionary::len)))
}

impl<T: Item> Item for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);

    fn from_value(value: Value) -> Result<Self, Value> {
        let Value::Dictionary(entries) = value else { return Err(value) };
        let mut items = BTreeMap::new();
        let mut rest = entries.into_iter();
        while let Some((key, value)) = rest.next() {
            match T::from_value(value) {
                Ok(item) => {
                    items.insert(key, item);
                }
                Err(odd) => {
                    let mut entries = into_entries(items);
                    entries.push((key, odd));
                    entries.extend(rest);
                    return Err(Value::Dictionary(Dictionary::from_distinct(entries)));
                }
            }
        }
        Ok(items)
    }

    fn into_value(self) -> Value {
        Value::Dictionary(Dictionary::from_distinct(into_entries(self)))
    }
}

fn into_entries<T: Item>(items: BTreeMap<String, T>) -> Vec<(String, Value)> {
    let mut entries = Vec::with_capacity(items.len());
    for (key, item) in items {
        entries.push((key, item.into_value()));
    }
    entries
}
