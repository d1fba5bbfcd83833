//! What the command line gives besides the files: keys, certificates, a signed body.

use std::cell::Cell;
use std::path::Path;

use mdm_core::crypto::{Legacy, Provider, PublicKey, SoftwareKey};
use mdm_core::keystore;
use mdm_core::secret::Secret;
use mdm_core::x509::Certificate;
use serde::Serialize;

use crate::keystore::{POLICY, with_passwords};
use crate::os::Os;
use crate::pem;

/// Every broken algorithm is read: this program shows captures, it decides nothing.
pub const LEGACY: Legacy = Legacy { sha1: true, triple_des: true, single_des: true, rsa_1024: true };

/// Keys, certificates and the signed body, each with the name of its file.
pub struct Given {
    pub provider: Provider,
    pub keys: Vec<(String, SoftwareKey)>,
    pub certificates: Vec<(String, Certificate)>,
    pub content: Option<(String, Vec<u8>)>,
    /// Those of the command line, and the empty one, under which test keys come.
    pub passwords: Vec<Secret>,
    /// How many messages hold the one at hand.
    depth: Cell<u8>,
}

/// The most messages within messages that are opened; a signed profile in a SCEP reply is three.
const DEPTH: u8 = 8;

impl Given {
    pub fn read(
        keys: &[impl AsRef<Path>],
        certificates: &[impl AsRef<Path>],
        content: Option<&Path>,
        passwords: &[String],
    ) -> Result<Self, String> {
        let provider = Provider::rustcrypto(&Os);
        let passwords = passwords.iter().map(|text| text.as_str().into()).chain([Secret::default()]).collect();
        let depth = Cell::new(0);
        let mut given = Given { provider, keys: Vec::new(), certificates: Vec::new(), content: None, passwords, depth };
        for path in keys {
            let (file, bytes) = named(path.as_ref(), "--key")?;
            let key = given.unlock(&bytes).and_then(|der| load(&der, &provider));
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

    /// Describes what a message holds.
    pub fn within<T>(&self, describe: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        let depth = self.depth.get();
        if depth >= DEPTH {
            return Err(format!("more than {DEPTH} messages, one inside the other, at byte 0"));
        }
        self.depth.set(depth + 1);
        let described = describe();
        self.depth.set(depth);
        described
    }

    /// The private key of a file, under the first password that fits.
    fn unlock(&self, bytes: &[u8]) -> Result<Secret, String> {
        with_passwords(self, |password| keystore::private_key(bytes, password, &POLICY, &self.provider)).map_err(|error| {
            match error {
                keystore::Error::Password => "encrypted, and no --password opens it".into(),
                other => other.to_string(),
            }
        })
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
    pub fn against(whom: String) -> Self {
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
