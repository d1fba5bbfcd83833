//! Identifiers of keys: subjectKeyIdentifier, authorityKeyIdentifier.

use std::fmt;

use super::ExtensionType;
use crate::asn1::{Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::crypto::{DigestAlgorithm, Provider, PublicKey};
use crate::x509::oid;

/// The name of a key: by custom the SHA-1 of its bits, in truth any octets.
///
/// It finds a key and proves nothing; two keys may carry the same one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIdentifier(Vec<u8>);

impl KeyIdentifier {
    /// The SHA-1 of the key's bits, RFC 5280 section 4.2.1.2 method (1).
    pub fn of(key: &PublicKey, provider: &Provider) -> Self {
        KeyIdentifier(provider.digest(DigestAlgorithm::Sha1, key.key_bits()).as_ref().to_vec())
    }

    /// Octets that stand somewhere as a key's identifier.
    pub fn from_bytes(octets: &[u8]) -> Self {
        KeyIdentifier(octets.to_vec())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyIdentifier {
    /// Lower-case hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyIdentifier({self})")
    }
}

/// The identifier of the certified key (RFC 5280 section 4.2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectKeyIdentifier(
    /// The identifier.
    pub KeyIdentifier,
);

impl ExtensionType for SubjectKeyIdentifier {
    const OID: Oid<'static> = oid::SUBJECT_KEY_IDENTIFIER;
    const NAME: &'static str = "subjectKeyIdentifier";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        reader.octet_string().map(|octets| SubjectKeyIdentifier(KeyIdentifier::from_bytes(octets)))
    }

    fn write(&self, w: &mut Writer) {
        w.octet_string(self.0.as_bytes());
    }
}

/// The identifier of the key that signed (RFC 5280 section 4.2.1.1).
///
/// The two other fields, issuer and serial number of the authority's certificate, are read over and never written: they name one
/// certificate, so that every certificate below it would die when the authority is renewed with the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorityKeyIdentifier(
    /// The identifier, when there is one.
    pub Option<KeyIdentifier>,
);

impl ExtensionType for AuthorityKeyIdentifier {
    const OID: Oid<'static> = oid::AUTHORITY_KEY_IDENTIFIER;
    const NAME: &'static str = "authorityKeyIdentifier";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut inner = reader.sequence()?;
        let identifier = inner.optional(Tag::context(0))?.map(|element| KeyIdentifier::from_bytes(element.value()));
        inner.optional(Tag::context_constructed(1))?;
        inner.optional(Tag::context(2))?;
        inner.finish()?;
        Ok(AuthorityKeyIdentifier(identifier))
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| {
            if let Some(identifier) = &self.0 {
                w.element(Tag::context(0), identifier.as_bytes());
            }
        });
    }
}
