//! The certificates that an authority has for itself, and the keys behind them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Error, Profile};
use crate::crypto::{DigestAlgorithm, Provider, PublicKey, SignatureAlgorithm};
use crate::hex;
use crate::record::stored::{self, Octets};
use crate::x509::{Certificate, KeyUsage, Name, SerialNumber};

/// The name of a key: the SHA-256 of its SubjectPublicKeyInfo, in lower-case hexadecimal. Unlike the key identifiers in
/// certificates, no two keys share one.
///
/// An authority signs with several keys over the years; a host finds the private half of each by this name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The name of this key.
    pub fn of(key: &PublicKey, provider: &Provider) -> Self {
        KeyId(hex::encode(provider.digest(DigestAlgorithm::Sha256, key.as_der())))
    }

    /// The text: 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which of an authority's own certificates: 1 for the first, one more with every renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(u32);

impl GenerationId {
    /// The first.
    pub const FIRST: GenerationId = GenerationId(1);

    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        GenerationId(self.0.saturating_add(1))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for GenerationId {
    fn from(number: u32) -> Self {
        GenerationId(number)
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One of an authority's own certificates. Generations with the same key are one authority to everybody who checks a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Generation {
    /// Which one.
    pub id: GenerationId,
    /// Its key.
    pub key: KeyId,
    /// The algorithm it signs with.
    pub algorithm: SignatureAlgorithm,
    /// The certificate. Its subject is the issuer of what it signs, byte for byte.
    pub certificate: Certificate,
}

impl Generation {
    /// Whether the certificate lets the key sign revocation lists.
    pub fn may_sign_crls(&self) -> bool {
        self.certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN))
    }
}

/// What one of the authority's own certificates is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Role {
    /// The authority's certificate itself.
    #[serde(rename = "authority")]
    Authority(GenerationId),
    /// One key of the authority certified by another, so that who trusts only one of them believes both.
    #[serde(rename = "cross")]
    Cross {
        /// Whose key is certified.
        subject: GenerationId,
        /// Whose key signs.
        issuer: GenerationId,
    },
    /// A certificate that the authority issued for a service of its own.
    #[serde(rename = "service")]
    Service(Service),
}

impl Role {
    /// Whether a certificate with this role, signed by that generation, comes into use with a generation. The certificate of a service
    /// may be renewed under the one in use while another waits.
    fn is_for(self, generation: GenerationId, signer: GenerationId) -> bool {
        match self {
            Role::Authority(id) => id == generation,
            Role::Cross { subject, issuer } => subject == generation || issuer == generation,
            Role::Service(_) => signer == generation,
        }
    }
}

/// A service that the authority runs under a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Service {
    /// The server's side of SCEP: devices encrypt their requests to this key, and it signs the answers.
    #[serde(rename = "scep")]
    Scep,
    /// The half of it that signs the answers, where [`Service::ScepEncryption`] is the other: there are clients that encrypt to a
    /// certificate only when it can do nothing else.
    #[serde(rename = "scep-signing")]
    ScepSigning,
    /// The half of it that devices encrypt their requests to.
    #[serde(rename = "scep-encryption")]
    ScepEncryption,
    /// Answers about revocation.
    #[serde(rename = "ocsp")]
    Ocsp,
    /// Signatures over configuration profiles.
    #[serde(rename = "profile-signing")]
    ProfileSigning,
}

impl Service {
    pub(super) fn profile(self) -> Profile {
        match self {
            Service::Scep => Profile::scep(),
            Service::ScepSigning => Profile::scep_signing(),
            Service::ScepEncryption => Profile::scep_encryption(),
            Service::Ocsp => Profile::ocsp_responder(),
            Service::ProfileSigning => Profile::profile_signing(),
        }
    }

    /// What stands behind the organization in the subject of its certificate.
    const fn title(self) -> &'static str {
        match self {
            Service::Scep => "SCEP Registration Authority",
            Service::ScepSigning => "SCEP Registration Authority, Signing",
            Service::ScepEncryption => "SCEP Registration Authority, Encryption",
            Service::Ocsp => "OCSP Responder",
            Service::ProfileSigning => "Profile Signing",
        }
    }

    /// The subject of its certificate.
    pub(super) fn subject(self, organization: &str) -> Result<Name, Error> {
        subject_of(organization, self.title())
    }
}

/// Longest commonName and organizationName (RFC 5280 appendix A.1), in characters.
const MAX_NAME: usize = 64;

/// The subject of a certificate of the authority's own: the organization, and what the certificate is for. An organization's name
/// that is too long is cut.
pub(super) fn subject_of(organization: &str, title: &str) -> Result<Name, Error> {
    let cut = |longest: usize| organization.chars().take(longest).collect::<String>().trim_end().to_owned();
    let room = MAX_NAME.saturating_sub(title.len()).saturating_sub(1);
    Ok(Name::builder().organization(cut(MAX_NAME)).common_name(format!("{} {title}", cut(room))).build()?)
}

/// The certificate of a service, and the key behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceCertificate {
    /// Which service.
    pub service: Service,
    /// Its key.
    pub key: KeyId,
    /// Under which generation it was issued.
    pub generation: GenerationId,
    /// The certificate.
    pub certificate: Certificate,
}

/// A certificate over one of the authority's keys, signed with another of them (RFC 9810 calls the two directions OldWithNew and
/// NewWithOld). Made when the authority is renewed with a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CrossCertificate {
    /// Whose key is certified.
    pub subject: GenerationId,
    /// Whose key signed.
    pub issuer: GenerationId,
    /// The certificate.
    pub certificate: Certificate,
}

/// One of the authority's own certificates, its bytes fixed and its signature outstanding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Planned {
    /// What it is for.
    pub role: Role,
    /// Its serial number.
    pub serial: SerialNumber,
    /// Its key.
    pub key: KeyId,
    /// The generation that is its issuer.
    pub issuer: GenerationId,
    /// The public half of the key that must sign it.
    #[serde(with = "stored::public_key")]
    pub signer: PublicKey,
    /// How it must be signed.
    pub algorithm: SignatureAlgorithm,
    /// The bytes to sign.
    pub(super) tbs: Octets,
}

impl Planned {
    /// The bytes to sign: a TBSCertificate (RFC 5280 section 4.1), complete.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs.0
    }

    /// Whether it comes into use with this generation.
    pub(super) fn is_for(&self, generation: GenerationId) -> bool {
        self.role.is_for(generation, self.issuer)
    }
}

/// One of the authority's own certificates, signed and not yet in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Staged {
    pub(super) role: Role,
    pub(super) key: KeyId,
    pub(super) issuer: GenerationId,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) certificate: Certificate,
}

impl Staged {
    pub(super) fn new(planned: Planned, certificate: Certificate) -> Self {
        let Planned { role, key, issuer, algorithm, .. } = planned;
        Staged { role, key, issuer, algorithm, certificate }
    }

    /// Whether it comes into use with this generation.
    pub(super) fn is_for(&self, generation: GenerationId) -> bool {
        self.role.is_for(generation, self.issuer)
    }
}
