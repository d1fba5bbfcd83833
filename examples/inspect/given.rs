//! What the command line gives besides the files: keys, certificates, a signed body.

use std::path::Path;

use md5::{Digest as _, Md5};
use mdm_core::crypto::{CbcCiphers, ContentCipher, ContentCiphers, Error, Legacy, Provider, PublicKey, Random, SoftwareKey};
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use serde::Serialize;

use crate::{name, pem};

/// Every broken algorithm is read: this program shows captures, it decides nothing.
pub const LEGACY: Legacy = Legacy { sha1: true, triple_des: true, single_des: true, rsa_1024: true };

struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(dest).map_err(|_| Error::Random)
    }
}

/// Keys, certificates and the signed body, each with the name of its file.
pub struct Given {
    pub provider: Provider,
    pub keys: Vec<(String, SoftwareKey)>,
    pub certificates: Vec<(String, Certificate)>,
    pub content: Option<(String, Vec<u8>)>,
}

impl Given {
    pub fn read(keys: &[impl AsRef<Path>], certificates: &[impl AsRef<Path>], content: Option<&Path>) -> Result<Self, String> {
        let provider = Provider::rustcrypto(&Os);
        let mut given = Given { provider, keys: Vec::new(), certificates: Vec::new(), content: None };
        for path in keys {
            let (file, bytes) = named(path.as_ref(), "--key")?;
            let key = key_der(&bytes).and_then(|der| load(&der, &provider));
            given.keys.push((file.clone(), key.map_err(|fault| format!("--key {file}: {fault}"))?));
        }
        for path in certificates {
            let (file, bytes) = named(path.as_ref(), "--cert")?;
            let read = if pem::is_pem(&bytes) {
                Certificate::all_from_pem(&bytes)
            } else {
                Certificate::from_der(&bytes).map(|certificate| vec![certificate])
            };
            let read = read.map_err(|error| format!("--cert {file}: {error}"))?;
            given.certificates.extend(read.into_iter().map(|certificate| (file.clone(), certificate)));
        }
        given.content = content.map(|path| named(path, "--content")).transpose()?;
        Ok(given)
    }

    /// Tries a signature with the given certificates, then with the one that the message brings.
    pub fn verify(&self, own: Option<(&str, &PublicKey)>, check: impl Fn(&PublicKey) -> Result<(), String>) -> Verified {
        for (file, certificate) in &self.certificates {
            if check(certificate.public_key()).is_ok() {
                return Verified::against(format!("--cert {file}"));
            }
        }
        let others = if self.certificates.is_empty() { "" } else { ", and it holds for no --cert" };
        match own {
            Some((place, key)) => match check(key) {
                Ok(()) => Verified::against(place.to_owned()),
                Err(fault) => Verified::not(format!("{fault} ({place}{others})")),
            },
            None => Verified::not(format!("no certificate of the signer is at hand (give one with --cert){others}")),
        }
    }
}

/// Whether a signature holds, and for whose key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    signature: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_against: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Verified {
    fn against(whom: String) -> Self {
        Verified { signature: "verified", verified_against: Some(whom), reason: None }
    }

    pub fn not(reason: String) -> Self {
        Verified { signature: "not verified", verified_against: None, reason: Some(reason) }
    }
}

fn named(path: &Path, option: &str) -> Result<(String, Vec<u8>), String> {
    let file = path.to_string_lossy().into_owned();
    let bytes = crate::read(path).map_err(|fault| format!("{option} {file}: {fault}"))?;
    Ok((file, bytes))
}

/// A private key in DER that a provider can load.
pub fn load(der: &Secret, provider: &Provider) -> Result<SoftwareKey, String> {
    let only = "a private key that is damaged, or of another kind than RSA of 2048 to 8192 bits or ECDSA on P-256";
    provider.load(der).map_err(|_| only.to_owned())
}

/// The private key of a file: PEM, whatever else stands in it, or DER.
fn key_der(bytes: &[u8]) -> Result<Secret, String> {
    if !pem::is_pem(bytes) {
        return Ok(Secret::from(bytes));
    }
    let blocks = pem::blocks(bytes)?;
    let block =
        blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")).ok_or("no private key among its PEM blocks")?;
    match (block.label.as_str(), block.header("DEK-Info")) {
        ("ENCRYPTED PRIVATE KEY", _) => Err(ENCRYPTED.to_owned()),
        (_, Some(cipher)) => decrypt(&block.der, cipher).ok_or(ENCRYPTED.to_owned()),
        _ => Ok(Secret::from(&block.der[..])),
    }
}

const ENCRYPTED: &str = "the private key is encrypted with a password; `openssl pkey -in KEY -out PLAIN` takes it off";

/// The encrypted PEM of old OpenSSL, in the one form in which it protects nothing: 3DES under the empty password. Example CAs and test
/// keys come so.
fn decrypt(sealed: &[u8], cipher: &str) -> Option<Secret> {
    let iv = name::unhex(cipher.strip_prefix("DES-EDE3-CBC,")?.trim())?;
    // EVP_BytesToKey with MD5, one round and no password: D1 = MD5(salt), D2 = MD5(D1, salt); the vector is the salt.
    let first = Md5::digest(&iv);
    let second = Md5::new().chain_update(first).chain_update(&iv).finalize();
    let key: Vec<u8> = first.iter().chain(&second).copied().take(ContentCipher::TripleDesCbc.key_len()).collect();
    CbcCiphers.decrypt(ContentCipher::TripleDesCbc, &Secret::new(key), &iv, sealed).ok()
}
