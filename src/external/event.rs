//! What happened to a request, and what must happen next.

use serde::{Deserialize, Serialize};

use super::{Issued, Order, Reference, RequestId};
use crate::ca::Holder;
use crate::id::Revision;
use crate::time::Timestamp;
use crate::x509::RevocationReason;

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEvent {
    /// Which request.
    pub id: RequestId,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: RequestEventKind,
}

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RequestEventKind {
    /// Somebody wants a certificate. The first event of a request.
    Ordered(Box<Order>),
    /// The request is about to be sent.
    Sent,
    /// The request has not arrived and is to be sent from this moment on.
    NotSent {
        /// From when.
        until: Timestamp,
    },
    /// The authority has taken the request, or has not decided: it is asked from this moment on.
    Pending {
        /// The authority's name for the request, when it changed.
        reference: Option<Reference>,
        /// From when.
        until: Timestamp,
    },
    /// An answer said nothing new, or there was none: the authority is asked again from this moment on.
    Deferred {
        /// From when.
        until: Timestamp,
    },
    /// The certificate came.
    Issued(Box<Issued>),
    /// The certificate was handed to whom it is for.
    Delivered,
    /// The authority will not issue.
    Denied {
        /// Its words.
        reason: String,
    },
    /// Nobody wants the certificate any more.
    WithdrawalAsked,
    /// There will be no certificate.
    Withdrawn,
    /// The certificate is to be revoked.
    RevocationAsked {
        /// Why.
        reason: RevocationReason,
    },
    /// The authority has taken the request to revoke; it is asked from this moment on whether it is done.
    RevocationTaken {
        /// From when.
        until: Timestamp,
    },
    /// The authority has revoked.
    Revoked,
}

/// What a host must do once a change of a request is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum RequestEffect {
    /// Do the request's [`Job`](super::Job), from this moment on. Doing it twice does no harm: a second
    /// [`CertificateRequest::sending`](super::CertificateRequest::sending) is refused.
    Work {
        /// Which request.
        id: RequestId,
        /// From when.
        at: Timestamp,
    },
    /// Keep the certificate ([`CertificateRequest::recorded`](super::CertificateRequest::recorded)) and hand it to its device at
    /// the next check-in or command (J21), then store
    /// [`CertificateRequest::delivered`](super::CertificateRequest::delivered).
    Deliver {
        /// Which request.
        id: RequestId,
    },
    /// Stop believing the certificate, and write a line into the server's log.
    EndAccess {
        /// Which request.
        id: RequestId,
        /// Whose certificate it is.
        holder: Holder,
    },
    /// The authority has revoked: store
    /// [`CertificateRecord::revocation_confirmed`](crate::ca::CertificateRecord::revocation_confirmed).
    ConfirmRevocation {
        /// Which request.
        id: RequestId,
    },
    /// Tell the operator: the authority will not issue, or something is wrong that only a person can mend.
    Tell {
        /// Which request.
        id: RequestId,
        /// What, in words. Not for showing unescaped.
        what: String,
    },
}
