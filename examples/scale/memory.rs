//! A host that keeps everything in memory, as JSON, as a database would.

use std::collections::{BTreeMap, HashMap};

use mdm_core::record::{Change, Record};

use crate::Result;
use crate::desk::{Desk, Host, StoredKind, Tally};
use crate::store::Stored;

/// Rows by kind and key, and what finds them otherwise.
#[derive(Default)]
pub struct Memory {
    kinds: BTreeMap<&'static str, Kind>,
    links: HashMap<(String, String), String>,
    number: u64,
}

#[derive(Default)]
struct Kind {
    rows: HashMap<Box<str>, Row>,
    aliases: HashMap<Box<str>, Box<str>>,
    open: Open,
    owners: HashMap<Box<str>, Vec<Box<str>>>,
}

/// Owner, place and key of what is still to be looked at.
type Open = BTreeMap<(Box<str>, Box<[u8]>), Box<str>>;

struct Row {
    revision: u64,
    owner: Box<str>,
    place: Option<Box<[u8]>>,
    body: Box<[u8]>,
}

impl Desk for Memory {
    fn load<R: Stored>(&mut self, key: &str) -> Result<Option<R>> {
        let found = self.kinds.get(R::KIND).and_then(|kind| kind.rows.get(key));
        Ok(found.map(|row| serde_json::from_slice(&row.body)).transpose()?)
    }

    fn load_alias<R: Stored>(&mut self, alias: &str) -> Result<Option<R>> {
        let key = self.kinds.get(R::KIND).and_then(|kind| kind.aliases.get(alias)).cloned();
        key.map_or(Ok(None), |key| self.load(&key))
    }

    fn open<R: Stored>(&mut self, owner: &str) -> Result<Vec<R>> {
        let Some(kind) = self.kinds.get(R::KIND) else { return Ok(Vec::new()) };
        let from = (Box::from(owner), Box::default());
        let open = kind.open.range(from..).take_while(|((found, _), _)| **found == *owner);
        open.filter_map(|(_, key)| kind.rows.get(key)).map(|row| Ok(serde_json::from_slice(&row.body)?)).collect()
    }

    fn keep<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<()> {
        let (record, expected) = (&change.record, change.expected().map(mdm_core::id::Revision::get));
        let (key, owner) = (Box::<str>::from(record.key()), Box::<str>::from(record.owner()));
        let kind = self.kinds.entry(R::KIND).or_default();
        if kind.rows.get(&key).map(|row| row.revision) != expected {
            return Err(format!("{} {key} is another than was decided on", R::KIND).into());
        }
        let row = Row {
            revision: Record::revision(record).get(),
            owner: owner.clone(),
            place: record.place().map(Vec::into_boxed_slice),
            body: serde_json::to_vec(record)?.into_boxed_slice(),
        };
        if let Some(alias) = record.alias() {
            kind.aliases.insert(alias.into(), key.clone());
        }
        if let Some(place) = &row.place {
            kind.open.insert((owner.clone(), place.clone()), key.clone());
        }
        let (now_at, owner_key) = (row.place.clone(), owner.clone());
        match kind.rows.insert(key.clone(), row) {
            None => kind.owners.entry(owner_key).or_default().push(key),
            Some(Row { place: Some(was_at), owner, .. }) if Some(&was_at) != now_at.as_ref() => {
                kind.open.remove(&(owner, was_at));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<()> {
        self.links.insert((kind.to_owned(), value.to_owned()), key.to_owned());
        Ok(())
    }

    fn linked(&mut self, kind: &str, value: &str) -> Result<Option<String>> {
        Ok(self.links.get(&(kind.to_owned(), value.to_owned())).cloned())
    }

    fn number(&mut self) -> Result<u64> {
        self.number += 1;
        Ok(self.number)
    }
}

impl Host for Memory {
    type Desk<'a> = Memory;

    fn name(&self) -> &'static str {
        "memory"
    }

    /// What fails here ends the program: there is nothing to roll back.
    fn decide<T>(&mut self, mut decision: impl FnMut(&mut Memory) -> Result<T>) -> Result<T> {
        decision(self)
    }

    fn each<R: Stored>(&mut self, owner: &str, mut show: impl FnMut(R) -> Result<()>) -> Result<()> {
        let Some(kind) = self.kinds.get(R::KIND) else { return Ok(()) };
        let keys = kind.owners.get(owner).into_iter().flatten();
        keys.filter_map(|key| kind.rows.get(key)).try_for_each(|row| show(serde_json::from_slice(&row.body)?))
    }

    fn stored(&mut self, tally: &Tally) -> Result<Vec<StoredKind>> {
        let records = self.kinds.iter().map(|(kind, content)| StoredKind {
            kind: (*kind).to_owned(),
            rows: content.rows.len() as u64,
            bytes: content.rows.iter().map(|(key, row)| row_bytes(kind, key, row)).sum(),
            on_disk: None,
        });
        let links = StoredKind {
            kind: "links".to_owned(),
            rows: self.links.len() as u64,
            bytes: self.links.iter().map(|((kind, value), key)| (kind.len() + value.len() + key.len()) as u64).sum(),
            on_disk: None,
        };
        let events = tally.events.iter().map(|(kind, (rows, bytes))| StoredKind {
            kind: format!("{kind}, its events"),
            rows: *rows,
            bytes: *bytes,
            on_disk: None,
        });
        Ok(records.chain([links]).chain(events).collect())
    }
}

fn row_bytes(kind: &str, key: &str, row: &Row) -> u64 {
    let place = row.place.as_ref().map_or(0, |place| place.len());
    (kind.len() + key.len() + row.owner.len() + place + size_of::<u64>() + row.body.len()) as u64
}
