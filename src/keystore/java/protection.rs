//! How JKS and JCEKS protect a private key.

use zeroize::Zeroizing;

use super::super::encryption::{Opening, read_iterations};
use super::super::private_key::is_private_key;
use super::super::{Error, derivation};
use crate::asn1::{Error as Asn1Error, Oid, Reader};
use crate::crypto::{ContentCipher, Digest, DigestAlgorithm, read_identifier};
use crate::secret::Secret;

/// The stream of JKS: 1.3.6.1.4.1.42.2.17.1.1.
const JKS_PROTECTION: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x2A, 0x02, 0x11, 0x01, 0x01]);
/// PBEWithMD5AndTripleDES of JCEKS: 1.3.6.1.4.1.42.2.19.1.
const JCEKS_PROTECTION: Oid<'static> = Oid::from_content(&[0x2B, 0x06, 0x01, 0x04, 0x01, 0x2A, 0x02, 0x13, 0x01]);

const WHAT: &str = "a protected private key";
const A_KEY: &str = "a private key";

/// Opens an EncryptedPrivateKeyInfo with one of Java's own algorithms.
pub(super) fn open(der: &[u8], with: &mut Opening<'_>) -> Result<Secret, Error> {
    let malformed = Error::malformed(WHAT);
    let mut outer = Reader::new(der);
    let mut info = outer.sequence().map_err(&malformed)?;
    outer.finish().map_err(&malformed)?;
    let (algorithm, parameters) = read_identifier(&mut info).map_err(&malformed)?;
    let sealed = info.octet_string().and_then(|sealed| info.finish().map(|()| sealed)).map_err(&malformed)?;
    let key = if algorithm == JKS_PROTECTION {
        open_jks(sealed, with)
    } else if algorithm == JCEKS_PROTECTION {
        let missing = malformed(Asn1Error::field("AlgorithmIdentifier (no parameters)", 0));
        open_jceks(parameters.ok_or(missing)?.reader(), sealed, with)?
    } else {
        return Err(Error::Unsupported("the protection of a private key"));
    };
    key.filter(is_private_key).ok_or(Error::OtherPassword(A_KEY))
}

/// Salt, the key under a stream of chained SHA-1, and the SHA-1 of password and key.
fn open_jks(sealed: &[u8], with: &Opening<'_>) -> Option<Secret> {
    let length = DigestAlgorithm::Sha1.len();
    let (salt, rest) = sealed.split_at_checked(length)?;
    let (hidden, checksum) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
    let password = with.password.utf16();
    let sha1 = |parts: &[&[u8]]| with.provider.digests.digest(DigestAlgorithm::Sha1, parts);
    let mut key = Zeroizing::new(Vec::with_capacity(hidden.len()));
    let mut stream = Digest::new(salt);
    for chunk in hidden.chunks(length) {
        stream = sha1(&[&password, stream.as_ref()]);
        key.extend(chunk.iter().zip(stream.as_ref()).map(|(octet, mask)| octet ^ mask));
    }
    sha1(&[&password, &key]).matches(checksum).then(|| Secret::new(std::mem::take(&mut *key)))
}

/// 3DES, with key and vector from one chain of MD5 for each half of the salt.
fn open_jceks(mut parameters: Reader<'_>, sealed: &[u8], with: &mut Opening<'_>) -> Result<Option<Secret>, Error> {
    let malformed = Error::malformed(WHAT);
    let at = parameters.at();
    let salt = parameters.octet_string().map_err(&malformed)?;
    let salt = <[u8; 8]>::try_from(salt).map_err(|_| malformed(Asn1Error::field("salt", at)))?;
    let iterations = read_iterations(&mut parameters, WHAT, &with.budget)?;
    parameters.finish().map_err(&malformed)?;
    with.budget.spend(iterations, 2)?;
    let Ok(password) = with.password.ascii() else { return Ok(None) };
    let mut octets = Zeroizing::new(Vec::with_capacity(32));
    for half in halves(salt) {
        octets.extend(derivation::md5_chain(&half, password, iterations));
    }
    let Some((key, iv)) = octets.split_at_checked(ContentCipher::TripleDesCbc.key_len()) else { return Ok(None) };
    Ok(with.provider.ciphers.decrypt(ContentCipher::TripleDesCbc, &Secret::from(key), iv, sealed).ok())
}

/// Java turns the first half around when both are the same, lest both chains be the same.
fn halves(salt: [u8; 8]) -> [[u8; 4]; 2] {
    let [a, b, c, d, second @ ..] = salt;
    if [a, b, c, d] == second { [[d, c, b, a], second] } else { [[a, b, c, d], second] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_halves_of_a_salt_are_made_different() {
        assert_eq!(halves([1, 2, 3, 4, 5, 6, 7, 8]), [[1, 2, 3, 4], [5, 6, 7, 8]]);
        assert_eq!(halves([1, 2, 3, 4, 1, 2, 3, 4]), [[4, 3, 2, 1], [1, 2, 3, 4]]);
    }
}
