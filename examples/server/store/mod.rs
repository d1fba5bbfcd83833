//! The host's database: one SQLite file, records as JSON with their revision, events in order.
//!
//! Everything that belongs to one decision is stored or nothing of it, and a record is only replaced when the stored revision is
//! the one that was read. That is all a host has to do to be safe against crashes and against itself.
//!
//! A decision is answered when it is on the disk, and bringing it there takes milliseconds. So decisions that come at the same time
//! share one transaction, each inside a savepoint of its own: hundreds of devices cost a few synchronisations in a second.
//!
//! ```text
//! decide ──► savepoint, run, release ──► somebody waits for the writer?  ── yes ──► wait for the commit
//!                                                                        └─ no ───► commit, and wake all who wait
//! ```

mod view;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use mdm_core::id::Revision;
use rusqlite::{Connection, ErrorCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use view::{Batch, View};

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
    /// Another request changed the record in between; the caller decides again on what is stored now.
    #[error("the record {0} was changed by another request")]
    Conflict(String),
    /// The database itself.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The decision was made and could not be brought to the disk: it did not happen.
    #[error("database: nothing was stored: {0}")]
    NotStored(Arc<str>),
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
    /// Whether it may pass: another request was faster, the disk is full, somebody else holds the file. Nothing was stored.
    pub fn may_pass(&self) -> bool {
        match self {
            Error::Conflict(_) | Error::NotStored(_) => true,
            Error::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::ReadOnly
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                )
            ),
            Error::Encoding { .. } => false,
        }
    }
}

/// One open database file.
pub struct Store {
    path: PathBuf,
    writer: Mutex<Writer>,
    committed: Condvar,
    /// Who wants to decide and does not hold the writer yet.
    waiting: AtomicUsize,
    readers: Mutex<Vec<Connection>>,
}

/// The one connection that writes, and the decisions that wait for its next commit.
struct Writer {
    connection: Connection,
    group: Arc<Group>,
    members: usize,
}

/// Decisions that are committed together.
#[derive(Default)]
struct Group {
    outcome: OnceLock<Result<(), Arc<str>>>,
}

/// Decisions that share one commit at most.
const MAX_GROUP: usize = 256;
/// Connections for reading that are kept open.
const MAX_READERS: usize = 8;

/// The version of the tables below, in `PRAGMA user_version`.
const VERSION: i64 = 2;

const TABLES: &str = "
CREATE TABLE record (
    kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, alias TEXT, place BLOB,
    revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, key));
CREATE INDEX record_owner ON record (kind, owner);
CREATE INDEX record_alias ON record (kind, alias) WHERE alias IS NOT NULL;
CREATE INDEX record_place ON record (kind, owner, place) WHERE place IS NOT NULL;
CREATE TABLE link (kind TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, value));
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE seen (key TEXT PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX seen_at ON seen (at);
PRAGMA user_version = 2;
";

impl Store {
    /// Opens the file, making it when it is not there. `max_mib` bounds its size; 0 for no bound but the disk's.
    pub fn open(path: &Path, max_mib: u32) -> Result<Store, Error> {
        let connection = connect(path)?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0))?;
        match (version, tables) {
            (VERSION, _) => {}
            (0, 0) => connection.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} COMMIT;"))?,
            _ => {
                return Err(Error::NotStored(
                    "the file was made by another version of this server; start with a new folder".into(),
                ));
            }
        }
        if max_mib > 0 {
            let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let pages = u64::from(max_mib) * (1 << 20) / u64::from(page.max(1));
            connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        let writer = Writer { connection, group: Arc::default(), members: 0 };
        Ok(Store {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            committed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            readers: Mutex::default(),
        })
    }

    /// Runs one decision. When it fails, nothing of it is stored; when it returns, all of it is on the disk.
    pub fn decide<T, E: From<Error>>(&self, decision: impl FnOnce(&mut Batch<'_>) -> Result<T, E>) -> Result<T, E> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let group = writer.join(&self.committed).map_err(E::from)?;
        // A decision that panics must not take the others of its group with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| writer.run(decision)));
        if self.waiting.load(Ordering::SeqCst) == 0 || writer.members >= MAX_GROUP {
            writer.commit(&self.committed);
        }
        let (decided, lines) = match outcome {
            Ok(outcome) => outcome?,
            Err(panic) => {
                drop(writer);
                resume_unwind(panic);
            }
        };
        self.wait(writer, &group).map_err(E::from)?;
        lines.iter().for_each(|line| eprintln!("{line}"));
        Ok(decided)
    }

    fn wait(&self, mut writer: MutexGuard<'_, Writer>, group: &Group) -> Result<(), Error> {
        loop {
            match group.outcome.get() {
                Some(Ok(())) => return Ok(()),
                Some(Err(reason)) => return Err(Error::NotStored(reason.clone())),
                None => writer = self.committed.wait(writer).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Looks at what is stored, beside those who decide.
    pub fn read<T, E: From<Error>>(&self, look: impl FnOnce(&View<'_>) -> Result<T, E>) -> Result<T, E> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path).map_err(E::from)?,
        };
        let transaction = connection.unchecked_transaction().map_err(Error::from)?;
        let outcome = look(&View::new(&transaction));
        transaction.finish().map_err(Error::from)?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < MAX_READERS {
            readers.push(connection);
        }
        outcome
    }
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A transaction that was answered must be on the disk: full synchronisation, also in write-ahead mode.
    connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    Ok(connection)
}

impl Writer {
    /// The group that is open; begins one when there is none, or when the last was rolled back by the database itself.
    fn join(&mut self, committed: &Condvar) -> Result<Arc<Group>, Error> {
        if self.connection.is_autocommit() {
            if self.members > 0 {
                self.end(Err("the transaction was rolled back".into()), committed);
            }
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(self.group.clone())
    }

    /// Runs a decision inside a savepoint; gives its outcome and what it has to say in the log.
    fn run<T, E: From<Error>>(&mut self, decision: impl FnOnce(&mut Batch<'_>) -> Result<T, E>) -> Result<(T, Vec<String>), E> {
        self.members += 1;
        let savepoint = self.connection.savepoint().map_err(Error::from)?;
        // Dropped without being committed, a savepoint is rolled back.
        let mut batch = Batch::new(&savepoint);
        let outcome = decision(&mut batch)?;
        let lines = batch.into_lines();
        savepoint.commit().map_err(Error::from)?;
        Ok((outcome, lines))
    }

    fn commit(&mut self, committed: &Condvar) {
        let outcome = self.connection.execute_batch("COMMIT").map_err(|error| Arc::from(error.to_string()));
        if outcome.is_err() && !self.connection.is_autocommit() {
            // What cannot be rolled back either is given up when the file is closed.
            if let Err(error) = self.connection.execute_batch("ROLLBACK") {
                eprintln!("database: {error}");
            }
        }
        self.end(outcome, committed);
    }

    fn end(&mut self, outcome: Result<(), Arc<str>>, committed: &Condvar) {
        if let Err(reason) = &outcome {
            eprintln!("database: {} decisions were not stored: {reason}", self.members);
        }
        let group = std::mem::take(&mut self.group);
        // Nobody else ends a group, so that it has no outcome yet.
        let _first = group.outcome.set(outcome);
        self.members = 0;
        committed.notify_all();
    }
}
