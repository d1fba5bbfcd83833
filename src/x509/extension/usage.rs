//! What a key may do: basicConstraints, keyUsage, extKeyUsage.

use std::fmt;
use std::ops::BitOr;

use super::ExtensionType;
use crate::asn1::{Error as Asn1Error, ErrorKind, Oid, Reader, Tag, Writer};
use crate::x509::oid;

/// Whether the subject is an authority (RFC 5280 section 4.2.1.9). Written critical.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BasicConstraints {
    /// Whether the key may certify others.
    pub ca: bool,
    /// How many further authorities may stand between this one and the last certificate. Only where `ca` holds.
    pub path_length: Option<u32>,
}

impl BasicConstraints {
    /// Of an authority.
    pub const fn authority(path_length: Option<u32>) -> Self {
        BasicConstraints { ca: true, path_length }
    }

    /// Of everybody else: written as an empty SEQUENCE.
    pub const fn end_entity() -> Self {
        BasicConstraints { ca: false, path_length: None }
    }
}

impl ExtensionType for BasicConstraints {
    const OID: Oid<'static> = oid::BASIC_CONSTRAINTS;
    const NAME: &'static str = "basicConstraints";

    fn critical(&self) -> bool {
        true
    }

    /// An explicit `cA FALSE` is read as what it means, and a pathLenConstraint beside it as nothing.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let mut inner = reader.sequence()?;
        let ca = if inner.peek() == Some(Tag::BOOLEAN) { inner.boolean()? } else { false };
        let path_length = if inner.peek() == Some(Tag::INTEGER) { Some(inner.small_integer()?) } else { None };
        inner.finish()?;
        Ok(BasicConstraints { ca, path_length: path_length.filter(|_| ca) })
    }

    fn write(&self, w: &mut Writer) {
        w.sequence(|w| {
            if self.ca {
                w.boolean(true);
                if let Some(length) = self.path_length {
                    w.small_integer(length);
                }
            }
        });
    }
}

/// What a key may be used for (RFC 5280 section 4.2.1.3): a set of nine bits. Written critical.
///
/// ```
/// use mdm_core::x509::KeyUsage;
///
/// let usage = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT;
/// assert!(usage.contains(KeyUsage::DIGITAL_SIGNATURE));
/// assert!(!usage.contains(KeyUsage::KEY_CERT_SIGN));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

impl KeyUsage {
    /// Signatures over anything but certificates and CRLs.
    pub const DIGITAL_SIGNATURE: KeyUsage = KeyUsage(1);
    /// Signatures that their maker cannot deny; contentCommitment in newer texts.
    pub const NON_REPUDIATION: KeyUsage = KeyUsage(1 << 1);
    /// Encryption of keys: RSA key transport.
    pub const KEY_ENCIPHERMENT: KeyUsage = KeyUsage(1 << 2);
    /// Encryption of content with the key itself.
    pub const DATA_ENCIPHERMENT: KeyUsage = KeyUsage(1 << 3);
    /// Agreement on keys: Diffie-Hellman.
    pub const KEY_AGREEMENT: KeyUsage = KeyUsage(1 << 4);
    /// Signatures over certificates.
    pub const KEY_CERT_SIGN: KeyUsage = KeyUsage(1 << 5);
    /// Signatures over CRLs.
    pub const CRL_SIGN: KeyUsage = KeyUsage(1 << 6);
    /// With keyAgreement: encryption only.
    pub const ENCIPHER_ONLY: KeyUsage = KeyUsage(1 << 7);
    /// With keyAgreement: decryption only.
    pub const DECIPHER_ONLY: KeyUsage = KeyUsage(1 << 8);

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: KeyUsage) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for KeyUsage {
    type Output = KeyUsage;

    fn bitor(self, other: KeyUsage) -> KeyUsage {
        KeyUsage(self.0 | other.0)
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 9] = [
            "digitalSignature",
            "nonRepudiation",
            "keyEncipherment",
            "dataEncipherment",
            "keyAgreement",
            "keyCertSign",
            "cRLSign",
            "encipherOnly",
            "decipherOnly",
        ];
        let set = NAMES.iter().zip(0_u32..).filter(|(_, bit)| self.0.checked_shr(*bit).is_some_and(|rest| rest & 1 == 1));
        f.debug_set().entries(set.map(|(name, _)| format_args!("{name}").to_string())).finish()
    }
}

impl ExtensionType for KeyUsage {
    const OID: Oid<'static> = oid::KEY_USAGE;
    const NAME: &'static str = "keyUsage";

    fn critical(&self) -> bool {
        true
    }

    /// Trailing zero bits, which DER forbids, and bits that RFC 5280 does not name are passed over.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let at = reader.at();
        let bits = reader.tagged(Tag::BIT_STRING)?;
        let bad = Asn1Error::new(ErrorKind::Value(Tag::BIT_STRING), at);
        let (unused, octets) = bits.value().split_first().ok_or(bad)?;
        if *unused > 7 || (octets.is_empty() && *unused != 0) {
            return Err(bad);
        }
        let first = octets.first().copied().unwrap_or(0);
        let second = octets.get(1).copied().unwrap_or(0);
        Ok(KeyUsage(u16::from_be_bytes([first, second]).reverse_bits() & 0x1FF))
    }

    fn write(&self, w: &mut Writer) {
        w.named_bits(self.0);
    }
}

/// The purposes of a key (RFC 5280 section 4.2.1.12).
///
/// ```
/// use mdm_core::x509::{ExtendedKeyUsage, oid};
///
/// let purposes = ExtendedKeyUsage::new(&[oid::CLIENT_AUTH]);
/// assert!(purposes.contains(oid::CLIENT_AUTH) && !purposes.contains(oid::SERVER_AUTH));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExtendedKeyUsage {
    /// The content of the SEQUENCE OF OBJECT IDENTIFIER.
    content: Vec<u8>,
}

impl ExtendedKeyUsage {
    /// These purposes, at least one.
    pub fn new(purposes: &[Oid<'_>]) -> Self {
        ExtendedKeyUsage { content: Writer::build(|w| purposes.iter().for_each(|purpose| w.oid(*purpose))) }
    }

    /// Each purpose in the order of the bytes.
    pub fn purposes(&self) -> impl Iterator<Item = Oid<'_>> {
        let mut reader = Reader::new(&self.content);
        std::iter::from_fn(move || reader.oid().ok())
    }

    /// Whether this very purpose is named; anyExtendedKeyUsage is not taken for it.
    pub fn contains(&self, purpose: Oid<'_>) -> bool {
        self.purposes().any(|named| named == purpose)
    }

    /// Whether the key may be used for the purpose: it is named, or anyExtendedKeyUsage is.
    pub fn allows(&self, purpose: Oid<'_>) -> bool {
        self.contains(purpose) || self.contains(oid::ANY_PURPOSE)
    }
}

impl fmt::Debug for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.purposes()).finish()
    }
}

impl ExtensionType for ExtendedKeyUsage {
    const OID: Oid<'static> = oid::EXTENDED_KEY_USAGE;
    const NAME: &'static str = "extKeyUsage";

    /// An empty list, which RFC 5280 forbids, is read as no purpose.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let list = reader.sequence()?;
        let content = list.rest().to_vec();
        let mut purposes = list;
        while !purposes.is_empty() {
            purposes.oid()?;
        }
        Ok(ExtendedKeyUsage { content })
    }

    fn write(&self, w: &mut Writer) {
        w.element(Tag::SEQUENCE, &self.content);
    }
}
