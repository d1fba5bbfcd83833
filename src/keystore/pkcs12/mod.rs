//! PKCS#12 (RFC 7292): the identifiers and the authentication code that reading and writing share.

mod read;
mod write;

pub(super) use read::open;
pub(super) use write::write;

use super::derivation::{self, Purpose};
use crate::asn1::Oid;
use crate::crypto::{Digest, DigestAlgorithm, Provider};

/// id-data, RFC 5652 section 4.
const DATA: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01]);
/// id-encryptedData, RFC 5652 section 8.
const ENCRYPTED_DATA: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x06]);
/// bagtypes, RFC 7292 appendix D: pkcs-12 10 1.
const KEY_BAG: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x01]);
const SHROUDED_KEY_BAG: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x02]);
const CERTIFICATE_BAG: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x03]);
const SAFE_CONTENTS_BAG: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x06]);
/// x509Certificate, RFC 2985 section 6.7.
const X509_CERTIFICATE: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01]);
/// friendlyName and localKeyId, RFC 2985 sections 5.5.1 and 5.5.2.
const FRIENDLY_NAME: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x14]);
const LOCAL_KEY_ID: Oid<'static> = Oid::from_content(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x15]);
/// The attribute that carries [`KeyStore::state`](super::KeyStore::state), on the bag of the first certificate: an OCTET STRING.
/// The identifier is made out of the UUID d1e8aefe-8f4a-4069-b3df-83a772d229f4 below the arc that Microsoft gives to everybody for
/// that. One of 2.25 would be shorter, but GnuTLS reads no store in which an arc has more than 64 bits.
const STATE: Oid<'static> = Oid::from_content(&[
    0x2A, 0x86, 0x48, 0x86, 0xF7, 0x14, 0x01, 0xBE, 0x40, 0x93, 0x7A, 0x83, 0xA3, 0x68, 0x82, 0xDD, 0x7E, 0x82, 0x9E, 0x4A,
    0x81, 0x80, 0x69, 0x82, 0xE7, 0x5F, 0x84, 0x8E, 0xCE, 0x72, 0x86, 0xC8, 0xD3, 0x74,
]);

/// The MAC of RFC 7292 appendix A over the octets of AuthenticatedSafe.
fn mac(provider: &Provider, algorithm: DigestAlgorithm, password: &[u8], salt: &[u8], iterations: u32, safe: &[u8]) -> Digest {
    let key = derivation::pkcs12(algorithm, Purpose::Mac, password, salt, iterations, algorithm.len());
    provider.mac(algorithm, &key, &[safe])
}
