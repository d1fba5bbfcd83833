//! Attributes that a signer signs along with the content.

use super::Error;
use crate::asn1::{Element, Error as Asn1Error, Oid, Reader, Tag, Writer};

/// A series of attributes (RFC 5652 section 5.3) in the order in which it was received.
#[derive(Clone, Debug)]
pub struct Attributes<'a>(pub(super) Reader<'a>);

/// One attribute: its type and its values, each a TLV.
#[derive(Clone, Debug)]
pub struct ReceivedAttribute<'a> {
    /// What it says.
    pub oid: Oid<'a>,
    /// The values, one element behind the other.
    pub values: Reader<'a>,
}

impl<'a> Attributes<'a> {
    /// Each attribute in wire order. The structure was checked when the message was parsed, so the iterator ends at the end.
    pub fn iter(&self) -> impl Iterator<Item = ReceivedAttribute<'a>> + use<'a> {
        let mut rest = self.0.clone();
        std::iter::from_fn(move || if rest.is_empty() { None } else { read_attribute(&mut rest).ok() })
    }

    /// The value of an attribute that may be absent, but stands once with one value when it is there.
    ///
    /// # Errors
    /// [`Error::AttributeRepeated`] with `name`.
    pub fn optional(&self, oid: Oid<'_>, name: &'static str) -> Result<Option<Element<'a>>, Error> {
        let mut found = self.iter().filter(|attribute| attribute.oid == oid);
        let Some(mut attribute) = found.next() else { return Ok(None) };
        let repeated = Error::AttributeRepeated(name);
        if found.next().is_some() {
            return Err(repeated);
        }
        let value = attribute.values.element().map_err(|_| repeated)?;
        if attribute.values.is_empty() { Ok(Some(value)) } else { Err(repeated) }
    }

    /// The value of an attribute that must stand once with one value.
    ///
    /// # Errors
    /// [`Error::AttributeMissing`] or [`Error::AttributeRepeated`] with `name`.
    pub fn required(&self, oid: Oid<'_>, name: &'static str) -> Result<Element<'a>, Error> {
        self.optional(oid, name)?.ok_or(Error::AttributeMissing(name))
    }

    /// Every attribute stands once: who reads the first of two and who reads the last must not see different messages.
    pub(super) fn check_unique(&self) -> Result<(), Error> {
        let mut types: Vec<Oid<'a>> = self.iter().map(|attribute| attribute.oid).collect();
        types.sort_unstable();
        match types.windows(2).any(|pair| pair.first() == pair.last()) {
            true => Err(Error::AttributeRepeated("of one type")),
            false => Ok(()),
        }
    }

    /// Reads to the end of the series, so that later iteration cannot fail.
    pub(super) fn check(&self) -> Result<(), Asn1Error> {
        let mut rest = self.0.clone();
        while !rest.is_empty() {
            let mut values = read_attribute(&mut rest)?.values;
            while !values.is_empty() {
                values.element()?;
            }
        }
        Ok(())
    }
}

fn read_attribute<'a>(reader: &mut Reader<'a>) -> Result<ReceivedAttribute<'a>, Asn1Error> {
    let mut attribute = reader.sequence()?;
    let oid = attribute.oid()?;
    let values = attribute.set()?;
    attribute.finish()?;
    Ok(ReceivedAttribute { oid, values })
}

/// An attribute to be signed: one type, one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute(Vec<u8>);

impl Attribute {
    /// From its type and its value, which the closure writes as one element.
    pub fn new(oid: Oid<'_>, value: impl FnOnce(&mut Writer)) -> Self {
        Attribute(Writer::build(|w| {
            w.sequence(|w| {
                w.oid(oid);
                w.nested(Tag::SET, value);
            });
        }))
    }
}

impl AsRef<[u8]> for Attribute {
    /// The attribute in DER.
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
