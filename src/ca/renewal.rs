//! Renewing the authority itself, and the certificates that then owe a renewal.

use serde::{Deserialize, Serialize};

use super::authority::AuthorityEventKind;
use super::creation::{BACKDATE_SECONDS, Issuer, LIFETIME_DAYS};
use super::generation::Staged;
use super::{
    Authority, CertificateRecord, Effect, Error, Generation, GenerationId, KeyId, KeyPolicy, Notice, NoticeKind, NoticeSubject,
    Planned, Refusal, Role, Service, ServiceCertificate, State,
};
use crate::crypto::{Provider, PublicKey};
use crate::record::Change;
use crate::time::Timestamp;
use crate::x509::{Certificate, Validity, oid};

/// How an authority is to be renewed. By default: the same name and the same key, ten more years.
///
/// With the same key, everything that the authority has issued goes on being good under the new certificate, its revocation lists
/// too. With a new key, certificates across both keys are made, so that who trusts only the old certificate believes what the new
/// key signs, and the other way round; and the lists of the old key go on.
///
/// ```
/// use mdm_core::ca::Renewal;
/// use mdm_core::crypto::PublicKey;
///
/// let extend = Renewal::default();
/// fn rekey(key: PublicKey) -> Renewal {
///     Renewal { key: Some(key), ..Renewal::default() }
/// }
/// ```
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs, reason = "made by hosts, field by field")]
pub struct Renewal {
    /// A new key; `None` for the one in use.
    pub key: Option<PublicKey>,
    /// Days by which the end moves.
    pub lifetime_days: u32,
    /// New keys for services; a service that is not named keeps its own.
    pub service_keys: Vec<(Service, PublicKey)>,
    /// Whether the new certificates wait when they are signed ([`Authority::next`]), so that clients can learn them before they are
    /// needed, until [`Authority::succeed`] takes them into use.
    pub ahead: bool,
}

impl Default for Renewal {
    fn default() -> Self {
        Renewal { key: None, lifetime_days: LIFETIME_DAYS, service_keys: Vec::new(), ahead: false }
    }
}

/// How far a renewal of the authority has come.
///
/// ```text
///          renew                all signed
///   None ─────────► Running ─────────────────► None, the new generation in use
///    │ ▲               │ renewal_failed            ▲
///    │ │ acknowledge   ▼                           │
///    │ └──────────── Failed: another is refused    │ succeed
///    │                 ▲                           │
///    │                 │ renewal_failed            │
///    └──────────────► Ahead ───────────────────────┘
///      renew, ahead     all signed: Authority::next
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RenewalState {
    /// Certificates of this generation are being signed.
    #[serde(rename = "running")]
    Running(GenerationId),
    /// Certificates of this generation are being signed, or are, and come into use when the host says so.
    #[serde(rename = "ahead")]
    Ahead(GenerationId),
    /// This generation did not come into use, and no operator has said why.
    #[serde(rename = "failed")]
    Failed(GenerationId),
}

/// When the certificates of devices are renewed without anybody asking: one policy for computers and one for mobile devices, as a
/// host likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct RenewalPolicy {
    /// Once the authority was renewed. True.
    pub when_authority_renewed: bool,
    /// Near their end. True.
    pub when_expiring: bool,
    /// How near, in days. 180; 90 and 120 are the other usual ones.
    pub expiring_days: u32,
}

impl Default for RenewalPolicy {
    fn default() -> Self {
        RenewalPolicy { when_authority_renewed: true, when_expiring: true, expiring_days: 180 }
    }
}

/// Why a certificate owes a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RenewalDue {
    /// It was issued under an earlier certificate of the authority.
    AuthorityRenewed,
    /// It is near its end.
    Expiring,
}

/// The generation after the one in use, and what comes into use with it.
#[derive(Clone, Copy, Debug)]
pub struct Next<'a> {
    id: GenerationId,
    certificate: &'a Certificate,
    staged: &'a [Staged],
}

impl<'a> Next<'a> {
    /// Its number.
    pub const fn id(&self) -> GenerationId {
        self.id
    }

    /// The authority's certificate.
    pub const fn certificate(&self) -> &'a Certificate {
        self.certificate
    }

    /// The certificate of a service.
    pub fn service(&self, service: Service) -> Option<&'a Certificate> {
        self.staged.iter().find(|staged| staged.role == Role::Service(service)).map(|staged| &staged.certificate)
    }
}

impl Authority {
    /// Decides to renew the authority: its new certificate, those across the keys and those of all services are fixed in one
    /// decision, to be stored before they are signed one after the other with [`Authority::to_be_signed`]. With the last signature
    /// they come into use, all at once; until then the authority goes on as before.
    ///
    /// The new certificate bears the old one's name byte for byte. It ends `lifetime_days` after the old one, or after now when
    /// the old one has ended.
    ///
    /// # Errors
    /// [`Error::RenewalRunning`]; [`Error::RenewalLocked`] after one that failed; [`Error::NoCertificate`]; [`Error::Misuse`] for
    /// an authority that another one certified, or a key that serves something else already; [`Error::Refused`] for a key that
    /// nobody should trust; [`Error::ClockBackwards`]; [`Error::SignatureOutstanding`].
    pub fn renew(&self, renewal: &Renewal, now: Timestamp, provider: &Provider) -> Result<Change<Self>, Error> {
        match self.renewal() {
            Some(RenewalState::Running(id) | RenewalState::Ahead(id)) => return Err(Error::RenewalRunning(id)),
            Some(RenewalState::Failed(id)) => return Err(Error::RenewalLocked(id)),
            None => {}
        }
        let at = self.check_clock(now)?;
        let active = self.active()?;
        if self.is_signing() {
            return Err(Error::SignatureOutstanding);
        }
        if !active.certificate.is_self_issued() {
            return Err(Error::Misuse(
                "another authority certified this one: have it renewed there, and install the certificate",
            ));
        }
        let planned = self.plan_renewal(renewal, active, at, provider)?;
        let generation = self.next_generation();
        let started = AuthorityEventKind::RenewalStarted { generation, planned, ahead: renewal.ahead };
        Ok(self.clone().then(started, at, vec![Effect::SignAuthority]))
    }

    /// The certificate that this authority will issue with, and those of its services under it, when they were made
    /// [ahead](Renewal::ahead) and all are signed. What a SCEP server answers to GetNextCACert (RFC 8894 section 4.7), and with it offers.
    pub fn next(&self) -> Option<Next<'_>> {
        let Some(RenewalState::Ahead(id)) = self.renewal() else { return None };
        if self.planned_for(id).next().is_some() {
            return None;
        }
        let certificate =
            self.staged().iter().find(|staged| staged.role == Role::Authority(id)).map(|staged| &staged.certificate)?;
        Some(Next { id, certificate, staged: self.staged() })
    }

    /// Takes the certificates into use that were made [ahead](Renewal::ahead): from here on the authority issues with the new one.
    ///
    /// # Errors
    /// [`Error::Misuse`] when there are none, [`Error::SignatureOutstanding`] when not all are signed, [`Error::ClockBackwards`].
    pub fn succeed(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        let at = self.check_clock(now)?;
        match (self.renewal(), self.next()) {
            (Some(RenewalState::Ahead(_)), Some(next)) => Ok(self.clone().renewal_completed(next.id, at)),
            (Some(RenewalState::Ahead(_)), None) => Err(Error::SignatureOutstanding),
            _ => Err(Error::Misuse("no certificate was made ahead")),
        }
    }

    fn plan_renewal(
        &self,
        renewal: &Renewal,
        active: &Generation,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Vec<Planned>, Error> {
        let old = Issuer::of(active);
        let key = renewal.key.as_ref().unwrap_or(old.public_key);
        let is_new_key = key != old.public_key;
        KeyPolicy::DEFAULT.check(key)?;
        if is_new_key && self.owns(&KeyId::of(key, provider)) {
            return Err(Refusal::AuthorityKey.into());
        }
        let new = Issuer {
            id: self.next_generation(),
            subject: old.subject,
            public_key: key,
            key_identifier: old.key_identifier.clone().filter(|_| !is_new_key),
            validity: Validity {
                not_before: now.plus_seconds(BACKDATE_SECONDS.saturating_neg()),
                not_after: old.validity.not_after.max(now).plus_days(i64::from(renewal.lifetime_days)),
            },
        };
        let mut planned = vec![new.plan_root(provider)?];
        if is_new_key && now <= old.validity.not_after {
            let both = Validity { not_before: new.validity.not_before, not_after: old.validity.not_after };
            let across = |subject: &Issuer<'_>, issuer: &Issuer<'_>| {
                let role = Role::Cross { subject: subject.id, issuer: issuer.id };
                issuer.plan_authority(role, subject.public_key, both, provider)
            };
            planned.extend([across(&old, &new)?, across(&new, &old)?]);
        }
        for ServiceCertificate { service, certificate, .. } in self.services() {
            let own = renewal.service_keys.iter().find(|(named, _)| named == service);
            let service_key = own.map_or(certificate.public_key(), |(_, key)| key);
            if service_key == key || service_key == old.public_key {
                return Err(Refusal::AuthorityKey.into());
            }
            planned.push(new.plan_service(*service, certificate.subject().clone(), service_key, now, provider)?);
        }
        Ok(planned)
    }

    /// Takes a new certificate into use that another authority made for this one; the counterpart of [`Authority::renew`] for an
    /// authority that was [adopted](Authority::adopt) and is no root.
    ///
    /// # Errors
    /// As [`Authority::adopt`]; [`Error::Misuse`] for another name than the one in use; [`Error::RenewalRunning`];
    /// [`Error::ClockBackwards`].
    pub fn install(&self, certificate: Certificate, now: Timestamp, provider: &Provider) -> Result<Change<Self>, Error> {
        let at = self.check_clock(now)?;
        if let Some(id) = self.renewing() {
            return Err(Error::RenewalRunning(id));
        }
        if certificate.subject() != self.active()?.certificate.subject() {
            return Err(Error::Misuse("the new certificate must bear the authority's name, byte for byte"));
        }
        let generation = Generation::existing(self.next_generation(), certificate, at, provider)?;
        Ok(self.clone().then(AuthorityEventKind::Installed { generation }, at, Vec::new()))
    }

    /// Gives a renewal up that cannot be finished: a key that is gone, a signer that fails. The authority goes on as before, the
    /// operator is told, and no other renewal begins before he has [acknowledged](Authority::acknowledge_renewal) it.
    ///
    /// # Errors
    /// [`Error::Misuse`] when no renewal is under way.
    pub fn renewal_failed(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        let generation = self.renewing().ok_or(Error::Misuse("no renewal is under way"))?;
        let not_after = self.active()?.certificate.validity().not_after;
        let notice = Notice { about: NoticeSubject::Generation(generation), kind: NoticeKind::RenewalFailed, not_after };
        let at = now.max(self.latest());
        Ok(self.clone().then(AuthorityEventKind::RenewalFailed { generation }, at, vec![Effect::Notify(notice)]))
    }

    /// An operator has seen to the cause of a failed renewal: another one may begin.
    ///
    /// # Errors
    /// [`Error::Misuse`] when none has failed.
    pub fn acknowledge_renewal(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.renewal() {
            Some(RenewalState::Failed(_)) => {
                Ok(self.clone().then(AuthorityEventKind::RenewalAcknowledged, now.max(self.latest()), Vec::new()))
            }
            _ => Err(Error::Misuse("no renewal has failed")),
        }
    }

    /// Plans a new certificate for a service, under the certificate in use: for services whose own is short-lived, and for new
    /// services. `None` keeps the key.
    ///
    /// # Errors
    /// As [`Authority::renew`]; [`Error::Misuse`] for a service that has no key yet when none is given.
    pub fn renew_service(
        &self,
        service: Service,
        key: Option<&PublicKey>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Change<Self>, Error> {
        let at = self.check_clock(now)?;
        let active = self.issuing(at)?;
        if self.is_signing() {
            return Err(Error::SignatureOutstanding);
        }
        let own = self.service(service);
        let key = key.or(own.map(Certificate::public_key)).ok_or(Error::Misuse("the service has no key yet; give one"))?;
        if self.generation_of(&KeyId::of(key, provider)).is_some() {
            return Err(Refusal::AuthorityKey.into());
        }
        let subject = match own {
            Some(own) => own.subject().clone(),
            None => {
                let issuer = active.certificate.subject();
                let organization = issuer.values(oid::ORGANIZATION).next().map(|text| text.into_owned());
                service.subject(&organization.or_else(|| issuer.common_name()).unwrap_or_default())?
            }
        };
        let planned = Issuer::of(active).plan_service(service, subject, key, at, provider)?;
        Ok(self.clone().then(AuthorityEventKind::ServicePlanned { planned }, at, vec![Effect::SignAuthority]))
    }

    /// Whether a certificate owes a renewal at this moment: what a host asks when a device checks in or gets a command, and what
    /// it counts for an inventory. The device is then sent its identity's profile again.
    ///
    /// Certificates that are not in use owe nothing. Neither does one that a renewal would win nothing: its end is the
    /// authority's.
    pub fn renewal_due(&self, record: &CertificateRecord, policy: &RenewalPolicy, now: Timestamp) -> Option<RenewalDue> {
        let active = self.active().ok()?;
        let is_own = record.authority() == self.id() && record.generation().is_some();
        if !is_own || record.state(now, 0) != State::Issued {
            return None;
        }
        if policy.when_authority_renewed && record.generation() < Some(active.id) {
            return Some(RenewalDue::AuthorityRenewed);
        }
        let not_after = record.validity().not_after;
        let near = now > not_after.plus_days(i64::from(policy.expiring_days).saturating_neg());
        let wins = not_after < active.certificate.validity().not_after;
        (policy.when_expiring && near && wins).then_some(RenewalDue::Expiring)
    }
}
