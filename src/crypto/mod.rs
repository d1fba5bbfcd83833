//! The cryptography that the crate needs, as a [`Provider`] that a host plugs in.
//!
//! Owns the names of algorithms, the shapes of keys, and the two-phase signature [`ToBeSigned`]. It holds no primitive of its own:
//! the features `rustcrypto` and `aws-lc-rs` each add a provider, and a host may write one. There is no global provider and no
//! default chosen behind the host's back.
//!
//! What is refused here: saying why a decryption or a verification failed. [`Error::Failed`] is one outcome, and unwrapping a
//! content key has no failing outcome at all ([`DecryptionKey::unwrap_key`]).

mod algorithm;
mod content;
mod digest;
mod key;
mod key_wrap;
mod pkcs8;
mod provider;
mod signing;

#[cfg(any(feature = "rustcrypto", feature = "aws-lc-rs"))]
mod software;

#[cfg(feature = "rustcrypto")]
mod rustcrypto;

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;

pub use algorithm::{ContentCipher, DigestAlgorithm, KeyTransport, Legacy, SignatureAlgorithm};
pub(crate) use algorithm::{EC_PUBLIC_KEY, P256, read_identifier};
pub use content::BlockCiphers;
pub(crate) use content::decrypt_padded;
pub use digest::ShaDigests;
pub use key::{DecryptionKey, KeyKind, PublicKey, PublicKeyKind, SigningKey, SoftwareKey};
pub(crate) use key_wrap::KeyWrap;
pub(crate) use pkcs8::to_pkcs8;
pub use provider::{ContentCiphers, Digest, DigestContext, Digests, KeyWrapping, Keys, Provider, Random, Verifier};
pub use signing::ToBeSigned;

/// Why a cryptographic operation gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A signature did not verify, or a ciphertext did not open. Nothing more is told, on purpose.
    #[error("the cryptographic check failed")]
    Failed,
    /// The algorithm is unknown, or refused by the policy in force.
    #[error("the algorithm is not supported or not allowed here")]
    Algorithm,
    /// The key is of a kind or size that the provider does not take, or is not encoded as a key.
    #[error("the key is of a kind or size that is not supported, or is damaged")]
    Key,
    /// The host's source of randomness failed.
    #[error("no randomness was to be had")]
    Random,
}
