//! The schema of one record as constant data.

use super::support::Support;

/// The keys of one dictionary.
#[derive(Debug)]
#[non_exhaustive]
pub struct Table {
    /// The record's Rust name.
    pub name: &'static str,
    /// Apple's name for what the record is, when it has one: message, request, payload or declaration type.
    pub kind: &'static str,
    /// Where the whole is supported; empty when only the keys say so.
    pub support: &'static [Support],
    /// The keys that the schema knows, in its order. Wildcards are not listed: such a dictionary is a map or has none.
    pub keys: &'static [Key],
}

impl Table {
    /// The key of this name on the wire.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key of a dictionary.
#[derive(Debug)]
#[non_exhaustive]
pub struct Key {
    /// The name on the wire.
    pub name: &'static str,
    /// What its value is.
    pub shape: Shape,
    /// Whether the schema asks for it.
    pub presence: Presence,
    /// Where it is supported, as far as that differs from the dictionary that it is in.
    pub support: &'static [Support],
    /// What else the schema says of its value.
    pub rules: &'static Rules,
}

/// The type of a value.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shape {
    /// `<boolean>`
    Boolean,
    /// `<integer>`
    Integer,
    /// `<real>`
    Real,
    /// `<string>`
    String,
    /// `<string>` for which the schema lists values.
    OneOf(&'static [Choice]),
    /// `<data>`
    Data,
    /// `<date>`
    Date,
    /// `<any>`
    Any,
    /// `<array>` of this.
    Array(&'static Shape),
    /// `<dictionary>` with keys that the schema does not name, all with values of this type.
    Map(&'static Shape),
    /// `<dictionary>` with named keys. A function, because dictionaries may hold themselves.
    Record(fn() -> &'static Table),
    /// `<dictionary>` that is one of several, told apart by the string under a key.
    Union {
        /// The key that tells.
        tag: &'static str,
        /// Its values, and the dictionary that each stands for.
        #[allow(clippy::type_complexity, reason = "a list of names and what they stand for")]
        members: &'static [(&'static str, fn() -> &'static Table)],
    },
}

impl Shape {
    /// The type's name, as Apple writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            Shape::Boolean => "boolean",
            Shape::Integer => "integer",
            Shape::Real => "real",
            Shape::String | Shape::OneOf(_) => "string",
            Shape::Data => "data",
            Shape::Date => "date",
            Shape::Any => "any",
            Shape::Array(_) => "array",
            Shape::Map(_) | Shape::Record(_) | Shape::Union { .. } => "dictionary",
        }
    }
}

/// One value that the schema lists.
#[derive(Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The value.
    pub value: &'static str,
    /// Where it is supported, as far as that differs from its key.
    pub support: &'static [Support],
}

/// Whether the schema asks for a key. Devices do not keep to it; a server's own documents should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// `required`
    Required,
    /// `optional`
    Optional,
    /// Not said.
    Unstated,
}

impl Presence {
    pub(crate) const REQUIRED: Presence = Presence::Required;
    pub(crate) const OPTIONAL: Presence = Presence::Optional;
    pub(crate) const UNSTATED: Presence = Presence::Unstated;
}

/// What the schema says of a value besides its type. On an array, values, bounds and format are those of its items.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rules {
    /// The values that are allowed, when they are listed and are not strings of a type of their own.
    pub values: &'static [Scalar],
    /// Least value.
    pub min: Option<Scalar>,
    /// Greatest value.
    pub max: Option<Scalar>,
    /// What the device assumes when the key is absent.
    pub default: Option<Scalar>,
    /// Regular expression for the whole string.
    pub format: Option<&'static str>,
    /// Form of the string: `url`, `hostname` or `email`.
    pub subtype: Option<&'static str>,
    /// Least and greatest number of items.
    pub repetition: Option<(u32, u32)>,
    /// How a device combines the value with those of other configurations of the type.
    pub combine: Option<Combine>,
    /// Types of asset that the value may name.
    pub asset_types: &'static [&'static str],
    /// Media types that the named asset may have.
    pub asset_content_types: &'static [&'static str],
}

impl Rules {
    /// Nothing further is said.
    pub const NONE: Rules = Rules {
        values: &[],
        min: None,
        max: None,
        default: None,
        format: None,
        subtype: None,
        repetition: None,
        combine: None,
        asset_types: &[],
        asset_content_types: &[],
    };
}

/// A value within a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Num(f64),
    /// A text.
    Text(&'static str),
}

/// How values of several configurations become one on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Combine {
    /// `boolean-or`
    BooleanOr,
    /// `boolean-and`
    BooleanAnd,
    /// `number-min`
    NumberMin,
    /// `number-max`
    NumberMax,
    /// `enum-first`: the value that stands first in the list.
    EnumFirst,
    /// `enum-last`: the value that stands last in the list.
    EnumLast,
    /// `first`: the value that was processed first.
    First,
    /// `array-append`
    ArrayAppend,
    /// `set-union`
    SetUnion,
    /// `set-intersection`
    SetIntersection,
}
