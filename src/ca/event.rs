//! What happened, what must happen next, and the two together as the outcome of a decision.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{CrlScope, Error, Holder, Notice};
use crate::id::Revision;
use crate::x509::SerialNumber;

/// A state machine that is stored as one record and remembered as the series of its events.
///
/// Implemented by [`Authority`](super::Authority) and [`CertificateRecord`](super::CertificateRecord); the trait is there so that
/// a host writes its storing function once.
pub trait Record: Clone + Serialize + DeserializeOwned {
    /// What happens to it.
    type Event: Clone + Serialize + DeserializeOwned;

    /// How often it has been changed; what a host compares before it overwrites.
    fn revision(&self) -> Revision;

    /// The record that the first event of a series makes.
    ///
    /// # Errors
    /// [`Error::NotThisRecord`] when no series begins with this event.
    fn begin(first: &Self::Event) -> Result<Self, Error>;

    /// Takes one more event in.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] or [`Error::NotThisRecord`]; the record is as it was then.
    fn apply(&mut self, event: &Self::Event) -> Result<(), Error>;

    /// The record that a whole series makes.
    ///
    /// # Errors
    /// As [`Record::begin`] and [`Record::apply`]; [`Error::NotThisRecord`] for an empty series.
    fn replay<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Result<Self, Error>
    where
        Self::Event: 'a,
    {
        let mut events = events.into_iter();
        let mut record = Self::begin(events.next().ok_or(Error::NotThisRecord("there is no event"))?)?;
        events.try_for_each(|event| record.apply(event))?;
        Ok(record)
    }
}

/// The outcome of a decision.
///
/// A host stores the record, the events and the effects in one transaction of its own, provided that the stored record still
/// has the revision the decision was made on ([`Change::expected`]). Then, and not before, it carries the effects out.
///
/// ```text
///   record + input + now ──decide──► Change ──store──► effects ──► outside world
///                                      │                  ▲
///                                      └── crash ── read the stored effects again
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing has happened until the change is stored"]
pub struct Change<R: Record> {
    /// The record as it is now.
    pub record: R,
    /// What happened, in order. Empty when the decision was that nothing changes.
    pub events: Vec<R::Event>,
    /// What must be done now that it happened, in order. Each may be done twice without harm.
    pub effects: Vec<Effect>,
}

impl<R: Record> Change<R> {
    /// Nothing changes.
    pub(super) fn none(record: R) -> Self {
        Change { record, events: Vec::new(), effects: Vec::new() }
    }

    /// This change, and what is decided on its record.
    pub(super) fn and_then(self, next: impl FnOnce(R) -> Change<R>) -> Self {
        let Change { record, mut events, mut effects } = self;
        let next = next(record);
        events.extend(next.events);
        effects.extend(next.effects);
        Change { record: next.record, events, effects }
    }

    /// The revision that the stored record must have for this change to be stored; `None` when the record must not exist yet.
    pub fn expected(&self) -> Option<Revision> {
        self.record.revision().before(self.events.len())
    }
}

/// What a host must do once a change is stored. Every effect may be repeated: after a crash, a host carries out again what it
/// does not know to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle every effect")]
pub enum Effect {
    /// Have the authority's own next certificate signed: [`Authority::to_be_signed`](super::Authority::to_be_signed).
    #[serde(rename = "sign-authority")]
    SignAuthority,
    /// Have a reserved certificate signed: [`Authority::resume`](super::Authority::resume).
    #[serde(rename = "sign")]
    Sign {
        /// Which one.
        serial: SerialNumber,
    },
    /// Hand the certificate to its requester, then store [`CertificateRecord::delivered`](super::CertificateRecord::delivered). A
    /// requester that asks again gets it by asking.
    #[serde(rename = "deliver")]
    Deliver {
        /// Which one.
        serial: SerialNumber,
    },
    /// Stop talking with the device that holds the certificate, and write a line into the server's log (J10).
    #[serde(rename = "end-access")]
    EndAccess {
        /// Which certificate.
        serial: SerialNumber,
        /// Whose it is.
        holder: Holder,
    },
    /// Talk again with the device that holds the certificate: its hold was released.
    #[serde(rename = "restore-access")]
    RestoreAccess {
        /// Which certificate.
        serial: SerialNumber,
        /// Whose it is.
        holder: Holder,
    },
    /// Ask the authority that issued the certificate, which is not this one, to revoke it; then store
    /// [`CertificateRecord::revocation_confirmed`](super::CertificateRecord::revocation_confirmed).
    #[serde(rename = "ask-revocation")]
    AskRevocation {
        /// Which one.
        serial: SerialNumber,
    },
    /// The revocation list is out of date: plan a new one soon. A host that gathers several of these plans one list for all.
    #[serde(rename = "refresh-crl")]
    RefreshCrl {
        /// Which list.
        scope: CrlScope,
    },
    /// Tell the operator: the line that [`Notice`] displays.
    #[serde(rename = "notify")]
    Notify(Notice),
}
