//! Reading and writing inside one decision.

use std::ops::Deref;

use mdm_core::id::Revision;
use mdm_core::record::{Change, Record};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Error, Stored};

/// What is stored, at one moment.
pub struct View<'a> {
    connection: &'a Connection,
}

/// One decision's reads and writes: all of them happen or none.
pub struct Batch<'a> {
    view: View<'a>,
    lines: Vec<String>,
}

impl<'a> View<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        View { connection }
    }

    /// The record with this key.
    pub fn load<R: Stored>(&self, key: &str) -> Result<Option<R>, Error> {
        self.one("SELECT key, body FROM record WHERE kind = ?1 AND key = ?2", R::KIND, key)
    }

    /// The record with this second key, the newest when there are several.
    pub fn load_alias<R: Stored>(&self, alias: &str) -> Result<Option<R>, Error> {
        self.one("SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 ORDER BY rowid DESC LIMIT 1", R::KIND, alias)
    }

    fn one<R: Stored>(&self, sql: &str, kind: &'static str, key: &str) -> Result<Option<R>, Error> {
        let found = self.connection.prepare_cached(sql)?.query_row(params![kind, key], row).optional()?;
        found.map(decode).transpose()
    }

    /// All records of a kind that stand under an owner, in the order in which they were first stored.
    pub fn list<R: Stored>(&self, owner: &str) -> Result<Vec<R>, Error> {
        let mut records = Vec::new();
        self.each(owner, |record| {
            records.push(record);
            Ok::<_, Error>(())
        })?;
        Ok(records)
    }

    /// Shows the records that stand under an owner one after the other, and keeps none: a list of millions needs no memory.
    pub fn each<R: Stored, E: From<Error>>(&self, owner: &str, mut show: impl FnMut(R) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 ORDER BY rowid";
        let mut statement = self.connection.prepare_cached(sql).map_err(Error::from)?;
        let mut rows = statement.query(params![R::KIND, owner]).map_err(Error::from)?;
        while let Some(found) = rows.next().map_err(Error::from)? {
            show(decode(row(found).map_err(Error::from)?)?)?;
        }
        Ok(())
    }

    /// The same for all records of a kind.
    pub fn each_of_kind<R: Stored, E: From<Error>>(&self, mut show: impl FnMut(R) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 ORDER BY rowid";
        let mut statement = self.connection.prepare_cached(sql).map_err(Error::from)?;
        let mut rows = statement.query(params![R::KIND]).map_err(Error::from)?;
        while let Some(found) = rows.next().map_err(Error::from)? {
            show(decode(row(found).map_err(Error::from)?)?)?;
        }
        Ok(())
    }

    /// The records under an owner that are still to be looked at, in the order of their place.
    pub fn list_open<R: Stored>(&self, owner: &str) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 AND place IS NOT NULL ORDER BY place";
        self.many(sql, params![R::KIND, owner])
    }

    /// Those of them whose place is not above this one, no more than `limit`.
    pub fn list_due<R: Stored>(&self, owner: &str, place: &[u8], limit: u32) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 AND place IS NOT NULL AND place <= ?3
                   ORDER BY place LIMIT ?4";
        self.many(sql, params![R::KIND, owner, place, limit])
    }

    /// The owners that have records which are still to be looked at, those behind `after`, in the order of their names.
    pub fn open_owners<R: Stored>(&self, after: &str, limit: u32) -> Result<Vec<String>, Error> {
        let sql =
            "SELECT DISTINCT owner FROM record WHERE kind = ?1 AND place IS NOT NULL AND owner > ?2 ORDER BY owner LIMIT ?3";
        let mut statement = self.connection.prepare_cached(sql)?;
        let owners = statement.query_map(params![R::KIND, after, limit], |row| row.get(0))?;
        Ok(owners.collect::<Result<_, _>>()?)
    }

    /// All records of a kind, in the order in which they were first stored.
    pub fn list_all<R: Stored>(&self) -> Result<Vec<R>, Error> {
        self.many("SELECT key, body FROM record WHERE kind = ?1 ORDER BY rowid", params![R::KIND])
    }

    fn many<R: Stored>(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<R>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(values, row)?;
        rows.map(|row| row.map_err(Error::from).and_then(decode)).collect()
    }

    /// The records with this second key, in the order in which they were first stored.
    pub fn list_alias<R: Stored>(&self, alias: &str) -> Result<Vec<R>, Error> {
        self.many("SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 ORDER BY rowid", params![R::KIND, alias])
    }

    /// Those of them whose key is above `after` and not above `last`, in the order of their keys, no more than `limit`.
    pub fn list_alias_between<R: Stored>(&self, alias: &str, after: &str, last: &str, limit: u32) -> Result<Vec<R>, Error> {
        let sql =
            "SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 AND key > ?3 AND key <= ?4 ORDER BY key LIMIT ?5";
        self.many(sql, params![R::KIND, alias, after, last, limit])
    }

    /// How many records of a kind share each second key.
    pub fn count_by_alias<R: Stored>(&self) -> Result<Vec<(String, u64)>, Error> {
        let sql = "SELECT alias, COUNT(*) FROM record WHERE kind = ?1 AND alias IS NOT NULL GROUP BY alias";
        let mut statement = self.connection.prepare_cached(sql)?;
        let counts = statement.query_map(params![R::KIND], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(counts.collect::<Result<_, _>>()?)
    }

    /// A number above every number that was given before.
    pub fn next_number(&self) -> Result<u64, Error> {
        let next: i64 = self.connection.query_row("SELECT COALESCE(MAX(number), 0) + 1 FROM event", [], |row| row.get(0))?;
        Ok(u64::try_from(next).unwrap_or(0))
    }

    /// The key of the record that a value was last linked to.
    pub fn linked(&self, kind: &str, value: &str) -> Result<Option<String>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM link WHERE kind = ?1 AND value = ?2")?;
        Ok(statement.query_row(params![kind, value], |row| row.get(0)).optional()?)
    }

    /// The keys of all records that some value of this kind is linked to.
    pub fn links(&self, kind: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM link WHERE kind = ?1 ORDER BY value")?;
        let keys = statement.query_map(params![kind], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// A key or token of the server itself.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT value FROM secret WHERE name = ?1";
        Ok(self.connection.query_row(sql, params![name], |row| row.get(0)).optional()?)
    }
}

impl<'a> Deref for Batch<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Batch { view: View::new(connection), lines: Vec::new() }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    /// Says something in the log, once the decision is on the disk.
    pub fn log(&mut self, line: String) {
        self.lines.push(line);
    }

    fn execute(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<usize, Error> {
        Ok(self.view.connection.prepare_cached(sql)?.execute(values)?)
    }

    /// Stores a record over the one that has the expected revision; over none when nothing is expected.
    pub fn put<R: Stored>(&mut self, record: &R, expected: Option<Revision>) -> Result<(), Error> {
        let key = record.key();
        let body = serde_json::to_string(record).map_err(|source| Error::Encoding { key: key.clone(), source })?;
        let number = |revision: Revision| i64::try_from(revision.get()).unwrap_or(i64::MAX);
        let (revision, expected) = (number(record.revision()), expected.map(number));
        let changed = self.execute(
            "INSERT INTO record (kind, key, owner, alias, place, revision, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, key) DO UPDATE SET owner = ?3, alias = ?4, place = ?5, revision = ?6, body = ?7 WHERE revision = ?8",
            params![R::KIND, key, record.owner(), record.alias(), record.place(), revision, body, expected],
        )?;
        if changed == 1 { Ok(()) } else { Err(Error::Conflict(key)) }
    }

    /// Stores what was decided about a record: the record, provided that the stored one is still the one that was read, and the
    /// events.
    pub fn keep<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<(), Error> {
        if change.events.is_empty() {
            return Ok(());
        }
        self.put(&change.record, change.expected())?;
        let key = change.record.key();
        for event in &change.events {
            let body = serde_json::to_string(event).map_err(|source| Error::Encoding { key: key.clone(), source })?;
            self.execute("INSERT INTO event (kind, key, body) VALUES (?1, ?2, ?3)", params![R::KIND, key, body])?;
        }
        Ok(())
    }

    /// The same for a record that begins anew in the place of one that is done with.
    pub fn keep_anew<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<(), Error> {
        self.execute("DELETE FROM record WHERE kind = ?1 AND key = ?2", params![R::KIND, change.record.key()])?;
        self.keep(change)
    }

    /// Makes a record findable by a value that is its own: a device token, a fingerprint.
    pub fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<(), Error> {
        self.execute("INSERT OR REPLACE INTO link (kind, value, key) VALUES (?1, ?2, ?3)", params![kind, value, key])?;
        Ok(())
    }

    /// Stores a key or token of the server itself.
    pub fn put_secret(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.execute("INSERT OR REPLACE INTO secret (name, value) VALUES (?1, ?2)", params![name, value])?;
        Ok(())
    }

    /// Removes what is stored under a name, when it is still this.
    pub fn remove_secret(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.execute("DELETE FROM secret WHERE name = ?1 AND value = ?2", params![name, value])?;
        Ok(())
    }

    /// Notes that a message with this key came. False when another message came with the same key before; the very same message may
    /// come again, since a client that lost the answer has nothing else to send.
    pub fn first_or_same(&mut self, key: &str, digest: &str, at: i64) -> Result<bool, Error> {
        self.execute("INSERT OR IGNORE INTO seen (key, digest, at) VALUES (?1, ?2, ?3)", params![key, digest, at])?;
        let seen: String =
            self.connection.query_row("SELECT digest FROM seen WHERE key = ?1", params![key], |row| row.get(0))?;
        Ok(seen == digest)
    }

    /// Forgets the messages that came before this moment; says how many.
    pub fn forget_seen(&mut self, before: i64) -> Result<usize, Error> {
        self.execute("DELETE FROM seen WHERE at < ?1", params![before])
    }
}

/// Key and body of a stored record.
fn row(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn decode<R: Stored>((key, body): (String, String)) -> Result<R, Error> {
    serde_json::from_str(&body).map_err(|source| Error::Encoding { key, source })
}
