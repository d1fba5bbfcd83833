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
mod renewal;
mod risk;
mod separation;
mod token;
mod topic;
mod vendor;
mod verdict;
mod wake;
mod waking;

#[cfg(test)]
pub(crate) mod tests;

use crate::time::Timestamp;

pub use answer::{Answer, Reason};
pub use binding::{Address, Binding};
pub use certificate::{CertificateEffect, CertificateEvent, Installed, NoticeSchedule, Pause, PushCertificate, Status};
pub use descent::{AppleAccountId, Descent, DeveloperAccountId, VendorCertificateId};
pub use renewal::{Renewal, SharingPolicy, TopicChange};
pub use risk::{Estate, Exposure, Level, Node, Shared, Stake};
pub use separation::{SeparationEvent, SeparationPlan, SeparationStep, StepProgress};
pub use token::DeviceToken;
pub use topic::{Environment, Topic};
pub use vendor::SignedRequest;
pub use verdict::{Complaint, Retirement, RetryPolicy, Verdict};
pub use wake::{ApnsId, ParseApnsIdError, Priority, Route, Wake};
pub use waking::{Waking, WakingEvent, WakingState};

/// Why a certificate, a token or a topic is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate's subject has no UID (0.9.2342.19200300.100.1.1), or the profile no MDM payload with a `Topic`. It is no push
    /// certificate, or no enrollment profile.
    #[error("no topic: a certificate has it as UID in its subject, a profile in its MDM payload")]
    NoTopic,
    /// The certificate's subject has several UIDs, or the profile several MDM payloads. Apple issues and takes none such.
    #[error("{found} topics where there must be one")]
    SeveralTopics {
        /// How many there are.
        found: usize,
    },
    /// The UID, or `Topic`, is no text.
    #[error("the topic is not a string")]
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
    /// The certificate to renew with has another topic: at Apple it was created and not renewed. Every device that listens on the
    /// present topic would be out of reach.
    #[error(
        "the certificate has the topic {found}, the devices listen on {current}: {stranded} enrollments could not be woken any \
         more; renew the certificate with the Apple Account that made it, or choose to enroll every device again"
    )]
    TopicConflict {
        /// The topic of the certificate in use.
        current: Topic,
        /// The topic of the new one.
        found: Topic,
        /// How many enrollments listen on the present topic.
        stranded: u64,
    },
    /// The records or the policy are of different tenants.
    #[error("the push certificate belongs to another tenant")]
    OtherTenant,
    /// The record does not wait for a certificate.
    #[error("no certificate is awaited for this record")]
    NotRequested,
    /// The file is no request that a vendor has signed.
    #[error("not a signed request for a push certificate: {0}")]
    NotARequest(&'static str),
    /// The key of a request or of a vendor is not what Apple takes.
    #[error("push certificates and vendors need RSA keys of at least 2048 bits")]
    RequestKey,
    /// A signature on a request does not hold.
    #[error("a signature on the request does not hold")]
    RequestSignature,
    /// The vendor's chain is not one.
    #[error(
        "the vendor's chain breaks at certificate {at} (the vendor's is 0): each must be valid and signed by the next, up to the root"
    )]
    VendorChain {
        /// Which certificate, counted from the vendor's.
        at: usize,
    },
    /// The record has no certificate in use.
    #[error("this record has no certificate in use")]
    NotInstalled,
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
