//! Waking devices through APNs: which certificate may wake which device, the request, and what the answer means.
//!
//! Owns topics, the records of push certificates, and the [`Binding`] of one enrollment to its tenant, topic, token and push
//! magic. A push exists only as a [`Wake`] that a binding made with a certificate of its own tenant and topic, so that no argument
//! and no stale record sends one tenant's push over another's certificate. The host sends the request and brings the answer back.
//!
//! ```text
//! Binding ── wake(&certificate, now) ──► Wake ── request() ──► the host's HTTP/2 client ──► APNs
//!    └── answered(&wake, &answer, ..) ◄── Answer::read(&response) ◄────────────────────────┘
//!            └──► Verdict: delivered, retry at, rejected, pause the topic, retire
//! ```
//!
//! Refused here: certificates whose subject names no topic of MDM or several, tokens that no device has, and every push across
//! tenants or topics.

mod answer;
mod binding;
mod certificate;
mod descent;
mod format;
mod token;
mod topic;
mod verdict;
mod wake;

#[cfg(test)]
mod tests;

use crate::time::Timestamp;

pub use answer::{Answer, Reason};
pub use binding::{Address, Binding};
pub use certificate::{
    CertificateDecision, CertificateEffect, CertificateEvent, Installed, NoticeSchedule, Pause, PushCertificate, Status,
};
pub use descent::{AppleAccountId, Descent, DeveloperAccountId, VendorCertificateId};
pub(crate) use format::Format;
pub use token::DeviceToken;
pub use topic::{Environment, Topic};
pub use verdict::{Complaint, Retirement, RetryPolicy, Verdict};
pub use wake::{ApnsId, ParseApnsIdError, Priority, Route, Wake};

/// Why a certificate, a token or a topic is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate's subject has no UID, which is where the topic stands. It is no push certificate.
    #[error("the certificate's subject has no UID (0.9.2342.19200300.100.1.1), so it names no topic")]
    NoTopic,
    /// The certificate's subject has several UIDs. Apple issues none such.
    #[error("the certificate's subject has {found} UIDs, so its topic is ambiguous")]
    SeveralTopics {
        /// How many there are.
        found: usize,
    },
    /// The UID is no text.
    #[error("the UID in the certificate's subject is not a string")]
    TopicNotText,
    /// The topic is not one of MDM.
    #[error("not a topic of MDM: it must be \"com.apple.mgmt.\" and a name, at most 255 visible ASCII characters")]
    NotMdm,
    /// A device token is empty or too long.
    #[error("a device token of {len} bytes; 1 to 100 are taken")]
    Token {
        /// Its length in bytes.
        len: usize,
    },
    /// The push magic is empty, too long, or no text.
    #[error("a push magic of {len} bytes; 1 to 512 bytes of text are taken")]
    Magic {
        /// Its length in bytes.
        len: usize,
    },
    /// The certificate certifies another key than the one the host holds for it.
    #[error("the certificate is for another key than the one that was requested")]
    OtherKey,
    /// The certificate is for the other APNs.
    #[error("the certificate is for the {found:?} environment of APNs")]
    OtherEnvironment {
        /// The environment that Apple marked it for.
        found: Environment,
    },
    /// The certificate is not valid now.
    #[error("the certificate is valid from {not_before} to {not_after} only")]
    OutsideValidity {
        /// The first moment.
        not_before: Timestamp,
        /// The last moment.
        not_after: Timestamp,
    },
}

/// Why a certificate does not wake a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The certificate belongs to another tenant and is not shared with this one.
    #[error("the push certificate belongs to another tenant")]
    OtherTenant,
    /// The device listens on another topic. Apple would take the push and drop it.
    #[error("the device listens on another topic than the push certificate's")]
    OtherTopic,
    /// The certificate has been asked for and not installed.
    #[error("the push certificate has not been installed yet")]
    NotInstalled,
    /// The certificate's validity has not begun.
    #[error("the push certificate is not valid yet")]
    NotYetValid,
    /// The certificate has expired.
    #[error("the push certificate has expired; renew it with the same Apple Account")]
    Expired,
    /// The certificate has been revoked.
    #[error("the push certificate has been revoked")]
    Revoked,
    /// The certificate has a successor, which the host should load.
    #[error("the push certificate has been renewed; use its successor")]
    Superseded,
    /// APNs refuses the certificate.
    #[error("the topic is paused because APNs refuses the push certificate")]
    Paused,
    /// The stored push magic is no text.
    #[error("the stored push magic is damaged")]
    Damaged,
}
