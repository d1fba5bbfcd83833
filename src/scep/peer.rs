//! What a peer is forgiven, by name.

use crate::cms::{OpeningPolicy, SignaturePolicy};
use crate::crypto::Legacy;
use crate::limits::Limits;

/// The policy for one kind of peer: which broken algorithms and which departures from RFC 8894 are tolerated. The default tolerates
/// none; each is switched on by name, for the peer that needs it.
///
/// Some oddities cost no security and are always read: BER, both spellings of RSA in SignerInfo, EnvelopedData of any version, several
/// recipients, further signed attributes, challenges in any string type.
///
/// ```
/// use mdm_core::crypto::Legacy;
/// use mdm_core::scep::Peer;
///
/// let devices = Peer::apple();
/// let old_clients = Peer { legacy: Legacy { sha1: true, single_des: true, ..Legacy::NONE }, ..Peer::default() };
/// assert!(devices.odd_nonces && !old_clients.odd_nonces);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts name the tolerances they want over a base")]
pub struct Peer {
    /// Which broken algorithms are believed and read.
    pub legacy: Legacy,
    /// The most that one message may cost.
    pub limits: Limits,
    /// Nonces of 1 to 64 octets instead of 16. Needed by Apple's `mdmclient`, which sends 8.
    pub odd_nonces: bool,
    /// Messages without senderNonce, replies without recipientNonce. Needed by some devices and old servers. A client that
    /// tolerates it cannot tell a replayed reply.
    pub missing_nonces: bool,
    /// A challengePassword among the signed attributes, where everybody can read it, when the request itself has none. Needed by
    /// Apple's `mdmclient` on macOS.
    pub signed_challenge: bool,
    /// Signed attributes in another order than the one that was signed. Needed by clients that step-ca issue 1723 names.
    pub unsorted_attributes: bool,
    /// An envelope with exactly one recipient whose name is not that of the certificate. Needed by clients that spell the issuer's
    /// name in their own way.
    pub misnamed_recipient: bool,
    /// CA and RA certificates whose keyUsage does not allow what they are used for. Needed with micromdm, step-ca and old NDES as
    /// servers.
    pub any_key_usage: bool,
    /// FAILURE and PENDING with content that says nothing. Needed with micromdm and step-ca (no octets) and NDES (one) as servers.
    pub stray_content: bool,
    /// Renewals signed by a certificate that has expired; one that is revoked or unknown is never enough. Needed by devices that
    /// were switched off for longer than their certificate lasts.
    pub expired_renewal: bool,
}

impl Peer {
    /// Nothing is tolerated, within [`Limits::PKI`].
    pub const STRICT: Peer = Peer {
        legacy: Legacy::NONE,
        limits: Limits::PKI,
        odd_nonces: false,
        missing_nonces: false,
        signed_challenge: false,
        unsorted_attributes: false,
        misnamed_recipient: false,
        any_key_usage: false,
        stray_content: false,
        expired_renewal: false,
    };

    /// Apple devices: nonces of 8 octets, and the challenge among the signed attributes (macOS).
    pub const fn apple() -> Self {
        Peer { odd_nonces: true, signed_challenge: true, ..Self::STRICT }
    }

    /// micromdm's `scepclient` and other clients on its library: single DES and SHA-1.
    pub const fn micromdm_client() -> Self {
        Peer { legacy: Legacy { sha1: true, single_des: true, ..Legacy::NONE }, ..Self::STRICT }
    }

    /// micromdm's `scepserver` and step-ca: single DES and SHA-1, CA keys that may only sign, empty content in failures.
    pub const fn micromdm_server() -> Self {
        Peer {
            legacy: Legacy { sha1: true, single_des: true, ..Legacy::NONE },
            any_key_usage: true,
            stray_content: true,
            ..Self::STRICT
        }
    }

    /// Servers on jscep: SHA-1 and 3DES.
    pub const fn jscep_server() -> Self {
        Peer { legacy: Legacy { sha1: true, triple_des: true, ..Legacy::NONE }, ..Self::STRICT }
    }

    /// Microsoft's NDES: SHA-1, single DES and 3DES, one octet of content in failures.
    pub const fn ndes() -> Self {
        Peer {
            legacy: Legacy { sha1: true, single_des: true, triple_des: true, ..Legacy::NONE },
            any_key_usage: true,
            stray_content: true,
            ..Self::STRICT
        }
    }

    /// Cisco IOS as client: SHA-1, 3DES, RSA keys from 1024 bits.
    pub const fn cisco() -> Self {
        Peer { legacy: Legacy { sha1: true, triple_des: true, rsa_1024: true, ..Legacy::NONE }, ..Self::STRICT }
    }

    pub(super) fn signatures(&self) -> SignaturePolicy {
        SignaturePolicy {
            legacy: self.legacy,
            // Without signed attributes there is no SCEP message, whoever sends it.
            without_signed_attributes: false,
            unsorted_attributes: self.unsorted_attributes,
        }
    }

    pub(super) fn envelopes(&self) -> OpeningPolicy {
        OpeningPolicy { legacy: self.legacy, misnamed_recipient: self.misnamed_recipient }
    }
}

impl Default for Peer {
    /// [`Peer::STRICT`].
    fn default() -> Self {
        Self::STRICT
    }
}
