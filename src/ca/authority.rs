//! The record of one authority.

use serde::{Deserialize, Serialize};

use super::crl::CrlState;
use super::stored::{Format, Octets};
use super::{
    Change, CrlPlan, CrlScope, Effect, Error, Generation, GenerationId, KeyId, KeyPolicy, Planned, Record, Refusal, Role,
    Service, ServiceCertificate,
};
use crate::crypto::{Provider, PublicKey, PublicKeyKind, SignatureAlgorithm, ToBeSigned};
use crate::id::{AuthorityId, Revision};
use crate::time::Timestamp;
use crate::x509::{
    self, BasicConstraints, Certificate, CertificateTemplate, CrlNumber, Extensions, KeyUsage, Name, SerialNumber, Validity,
};

/// What a host may set for an authority. The defaults are those of the product that this one is measured against, or else what
/// other authorities do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Days from a revocation list to the moment it is out of date. 7.
    pub crl_lifetime_days: u32,
    /// Seconds by which the host's clock may seem to run backwards, as the clocks of several nodes do. 60.
    pub clock_tolerance_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { crl_lifetime_days: 7, clock_tolerance_seconds: 60 }
    }
}

/// What a new authority needs: a name and a key.
///
/// ```
/// # fn key() -> mdm_core::crypto::PublicKey { unimplemented!() }
/// # fn demo() {
/// use mdm_core::ca::{Creation, Service};
///
/// let (authority_key, scep_key) = (key(), key());
/// let creation = Creation::new("builtin", "Example Inc.", authority_key).service(Service::Scep, scep_key);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Creation {
    id: AuthorityId,
    organization: String,
    public_key: PublicKey,
    services: Vec<(Service, PublicKey)>,
    lifetime_days: u32,
    settings: Settings,
}

/// The lifetime of an authority's certificate: ten years.
const LIFETIME_DAYS: u32 = 3653;
/// The authority's own certificates begin a day before they are made, so that no device is behind them.
const BACKDATE_SECONDS: i64 = 86_400;
/// Longest commonName and organizationName (RFC 5280 appendix A.1), in characters.
const MAX_NAME: usize = 64;
const TITLE: &str = "Built-in Certificate Authority";

impl Creation {
    /// An authority with this name and this key, and the defaults for all else. The organization's name becomes part of the
    /// subject; what is too long for that is cut.
    pub fn new(id: impl Into<AuthorityId>, organization: impl Into<String>, public_key: PublicKey) -> Self {
        Creation {
            id: id.into(),
            organization: organization.into(),
            public_key,
            services: Vec::new(),
            lifetime_days: LIFETIME_DAYS,
            settings: Settings::default(),
        }
    }

    /// With a certificate for this service, made together with the authority's own.
    #[must_use]
    pub fn service(mut self, service: Service, public_key: PublicKey) -> Self {
        self.services.push((service, public_key));
        self
    }

    /// With another lifetime than 3653 days.
    #[must_use]
    pub fn lifetime_days(mut self, days: u32) -> Self {
        self.lifetime_days = days;
        self
    }

    /// With these settings.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    fn subject(&self, title: &str) -> Result<Name, Error> {
        let cut = |text: &str, longest: usize| text.chars().take(longest).collect::<String>().trim_end().to_owned();
        let room = MAX_NAME.saturating_sub(title.len()).saturating_sub(1);
        let common_name = format!("{} {title}", cut(&self.organization, room));
        Ok(Name::builder().organization(cut(&self.organization, MAX_NAME)).common_name(common_name).build()?)
    }
}

/// One certificate authority: its own certificates, its services, the numbers of its revocation lists.
///
/// The certificates that it issues are records of their own ([`CertificateRecord`](super::CertificateRecord)); issuing one reads
/// this record and does not change it, so that any number of nodes issue at once.
///
/// ```text
///   create ──► planned certificates ──sign, one after the other──► active
///                                                                    │ reserve, plan_crl
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    format: Format,
    id: AuthorityId,
    revision: Revision,
    latest: Timestamp,
    settings: Settings,
    generations: Vec<Generation>,
    active: Option<GenerationId>,
    services: Vec<ServiceCertificate>,
    planned: Vec<Planned>,
    crls: Vec<CrlState>,
}

/// Something that happened to an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityEvent {
    /// Which authority.
    pub authority: AuthorityId,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: AuthorityEventKind,
}

/// What happened to an authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AuthorityEventKind {
    /// It was created; these certificates of its own are to be signed. The first event.
    #[serde(rename = "created")]
    Created {
        /// Its settings.
        settings: Settings,
        /// The authority's certificate first, then those of its services.
        planned: Vec<Planned>,
    },
    /// One of its own certificates was signed.
    #[serde(rename = "signed")]
    Signed {
        /// What the certificate is for.
        role: Role,
        /// The certificate.
        certificate: Certificate,
    },
    /// Its settings were changed.
    #[serde(rename = "configured")]
    Configured {
        /// The settings now.
        settings: Settings,
    },
    /// A number was spent for a revocation list.
    #[serde(rename = "crl-planned")]
    CrlPlanned {
        /// Which list.
        scope: CrlScope,
        /// Its number and its times.
        plan: CrlPlan,
    },
    /// A revocation list was signed.
    #[serde(rename = "crl-issued")]
    CrlIssued {
        /// Which list.
        scope: CrlScope,
        /// Its number.
        number: CrlNumber,
    },
    /// An operator said that the clock is right, though it reads earlier than it did.
    #[serde(rename = "clock-trusted")]
    ClockTrusted,
}

impl Record for Authority {
    type Event = AuthorityEvent;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &AuthorityEvent) -> Result<Self, Error> {
        let AuthorityEventKind::Created { settings, planned } = &first.kind else {
            return Err(Error::NotThisRecord("no authority begins with this event"));
        };
        if first.revision != Revision::FIRST {
            return Err(Error::NotThisRecord("the first event is missing"));
        }
        Ok(Authority {
            format: Format,
            id: first.authority.clone(),
            revision: first.revision,
            latest: first.at,
            settings: settings.clone(),
            generations: Vec::new(),
            active: None,
            services: Vec::new(),
            planned: planned.clone(),
            crls: Vec::new(),
        })
    }

    fn apply(&mut self, event: &AuthorityEvent) -> Result<(), Error> {
        if event.authority != self.id {
            return Err(Error::NotThisRecord("another authority"));
        }
        if event.revision != self.revision.next() {
            return Err(Error::OutOfOrder { at: self.revision, found: event.revision });
        }
        if !self.fits(&event.kind) {
            return Err(Error::NotThisRecord("it cannot happen to an authority in this state"));
        }
        self.take(event);
        Ok(())
    }
}

impl Authority {
    /// Creates an authority, with nothing to configure: its own certificate and those of its services are planned, to be stored
    /// before they are signed one after the other with [`Authority::to_be_signed`].
    ///
    /// The certificate is a root: version 3, valid from a day before now for 3653 days, CN `<organization> Built-in Certificate
    /// Authority`, key usage digitalSignature, keyCertSign and cRLSign. keyEncipherment is left out on purpose: what devices
    /// encrypt to is the key of the SCEP service, so that the authority's own key signs and does nothing else.
    ///
    /// # Errors
    /// [`Error::Refused`] for a key that nobody should trust, [`Error::X509`] for an organization's name that makes no subject,
    /// [`Error::Misuse`] for a service that is given twice or with the authority's own key, [`Error::Crypto`] when there is no
    /// randomness.
    pub fn create(creation: &Creation, now: Timestamp, provider: &Provider) -> Result<Change<Self>, Error> {
        KeyPolicy::DEFAULT.check(&creation.public_key)?;
        let root = Root {
            id: GenerationId::FIRST,
            subject: &creation.subject(TITLE)?,
            public_key: &creation.public_key,
            validity: Validity {
                not_before: now.plus_seconds(-BACKDATE_SECONDS),
                not_after: now.plus_days(i64::from(creation.lifetime_days)),
            },
        };
        let mut planned = vec![root.plan(provider)?];
        for (at, (service, key)) in creation.services.iter().enumerate() {
            if creation.services.iter().take(at).any(|(earlier, _)| earlier == service) || key == root.public_key {
                return Err(Error::Misuse("each service is given once, with a key of its own"));
            }
            planned.push(root.plan_service(*service, creation.subject(service.title())?, key, now, provider)?);
        }
        let kind = AuthorityEventKind::Created { settings: creation.settings.clone(), planned };
        let event = AuthorityEvent { authority: creation.id.clone(), revision: Revision::FIRST, at: now, kind };
        Ok(Change { record: Self::begin(&event)?, events: vec![event], effects: vec![Effect::SignAuthority] })
    }

    /// The host's name for it.
    pub const fn id(&self) -> &AuthorityId {
        &self.id
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The moment of the latest event.
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// The certificates it has, the oldest first.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// The generation with this number.
    ///
    /// # Errors
    /// [`Error::NoGeneration`].
    pub fn generation(&self, id: GenerationId) -> Result<&Generation, Error> {
        self.generations.iter().find(|generation| generation.id == id).ok_or(Error::NoGeneration(id))
    }

    /// The generation that issues.
    ///
    /// # Errors
    /// [`Error::NoCertificate`] before the first is signed.
    pub fn active(&self) -> Result<&Generation, Error> {
        self.active.ok_or(Error::NoCertificate).and_then(|id| self.generation(id))
    }

    /// The certificate that issues: what a host serves as `/ca.pem`.
    ///
    /// # Errors
    /// [`Error::NoCertificate`] before it is signed.
    pub fn certificate(&self) -> Result<&Certificate, Error> {
        self.active().map(|active| &active.certificate)
    }

    /// The certificates of its services, as far as they are signed.
    pub fn services(&self) -> &[ServiceCertificate] {
        &self.services
    }

    /// The certificate of a service.
    pub fn service(&self, service: Service) -> Option<&Certificate> {
        self.services.iter().find(|found| found.service == service).map(|found| &found.certificate)
    }

    /// The next of the authority's own certificates that must be signed; `None` when there is none. Ask for it again after
    /// each.
    ///
    /// ```
    /// use mdm_core::ca::{Authority, Change, Error};
    /// use mdm_core::crypto::{Provider, SigningKey};
    /// use mdm_core::time::Timestamp;
    ///
    /// fn sign_all(
    ///     mut authority: Authority,
    ///     key: &dyn SigningKey,
    ///     now: Timestamp,
    ///     provider: &Provider,
    ///     mut store: impl FnMut(&Change<Authority>),
    /// ) -> Result<Authority, Error> {
    ///     while let Some(next) = authority.to_be_signed(now, provider)? {
    ///         let signed = next.sign_with(key)?;
    ///         store(&signed);
    ///         authority = signed.record;
    ///     }
    ///     Ok(authority)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::X509`] when the stored bytes were damaged.
    pub fn to_be_signed(&self, now: Timestamp, provider: &Provider) -> Result<Option<ToBeSigned<Change<Self>>>, Error> {
        let Some(next) = self.planned.first().cloned() else { return Ok(None) };
        let signature = Certificate::to_be_signed_from(next.tbs().to_vec(), &next.signer, next.algorithm, provider)?;
        let (authority, at, role) = (self.clone(), now.max(self.latest), next.role);
        // The last signature asks for none after it.
        let effects = if self.planned.len() > 1 { vec![Effect::SignAuthority] } else { Vec::new() };
        Ok(Some(
            signature.map(move |certificate| authority.then(AuthorityEventKind::Signed { role, certificate }, at, effects)),
        ))
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// [`Error::ClockBackwards`].
    pub fn configure(&self, settings: Settings, now: Timestamp) -> Result<Change<Self>, Error> {
        let at = self.check_clock(now)?;
        Ok(self.clone().then(AuthorityEventKind::Configured { settings }, at, Vec::new()))
    }

    /// Takes the host's clock for right although it reads earlier than the latest moment on record: for an operator, after the
    /// clock had been wrong. Numbers of revocation lists go on rising.
    pub fn trust_clock(&self, now: Timestamp) -> Change<Self> {
        self.clone().then(AuthorityEventKind::ClockTrusted, now, Vec::new())
    }

    /// The record after one more event, which the caller knows to fit.
    pub(super) fn then(mut self, kind: AuthorityEventKind, at: Timestamp, effects: Vec<Effect>) -> Change<Self> {
        let event = AuthorityEvent { authority: self.id.clone(), revision: self.revision.next(), at, kind };
        self.take(&event);
        Change { record: self, events: vec![event], effects }
    }

    /// Whether this can happen to the authority as it is.
    fn fits(&self, kind: &AuthorityEventKind) -> bool {
        match kind {
            AuthorityEventKind::Created { .. } => false,
            AuthorityEventKind::Signed { role, certificate } => self.planned_at(*role, certificate).is_some(),
            AuthorityEventKind::CrlIssued { scope, number } => {
                self.planned_crl(scope).is_some_and(|plan| plan.number == *number)
            }
            AuthorityEventKind::CrlPlanned { .. }
            | AuthorityEventKind::Configured { .. }
            | AuthorityEventKind::ClockTrusted => true,
        }
    }

    /// Takes in what happened.
    fn take(&mut self, event: &AuthorityEvent) {
        self.latest = self.latest.max(event.at);
        self.revision = event.revision;
        match &event.kind {
            AuthorityEventKind::Created { .. } => {}
            AuthorityEventKind::Signed { role, certificate } => {
                if let Some(at) = self.planned_at(*role, certificate) {
                    let next = self.planned.remove(at);
                    self.place(next, certificate.clone());
                }
            }
            AuthorityEventKind::Configured { settings } => self.settings = settings.clone(),
            AuthorityEventKind::CrlPlanned { scope, plan } => match self.crl_state(scope) {
                Some(state) => state.plan(*plan),
                None => self.crls.push(CrlState::first(scope.clone(), *plan)),
            },
            AuthorityEventKind::CrlIssued { scope, .. } => {
                if let Some(state) = self.crl_state(scope) {
                    state.issue();
                }
            }
            AuthorityEventKind::ClockTrusted => self.latest = event.at,
        }
    }

    fn planned_at(&self, role: Role, certificate: &Certificate) -> Option<usize> {
        self.planned.iter().position(|next| next.serial == *certificate.serial() && next.role == role)
    }

    fn crl_state(&mut self, scope: &CrlScope) -> Option<&mut CrlState> {
        self.crls.iter_mut().find(|state| state.scope == *scope)
    }

    /// The moment to date a decision with: now, or the latest on record when the clock is behind that by no more than the tolerance.
    pub(super) fn check_clock(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let tolerated = now.plus_seconds(i64::from(self.settings.clock_tolerance_seconds));
        if tolerated < self.latest {
            return Err(Error::ClockBackwards { now, latest: self.latest });
        }
        Ok(now.max(self.latest))
    }

    /// The generation that may issue at this moment.
    pub(super) fn issuing(&self, now: Timestamp) -> Result<&Generation, Error> {
        let active = self.active()?;
        let not_after = active.certificate.validity().not_after;
        if now > not_after { Err(Error::AuthorityExpired(not_after)) } else { Ok(active) }
    }

    /// The newest generation with this key.
    pub(super) fn generation_of(&self, key: &KeyId) -> Option<&Generation> {
        self.generations.iter().rev().find(|generation| generation.key == *key)
    }

    pub(super) fn crls(&self) -> &[CrlState] {
        &self.crls
    }

    /// Puts a signed certificate in its place.
    fn place(&mut self, next: Planned, certificate: Certificate) {
        let Planned { role, key, issuer, algorithm, .. } = next;
        match role {
            Role::Authority(id) => {
                self.generations.push(Generation { id, key, algorithm, certificate });
                self.active = Some(id);
            }
            Role::Service(service) => {
                self.services.retain(|earlier| earlier.service != service);
                self.services.push(ServiceCertificate { service, key, generation: issuer, certificate });
            }
        }
    }
}

/// An authority's certificate that is about to be made.
struct Root<'a> {
    id: GenerationId,
    subject: &'a Name,
    public_key: &'a PublicKey,
    validity: Validity,
}

impl Root<'_> {
    /// Fixes the bytes of the self-signed certificate.
    fn plan(&self, provider: &Provider) -> Result<Planned, Error> {
        let extensions = Extensions::new()
            .with(&BasicConstraints::authority(None))
            .with(&(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
        self.sign(Role::Authority(self.id), self.subject.clone(), self.public_key, self.validity, extensions, provider)
    }

    /// Fixes the bytes of a service's certificate.
    fn plan_service(
        &self,
        service: Service,
        subject: Name,
        key: &PublicKey,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Planned, Error> {
        let profile = service.profile();
        profile.keys.check(key)?;
        let extensions = profile.extensions(key);
        let validity = profile.validity(now, &self.validity)?;
        self.sign(Role::Service(service), subject, key, validity, extensions, provider)
    }

    fn sign(
        &self,
        role: Role,
        subject: Name,
        key: &PublicKey,
        validity: Validity,
        extensions: Extensions<'static>,
        provider: &Provider,
    ) -> Result<Planned, Error> {
        let serial = SerialNumber::random(provider.random)?;
        let algorithm = algorithm_of(self.public_key)?;
        let template = CertificateTemplate {
            serial,
            issuer: self.subject.clone(),
            subject,
            validity,
            public_key: key.clone(),
            extensions,
            authority_key_identifier: None,
        };
        let tbs = template.to_be_signed(self.public_key, algorithm, provider)?;
        Ok(Planned {
            role,
            serial,
            key: KeyId::of(key, provider),
            issuer: self.id,
            signer: self.public_key.clone(),
            algorithm,
            tbs: Octets(tbs.bytes().to_vec()),
        })
    }
}

/// How a key of this kind signs.
fn algorithm_of(key: &PublicKey) -> Result<SignatureAlgorithm, Error> {
    match key.kind() {
        PublicKeyKind::Rsa { .. } => Ok(SignatureAlgorithm::RsaSha256),
        PublicKeyKind::P256 => Ok(SignatureAlgorithm::EcdsaSha256),
        PublicKeyKind::P384 => Ok(SignatureAlgorithm::EcdsaSha384),
        PublicKeyKind::Other => Err(Refusal::Key(x509::Refusal::KeyKind).into()),
    }
}
