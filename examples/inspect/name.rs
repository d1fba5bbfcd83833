//! The names under which things are shown.

use mdm_core::crypto::{ContentCipher, DigestAlgorithm, KeyTransport, PublicKey, PublicKeyKind, SignatureAlgorithm};
use serde::Serialize;

/// Lower-case hexadecimal.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What a public key is.
#[derive(Serialize)]
pub struct Key {
    algorithm: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bits: Option<usize>,
}

impl From<&PublicKey> for Key {
    fn from(key: &PublicKey) -> Self {
        let (algorithm, bits) = match key.kind() {
            PublicKeyKind::Rsa { bits, .. } => ("RSA", Some(bits)),
            PublicKeyKind::P256 => ("ECDSA P-256", Some(256)),
            PublicKeyKind::P384 => ("ECDSA P-384", Some(384)),
            _ => (UNKNOWN, None),
        };
        Key { algorithm, bits }
    }
}

const UNKNOWN: &str = "unknown";

pub fn digest(algorithm: Option<DigestAlgorithm>) -> &'static str {
    match algorithm {
        Some(DigestAlgorithm::Sha1) => "SHA-1",
        Some(DigestAlgorithm::Sha256) => "SHA-256",
        Some(DigestAlgorithm::Sha384) => "SHA-384",
        Some(DigestAlgorithm::Sha512) => "SHA-512",
        _ => UNKNOWN,
    }
}

pub fn signature(algorithm: Option<SignatureAlgorithm>) -> &'static str {
    match algorithm {
        Some(SignatureAlgorithm::RsaSha1) => "RSA with SHA-1",
        Some(SignatureAlgorithm::RsaSha256) => "RSA with SHA-256",
        Some(SignatureAlgorithm::RsaSha384) => "RSA with SHA-384",
        Some(SignatureAlgorithm::RsaSha512) => "RSA with SHA-512",
        Some(SignatureAlgorithm::EcdsaSha256) => "ECDSA with SHA-256",
        Some(SignatureAlgorithm::EcdsaSha384) => "ECDSA with SHA-384",
        _ => UNKNOWN,
    }
}

pub fn cipher(cipher: Option<ContentCipher>) -> &'static str {
    match cipher {
        Some(ContentCipher::DesCbc) => "DES-CBC",
        Some(ContentCipher::TripleDesCbc) => "3DES-CBC",
        Some(ContentCipher::Aes128Cbc) => "AES-128-CBC",
        Some(ContentCipher::Aes192Cbc) => "AES-192-CBC",
        Some(ContentCipher::Aes256Cbc) => "AES-256-CBC",
        Some(ContentCipher::Aes128Gcm) => "AES-128-GCM",
        Some(ContentCipher::Aes192Gcm) => "AES-192-GCM",
        Some(ContentCipher::Aes256Gcm) => "AES-256-GCM",
        _ => UNKNOWN,
    }
}

/// How the key that wraps the content key was agreed upon.
pub const fn agreement(known: bool) -> &'static str {
    if known { "ECDH on P-256, AES key wrap" } else { UNKNOWN }
}

pub fn transport(algorithm: Option<KeyTransport>) -> &'static str {
    match algorithm {
        Some(KeyTransport::RsaPkcs1) => "RSA PKCS#1 v1.5",
        Some(KeyTransport::RsaOaepSha1) => "RSA OAEP with SHA-1",
        Some(KeyTransport::RsaOaepSha256) => "RSA OAEP with SHA-256",
        _ => UNKNOWN,
    }
}
