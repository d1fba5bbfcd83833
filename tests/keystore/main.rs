//! Key stores that OpenSSL, Java and GnuTLS made, read; those made here, read back; and what must be refused.
//! `tests/data/keystore/make.sh` has the commands.
//!
//! What those programs say to what is written here is asked by `tests/real/keystore.sh`.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::crypto::Provider;
use mdm_core::keystore::{self, Entry, Error, KeyStore, Policy, private_key};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;

mod files;
mod hostile;
mod structure;
#[path = "../support/mod.rs"]
mod support;
mod writing;

const PASSWORD: &str = "changeit";
const WITHOUT_MAC: Policy = Policy { without_mac: true, ..Policy::EXTERNAL_CA };

fn provider() -> Provider {
    support::providers()[0].1
}

fn file(name: &str) -> Vec<u8> {
    support::data(&format!("keystore/{name}"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(file(&format!("{name}.pem"))).unwrap()
}

/// PKCS#8 of one of the keys, by way of the plain PEM.
fn key(name: &str) -> Secret {
    private_key(&file(&format!("{name}.key")), &Secret::default(), &Policy::MODERN, &provider()).unwrap()
}

fn read(bytes: &[u8], password: &str, policy: &Policy) -> Result<KeyStore, Error> {
    keystore::open(bytes, &Secret::from(password), policy, &provider())
}

fn open(name: &str, password: &str, policy: &Policy) -> Result<KeyStore, Error> {
    read(&file(name), password, policy)
}

fn signing(alias: &str, chain: &[&str]) -> Entry {
    Entry { alias: alias.into(), key: key("signing"), chain: chain.iter().map(|name| certificate(name)).collect() }
}
