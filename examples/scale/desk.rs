//! What a host offers to a decision, and the books about it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mdm_core::record::{Change, Record};

use crate::Result;
use crate::store::Stored;

/// One transaction of a host.
pub trait Desk {
    fn load<R: Stored>(&mut self, key: &str) -> Result<Option<R>>;
    /// The newest record with this second key.
    fn load_alias<R: Stored>(&mut self, alias: &str) -> Result<Option<R>>;
    /// The records of an owner that are still to be looked at, in the order of their place.
    fn open<R: Stored>(&mut self, owner: &str) -> Result<Vec<R>>;
    /// Stores record and events, provided that the stored record is the one that was decided on.
    fn keep<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<()>;
    fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<()>;
    fn linked(&mut self, kind: &str, value: &str) -> Result<Option<String>>;
    /// A number above all before.
    fn number(&mut self) -> Result<u64>;
}

/// A host.
pub trait Host {
    type Desk<'a>: Desk;

    fn name(&self) -> &'static str;

    /// Runs a decision in one transaction.
    fn decide<T>(&mut self, decision: impl FnMut(&mut Self::Desk<'_>) -> Result<T>) -> Result<T>;

    /// Shows every record under an owner.
    fn each<R: Stored>(&mut self, owner: &str, show: impl FnMut(R) -> Result<()>) -> Result<()>;

    /// What it has stored in the end.
    fn stored(&mut self, tally: &Tally) -> Result<Vec<StoredKind>>;
}

/// What is stored of one kind.
pub struct StoredKind {
    pub kind: String,
    pub rows: u64,
    /// Of them all: JSON, keys and columns.
    pub bytes: u64,
    /// What a database takes for them with everything, and what of it is indexes.
    pub on_disk: Option<(u64, u64)>,
}

/// What one kind of message has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub messages: u64,
    pub transactions: u64,
    pub reads: u64,
    pub writes: u64,
    pub time: Duration,
}

/// The books.
#[derive(Default)]
pub struct Tally {
    /// By message, in the order in which each came first.
    pub messages: Vec<(&'static str, Cost)>,
    /// Events by the kind of their record: how many, and their bytes as JSON.
    pub events: BTreeMap<&'static str, (u64, u64)>,
}

impl Tally {
    /// Books all that the work does on this message.
    pub fn message<T>(&mut self, message: &'static str, work: impl FnOnce(&mut Book<'_>) -> Result<T>) -> Result<T> {
        let place = self.messages.iter().position(|(found, _)| *found == message).unwrap_or_else(|| {
            self.messages.push((message, Cost::default()));
            self.messages.len() - 1
        });
        let begun = Instant::now();
        let Tally { messages, events } = self;
        let cost = &mut messages[place].1;
        let outcome = work(&mut Book { cost, events });
        cost.messages += 1;
        cost.time += begun.elapsed();
        outcome
    }

    /// What does not depend on the machine.
    pub fn counts(&self) -> Vec<(&'static str, [u64; 4])> {
        self.messages
            .iter()
            .map(|(message, cost)| (*message, [cost.messages, cost.transactions, cost.reads, cost.writes]))
            .collect()
    }
}

/// The page of one message.
pub struct Book<'a> {
    cost: &'a mut Cost,
    events: &'a mut BTreeMap<&'static str, (u64, u64)>,
}

impl Book<'_> {
    /// Runs a decision at a host. Overtaken nobody is: there is one thread.
    pub fn decide<H: Host, T>(
        &mut self,
        host: &mut H,
        mut decision: impl FnMut(&mut Booked<'_, H::Desk<'_>>) -> Result<T>,
    ) -> Result<T> {
        self.cost.transactions += 1;
        host.decide(|desk| decision(&mut Booked { desk, cost: self.cost, events: self.events }))
    }
}

/// A transaction whose reads and writes are counted: a record, a link or an event is one.
pub struct Booked<'a, D> {
    desk: &'a mut D,
    cost: &'a mut Cost,
    events: &'a mut BTreeMap<&'static str, (u64, u64)>,
}

impl<D: Desk> Desk for Booked<'_, D> {
    fn load<R: Stored>(&mut self, key: &str) -> Result<Option<R>> {
        self.cost.reads += 1;
        self.desk.load(key)
    }

    fn load_alias<R: Stored>(&mut self, alias: &str) -> Result<Option<R>> {
        self.cost.reads += 1;
        self.desk.load_alias(alias)
    }

    fn open<R: Stored>(&mut self, owner: &str) -> Result<Vec<R>> {
        let found = self.desk.open(owner)?;
        self.cost.reads += found.len().max(1) as u64;
        Ok(found)
    }

    fn keep<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<()> {
        if change.events.is_empty() {
            return Ok(());
        }
        self.cost.writes += 1 + change.events.len() as u64;
        let (count, bytes) = self.events.entry(R::KIND).or_default();
        for event in &change.events {
            *count += 1;
            *bytes += serde_json::to_vec(event)?.len() as u64;
        }
        self.desk.keep(change)
    }

    fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<()> {
        self.cost.writes += 1;
        self.desk.link(kind, value, key)
    }

    fn linked(&mut self, kind: &str, value: &str) -> Result<Option<String>> {
        self.cost.reads += 1;
        self.desk.linked(kind, value)
    }

    fn number(&mut self) -> Result<u64> {
        self.desk.number()
    }
}
