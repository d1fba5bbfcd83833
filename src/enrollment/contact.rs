//! Who is talking, and what the host knows about it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Enrollment;
use crate::crypto::{DigestAlgorithm, Provider};
use crate::hex;
use crate::id::{AuthorityId, EnrollmentId, TenantId};
use crate::push::Topic;
use crate::x509::{Certificate, Standing};

/// The SHA-256 of an identity certificate's DER: what an enrollment is bound to. Shown and stored as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &Certificate, provider: &Provider) -> Self {
        let mut octets = [0; 32];
        let digest = certificate.fingerprint(provider, DigestAlgorithm::Sha256);
        for (slot, octet) in octets.iter_mut().zip(digest.as_ref()) {
            *slot = *octet;
        }
        Fingerprint(octets)
    }

    /// From the digest's octets.
    pub const fn from_bytes(octets: [u8; 32]) -> Self {
        Fingerprint(octets)
    }

    /// The digest's octets.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 fingerprint of 64 hexadecimal digits")]
pub struct ParseFingerprintError;

impl std::str::FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octets = hex::decode(text).and_then(|octets| octets.try_into().ok());
        octets.map(Fingerprint).ok_or(ParseFingerprintError)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where an identity certificate came from: an authority, as it was then. A record keeps it, so that a host can tell who must enroll
/// again once the authority is another one ([`Enrollment::owes_reenrollment`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct Origin {
    /// The authority, or the configuration of another.
    pub authority: AuthorityId,
    /// Which one it was: [`ScepAuthority::era`](crate::external::ScepAuthority::era) when the device was sent its enrollment profile,
    /// and always 1 for an authority that is never exchanged, as the host's own.
    pub era: u32,
}

/// The identity under which a message came: the certificate that signed it (`Mdm-Signature`) or opened the TLS connection. The
/// host has verified the signature; this is what it found.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Identity<'a> {
    pub(super) fingerprint: Fingerprint,
    pub(super) standing: Standing,
    pub(super) bound_to: Option<&'a EnrollmentId>,
    pub(super) origin: Option<&'a Origin>,
}

impl<'a> Identity<'a> {
    /// A certificate with its standing.
    pub const fn new(fingerprint: Fingerprint, standing: Standing) -> Self {
        Identity { fingerprint, standing, bound_to: None, origin: None }
    }

    /// With the device whose record is bound to this certificate, when the host's index over fingerprints has one. It keeps a
    /// device from enrolling with the identity of another.
    pub const fn bound_to(mut self, device: Option<&'a EnrollmentId>) -> Self {
        self.bound_to = device;
        self
    }

    /// With where it came from, as far as the host knows: kept with the certificate when that is bound, and once for a bound one of which
    /// the record does not know it yet. A host whose authority may be exchanged puts the era into the addresses of its enrollment profile,
    /// since a device may take its time between the profile and its first message.
    pub const fn coming_from(mut self, origin: Option<&'a Origin>) -> Self {
        self.origin = origin;
        self
    }
}

/// The enrollment that holds a device token, as the host's index over tokens has it.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out")]
pub struct TokenHolder<'a> {
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// Its identifier.
    pub enrollment: &'a EnrollmentId,
}

/// How an `Authenticate` of a device that is enrolled already is taken.
///
/// The message alone does not tell: a device that was erased sends it, and so does one whose enrollment profile was installed
/// anew to renew its certificate. After a reset a device sends its tokens again; after a renewal it does not, so that a server
/// which throws the bootstrap token away then has lost it for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reenrollment {
    /// As the record has it: a renewal when the certificate was announced ([`Enrollment::announce_identity`]) or a renewal is
    /// expected now ([`Enrollment::expect_renewal`]), else a reset.
    #[default]
    ByRecord,
    /// A renewal: everything stays.
    Renew,
    /// A reset: the device is new.
    Reset,
}

/// What a device is told that has no enrollment here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strangers {
    /// 400: the device keeps its enrollment and comes again. A server whose database was restored from last week loses nobody.
    #[default]
    TurnAway,
    /// 403 with `com.apple.unrecognized.device`: the device removes its enrollment (iOS 17, macOS 14, tvOS 17, watchOS 10 and
    /// later). There is no way back but to enroll again.
    Unenroll,
}

/// What becomes of a certificate that is good, and is neither the one an enrollment is bound to nor announced.
///
/// It happens when a device renews by itself against an authority that does not tell this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnannouncedIdentity {
    /// Refused.
    #[default]
    Refuse,
    /// Bound from now on. Whoever gets a certificate from the tenant's authority can then speak for every device of the tenant;
    /// only for authorities that issue to enrolled devices alone.
    Bind,
}

/// What `UserAuthenticate` is answered, which a Mac sends before a network user logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserAuthentication {
    /// 410: the server does not manage network users; no user channel comes up for this login.
    #[default]
    NotManaged,
    /// 200 with an empty challenge: the user is managed without a password check.
    NoPassword,
    /// The host checks the password: [`Reply::Host`](super::Reply::Host).
    Host,
}

/// Choices that the protocol leaves to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a host writes it out with ..Policy::default()")]
pub struct Policy {
    /// How an `Authenticate` of an enrolled device is taken.
    pub reenrollment: Reenrollment,
    /// What a device without an enrollment is told.
    pub strangers: Strangers,
    /// What becomes of an unannounced certificate.
    pub unannounced_identity: UnannouncedIdentity,
    /// Whether a bound certificate may be past its validity. A device whose certificate has expired can be managed in no other
    /// way until it has renewed it.
    pub admit_expired: bool,
    /// What `UserAuthenticate` is answered.
    pub user_authentication: UserAuthentication,
}

/// One message's circumstances: the tenant at whose door it came, the identity that proved itself, and what the host's indexes
/// say about both.
///
/// ```
/// use mdm_core::enrollment::{Contact, Fingerprint, Identity};
/// use mdm_core::id::TenantId;
/// use mdm_core::push::Topic;
/// use mdm_core::x509::Standing;
///
/// let tenant = TenantId::from("acme");
/// let topics: [Topic; 1] = ["com.apple.mgmt.External.0c3e4d5f".parse()?];
/// let contact = Contact::new(&tenant, &topics, Identity::new(Fingerprint::from_bytes([7; 32]), Standing::InForce));
/// # let _ = contact;
/// # Ok::<(), mdm_core::push::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Contact<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) topics: &'a [Topic],
    pub(super) identity: Identity<'a>,
    pub(super) device: Option<&'a Enrollment>,
    pub(super) token_holder: Option<TokenHolder<'a>>,
    pub(super) policy: Policy,
}

impl<'a> Contact<'a> {
    /// A message that came to this tenant, which has these push topics: one, or two while it moves to another certificate.
    pub const fn new(tenant: &'a TenantId, topics: &'a [Topic], identity: Identity<'a>) -> Self {
        let policy = Policy {
            reenrollment: Reenrollment::ByRecord,
            strangers: Strangers::TurnAway,
            unannounced_identity: UnannouncedIdentity::Refuse,
            admit_expired: false,
            user_authentication: UserAuthentication::NotManaged,
        };
        Contact { tenant, topics, identity, device: None, token_holder: None, policy }
    }

    /// With the record of the device's own channel; needed for every message of a user channel, which has no identity of its own.
    pub const fn on_device(mut self, device: Option<&'a Enrollment>) -> Self {
        self.device = device;
        self
    }

    /// With the enrollment that holds the token of this `TokenUpdate`, when the host's index has one.
    pub const fn token_held_by(mut self, holder: Option<TokenHolder<'a>>) -> Self {
        self.token_holder = holder;
        self
    }

    /// With other choices than the defaults.
    pub const fn under(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}
