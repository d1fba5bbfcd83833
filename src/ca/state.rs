//! What a certificate is at a moment: its state, and whether it is active.

use serde::{Deserialize, Serialize};

/// The state of a certificate at a moment: what it was led to by its events, and where the moment lies in its validity.
///
/// ```text
///              reserve                 signed                 notAfter - threshold     notAfter
///   (request) ────────► Reserved ────────────────► Issued ───────────────► Expiring ──────────► Expired
///                          │                         │ ▲ └────────┐           │ (the same moves
///                          │ abandon            hold │ │ release  │ revoke    │  as Issued)
///                          ▼                         ▼ │          ▼           ▼
///                      Abandoned ──────────┐        Held ──────► Revoked ◄─── (revoke, to lock the device out)
///                                  revoke  └────────────────────► ▲  │
///                                                    confirmed    │  └─► Revoked: keyCompromise, date unchanged
///                        certificates of others: Issued ──► PendingRevoke
/// ```
///
/// A serial number that is reserved or abandoned can be revoked too: its signature may exist somewhere. Nothing leads out of
/// Revoked; a device comes back by enrolling again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum State {
    /// Serial number and bytes are fixed; the signature is outstanding.
    Reserved,
    /// Signed and good.
    Issued,
    /// Signed and good, and near its end.
    Expiring,
    /// Past its end.
    Expired,
    /// Suspended; can be released.
    Held,
    /// Its revocation was asked of another authority, which has not confirmed it.
    PendingRevoke,
    /// Revoked, for good.
    Revoked,
    /// Never signed as far as is known, and never will be.
    Abandoned,
}

impl State {
    /// Active or inactive; `None` when there is no certificate.
    pub const fn status(self) -> Option<Status> {
        match self {
            State::Issued | State::Expiring => Some(Status::Active),
            State::Expired | State::Held | State::PendingRevoke | State::Revoked => Some(Status::Inactive),
            State::Reserved | State::Abandoned => None,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            State::Reserved => "reserved",
            State::Issued => "issued",
            State::Expiring => "expiring",
            State::Expired => "expired",
            State::Held => "held",
            State::PendingRevoke => "pending revocation",
            State::Revoked => "revoked",
            State::Abandoned => "abandoned",
        })
    }
}

/// Whether a certificate may be in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Status {
    /// Issued or expiring.
    Active,
    /// Expired, held, or revoked.
    Inactive,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words stand in exports and in refusals; the status decides whether a device is talked with.
    #[test]
    fn only_issued_and_expiring_are_active_and_what_is_no_certificate_is_neither() {
        let states = [
            (State::Reserved, "reserved", None),
            (State::Issued, "issued", Some(Status::Active)),
            (State::Expiring, "expiring", Some(Status::Active)),
            (State::Expired, "expired", Some(Status::Inactive)),
            (State::Held, "held", Some(Status::Inactive)),
            (State::PendingRevoke, "pending revocation", Some(Status::Inactive)),
            (State::Revoked, "revoked", Some(Status::Inactive)),
            (State::Abandoned, "abandoned", None),
        ];
        for (state, word, status) in states {
            assert_eq!((state.to_string().as_str(), state.status()), (word, status));
        }
    }
}
