//! The certificate authority, over P-256 because it is fast; what is particular to RSA uses stored requests.

#![cfg(feature = "rustcrypto")]

mod authority;
mod backup;
mod crash;
mod crl;
mod format;
mod hostile;
mod invariants;
mod issuance;
mod ocsp;
mod renewal;
mod requests;
mod revocation;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use mdm_core::ca::{Authority, CertificateRecord, Creation, IssuanceRequest, Profile};
use mdm_core::crypto::{self, KeyKind, Legacy, Provider, Random, SigningKey, SoftwareKey};
use mdm_core::time::Timestamp;
use mdm_core::x509::{CsrTemplate, Extensions, Name, ProvenCsr};

/// Numbers that look random and never repeat within a run of the tests.
struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, dest: &mut [u8]) -> Result<(), crypto::Error> {
        for chunk in dest.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

static RANDOM: Counting = Counting(AtomicU64::new(1));

fn provider() -> Provider {
    Provider::rustcrypto(&RANDOM)
}

/// A source that has nothing.
struct Dry;

impl Random for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), crypto::Error> {
        Err(crypto::Error::Random)
    }
}

fn key() -> SoftwareKey {
    let provider = provider();
    provider.load(&provider.generate(KeyKind::P256).unwrap()).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// When everything here begins.
fn noon() -> Timestamp {
    at("2026-11-21T12:00:00Z")
}

static CA_KEY: LazyLock<SoftwareKey> = LazyLock::new(key);
static DEVICE_KEY: LazyLock<SoftwareKey> = LazyLock::new(key);

/// Signs all that is outstanding, each with the key that it names.
fn sign_all(mut authority: Authority, keys: &[&SoftwareKey]) -> Authority {
    while let Some(next) = authority.to_be_signed(authority.latest(), &provider()).unwrap() {
        let key = keys.iter().find(|key| SigningKey::public_key(**key) == next.public_key()).unwrap();
        authority = next.sign_with(*key).unwrap().record;
    }
    authority
}

/// An authority that was created at noon.
fn authority() -> Authority {
    let creation = Creation::new("builtin", "Example", CA_KEY.public_key().clone());
    sign_all(Authority::create(&creation, noon(), &provider()).unwrap().record, &[&*CA_KEY])
}

fn name(common_name: &str) -> Name {
    Name::builder().common_name(common_name).build().unwrap()
}

/// A request by this key.
fn csr(key: &SoftwareKey, subject: Name, extensions: Extensions<'static>) -> ProvenCsr {
    let mut template = CsrTemplate::new(subject, key.public_key().clone());
    template.extensions = extensions;
    let csr = template.to_be_signed(key.algorithm(), &provider()).unwrap().sign_with(key).unwrap();
    csr.verify(&provider(), Legacy::NONE).unwrap()
}

/// A device's certificate, signed at noon.
fn issued(authority: &Authority) -> CertificateRecord {
    let csr = csr(&DEVICE_KEY, name("Device 7"), Extensions::new());
    let profile = Profile::device_identity();
    let reserved = authority.reserve(&IssuanceRequest::new(&csr, "t", &profile), None, noon(), &provider()).unwrap();
    reserved.sign_with(&*CA_KEY).unwrap().record
}
