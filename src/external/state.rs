//! Where a request stands, and what that means for the host.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::x509::RevocationReason;

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RequestState {
    /// To be sent, or sent without a known outcome.
    Submitting {
        /// Whether it was sent and may have arrived.
        sent: bool,
        /// How often sending it failed.
        attempts: u32,
        /// From when it is to be sent.
        until: Timestamp,
    },
    /// With the authority.
    Pending {
        /// How often the authority said so.
        polls: u32,
        /// From when to ask again.
        until: Timestamp,
    },
    /// The certificate is here.
    Issued,
    /// There will be none.
    Denied {
        /// The authority's words.
        reason: String,
    },
    /// Nobody wants the certificate any more, and the authority has not said that there will be none.
    Withdrawing {
        /// How often it was asked.
        attempts: u32,
        /// From when to ask again.
        until: Timestamp,
    },
    /// There will be none, because nobody wants it.
    Withdrawn,
    /// The certificate is to be revoked, and the authority has not said that it is.
    PendingRevoke {
        /// Why.
        reason: RevocationReason,
        /// Since when nobody here believes it.
        since: Timestamp,
        /// Whether the authority has taken the request to revoke.
        taken: bool,
        /// How often it was asked.
        attempts: u32,
        /// From when to ask again.
        until: Timestamp,
    },
    /// The authority has revoked it.
    Revoked,
}

impl fmt::Display for RequestState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestState::Submitting { sent: false, .. } => "not sent yet",
            RequestState::Submitting { sent: true, .. } => "sent with unknown outcome",
            RequestState::Pending { .. } => "pending",
            RequestState::Issued => "issued",
            RequestState::Denied { .. } => "denied",
            RequestState::Withdrawing { .. } => "being withdrawn",
            RequestState::Withdrawn => "withdrawn",
            RequestState::PendingRevoke { .. } => "being revoked",
            RequestState::Revoked => "revoked",
        })
    }
}

/// What the host has to do for a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each")]
pub enum Job {
    /// Store [`CertificateRequest::sending`](super::CertificateRequest::sending), then send it.
    Submit,
    /// Ask whether it has been decided.
    Poll,
    /// Ask for it to be withdrawn.
    Withdraw,
    /// Ask for the certificate to be revoked.
    Revoke,
    /// Ask whether the certificate has been revoked.
    CheckRevocation,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator who asks where a request stands must know whether it may have left.
    #[test]
    fn a_request_that_may_have_arrived_is_told_from_one_that_has_not_left() {
        let until = Timestamp::from_unix(1_790_000_000);
        let revoke = RequestState::PendingRevoke {
            reason: RevocationReason::KeyCompromise,
            since: until,
            taken: false,
            attempts: 1,
            until,
        };
        let states = [
            (RequestState::Submitting { sent: false, attempts: 0, until }, "not sent yet"),
            (RequestState::Submitting { sent: true, attempts: 1, until }, "sent with unknown outcome"),
            (RequestState::Pending { polls: 2, until }, "pending"),
            (RequestState::Issued, "issued"),
            (RequestState::Denied { reason: "no".into() }, "denied"),
            (RequestState::Withdrawing { attempts: 0, until }, "being withdrawn"),
            (RequestState::Withdrawn, "withdrawn"),
            (revoke, "being revoked"),
            (RequestState::Revoked, "revoked"),
        ];
        for (state, words) in states {
            assert_eq!(state.to_string(), words);
            let stored = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<RequestState>(&stored).unwrap(), state, "{stored}");
        }
    }
}
