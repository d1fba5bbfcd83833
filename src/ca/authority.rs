//! The record of one authority.

use serde::{Deserialize, Serialize};

use super::crl::CrlState;
use super::generation::Staged;
use super::{
    CrlPlan, CrlScope, CrossCertificate, Effect, Error, Generation, GenerationId, KeyId, Notice, NoticeKind, NoticeSubject,
    Planned, RenewalState, Role, Service, ServiceCertificate, Settings, scope,
};
use crate::crypto::{Provider, ToBeSigned};
use crate::id::{AuthorityId, Revision};
use crate::record::stored::Format;
use crate::record::{Change, Record, ReplayError};
use crate::time::Timestamp;
use crate::x509::{Certificate, CrlNumber};

/// One certificate authority: its own certificates, its services, the numbers of its revocation lists.
///
/// The certificates that it issues are records of their own ([`CertificateRecord`](super::CertificateRecord)); issuing one reads
/// this record and does not change it, so that any number of nodes issue at once.
///
/// ```text
///   create ──► planned certificates ──sign, one after the other──► active ─── reserve, plan_crl
///                        ▲                                           │
///                        └─────────────────── renew ─────────────────┘
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
    /// The highest number that any generation was planned under.
    last_generation: GenerationId,
    services: Vec<ServiceCertificate>,
    crosses: Vec<CrossCertificate>,
    planned: Vec<Planned>,
    /// What a renewal has had signed, until all of it is.
    staged: Vec<Staged>,
    renewal: Option<RenewalState>,
    crls: Vec<CrlState>,
    /// No list gets a lower number, in any scope.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    crl_floor: CrlNumber,
    told: Vec<Notice>,
}

fn is_none_yet(number: &CrlNumber) -> bool {
    *number == CrlNumber::default()
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
    /// It existed before and was taken over. The first event.
    #[serde(rename = "adopted")]
    Adopted {
        /// Its settings.
        settings: Settings,
        /// Its certificate.
        generation: Generation,
    },
    /// Another authority gave it a new certificate.
    #[serde(rename = "installed")]
    Installed {
        /// The certificate, in use now.
        generation: Generation,
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
    /// A certificate of a service is to be signed.
    #[serde(rename = "service-planned")]
    ServicePlanned {
        /// The certificate.
        planned: Planned,
    },
    /// Its renewal began; these certificates of its own are to be signed.
    #[serde(rename = "renewal-started")]
    RenewalStarted {
        /// The generation that it leads to.
        generation: GenerationId,
        /// The authority's certificate first, then those across the keys, then those of its services.
        planned: Vec<Planned>,
        /// Whether they wait, once they are signed, until the host takes them into use.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        ahead: bool,
    },
    /// All certificates of the renewal are signed, and in use.
    #[serde(rename = "renewal-completed")]
    RenewalCompleted {
        /// The generation in use now.
        generation: GenerationId,
    },
    /// The renewal was given up.
    #[serde(rename = "renewal-failed")]
    RenewalFailed {
        /// The generation that did not come into use.
        generation: GenerationId,
    },
    /// An operator has seen to the cause of the failed renewal.
    #[serde(rename = "renewal-acknowledged")]
    RenewalAcknowledged,
    /// The operator was told.
    #[serde(rename = "noticed")]
    Noticed {
        /// What.
        notice: Notice,
    },
    /// An operator said that the clock is right, though it reads earlier than it did.
    #[serde(rename = "clock-trusted")]
    ClockTrusted,
    /// It was restored from a backup. The first event, or one that takes the place of all before it.
    #[serde(rename = "restored")]
    Restored {
        /// The record as it was when the backup was taken.
        authority: Box<Authority>,
        /// The lowest number that a revocation list may have from now on.
        floor: CrlNumber,
    },
}

impl Record for Authority {
    type Event = AuthorityEvent;
    type Effect = Effect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &AuthorityEvent) -> Result<Self, ReplayError> {
        let (settings, planned, adopted) = match &first.kind {
            AuthorityEventKind::Created { settings, planned } => (settings, planned.clone(), None),
            AuthorityEventKind::Adopted { settings, generation } => (settings, Vec::new(), Some(generation.clone())),
            AuthorityEventKind::Restored { authority, floor } => return Ok(authority.restored(*floor, first)),
            _ => return Err(ReplayError::NotThisRecord("no authority begins with this event")),
        };
        if first.revision != Revision::FIRST {
            return Err(ReplayError::NotThisRecord("the first event is missing"));
        }
        Ok(Authority {
            format: Format,
            id: first.authority.clone(),
            revision: first.revision,
            latest: first.at,
            settings: settings.clone(),
            active: adopted.as_ref().map(|generation| generation.id),
            generations: adopted.into_iter().collect(),
            last_generation: GenerationId::FIRST,
            services: Vec::new(),
            crosses: Vec::new(),
            planned,
            staged: Vec::new(),
            renewal: None,
            crls: Vec::new(),
            crl_floor: CrlNumber::default(),
            told: Vec::new(),
        })
    }

    fn apply(&mut self, event: &AuthorityEvent) -> Result<(), ReplayError> {
        if event.authority != self.id {
            return Err(ReplayError::NotThisRecord("another authority"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        if !self.fits(&event.kind) {
            return Err(ReplayError::NotThisRecord("it cannot happen to an authority in this state"));
        }
        self.take(event);
        Ok(())
    }
}

impl Authority {
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

    /// How far a renewal has come; `None` when none is under way.
    pub const fn renewal(&self) -> Option<RenewalState> {
        self.renewal
    }

    /// The certificates across its keys.
    pub fn cross_certificates(&self) -> &[CrossCertificate] {
        &self.crosses
    }

    /// The next of the authority's own certificates that must be signed; `None` when there is none. Ask for it again after
    /// each. An authority that is renewed with a new key has two keys that sign:
    /// [`ToBeSigned::public_key`] tells which one it is.
    ///
    /// ```
    /// use mdm_core::ca::{Authority, Error};
    /// use mdm_core::record::Change;
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
        let (authority, at) = (self.clone(), now.max(self.latest));
        Ok(Some(signature.map(move |certificate| authority.signed(next.role, certificate, at))))
    }

    /// The record once the next planned certificate is signed; with the last one of a renewal, all come into use.
    fn signed(self, role: Role, certificate: Certificate, at: Timestamp) -> Change<Self> {
        let is_last = self.planned.len() == 1;
        let effects = if is_last { Vec::new() } else { vec![Effect::SignAuthority] };
        let signed = self.then(AuthorityEventKind::Signed { role, certificate }, at, effects);
        match signed.record.renewal {
            Some(RenewalState::Running(generation)) if is_last => {
                signed.and_then(|authority| authority.renewal_completed(generation, at))
            }
            _ => signed,
        }
    }

    pub(super) fn renewal_completed(self, generation: GenerationId, at: Timestamp) -> Change<Self> {
        let mut completed = self.then(AuthorityEventKind::RenewalCompleted { generation }, at, Vec::new());
        if let Ok(active) = completed.record.active() {
            let not_after = active.certificate.validity().not_after;
            let notice = Notice { about: NoticeSubject::Generation(generation), kind: NoticeKind::Renewed, not_after };
            let scope = CrlScope::full(active.key.clone());
            completed.effects.extend([Effect::RefreshCrl { scope }, Effect::Notify(notice)]);
        }
        completed
    }

    /// Changes the settings.
    ///
    /// # Errors
    /// [`Error::ClockBackwards`]; [`Error::Misuse`] for revocation lists in parts that certificates could not find.
    pub fn configure(&self, settings: Settings, now: Timestamp) -> Result<Change<Self>, Error> {
        scope::check_change(self.settings.crl_parts.as_ref(), settings.crl_parts.as_ref())?;
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
            AuthorityEventKind::Created { .. } | AuthorityEventKind::Adopted { .. } => false,
            AuthorityEventKind::Signed { role, certificate } => self.planned_at(*role, certificate).is_some(),
            AuthorityEventKind::CrlIssued { scope, number } => {
                self.planned_crl(scope).is_some_and(|plan| plan.number == *number)
            }
            AuthorityEventKind::Installed { generation } => generation.id == self.next_generation() && self.renewal.is_none(),
            AuthorityEventKind::RenewalStarted { .. } => self.renewal.is_none() && !self.is_signing(),
            AuthorityEventKind::RenewalCompleted { generation } => {
                self.renewing() == Some(*generation) && self.planned_for(*generation).next().is_none()
            }
            AuthorityEventKind::RenewalFailed { generation } => self.renewing() == Some(*generation),
            AuthorityEventKind::RenewalAcknowledged => matches!(self.renewal, Some(RenewalState::Failed(_))),
            AuthorityEventKind::CrlPlanned { .. }
            | AuthorityEventKind::Configured { .. }
            | AuthorityEventKind::ServicePlanned { .. }
            | AuthorityEventKind::Noticed { .. }
            | AuthorityEventKind::ClockTrusted => true,
            AuthorityEventKind::Restored { authority, .. } => authority.id == self.id,
        }
    }

    /// The record of a backup as it goes on: with no list planned, since that number may have been signed meanwhile.
    fn restored(&self, floor: CrlNumber, event: &AuthorityEvent) -> Self {
        let mut authority = Authority { revision: event.revision, latest: event.at, crl_floor: floor, ..self.clone() };
        authority.crls.iter_mut().for_each(CrlState::give_up);
        authority
    }

    /// Takes in what happened.
    fn take(&mut self, event: &AuthorityEvent) {
        self.latest = self.latest.max(event.at);
        self.revision = event.revision;
        match &event.kind {
            AuthorityEventKind::Created { .. } | AuthorityEventKind::Adopted { .. } => {}
            AuthorityEventKind::Signed { role, certificate } => {
                if let Some(at) = self.planned_at(*role, certificate) {
                    let staged = Staged::new(self.planned.remove(at), certificate.clone());
                    match self.renewing() {
                        Some(generation) if staged.is_for(generation) => self.staged.push(staged),
                        _ => self.place(staged),
                    }
                }
            }
            AuthorityEventKind::Installed { generation } => {
                self.last_generation = generation.id;
                self.active = Some(generation.id);
                self.generations.push(generation.clone());
            }
            AuthorityEventKind::ServicePlanned { planned } => self.planned.push(planned.clone()),
            AuthorityEventKind::RenewalStarted { generation, planned, ahead } => {
                let state = if *ahead { RenewalState::Ahead } else { RenewalState::Running };
                self.renewal = Some(state(*generation));
                self.last_generation = self.last_generation.max(*generation);
                self.planned.clone_from(planned);
            }
            AuthorityEventKind::RenewalCompleted { .. } => {
                self.renewal = None;
                std::mem::take(&mut self.staged).into_iter().for_each(|staged| self.place(staged));
            }
            AuthorityEventKind::RenewalFailed { generation } => {
                self.renewal = Some(RenewalState::Failed(*generation));
                self.planned.retain(|planned| !planned.is_for(*generation));
                self.staged.clear();
            }
            AuthorityEventKind::RenewalAcknowledged => self.renewal = None,
            AuthorityEventKind::Noticed { notice } => self.told.push(*notice),
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
            AuthorityEventKind::Restored { authority, floor } => *self = authority.restored(*floor, event),
            AuthorityEventKind::ClockTrusted => {
                self.latest = event.at;
                // The clock cannot give these numbers any more; without a floor they would seem to run ahead of it.
                self.crl_floor = self.highest_crl_number();
            }
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

    /// The generation that is being made.
    pub(super) const fn renewing(&self) -> Option<GenerationId> {
        match self.renewal {
            Some(RenewalState::Running(generation) | RenewalState::Ahead(generation)) => Some(generation),
            Some(RenewalState::Failed(_)) | None => None,
        }
    }

    /// What of a generation is not signed yet.
    pub(super) fn planned_for(&self, generation: GenerationId) -> impl Iterator<Item = &Planned> {
        self.planned.iter().filter(move |planned| planned.is_for(generation))
    }

    /// What of a renewal is signed.
    pub(super) fn staged(&self) -> &[Staged] {
        &self.staged
    }

    pub(super) fn crls(&self) -> &[CrlState] {
        &self.crls
    }

    pub(super) const fn crl_floor(&self) -> CrlNumber {
        self.crl_floor
    }

    /// The highest number that was spent in any scope, or was set as the lowest.
    pub(super) fn highest_crl_number(&self) -> CrlNumber {
        self.crls.iter().map(|state| state.highest).max().unwrap_or_default().max(self.crl_floor)
    }

    /// The number for a generation that is about to be planned.
    pub(super) const fn next_generation(&self) -> GenerationId {
        self.last_generation.next()
    }

    /// Whether a certificate of the authority's own waits for its signature.
    pub(super) const fn is_signing(&self) -> bool {
        !self.planned.is_empty()
    }

    /// Whether a key is one of the authority's own: of a generation or of a service, in use or waiting.
    pub(super) fn owns(&self, key: &KeyId) -> bool {
        self.generations.iter().any(|generation| generation.key == *key)
            || self.services.iter().any(|own| own.key == *key)
            || self.staged.iter().any(|staged| staged.key == *key)
    }

    /// Whether the operator was told so before.
    pub(super) fn was_told(&self, notice: &Notice) -> bool {
        self.told.contains(notice)
    }

    /// Puts a signed certificate in its place.
    fn place(&mut self, signed: Staged) {
        let Staged { role, key, issuer, algorithm, certificate } = signed;
        match role {
            Role::Authority(id) => {
                self.generations.push(Generation { id, key, algorithm, certificate });
                self.active = Some(id);
            }
            Role::Cross { subject, issuer } => self.crosses.push(CrossCertificate { subject, issuer, certificate }),
            Role::Service(service) => {
                self.services.retain(|earlier| earlier.service != service);
                self.services.push(ServiceCertificate { service, key, generation: issuer, certificate });
            }
        }
    }
}
