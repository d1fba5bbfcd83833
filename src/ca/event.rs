//! What must happen next.

use serde::{Deserialize, Serialize};

use super::{CrlScope, Holder, Notice};
use crate::x509::SerialNumber;

/// What a host must do once a change is stored. Every effect may be repeated: after a crash, a host carries out again what it
/// does not know to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum Effect {
    /// Have the authority's own next certificate signed: [`Authority::to_be_signed`](super::Authority::to_be_signed).
    #[serde(rename = "sign-authority")]
    SignAuthority,
    /// Have a reserved certificate signed: [`Authority::resume`](super::Authority::resume).
    #[serde(rename = "sign")]
    Sign {
        /// Which one.
        serial: SerialNumber,
    },
    /// Hand the certificate to its requester, then store [`CertificateRecord::delivered`](super::CertificateRecord::delivered). A
    /// requester that asks again gets it by asking.
    #[serde(rename = "deliver")]
    Deliver {
        /// Which one.
        serial: SerialNumber,
    },
    /// Stop talking with the device that holds the certificate, and write a line into the server's log (J10).
    #[serde(rename = "end-access")]
    EndAccess {
        /// Which certificate.
        serial: SerialNumber,
        /// Whose it is.
        holder: Holder,
    },
    /// Talk again with the device that holds the certificate: its hold was released.
    #[serde(rename = "restore-access")]
    RestoreAccess {
        /// Which certificate.
        serial: SerialNumber,
        /// Whose it is.
        holder: Holder,
    },
    /// Ask the authority that issued the certificate, which is not this one, to revoke it; then store
    /// [`CertificateRecord::revocation_confirmed`](super::CertificateRecord::revocation_confirmed).
    #[serde(rename = "ask-revocation")]
    AskRevocation {
        /// Which one.
        serial: SerialNumber,
    },
    /// The revocation list is out of date: plan a new one soon. A host that gathers several of these plans one list for all.
    #[serde(rename = "refresh-crl")]
    RefreshCrl {
        /// Which list.
        scope: CrlScope,
    },
    /// Tell the operator: the line that [`Notice`] displays.
    #[serde(rename = "notify")]
    Notify(Notice),
}
