//! What several tests share: providers, files, keys.
#![allow(dead_code, reason = "each test uses a part")]

use base64::Engine as _;
use mdm_core::crypto::{Error, Provider, Random, SoftwareKey};
use mdm_core::secret::Secret;

pub struct Os;

impl Random for Os {
    fn fill(&self, dest: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(dest).map_err(|_| Error::Random)
    }
}

/// Every provider that is compiled in.
pub fn providers() -> Vec<(&'static str, Provider)> {
    [
        #[cfg(feature = "rustcrypto")]
        ("rustcrypto", Provider::rustcrypto(&Os)),
        #[cfg(feature = "aws-lc-rs")]
        ("aws-lc-rs", Provider::aws_lc_rs(&Os)),
    ]
    .to_vec()
}

/// A file under `tests/data`.
pub fn data(path: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A private key in PEM under `tests/data`.
pub fn key(provider: &Provider, path: &str) -> SoftwareKey {
    let text = String::from_utf8(data(path)).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    provider.load(&Secret::new(base64::engine::general_purpose::STANDARD.decode(body).unwrap())).unwrap()
}
