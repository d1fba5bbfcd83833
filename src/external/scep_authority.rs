//! An external authority that speaks SCEP: its parameters, and what follows from them.

use serde::{Deserialize, Serialize};

use super::{Error, Trust};
use crate::crypto::{DigestAlgorithm, Provider};
use crate::id::{AuthorityId, Revision};
use crate::keystore::{self, Policy};
use crate::profile::{SCEPSubjectAltName, ScepIdentity, ScepOptions};
use crate::record::stored::Format;
use crate::record::{Change, Record, ReplayError};
use crate::scep::{CaCertificates, Capabilities, Operation, Peer, client, jamf, ndes};
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::web::Endpoint;
use crate::x509::{Certificate, PathRules, verify_path};

/// Everything that is to be known of an external SCEP authority (J25).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct ScepSettings {
    /// Where its SCEP server is.
    pub url: Endpoint,
    /// Its name there, for servers that have several authorities (CA-IDENT).
    pub name: Option<String>,
    /// The subject of certificates: attribute and value, one relative distinguished name each. Values may hold the host's variables.
    pub subject: Vec<(String, String)>,
    /// Alternative names, at most one of each kind. Values may hold the host's variables.
    pub alternative_names: Vec<AlternativeName>,
    /// Where challenges come from.
    pub challenge: ChallengeSource,
    /// How often a device asks again while the authority has not decided.
    pub retries: u16,
    /// How many seconds it waits in between.
    pub retry_delay: u16,
    /// The size of a device's key.
    pub key_size: KeySize,
    /// What the key is for.
    pub key_uses: KeyUses,
    /// Whether macOS lets the key be exported.
    pub exportable: bool,
    /// Whether every program of macOS may use the key.
    pub all_apps: bool,
    /// The fingerprint of the authority's certificate: SHA-256, or SHA-1.
    pub fingerprint: Option<Vec<u8>>,
    /// How devices get their identities when they enroll.
    pub enrollment: Route,
    /// How devices get certificates by configuration profiles.
    pub profiles: Route,
    /// How many days before a certificate ends the profile with its payload is sent again; the payload's own identifier must then be
    /// part of the subject, or servers take the second request for the first.
    pub redistribute_days: Option<u16>,
    /// The signing certificate of the proxy, and the authority's, from [`ScepSettings::read_key_store`]; `None` for those of the built-in
    /// authority.
    pub certificates: Option<ProxyCertificates>,
}

/// One alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "Apple's payload knows four kinds")]
pub enum AlternativeName {
    /// `rfc822Name`, an e-mail address.
    Rfc822(String),
    /// `dNSName`.
    Dns(String),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// `ntPrincipalName`, Microsoft's user principal name.
    NtPrincipal(String),
}

/// Where challenges come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ChallengeSource {
    /// The authority wants none.
    None,
    /// One for everybody.
    Static(Secret),
    /// Each from an NDES admin page (Jamf's "Dynamic-Microsoft CA").
    Ndes(ndes::AdminPage),
    /// Each from a service that answers the `SCEPChallenge` event (Jamf's "Dynamic").
    Webhook(jamf::ChallengeServer),
    /// Each from elsewhere, by the host's own means.
    Host,
}

/// The size of a device's RSA key, in bits. Apple's payload knows 1024 as well, which nobody should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeySize {
    /// 2048 bits.
    #[serde(rename = "2048")]
    Rsa2048,
    /// 4096 bits.
    #[serde(rename = "4096")]
    Rsa4096,
}

/// What a device's key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "the two uses that Apple's payload knows")]
pub struct KeyUses {
    /// Digital signatures.
    pub signing: bool,
    /// Key encipherment.
    pub encryption: bool,
}

/// How a device gets a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "there are three ways")]
pub enum Route {
    /// Not from this authority: from the built-in one.
    BuiltIn,
    /// The device asks the authority itself.
    Direct,
    /// This server asks on the device's behalf ([`scep::proxy`](crate::scep::proxy)).
    Proxy,
}

/// The certificates that a SCEP proxy works with (J26).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyCertificates {
    signing: Certificate,
    authority: Certificate,
}

impl ProxyCertificates {
    /// What the proxy signs its requests with.
    pub fn signing(&self) -> &Certificate {
        &self.signing
    }

    /// The authority, with which issued certificates are compared.
    pub fn authority(&self) -> &Certificate {
        &self.authority
    }

    /// What makes a certificate one of this authority's.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the record was changed by hand.
    pub fn trust(&self) -> Result<Trust, Error> {
        Trust::new(vec![self.authority.clone()])
    }
}

impl ScepSettings {
    /// The settings of an authority at this address: no challenge yet known, keys of 2048 bits for signing and encryption, Apple's retries,
    /// nothing routed to it.
    pub fn new(url: Endpoint, subject: Vec<(String, String)>) -> Self {
        ScepSettings {
            url,
            name: None,
            subject,
            alternative_names: Vec::new(),
            challenge: ChallengeSource::Host,
            retries: 3,
            retry_delay: 10,
            key_size: KeySize::Rsa2048,
            key_uses: KeyUses { signing: true, encryption: true },
            exportable: false,
            all_apps: false,
            fingerprint: None,
            enrollment: Route::BuiltIn,
            profiles: Route::BuiltIn,
            redistribute_days: None,
            certificates: None,
        }
    }

    /// A fingerprint as people type it: hexadecimal, with or without spaces and colons.
    ///
    /// # Errors
    /// [`Error::Misuse`] when it is neither SHA-256 nor SHA-1.
    pub fn read_fingerprint(text: &str) -> Result<Vec<u8>, Error> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|c| !matches!(c, ' ' | ':'))
            .take(65)
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect();
        let octets = digits.map(|digits| {
            let (pairs, rest) = digits.as_chunks::<2>();
            let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
            (octets, rest.is_empty())
        });
        match octets {
            Some((octets, true)) if matches!(octets.len(), 20 | 32) => Ok(octets),
            _ => Err(Error::Misuse("a fingerprint is 64 hexadecimal digits (SHA-256) or 40 (SHA-1)")),
        }
    }

    /// Reads the key store that the authority's administrator gives out, PKCS#12 or Java's (J26): the proxy's signing certificate with its
    /// key, and the authority's certificate, which may also come apart. The certificates go into the settings; the private key, PKCS#8 in
    /// DER, into the host's keeping.
    ///
    /// # Errors
    /// [`Error::KeyStore`]; [`Error::Misuse`] when the authority's certificate is missing or is none of an authority's; [`Error::Untrusted`]
    /// when it has not issued the signing certificate, or one of them is not valid now.
    pub fn read_key_store(
        &mut self,
        bytes: &[u8],
        password: &Secret,
        alias: Option<&str>,
        authority: Option<Certificate>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Secret, Error> {
        let store = keystore::open(bytes, password, &Policy::EXTERNAL_CA, provider)?;
        let entry = store.entry(alias)?;
        entry.load(provider).map(drop)?;
        let (signing, above) =
            entry.chain.split_first().ok_or(Error::Misuse("the key store has no certificate for its key"))?;
        let authority = authority
            .or_else(|| above.first().cloned())
            .ok_or(Error::Misuse("the key store has no certificate of the authority; give it apart"))?;
        if !authority.is_authority() {
            return Err(Error::Misuse("the certificate given for the authority is not one that issues certificates"));
        }
        let anchors = std::slice::from_ref(&authority);
        verify_path(signing, above, anchors, &PathRules::at(now), provider).map_err(Error::Untrusted)?;
        self.certificates = Some(ProxyCertificates { signing: signing.clone(), authority });
        Ok(entry.key.clone())
    }

    /// What is wrong with the settings, said before anything is sent to a device.
    ///
    /// # Errors
    /// [`Error::Misuse`].
    pub fn check(&self) -> Result<(), Error> {
        let problem = if self.subject.is_empty() && self.alternative_names.is_empty() {
            "the certificates name nobody"
        } else if self.subject.iter().any(|(kind, value)| kind.is_empty() || value.is_empty()) {
            "an attribute of the subject is empty"
        } else if self.has_two_of_a_kind() {
            "Apple's payload takes one alternative name of each kind"
        } else if !self.key_uses.signing && !self.key_uses.encryption {
            "the key is for nothing"
        } else if matches!(&self.challenge, ChallengeSource::Static(secret) if secret.is_empty()) {
            "an empty challenge is none"
        } else if self.fingerprint.as_ref().is_some_and(|fingerprint| !matches!(fingerprint.len(), 20 | 32)) {
            "the fingerprint is neither SHA-256 nor SHA-1"
        } else if self.routes().contains(&Route::Proxy) && self.fingerprint.is_none() && self.certificates.is_none() {
            "a proxy needs the fingerprint of the authority, or its certificate"
        } else {
            return Ok(());
        };
        Err(Error::Misuse(problem))
    }

    /// Whether the profile with the payload is to be sent again now, so that the device gets another certificate before this one ends (J24):
    /// `not_after` is the end of the one that it has. Never, unless [`redistribute_days`](ScepSettings::redistribute_days) says so: a device
    /// renews no certificate of a SCEP payload by itself.
    pub fn is_redistribution_due(&self, not_after: Timestamp, now: Timestamp) -> bool {
        self.redistribute_days.is_some_and(|days| now.plus_days(i64::from(days)) >= not_after)
    }

    const fn routes(&self) -> [Route; 2] {
        [self.enrollment, self.profiles]
    }

    fn has_two_of_a_kind(&self) -> bool {
        let kinds: Vec<_> = self.alternative_names.iter().map(std::mem::discriminant).collect();
        kinds.iter().enumerate().any(|(at, kind)| kinds.iter().skip(at.saturating_add(1)).any(|other| other == kind))
    }

    /// The identity of a device that goes this way, for an enrollment profile or, as a [`SCEP`](crate::profile::SCEP) payload, for any other.
    ///
    /// Over a proxy the device goes to the proxy's address with a challenge of this server's own; what the authority wants stays
    /// between the proxy and the authority. `fill` puts a device's facts in the place of the host's variables.
    ///
    /// # Errors
    /// [`Error::Misuse`]: for settings that [`check`](ScepSettings::check) refuses, for [`Route::BuiltIn`], for a challenge that is missing or
    /// not wanted, for a proxy without an address.
    pub fn identity(
        &self,
        route: Route,
        proxy: Option<&Endpoint>,
        challenge: Option<Secret>,
        fill: impl Fn(&str) -> String,
    ) -> Result<ScepIdentity, Error> {
        self.check()?;
        let challenge = challenge.filter(|challenge| !challenge.is_empty());
        let (url, challenge) = match (route, &self.challenge) {
            (Route::BuiltIn, _) => return Err(Error::Misuse("the built-in authority issues here, not this one")),
            (Route::Proxy, _) => {
                let url = proxy.ok_or(Error::Misuse("a device that goes through the proxy needs the proxy's address"))?;
                (
                    url,
                    Some(
                        challenge
                            .ok_or(Error::Misuse("a device that goes through the proxy needs a challenge of the proxy's"))?,
                    ),
                )
            }
            (Route::Direct, ChallengeSource::None) if challenge.is_some() => {
                return Err(Error::Misuse("the authority wants no challenge"));
            }
            (Route::Direct, ChallengeSource::None) => (&self.url, None),
            (Route::Direct, ChallengeSource::Static(secret)) => (&self.url, Some(challenge.unwrap_or_else(|| secret.clone()))),
            (Route::Direct, _) => (&self.url, Some(challenge.ok_or(Error::Misuse("get a challenge for this device first"))?)),
        };
        Ok(ScepIdentity {
            url: url.to_string(),
            name: self.name.clone(),
            challenge,
            subject: self.subject.iter().map(|(kind, value)| (kind.clone(), fill(value))).collect(),
            key_size: match self.key_size {
                KeySize::Rsa2048 => 2048,
                KeySize::Rsa4096 => 4096,
            },
            // Behind a proxy the device meets the proxy's certificates.
            ca_fingerprint: self.fingerprint.clone().filter(|_| route == Route::Direct),
            options: ScepOptions {
                alternative_names: self.payload_names(fill),
                key_usage: i64::from(self.key_uses.signing) | i64::from(self.key_uses.encryption) << 2,
                retries: Some(i64::from(self.retries)),
                retry_delay: Some(i64::from(self.retry_delay)),
                extractable: self.exportable,
                all_apps: self.all_apps,
            },
        })
    }

    fn payload_names(&self, fill: impl Fn(&str) -> String) -> SCEPSubjectAltName {
        let mut names = SCEPSubjectAltName::default();
        for name in &self.alternative_names {
            match name {
                AlternativeName::Rfc822(text) => names.rfc822_name = Some(fill(text)),
                AlternativeName::Dns(text) => names.d_ns_name = Some(fill(text)),
                AlternativeName::Uri(text) => names.uniform_resource_identifier = Some(fill(text)),
                AlternativeName::NtPrincipal(text) => names.nt_principal_name = Some(fill(text)),
            }
        }
        names
    }

    /// The address of an operation at the authority, for this server as its client or proxy: GetCACaps, GetCACert and messages. The
    /// operation is given the authority's name where it takes one.
    ///
    /// # Errors
    /// [`Error::Web`] when the address cannot carry it.
    pub fn address(&self, operation: &Operation) -> Result<http::Uri, Error> {
        let identifier = self.name.clone();
        let named = match operation {
            Operation::GetCaCaps { identifier: None } => Operation::GetCaCaps { identifier },
            Operation::GetCaCert { identifier: None } => Operation::GetCaCert { identifier },
            Operation::GetNextCaCert { identifier: None } => Operation::GetNextCaCert { identifier },
            other => other.clone(),
        };
        Ok(self.url.with_query(&named.to_query())?)
    }

    /// The authority as this server's client or proxy meets it: what it hands out ([`CaCertificates::parse`]) and can do
    /// ([`Capabilities`]), pinned by the fingerprint, or else by the authority's certificate.
    ///
    /// # Errors
    /// [`Error::Misuse`] when nothing is there to pin with; [`Error::Scep`].
    pub fn server(
        &self,
        certificates: &CaCertificates,
        capabilities: Capabilities,
        peer: Peer,
        provider: &Provider,
    ) -> Result<client::Server, Error> {
        let pinned = match (&self.fingerprint, &self.certificates) {
            (Some(fingerprint), _) => certificates.pin(fingerprint, provider, &peer)?,
            (None, Some(ours)) => {
                let fingerprint = ours.authority.fingerprint(provider, DigestAlgorithm::Sha256);
                certificates.pin(fingerprint.as_ref(), provider, &peer)?
            }
            (None, None) => {
                return Err(Error::Misuse("nothing vouches for the authority: give its fingerprint or its certificate"));
            }
        };
        Ok(client::Server::new(pinned, capabilities, peer)?)
    }

    /// Whether certificates under the one settings come from another authority than under the other, or over another way: what makes every
    /// enrolled device enroll again (J27). Challenges, key sizes, names and retries bear on the next enrollment only.
    fn leads_elsewhere(&self, before: &ScepSettings) -> bool {
        let source = |settings: &ScepSettings| {
            let authority = settings.certificates.as_ref().map(|certificates| certificates.authority.clone());
            (settings.url.clone(), settings.name.clone(), settings.fingerprint.clone(), authority)
        };
        let used = |settings: &ScepSettings| settings.enrollment != Route::BuiltIn;
        self.enrollment != before.enrollment || (used(self) && source(self) != source(before))
    }
}

/// The record of one external SCEP authority.
///
/// ```text
///  configure ─► ScepAuthority ── change ─► ScepAuthority ── ...
///   (era 1)         │                 └─► other authority or other way: era + 1, every enrollment of an earlier era owes re-enrollment
///                   └── era() is stored with each enrollment ──► owes_reenrollment(era)
/// ```
///
/// Nothing is written to a million enrollments when the authority changes: each keeps the era that it enrolled in, and owes as soon as that is
/// not the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScepAuthority {
    format: Format,
    id: AuthorityId,
    revision: Revision,
    latest: Timestamp,
    settings: ScepSettings,
    era: u32,
}

/// Something that happened to an external SCEP authority's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScepAuthorityEvent {
    /// Which authority.
    pub id: AuthorityId,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: ScepAuthorityEventKind,
}

/// What happened to the settings. They may hold a challenge: such an event is as secret as the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScepAuthorityEventKind {
    /// The authority was set up. The first event.
    Configured(Box<ScepSettings>),
    /// The settings changed.
    Changed {
        /// The settings now.
        settings: Box<ScepSettings>,
        /// The era now.
        era: u32,
    },
}

/// What a host must do once a change of the settings is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum ScepAuthorityEffect {
    /// Every enrollment of an earlier era owes re-enrollment: tell the operator how many, and have them enroll again.
    ReenrollBefore {
        /// Which authority.
        id: AuthorityId,
        /// The era now.
        era: u32,
    },
}

impl ScepAuthority {
    /// Sets an authority up.
    ///
    /// # Errors
    /// As [`ScepSettings::check`].
    pub fn configure(id: AuthorityId, settings: ScepSettings, now: Timestamp) -> Result<Change<Self>, Error> {
        settings.check()?;
        let kind = ScepAuthorityEventKind::Configured(Box::new(settings.clone()));
        let event = ScepAuthorityEvent { id: id.clone(), revision: Revision::FIRST, at: now, kind };
        Ok(Change::one(Self::first(id, settings, now), event, Vec::new()))
    }

    fn first(id: AuthorityId, settings: ScepSettings, now: Timestamp) -> Self {
        ScepAuthority { format: Format, id, revision: Revision::FIRST, latest: now, settings, era: 1 }
    }

    /// Changes the settings. The same settings again change nothing.
    ///
    /// # Errors
    /// As [`ScepSettings::check`].
    pub fn change(&self, settings: ScepSettings, now: Timestamp) -> Result<Change<Self>, Error> {
        settings.check()?;
        if settings == self.settings {
            return Ok(Change::none(self.clone()));
        }
        let elsewhere = settings.leads_elsewhere(&self.settings);
        let era = if elsewhere { self.era.saturating_add(1) } else { self.era };
        let effect = ScepAuthorityEffect::ReenrollBefore { id: self.id.clone(), era };
        let (revision, at) = (self.revision.next(), now.max(self.latest));
        let record =
            ScepAuthority { format: Format, id: self.id.clone(), revision, latest: at, settings: settings.clone(), era };
        let kind = ScepAuthorityEventKind::Changed { settings: Box::new(settings), era };
        let event = ScepAuthorityEvent { id: self.id.clone(), revision, at, kind };
        Ok(Change::one(record, event, if elsewhere { vec![effect] } else { Vec::new() }))
    }

    /// Which authority.
    pub fn id(&self) -> &AuthorityId {
        &self.id
    }

    /// Its settings.
    pub fn settings(&self) -> &ScepSettings {
        &self.settings
    }

    /// How often certificates came to come from elsewhere, 1 at first: what an enrollment keeps of the authority that it enrolled with.
    pub fn era(&self) -> u32 {
        self.era
    }

    /// Whether a device that enrolled in this era must enroll again, since the authority is not the same any more.
    pub fn owes_reenrollment(&self, enrolled_in: u32) -> bool {
        enrolled_in != self.era
    }
}

impl Record for ScepAuthority {
    type Event = ScepAuthorityEvent;
    type Effect = ScepAuthorityEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &ScepAuthorityEvent) -> Result<Self, ReplayError> {
        match &first.kind {
            ScepAuthorityEventKind::Configured(settings) if first.revision == Revision::FIRST => {
                Ok(Self::first(first.id.clone(), (**settings).clone(), first.at))
            }
            _ => Err(ReplayError::NotThisRecord("no external authority begins with this event")),
        }
    }

    fn apply(&mut self, event: &ScepAuthorityEvent) -> Result<(), ReplayError> {
        if event.id != self.id {
            return Err(ReplayError::NotThisRecord("another authority"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        match &event.kind {
            ScepAuthorityEventKind::Changed { settings, era } => {
                (self.revision, self.latest) = (event.revision, event.at);
                (self.settings, self.era) = ((**settings).clone(), *era);
                Ok(())
            }
            ScepAuthorityEventKind::Configured(_) => Err(ReplayError::NotThisRecord("a record begins once")),
        }
    }
}
