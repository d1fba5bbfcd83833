//! The host's database: records as JSON with their revision, events in order.
//!
//! Everything that belongs to one decision is stored or nothing of it, and a record is only replaced when the stored revision is
//! the one that was read. That is all a host has to do to be safe against crashes, against itself, and against its other nodes.
//!
//! ```text
//!  Store::decide ─► Batch, View: what is asked, in SQL, once ─► Transaction ─┬─► sqlite.rs     one file, decisions one after another
//!                                                                            └─► postgres.rs   many nodes, decisions side by side
//! ```
//!
//! | two decisions about the same at once | in SQLite | in PostgreSQL |
//! |---|---|---|
//! | both inside [`Store::decide`] | the second waits, and reads what the first has stored | the slower is overtaken, and runs again |
//! | one was made on what an earlier transaction has read | [`Error::Conflict`]: its caller decides anew | the same |
//!
//! So a decision may run several times, and must leave nothing behind but what it tells its [`Batch`].

mod postgres;
mod sqlite;
mod view;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mdm_core::id::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::postgres::Postgres;
use self::sqlite::Sqlite;

pub use self::postgres::Address;
pub use self::view::{Batch, View};

/// A record of the core, as this host keeps it.
pub trait Stored: Serialize + DeserializeOwned {
    /// The column that tells records apart.
    const KIND: &'static str;

    /// What finds it again.
    fn key(&self) -> String;

    /// How often it has been changed.
    fn revision(&self) -> Revision;

    /// What it is listed under: the tenant of a push certificate, the enrollment of a command.
    fn owner(&self) -> String {
        String::new()
    }

    /// A second key, which need not be unique: the transaction behind a certificate.
    fn alias(&self) -> Option<String> {
        None
    }

    /// Its place among those of its owner that are still to be looked at; `None` when it is done with.
    fn place(&self) -> Option<Vec<u8>> {
        None
    }
}

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record is another than the one that the change was decided on; the caller decides again on what is stored now.
    #[error("the record {0} was changed by another request")]
    Conflict(String),
    /// Others were faster each time.
    #[error("database: other requests were faster {0} times")]
    Overtaken(u32),
    /// The decision was made and could not be brought to the disk: it did not happen.
    #[error("database: nothing was stored: {0}")]
    NotStored(Arc<str>),
    /// The connection was lost over the commit.
    #[error("database: nobody knows whether this was stored: {0}")]
    Unknown(String),
    /// It is away, full, or must not be written.
    #[error("database: {0}")]
    Unavailable(String),
    /// A text that has no place in it, such as a key of kilobytes: whoever sent it is told.
    #[error("this cannot be stored: {0}")]
    Unfit(String),
    /// Anything else, which does not pass by itself.
    #[error("database: {0}")]
    Database(String),
    /// A stored record that this version cannot read.
    #[error("stored record {key}: {source}")]
    Encoding {
        /// Which one.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether the same request may come again and get through: another one was faster, the disk is full, the database is away.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Error::Unfit(_) | Error::Database(_) | Error::Encoding { .. })
    }
}

/// An error and what is behind it: what PostgreSQL has said, or a TLS alert, is in the last of them.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Where a host keeps everything.
pub enum Place {
    /// A file of SQLite, and the mebibytes that it may take; 0 for no bound but the disk's.
    File(PathBuf, u32),
    /// A database of PostgreSQL.
    Postgres(Box<Address>),
}

/// What stands in a statement for `?1`, `?2`, ...
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Octets(Option<&'a [u8]>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(Some(text))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Value::Octets(Some(octets))
    }
}

/// One value of a row.
#[derive(Debug)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
    Octets(Vec<u8>),
}

/// A row that was found.
#[derive(Debug)]
pub(super) struct Row(Vec<Option<Cell>>);

impl Row {
    fn cell(&mut self, column: usize) -> Option<Cell> {
        self.0.get_mut(column).and_then(Option::take)
    }

    fn text(&mut self, column: usize) -> Result<String, Error> {
        match self.cell(column) {
            Some(Cell::Text(text)) => Ok(text),
            other => Err(Error::Database(format!("column {column} is no text: {other:?}"))),
        }
    }

    fn number(&mut self, column: usize) -> Result<i64, Error> {
        match self.cell(column) {
            Some(Cell::Number(number)) => Ok(number),
            other => Err(Error::Database(format!("column {column} is no number: {other:?}"))),
        }
    }

    fn octets(&mut self, column: usize) -> Result<Vec<u8>, Error> {
        match self.cell(column) {
            Some(Cell::Octets(octets)) => Ok(octets),
            other => Err(Error::Database(format!("column {column} has no octets: {other:?}"))),
        }
    }
}

/// What runs in one transaction of a database. Statements are written for both: `?1` and so on, and no word that only one knows.
pub(super) trait Transaction {
    fn rows(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error>;

    /// Says how many rows it has written.
    fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Error>;

    /// A number above every number that was given before.
    fn next_number(&self) -> Result<i64, Error>;
}

/// All that this server asks of a database.
trait Database: Send + Sync {
    /// Runs a decision in a transaction, once more for each time that it was overtaken. It says whether what it did is to be kept.
    fn decide(&self, decision: &mut dyn FnMut(&dyn Transaction) -> bool) -> Result<(), Error>;

    /// Shows what is stored at one moment.
    fn read(&self, look: &mut dyn FnMut(&dyn Transaction)) -> Result<(), Error>;

    /// Keeps other nodes from what has this name, until what this gives is dropped or the node dies; `None` when another node does.
    fn hold(&self, name: &str) -> Result<Option<Box<dyn Hold>>, Error>;
}

/// What keeps other nodes away.
trait Hold: Send {
    /// Whether it still does.
    fn holds(&self) -> bool;
}

/// The open database.
pub struct Store {
    database: Box<dyn Database>,
    leased: Names,
}

type Names = Arc<Mutex<HashSet<String>>>;

fn lock(names: &Names) -> MutexGuard<'_, HashSet<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Opens the database, making its tables when there are none.
    pub fn open(place: &Place) -> Result<Store, Error> {
        match place {
            Place::File(path, max_mib) => Store::open_file(path, *max_mib),
            Place::Postgres(address) => Ok(Store::over(Postgres::open(address)?)),
        }
    }

    /// Opens a file of SQLite.
    pub fn open_file(path: &Path, max_mib: u32) -> Result<Store, Error> {
        Ok(Store::over(Sqlite::open(path, max_mib)?))
    }

    fn over(database: impl Database + 'static) -> Store {
        Store { database: Box::new(database), leased: Names::default() }
    }

    /// Runs one decision. When it fails, nothing of it is stored; when it returns, all of it is on the disk. When another request was
    /// faster it is run again, on what is stored then.
    pub fn decide<T, E: From<Error>>(&self, mut decision: impl FnMut(&mut Batch<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut outcome = None;
        self.database.decide(&mut |transaction| {
            let mut batch = Batch::new(transaction);
            let decided = decision(&mut batch);
            let keep = decided.is_ok();
            outcome = Some(decided.map(|decided| (decided, batch.into_lines())));
            keep
        })?;
        let (decided, lines) = outcome.unwrap_or_else(|| Err(Error::NotStored("the decision was not run".into()).into()))?;
        lines.iter().for_each(|line| eprintln!("{line}"));
        Ok(decided)
    }

    /// Looks at what is stored, beside those who decide.
    pub fn read<T, E: From<Error>>(&self, look: impl FnOnce(&View<'_>) -> Result<T, E>) -> Result<T, E> {
        let (mut look, mut outcome) = (Some(look), None);
        self.database.read(&mut |transaction| outcome = look.take().map(|look| look(&View::new(transaction))))?;
        outcome.unwrap_or_else(|| Err(Error::Database("nobody has looked".into()).into()))
    }

    /// Work that one node does at a time, and one thread of it: `None` when it is being done elsewhere. It saves doing it twice; that it does
    /// no harm when it is done twice is for the revisions to see to.
    pub fn lease(&self, name: &str) -> Result<Option<Lease>, Error> {
        if !lock(&self.leased).insert(name.to_owned()) {
            return Ok(None);
        }
        let local = Local { name: name.to_owned(), names: self.leased.clone() };
        Ok(self.database.hold(name)?.map(|hold| Lease { hold, _local: local }))
    }
}

/// Work that no other node does meanwhile. A node that is killed has none.
pub struct Lease {
    hold: Box<dyn Hold>,
    _local: Local,
}

impl Lease {
    /// Whether that is still so: the database may have been restarted.
    pub fn holds(&self) -> bool {
        self.hold.holds()
    }
}

/// The same among the threads of this node.
struct Local {
    name: String,
    names: Names,
}

impl Drop for Local {
    fn drop(&mut self) {
        lock(&self.names).remove(&self.name);
    }
}
