//! What a peer is forgiven, by name.

use super::Error;
use crate::asn1::Tag;
use crate::cms::{EnvelopedData, OpeningPolicy, SignaturePolicy, SignedData};
use crate::crypto::Legacy;
use crate::limits::Limits;

/// The policy for one kind of peer: which broken algorithms and which departures from RFC 8894 are tolerated, each by name, for the peer
/// that needs it. The default is strict where security is at stake, and reads the oddities that cost none ([`Oddities`]).
///
/// | tolerance | micromdm, step-ca | NDES | jscep | Apple | others |
/// |---|---|---|---|---|---|
/// | `legacy.sha1` | yes | yes | its server | | Cisco IOS |
/// | `legacy.single_des` | yes | yes | | | Cisco IOS |
/// | `legacy.triple_des` | | yes | its server | | Cisco IOS |
/// | `legacy.rsa_1024` | | | | profiles without `Keysize` | Cisco IOS |
/// | `odd_nonces` | | | | 8 octets | some devices |
/// | `missing_nonces` | | | some servers | | |
/// | `signed_challenge` | | | | macOS | |
/// | `unsorted_attributes` | | | | | legacy clients (step-ca 1723) |
/// | `missing_content_type` | | | | | old OpenXPKI |
/// | `misnamed_recipient` | | | | | clients that spell names anew |
/// | `any_key_usage` | as servers | old | | | |
/// | `stray_content` | as servers: no octets | one octet | | | |
/// | `expired_renewal` | | | | devices that slept | |
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
    /// Departures that cost no security.
    pub oddities: Oddities,
    /// Signed attributes in another order than the one that was signed. Needed by clients that step-ca issue 1723 names.
    pub unsorted_attributes: bool,
    /// Signed attributes without contentType. Needed with old OpenXPKI as server; the attributes of SCEP still say what was signed.
    pub missing_content_type: bool,
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

/// Departures from RFC 8894 and RFC 5652 that real peers make and that give an attacker nothing. All are read by default; who wants to know
/// how exact a peer is switches them off.
///
/// ```
/// use mdm_core::scep::{Oddities, Peer};
///
/// let examiner = Peer { oddities: Oddities::NONE, ..Peer::default() };
/// assert!(Peer::default().oddities.ber && !examiner.oddities.ber);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts name the oddities they want over a base")]
pub struct Oddities {
    /// BER: indefinite lengths, strings in pieces. Sent by everything on Bouncy Castle (jscep, EJBCA), and by macOS 10.11 and 10.12.
    pub ber: bool,
    /// More than one recipient in a request. Sent by micromdm's client, which encrypts to every certificate of GetCACert.
    pub several_recipients: bool,
    /// An envelope whose version is not that of its recipients. Sent by PyScep (version 1).
    pub any_envelope_version: bool,
    /// sha256WithRSAEncryption and its kin as signature algorithm instead of rsaEncryption. Sent by micromdm, step-ca, strongSwan, jscep.
    pub digest_named_twice: bool,
    /// A challengePassword of a type that is no DirectoryString: IA5String, OCTET STRING and others (RFC 2985 section 5.4.1). Sent by some
    /// devices.
    pub any_challenge_type: bool,
    /// Replies that carry no certificate at all. Sent by NDES; who signed is decided by the pinned certificates in any case.
    pub bare_replies: bool,
}

impl Oddities {
    /// All of them.
    pub const ALL: Oddities = Oddities {
        ber: true,
        several_recipients: true,
        any_envelope_version: true,
        digest_named_twice: true,
        any_challenge_type: true,
        bare_replies: true,
    };

    /// None of them.
    pub const NONE: Oddities = Oddities {
        ber: false,
        several_recipients: false,
        any_envelope_version: false,
        digest_named_twice: false,
        any_challenge_type: false,
        bare_replies: false,
    };

    /// Whether the outer message is as exact as this demands. `bytes` are what was received.
    pub(super) fn accept_message(&self, signed: &SignedData, bytes: &[u8]) -> Result<(), Error> {
        if !self.ber && signed.as_der() != bytes {
            return Err(Error::Oddity("BER"));
        }
        if !self.digest_named_twice && !signed.signers().all(|signer| signer.names_digest_once()) {
            return Err(Error::Oddity("a signature algorithm that names its digest"));
        }
        Ok(())
    }

    /// The same of the envelope.
    pub(super) fn accept_envelope(&self, envelope: &EnvelopedData, bytes: &[u8]) -> Result<(), Error> {
        if !self.ber && envelope.as_der() != bytes {
            return Err(Error::Oddity("BER"));
        }
        if !self.several_recipients && envelope.recipients().len() > 1 {
            return Err(Error::Oddity("several recipients"));
        }
        if !self.any_envelope_version && !envelope.version_fits() {
            return Err(Error::Oddity("the version of the envelope"));
        }
        Ok(())
    }

    /// Whether a challenge may stand in an element of this type.
    pub(super) fn accept_challenge(&self, tag: Tag) -> bool {
        let directory_string =
            [Tag::TELETEX_STRING, Tag::PRINTABLE_STRING, Tag::UNIVERSAL_STRING, Tag::UTF8_STRING, Tag::BMP_STRING];
        self.any_challenge_type || directory_string.contains(&tag)
    }
}

impl Peer {
    /// Nothing is tolerated that could cost security, within [`Limits::PKI`].
    pub const STRICT: Peer = Peer {
        legacy: Legacy::NONE,
        limits: Limits::PKI,
        oddities: Oddities::ALL,
        odd_nonces: false,
        missing_nonces: false,
        signed_challenge: false,
        unsorted_attributes: false,
        missing_content_type: false,
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

    /// Cisco IOS as client: SHA-1, 3DES and single DES, RSA keys from 1024 bits. MD5, its oldest default, is read under no policy: set
    /// `hash sha256` or `hash sha` in the trustpoint.
    pub const fn cisco() -> Self {
        let legacy = Legacy { sha1: true, triple_des: true, single_des: true, rsa_1024: true };
        Peer { legacy, ..Self::STRICT }
    }

    pub(super) fn signatures(&self) -> SignaturePolicy {
        SignaturePolicy {
            legacy: self.legacy,
            // Without signed attributes there is no SCEP message, whoever sends it.
            without_signed_attributes: false,
            unsorted_attributes: self.unsorted_attributes,
            missing_content_type: self.missing_content_type,
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
