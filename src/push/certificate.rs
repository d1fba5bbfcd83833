//! The certificate with which a tenant may push.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Complaint, Descent, Environment, Error, Refused, Topic};
use crate::crypto::PublicKey;
use crate::id::{Revision, TenantId};
use crate::record::stored::{self, Format};
use crate::record::{Change, Record, ReplayError};
use crate::time::Timestamp;
use crate::x509::{Certificate, SerialNumber, Validity};

/// The record of one push certificate of one tenant. Its private key stays with the host and is never here.
///
/// ```text
///            request                 install                 succeed
///  (nothing) ───────► Requested ───────────────► Active ────────────► Superseded
///      │                                          ▲  │ by time: Expiring, Expired
///      └──────────────── adopt ───────────────────┘  └─── revoke ───► Revoked
/// ```
///
/// Expiring and Expired are not stored: they follow from the validity and the moment that a host names
/// ([`PushCertificate::status`]). A certificate that APNs complains about is paused, which stands beside its state and ends with
/// [`PushCertificate::resume`].
///
/// Every decision gives the next record and the event that led to it; [`Record::replay`] of the events gives the record
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushCertificate {
    format: Format,
    tenant: TenantId,
    shared_with: BTreeSet<TenantId>,
    descent: Descent,
    #[serde(with = "stored::public_key")]
    key: PublicKey,
    state: State,
    installed: Option<Installed>,
    paused: Option<Pause>,
    last_notice: Option<u16>,
    revision: Revision,
}

/// Where a certificate stands, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Requested,
    Active,
    Revoked { at: Timestamp },
    Superseded { at: Timestamp, by: SerialNumber },
}

/// Where a certificate stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Asked for; Apple has not answered, or the answer was not installed.
    Requested,
    /// Usable.
    Active,
    /// Usable, and within the notice period.
    Expiring {
        /// Whole days that are left.
        days_left: u16,
    },
    /// Not usable before its validity begins.
    NotYetValid,
    /// Past its validity. It must be *renewed* by the same Apple Account: a new certificate would have a new topic.
    Expired,
    /// Apple has revoked it, or the host has given it up.
    Revoked,
    /// Renewed; the successor is in use.
    Superseded,
}

/// What is known of a certificate that Apple has issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Installed {
    /// Its topic.
    pub topic: Topic,
    /// Which APNs it is for.
    pub environment: Environment,
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it is valid.
    pub validity: Validity,
    /// When the host installed it.
    pub at: Timestamp,
}

/// APNs refuses the certificate; nothing is sent with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// The reason in Apple's words.
    pub reason: String,
}

/// What happened to a push certificate. A host stores it with the record in one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CertificateEvent {
    /// A tenant asked for a certificate for this key.
    Requested {
        /// Whose it will be.
        tenant: TenantId,
        /// What it will hang from.
        descent: Descent,
        /// The key that it will certify.
        #[serde(with = "stored::public_key")]
        key: PublicKey,
    },
    /// A certificate from elsewhere was taken over, with its key.
    Adopted {
        /// Whose it is.
        tenant: TenantId,
        /// What it hangs from.
        descent: Descent,
        /// The key that it certifies.
        #[serde(with = "stored::public_key")]
        key: PublicKey,
        /// What is known of it.
        installed: Installed,
    },
    /// The certificate that was asked for came and is in use.
    Installed(Installed),
    /// Its successor is in use.
    Superseded {
        /// Since when.
        at: Timestamp,
        /// The successor's serial number.
        by: SerialNumber,
    },
    /// It must not be used any more.
    Revoked {
        /// Since when.
        at: Timestamp,
    },
    /// APNs refuses it. Raised once, however many devices it was noticed at.
    Paused(Pause),
    /// It is tried again.
    Resumed {
        /// Since when.
        at: Timestamp,
    },
    /// It expires soon; raised once for each day of the notice schedule.
    Expiring {
        /// The entry of the schedule that was reached, in days before the end.
        notice: u16,
        /// The end of its validity.
        not_after: Timestamp,
    },
    /// The tenants that may use it besides its owner were set.
    Shared {
        /// All of them.
        with: BTreeSet<TenantId>,
    },
}

/// What a host does after a decision about a push certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum CertificateEffect {
    /// Close the APNs connections that were opened with this certificate, once the pushes on them are answered.
    CloseConnections(SerialNumber),
    /// Hold back the pushes of this topic; what is owed stays owed.
    HoldPushes(Topic),
    /// Send what is owed on this topic.
    ReleasePushes(Topic),
    /// Tell the people of this tenant: the certificate must be renewed, by this Apple Account, before it ends.
    AskForRenewal {
        /// Whose certificate it is.
        tenant: TenantId,
        /// The end of its validity.
        not_after: Timestamp,
    },
}

/// On which days before the end a host is told that a certificate expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeSchedule(BTreeSet<u16>);

impl NoticeSchedule {
    /// A notice on each of these days before the end.
    pub fn new(days: impl IntoIterator<Item = u16>) -> Self {
        NoticeSchedule(days.into_iter().collect())
    }

    /// The entry that is due when so many seconds are left: the smallest that has been reached.
    fn due(&self, seconds_left: i64) -> Option<u16> {
        self.0.iter().copied().find(|days| seconds_left <= i64::from(*days).saturating_mul(DAY))
    }
}

impl Default for NoticeSchedule {
    /// 60, 30, 14, 7 and 1 days.
    fn default() -> Self {
        Self::new([60, 30, 14, 7, 1])
    }
}

const DAY: i64 = 86_400;

impl PushCertificate {
    /// Records that a tenant asks Apple for a certificate. The host keeps the private key; `key` is its public half, which the
    /// certificate must have when it comes.
    pub fn request(tenant: TenantId, descent: Descent, key: PublicKey) -> Change<Self> {
        let record = Self::new(tenant.clone(), descent.clone(), key.clone(), None);
        Change::one(record, CertificateEvent::Requested { tenant, descent, key }, Vec::new())
    }

    /// Takes over a certificate that exists already, with the private key whose public half is `key`.
    ///
    /// # Errors
    /// As [`Installed::check`].
    pub fn adopt(
        tenant: TenantId,
        descent: Descent,
        certificate: &Certificate,
        key: &PublicKey,
        environment: Environment,
        now: Timestamp,
    ) -> Result<Change<Self>, Error> {
        let installed = Installed::check(certificate, key, environment, now)?;
        let record = Self::new(tenant.clone(), descent.clone(), key.clone(), Some(installed.clone()));
        let event = CertificateEvent::Adopted { tenant, descent, key: key.clone(), installed };
        Ok(Change::one(record, event, Vec::new()))
    }

    /// Marks it as not to be used any more: Apple has revoked it, or its key is lost. `None` when it is already so, or was never
    /// issued.
    pub fn revoke(&self, now: Timestamp) -> Option<Change<Self>> {
        let installed = self.in_use()?;
        let effects =
            vec![CertificateEffect::CloseConnections(installed.serial), CertificateEffect::HoldPushes(installed.topic.clone())];
        Some(self.decide(CertificateEvent::Revoked { at: now }, effects))
    }

    /// Stops pushing after APNs refused the certificate or its topic. `None` when it is paused already, or the complaint is about
    /// another certificate: one event is raised, not one for each device.
    pub fn pause(&self, complaint: &Complaint, now: Timestamp) -> Option<Change<Self>> {
        let installed = self.installed.as_ref().filter(|installed| installed.serial == complaint.serial)?;
        if self.paused.is_some() || self.state != State::Active || complaint.tenant != self.tenant {
            return None;
        }
        let event = CertificateEvent::Paused(Pause { since: now, reason: complaint.reason.clone() });
        let effects = vec![CertificateEffect::HoldPushes(installed.topic.clone())];
        Some(self.decide(event, effects))
    }

    /// Tries the certificate again after a pause. `None` when it is not paused.
    pub fn resume(&self, now: Timestamp) -> Option<Change<Self>> {
        self.paused.as_ref()?;
        let release = |installed: &Installed| CertificateEffect::ReleasePushes(installed.topic.clone());
        let effects = self.installed.iter().map(release).collect();
        Some(self.decide(CertificateEvent::Resumed { at: now }, effects))
    }

    /// Raises the notice of expiry that is due, each at most once. A host asks once a day.
    pub fn notice(&self, schedule: &NoticeSchedule, now: Timestamp) -> Option<Change<Self>> {
        let installed = self.in_use()?;
        let not_after = installed.validity.not_after;
        let notice = schedule.due(not_after.seconds_since(now))?;
        if self.last_notice.is_some_and(|last| last <= notice) {
            return None;
        }
        let effect = CertificateEffect::AskForRenewal { tenant: self.tenant.clone(), not_after };
        Some(self.decide(CertificateEvent::Expiring { notice, not_after }, vec![effect]))
    }

    /// Whose it is.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What it hangs from at Apple.
    pub const fn descent(&self) -> &Descent {
        &self.descent
    }

    /// The key that it certifies, or will.
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Topic, serial number and validity, once Apple has issued it.
    pub const fn installed(&self) -> Option<&Installed> {
        self.installed.as_ref()
    }

    /// The pause, when APNs refuses it.
    pub const fn paused(&self) -> Option<&Pause> {
        self.paused.as_ref()
    }

    /// The tenants that may use it besides its owner.
    pub const fn shared_with(&self) -> &BTreeSet<TenantId> {
        &self.shared_with
    }

    /// Where it stands at a moment.
    pub fn status(&self, schedule: &NoticeSchedule, now: Timestamp) -> Status {
        let validity = match (&self.state, &self.installed) {
            (State::Revoked { .. }, _) => return Status::Revoked,
            (State::Superseded { .. }, _) => return Status::Superseded,
            (State::Requested, _) | (State::Active, None) => return Status::Requested,
            (State::Active, Some(installed)) => installed.validity,
        };
        let left = validity.not_after.seconds_since(now);
        if now < validity.not_before {
            Status::NotYetValid
        } else if left < 0 {
            Status::Expired
        } else if schedule.due(left).is_some() {
            Status::Expiring { days_left: u16::try_from(left.div_euclid(DAY)).unwrap_or(u16::MAX) }
        } else {
            Status::Active
        }
    }

    /// Whether Apple's answer is awaited.
    pub(super) fn is_requested(&self) -> bool {
        self.state == State::Requested
    }

    /// What is known of it while it is in use: issued, and neither replaced nor revoked. It may have expired.
    pub(super) fn in_use(&self) -> Option<&Installed> {
        self.installed.as_ref().filter(|_| self.state == State::Active)
    }

    /// Whether a tenant may push with it.
    pub(super) fn serves(&self, tenant: &TenantId) -> bool {
        self.tenant == *tenant || self.shared_with.contains(tenant)
    }

    /// Whether it can be used now.
    pub(super) fn usable(&self, now: Timestamp) -> Result<(), Refused> {
        if self.paused.is_some() {
            return Err(Refused::Paused);
        }
        match self.status(&NoticeSchedule(BTreeSet::new()), now) {
            Status::Active | Status::Expiring { .. } => Ok(()),
            Status::Requested => Err(Refused::NotInstalled),
            Status::NotYetValid => Err(Refused::NotYetValid),
            Status::Expired => Err(Refused::Expired),
            Status::Revoked => Err(Refused::Revoked),
            Status::Superseded => Err(Refused::Superseded),
        }
    }

    fn new(tenant: TenantId, descent: Descent, key: PublicKey, installed: Option<Installed>) -> Self {
        PushCertificate {
            format: Format,
            tenant,
            shared_with: BTreeSet::new(),
            descent,
            key,
            state: if installed.is_some() { State::Active } else { State::Requested },
            installed,
            paused: None,
            last_notice: None,
            revision: Revision::FIRST,
        }
    }

    pub(super) fn decide(&self, event: CertificateEvent, effects: Vec<CertificateEffect>) -> Change<Self> {
        self.clone().then(event, effects)
    }

    /// The same record with one more event, which the caller knows to fit.
    pub(super) fn then(mut self, event: CertificateEvent, effects: Vec<CertificateEffect>) -> Change<Self> {
        self.take(&event);
        Change::one(self, event, effects)
    }

    fn take(&mut self, event: &CertificateEvent) {
        match event {
            CertificateEvent::Requested { .. } | CertificateEvent::Adopted { .. } => {}
            CertificateEvent::Installed(installed) => {
                self.state = State::Active;
                self.installed = Some(installed.clone());
                self.last_notice = None;
            }
            CertificateEvent::Superseded { at, by } => self.state = State::Superseded { at: *at, by: *by },
            CertificateEvent::Revoked { at } => self.state = State::Revoked { at: *at },
            CertificateEvent::Paused(pause) => self.paused = Some(pause.clone()),
            CertificateEvent::Resumed { .. } => self.paused = None,
            CertificateEvent::Expiring { notice, .. } => self.last_notice = Some(*notice),
            CertificateEvent::Shared { with } => self.shared_with = with.clone(),
        }
        self.revision = self.revision.next();
    }
}

impl Record for PushCertificate {
    type Event = CertificateEvent;
    type Effect = CertificateEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &CertificateEvent) -> Result<Self, ReplayError> {
        match first.clone() {
            CertificateEvent::Requested { tenant, descent, key } => Ok(Self::new(tenant, descent, key, None)),
            CertificateEvent::Adopted { tenant, descent, key, installed } => {
                Ok(Self::new(tenant, descent, key, Some(installed)))
            }
            _ => Err(ReplayError::NotThisRecord("no push certificate begins with this event")),
        }
    }

    fn apply(&mut self, event: &CertificateEvent) -> Result<(), ReplayError> {
        let fits = match event {
            CertificateEvent::Requested { .. } | CertificateEvent::Adopted { .. } => false,
            CertificateEvent::Installed(_) => self.is_requested(),
            CertificateEvent::Superseded { .. }
            | CertificateEvent::Revoked { .. }
            | CertificateEvent::Paused(_)
            | CertificateEvent::Expiring { .. } => self.in_use().is_some(),
            CertificateEvent::Resumed { .. } => self.paused.is_some(),
            CertificateEvent::Shared { .. } => true,
        };
        if !fits {
            return Err(ReplayError::NotThisRecord("it cannot happen to a push certificate in this state"));
        }
        self.take(event);
        Ok(())
    }
}

impl Installed {
    /// Checks that a certificate is one to push to MDM devices with: its subject has one MDM topic, it certifies `key`, it is for
    /// `environment`, and it is valid now.
    ///
    /// # Errors
    /// Those of [`Topic::of_subject`]; [`Error::OtherKey`], [`Error::OtherEnvironment`], [`Error::OutsideValidity`].
    pub fn check(certificate: &Certificate, key: &PublicKey, environment: Environment, now: Timestamp) -> Result<Self, Error> {
        let topic = Topic::of_subject(certificate.subject())?;
        if certificate.public_key() != key {
            return Err(Error::OtherKey);
        }
        let found = Environment::of_certificate(certificate);
        if found != environment {
            return Err(Error::OtherEnvironment { found });
        }
        let validity = certificate.validity();
        if !validity.contains(now) {
            return Err(Error::OutsideValidity { not_before: validity.not_before, not_after: validity.not_after });
        }
        Ok(Installed { topic, environment, serial: *certificate.serial(), validity, at: now })
    }
}
