//! The host's database: one SQLite file, records as JSON with their revision, events in order.
//!
//! Everything that belongs to one decision is committed in one transaction, and a record is only replaced when the stored
//! revision is the one that was read. That is all a host has to do to be safe against crashes and against itself.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mdm_core::id::Revision;
use mdm_core::record::{Change, Record};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

/// A record of the core, as this host keeps it.
pub trait Stored: Record {
    /// The column that tells records apart.
    const KIND: &'static str;

    /// What finds it again.
    fn key(&self) -> String;

    /// What it is listed under: the tenant of an enrollment, the enrollment of a command.
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
    /// A stored record that this version cannot read.
    #[error("stored record {key}: {source}")]
    Encoding {
        /// Which one.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// One open database file.
pub struct Store {
    connection: Mutex<Connection>,
}

/// One decision's reads and writes: all of them happen or none.
pub struct Batch<'a> {
    transaction: Transaction<'a>,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, alias TEXT, place BLOB,
    revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, key));
CREATE INDEX IF NOT EXISTS record_owner ON record (kind, owner);
CREATE INDEX IF NOT EXISTS record_alias ON record (kind, alias) WHERE alias IS NOT NULL;
CREATE INDEX IF NOT EXISTS record_place ON record (kind, owner, place) WHERE place IS NOT NULL;
CREATE TABLE IF NOT EXISTS link (kind TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, value));
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, digest TEXT NOT NULL);
";

impl Store {
    /// Opens the file, making it when it is not there.
    pub fn open(path: &Path) -> Result<Store, Error> {
        let connection = Connection::open(path)?;
        // A transaction that was answered must be on the disk: full synchronisation, also in write-ahead mode.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Store { connection: Mutex::new(connection) })
    }

    /// Runs one decision. When it fails, nothing of it is stored.
    pub fn decide<T, E: From<Error>>(&self, decision: impl FnOnce(&mut Batch<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(Error::from)?;
        let mut batch = Batch { transaction };
        let outcome = decision(&mut batch)?;
        batch.transaction.commit().map_err(Error::from)?;
        Ok(outcome)
    }
}

impl Batch<'_> {
    /// The record with this key.
    pub fn load<R: Stored>(&self, key: &str) -> Result<Option<R>, Error> {
        self.one("SELECT key, body FROM record WHERE kind = ?1 AND key = ?2", R::KIND, key)
    }

    /// The record with this second key, the newest when there are several.
    pub fn load_alias<R: Stored>(&self, alias: &str) -> Result<Option<R>, Error> {
        self.one("SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 ORDER BY rowid DESC LIMIT 1", R::KIND, alias)
    }

    fn one<R: Stored>(&self, sql: &str, kind: &'static str, key: &str) -> Result<Option<R>, Error> {
        let row = self.transaction.query_row(sql, params![kind, key], row);
        row.optional()?.map(decode).transpose()
    }

    /// All records of a kind that stand under an owner, in the order in which they were first stored.
    pub fn list<R: Stored>(&self, owner: &str) -> Result<Vec<R>, Error> {
        self.many("SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 ORDER BY rowid", R::KIND, owner)
    }

    /// The records under an owner that are still to be looked at, in the order of their place.
    pub fn list_open<R: Stored>(&self, owner: &str) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 AND place IS NOT NULL ORDER BY place";
        self.many(sql, R::KIND, owner)
    }

    /// All records of a kind, in the order in which they were first stored.
    pub fn list_all<R: Stored>(&self) -> Result<Vec<R>, Error> {
        self.many("SELECT key, body FROM record WHERE kind = ?1 AND ?2 = '' ORDER BY rowid", R::KIND, "")
    }

    fn many<R: Stored>(&self, sql: &str, kind: &str, owner: &str) -> Result<Vec<R>, Error> {
        let mut statement = self.transaction.prepare_cached(sql)?;
        let rows = statement.query_map(params![kind, owner], row)?;
        rows.map(|row| row.map_err(Error::from).and_then(decode)).collect()
    }

    /// Stores what was decided about a record: the record, provided that the stored one is still the one that was read, and the
    /// events.
    pub fn keep<R: Stored>(&mut self, change: &Change<R>) -> Result<(), Error> {
        if change.events.is_empty() {
            return Ok(());
        }
        self.put(&change.record, change.expected())?;
        let key = change.record.key();
        for event in &change.events {
            let body = serde_json::to_string(event).map_err(|source| Error::Encoding { key: key.clone(), source })?;
            self.transaction.execute("INSERT INTO event (kind, key, body) VALUES (?1, ?2, ?3)", params![R::KIND, key, body])?;
        }
        Ok(())
    }

    /// Stores a record over the one that has the expected revision; over none when nothing is expected.
    fn put<R: Stored>(&mut self, record: &R, expected: Option<Revision>) -> Result<(), Error> {
        let key = record.key();
        let body = serde_json::to_string(record).map_err(|source| Error::Encoding { key: key.clone(), source })?;
        let number = |revision: Revision| i64::try_from(revision.get()).unwrap_or(i64::MAX);
        let (revision, expected) = (number(record.revision()), expected.map(number));
        let changed = self.transaction.execute(
            "INSERT INTO record (kind, key, owner, alias, place, revision, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, key) DO UPDATE SET owner = ?3, alias = ?4, place = ?5, revision = ?6, body = ?7 WHERE revision = ?8",
            params![R::KIND, key, record.owner(), record.alias(), record.place(), revision, body, expected],
        )?;
        if changed == 1 { Ok(()) } else { Err(Error::Conflict(key)) }
    }

    /// A number above every number that was given before.
    pub fn next_number(&self) -> Result<u64, Error> {
        let next: i64 = self.transaction.query_row("SELECT COALESCE(MAX(number), 0) + 1 FROM event", [], |row| row.get(0))?;
        Ok(u64::try_from(next).unwrap_or(0))
    }

    /// Makes a record findable by a value that is its own: a device token, a fingerprint.
    pub fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<(), Error> {
        self.transaction
            .execute("INSERT OR REPLACE INTO link (kind, value, key) VALUES (?1, ?2, ?3)", params![kind, value, key])?;
        Ok(())
    }

    /// The key of the record that a value was last linked to.
    pub fn linked(&self, kind: &str, value: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT key FROM link WHERE kind = ?1 AND value = ?2";
        Ok(self.transaction.query_row(sql, params![kind, value], |row| row.get(0)).optional()?)
    }

    /// A key or token of the server itself.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT value FROM secret WHERE name = ?1";
        Ok(self.transaction.query_row(sql, params![name], |row| row.get(0)).optional()?)
    }

    /// Stores a key or token of the server itself.
    pub fn put_secret(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.transaction.execute("INSERT OR REPLACE INTO secret (name, value) VALUES (?1, ?2)", params![name, value])?;
        Ok(())
    }

    /// Removes what is stored under a name, when it is still this.
    pub fn remove_secret(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.transaction.execute("DELETE FROM secret WHERE name = ?1 AND value = ?2", params![name, value])?;
        Ok(())
    }

    /// Notes that a message with this key came. False when another message came with the same key before; the very same message may
    /// come again, since a client that lost the answer has nothing else to send.
    pub fn first_or_same(&mut self, key: &str, digest: &str) -> Result<bool, Error> {
        self.transaction.execute("INSERT OR IGNORE INTO seen (key, digest) VALUES (?1, ?2)", params![key, digest])?;
        let seen: String =
            self.transaction.query_row("SELECT digest FROM seen WHERE key = ?1", params![key], |row| row.get(0))?;
        Ok(seen == digest)
    }
}

/// Key and body of a stored record.
fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn decode<R: Stored>((key, body): (String, String)) -> Result<R, Error> {
    serde_json::from_str(&body).map_err(|source| Error::Encoding { key, source })
}
