//! What the providers that come with the crate decide alike, whatever they compute with.

use std::iter;

use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::algorithm::{EC_PUBLIC_KEY, P256, RSA_ENCRYPTION, read_identifier};
use super::{Error, PublicKey, PublicKeyKind, SignatureAlgorithm};
use crate::asn1::{Error as Asn1Error, Reader, Tag};
use crate::secret::Secret;

/// A private key, as its PKCS#8 says.
#[cfg_attr(not(feature = "rustcrypto"), allow(dead_code, reason = "AWS-LC takes PKCS#8 whole, once it is known what it holds"))]
pub(super) enum PrivateKey<'a> {
    /// RSA, 2048 to 8192 bits.
    Rsa {
        /// RSAPrivateKey (RFC 8017 appendix A.1.2), of which only the public half has been read.
        der: &'a [u8],
        public: PublicKey,
    },
    /// P-256.
    P256 {
        scalar: &'a [u8; 32],
        /// The public point, where the encoding has it.
        point: Option<&'a [u8]>,
    },
}

impl<'a> PrivateKey<'a> {
    /// Reads a `PrivateKeyInfo`.
    pub(super) fn read(pkcs8: &'a Secret) -> Result<Self, Error> {
        read(pkcs8.expose()).map_err(|_| Error::Key)?.ok_or(Error::Key)
    }
}

/// `None` when the structure is right and the key is one that is not taken.
fn read(pkcs8: &[u8]) -> Result<Option<PrivateKey<'_>>, Asn1Error> {
    let mut outer = Reader::new(pkcs8);
    let mut info = outer.sequence()?;
    outer.finish()?;
    let version = info.small_integer()?;
    let (algorithm, parameters) = read_identifier(&mut info)?;
    let key = info.octet_string()?;
    // Attributes, which say nothing that is needed.
    info.optional(Tag::context_constructed(0))?;
    info.finish()?;
    match parameters {
        Some(parameters) if version == 0 && algorithm == RSA_ENCRYPTION && parameters.tag() == Tag::NULL => read_rsa(key),
        Some(parameters) if version == 0 && algorithm == EC_PUBLIC_KEY && parameters.tag() == Tag::OID => {
            if parameters.oid()? == P256 { read_p256(key) } else { Ok(None) }
        }
        _ => Ok(None),
    }
}

fn read_rsa(der: &[u8]) -> Result<Option<PrivateKey<'_>>, Asn1Error> {
    let mut outer = Reader::new(der);
    let mut key = outer.sequence()?;
    outer.finish()?;
    let version = key.small_integer()?;
    let (modulus, exponent) = (key.integer()?, key.integer()?);
    let is_negative = |integer: &[u8]| integer.first().is_some_and(|first| first & 0x80 != 0);
    if version != 0 || is_negative(modulus) || is_negative(exponent) {
        return Ok(None);
    }
    let Ok(public) = PublicKey::from_rsa(modulus, exponent) else { return Ok(None) };
    Ok(match public.kind() {
        PublicKeyKind::Rsa { bits: 2048..=8192, .. } => Some(PrivateKey::Rsa { der, public }),
        _ => None,
    })
}

/// ECPrivateKey, RFC 5915 section 3.
fn read_p256(der: &[u8]) -> Result<Option<PrivateKey<'_>>, Asn1Error> {
    let mut outer = Reader::new(der);
    let mut key = outer.sequence()?;
    outer.finish()?;
    let version = key.small_integer()?;
    let scalar = key.octet_string()?;
    let curve = match key.optional_nested(Tag::context_constructed(0))? {
        Some(mut parameters) => parameters.oid()?,
        None => P256,
    };
    let point = match key.optional_nested(Tag::context_constructed(1))? {
        Some(mut public) => Some(public.bit_string()?),
        None => None,
    };
    key.finish()?;
    match scalar.try_into() {
        Ok(scalar) if version == 1 && curve == P256 => Ok(Some(PrivateKey::P256 { scalar, point })),
        _ => Ok(None),
    }
}

/// Whether such a signature can be verified with such a key, which has the kind that is given back.
pub(super) fn verifying(algorithm: SignatureAlgorithm, key: &PublicKey) -> Result<PublicKeyKind, Error> {
    let kind = key.kind();
    match kind {
        PublicKeyKind::Rsa { bits: 1024..=8192, .. } if algorithm.is_rsa() => Ok(kind),
        // Points are compressed nowhere in PKIX practice (RFC 5480 section 2.2), and a back end may take more forms than a point's.
        PublicKeyKind::P256 | PublicKeyKind::P384 if !algorithm.is_rsa() && key.key_bits().first() == Some(&4) => Ok(kind),
        PublicKeyKind::Rsa { bits: 1024..=8192, .. } => Err(Error::Algorithm),
        PublicKeyKind::P256 | PublicKeyKind::P384 if algorithm.is_rsa() => Err(Error::Algorithm),
        _ => Err(Error::Key),
    }
}

/// What a private RSA key decrypts: the ciphertext, or a stand-in of the same length when the ciphertext is none, being of another length
/// than the modulus, above it, or zero. That shows without the private key, and a library stops there at once; decrypting the stand-in takes
/// the time that a ciphertext takes. The stand-in opens to no padded key.
pub(super) fn ciphertext<'a>(wrapped: &'a [u8], modulus: &[u8], stand_in: &'a [u8]) -> &'a [u8] {
    // Octet strings of one length compare as the numbers that they are.
    let is_ciphertext = wrapped.len() == modulus.len() && wrapped < modulus && wrapped.iter().any(|octet| *octet != 0);
    if is_ciphertext { wrapped } else { stand_in }
}

/// The modulus of an RSA key, without leading zeros, and the stand-in of [`ciphertext`]: the number 2.
pub(super) fn modulus_and_stand_in(public: &PublicKey) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let read = || -> Result<Vec<u8>, Asn1Error> {
        let mut key = Reader::new(public.key_bits()).sequence()?;
        let modulus = key.integer()?;
        Ok(modulus.iter().skip_while(|octet| **octet == 0).copied().collect())
    };
    let modulus = read().map_err(|_| Error::Key)?;
    let mut stand_in = vec![0; modulus.len()];
    *stand_in.last_mut().ok_or(Error::Key)? = 2;
    Ok((modulus, stand_in))
}

/// What was opened, when something was and it is as long as the substitute; else the substitute. Which of the two it is shows
/// neither in the result's form nor in the time this takes.
pub(super) fn or_substitute(opened: Option<Secret>, substitute: &Secret) -> Secret {
    let opened = opened.unwrap_or_default();
    let fits = opened.len().ct_eq(&substitute.len());
    let mut key = Vec::with_capacity(substitute.len());
    let candidates = opened.expose().iter().chain(iter::repeat(&0));
    key.extend(substitute.expose().iter().zip(candidates).map(|(or, octet)| u8::conditional_select(or, octet, fits)));
    Secret::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ciphertext_is_replaced_by_the_stand_in() {
        let public = PublicKey::from_rsa(&[0xC1; 256], &[1, 0, 1]).unwrap();
        let (modulus, stand_in) = modulus_and_stand_in(&public).unwrap();
        assert_eq!((modulus.as_slice(), stand_in.len()), (&[0xC1; 256][..], 256));
        let decrypts = |wrapped: &[u8]| ciphertext(wrapped, &modulus, &stand_in).to_vec();
        let mut below = vec![0xC1; 256];
        below[255] = 0xC0;
        assert_eq!(decrypts(&below), below);
        for none in [vec![], vec![0; 256], vec![1; 255], vec![1; 257], vec![0xC1; 256], vec![0xFF; 256]] {
            assert_eq!(decrypts(&none), stand_in, "{} octets", none.len());
        }
    }

    #[test]
    fn only_a_key_of_the_right_length_replaces_the_substitute() {
        let substitute = Secret::from("0123");
        let outcome = |opened: Option<&str>| or_substitute(opened.map(Secret::from), &substitute);
        assert_eq!(outcome(Some("abcd")), Secret::from("abcd"));
        for opened in [None, Some(""), Some("abc"), Some("abcde")] {
            assert_eq!(outcome(opened), substitute, "{opened:?}");
        }
    }
}
