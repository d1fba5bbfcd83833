//! How a message names a certificate: its signer's, or a recipient's.

use std::ops::Range;

use super::{span, value_span};
use crate::asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crate::x509::Certificate;

/// The name of a certificate in a message (RFC 5652 sections 5.3 and 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateId<'a> {
    /// IssuerAndSerialNumber.
    IssuerAndSerial {
        /// The issuer's name in DER.
        issuer: &'a [u8],
        /// The content octets of the serial number, an INTEGER.
        serial: &'a [u8],
    },
    /// The subject key identifier.
    SubjectKeyIdentifier(&'a [u8]),
}

impl CertificateId<'_> {
    /// Whether it names this certificate. Names are compared by their bytes. A name is no proof of anything.
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            CertificateId::IssuerAndSerial { issuer, serial } => {
                certificate.issuer().as_der() == *issuer && certificate.serial().content() == *serial
            }
            CertificateId::SubjectKeyIdentifier(identifier) => {
                matches!(certificate.subject_key_identifier(), Some(own) if own.as_bytes() == *identifier)
            }
        }
    }
}

/// Where a [`CertificateId`] stands in a message's buffer.
#[derive(Clone, Debug)]
pub(super) enum IdFields {
    IssuerAndSerial { issuer: Range<usize>, serial: Range<usize> },
    SubjectKeyIdentifier(Range<usize>),
}

impl IdFields {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        if let Some(identifier) = reader.optional(Tag::context(0))? {
            return Ok(IdFields::SubjectKeyIdentifier(value_span(identifier)));
        }
        let mut id = reader.sequence()?;
        let issuer = span(id.tagged(Tag::SEQUENCE)?);
        let serial = id.tagged(Tag::INTEGER)?;
        serial.integer()?;
        id.finish()?;
        Ok(IdFields::IssuerAndSerial { issuer, serial: value_span(serial) })
    }

    pub(super) fn view<'a>(&self, der: &'a [u8]) -> CertificateId<'a> {
        let part = |range: &Range<usize>| der.get(range.clone()).unwrap_or_default();
        match self {
            IdFields::IssuerAndSerial { issuer, serial } => {
                CertificateId::IssuerAndSerial { issuer: part(issuer), serial: part(serial) }
            }
            IdFields::SubjectKeyIdentifier(identifier) => CertificateId::SubjectKeyIdentifier(part(identifier)),
        }
    }
}

/// Writes IssuerAndSerialNumber of a certificate.
pub(super) fn write_issuer_and_serial(w: &mut Writer, certificate: &Certificate) {
    w.sequence(|w| {
        w.raw(certificate.issuer().as_der());
        certificate.serial().write(w);
    });
}
