//! Enrollments: who may speak, what each message changes, and which command comes next.
//!
//! Owns the record of one channel ([`Enrollment`]) and of one queued command ([`QueuedCommand`]). Both change only by pure
//! functions of the record, a message, the circumstances that the host found ([`Contact`]) and the time; what comes out is an
//! [`Outcome`]: the next record, events, effects and a reply. Nothing here holds a fleet or a queue: a host loads the one record
//! that a message names, for a user's channel also its device's, and of a queue the commands that are handed out.
//!
//! ```text
//!   check-in ── Enrollment::begin / receive ──────────────────────────► Outcome ─► store, effects, reply
//!   report ──── Enrollment::report ──► Exchange ── next(open commands) ──► Outcome ─► store, effects, reply
//!   the host ── enqueue, announce_identity, retire, displace, disable, migrate
//! ```
//!
//! Refused are messages under an identity that is revoked, expired, on hold or not the enrolled one, topics and tokens of other
//! tenants, and devices that are not enrolled. No refusal makes a device give up its enrollment unless the host has chosen so by
//! name ([`Strangers::Unenroll`]).

mod check_in;
mod contact;
mod exchange;
mod host;
mod outcome;
mod queue;
mod record;

use crate::x509::Standing;
use crate::{id, plist, push};

pub use contact::{
    Contact, Fingerprint, Identity, Origin, ParseFingerprintError, Policy, Reenrollment, Strangers, TokenHolder,
    UnannouncedIdentity, UserAuthentication,
};
pub use exchange::{Exchange, Patience};
pub use host::Migrant;
pub use outcome::{Effect, Outcome, Reply};
pub use queue::{CommandState, QueueEvent, Queued, QueuedCommand, Rank, Schedule};
pub use record::{Beginning, Enrollment, Event, Exchanged, State};

/// Why a message changes nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message names nobody.
    #[error(transparent)]
    Identifiers(#[from] id::Error),
    /// A key is missing without which the message means nothing.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// Topic, token or push magic are none.
    #[error(transparent)]
    Address(#[from] push::Error),
    /// The message does not belong on this channel: a device's on a user's, or the other way round.
    #[error("the message does not belong on this kind of channel")]
    NotForChannel,
    /// There is no live enrollment for the message.
    #[error("the device or user is not enrolled")]
    NotEnrolled,
    /// The identity certificate gives no access.
    #[error("the identity certificate gives no access: {0}")]
    Identity(Standing),
    /// The certificate is good and not the one that the enrollment is bound to.
    #[error("the enrollment is bound to another identity certificate")]
    OtherIdentity,
    /// The certificate belongs to another device.
    #[error("the identity certificate is bound to another enrollment")]
    IdentityOfAnother,
    /// The enrollment belongs to another tenant than the one at whose door the message came.
    #[error("the enrollment belongs to another tenant")]
    OtherTenant,
    /// The topic is none of the tenant's.
    #[error("the message names a push topic that is not the tenant's")]
    OtherTopic,
    /// The device token is held by an enrollment of another tenant.
    #[error("the device token is held by an enrollment of another tenant")]
    TokenOfAnotherTenant,
    /// The host has paired a message with the record of another channel.
    #[error("the message is about another enrollment than the record given; load the record that the message names")]
    OtherEnrollment,
    /// The command cannot be written.
    #[error("the command has no form in XML: {0}")]
    Unwritable(plist::Error),
}

impl Error {
    /// What the device is told. A device without an enrollment is told what the host has chosen.
    pub const fn reply(&self, strangers: Strangers) -> Reply {
        match self {
            Error::NotEnrolled => match strangers {
                Strangers::TurnAway => Reply::BadRequest,
                Strangers::Unenroll => Reply::Unrecognized,
            },
            Error::Identity(_)
            | Error::OtherIdentity
            | Error::IdentityOfAnother
            | Error::OtherTenant
            | Error::OtherTopic
            | Error::TokenOfAnotherTenant => Reply::Forbidden,
            Error::Identifiers(_)
            | Error::Missing(_)
            | Error::Address(_)
            | Error::NotForChannel
            | Error::OtherEnrollment
            | Error::Unwritable(_) => Reply::BadRequest,
        }
    }
}

#[cfg(test)]
mod tests;
