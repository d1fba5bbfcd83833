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
/// The attribute that carries [`KeyStore::state`](super::KeyStore::state), on the bag of a certificate: an OCTET STRING.
/// 2.25.x is anybody's own, without registration (X.667 section 8), x being a UUID; this one is
/// d1e8aefe-8f4a-4069-b3df-83a772d229f4.
const STATE: Oid<'static> = Oid::from_content(&[
    0x69, 0x83, 0xA3, 0xE8, 0xD7, 0xBF, 0xD1, 0xF4, 0xD2, 0x81, 0xD3, 0xB3, 0xEF, 0xE0, 0xF4, 0xF7, 0x96, 0xC8, 0xD3, 0x74,
]);

/// The MAC of RFC 7292 appendix A over the octets of AuthenticatedSafe.
fn mac(provider: &Provider, algorithm: DigestAlgorithm, password: &[u8], salt: &[u8], iterations: u32, safe: &[u8]) -> Digest {
    let key = derivation::pkcs12(provider, algorithm, Purpose::Mac, password, salt, iterations, algorithm.len());
    provider.mac(algorithm, &key, &[safe])
}
