//! Declarative management: declarations, what a device is told to hold, and what it reports.
//!
//! Owns the reading and writing of the JSON that the `DeclarativeManagement` check-in carries. Which declarations a device shall
//! have, and when it is told, is the host's and `enrollment`'s. Refused is what is no JSON object; types that this crate does
//! not know are kept as they are.

use crate::limits::Limits;
use crate::plist::{Dictionary, Value};
#[cfg(feature = "declarations")]
use crate::schema::generated::declaration::each_declaration;
#[cfg(feature = "declarations")]
use crate::schema::generated::status::each_status;
use crate::schema::{Described, Mismatch, Record, Table, parse_json, to_json};

#[cfg(feature = "declarations")]
pub use crate::schema::generated::declaration::*;
pub use crate::schema::generated::protocol::*;
#[cfg(feature = "declarations")]
pub use crate::schema::generated::status::*;

pub use crate::schema::JsonError as Error;

/// The typed payload of a declaration.
pub trait Content: Record {
    /// `Type` of the declaration.
    const TYPE: &'static str;
}

/// A typed status item.
pub trait Item: Record {
    /// The item's name: keys with dots between.
    const NAME: &'static str;
}

#[cfg(feature = "declarations")]
macro_rules! declarations {
    ($($name:ident = $kind:literal,)*) => {
        $(
            impl Content for $name {
                const TYPE: &'static str = $kind;
            }
        )*

        /// The type and schema of every declaration that this crate knows.
        pub const DECLARATIONS: &[(&str, fn() -> &'static Table)] = &[$(($kind, <$name as Record>::table)),*];
    };
}
#[cfg(feature = "declarations")]
each_declaration!(declarations);
/// The type and schema of every declaration that this crate knows: none without the feature `declarations`.
#[cfg(not(feature = "declarations"))]
#[allow(clippy::type_complexity, reason = "a list of names and what they stand for")]
pub const DECLARATIONS: &[(&str, fn() -> &'static Table)] = &[];

#[cfg(feature = "declarations")]
macro_rules! items {
    ($($name:ident = $kind:literal,)*) => {
        $(
            impl Item for $name {
                const NAME: &'static str = $kind;
            }
        )*

        /// The name and schema of every status item that this crate knows.
        pub const STATUS_ITEMS: &[(&str, fn() -> &'static Table)] = &[$(($kind, <$name as Record>::table)),*];
    };
}
#[cfg(feature = "declarations")]
each_status!(items);

/// The schema of a declaration's payload, when this crate knows its type.
pub fn table(declaration_type: &str) -> Option<&'static Table> {
    DECLARATIONS.iter().find(|(kind, _)| *kind == declaration_type).map(|(_, table)| table())
}

/// A document of the protocol in JSON: [`DeclarationItemsResponse`], [`TokensResponse`], [`StatusReport`], and the payloads of
/// credential assets.
///
/// ```
/// use mdm_core::declaration::{Document, StatusReport};
///
/// let report = StatusReport::parse_json(br#"{"StatusItems":{"device":{"model":{"family":"Mac"}}},"Errors":[]}"#, &Default::default())?;
/// assert_eq!(report.errors, Some(vec![]));
/// # Ok::<(), mdm_core::declaration::Error>(())
/// ```
pub trait Document: Record {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error`] when the bytes are no JSON object.
    fn parse_json(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        Ok(Self::from_dictionary(Self::table().typed(parse_json(bytes, limits)?)))
    }

    /// Writes it.
    fn to_json(&self) -> Vec<u8> {
        to_json(&self.to_dictionary())
    }
}

impl<R: Record> Document for R {}

/// A declaration: its type, name, version and payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declaration {
    /// The keys that every declaration has, with the payload as it is.
    pub envelope: DeclarationBase,
}

impl Declaration {
    /// A declaration with a typed payload. The token must change with the payload.
    pub fn new<C: Content>(content: &C, identifier: impl Into<String>, server_token: impl Into<String>) -> Self {
        Declaration::raw(C::TYPE, content.to_dictionary(), identifier, server_token)
    }

    /// A declaration of any type and payload.
    pub fn raw(
        declaration_type: impl Into<String>,
        payload: Dictionary,
        identifier: impl Into<String>,
        server_token: impl Into<String>,
    ) -> Self {
        Declaration {
            envelope: DeclarationBase {
                r#type: Some(declaration_type.into()),
                identifier: Some(identifier.into()),
                server_token: Some(server_token.into()),
                payload: Some(payload),
                extra: Dictionary::new(),
            },
        }
    }

    /// Reads a declaration.
    ///
    /// # Errors
    /// [`Error`] when the bytes are no JSON object.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let mut envelope = DeclarationBase::from_dictionary(parse_json(bytes, limits)?);
        if let Some(table) = envelope.r#type.as_deref().and_then(table) {
            envelope.payload = envelope.payload.take().map(|payload| table.typed(payload));
        }
        Ok(Declaration { envelope })
    }

    /// `Type`; empty when it is absent.
    pub fn declaration_type(&self) -> &str {
        self.envelope.r#type.as_deref().unwrap_or_default()
    }

    /// The payload as the typed one, when it is of that type.
    pub fn read<C: Content>(&self) -> Option<C> {
        let payload = self.envelope.payload.clone()?;
        (self.declaration_type() == C::TYPE).then(|| C::from_dictionary(payload))
    }

    /// Values that are not of the type that the schema gives their key, in the envelope and in a payload of known type.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        let mut found = self.envelope.mismatches();
        if let (Some(table), Some(payload)) = (table(self.declaration_type()), &self.envelope.payload) {
            found.extend(table.mismatches(payload).into_iter().map(|mut mismatch| {
                mismatch.path = format!("Payload.{}", mismatch.path);
                mismatch
            }));
        }
        found
    }

    /// The declaration as the JSON that a device fetches.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(&self.envelope.to_dictionary())
    }
}

/// A declaration of any type, one that this crate does not know among them.
#[cfg(any(test, feature = "arbitrary"))]
impl<'a> arbitrary::Arbitrary<'a> for Declaration {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut envelope = DeclarationBase::arbitrary(u)?;
        let (kind, payload) = crate::schema::arbitrary::one_of(DECLARATIONS, u)?;
        envelope.r#type = Some(kind.unwrap_or("com.example.next").into());
        envelope.payload = Some(payload);
        Ok(Declaration { envelope })
    }
}

impl Described for Declaration {
    fn describe(&self, each: &mut dyn FnMut(&str, &[&'static Table], &Dictionary)) {
        if let Some(payload) = &self.envelope.payload {
            each("Payload", table(self.declaration_type()).as_slice(), payload);
        }
    }
}

impl StatusReport {
    /// A status item of the report, typed. The report nests items by the parts of their names.
    pub fn item<I: Item>(&self) -> Option<I> {
        let mut at = self.status_items.as_ref()?;
        let (path, last) = I::NAME.rsplit_once('.').unwrap_or(("", I::NAME));
        for part in path.split('.').filter(|part| !part.is_empty()) {
            at = at.get(part).and_then(Value::as_dictionary)?;
        }
        let item = Dictionary::from_iter([(I::NAME, at.get(last)?.clone())]);
        Some(I::from_dictionary(I::table().typed(item)))
    }
}

#[cfg(feature = "declarations")]
impl StatusReport {
    /// The items of the report that this crate knows, each with its schema and its value under its full name.
    pub fn known_items(&self) -> Vec<(&'static Table, Dictionary)> {
        let Some(items) = &self.status_items else { return Vec::new() };
        let found = STATUS_ITEMS.iter().filter_map(|(name, table)| {
            let mut parts = name.split('.');
            let first = items.get(parts.next()?)?;
            let value = parts.try_fold(first, |value, part| value.as_dictionary()?.get(part))?;
            Some((table(), table().typed(Dictionary::from_iter([(*name, value.clone())]))))
        });
        found.collect()
    }

    /// Values of known status items that are not of the type that the schema gives them. The report keeps them as they came.
    pub fn item_mismatches(&self) -> Vec<Mismatch> {
        let of_item = |(table, item): (&'static Table, Dictionary)| {
            table.mismatches(&item).into_iter().map(|mut mismatch| {
                mismatch.path = format!("StatusItems.{}", mismatch.path);
                mismatch
            })
        };
        self.known_items().into_iter().flat_map(of_item).collect()
    }
}

#[cfg(test)]
#[cfg(feature = "declarations")]
mod tests;
