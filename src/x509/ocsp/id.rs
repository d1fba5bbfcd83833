//! Which certificate is asked about, and what ties an answer to its question.

use crate::asn1::{Error as Asn1Error, Oid, Reader, Tag, Writer};
use crate::crypto::{Digest, DigestAlgorithm, Provider, PublicKey};
use crate::x509::{Certificate, ExtensionType, Name, SerialNumber};

/// The name of a certificate in OCSP (RFC 6960 section 4.1.1), kept as it was received: an answer repeats it byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertId {
    der: Vec<u8>,
    algorithm: Option<DigestAlgorithm>,
    name_hash: Vec<u8>,
    key_hash: Vec<u8>,
    serial: SerialNumber,
}

impl CertId {
    /// The name of the certificate with this serial number under an authority. SHA-1 is what every responder knows.
    pub fn new(algorithm: DigestAlgorithm, issuer: &Issuer, serial: SerialNumber) -> Self {
        let (name_hash, key_hash) = issuer.hashes(algorithm);
        let der = Writer::build(|w| {
            w.sequence(|w| {
                // NULL parameters, as everybody writes them here.
                w.sequence(|w| {
                    w.oid(algorithm.oid());
                    w.null();
                });
                w.octet_string(name_hash.as_ref());
                w.octet_string(key_hash.as_ref());
                serial.write(w);
            });
        });
        CertId {
            der,
            algorithm: Some(algorithm),
            name_hash: name_hash.as_ref().to_vec(),
            key_hash: key_hash.as_ref().to_vec(),
            serial,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let element = reader.tagged(Tag::SEQUENCE)?;
        let mut inner = element.reader();
        let algorithm = DigestAlgorithm::read(&mut inner)?;
        let name_hash = inner.octet_string()?.to_vec();
        let key_hash = inner.octet_string()?.to_vec();
        let serial = SerialNumber::read(&mut inner)?;
        inner.finish()?;
        Ok(CertId { der: element.raw().to_vec(), algorithm, name_hash, key_hash, serial })
    }

    /// The DER as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The serial number of the certificate.
    pub const fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// The hash function that names the issuer, when it is a known one.
    pub const fn algorithm(&self) -> Option<DigestAlgorithm> {
        self.algorithm
    }

    /// Whether this authority is the one that is named: both its name and its key.
    pub fn is_under(&self, issuer: &Issuer) -> bool {
        self.algorithm.is_some_and(|algorithm| {
            let (name_hash, key_hash) = issuer.hashes(algorithm);
            self.name_hash == name_hash.as_ref() && self.key_hash == key_hash.as_ref()
        })
    }
}

/// An authority as OCSP names it: hashes of its name and of its key. A responder makes this once for each generation of the
/// authority and keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    sha1: (Digest, Digest),
    sha256: (Digest, Digest),
    sha384: (Digest, Digest),
    sha512: (Digest, Digest),
}

impl Issuer {
    /// The authority with this name and key.
    pub fn new(name: &Name, key: &PublicKey, provider: &Provider) -> Self {
        let hashes = |algorithm| (provider.digest(algorithm, name.as_der()), provider.digest(algorithm, key.key_bits()));
        Issuer {
            sha1: hashes(DigestAlgorithm::Sha1),
            sha256: hashes(DigestAlgorithm::Sha256),
            sha384: hashes(DigestAlgorithm::Sha384),
            sha512: hashes(DigestAlgorithm::Sha512),
        }
    }

    /// The authority whose certificate this is.
    pub fn of(authority: &Certificate, provider: &Provider) -> Self {
        Self::new(authority.subject(), authority.public_key(), provider)
    }

    const fn hashes(&self, algorithm: DigestAlgorithm) -> &(Digest, Digest) {
        match algorithm {
            DigestAlgorithm::Sha1 => &self.sha1,
            DigestAlgorithm::Sha256 => &self.sha256,
            DigestAlgorithm::Sha384 => &self.sha384,
            DigestAlgorithm::Sha512 => &self.sha512,
        }
    }
}

/// Octets that tie an answer to its question (RFC 9654): 1 to 128 of them, 32 from a client of today.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// From fresh random octets.
    pub fn new(octets: [u8; 32]) -> Self {
        Nonce(octets.to_vec())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ExtensionType for Nonce {
    /// id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2.
    const OID: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02]);
    const NAME: &'static str = "nonce";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let at = reader.at();
        let octets = reader.octet_string()?;
        if (1..=128).contains(&octets.len()) {
            Ok(Nonce(octets.to_vec()))
        } else {
            Err(Asn1Error::field("nonce (not 1 to 128 octets)", at))
        }
    }

    fn write(&self, w: &mut Writer) {
        w.octet_string(&self.0);
    }
}
