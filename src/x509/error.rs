//! Why a structure was not read, not made or not believed.

use crate::{asn1, crypto};

/// Why nothing came of it, split by who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer's bytes are not such a structure.
    #[error("{what} cannot be read: {error}")]
    Malformed {
        /// The structure: `certificate`, `certificate request`, or the name of an extension.
        what: &'static str,
        /// What is wrong with it, and at which byte.
        error: asn1::Error,
    },
    /// The text holds no PEM block of this label, or the block that begins in this line does not end or is not base64.
    #[error("no readable PEM block \"{label}\" (line {line})")]
    Pem {
        /// The label that was looked for.
        label: &'static str,
        /// The line, counted from 1, where the damaged block begins, or the last line when there is none.
        line: usize,
    },
    /// Well-formed, and refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The host asked for what must not be made; the text says what to change.
    #[error("cannot be made: {0}")]
    Misuse(&'static str),
    /// A primitive failed, or a signature did not verify.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}

/// What a policy has against a well-formed structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// An RSA key shorter than 2048 bits (1024 under [`Legacy::rsa_1024`](crypto::Legacy::rsa_1024)), or longer than 8192.
    #[error("an RSA key of {0} bits")]
    KeySize(usize),
    /// An RSA exponent that is even, below 3, or longer than 64 bits.
    #[error("an RSA key with an unusable public exponent")]
    Exponent,
    /// A key of a kind that is not used here.
    #[error("a key of an unsupported kind")]
    KeyKind,
    /// A signature algorithm that is unknown, or SHA-1 without [`Legacy::sha1`](crypto::Legacy::sha1).
    #[error("a signature algorithm that is not supported or not allowed")]
    Algorithm,
    /// No certificate on offer leads to a trusted one.
    #[error("no path to a trusted certificate")]
    NoPath,
    /// A certificate of the path is not valid yet.
    #[error("a certificate that is not valid yet")]
    NotYetValid,
    /// A certificate of the path is not valid any more.
    #[error("a certificate that has expired")]
    Expired,
    /// A certificate of the path was issued by a key that may not certify: basicConstraints or keyUsage.
    #[error("a certificate issued by one that is no authority")]
    NotAnAuthority,
    /// More authorities stand below one another than an authority, or this crate, allows.
    #[error("a path that is too long")]
    PathLength,
    /// A critical extension that is not known here, name constraints included.
    #[error("a critical extension that is not known")]
    CriticalExtension,
    /// extKeyUsage does not allow the purpose.
    #[error("a certificate for another purpose")]
    Purpose,
    /// More certificates of the same name than are tried.
    #[error("too many certificates of the same name")]
    TooManyCandidates,
}

impl Error {
    /// For `map_err`: says which structure an encoding error stands in.
    pub(crate) fn malformed(what: &'static str) -> impl Fn(asn1::Error) -> Error {
        move |error| Error::Malformed { what, error }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(refusal)
    }
}
