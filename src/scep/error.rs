//! What can go wrong in SCEP, by whose fault it is, and what the peer is told.

use super::{FailInfo, MessageType};
use crate::x509::Standing;
use crate::{cms, crypto};

/// Why a SCEP message was not read, believed, granted or made.
///
/// [`Error::fail_info`] and [`Error::http_status`] are the one place where an error becomes what the peer sees. The texts are for
/// the host's log: some tell more than a stranger should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The outer message is malformed, uses algorithms that the policy for this peer does not allow, or its signature does not
    /// hold.
    #[error(transparent)]
    Cms(#[from] cms::Error),
    /// A signed attribute of SCEP has a value that it may not have.
    #[error("the attribute {0} is not as RFC 8894 section 3.2.1 demands")]
    Attribute(&'static str),
    /// The transaction identifier is empty, longer than 256 characters, or not printable.
    #[error("the transaction identifier must be 1 to 256 printable ASCII characters")]
    TransactionId,
    /// The signed content is not data, is missing, or is there where none belongs.
    #[error("the message has no envelope where one belongs, or something where nothing belongs")]
    Content,
    /// The message departs from RFC 8894 in what [`Oddities`](super::Oddities) of this peer do not read.
    #[error("the message departs from the standards, which this peer is not forgiven: {0}")]
    Oddity(&'static str),
    /// A message of this type is not acted upon here.
    #[error("{0} is not acted upon here")]
    MessageType(MessageType),
    /// The request did not open: wrong key, damaged envelope, bad request inside, no proof of possession. Nothing more is told.
    #[error("the request did not open")]
    Unopened,
    /// The challenge is missing or wrong.
    #[error("the challenge is missing or wrong")]
    Challenge,
    /// The certificate that signed a renewal does not entitle to one.
    #[error("the certificate that signed the renewal is {0}")]
    Renewal(Standing),
    /// A poll asks for another transaction, key or subject than the one that is pending.
    #[error("the poll does not belong to the pending transaction")]
    Poll,
    /// A query is not an operation of RFC 8894 section 4.1.
    #[error("the query is not a SCEP operation: {0}")]
    Query(&'static str),
    /// A GetCACert answer holds no certificate that can be used as asked.
    #[error("the CA's certificates: {0}")]
    CaCertificates(&'static str),
    /// The server offers nothing that the policy allows. Name a legacy policy to talk to it nevertheless.
    #[error("the server offers no {0} that the policy allows")]
    Capability(&'static str),
    /// A reply is signed by none of the pinned certificates.
    #[error("the reply is signed by none of the pinned certificates")]
    Untrusted,
    /// A reply belongs to another exchange: its transaction, nonce or type is not the request's.
    #[error("the reply belongs to another exchange: its {0} does not match")]
    Mismatch(&'static str),
    /// The server behind the proxy answered what cannot be read or believed.
    #[error("the server behind the proxy: {0}")]
    Upstream(Box<Error>),
    /// A granted reply holds no certificate for the requested key.
    #[error("the reply holds no certificate for the requested key")]
    NoCertificate,
    /// The host used the crate in a way that makes no sense.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The host's key or randomness failed.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
}

impl Error {
    /// The same fault, as that of the server behind a proxy: the device has no part in it and is not told.
    pub(super) fn upstream(self) -> Self {
        match self {
            Error::Crypto(_) | Error::Misuse(_) => self,
            error => Error::Upstream(Box::new(error)),
        }
    }

    /// What a signed FAILURE tells the client; `None` when the fault is not the client's.
    pub const fn fail_info(&self) -> Option<FailInfo> {
        match self {
            Error::Cms(cms::Error::Algorithm(_)) => Some(FailInfo::BadAlg),
            Error::Cms(cms::Error::SigningTime { .. }) => Some(FailInfo::BadTime),
            Error::Cms(cms::Error::Crypto(_)) | Error::Crypto(_) | Error::Misuse(_) => None,
            Error::Cms(_) | Error::Unopened => Some(FailInfo::BadMessageCheck),
            Error::Attribute(_)
            | Error::TransactionId
            | Error::Content
            | Error::Oddity(_)
            | Error::MessageType(_)
            | Error::Challenge
            | Error::Query(_)
            | Error::Renewal(_) => Some(FailInfo::BadRequest),
            Error::Poll => Some(FailInfo::BadCertId),
            Error::CaCertificates(_)
            | Error::Capability(_)
            | Error::Untrusted
            | Error::Mismatch(_)
            | Error::Upstream(_)
            | Error::NoCertificate => None,
        }
    }

    /// The HTTP status where no signed reply can be made: 400 for the client's faults, 500 for the host's, 502 for those of an
    /// upstream server.
    pub const fn http_status(&self) -> u16 {
        match self {
            Error::Cms(cms::Error::Crypto(_)) | Error::Crypto(_) | Error::Misuse(_) => 500,
            Error::CaCertificates(_)
            | Error::Capability(_)
            | Error::Untrusted
            | Error::Mismatch(_)
            | Error::Upstream(_)
            | Error::NoCertificate => 502,
            _ => 400,
        }
    }
}
