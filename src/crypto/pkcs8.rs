//! The encodings of a private key.

use super::Error;
use super::algorithm::{EC_PUBLIC_KEY, RSA_ENCRYPTION};
use crate::asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crate::secret::Secret;

/// Brings a PKCS#1 or SEC 1 private key into PKCS#8, and leaves PKCS#8 as it is.
pub(crate) fn to_pkcs8(der: &Secret) -> Result<Secret, Error> {
    let shape = || -> Result<Option<(bool, Vec<u8>)>, Asn1Error> {
        let mut outer = Reader::new(der.expose());
        let mut key = outer.sequence()?;
        let version = key.small_integer()?;
        match key.peek() {
            // PrivateKeyInfo goes on with an AlgorithmIdentifier.
            Some(Tag::SEQUENCE) => Ok(None),
            // RSAPrivateKey goes on with the modulus.
            Some(Tag::INTEGER) if version == 0 => Ok(Some((true, Vec::new()))),
            // ECPrivateKey goes on with the key's octets; its curve stands in [0].
            _ => {
                key.octet_string()?;
                let mut parameters = key.nested(Tag::context_constructed(0))?;
                Ok(Some((false, parameters.tagged(Tag::OID)?.raw().to_vec())))
            }
        }
    };
    let Some((is_rsa, curve)) = shape().map_err(|_| Error::Key)? else { return Ok(der.clone()) };
    Ok(Secret::new(Writer::build_with_capacity(der.len().saturating_add(64), |w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.sequence(|w| {
                if is_rsa {
                    w.oid(RSA_ENCRYPTION);
                    w.null();
                } else {
                    w.oid(EC_PUBLIC_KEY);
                    w.raw(&curve);
                }
            });
            w.octet_string(der.expose());
        });
    })))
}
