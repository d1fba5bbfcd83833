//! Why a key store was not read or not written.

use crate::{asn1, crypto, x509};

/// Why nothing came of it, split by who is at fault.
///
/// A wrong password and damage are told apart as far as they can be. Bytes that are missing, or that no longer make the structure,
/// are [`Error::Malformed`]. A checksum that does not match is [`Error::Password`]: a wrong password and a changed byte inside look
/// alike there, and trying to decrypt to tell them apart would make an oracle of it. A checksum that does match, over something
/// that still does not open, is [`Error::OtherPassword`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes begin like no format that is read here.
    #[error("not a key store: neither PKCS#12 nor JKS nor JCEKS, nor a private key in PEM or DER")]
    Format,
    /// The structure is damaged or truncated.
    #[error("{what} is damaged or truncated: {error}")]
    Malformed {
        /// The structure. What was decrypted is counted from its own first byte.
        what: &'static str,
        /// What is wrong with it, and at which byte.
        error: asn1::Error,
    },
    /// A certificate in the store is not one.
    #[error("in the store: {0}")]
    Certificate(x509::Error),
    /// The password is wrong, or bytes were changed without breaking the structure.
    #[error("the password is wrong, or the content was changed since it was written")]
    Password,
    /// The checksum of the store matches, but a part of it does not open: it has a password of its own, or was never whole.
    #[error("the password is right for the store, but not for {0} in it")]
    OtherPassword(&'static str),
    /// Sound, and made in a way that is not read here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Sound, and refused by the policy in force.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The store has no entry with a private key, or none of the wanted alias.
    #[error("no such entry with a private key")]
    NoEntry,
    /// Several entries could be meant, and none, or the alias of several, was named.
    #[error("{0} entries with private keys; name one of them by its alias")]
    SeveralEntries(usize),
    /// The private key of an entry is not that of its certificate.
    #[error("the private key is not that of the certificate beside it")]
    Mismatch,
    /// The host asked for what must not be made; the text says what to change.
    #[error("cannot be written: {0}")]
    Misuse(&'static str),
    /// No randomness was to be had, or a key is not one that the provider takes.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}

/// What a policy has against a sound key store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More iterations in sum than [`Policy::max_iterations`](super::Policy::max_iterations), which is given here.
    #[error("more iterations than the limit of {0}")]
    Iterations(u64),
    /// 3DES, RC2 or DES without [`Policy::old_ciphers`](super::Policy::old_ciphers).
    #[error("encrypted with 3DES, RC2 or DES, which the policy does not allow")]
    OldCipher,
    /// JKS or JCEKS without [`Policy::java`](super::Policy::java).
    #[error("a Java key store (JKS or JCEKS), which the policy does not allow")]
    Java,
    /// PKCS#12 without a MAC, and no [`Policy::without_mac`](super::Policy::without_mac).
    #[error("without a MAC, which the policy does not allow")]
    NoMac,
}

impl Error {
    /// For `map_err`: says which structure an encoding error stands in.
    pub(super) fn malformed(what: &'static str) -> impl Fn(asn1::Error) -> Error {
        move |error| Error::Malformed { what, error }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal)
    }
}
