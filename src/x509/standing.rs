//! What a certificate is worth.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a certificate is worth at a moment: the answer that decisions about its holder take as input.
///
/// Only [`Standing::InForce`] gives access. The others are told apart so that a host can answer each as it should: an expired
/// identity may be allowed to renew, a revoked one never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "a decision about access must consider every standing")]
pub enum Standing {
    /// Signed, within its validity, not revoked.
    InForce,
    /// Signed, and not valid before this moment.
    NotYet(Timestamp),
    /// Past its end, which was this moment.
    Expired(Timestamp),
    /// On hold since this moment.
    Held(Timestamp),
    /// Revoked, or asked to be revoked, at this moment.
    Revoked(Timestamp),
    /// Not issued by the authority that was asked.
    NotIssued,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::InForce => f.write_str("in force"),
            Standing::NotYet(from) => write!(f, "not valid before {from}"),
            Standing::Expired(end) => write!(f, "expired since {end}"),
            Standing::Held(since) => write!(f, "on hold since {since}"),
            Standing::Revoked(since) => write!(f, "revoked since {since}"),
            Standing::NotIssued => f.write_str("not issued by this authority"),
        }
    }
}
