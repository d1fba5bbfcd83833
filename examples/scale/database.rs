//! A host with PostgreSQL: the example server's store.

use mdm_core::record::{Change, Record};
use tokio_postgres::NoTls;

use crate::Result;
use crate::desk::{Desk, Host, StoredKind, Tally};
use crate::store::{Address, Batch, Place, Store, Stored, View};

/// The store, and where it is, to ask the database itself how large it has grown.
pub struct Database {
    store: Store,
    url: String,
}

impl Database {
    /// Over an empty database.
    pub fn open(url: &str) -> Result<Database> {
        let address = Address::parse(url, None).map_err(|error| format!("--database: {error}"))?;
        let store = Store::open(&Place::Postgres(Box::new(address)))?;
        Ok(Database { store, url: url.to_owned() })
    }
}

impl Desk for Batch<'_> {
    fn load<R: Stored>(&mut self, key: &str) -> Result<Option<R>> {
        let view: &View<'_> = self;
        Ok(view.load(key)?)
    }

    fn load_alias<R: Stored>(&mut self, alias: &str) -> Result<Option<R>> {
        let view: &View<'_> = self;
        Ok(view.load_alias(alias)?)
    }

    fn open<R: Stored>(&mut self, owner: &str) -> Result<Vec<R>> {
        Ok(self.list_open(owner)?)
    }

    fn keep<R: Stored + Record>(&mut self, change: &Change<R>) -> Result<()> {
        Ok(Batch::keep(self, change)?)
    }

    fn link(&mut self, kind: &str, value: &str, key: &str) -> Result<()> {
        Ok(Batch::link(self, kind, value, key)?)
    }

    fn linked(&mut self, kind: &str, value: &str) -> Result<Option<String>> {
        let view: &View<'_> = self;
        Ok(view.linked(kind, value)?)
    }

    fn number(&mut self) -> Result<u64> {
        Ok(self.next_number()?)
    }
}

impl Host for Database {
    type Desk<'a> = Batch<'a>;

    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn decide<T>(&mut self, decision: impl FnMut(&mut Batch<'_>) -> Result<T>) -> Result<T> {
        self.store.decide(decision)
    }

    fn each<R: Stored>(&mut self, owner: &str, show: impl FnMut(R) -> Result<()>) -> Result<()> {
        self.store.read(|view| view.each(owner, show))
    }

    /// As the database counts them. Records of all kinds share one table: what it takes besides the rows is shared out by their bytes.
    fn stored(&mut self, _tally: &Tally) -> Result<Vec<StoredKind>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (client, talk) = tokio_postgres::connect(&self.url, NoTls).await?;
            tokio::spawn(talk);
            client.batch_execute("VACUUM ANALYZE").await?;
            let mut stored = Vec::new();
            let bytes = "sum(octet_length(kind) + octet_length(key) + octet_length(owner) + 16
                             + coalesce(octet_length(alias), 0) + coalesce(octet_length(place), 0) + octet_length(body))";
            for (table, kind, bytes) in [
                ("record", "kind", bytes),
                ("link", "'links'", "sum(octet_length(kind) + octet_length(value) + octet_length(key))"),
                ("event", "kind || ', its events'", "sum(octet_length(body))"),
            ] {
                let sizes = format!("SELECT pg_total_relation_size('{table}'), pg_indexes_size('{table}')");
                let sizes = client.query_one(&sizes, &[]).await?;
                let (total, indexes): (i64, i64) = (sizes.get(0), sizes.get(1));
                let sql = format!("SELECT {kind}, count(*), ({bytes})::bigint FROM {table} GROUP BY 1 ORDER BY 1");
                let rows = client.query(&sql, &[]).await?;
                let all: i64 = rows.iter().map(|row| row.get::<_, i64>(2)).sum();
                for row in rows {
                    let (kind, count, bytes): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
                    let share = |of: i64| (of as f64 * bytes as f64 / all.max(1) as f64) as u64;
                    let on_disk = Some((share(total), share(indexes)));
                    stored.push(StoredKind { kind, rows: count.unsigned_abs(), bytes: bytes.unsigned_abs(), on_disk });
                }
            }
            Ok(stored)
        })
    }
}
