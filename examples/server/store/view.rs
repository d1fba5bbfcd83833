//! Reading and writing inside one decision.

use std::ops::Deref;

use mdm_core::id::Revision;
use mdm_core::record::{Change, Record};

use super::{Error, Row, Stored, Transaction, Value};

/// What is stored, at one moment.
pub struct View<'a> {
    transaction: &'a dyn Transaction,
}

/// Records that are read at once where there may be millions.
const PAGE: i64 = 500;

/// One decision's reads and writes: all of them happen or none.
pub struct Batch<'a> {
    view: View<'a>,
    lines: Vec<String>,
}

impl<'a> View<'a> {
    pub(super) fn new(transaction: &'a dyn Transaction) -> Self {
        View { transaction }
    }

    fn first(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.transaction.rows(sql, values)?.into_iter().next())
    }

    /// The record with this key.
    pub fn load<R: Stored>(&self, key: &str) -> Result<Option<R>, Error> {
        let found = self.first("SELECT key, body FROM record WHERE kind = ?1 AND key = ?2", &[R::KIND.into(), key.into()])?;
        found.map(decode).transpose()
    }

    /// The record with this second key, the newest when there are several.
    pub fn load_alias<R: Stored>(&self, alias: &str) -> Result<Option<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 ORDER BY rowid DESC LIMIT 1";
        self.first(sql, &[R::KIND.into(), alias.into()])?.map(decode).transpose()
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
        let sql = "SELECT key, body, rowid FROM record WHERE kind = ?1 AND owner = ?2 AND rowid > ?3 ORDER BY rowid LIMIT ?4";
        let mut last = 0;
        loop {
            let page = self.transaction.rows(sql, &[R::KIND.into(), owner.into(), last.into(), PAGE.into()])?;
            if page.is_empty() {
                return Ok(());
            }
            for mut row in page {
                last = row.number(2)?;
                show(decode(row)?)?;
            }
        }
    }

    /// The same for all records of a kind, owner by owner.
    pub fn each_of_kind<R: Stored, E: From<Error>>(&self, mut show: impl FnMut(R) -> Result<(), E>) -> Result<(), E> {
        let sql = "SELECT key, body, owner, rowid FROM record WHERE kind = ?1 AND (owner, rowid) > (?2, ?3)
                   ORDER BY owner, rowid LIMIT ?4";
        let mut last = (String::new(), 0);
        loop {
            let values = [R::KIND.into(), last.0.as_str().into(), last.1.into(), PAGE.into()];
            let page = self.transaction.rows(sql, &values)?;
            if page.is_empty() {
                return Ok(());
            }
            for mut row in page {
                last = (row.text(2)?, row.number(3)?);
                show(decode(row)?)?;
            }
        }
    }

    /// The records under an owner that are still to be looked at, in the order of their place.
    pub fn list_open<R: Stored>(&self, owner: &str) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 AND place IS NOT NULL ORDER BY place";
        self.many(sql, &[R::KIND.into(), owner.into()])
    }

    /// Those of them whose place is not above this one, no more than `limit`.
    pub fn list_due<R: Stored>(&self, owner: &str, place: &[u8], limit: u32) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND owner = ?2 AND place IS NOT NULL AND place <= ?3
                   ORDER BY place LIMIT ?4";
        self.many(sql, &[R::KIND.into(), owner.into(), place.into(), i64::from(limit).into()])
    }

    /// The owners that have records which are still to be looked at, those behind `after`, in the order of their names.
    pub fn open_owners<R: Stored>(&self, after: &str, limit: u32) -> Result<Vec<String>, Error> {
        let sql =
            "SELECT DISTINCT owner FROM record WHERE kind = ?1 AND place IS NOT NULL AND owner > ?2 ORDER BY owner LIMIT ?3";
        let rows = self.transaction.rows(sql, &[R::KIND.into(), after.into(), i64::from(limit).into()])?;
        rows.into_iter().map(|mut row| row.text(0)).collect()
    }

    /// All records of a kind, owner by owner, in the order in which they were first stored.
    pub fn list_all<R: Stored>(&self) -> Result<Vec<R>, Error> {
        self.many("SELECT key, body FROM record WHERE kind = ?1 ORDER BY owner, rowid", &[R::KIND.into()])
    }

    fn many<R: Stored>(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<R>, Error> {
        self.transaction.rows(sql, values)?.into_iter().map(decode).collect()
    }

    /// The records with this second key, in the order in which they were first stored.
    pub fn list_alias<R: Stored>(&self, alias: &str) -> Result<Vec<R>, Error> {
        let sql = "SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 ORDER BY rowid";
        self.many(sql, &[R::KIND.into(), alias.into()])
    }

    /// Those of them whose key is above `after` and not above `last`, in the order of their keys, no more than `limit`.
    pub fn list_alias_between<R: Stored>(&self, alias: &str, after: &str, last: &str, limit: u32) -> Result<Vec<R>, Error> {
        let sql =
            "SELECT key, body FROM record WHERE kind = ?1 AND alias = ?2 AND key > ?3 AND key <= ?4 ORDER BY key LIMIT ?5";
        self.many(sql, &[R::KIND.into(), alias.into(), after.into(), last.into(), i64::from(limit).into()])
    }

    /// How many records of a kind share each second key.
    pub fn count_by_alias<R: Stored>(&self) -> Result<Vec<(String, u64)>, Error> {
        let sql = "SELECT alias, COUNT(*) FROM record WHERE kind = ?1 AND alias IS NOT NULL GROUP BY alias";
        let rows = self.transaction.rows(sql, &[R::KIND.into()])?;
        rows.into_iter().map(|mut row| Ok((row.text(0)?, u64::try_from(row.number(1)?).unwrap_or(0)))).collect()
    }

    /// The key of the record that a value was last linked to.
    pub fn linked(&self, kind: &str, value: &str) -> Result<Option<String>, Error> {
        let found = self.first("SELECT key FROM link WHERE kind = ?1 AND value = ?2", &[kind.into(), value.into()])?;
        found.map(|mut row| row.text(0)).transpose()
    }

    /// All values of this kind, each with the key of the record that it was last linked to.
    pub fn links(&self, kind: &str) -> Result<Vec<(String, String)>, Error> {
        let rows = self.transaction.rows("SELECT value, key FROM link WHERE kind = ?1 ORDER BY value", &[kind.into()])?;
        rows.into_iter().map(|mut row| Ok((row.text(0)?, row.text(1)?))).collect()
    }

    /// A key or token of the server itself.
    pub fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = self.first("SELECT value FROM secret WHERE name = ?1", &[name.into()])?;
        found.map(|mut row| row.octets(0)).transpose()
    }
}

impl<'a> Deref for Batch<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(transaction: &'a dyn Transaction) -> Self {
        Batch { view: View::new(transaction), lines: Vec::new() }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    /// Says something in the log, once the decision is on the disk.
    pub fn log(&mut self, line: String) {
        self.lines.push(line);
    }

    fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Error> {
        self.view.transaction.execute(sql, values)
    }

    /// A number above every number that was given before.
    pub fn next_number(&mut self) -> Result<u64, Error> {
        Ok(u64::try_from(self.view.transaction.next_number()?).unwrap_or(0))
    }

    /// Stores a record over the one that has the expected revision; over none when nothing is expected.
    pub fn put<R: Stored>(&mut self, record: &R, expected: Option<Revision>) -> Result<(), Error> {
        let (key, owner, alias, place) = (record.key(), record.owner(), record.alias(), record.place());
        let body = serde_json::to_string(record).map_err(|source| Error::Encoding { key: key.clone(), source })?;
        let number = |revision: Revision| i64::try_from(revision.get()).unwrap_or(i64::MAX);
        let changed = self.execute(
            "INSERT INTO record (kind, key, owner, alias, place, revision, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kind, key) DO UPDATE SET owner = ?3, alias = ?4, place = ?5, revision = ?6, body = ?7
             WHERE record.revision = ?8",
            &[
                R::KIND.into(),
                key.as_str().into(),
                owner.as_str().into(),
                Value::Text(alias.as_deref()),
                Value::Octets(place.as_deref()),
                number(record.revision()).into(),
                body.as_str().into(),
                Value::Number(expected.map(number)),
            ],
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
            let sql = "INSERT INTO event (kind, key, body) VALUES (?1, ?2, ?3)";
            self.execute(sql, &[R::KIND.into(), key.as_str().into(), body.as_str().into()])?;
        }
        Ok(())
    }

    /// The same for a record that begins anew in the place of one that is done with.
    pub fn keep_anew<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<(), Error> {
        let key = change.record.key();
        self.execute("DELETE FROM record WHERE kind = ?1 AND key = ?2", &[R::KIND.into(), key.as_str().into()])?;
        self.keep(change)
    }

    /// Makes a record findable by a value that is its own: a device token, a fingerprint.
    pub fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<(), Error> {
        let sql = "INSERT INTO link (kind, value, key) VALUES (?1, ?2, ?3) ON CONFLICT (kind, value) DO UPDATE SET key = ?3";
        self.execute(sql, &[kind.into(), value.into(), key.into()]).map(drop)
    }

    /// Ends that, unless it is linked to another since.
    pub fn unlink(&mut self, kind: &str, value: &str, key: &str) -> Result<(), Error> {
        let sql = "DELETE FROM link WHERE kind = ?1 AND value = ?2 AND key = ?3";
        self.execute(sql, &[kind.into(), value.into(), key.into()]).map(drop)
    }

    /// Stores a key or token of the server itself.
    pub fn put_secret(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let sql = "INSERT INTO secret (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
        self.execute(sql, &[name.into(), value.into()]).map(drop)
    }

    /// Notes that a message with this key came. False when another message came with the same key before; the very same message may
    /// come again, since a client that lost the answer has nothing else to send.
    pub fn first_or_same(&mut self, key: &str, digest: &str, at: i64) -> Result<bool, Error> {
        let sql = "INSERT INTO seen (key, digest, at) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING";
        self.execute(sql, &[key.into(), digest.into(), at.into()])?;
        let seen = self.first("SELECT digest FROM seen WHERE key = ?1", &[key.into()])?;
        Ok(seen.map(|mut row| row.text(0)).transpose()?.as_deref() == Some(digest))
    }

    /// Forgets the messages that came before this moment; says how many.
    pub fn forget_seen(&mut self, before: i64) -> Result<u64, Error> {
        self.execute("DELETE FROM seen WHERE at < ?1", &[before.into()])
    }
}

/// The record in a row of key and body.
fn decode<R: Stored>(mut row: Row) -> Result<R, Error> {
    let (key, body) = (row.text(0)?, row.text(1)?);
    serde_json::from_str(&body).map_err(|source| Error::Encoding { key, source })
}
