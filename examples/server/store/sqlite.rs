//! SQLite: one file, one process, decisions one after another.
//!
//! A decision is answered when it is on the disk, and bringing it there takes milliseconds. So decisions that come at the same time
//! share one transaction, each inside a savepoint of its own: hundreds of devices cost a few synchronisations in a second.
//!
//! ```text
//! decide ──► savepoint, run, release ──► somebody waits for the writer?  ── yes ──► wait for the commit
//!                                                                        └─ no ───► commit, and wake all who wait
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use super::{Cell, Database, Error, Hold, Row, Transaction, Value};

/// One open database file.
pub struct Sqlite {
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

/// Every table has SQLite's own `rowid`, in the order in which rows were first stored.
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

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory,
            ) => Error::Unavailable(error.to_string()),
            _ => Error::Database(error.to_string()),
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Value::Text(text) => text.map(|text| ValueRef::Text(text.as_bytes())),
            Value::Number(number) => number.map(ValueRef::Integer),
            Value::Octets(octets) => octets.map(ValueRef::Blob),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

impl Transaction for Connection {
    fn rows(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        let mut statement = self.prepare_cached(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map(params_from_iter(values), |row| {
            (0..columns).map(|column| row.get_ref(column).and_then(cell)).collect::<rusqlite::Result<_>>().map(Row)
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Error> {
        Ok(self.prepare_cached(sql)?.execute(params_from_iter(values))? as u64)
    }

    /// Nobody else writes: it is not given twice.
    fn next_number(&self) -> Result<i64, Error> {
        Ok(self.prepare_cached("SELECT COALESCE(MAX(number), 0) + 1 FROM event")?.query_row([], |row| row.get(0))?)
    }
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Option<Cell>> {
    Ok(match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(Cell::Number(number)),
        ValueRef::Blob(octets) => Some(Cell::Octets(octets.to_vec())),
        text => Some(Cell::Text(text.as_str()?.to_owned())),
    })
}

/// One process has the file: nobody else is to be kept away.
struct Alone;

impl Hold for Alone {
    fn holds(&self) -> bool {
        true
    }
}

impl Sqlite {
    /// Opens the file, making it when it is not there.
    pub fn open(path: &Path, max_mib: u32) -> Result<Sqlite, Error> {
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
        Ok(Sqlite {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            committed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            readers: Mutex::default(),
        })
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
}

impl Database for Sqlite {
    fn decide(&self, decision: &mut dyn FnMut(&dyn Transaction) -> bool) -> Result<(), Error> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let group = writer.join(&self.committed)?;
        // A decision that panics must not take the others of its group with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| writer.run(decision)));
        if self.waiting.load(Ordering::SeqCst) == 0 || writer.members >= MAX_GROUP {
            writer.commit(&self.committed);
        }
        match outcome {
            Ok(Ok(true)) => self.wait(writer, &group),
            // Nothing of it is in the group: there is nothing to wait for.
            Ok(kept) => kept.map(|_| ()),
            Err(panic) => {
                drop(writer);
                resume_unwind(panic);
            }
        }
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Transaction)) -> Result<(), Error> {
        let kept = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match kept {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let transaction = connection.unchecked_transaction()?;
        look(&*transaction);
        transaction.finish()?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < MAX_READERS {
            readers.push(connection);
        }
        Ok(())
    }

    fn hold(&self, _name: &str) -> Result<Option<Box<dyn Hold>>, Error> {
        Ok(Some(Box::new(Alone)))
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

    /// Runs a decision inside a savepoint; says whether it is kept.
    fn run(&mut self, decision: &mut dyn FnMut(&dyn Transaction) -> bool) -> Result<bool, Error> {
        self.members += 1;
        // Dropped without being committed, a savepoint is rolled back.
        let savepoint = self.connection.savepoint()?;
        let keep = decision(&*savepoint);
        if keep {
            savepoint.commit()?;
        }
        Ok(keep)
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
