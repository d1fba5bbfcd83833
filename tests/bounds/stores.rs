//! Key stores and private keys of many parts.

use mdm_core::asn1::{Tag, Writer};
use mdm_core::crypto::{Error, Provider, Random};
use mdm_core::keystore::{self, Policy};
use mdm_core::secret::Secret;
use sha1::{Digest as _, Sha1};

/// Opening takes no randomness.
struct Dry;

impl Random for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), Error> {
        Err(Error::Random)
    }
}

/// Everything that can be opened at all.
const POLICY: Policy = Policy { without_mac: true, ..Policy::EXTERNAL_CA };
const PASSWORD: &str = "password";

/// Whether the store opens.
pub fn open(input: &[u8]) -> bool {
    keystore::open(input, &Secret::from(PASSWORD), &POLICY, &Provider::rustcrypto(&Dry)).is_ok()
}

/// Whether it is a private key.
pub fn private_key(input: &[u8]) -> bool {
    keystore::private_key(input, &Secret::from(PASSWORD), &POLICY, &Provider::rustcrypto(&Dry)).is_ok()
}

/// id-data
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
/// id-certBag, RFC 7292 section 4.2.3
const CERTIFICATE_BAG: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x0C, 0x0A, 0x01, 0x03];
/// x509Certificate
const X509: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x16, 0x01];
/// rsaEncryption
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];

/// A ContentInfo of type data around these octets.
fn data(w: &mut Writer, octets: &[u8]) {
    w.sequence(|w| {
        w.element(Tag::OID, DATA);
        w.nested(Tag::context_constructed(0), |w| w.octet_string(octets));
    });
}

/// A PFX (RFC 7292 section 4) without a MAC, of so many copies of a certificate, each in a bag of its own.
pub fn pkcs12(bytes: usize, certificate: &[u8]) -> Vec<u8> {
    let bag = Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, CERTIFICATE_BAG);
            w.nested(Tag::context_constructed(0), |w| {
                w.sequence(|w| {
                    w.element(Tag::OID, X509);
                    w.nested(Tag::context_constructed(0), |w| w.octet_string(certificate));
                });
            });
        });
    });
    let contents = Writer::build(|w| w.element(Tag::SEQUENCE, &bag.repeat(bytes / bag.len())));
    let safe = Writer::build(|w| w.sequence(|w| data(w, &contents)));
    Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(3);
            data(w, &safe);
        });
    })
}

/// A Java store with this magic, of so many copies of a certificate.
pub fn java(magic: u32, bytes: usize, certificate: &[u8]) -> Vec<u8> {
    let entry = [&2_u32.to_be_bytes()[..], &[0, 1, b'a'], &[0; 8], certificate].concat();
    let count = bytes / entry.len();
    let mut store = [magic.to_be_bytes(), 2_u32.to_be_bytes(), (count as u32).to_be_bytes()].concat();
    store.extend(entry.repeat(count));
    let password: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let checksum = Sha1::new().chain_update(password).chain_update("Mighty Aphrodite").chain_update(&store).finalize();
    store.extend(checksum);
    store
}

/// A certificate as an entry of a Java store has it.
pub fn java_certificate(der: &[u8]) -> Vec<u8> {
    [&[0, 5][..], b"X.509", &(der.len() as u32).to_be_bytes(), der].concat()
}

/// PrivateKeyInfo (RFC 5208 section 5) with so many attributes.
pub fn pkcs8(bytes: usize) -> Vec<u8> {
    let attribute = Writer::build(|w| {
        w.sequence(|w| {
            w.element(Tag::OID, &[0x2A, 0x03]);
            w.nested(Tag::SET, |w| w.null());
        });
    });
    Writer::build(|w| {
        w.sequence(|w| {
            w.small_integer(0);
            w.sequence(|w| {
                w.element(Tag::OID, RSA);
                w.null();
            });
            w.octet_string(&[0x30, 0]);
            w.element(Tag::context_constructed(0), &attribute.repeat(bytes / attribute.len()));
        });
    })
}
