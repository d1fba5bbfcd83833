//! CMS against OpenSSL: what it made is read here, what is made here is read back, and nothing damaged is believed.
//!
//! `data/cms/make.sh` has the command that made each file.
#![cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]

use mdm_core::cms::{EnvelopedData, Error, SignaturePolicy, SignedData};
use mdm_core::crypto::{Legacy, Provider, SoftwareKey};
use mdm_core::limits::Limits;
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;

mod damage;
mod enveloped;
mod password;
mod signed;
#[path = "../support/mod.rs"]
mod support;
use support::{data, providers};

const CONTENT: &[u8] = b"What is signed here is what is read there.\n";

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(data(&format!("cms/{name}.pem"))).unwrap()
}

fn key(provider: &Provider, name: &str) -> SoftwareKey {
    support::key(provider, &format!("cms/{name}.key"))
}

fn signed(file: &str) -> SignedData {
    SignedData::parse(&data(&format!("cms/{file}")), &Limits::PKI).unwrap()
}

fn enveloped(file: &str) -> EnvelopedData {
    EnvelopedData::parse(&data(&format!("cms/{file}")), &Limits::PKI).unwrap()
}

/// Nothing but padding tells a wrong content key from the right one in CBC, and about one wrong key in 256 leaves a padding behind that
/// could be one. So what is shut gives the one error, or octets that are not the content.
fn assert_shut(opened: Result<Secret, Error>, what: &str) {
    match opened {
        Ok(other) => assert_ne!(other.expose(), CONTENT, "{what}"),
        Err(error) => assert_eq!(error, Error::Unopened, "{what}"),
    }
}

const STRICT: SignaturePolicy = SignaturePolicy {
    legacy: Legacy::NONE,
    without_signed_attributes: false,
    unsorted_attributes: false,
    missing_content_type: false,
};
