//! What comes of a decision.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Enrollment, Fingerprint, QueuedCommand};
use crate::id::EnrollmentId;
use crate::push::DeviceToken;
use crate::record::Change;
use crate::time::Timestamp;

/// The outcome of one message.
///
/// A host stores all the changes in one transaction, and only when the stored revisions are still those it read. Then it carries out
/// the effects, and then it replies. A host that stops in between repeats the effects, or waits until the device repeats its message:
/// every effect may be carried out twice.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
#[non_exhaustive]
pub struct Outcome {
    /// The enrollment as it is now, what happened to it, and what to do about it.
    pub enrollment: Change<Enrollment>,
    /// Commands that changed.
    pub commands: Vec<Change<QueuedCommand>>,
    /// What the device is told. [`Reply::Empty`] when nobody waits for an answer.
    pub reply: Reply,
}

/// What a host does after a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum Effect {
    /// Cancel what is still open in the queue of this enrollment, with [`QueuedCommand::cancel_ended`]. It is not handed out in any
    /// case: its generation is over.
    ClearQueue {
        /// Whose queue.
        enrollment: EnrollmentId,
        /// The generation that has ended.
        generation: u32,
    },
    /// Disable every user channel of this device, with [`Enrollment::disable_with_device`]. Their messages are refused in any case
    /// until the user has sent a new `TokenUpdate`.
    DisableUserChannels {
        /// The device's own channel.
        device: EnrollmentId,
        /// The generation of the device's enrollment that has ended.
        generation: u32,
    },
    /// Another enrollment of the tenant has the token that this device now gave: the same device under an older name. Retire that
    /// one, with [`Enrollment::displace`].
    Displace {
        /// The older enrollment.
        enrollment: EnrollmentId,
        /// The token that it loses.
        token: DeviceToken,
    },
    /// No enrollment is bound to this certificate any more: revoke it, or forget it.
    ReleaseIdentity(Fingerprint),
    /// The device waits in Setup Assistant until it gets `DeviceConfigured`: queue what must come first, and then that.
    FinishSetup,
    /// Wake the device, at this moment or later.
    Wake {
        /// The earliest moment.
        at: Timestamp,
    },
}

/// What the device is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// 200 without a body: understood; on the command channel, nothing to do.
    Empty,
    /// 200 with a property list. It may hold a secret.
    Body(Vec<u8>),
    /// The message is admitted and the host composes the answer: `DeclarativeManagement`, `GetToken`, `UserAuthenticate` under
    /// [`UserAuthentication::Host`](super::UserAuthentication::Host), and message types that this crate does not know.
    Host,
    /// 400: not understood, or not expected. The device keeps its enrollment.
    BadRequest,
    /// 403 without a body: not believed. The device keeps its enrollment.
    Forbidden,
    /// 403 with `com.apple.unrecognized.device`: the device removes its enrollment.
    Unrecognized,
    /// 410: no, for this login session.
    Gone,
}

impl Reply {
    /// The HTTP status. Never 401, which would make the device remove its enrollment; [`Reply::Unrecognized`] says that openly.
    pub const fn status(&self) -> u16 {
        match self {
            Reply::Empty | Reply::Body(_) | Reply::Host => 200,
            Reply::BadRequest => 400,
            Reply::Forbidden | Reply::Unrecognized => 403,
            Reply::Gone => 410,
        }
    }

    /// The body and its media type.
    pub fn into_body(self) -> (Cow<'static, [u8]>, Option<&'static str>) {
        match self {
            Reply::Body(body) => (Cow::Owned(body), Some("application/xml")),
            Reply::Unrecognized => (Cow::Borrowed(br#"{"code":"com.apple.unrecognized.device"}"#), Some("application/json")),
            _ => (Cow::Borrowed(&[]), None),
        }
    }
}
