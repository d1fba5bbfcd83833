//! What is believed of a signature, and of the key that made it.

use std::ops::Range;

use super::{Error, Refusal};
use crate::asn1::{Element, Error as Asn1Error, Reader, Tag, Writer};
use crate::crypto::{DigestAlgorithm, Legacy, Provider, PublicKey, PublicKeyKind, SignatureAlgorithm};

/// Whether signatures by this key are worth checking: RSA from 2048 bits (1024 under [`Legacy::rsa_1024`]) to 8192 with an odd
/// exponent of 3 or more, P-256, P-384.
///
/// # Errors
/// What is wrong with the key.
pub fn accept_key(key: &PublicKey, legacy: Legacy) -> Result<(), Refusal> {
    let shortest = if legacy.rsa_1024 { 1024 } else { 2048 };
    match key.kind() {
        PublicKeyKind::Rsa { bits, .. } if !(shortest..=8192).contains(&bits) => Err(Refusal::KeySize(bits)),
        // An exponent of 0 is one that did not fit 64 bits; 1 would make every message its own signature.
        PublicKeyKind::Rsa { exponent, .. } if exponent < 3 || exponent.is_multiple_of(2) => Err(Refusal::Exponent),
        PublicKeyKind::Rsa { .. } | PublicKeyKind::P256 | PublicKeyKind::P384 => Ok(()),
        PublicKeyKind::Other => Err(Refusal::KeyKind),
    }
}

/// Whether a key makes signatures of this algorithm, and the algorithm is one that may still be made.
pub(super) fn check_signer(key: &PublicKey, algorithm: SignatureAlgorithm) -> Result<(), Error> {
    if algorithm.digest() == DigestAlgorithm::Sha1 {
        return Err(Error::Misuse("signatures over SHA-1 are read, never made"));
    }
    let fits = match key.kind() {
        PublicKeyKind::Rsa { .. } => algorithm.is_rsa(),
        PublicKeyKind::P256 | PublicKeyKind::P384 => !algorithm.is_rsa(),
        PublicKeyKind::Other => false,
    };
    if fits { Ok(()) } else { Err(Error::Misuse("the signing key does not make signatures of this algorithm")) }
}

/// The frame that certificates, requests, CRLs and OCSP responses share: what is signed, by which algorithm, and the signature.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    /// Where the signed part stands.
    pub(super) part: Range<usize>,
    /// The algorithm, when it is a known one.
    pub(super) algorithm: Option<SignatureAlgorithm>,
    /// Where the octets of the signature stand.
    pub(super) signature: Range<usize>,
}

/// The frame as it is read, with the elements that belong to the structure's own reader.
pub(super) struct Frame<'a> {
    pub(super) signed: Signed,
    /// The part that is signed.
    pub(super) part: Element<'a>,
    /// The AlgorithmIdentifier, for comparison with one inside of the part.
    pub(super) algorithm: Element<'a>,
    /// What follows the signature.
    pub(super) rest: Reader<'a>,
}

impl<'a> Frame<'a> {
    /// Reads SEQUENCE { part, AlgorithmIdentifier, BIT STRING, ... } that fills the input.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Asn1Error> {
        let mut reader = Reader::new(der);
        let outer = reader.sequence()?;
        reader.finish()?;
        Self::read_content(outer)
    }

    /// Reads the content of the SEQUENCE.
    pub(super) fn read_content(mut inner: Reader<'a>) -> Result<Self, Asn1Error> {
        let part = inner.tagged(Tag::SEQUENCE)?;
        let mut ahead = inner.clone();
        let algorithm = inner.tagged(Tag::SEQUENCE)?;
        let known = SignatureAlgorithm::read(&mut ahead)?;
        let signature = inner.bit_string()?;
        let end = inner.at();
        let signed = Signed {
            part: part.at()..part.at().saturating_add(part.raw().len()),
            algorithm: known,
            signature: end.saturating_sub(signature.len())..end,
        };
        Ok(Frame { signed, part, algorithm, rest: inner })
    }
}

impl Signed {
    /// Puts the frame around a part, in the part's own memory when there is room.
    pub(super) fn enclose(mut part: Vec<u8>, algorithm: SignatureAlgorithm, signature: &[u8]) -> (Vec<u8>, Self) {
        let length = part.len();
        let behind = Writer::build_with_capacity(signature.len().saturating_add(32), |w| {
            algorithm.write(w);
            w.bit_string(signature);
        });
        part.extend_from_slice(&behind);
        let before = Writer::build(|w| w.header(Tag::SEQUENCE, part.len()));
        let start = before.len();
        part.splice(..0, before);
        let signed = Signed {
            part: start..start.saturating_add(length),
            algorithm: Some(algorithm),
            signature: part.len().saturating_sub(signature.len())..part.len(),
        };
        (part, signed)
    }

    /// Checks the signature over the received bytes, under the policy.
    pub(super) fn verify(&self, der: &[u8], key: &PublicKey, provider: &Provider, legacy: Legacy) -> Result<(), Error> {
        let algorithm = self.algorithm.filter(|known| legacy.allows_digest(known.digest())).ok_or(Refusal::Algorithm)?;
        accept_key(key, legacy)?;
        let part = der.get(self.part.clone()).unwrap_or_default();
        let signature = der.get(self.signature.clone()).unwrap_or_default();
        Ok(provider.verifier.verify(algorithm, key, part, signature)?)
    }
}
