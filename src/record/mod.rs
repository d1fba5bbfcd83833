//! Records, the events that make them, and decisions about them: the one shape of `ca`, `push` and `enrollment`.
//!
//! Owns what a host needs to store any of them with one function: [`Record`], which every state machine of the crate implements,
//! [`Change`], which every decision gives, and [`LogHead`], by which a log shows that nothing in it was changed. Refuses events that do
//! not follow, so that a log that was mixed up is noticed and never makes a wrong record. What the records mean is not known here.
//!
//! ```
//! use mdm_core::record::{Change, Record};
//!
//! /// One transaction of the host's database.
//! trait Transaction {
//!     /// Fails when the stored revision is another than the expected one; `None` when there must be no such record yet.
//!     fn put(&mut self, json: String, expected: Option<u64>) -> Result<(), String>;
//!     fn append(&mut self, json: String) -> Result<(), String>;
//! }
//!
//! fn store<R: Record>(change: &Change<R>, transaction: &mut impl Transaction) -> Result<(), String> {
//!     let text = |error: serde_json::Error| error.to_string();
//!     if change.is_empty() {
//!         return Ok(());
//!     }
//!     let expected = change.expected().map(mdm_core::id::Revision::get);
//!     transaction.put(serde_json::to_string(&change.record).map_err(text)?, expected)?;
//!     change.events.iter().try_for_each(|event| transaction.append(serde_json::to_string(event).map_err(text)?))
//! }
//! ```

mod log;
pub(crate) mod stored;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::id::Revision;

pub use log::LogHead;

/// A state machine that is stored as one record and remembered as the series of its events.
///
/// ```text
///   begin(first event) ──► record ── apply(event) ──► record ── apply(event) ──► ...
///                            └── a decision ──► Change: the events, and the record that they make
/// ```
pub trait Record: Clone + Serialize + DeserializeOwned {
    /// What happens to it.
    type Event: Clone + Serialize + DeserializeOwned;
    /// What a host must do because of it, after it is stored.
    type Effect: Clone + Serialize + DeserializeOwned;

    /// How often it has been changed; what a host compares before it overwrites.
    fn revision(&self) -> Revision;

    /// The record that the first event of a series makes.
    ///
    /// # Errors
    /// [`ReplayError::NotThisRecord`] when no series begins with this event.
    fn begin(first: &Self::Event) -> Result<Self, ReplayError>;

    /// Takes one more event in.
    ///
    /// # Errors
    /// [`ReplayError`]; the record is as it was then.
    fn apply(&mut self, event: &Self::Event) -> Result<(), ReplayError>;

    /// The record that a whole series makes.
    ///
    /// # Errors
    /// As [`Record::begin`] and [`Record::apply`]; [`ReplayError::NotThisRecord`] for an empty series.
    fn replay<'a>(events: impl IntoIterator<Item = &'a Self::Event>) -> Result<Self, ReplayError>
    where
        Self::Event: 'a,
    {
        let mut events = events.into_iter();
        let mut record = Self::begin(events.next().ok_or(ReplayError::NotThisRecord("there is no event"))?)?;
        events.try_for_each(|event| record.apply(event))?;
        Ok(record)
    }
}

/// The outcome of a decision about one record.
///
/// A host stores the record, the events and the effects in one transaction of its own, provided that the stored record still
/// has the revision the decision was made on ([`Change::expected`]). Then, and not before, it carries the effects out. Each of them
/// may be carried out twice without harm.
///
/// ```text
///   record + input + now ──decide──► Change ──store──► effects ──► outside world
///                                      │                  ▲
///                                      └── crash ── read the stored effects again
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing has happened until the change is stored"]
#[non_exhaustive]
pub struct Change<R: Record> {
    /// The record as it is now.
    pub record: R,
    /// What happened, in order. Empty when the decision was that nothing changes; the record need not be stored then.
    pub events: Vec<R::Event>,
    /// What must be done now that it happened, in order.
    pub effects: Vec<R::Effect>,
}

impl<R: Record> Change<R> {
    /// Nothing changes.
    pub(crate) fn none(record: R) -> Self {
        Change { record, events: Vec::new(), effects: Vec::new() }
    }

    /// One event, and what follows from it.
    pub(crate) fn one(record: R, event: R::Event, effects: Vec<R::Effect>) -> Self {
        Change { record, events: vec![event], effects }
    }

    /// This change, and what is decided on its record: both are stored at once.
    pub fn and_then(self, next: impl FnOnce(R) -> Change<R>) -> Self {
        let Change { record, mut events, mut effects } = self;
        let next = next(record);
        events.extend(next.events);
        effects.extend(next.effects);
        Change { record: next.record, events, effects }
    }

    /// Whether nothing happened and nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.effects.is_empty()
    }

    /// The revision that the stored record must have for this change to be stored; `None` when the record must not exist yet.
    pub fn expected(&self) -> Option<Revision> {
        self.record.revision().before(self.events.len())
    }
}

/// The effects of a record that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing to add")]
pub enum NoEffect {}

/// Why an event does not make or change a record: the log was mixed up, or the record was changed by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It does not follow the record's last event.
    #[error("the event leads to revision {found}, the record is at {at}", found = .found.get(), at = .at.get())]
    OutOfOrder {
        /// The revision of the record.
        at: Revision,
        /// The revision that the event leads to.
        found: Revision,
    },
    /// It does not fit: another record's, or one that no decision can have made.
    #[error("the event does not belong to this record ({0})")]
    NotThisRecord(&'static str),
}
