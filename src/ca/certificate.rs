//! The record of one certificate.

use serde::{Deserialize, Serialize};

use super::{Effect, Error, GenerationId, KeyId, Move, NoticeKind, RequestKey, Revocation, State};
use crate::crypto::SignatureAlgorithm;
use crate::id::{AuthorityId, EnrollmentId, Revision, TenantId};
use crate::record::stored::{Format, Octets};
use crate::record::{Change, Record, ReplayError};
use crate::time::Timestamp;
use crate::x509::{Certificate, Name, SerialNumber, Standing, Validity};

/// Whom a certificate belongs to, as far as the host knows it: what lists of certificates show beside the certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// The customer.
    pub tenant: Option<TenantId>,
    /// The enrollment whose identity it is.
    pub enrollment: Option<EnrollmentId>,
    /// The device's name.
    pub device_name: Option<String>,
    /// The name of the device's user.
    pub user_name: Option<String>,
    /// The configuration profiles that carry the certificate; of certificates of other authorities.
    pub profiles: Vec<String>,
}

/// One certificate, from its reservation on.
///
/// Made by [`Authority::reserve`](super::Authority::reserve); every later step is a method that gives a [`Change`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    format: Format,
    serial: SerialNumber,
    revision: Revision,
    latest: Timestamp,
    authority: AuthorityId,
    issuer: Issuer,
    request: Option<RequestKey>,
    profile: Option<String>,
    subject: Name,
    validity: Validity,
    holder: Holder,
    body: Body,
    delivered_at: Option<Timestamp>,
    revocation: Option<Revocation>,
    /// When it was revoked, held or released last, where `revocation` does not say that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
    /// The part of the revocation lists it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<u32>,
    /// What the operator was told of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    told: Vec<NoticeKind>,
}

/// Who signs: a key of this authority, or somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Issuer {
    #[serde(rename = "own")]
    Own { generation: GenerationId, key: KeyId },
    #[serde(rename = "other")]
    Other,
}

/// How far the certificate has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Body {
    #[serde(rename = "reserved")]
    Reserved { at: Timestamp, algorithm: SignatureAlgorithm, tbs: Octets },
    #[serde(rename = "issued")]
    Issued { at: Timestamp, certificate: Certificate },
    #[serde(rename = "abandoned")]
    Abandoned { at: Timestamp },
}

/// Something that happened to a certificate. A host keeps them all; together they are the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateEvent {
    /// Which certificate.
    pub serial: SerialNumber,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: CertificateEventKind,
}

/// What happened to a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CertificateEventKind {
    /// Its serial number and its bytes were fixed. The first event of a certificate that is issued here.
    #[serde(rename = "reserved")]
    Reserved(Box<Reservation>),
    /// It came into being elsewhere and is kept here. The first event of such a certificate.
    #[serde(rename = "recorded")]
    Recorded(Box<Recorded>),
    /// It was signed.
    #[serde(rename = "issued")]
    Issued {
        /// The certificate.
        certificate: Certificate,
    },
    /// It was handed out.
    #[serde(rename = "delivered")]
    Delivered,
    /// It will not be signed. The serial number is never used again.
    #[serde(rename = "abandoned")]
    Abandoned,
    /// Its holder became known, or changed.
    #[serde(rename = "assigned")]
    Assigned {
        /// The holder now.
        holder: Holder,
    },
    /// It was put on hold, revoked, or its revocation was asked for.
    #[serde(rename = "revoked")]
    Revoked(Revocation),
    /// The authority that issued it confirmed the revocation.
    #[serde(rename = "revocation-confirmed")]
    RevocationConfirmed,
    /// Its hold was released.
    #[serde(rename = "released")]
    Released,
    /// The operator was told of its end.
    #[serde(rename = "noticed")]
    Noticed {
        /// What.
        kind: NoticeKind,
    },
}

/// What is fixed when a certificate is reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The authority.
    pub authority: AuthorityId,
    /// Which of its certificates will be the issuer's.
    pub generation: GenerationId,
    /// The key that will sign.
    pub issuer_key: KeyId,
    /// The request that it answers.
    pub request: RequestKey,
    /// The profile's name.
    pub profile: String,
    /// The subject.
    pub subject: Name,
    /// The validity.
    pub validity: Validity,
    /// Whom it is for.
    pub holder: Holder,
    /// How it will be signed.
    pub algorithm: SignatureAlgorithm,
    /// The part of the revocation lists it belongs to ([`CrlParts`](super::CrlParts)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// The bytes to sign.
    pub(super) tbs: Octets,
}

impl Reservation {
    /// The bytes to sign: a TBSCertificate (RFC 5280 section 4.1), complete.
    pub fn tbs(&self) -> &[u8] {
        &self.tbs.0
    }
}

/// A certificate that was not reserved here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The authority, or the configuration, that it came from.
    pub authority: AuthorityId,
    /// The key that signed it, when that is one of the authority's own: then it is revoked here, and not by asking.
    pub own: Option<(GenerationId, KeyId)>,
    /// The certificate.
    pub certificate: Certificate,
    /// Whom it is for.
    pub holder: Holder,
}

impl Record for CertificateRecord {
    type Event = CertificateEvent;
    type Effect = Effect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &CertificateEvent) -> Result<Self, ReplayError> {
        if first.revision != Revision::FIRST {
            return Err(ReplayError::NotThisRecord("the first event is missing"));
        }
        match &first.kind {
            CertificateEventKind::Reserved(reservation) => Ok(Self::from_reservation(first.serial, first.at, reservation)),
            CertificateEventKind::Recorded(recorded) => Ok(Self::from_recorded(first.serial, first.at, recorded)),
            _ => Err(ReplayError::NotThisRecord("no certificate begins with this event")),
        }
    }

    fn apply(&mut self, event: &CertificateEvent) -> Result<(), ReplayError> {
        if event.serial != self.serial {
            return Err(ReplayError::NotThisRecord("another serial number"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        if !self.fits(&event.kind) {
            return Err(ReplayError::NotThisRecord("it cannot happen to a certificate in this state"));
        }
        self.take(event);
        Ok(())
    }
}

impl CertificateRecord {
    fn from_reservation(serial: SerialNumber, at: Timestamp, reservation: &Reservation) -> Self {
        let Reservation {
            authority,
            generation,
            issuer_key,
            request,
            profile,
            subject,
            validity,
            holder,
            algorithm,
            part,
            tbs,
        } = reservation.clone();
        CertificateRecord {
            format: Format,
            serial,
            revision: Revision::FIRST,
            latest: at,
            authority,
            issuer: Issuer::Own { generation, key: issuer_key },
            request: Some(request),
            profile: Some(profile),
            subject,
            validity,
            holder,
            body: Body::Reserved { at, algorithm, tbs },
            delivered_at: None,
            revocation: None,
            changed_at: None,
            part,
            told: Vec::new(),
        }
    }

    fn from_recorded(serial: SerialNumber, at: Timestamp, recorded: &Recorded) -> Self {
        let Recorded { authority, own, certificate, holder } = recorded.clone();
        CertificateRecord {
            format: Format,
            serial,
            revision: Revision::FIRST,
            latest: at,
            authority,
            issuer: own.map_or(Issuer::Other, |(generation, key)| Issuer::Own { generation, key }),
            request: None,
            profile: None,
            subject: certificate.subject().clone(),
            validity: certificate.validity(),
            holder,
            body: Body::Issued { at, certificate },
            delivered_at: None,
            revocation: None,
            changed_at: None,
            part: None,
            told: Vec::new(),
        }
    }

    /// A certificate that another authority issued, or that this one issued for itself, as a record of its own.
    pub fn record(recorded: Recorded, now: Timestamp) -> Change<Self> {
        let serial = *recorded.certificate.serial();
        let record = Self::from_recorded(serial, now, &recorded);
        record.first(now, CertificateEventKind::Recorded(Box::new(recorded)))
    }

    /// What a new reservation makes.
    pub(super) fn reserve(serial: SerialNumber, reservation: Reservation, now: Timestamp) -> Change<Self> {
        let record = Self::from_reservation(serial, now, &reservation);
        let mut change = record.first(now, CertificateEventKind::Reserved(Box::new(reservation)));
        change.effects.push(Effect::Sign { serial });
        change
    }

    fn first(self, at: Timestamp, kind: CertificateEventKind) -> Change<Self> {
        let event = CertificateEvent { serial: self.serial, revision: Revision::FIRST, at, kind };
        Change { record: self, events: vec![event], effects: Vec::new() }
    }

    /// The record after one more event, which the caller knows to fit. The clock never runs backwards within a record: an event
    /// that seems to come before the latest one is dated as that.
    pub(super) fn then(mut self, kind: CertificateEventKind, now: Timestamp, effects: Vec<Effect>) -> Change<Self> {
        let (serial, revision, at) = (self.serial, self.revision.next(), now.max(self.latest));
        let event = CertificateEvent { serial, revision, at, kind };
        self.take(&event);
        Change { record: self, events: vec![event], effects }
    }

    /// Whether this can happen to the certificate as it is.
    fn fits(&self, kind: &CertificateEventKind) -> bool {
        match kind {
            CertificateEventKind::Reserved(_) | CertificateEventKind::Recorded(_) => false,
            CertificateEventKind::Issued { certificate } => {
                matches!(self.body, Body::Reserved { .. }) && *certificate.serial() == self.serial
            }
            CertificateEventKind::Abandoned => matches!(self.body, Body::Reserved { .. }),
            CertificateEventKind::Delivered => matches!(self.body, Body::Issued { .. }),
            CertificateEventKind::Assigned { .. } | CertificateEventKind::Revoked(_) | CertificateEventKind::Noticed { .. } => {
                true
            }
            CertificateEventKind::RevocationConfirmed | CertificateEventKind::Released => self.revocation.is_some(),
        }
    }

    /// Takes in what happened.
    fn take(&mut self, event: &CertificateEvent) {
        let at = event.at;
        self.latest = self.latest.max(at);
        self.revision = event.revision;
        match &event.kind {
            CertificateEventKind::Reserved(_) | CertificateEventKind::Recorded(_) => {}
            CertificateEventKind::Issued { certificate } => {
                self.body = Body::Issued { at, certificate: certificate.clone() };
            }
            CertificateEventKind::Abandoned => self.body = Body::Abandoned { at },
            CertificateEventKind::Delivered => self.delivered_at = Some(at),
            CertificateEventKind::Assigned { holder } => self.holder = holder.clone(),
            CertificateEventKind::Revoked(revocation) => {
                self.revocation = Some(*revocation);
                self.changed_at = Some(at).filter(|at| *at != revocation.at);
            }
            CertificateEventKind::RevocationConfirmed => {
                self.revocation = self.revocation.map(|revocation| Revocation { confirmed: true, ..revocation });
            }
            CertificateEventKind::Released => {
                self.revocation = None;
                self.changed_at = Some(at);
            }
            CertificateEventKind::Noticed { kind } => self.told.push(*kind),
        }
    }

    /// The serial number, which is also the record's key under its authority.
    pub const fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// The authority, or the configuration of another, that issued it.
    pub const fn authority(&self) -> &AuthorityId {
        &self.authority
    }

    /// Which certificate of the authority is its issuer's; `None` for a certificate of another authority.
    pub const fn generation(&self) -> Option<GenerationId> {
        match &self.issuer {
            Issuer::Own { generation, .. } => Some(*generation),
            Issuer::Other => None,
        }
    }

    /// The key that signs or signed it; `None` for a certificate of another authority.
    pub const fn issuer_key(&self) -> Option<&KeyId> {
        match &self.issuer {
            Issuer::Own { key, .. } => Some(key),
            Issuer::Other => None,
        }
    }

    /// The request that it answers.
    pub const fn request(&self) -> Option<&RequestKey> {
        self.request.as_ref()
    }

    /// The name of the profile it was issued under.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The subject.
    pub const fn subject(&self) -> &Name {
        &self.subject
    }

    /// The validity.
    pub const fn validity(&self) -> &Validity {
        &self.validity
    }

    /// Whom it belongs to.
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// The certificate, once it is signed.
    pub const fn certificate(&self) -> Option<&Certificate> {
        match &self.body {
            Body::Issued { certificate, .. } => Some(certificate),
            Body::Reserved { .. } | Body::Abandoned { .. } => None,
        }
    }

    /// When it was signed.
    pub const fn issued_at(&self) -> Option<Timestamp> {
        match &self.body {
            Body::Issued { at, .. } => Some(*at),
            Body::Reserved { .. } | Body::Abandoned { .. } => None,
        }
    }

    /// When it was handed out, as far as the host has said so.
    pub const fn delivered_at(&self) -> Option<Timestamp> {
        self.delivered_at
    }

    /// Its revocation or hold, when there is one.
    pub const fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// When it was revoked, held or released last: what delta lists go by.
    pub fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at.or(self.revocation.map(|revocation| revocation.at))
    }

    /// The part of the revocation lists it belongs to; `None` when it stands on the full list alone.
    pub const fn part(&self) -> Option<u32> {
        self.part
    }

    /// The moment of its latest event.
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// How it is to be signed and what: while it is reserved and not revoked.
    pub(super) fn unsigned(&self) -> Option<(SignatureAlgorithm, &[u8])> {
        match &self.body {
            Body::Reserved { algorithm, tbs, .. } if self.revocation.is_none() => Some((*algorithm, &tbs.0)),
            _ => None,
        }
    }

    /// The state at this moment; [`State::Expiring`] from `expiring_days` before the end, never for 0.
    pub fn state(&self, now: Timestamp, expiring_days: u32) -> State {
        match (&self.revocation, &self.body) {
            (Some(revocation), _) if !revocation.confirmed => State::PendingRevoke,
            (Some(revocation), _) if !revocation.is_hold() => State::Revoked,
            (_, Body::Reserved { .. }) => State::Reserved,
            (_, Body::Abandoned { .. }) => State::Abandoned,
            (_, Body::Issued { .. }) if now > self.validity.not_after => State::Expired,
            (Some(_), Body::Issued { .. }) => State::Held,
            (None, Body::Issued { .. })
                if now > self.validity.not_after.plus_days(i64::from(expiring_days).saturating_neg()) =>
            {
                State::Expiring
            }
            (None, Body::Issued { .. }) => State::Issued,
        }
    }

    /// What the certificate is worth at this moment.
    pub fn standing(&self, now: Timestamp) -> Standing {
        match (&self.revocation, &self.body) {
            (Some(revocation), _) if !revocation.is_hold() => Standing::Revoked(revocation.at),
            (_, Body::Reserved { .. } | Body::Abandoned { .. }) => Standing::NotIssued,
            (_, Body::Issued { .. }) if now > self.validity.not_after => Standing::Expired(self.validity.not_after),
            (Some(hold), Body::Issued { .. }) => Standing::Held(hold.at),
            (None, Body::Issued { .. }) if now < self.validity.not_before => Standing::NotYet(self.validity.not_before),
            (None, Body::Issued { .. }) => Standing::InForce,
        }
    }

    /// What is still to be done for this certificate, told from the record alone: for a host that recovers without a store of
    /// effects.
    pub fn outstanding(&self) -> Vec<Effect> {
        let serial = self.serial;
        match &self.body {
            _ if self.revocation.as_ref().is_some_and(|revocation| !revocation.confirmed) => {
                vec![Effect::AskRevocation { serial }]
            }
            Body::Reserved { .. } if self.unsigned().is_some() => vec![Effect::Sign { serial }],
            Body::Issued { .. } if self.request.is_some() && self.delivered_at.is_none() && self.revocation.is_none() => {
                vec![Effect::Deliver { serial }]
            }
            _ => Vec::new(),
        }
    }

    /// The record once it is signed. Called only for a reserved one, by the step that has checked the signature.
    pub(super) fn issued(self, certificate: Certificate, now: Timestamp) -> Change<Self> {
        let effects = vec![Effect::Deliver { serial: self.serial }];
        self.then(CertificateEventKind::Issued { certificate }, now, effects)
    }

    /// The requester has it. Saying so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Move`] when it is not signed.
    pub fn delivered(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        if self.certificate().is_none() {
            return Err(self.cannot(Move::Deliver, now));
        }
        if self.delivered_at.is_some() {
            return Ok(Change::none(self.clone()));
        }
        Ok(self.clone().then(CertificateEventKind::Delivered, now, Vec::new()))
    }

    /// Gives a reservation up: its signature will not be asked for again. The serial number stays taken, and can be revoked
    /// in case a signature exists after all.
    ///
    /// # Errors
    /// [`Error::Move`] when it is not reserved.
    pub fn abandon(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state(now, 0) {
            State::Reserved => Ok(self.clone().then(CertificateEventKind::Abandoned, now, Vec::new())),
            _ => Err(self.cannot(Move::Abandon, now)),
        }
    }

    /// Says whom it belongs to, for instance once a device has shown itself with it. The same holder again changes nothing.
    ///
    /// # Errors
    /// [`Error::Foreign`] when it belongs to another tenant.
    pub fn assign(&self, holder: Holder, now: Timestamp) -> Result<Change<Self>, Error> {
        if self.holder.tenant.is_some() && self.holder.tenant != holder.tenant {
            return Err(Error::Foreign("tenant"));
        }
        if self.holder == holder {
            return Ok(Change::none(self.clone()));
        }
        Ok(self.clone().then(CertificateEventKind::Assigned { holder }, now, Vec::new()))
    }

    #[cold]
    pub(super) fn cannot(&self, attempted: Move, now: Timestamp) -> Error {
        Error::Move { from: self.state(now, 0), attempted }
    }

    /// Whether the operator was told so before.
    pub(super) fn was_told(&self, kind: NoticeKind) -> bool {
        self.told.contains(&kind)
    }

    /// Whether somebody else issued it.
    pub(super) const fn is_foreign(&self) -> bool {
        matches!(self.issuer, Issuer::Other)
    }
}
