//! Requests that wait for somebody's verdict.

use serde::{Deserialize, Serialize};

use super::{Authority, CertificateRecord, Error, Holder, IssuanceRequest, Profile, Refusal, RequestKey, Reserved};
use crate::crypto::Provider;
use crate::id::{AuthorityId, Revision};
use crate::record::stored::Format;
use crate::record::{Change, NoEffect, Record, ReplayError};
use crate::time::Timestamp;
use crate::x509::{Csr, GeneralName, Name, ProvenCsr, SerialNumber};

/// How a request stands.
///
/// ```text
///   submit ──► Pending ──┬─ grant ───► Granted(serial), and a certificate record beside it
///                        ├─ deny ────► Denied
///                        └─ abandon ─► Abandoned: the requester has gone, or nobody ever decided
/// ```
///
/// Nothing leads out of the last three; the same request, sent again, finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestState {
    /// Nobody has decided.
    #[serde(rename = "pending")]
    Pending,
    /// The certificate with this serial number answers it.
    #[serde(rename = "granted")]
    Granted(SerialNumber),
    /// It was refused.
    #[serde(rename = "denied")]
    Denied,
    /// It was given up.
    #[serde(rename = "abandoned")]
    Abandoned,
}

impl std::fmt::Display for RequestState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RequestState::Pending => f.write_str("pending"),
            RequestState::Granted(serial) => write!(f, "granted as {serial}"),
            RequestState::Denied => f.write_str("denied"),
            RequestState::Abandoned => f.write_str("abandoned"),
        }
    }
}

/// One request that was not answered at once, from its submission on: what a SCEP client polls for by its transaction.
///
/// What the profile refuses is refused when the request is submitted, so that nobody decides about what cannot be. It is checked
/// again when it is granted: the authority or the profile may have changed.
///
/// ```
/// use mdm_core::ca::{Authority, CertificateRecord, Error, IssuanceRequest, Profile, RequestRecord, Reserved};
/// use mdm_core::crypto::Provider;
/// use mdm_core::record::Change;
/// use mdm_core::time::Timestamp;
///
/// /// The device is told to ask again; an operator sees the request.
/// fn put_off(
///     authority: &Authority,
///     request: &IssuanceRequest<'_>,
///     earlier: Option<&RequestRecord>,
///     now: Timestamp,
///     provider: &Provider,
/// ) -> Result<Change<RequestRecord>, Error> {
///     RequestRecord::submit(authority, request, earlier, now, provider)
/// }
///
/// /// The operator has said yes: both changes are stored in one transaction, then the certificate is signed.
/// fn yes(
///     request: &RequestRecord,
///     authority: &Authority,
///     profile: &Profile,
///     now: Timestamp,
///     provider: &Provider,
/// ) -> Result<(Change<RequestRecord>, Reserved), Error> {
///     request.grant(authority, profile, None, now, provider)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    format: Format,
    revision: Revision,
    latest: Timestamp,
    submitted_at: Timestamp,
    submission: Submission,
    state: RequestState,
    reason: Option<String>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Submission {
    /// The authority that is asked.
    pub authority: AuthorityId,
    /// The transaction and the key: what the record is found by.
    pub request: RequestKey,
    /// The name of the profile.
    pub profile: String,
    /// The certificate request. It holds the challenge, when there was one.
    pub csr: Csr,
    /// Whom the certificate is for.
    pub holder: Holder,
    /// Another subject than the request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Name>,
    /// Alternative names besides those of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternative_names: Vec<GeneralName>,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestEvent {
    /// Which request.
    pub request: RequestKey,
    /// The revision that the event leads to, 1 for the first.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: RequestEventKind,
}

/// What happened to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RequestEventKind {
    /// It came. The first event.
    #[serde(rename = "submitted")]
    Submitted(Box<Submission>),
    /// Somebody said yes: a serial number was reserved for it.
    #[serde(rename = "granted")]
    Granted {
        /// The certificate's.
        serial: SerialNumber,
    },
    /// Somebody said no.
    #[serde(rename = "denied")]
    Denied {
        /// Why, for people.
        reason: String,
    },
    /// It was given up.
    #[serde(rename = "abandoned")]
    Abandoned,
}

impl Record for RequestRecord {
    type Event = RequestEvent;
    type Effect = NoEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &RequestEvent) -> Result<Self, ReplayError> {
        match &first.kind {
            RequestEventKind::Submitted(submission) if first.revision == Revision::FIRST => Ok(RequestRecord {
                format: Format,
                revision: first.revision,
                latest: first.at,
                submitted_at: first.at,
                submission: (**submission).clone(),
                state: RequestState::Pending,
                reason: None,
            }),
            _ => Err(ReplayError::NotThisRecord("no request begins with this event")),
        }
    }

    fn apply(&mut self, event: &RequestEvent) -> Result<(), ReplayError> {
        if event.request != self.submission.request {
            return Err(ReplayError::NotThisRecord("another request"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        if self.state != RequestState::Pending || matches!(event.kind, RequestEventKind::Submitted(_)) {
            return Err(ReplayError::NotThisRecord("it cannot happen to a request in this state"));
        }
        self.take(event);
        Ok(())
    }
}

impl RequestRecord {
    /// Keeps a request for a later verdict. `earlier` is the record of this transaction, the newest when there are several: the
    /// same request, sent again, changes nothing, whatever was decided about it.
    ///
    /// # Errors
    /// What [`Authority::reserve`] refuses is refused here; [`Refusal::TransactionTaken`] when the transaction is another key's;
    /// [`Error::Foreign`] when `earlier` is of another authority, tenant or transaction; [`Error::ClockBackwards`].
    pub fn submit(
        authority: &Authority,
        request: &IssuanceRequest<'_>,
        earlier: Option<&RequestRecord>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<Change<Self>, Error> {
        let key = request.key(provider)?;
        if let Some(earlier) = earlier {
            let found = &earlier.submission;
            if found.authority != *authority.id() {
                return Err(Error::Foreign("authority"));
            }
            if found.holder.tenant != request.holder.tenant {
                return Err(Error::Foreign("tenant"));
            }
            if found.request.transaction != key.transaction {
                return Err(Error::Foreign("transaction"));
            }
            if found.request.key != key.key {
                return Err(Refusal::TransactionTaken.into());
            }
            if found.request.renews == key.renews {
                return Ok(Change::none(earlier.clone()));
            }
        }
        let at = authority.check_request(request, now, provider)?;
        let submission = Submission {
            authority: authority.id().clone(),
            request: key.clone(),
            profile: request.profile.name.clone(),
            csr: (**request.csr).clone(),
            holder: request.holder.clone(),
            subject: request.subject.clone(),
            alternative_names: request.alternative_names.clone(),
        };
        let kind = RequestEventKind::Submitted(Box::new(submission));
        let event = RequestEvent { request: key, revision: Revision::FIRST, at, kind };
        let record = Self::begin(&event)?;
        Ok(Change::one(record, event, Vec::new()))
    }

    /// Somebody said yes: the certificate is reserved, and the request bears its serial number. Both changes, this one and
    /// [`Reserved::change`], are stored in one transaction. `profile` is that of the submission's name.
    ///
    /// Saying yes again changes nothing; `granted`, the record of the certificate, is then taken up where the host stopped.
    ///
    /// # Errors
    /// As [`Authority::reserve`]; [`Error::Request`] when it was denied or abandoned; [`Error::Foreign`] for another authority or
    /// another certificate; [`Error::Misuse`] for another profile, or when the certificate's record is missing.
    pub fn grant(
        &self,
        authority: &Authority,
        profile: &Profile,
        granted: Option<&CertificateRecord>,
        now: Timestamp,
        provider: &Provider,
    ) -> Result<(Change<Self>, Reserved), Error> {
        if self.submission.authority != *authority.id() {
            return Err(Error::Foreign("authority"));
        }
        match self.state {
            RequestState::Granted(serial) => {
                let record = granted.ok_or(Error::Misuse("the request is granted already: give the certificate's record"))?;
                if record.serial() != serial {
                    return Err(Error::Foreign("certificate"));
                }
                return Ok((Change::none(self.clone()), authority.resume(record, now, provider)?));
            }
            RequestState::Denied | RequestState::Abandoned => return Err(Error::Request(self.state)),
            RequestState::Pending => {}
        }
        if profile.name != self.submission.profile {
            return Err(Error::Misuse("the request was made for another profile"));
        }
        let csr = ProvenCsr::stored(self.submission.csr.clone());
        let Submission { request, holder, subject, alternative_names, .. } = &self.submission;
        let request = IssuanceRequest {
            csr: &csr,
            transaction: &request.transaction,
            profile,
            holder: holder.clone(),
            renews: request.renews,
            subject: subject.clone(),
            alternative_names: alternative_names.clone(),
        };
        let reserved = authority.reserve(&request, None, now, provider)?;
        let serial = reserved.record().serial();
        Ok((self.clone().then(RequestEventKind::Granted { serial }, now), reserved))
    }

    /// Somebody said no. `reason` is for people; who asks is told no more than that it was refused (`badRequest` over SCEP).
    /// Saying no again changes nothing.
    ///
    /// # Errors
    /// [`Error::Request`] when it was granted or abandoned.
    pub fn deny(&self, reason: impl Into<String>, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Pending => Ok(self.clone().then(RequestEventKind::Denied { reason: reason.into() }, now)),
            RequestState::Denied => Ok(Change::none(self.clone())),
            _ => Err(Error::Request(self.state)),
        }
    }

    /// The request is given up: its requester has gone, or nobody decided for too long. Doing so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Request`] when it was granted or denied.
    pub fn abandon(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Pending => Ok(self.clone().then(RequestEventKind::Abandoned, now)),
            RequestState::Abandoned => Ok(Change::none(self.clone())),
            _ => Err(Error::Request(self.state)),
        }
    }

    fn then(mut self, kind: RequestEventKind, now: Timestamp) -> Change<Self> {
        let request = self.submission.request.clone();
        let event = RequestEvent { request, revision: self.revision.next(), at: now.max(self.latest), kind };
        self.take(&event);
        Change::one(self, event, Vec::new())
    }

    fn take(&mut self, event: &RequestEvent) {
        self.revision = event.revision;
        self.latest = event.at;
        match &event.kind {
            RequestEventKind::Submitted(_) => {}
            RequestEventKind::Granted { serial } => self.state = RequestState::Granted(*serial),
            RequestEventKind::Denied { reason } => {
                self.state = RequestState::Denied;
                self.reason = Some(reason.clone());
            }
            RequestEventKind::Abandoned => self.state = RequestState::Abandoned,
        }
    }

    /// What is asked for.
    pub const fn submission(&self) -> &Submission {
        &self.submission
    }

    /// How it stands.
    pub const fn state(&self) -> RequestState {
        self.state
    }

    /// Why it was denied.
    pub fn denial(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// When it came.
    pub const fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }

    /// The moment of its latest event.
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }
}
