//! Why an authority that is not ours gave nothing.

use super::RequestState;
use crate::record::ReplayError;
use crate::{keystore, scep, web, x509};

/// Why a message was not made or read, or a step not taken. Nothing has happened then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The authority did not answer, or not as it should.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// What was delivered as a certificate cannot be read.
    #[error("what the authority delivered: {0}")]
    Unreadable(x509::Error),
    /// No delivered certificate is for the requested key.
    #[error("none of the delivered certificates is for the requested key")]
    OtherKey,
    /// The delivered certificate is an authority's, which nobody asked for.
    #[error("the delivered certificate is one that issues certificates")]
    WantsAuthority,
    /// The delivered certificate does not lead to the pinned authority.
    #[error("the delivered certificate does not lead to the pinned authority: {0}")]
    Untrusted(x509::Error),
    /// A second, different certificate was delivered for one request.
    #[error("the authority delivered a second certificate for the same request")]
    SecondCertificate,
    /// The authority gives a status that this version does not know.
    #[error("the authority gives the status {0:?}, which is not known")]
    Status(String),
    /// The authority's interface has no such function.
    #[error("this authority's interface cannot {0}")]
    Unsupported(&'static str),
    /// A step that the request's state does not allow.
    #[error("a request that is {from} cannot be {attempted}")]
    Step {
        /// Where it stands.
        from: RequestState,
        /// What was asked for.
        attempted: &'static str,
    },
    /// The request was sent before, and nobody knows whether it arrived: sending it again may order, and pay for, a second
    /// certificate. Look for it at the authority, then say [`accepted`](super::Answer::Accepted) or
    /// [`resubmit`](super::CertificateRequest::resubmit).
    #[error("the request may have arrived already; look for it at the authority before it is sent again")]
    Uncertain,
    /// What SCEP has against the external authority.
    #[error(transparent)]
    Scep(#[from] scep::Error),
    /// A key store of an external authority cannot be used.
    #[error("the key store of the external authority: {0}")]
    KeyStore(#[from] keystore::Error),
    /// The host asked for what cannot be; the text says what to change.
    #[error("cannot be done: {0}")]
    Misuse(&'static str),
    /// An event does not belong to the record.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl Error {
    /// Whether the same request may succeed later without anybody changing anything.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Error::Web(error) if error.is_temporary())
    }

    /// Whether the authority has certainly not taken what was sent: it said so itself.
    pub const fn is_certain(&self) -> bool {
        matches!(
            self,
            Error::Web(
                web::Error::Unauthorized(_) | web::Error::Refused { .. } | web::Error::Misuse(_) | web::Error::Address(_)
            ) | Error::Misuse(_)
                | Error::Unsupported(_)
        )
    }
}
