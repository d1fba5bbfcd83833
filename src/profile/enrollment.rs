//! The profile that enrolls a device: an identity over SCEP, and the management that uses it.

use std::fmt::Write as _;

use super::{CertificateRoot, MDM, MDMServerCapabilities, Payload, Profile, SCEP, SCEPPayloadContent, SCEPSubjectAltName};
use crate::secret::Secret;

/// A random UUID (RFC 9562 section 5.4) of sixteen random octets, in capitals as Apple writes them.
///
/// ```
/// assert_eq!(mdm_core::profile::uuid([0xab; 16]), "ABABABAB-ABAB-4BAB-ABAB-ABABABABABAB");
/// ```
pub fn uuid(entropy: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, octet) in entropy.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let octet = match at {
            6 => octet & 0x0f | 0x40,
            8 => octet & 0x3f | 0x80,
            _ => octet,
        };
        // Writing to a string does not fail.
        let _ = write!(text, "{octet:02X}");
    }
    text
}

/// What the server may do with the device: the sum under `AccessRights`.
/// <https://developer.apple.com/documentation/devicemanagement/mdm>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(i64);

impl Rights {
    /// Everything. The right to read profiles without the right to change them, and the like, are sums of a host's own.
    pub const ALL: Rights = Rights(8191);

    /// The sum itself.
    pub const fn from_bits(bits: i64) -> Self {
        Rights(bits)
    }

    /// The sum itself.
    pub const fn bits(self) -> i64 {
        self.0
    }
}

/// How the device gets its identity.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct ScepIdentity {
    /// `URL` of the SCEP server.
    pub url: String,
    /// `Name`: the authority, for servers that have several.
    pub name: Option<String>,
    /// `Challenge`, for this device alone.
    pub challenge: Option<Secret>,
    /// `Subject`: attribute and value, one relative distinguished name each, such as `("CN", "device")`.
    pub subject: Vec<(String, String)>,
    /// `Keysize` in bits: 2048 or 4096.
    pub key_size: i64,
    /// `CAFingerprint`: SHA-256 (or SHA-1) of the authority's certificate, when SCEP runs over plain HTTP.
    pub ca_fingerprint: Option<Vec<u8>>,
    /// What has a default that fits most.
    pub options: ScepOptions,
}

/// What a SCEP payload says besides. By default: a key for signing and encryption that stays where it was made, no alternative names, and
/// Apple's three retries.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct ScepOptions {
    /// `SubjectAltName`; one without names is left out.
    pub alternative_names: SCEPSubjectAltName,
    /// `Key Usage`: 1 for signing, 4 for encryption, 5 for both.
    pub key_usage: i64,
    /// `Retries` when the server has not decided; Apple's default is 3.
    pub retries: Option<i64>,
    /// `RetryDelay` in seconds; Apple's default is 10.
    pub retry_delay: Option<i64>,
    /// `KeyIsExtractable`: whether macOS lets the key be exported.
    pub extractable: bool,
    /// `AllowAllAppsAccess`: whether every program of macOS may use the key.
    pub all_apps: bool,
}

impl Default for ScepOptions {
    fn default() -> Self {
        ScepOptions {
            alternative_names: SCEPSubjectAltName::default(),
            key_usage: 5,
            retries: None,
            retry_delay: None,
            extractable: false,
            all_apps: false,
        }
    }
}

/// An enrollment profile in the making.
///
/// ```
/// use mdm_core::profile::{Enrollment, MDM, Rights, ScepIdentity, ScepOptions};
///
/// let enrollment = Enrollment {
///     identifier: "com.example.mdm".into(),
///     display_name: "Example MDM".into(),
///     organization: Some("Example".into()),
///     scep: ScepIdentity {
///         url: "https://mdm.example.com/scep".into(),
///         name: None,
///         challenge: Some("once".into()),
///         subject: vec![("CN".into(), "device".into())],
///         key_size: 2048,
///         ca_fingerprint: None,
///         options: ScepOptions::default(),
///     },
///     topic: "com.apple.mgmt.External.example".into(),
///     server_url: "https://mdm.example.com/mdm".into(),
///     check_in_url: None,
///     access_rights: Some(Rights::ALL),
///     trusted_roots: Vec::new(),
/// };
/// let profile = enrollment.profile([[0x2a; 16], [0x2b; 16], [0x2c; 16]]);
/// let mdm = profile.payloads.last().and_then(|payload| payload.read::<MDM>());
/// assert_eq!(mdm.and_then(|mdm| mdm.identity_certificate_uuid), profile.payloads[0].envelope.payload_uuid);
/// ```
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Enrollment {
    /// `PayloadIdentifier` of the profile; those of its payloads begin with it.
    pub identifier: String,
    /// `PayloadDisplayName`.
    pub display_name: String,
    /// `PayloadOrganization`.
    pub organization: Option<String>,
    /// How the device gets its identity.
    pub scep: ScepIdentity,
    /// `Topic`: that of the push certificate.
    pub topic: String,
    /// `ServerURL`: commands, and check-in too when there is no other URL for it.
    pub server_url: String,
    /// `CheckInURL`.
    pub check_in_url: Option<String>,
    /// `AccessRights`; must be absent where the enrollment is driven by an account of the user's own.
    pub access_rights: Option<Rights>,
    /// Certificates in DER that the device shall trust, for servers without a public one.
    pub trusted_roots: Vec<Vec<u8>>,
}

impl Enrollment {
    /// The profile: SCEP, roots, MDM. The device signs its messages (`Mdm-Signature`), announces its departure, and opens user
    /// channels and keeps a bootstrap token where it can. The UUIDs are made of the entropy: 16 random octets each for the
    /// profile, its SCEP payload and its MDM payload; those of the roots follow from their place.
    pub fn profile(&self, entropy: [[u8; 16]; 3]) -> Profile {
        let [whole, identity, management] = entropy;
        let under = |name: &str| format!("{}.{name}", self.identifier);
        let identity_uuid = uuid(identity);
        let mut profile = Profile::new(&self.identifier, uuid(whole)).named(&self.display_name);
        profile.envelope.payload_organization.clone_from(&self.organization);
        profile = profile.with(Payload::new(&SCEP::from(&self.scep), under("scep"), &identity_uuid).named("Identity"));
        for (at, der) in self.trusted_roots.iter().enumerate() {
            let root = CertificateRoot { payload_content: Some(der.clone()), ..CertificateRoot::default() };
            profile = profile.with(Payload::new(&root, under(&format!("root.{at}")), nth(management, at)).named("Authority"));
        }
        let mdm = self.management(identity_uuid);
        profile.with(Payload::new(&mdm, under("mdm"), uuid(management)).named("Device management"))
    }

    fn management(&self, identity_uuid: String) -> MDM {
        MDM {
            identity_certificate_uuid: Some(identity_uuid),
            topic: Some(self.topic.clone()),
            server_url: Some(self.server_url.clone()),
            check_in_url: self.check_in_url.clone(),
            sign_message: Some(true),
            check_out_when_removed: Some(true),
            access_rights: self.access_rights.map(Rights::bits),
            // Newer macOS refuses an enrollment without the first.
            server_capabilities: Some(vec![
                MDMServerCapabilities::COM_APPLE_MDM_PER_USER_CONNECTIONS,
                MDMServerCapabilities::COM_APPLE_MDM_BOOTSTRAPTOKEN,
            ]),
            ..MDM::default()
        }
    }
}

/// A UUID for the payload at a place, different from that of the entropy itself and of every other place.
fn nth(mut entropy: [u8; 16], at: usize) -> String {
    let place = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1).to_be_bytes();
    for (octet, place) in entropy.iter_mut().rev().zip(place.iter().rev()) {
        *octet ^= place;
    }
    uuid(entropy)
}

impl From<&ScepIdentity> for SCEP {
    /// The payload, for an enrollment profile or any other.
    fn from(identity: &ScepIdentity) -> Self {
        let ScepOptions { alternative_names, key_usage, retries, retry_delay, extractable, all_apps } = &identity.options;
        let has_names = *alternative_names != SCEPSubjectAltName::default();
        let pair = |(kind, value): &(String, String)| vec![vec![kind.clone(), value.clone()]];
        SCEP {
            payload_content: Some(SCEPPayloadContent {
                url: Some(identity.url.clone()),
                name: identity.name.clone(),
                challenge: identity.challenge.clone(),
                subject: Some(identity.subject.iter().map(pair).collect()),
                keysize: Some(identity.key_size),
                key_type: Some("RSA".into()),
                key_usage: Some(*key_usage),
                ca_fingerprint: identity.ca_fingerprint.clone(),
                retries: *retries,
                retry_delay: *retry_delay,
                subject_alt_name: has_names.then(|| alternative_names.clone()),
                key_is_extractable: Some(*extractable),
                allow_all_apps_access: all_apps.then_some(true),
                ..SCEPPayloadContent::default()
            }),
            ..SCEP::default()
        }
    }
}
