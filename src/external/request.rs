//! A request for a certificate that somebody else decides about, in his own time.

use serde::{Deserialize, Serialize};

use super::{Answer, Error, Issued, Job, Polling, Reference, RequestEffect, RequestEvent, RequestEventKind, RequestState};
use crate::ca::{Holder, Recorded};
use crate::id::{AuthorityId, Revision, text_id};
use crate::record::stored::Format;
use crate::record::{Change, Record, ReplayError};
use crate::time::Timestamp;
use crate::web;
use crate::x509::{Csr, RevocationReason};

text_id! {
    /// The host's name for one request, which it never uses again. It goes to the authority as a remark where there is room for one, so that a
    /// request whose answer was lost can be found.
    RequestId
}

/// What a request is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct Order {
    /// The host's name for it.
    pub id: RequestId,
    /// The configuration of the authority.
    pub authority: AuthorityId,
    /// The request for a certificate.
    pub csr: Csr,
    /// Whom the certificate is for.
    pub holder: Holder,
    /// Whether sending the request twice gives no second certificate. Where that is not known, it is not so.
    pub repeatable: bool,
    /// Whether the authority's interface can withdraw a pending request. Where it cannot, a certificate that comes after all is revoked.
    pub can_withdraw: bool,
}

/// The record of one request to an authority that is not ours.
///
/// ```text
///               sending            Accepted, Pending             Issued             delivered
///  place ─► Submitting ─► (sent) ───────────────────► Pending ───────────► Issued ───────────► (delivered)
///               │ ▲  │ withdraw          ┌──────────────┤ │                │   ▲
///      withdraw │ │  │                   │     withdraw │ │ Denied  revoke │   │ a certificate that
///   (unsent)    │ │  └──► Withdrawing ◄──┼──────────────┘ └────► Denied    │   │ nobody wants is
///               │ └ resubmit   │  │      │                                 ▼   │ revoked at once
///               │    Withdrawn,│  └──────┼─────── Issued ────────► PendingRevoke
///               ▼    Denied    ▼         │                                 │ Revoked
///           Withdrawn ◄────────┘         └ until ── ask again              ▼
///                                                                       Revoked
/// ```
///
/// An answer that comes twice, or late, changes nothing that it has changed before. What a host has to do is in [`CertificateRequest::job`] and
/// from when in [`CertificateRequest::due`], over which it keeps an index; the effects say the same the moment it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRequest {
    format: Format,
    order: Order,
    revision: Revision,
    latest: Timestamp,
    state: RequestState,
    reference: Option<Reference>,
    issued: Option<Issued>,
    delivered_at: Option<Timestamp>,
}

impl CertificateRequest {
    /// A new request.
    pub fn place(order: Order, now: Timestamp) -> Change<Self> {
        let kind = RequestEventKind::Ordered(Box::new(order.clone()));
        let record = Self::begun(order, now);
        let event = RequestEvent { id: record.order.id.clone(), revision: Revision::FIRST, at: now, kind };
        let effect = RequestEffect::Work { id: record.order.id.clone(), at: now };
        Change::one(record, event, vec![effect])
    }

    fn begun(order: Order, now: Timestamp) -> Self {
        CertificateRequest {
            format: Format,
            order,
            revision: Revision::FIRST,
            latest: now,
            state: RequestState::Submitting { sent: false, attempts: 0, until: now },
            reference: None,
            issued: None,
            delivered_at: None,
        }
    }

    /// What it is made of.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// Where it stands.
    pub fn state(&self) -> &RequestState {
        &self.state
    }

    /// What the authority calls it, once it does.
    pub fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The certificate, once it came.
    pub fn issued(&self) -> Option<&Issued> {
        self.issued.as_ref()
    }

    /// When the certificate was handed to whom it is for.
    pub fn delivered_at(&self) -> Option<Timestamp> {
        self.delivered_at
    }

    /// The certificate as [`CertificateRecord::record`](crate::ca::CertificateRecord::record) keeps it, in the lists beside those of this
    /// server's own authority.
    pub fn recorded(&self) -> Option<Recorded> {
        let Order { authority, holder, .. } = &self.order;
        let certificate = self.issued.as_ref()?.certificate().clone();
        Some(Recorded { authority: authority.clone(), own: None, certificate, holder: holder.clone() })
    }

    /// Whether the certificate ends within so many days, so that another is to be ordered (J24). False while there is none, and once it is
    /// to be revoked.
    pub fn is_renewal_due(&self, days: u16, now: Timestamp) -> bool {
        let end = self.issued.as_ref().map(|issued| issued.certificate().validity().not_after);
        self.state == RequestState::Issued && end.is_some_and(|end| now.plus_days(i64::from(days)) >= end)
    }

    /// What is to be done, once it is [due](CertificateRequest::due).
    pub fn job(&self) -> Option<Job> {
        match &self.state {
            RequestState::Submitting { sent, .. } => (!sent || self.order.repeatable).then_some(Job::Submit),
            RequestState::Pending { .. } => Some(Job::Poll),
            RequestState::Withdrawing { .. } if self.reference.is_none() => None,
            RequestState::Withdrawing { .. } => Some(if self.order.can_withdraw { Job::Withdraw } else { Job::Poll }),
            RequestState::PendingRevoke { taken, .. } => Some(if *taken { Job::CheckRevocation } else { Job::Revoke }),
            RequestState::Issued | RequestState::Denied { .. } | RequestState::Withdrawn | RequestState::Revoked => None,
        }
    }

    /// From when there is something to do; `None` when there is nothing, or nothing without a person.
    pub fn due(&self) -> Option<Timestamp> {
        self.job()?;
        match &self.state {
            RequestState::Submitting { until, .. }
            | RequestState::Pending { until, .. }
            | RequestState::Withdrawing { until, .. }
            | RequestState::PendingRevoke { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// The request is about to be sent: stored before it is.
    ///
    /// # Errors
    /// [`Error::Uncertain`] when it was sent before and may have arrived; [`Error::Step`] when it certainly did.
    pub fn sending(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Submitting { sent: true, .. } if !self.order.repeatable => Err(Error::Uncertain),
            RequestState::Submitting { .. } => Ok(self.then(RequestEventKind::Sent, now, Vec::new())),
            _ => Err(self.cannot("sent")),
        }
    }

    /// Somebody has looked at the authority: what was sent has not arrived. It is sent again.
    ///
    /// # Errors
    /// [`Error::Step`] when it is not in question.
    pub fn resubmit(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Submitting { sent: true, .. } => Ok(self.working(RequestEventKind::NotSent { until: now }, now)),
            _ => Err(self.cannot("sent again")),
        }
    }

    /// Takes an answer of the authority.
    ///
    /// # Errors
    /// [`Error::Step`] for an answer that contradicts what the authority said before, [`Error::SecondCertificate`], [`Error::Misuse`]
    /// for a first answer without a name for the request.
    pub fn answered(&self, answer: Answer, polling: &Polling, now: Timestamp) -> Result<Change<Self>, Error> {
        match answer {
            Answer::Accepted(reference) => self.accepted(Some(reference), true, polling, now),
            Answer::Pending { reference } => self.accepted(reference, false, polling, now),
            Answer::Issued(issued) => self.take(issued, now),
            Answer::Denied { reason } => self.denied(reason, now),
            Answer::Withdrawn => self.gone(now),
            Answer::RevocationPending => self.revocation_taken(polling, now),
            Answer::Revoked => self.revoked(now),
        }
    }

    fn accepted(
        &self,
        reference: Option<Reference>,
        is_ready: bool,
        polling: &Polling,
        now: Timestamp,
    ) -> Result<Change<Self>, Error> {
        let changed = reference.filter(|reference| Some(reference) != self.reference.as_ref());
        let asked = match self.state {
            RequestState::Submitting { .. } if changed.is_none() => {
                return Err(Error::Misuse("the first answer of an authority gives the request a name"));
            }
            RequestState::Submitting { .. } => 0,
            RequestState::Pending { polls, .. } => polls,
            RequestState::Withdrawing { attempts, .. } => attempts,
            // It says less than is known.
            RequestState::Issued | RequestState::PendingRevoke { .. } | RequestState::Revoked => {
                return Ok(Change::none(self.clone()));
            }
            RequestState::Withdrawn | RequestState::Denied { .. } => return Err(self.cannot("pending")),
        };
        // The same name again is no news: it does not make the server ask in a circle.
        let until = if is_ready && changed.is_some() { now } else { polling.next(asked, None, &self.order.id, now) };
        Ok(self.working(RequestEventKind::Pending { reference: changed, until }, now))
    }

    fn take(&self, issued: Issued, now: Timestamp) -> Result<Change<Self>, Error> {
        if issued.certificate().public_key() != self.order.csr.public_key() {
            return Err(Error::OtherKey);
        }
        match (&self.state, &self.issued) {
            (_, Some(ours)) if *ours == issued => Ok(Change::none(self.clone())),
            (_, Some(_)) => Err(Error::SecondCertificate),
            (RequestState::Submitting { .. } | RequestState::Pending { .. }, None) => {
                let deliver = RequestEffect::Deliver { id: self.order.id.clone() };
                Ok(self.then(RequestEventKind::Issued(Box::new(issued)), now, vec![deliver]))
            }
            // A certificate that nobody wants must not stay in force.
            (RequestState::Withdrawing { .. } | RequestState::Withdrawn, None) => {
                let came = self.then(RequestEventKind::Issued(Box::new(issued)), now, Vec::new());
                let reason = RevocationReason::CessationOfOperation;
                Ok(came.and_then(|record| record.revoking(reason, now)))
            }
            _ => Err(self.cannot("issued")),
        }
    }

    fn denied(&self, reason: String, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Submitting { .. } | RequestState::Pending { .. } => {
                let tell = self.tell(format!("the authority denies the request: {reason}"));
                Ok(self.then(RequestEventKind::Denied { reason }, now, vec![tell]))
            }
            RequestState::Withdrawing { .. } => Ok(self.then(RequestEventKind::Withdrawn, now, Vec::new())),
            RequestState::Denied { .. } | RequestState::Withdrawn => Ok(Change::none(self.clone())),
            RequestState::Issued | RequestState::PendingRevoke { .. } | RequestState::Revoked => Err(self.cannot("denied")),
        }
    }

    fn gone(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Withdrawing { .. } => Ok(self.then(RequestEventKind::Withdrawn, now, Vec::new())),
            RequestState::Submitting { .. } | RequestState::Pending { .. } => {
                let tell = self.tell("the request was withdrawn at the authority".to_owned());
                Ok(self.then(RequestEventKind::Withdrawn, now, vec![tell]))
            }
            RequestState::Withdrawn | RequestState::Denied { .. } => Ok(Change::none(self.clone())),
            RequestState::Issued | RequestState::PendingRevoke { .. } | RequestState::Revoked => Err(self.cannot("withdrawn")),
        }
    }

    fn revocation_taken(&self, polling: &Polling, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::PendingRevoke { attempts, .. } => {
                let until = polling.next(attempts, None, &self.order.id, now);
                Ok(self.working(RequestEventKind::RevocationTaken { until }, now))
            }
            RequestState::Revoked => Ok(Change::none(self.clone())),
            _ => Err(self.cannot("revoked")),
        }
    }

    fn revoked(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        let confirm = RequestEffect::ConfirmRevocation { id: self.order.id.clone() };
        match self.state {
            RequestState::PendingRevoke { .. } => Ok(self.then(RequestEventKind::Revoked, now, vec![confirm])),
            // Somebody has revoked it at the authority.
            RequestState::Issued => Ok(self.then(RequestEventKind::Revoked, now, vec![self.end_access(), confirm])),
            RequestState::Revoked => Ok(Change::none(self.clone())),
            // There was a certificate, and it never came.
            _ => self.denied("the certificate was revoked before it came".to_owned(), now),
        }
    }

    /// Notes that a call came to nothing: its error, and from when to try again. What went wrong in a way that waiting does not mend is
    /// told to the operator as well.
    ///
    /// # Errors
    /// [`Error::Step`] when there was nothing to call for.
    pub fn failed(&self, error: &Error, polling: &Polling, now: Timestamp) -> Result<Change<Self>, Error> {
        let asked = match self.state {
            RequestState::Submitting { attempts, .. }
            | RequestState::Withdrawing { attempts, .. }
            | RequestState::PendingRevoke { attempts, .. } => attempts,
            RequestState::Pending { polls, .. } => polls,
            _ => return Err(self.cannot("called for")),
        };
        let retry_after = match error {
            Error::Web(error) => web::Error::retry_after(error),
            _ => None,
        };
        let until = polling.next(asked, retry_after, &self.order.id, now);
        let is_unsent = matches!(self.state, RequestState::Submitting { .. }) && error.is_certain();
        let kind = if is_unsent { RequestEventKind::NotSent { until } } else { RequestEventKind::Deferred { until } };
        let mut change = self.working(kind, now);
        if !error.is_temporary() || change.record.job().is_none() {
            change.effects.push(self.tell(error.to_string()));
        }
        Ok(change)
    }

    /// Nobody wants the certificate any more. A request that was not sent is gone at once. A certificate that is here is revoked
    /// instead ([`CertificateRequest::revoke`]).
    ///
    /// # Errors
    /// [`Error::Step`] once it is issued or denied.
    pub fn withdraw(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Submitting { sent: false, .. } => Ok(self.then(RequestEventKind::Withdrawn, now, Vec::new())),
            RequestState::Submitting { .. } | RequestState::Pending { .. } => {
                Ok(self.working(RequestEventKind::WithdrawalAsked, now))
            }
            RequestState::Withdrawing { .. } | RequestState::Withdrawn => Ok(Change::none(self.clone())),
            _ => Err(self.cannot("withdrawn")),
        }
    }

    /// Somebody is sure that no certificate will come of a request that is being withdrawn: it is asked about no longer.
    ///
    /// # Errors
    /// [`Error::Step`] when it is not being withdrawn.
    pub fn give_up(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match self.state {
            RequestState::Withdrawing { .. } => Ok(self.then(RequestEventKind::Withdrawn, now, Vec::new())),
            _ => Err(self.cannot("given up")),
        }
    }

    /// The certificate is not to be believed any more: access ends now, and the authority is asked to revoke it.
    ///
    /// # Errors
    /// [`Error::Step`] when there is no certificate; [`Error::Misuse`] for a reason that is not for a device's certificate.
    pub fn revoke(&self, reason: RevocationReason, now: Timestamp) -> Result<Change<Self>, Error> {
        if matches!(
            reason,
            RevocationReason::CertificateHold
                | RevocationReason::RemoveFromCrl
                | RevocationReason::CaCompromise
                | RevocationReason::AaCompromise
        ) {
            return Err(Error::Misuse("this reason is not one for which a device's certificate is revoked"));
        }
        match self.state {
            RequestState::Issued => Ok(self.revoking(reason, now)),
            RequestState::PendingRevoke { .. } | RequestState::Revoked => Ok(Change::none(self.clone())),
            _ => Err(self.cannot("revoked")),
        }
    }

    fn revoking(&self, reason: RevocationReason, now: Timestamp) -> Change<Self> {
        let mut change = self.working(RequestEventKind::RevocationAsked { reason }, now);
        change.effects.push(self.end_access());
        change
    }

    /// The certificate was handed to whom it is for. Saying so again changes nothing.
    ///
    /// # Errors
    /// [`Error::Step`] when there is none, or it is to be revoked.
    pub fn delivered(&self, now: Timestamp) -> Result<Change<Self>, Error> {
        match (&self.state, self.delivered_at) {
            (_, Some(_)) => Ok(Change::none(self.clone())),
            (RequestState::Issued, None) => Ok(self.then(RequestEventKind::Delivered, now, Vec::new())),
            _ => Err(self.cannot("delivered")),
        }
    }

    /// As [`Self::then`], with the work that is there now.
    fn working(&self, kind: RequestEventKind, now: Timestamp) -> Change<Self> {
        let mut change = self.then(kind, now, Vec::new());
        if let Some(at) = change.record.due() {
            change.effects.push(RequestEffect::Work { id: self.order.id.clone(), at });
        }
        change
    }

    /// The record after one more event, which the caller knows to fit. The clock never runs backwards within a record.
    fn then(&self, kind: RequestEventKind, now: Timestamp, effects: Vec<RequestEffect>) -> Change<Self> {
        let at = now.max(self.latest);
        let event = RequestEvent { id: self.order.id.clone(), revision: self.revision.next(), at, kind };
        let mut record = self.clone();
        record.follow(&event);
        Change::one(record, event, effects)
    }

    fn follow(&mut self, event: &RequestEvent) {
        (self.revision, self.latest) = (event.revision, event.at);
        match &event.kind {
            RequestEventKind::Ordered(_) => {}
            RequestEventKind::Issued(issued) => self.issued = Some((**issued).clone()),
            RequestEventKind::Delivered => self.delivered_at = Some(event.at),
            RequestEventKind::Pending { reference: Some(reference), .. } => self.reference = Some(reference.clone()),
            _ => {}
        }
        if let Some(next) = self.next(&event.kind, event.at) {
            self.state = next;
        }
    }

    /// The state that an event leads to; `None` when it leads to no other, or cannot happen in this one.
    fn next(&self, kind: &RequestEventKind, at: Timestamp) -> Option<RequestState> {
        use RequestEventKind as E;
        use RequestState as S;
        Some(match (&self.state, kind) {
            (S::Submitting { attempts, until, .. }, E::Sent) => {
                S::Submitting { sent: true, attempts: *attempts, until: *until }
            }
            (S::Submitting { attempts, .. }, E::NotSent { until }) => {
                S::Submitting { sent: false, attempts: attempts.saturating_add(1), until: *until }
            }
            (S::Submitting { sent, attempts, .. }, E::Deferred { until }) => {
                S::Submitting { sent: *sent, attempts: attempts.saturating_add(1), until: *until }
            }
            (S::Submitting { .. }, E::Pending { until, .. }) => S::Pending { polls: 1, until: *until },
            (S::Pending { polls, .. }, E::Pending { until, .. } | E::Deferred { until }) => {
                S::Pending { polls: polls.saturating_add(1), until: *until }
            }
            (S::Withdrawing { attempts, .. }, E::Pending { until, .. } | E::Deferred { until }) => {
                S::Withdrawing { attempts: attempts.saturating_add(1), until: *until }
            }
            (S::Submitting { .. } | S::Pending { .. } | S::Withdrawing { .. } | S::Withdrawn, E::Issued(_)) => S::Issued,
            (S::Submitting { .. } | S::Pending { .. }, E::Denied { reason }) => S::Denied { reason: reason.clone() },
            (S::Submitting { .. } | S::Pending { .. }, E::WithdrawalAsked) => S::Withdrawing { attempts: 0, until: at },
            (S::Submitting { .. } | S::Pending { .. } | S::Withdrawing { .. }, E::Withdrawn) => S::Withdrawn,
            (S::Issued, E::RevocationAsked { reason }) => {
                S::PendingRevoke { reason: *reason, since: at, taken: false, attempts: 0, until: at }
            }
            (S::PendingRevoke { reason, since, taken, attempts, .. }, E::RevocationTaken { .. } | E::Deferred { .. }) => {
                let (taken, until) = match kind {
                    E::RevocationTaken { until } => (true, *until),
                    E::Deferred { until } => (*taken, *until),
                    _ => return None,
                };
                S::PendingRevoke { reason: *reason, since: *since, taken, attempts: attempts.saturating_add(1), until }
            }
            (S::PendingRevoke { .. } | S::Issued, E::Revoked) => S::Revoked,
            (S::Issued, E::Delivered) => S::Issued,
            _ => return None,
        })
    }

    fn tell(&self, what: String) -> RequestEffect {
        RequestEffect::Tell { id: self.order.id.clone(), what }
    }

    fn end_access(&self) -> RequestEffect {
        RequestEffect::EndAccess { id: self.order.id.clone(), holder: self.order.holder.clone() }
    }

    #[cold]
    fn cannot(&self, attempted: &'static str) -> Error {
        Error::Step { from: self.state.clone(), attempted }
    }
}

impl Record for CertificateRequest {
    type Event = RequestEvent;
    type Effect = RequestEffect;

    fn revision(&self) -> Revision {
        self.revision
    }

    fn begin(first: &RequestEvent) -> Result<Self, ReplayError> {
        match &first.kind {
            RequestEventKind::Ordered(order) if first.revision == Revision::FIRST && order.id == first.id => {
                Ok(Self::begun((**order).clone(), first.at))
            }
            _ => Err(ReplayError::NotThisRecord("no request begins with this event")),
        }
    }

    fn apply(&mut self, event: &RequestEvent) -> Result<(), ReplayError> {
        if event.id != self.order.id {
            return Err(ReplayError::NotThisRecord("another request"));
        }
        if event.revision != self.revision.next() {
            return Err(ReplayError::OutOfOrder { at: self.revision, found: event.revision });
        }
        if self.next(&event.kind, event.at).is_none() {
            return Err(ReplayError::NotThisRecord("it cannot happen to a request in this state"));
        }
        self.follow(event);
        Ok(())
    }
}
