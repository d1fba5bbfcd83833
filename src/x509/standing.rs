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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_says_since_when_and_is_stored_and_read_again() {
        let at = Timestamp::from_unix(1_790_000_000);
        let standings = [
            (Standing::InForce, "in force"),
            (Standing::NotYet(at), "not valid before 2026-09-21T14:13:20Z"),
            (Standing::Expired(at), "expired since 2026-09-21T14:13:20Z"),
            (Standing::Held(at), "on hold since 2026-09-21T14:13:20Z"),
            (Standing::Revoked(at), "revoked since 2026-09-21T14:13:20Z"),
            (Standing::NotIssued, "not issued by this authority"),
        ];
        for (standing, words) in standings {
            assert_eq!(standing.to_string(), words);
            let stored = serde_json::to_string(&standing).unwrap();
            assert_eq!(serde_json::from_str::<Standing>(&stored).unwrap(), standing, "{stored}");
        }
    }
}
