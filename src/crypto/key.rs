//! Public keys, and private keys as the crate sees them.

use std::fmt;

use super::algorithm::{EC_PUBLIC_KEY, P256, P384, RSA_ENCRYPTION, is_plain, read_identifier};
use super::{Digest, Error, KeyTransport, SignatureAlgorithm};
use crate::asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crate::secret::Secret;

/// A public key: a SubjectPublicKeyInfo (RFC 5280 section 4.1) as it was received. Two keys are equal when their bytes are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicKey {
    der: Vec<u8>,
    kind: PublicKeyKind,
    /// Where the key bits begin in `der`; they run to its end.
    bits_at: usize,
}

/// What a public key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyKind {
    /// RSA with a modulus of so many bits.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
        /// The public exponent; 0 when it does not fit 64 bits.
        exponent: u64,
    },
    /// An elliptic-curve key on P-256.
    P256,
    /// An elliptic-curve key on P-384.
    P384,
    /// A key of another kind, which can be carried but not used.
    Other,
}

/// A private key to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA with a modulus of so many bits: 2048, 3072 or 4096.
    Rsa(u16),
    /// Elliptic curve, P-256.
    P256,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// The structure is malformed. A key of an unknown kind is no error.
    pub fn from_der(der: &[u8]) -> Result<Self, Asn1Error> {
        let mut reader = Reader::new(der);
        let key = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(key)
    }

    /// Reads a SubjectPublicKeyInfo where one stands in a larger structure.
    ///
    /// # Errors
    /// As [`PublicKey::from_der`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Asn1Error> {
        let element = reader.tagged(Tag::SEQUENCE)?;
        let mut inner = element.reader();
        let (algorithm, parameters) = read_identifier(&mut inner)?;
        let bits = inner.bit_string()?;
        inner.finish()?;
        let curve = parameters.filter(|found| found.tag() == Tag::OID).and_then(|found| found.oid().ok());
        let kind = if algorithm == RSA_ENCRYPTION && is_plain(parameters) {
            rsa_kind(bits)?
        } else if algorithm == EC_PUBLIC_KEY && curve == Some(P256) {
            PublicKeyKind::P256
        } else if algorithm == EC_PUBLIC_KEY && curve == Some(P384) {
            PublicKeyKind::P384
        } else {
            PublicKeyKind::Other
        };
        let bits_at = element.raw().len().saturating_sub(bits.len());
        Ok(PublicKey { der: element.raw().to_vec(), kind, bits_at })
    }

    /// An RSA public key from modulus and exponent, most significant octet first.
    ///
    /// # Errors
    /// [`Error::Key`] when they make no key.
    pub fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let bits = Writer::build(|w| {
            w.sequence(|w| {
                w.unsigned_integer(modulus);
                w.unsigned_integer(exponent);
            });
        });
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.oid(RSA_ENCRYPTION);
                    w.null();
                });
                w.bit_string(&bits);
            });
        });
        PublicKey::from_der(&der).map_err(|_| Error::Key)
    }

    /// A P-256 public key from its uncompressed point (SEC 1 section 2.3.3).
    ///
    /// # Errors
    /// [`Error::Key`] when it is not 65 octets that begin with 4. Whether the point is on the curve is checked when it is used.
    pub fn from_p256(point: &[u8]) -> Result<Self, Error> {
        if point.len() != 65 || point.first() != Some(&4) {
            return Err(Error::Key);
        }
        let der = Writer::build(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.oid(EC_PUBLIC_KEY);
                    w.oid(P256);
                });
                w.bit_string(point);
            });
        });
        PublicKey::from_der(&der).map_err(|_| Error::Key)
    }

    /// The SubjectPublicKeyInfo as it was received.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The octets of the subjectPublicKey BIT STRING: what key identifiers hash, and what primitives take.
    pub fn key_bits(&self) -> &[u8] {
        self.der.get(self.bits_at..).unwrap_or_default()
    }

    /// What kind of key it is.
    pub const fn kind(&self) -> PublicKeyKind {
        self.kind
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.kind)
    }
}

/// RSAPublicKey, RFC 8017 appendix A.1.1.
fn rsa_kind(bits: &[u8]) -> Result<PublicKeyKind, Asn1Error> {
    let mut outer = Reader::new(bits);
    let mut key = outer.sequence()?;
    let modulus = magnitude(key.integer()?);
    let exponent = magnitude(key.integer()?);
    key.finish()?;
    outer.finish()?;
    let leading = modulus.first().map_or(0, |octet| usize::try_from(octet.leading_zeros()).unwrap_or(0));
    let exponent =
        if exponent.len() > 8 { 0 } else { exponent.iter().fold(0, |value, octet| (value << 8) | u64::from(*octet)) };
    Ok(PublicKeyKind::Rsa { bits: modulus.len().saturating_mul(8).saturating_sub(leading), exponent })
}

/// An INTEGER's octets without the octet that only keeps it positive.
fn magnitude(octets: &[u8]) -> &[u8] {
    match octets {
        [0, rest @ ..] => rest,
        octets => octets,
    }
}

/// A key that signs. A host implements it for its HSM when that answers synchronously; otherwise it uses the two phases of
/// [`ToBeSigned`](super::ToBeSigned).
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// The algorithm to use when nobody asks for another.
    fn algorithm(&self) -> SignatureAlgorithm {
        match self.public_key().kind() {
            PublicKeyKind::P256 => SignatureAlgorithm::EcdsaSha256,
            PublicKeyKind::P384 => SignatureAlgorithm::EcdsaSha384,
            PublicKeyKind::Rsa { .. } | PublicKeyKind::Other => SignatureAlgorithm::RsaSha256,
        }
    }

    /// Signs the message, which is not yet hashed. ECDSA signatures are ECDSA-Sig-Value in DER (RFC 3279 section 2.2.3).
    ///
    /// # Errors
    /// [`Error::Algorithm`] when the key does not make such signatures, [`Error::Failed`].
    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error>;

    /// As [`SigningKey::sign`], over the digest of a message that was hashed elsewhere: what a list of a million entries is signed by
    /// while it streams. A key that does not say how gives [`Error::Algorithm`].
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        let _ = (algorithm, digest);
        Err(Error::Algorithm)
    }

    /// Whether a signature that this key returns is known to be right, so that it need not be verified again.
    fn checks_itself(&self) -> bool {
        false
    }
}

/// A key that opens content keys: RSA decrypts them ([`unwrap_key`](DecryptionKey::unwrap_key)), an elliptic-curve key agrees upon the
/// key that they are wrapped under ([`agree`](DecryptionKey::agree)).
pub trait DecryptionKey: Send + Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// Opens a content key, or gives `substitute`: when the padding is wrong, when the length is not the substitute's, when
    /// anything else is. The caller cannot tell, and must not be able to (RFC 3218; implicit rejection).
    ///
    /// `substitute` is random and as long as the content key must be.
    ///
    /// # Errors
    /// [`Error::Algorithm`] or [`Error::Key`] for what is known without the private key; never for what the ciphertext holds.
    fn unwrap_key(&self, algorithm: KeyTransport, wrapped: &[u8], substitute: Secret) -> Result<Secret, Error>;

    /// The x-coordinate shared with the holder of this point (ECDH, SEC 1 section 3.3.1), of which the content key's wrapping is derived.
    /// The point is checked to be one of the key's curve.
    ///
    /// # Errors
    /// [`Error::Key`] when the key is of a kind that agrees with nobody, as RSA is; [`Error::Failed`] when the point is none of the curve.
    fn agree(&self, point: &[u8]) -> Result<Secret, Error> {
        let _ = point;
        Err(Error::Key)
    }
}

/// A private key in the host's memory, as a [`Provider`](super::Provider) loads it.
pub struct SoftwareKey {
    signing: Box<dyn SigningKey>,
    decryption: Option<Box<dyn DecryptionKey>>,
}

impl SoftwareKey {
    /// From what a provider made; `decryption` is absent for keys that only sign.
    pub fn new(signing: Box<dyn SigningKey>, decryption: Option<Box<dyn DecryptionKey>>) -> Self {
        SoftwareKey { signing, decryption }
    }
}

impl SigningKey for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        self.signing.public_key()
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.signing.algorithm()
    }

    fn sign(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signing.sign(algorithm, message)
    }

    fn sign_digest(&self, algorithm: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.signing.sign_digest(algorithm, digest)
    }

    fn checks_itself(&self) -> bool {
        self.signing.checks_itself()
    }
}

impl DecryptionKey for SoftwareKey {
    fn public_key(&self) -> &PublicKey {
        self.signing.public_key()
    }

    fn unwrap_key(&self, algorithm: KeyTransport, wrapped: &[u8], substitute: Secret) -> Result<Secret, Error> {
        self.decryption.as_ref().ok_or(Error::Key)?.unwrap_key(algorithm, wrapped, substitute)
    }

    fn agree(&self, point: &[u8]) -> Result<Secret, Error> {
        self.decryption.as_ref().ok_or(Error::Key)?.agree(point)
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({:?})", self.signing.public_key().kind())
    }
}
