//! A provider, keys and certificates for the tests.

use std::sync::LazyLock;

use mdm_core::crypto::{Error, Legacy, Provider, PublicKey, Random, SigningKey, SoftwareKey};
use mdm_core::secret::Secret;
use mdm_core::time::Timestamp;
use mdm_core::x509::{BasicConstraints, Certificate, CertificateTemplate, Extensions, KeyUsage, Name, SerialNumber, Validity};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(dest).map_err(|_| Error::Random)
    }
}

pub fn provider() -> Provider {
    #[cfg(feature = "rustcrypto")]
    return Provider::rustcrypto(&Os);
    #[cfg(not(feature = "rustcrypto"))]
    return Provider::aws_lc_rs(&Os);
}

pub fn load(pem: &str) -> SoftwareKey {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
    provider().load(&Secret::from(key.secret_der())).unwrap()
}

/// P-256.
pub static KEY: LazyLock<SoftwareKey> = LazyLock::new(|| load(include_str!("../data/x509/leaf.key")));
/// RSA, 2048 bits.
pub static RSA: LazyLock<SoftwareKey> = LazyLock::new(|| load(include_str!("../data/x509/ca.key")));

pub fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn now() -> Timestamp {
    moment("2026-06-01T12:00:00Z")
}

pub fn year() -> Validity {
    Validity { not_before: moment("2026-01-01T00:00:00Z"), not_after: moment("2026-12-31T23:59:59Z") }
}

pub fn name(text: &str) -> Name {
    Name::builder().organization("Example").common_name(text).build().unwrap()
}

pub fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_bytes(&[number]).unwrap()
}

pub fn new_key() -> SoftwareKey {
    provider().load(&provider().generate(mdm_core::crypto::KeyKind::P256).unwrap()).unwrap()
}

pub fn public(key: &SoftwareKey) -> &PublicKey {
    SigningKey::public_key(key)
}

pub fn sign(template: &CertificateTemplate, key: &SoftwareKey) -> Certificate {
    let tbs = template.to_be_signed(public(key), SigningKey::algorithm(key), &provider()).unwrap();
    let certificate = tbs.sign_with(key).unwrap();
    certificate.verify_signature(public(key), &provider(), Legacy::NONE).unwrap();
    certificate
}

pub fn authority(path_length: Option<u32>) -> Extensions<'static> {
    Extensions::new().with(&BasicConstraints::authority(path_length)).with(&(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN))
}

/// A template for a certificate of `subject` by `issuer`.
pub fn template(subject: &str, issuer: &str, key: &SoftwareKey) -> CertificateTemplate {
    CertificateTemplate {
        serial: serial(1),
        issuer: name(issuer),
        subject: name(subject),
        validity: year(),
        public_key: public(key).clone(),
        extensions: Extensions::new(),
        authority_key_identifier: None,
    }
}

pub fn root(subject: &str, key: &SoftwareKey) -> Certificate {
    sign(&CertificateTemplate { extensions: authority(None), ..template(subject, subject, key) }, key)
}
