//! Which list of an issuer this is: its number, its base, its part.

use serde::{Deserialize, Serialize};

use crate::asn1::{Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::x509::extension::access::{read_full_name, write_full_name};
use crate::x509::{ExtensionType, GeneralName, oid};

/// The number of a list (RFC 5280 section 5.2.3): strictly rising with every list of an issuer and part.
///
/// RFC 5280 allows 20 octets; those of 8 or less have this form. A list with a longer one is read as a list without
/// ([`CertificateRevocationList::number`](super::CertificateRevocationList::number)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CrlNumber(u64);

impl CrlNumber {
    /// The number of a first list.
    pub const FIRST: CrlNumber = CrlNumber(1);

    /// From a number.
    pub const fn new(number: u64) -> Self {
        CrlNumber(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of the next list.
    #[must_use]
    pub const fn next(self) -> Self {
        CrlNumber(self.0.saturating_add(1))
    }
}

/// The longest number, in octets (RFC 5280 section 5.2.3).
const LONGEST: usize = 20;

/// A number of at most 20 octets; `None` when it is one above 64 bits.
pub(super) fn read_any_number(reader: &mut Reader<'_>) -> Result<Option<CrlNumber>, Asn1Error> {
    let at = reader.at();
    let octets = reader.integer()?;
    let magnitude = octets.strip_prefix(&[0]).unwrap_or(octets);
    let negative = octets.first().is_some_and(|first| first & 0x80 != 0);
    if negative || magnitude.len() > LONGEST {
        return Err(Asn1Error::field("number (negative or above 20 octets)", at));
    }
    let number = magnitude.iter().fold(0, |value: u64, octet| (value << 8) | u64::from(*octet));
    Ok(Some(CrlNumber(number)).filter(|_| magnitude.len() <= size_of::<u64>()))
}

fn read_number(reader: &mut Reader<'_>) -> Result<CrlNumber, Asn1Error> {
    let at = reader.at();
    read_any_number(reader)?.ok_or(Asn1Error::field("number (above 64 bits)", at))
}

impl ExtensionType for CrlNumber {
    const OID: Oid<'static> = oid::CRL_NUMBER;
    const NAME: &'static str = "cRLNumber";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        read_number(reader)
    }

    fn write(&self, w: &mut Writer) {
        w.unsigned_integer(&self.0.to_be_bytes());
    }
}

/// The number of the full list that a delta list continues (RFC 5280 section 5.2.4). Critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeltaCrlIndicator(
    /// The number of the full list.
    pub CrlNumber,
);

impl ExtensionType for DeltaCrlIndicator {
    const OID: Oid<'static> = oid::DELTA_CRL_INDICATOR;
    const NAME: &'static str = "deltaCRLIndicator";

    fn critical(&self) -> bool {
        true
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        read_number(reader).map(DeltaCrlIndicator)
    }

    fn write(&self, w: &mut Writer) {
        self.0.write(w);
    }
}

/// The kind of certificates that a list is restricted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CertificateScope {
    /// Of those who are no authorities.
    EndEntities,
    /// Of authorities.
    Authorities,
    /// Attribute certificates.
    Attributes,
}

/// The part of an issuer's certificates that a list covers (RFC 5280 section 5.2.5). Critical.
///
/// What goes by reason, and lists on behalf of another issuer (indirect ones), are refused in reading and cannot be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs, reason = "made by hosts, field by field")]
pub struct IssuingDistributionPoint {
    /// Where the list is: the same URIs as in the cRLDistributionPoints of the certificates that it covers.
    pub uris: Vec<String>,
    /// The kind of certificates that it is restricted to.
    pub only: Option<CertificateScope>,
}

impl IssuingDistributionPoint {
    /// Whether it would say nothing, which RFC 5280 forbids.
    pub const fn is_empty(&self) -> bool {
        self.uris.is_empty() && self.only.is_none()
    }
}

const SCOPES: [(CertificateScope, u8); 3] =
    [(CertificateScope::EndEntities, 1), (CertificateScope::Authorities, 2), (CertificateScope::Attributes, 5)];

impl ExtensionType for IssuingDistributionPoint {
    const OID: Oid<'static> = oid::ISSUING_DISTRIBUTION_POINT;
    const NAME: &'static str = "issuingDistributionPoint";

    fn critical(&self) -> bool {
        true
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut inner = reader.sequence()?;
        let mut point = IssuingDistributionPoint::default();
        if let Some(mut name) = inner.optional_nested(Tag::context_constructed(0))? {
            let names = read_full_name(&mut name)?;
            point.uris.extend(names.into_iter().filter_map(|name| match name {
                GeneralName::Uri(uri) => Some(uri),
                _ => None,
            }));
        }
        while !inner.is_empty() {
            let flag = inner.element()?;
            let scope = SCOPES.iter().find(|(_, number)| flag.tag() == Tag::context(*number));
            match (scope, flag.value()) {
                (Some((scope, _)), [0xFF]) if point.only.is_none() => point.only = Some(*scope),
                // A flag that is spelled out as FALSE says what its absence says.
                (_, [0x00]) => {}
                _ => return Err(Asn1Error::field("scope (indirect, by reason, or twice)", flag.at())),
            }
        }
        Ok(point)
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| {
            if !self.uris.is_empty() {
                w.nested(Tag::context_constructed(0), |w| write_full_name(w, &self.uris));
            }
            if let Some((_, number)) = SCOPES.iter().find(|(scope, _)| self.only == Some(*scope)) {
                w.element(Tag::context(*number), &[0xFF]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_up_to_20_octets_are_read() {
        let read = |octets: &[u8]| read_any_number(&mut Reader::new(&Writer::build(|w| w.element(Tag::INTEGER, octets))));
        assert_eq!(read(&[7]), Ok(Some(CrlNumber(7))));
        assert_eq!(read(&[&[0][..], &[0xFF; 8]].concat()), Ok(Some(CrlNumber(u64::MAX))));
        assert_eq!(read(&[0x12; 9]), Ok(None));
        assert_eq!(read(&[0x12; 20]), Ok(None));
        assert!(read(&[0x12; 21]).is_err());
        assert!(read(&[0xFF]).is_err(), "a negative one");
    }

    #[test]
    fn a_base_must_fit() {
        let long = Writer::build(|w| w.element(Tag::INTEGER, &[0x12; 9]));
        assert!(read_number(&mut Reader::new(&long)).is_err());
    }
}
