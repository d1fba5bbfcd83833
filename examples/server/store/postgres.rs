//! PostgreSQL: many nodes over one database, decisions side by side.
//!
//! A decision runs in a serializable transaction: it is stored as if it had been alone, or it was overtaken, which the database says
//! (SQLSTATE 40001) and sometimes says without need. Then it runs again, after a pause that grows. A lock that waits for nobody is
//! not needed for that, and a node that is killed leaves nothing behind: its connections end, and with them what they held.
//!
//! ```text
//!          ┌──────────────── overtaken, up to ATTEMPTS times: pause ◄──────────────┐
//!          ▼                                                                       │
//!   a free connection ──► BEGIN ──► the decision ── it failed ──► ROLLBACK         │
//!                                        └── it is to be kept ──► COMMIT ──► stored, or overtaken
//! ```
//!
//! A connection that was lost is noticed and replaced. Lost over the commit, nobody knows whether the decision was stored: who asked
//! is told to come again, as every device does, and gets the same answer then.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mdm_core::secret::Secret;
use tokio::runtime::{self, Handle, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::{Database, Error, Hold, Row, Transaction, Value, causes};

/// Which database, as whom.
pub struct Address(Config);

impl Address {
    /// `postgres://user:password@host:port/database`; the password may come from elsewhere.
    ///
    /// # Errors
    /// A line for who has written it.
    pub fn parse(url: &str, password: Option<&Secret>) -> Result<Address, String> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("it begins with postgres://; for SQLite, say --data DIR".into());
        }
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| causes(&error))?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err("this example speaks to its database without TLS, so that sslmode=require cannot be had: \
                        reach it over loopback, a Unix socket or a network of your own, with sslmode=disable"
                .into());
        }
        config.ssl_mode(SslMode::Disable);
        if let Some(password) = password {
            config.password(password.expose());
        }
        // A database that says nothing any more must not be waited for.
        config.connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(30));
        config.application_name("mdm-core");
        Ok(Address(config))
    }
}

/// Decisions of one node at once. More of them overtake each other: of three nodes, with 24 devices at a time, 4,300 decisions were
/// overtaken for 1,700 messages; with 6 at a time 110 for 1,200, each message in half the time.
const DECIDING_AT_ONCE: usize = 3;
/// Who looks at the same time, beside them.
const LOOKING_AT_ONCE: usize = 8;
/// How often a decision is made until who asked is sent away.
const ATTEMPTS: u32 = 16;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long a decision waits for a connection.
const WAIT: Duration = Duration::from_secs(10);

/// What every connection begins with. Conflicts are told by what was read, which a sequential scan makes everything; an answer waits for
/// the disk; and a node that died without a word is given up in less than half a minute.
const SESSION: &str = "
SET enable_seqscan = off;
SET jit = off;
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '60s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";

/// The version of the tables below, in the table `version`.
const VERSION: i32 = 1;

/// Texts compare by their bytes, as in SQLite. Records are changed in place, for which pages keep some room.
const TABLES: &str = r#"
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (1);
CREATE TABLE record (
    rowid BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT COLLATE "C" NOT NULL, key TEXT COLLATE "C" NOT NULL, owner TEXT COLLATE "C" NOT NULL,
    alias TEXT COLLATE "C", place BYTEA, revision BIGINT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (kind, key)) WITH (fillfactor = 85);
CREATE INDEX record_owner ON record (kind, owner, rowid);
CREATE INDEX record_alias ON record (kind, alias, rowid) WHERE alias IS NOT NULL;
CREATE INDEX record_place ON record (kind, owner, place) WHERE place IS NOT NULL;
CREATE TABLE link (
    kind TEXT COLLATE "C" NOT NULL, value TEXT COLLATE "C" NOT NULL, key TEXT NOT NULL, PRIMARY KEY (kind, value));
CREATE TABLE event (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE secret (name TEXT COLLATE "C" PRIMARY KEY, value BYTEA NOT NULL);
CREATE TABLE seen (key TEXT COLLATE "C" PRIMARY KEY, digest TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX seen_at ON seen (at);
CREATE SEQUENCE given;
"#;

/// The database, as one node reaches it.
pub struct Postgres {
    deciding: Arc<Pool>,
    looking: Arc<Pool>,
}

/// Connections of this node, and the most that there may be.
struct Pool {
    config: Config,
    most: usize,
    talk: Arc<Talk>,
    connections: Mutex<Connections>,
    returned: Condvar,
}

/// The one thread that talks over all connections.
struct Talk(Option<Runtime>, Handle);

#[derive(Default)]
struct Connections {
    idle: Vec<Arc<Connection>>,
    open: usize,
}

/// One connection, and the statements that it knows.
struct Connection {
    client: Client,
    known: Mutex<HashMap<&'static str, Statement>>,
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Error {
        let reason = causes(&error);
        let Some(state) = error.code() else { return Error::Unavailable(reason) };
        // Read-only, out of something, shutting down, operator intervention, system error, no such lock: by their classes.
        let passes = *state == SqlState::READ_ONLY_SQL_TRANSACTION || ["08", "53", "55", "57", "58"].contains(&class(state));
        let unfit = [&SqlState::PROGRAM_LIMIT_EXCEEDED, &SqlState::CHARACTER_NOT_IN_REPERTOIRE].contains(&state);
        match (passes, unfit) {
            (true, _) => Error::Unavailable(reason),
            (_, true) => Error::Unfit(reason),
            _ => Error::Database(reason),
        }
    }
}

fn class(state: &SqlState) -> &str {
    state.code().get(..2).unwrap_or_default()
}

/// Serialization failures and deadlocks.
fn is_overtaken(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| class(state) == "40")
}

impl Postgres {
    /// Connects, and makes the tables when there are none.
    pub fn open(address: &Address) -> Result<Postgres, Error> {
        let talk = Arc::new(Talk::begin().map_err(|error| Error::Unavailable(error.to_string()))?);
        let pool = |most| {
            let (config, talk) = (address.0.clone(), talk.clone());
            Arc::new(Pool { config, most, talk, connections: Mutex::default(), returned: Condvar::new() })
        };
        let postgres = Postgres { deciding: pool(DECIDING_AT_ONCE), looking: pool(LOOKING_AT_ONCE) };
        postgres.prepare()?;
        Ok(postgres)
    }

    fn prepare(&self) -> Result<(), Error> {
        let borrowed = Pool::borrow(&self.deciding)?;
        borrowed.wait(async |client| {
            let encoding: String = client.query_one("SHOW server_encoding", &[]).await?.get(0);
            if encoding != "UTF8" {
                return Err(Error::Database(format!("the database is in {encoding}; this server needs one in UTF8")));
            }
            // Nodes that start together make the tables one after the other.
            client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('mdm-core tables', 0))").await?;
            let there: bool = client.query_one("SELECT to_regclass('version') IS NOT NULL", &[]).await?.get(0);
            if !there {
                client.batch_execute(TABLES).await?;
            }
            client.batch_execute("COMMIT").await?;
            let version: i32 = client.query_one("SELECT number FROM version", &[]).await?.get(0);
            match version {
                VERSION => Ok(()),
                _ => Err(Error::Database("the tables were made by another version of this server".into())),
            }
        })
    }
}

impl Database for Postgres {
    fn decide(&self, decision: &mut dyn FnMut(&dyn Transaction) -> bool) -> Result<(), Error> {
        for attempt in 0..ATTEMPTS {
            std::thread::sleep(pause(attempt));
            let session = Pool::begin(&self.deciding, "BEGIN ISOLATION LEVEL SERIALIZABLE")?;
            let keep = decision(&session);
            match session.trouble.take() {
                Some(Trouble::Overtaken) => session.roll_back(),
                Some(Trouble::Failed(reason)) if keep => {
                    session.roll_back();
                    return Err(Error::NotStored(reason.into()));
                }
                _ if !keep => {
                    session.roll_back();
                    return Ok(());
                }
                _ => match session.commit() {
                    Ok(()) => return Ok(()),
                    Err(error) if is_overtaken(&error) => {}
                    Err(error) if error.code().is_some() => return Err(Error::NotStored(causes(&error).into())),
                    Err(error) => return Err(Error::Unknown(causes(&error))),
                },
            }
        }
        Err(Error::Overtaken(ATTEMPTS))
    }

    fn read(&self, look: &mut dyn FnMut(&dyn Transaction)) -> Result<(), Error> {
        let session = Pool::begin(&self.looking, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        look(&session);
        session.roll_back();
        Ok(())
    }

    /// A lock of the connection, which ends with it: nobody waits for a node that was killed.
    fn hold(&self, name: &str) -> Result<Option<Box<dyn Hold>>, Error> {
        let connection = self.looking.connect()?;
        let name = format!("mdm-core lease {name}");
        let sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
        let row = self.looking.talk.wait(connection.client.query_one(sql, &[&name]))?;
        Ok(if row.get(0) { Some(Box::new(Held(connection))) } else { None })
    }
}

/// Longer from time to time, and never as long as another's.
fn pause(attempt: u32) -> Duration {
    if attempt == 0 {
        return Duration::ZERO;
    }
    let longest = Duration::from_millis(2_u64 << attempt.min(10)).min(LONGEST_PAUSE);
    let dice = getrandom::u32().unwrap_or(u32::MAX);
    longest.mul_f64(f64::from(dice) / f64::from(u32::MAX))
}

/// A connection with a lock.
struct Held(Connection);

impl Hold for Held {
    fn holds(&self) -> bool {
        !self.0.client.is_closed()
    }
}

impl Talk {
    fn begin() -> std::io::Result<Talk> {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).thread_name("database").enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Talk(Some(runtime), handle))
    }

    /// From a thread that may block.
    fn wait<T>(&self, talk: impl Future<Output = T>) -> T {
        self.1.block_on(talk)
    }
}

impl Drop for Talk {
    /// Whoever has the host last may be where nobody may wait.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> Result<Connection, Error> {
        let client = self.talk.wait(async {
            let (client, talk) = self.config.connect(NoTls).await?;
            tokio::spawn(async move {
                if let Err(error) = talk.await {
                    eprintln!("database: a connection ended: {}", causes(&error));
                }
            });
            client.batch_execute(SESSION).await?;
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Connection { client, known: Mutex::default() })
    }

    /// A transaction of this kind, over a connection that stands.
    fn begin(pool: &Arc<Pool>, how: &str) -> Result<Session, Error> {
        for _ in 0..=pool.most {
            let connection = Pool::borrow(pool)?;
            match connection.wait(async |client| client.batch_execute(how).await) {
                Ok(()) => {
                    // Whoever unwinds from here leaves a transaction open: such a connection is closed.
                    connection.clean.set(false);
                    return Ok(Session { connection, trouble: RefCell::default() });
                }
                // It was lost while nobody used it, or is being ended: the next one may stand.
                Err(error) if error.code().is_none_or(|state| class(state) == "57") => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable("connections are lost as soon as they are used".into()))
    }

    /// A connection that is free, or a new one; waits when there are as many as there may be.
    fn borrow(pool: &Arc<Pool>) -> Result<Borrowed, Error> {
        let until = Instant::now() + WAIT;
        let mut connections = pool.lock();
        loop {
            match connections.idle.pop() {
                Some(connection) if connection.client.is_closed() => connections.open -= 1,
                Some(connection) => return Ok(Borrowed { pool: pool.clone(), connection, clean: Cell::new(false) }),
                None if connections.open < pool.most => break,
                None => {
                    let Some(left) = until.checked_duration_since(Instant::now()) else {
                        return Err(Error::Unavailable(format!("no connection was free for {} s", WAIT.as_secs())));
                    };
                    let waited = pool.returned.wait_timeout(connections, left);
                    connections = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        connections.open += 1;
        drop(connections);
        match pool.connect() {
            Ok(connection) => Ok(Borrowed { pool: pool.clone(), connection: Arc::new(connection), clean: Cell::new(false) }),
            Err(error) => {
                pool.lock().open -= 1;
                pool.returned.notify_one();
                Err(error)
            }
        }
    }
}

/// A connection in use. One that was left in the middle of something is closed, not given back.
struct Borrowed {
    pool: Arc<Pool>,
    connection: Arc<Connection>,
    clean: Cell<bool>,
}

impl Borrowed {
    fn wait<T, E>(&self, talk: impl AsyncFnOnce(&Client) -> Result<T, E>) -> Result<T, E> {
        self.clean.set(false);
        let said = self.pool.talk.wait(talk(&self.connection.client));
        self.clean.set(said.is_ok());
        said
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut connections = self.pool.lock();
        if self.clean.get() && !self.connection.client.is_closed() {
            connections.idle.push(self.connection.clone());
        } else {
            connections.open -= 1;
        }
        drop(connections);
        self.pool.returned.notify_one();
    }
}

/// An open transaction.
struct Session {
    connection: Borrowed,
    trouble: RefCell<Option<Trouble>>,
}

/// Why it can only be rolled back.
enum Trouble {
    Overtaken,
    Failed(String),
}

impl Session {
    fn commit(self) -> Result<(), tokio_postgres::Error> {
        let said = self.connection.wait(async |client| client.batch_execute("COMMIT").await);
        // What the database has refused to commit it has rolled back.
        self.connection.clean.set(!said.as_ref().is_err_and(|error| error.code().is_none()));
        said
    }

    /// A connection on which that cannot be said is closed, with the same outcome.
    fn roll_back(self) {
        let _said = self.connection.wait(async |client| client.batch_execute("ROLLBACK").await);
    }

    /// Runs a statement. What fails first decides what becomes of the transaction.
    fn run<T>(&self, talk: impl AsyncFnOnce(&Connection) -> Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        let said = self.connection.pool.talk.wait(talk(&self.connection.connection));
        said.map_err(|error| {
            let trouble = if is_overtaken(&error) { Trouble::Overtaken } else { Trouble::Failed(causes(&error)) };
            self.trouble.borrow_mut().get_or_insert(trouble);
            Error::from(error)
        })
    }
}

impl Transaction for Session {
    fn rows(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, Error> {
        check(values)?;
        self.run(async |connection| {
            let statement = connection.statement(sql).await?;
            let rows = connection.client.query(&statement, &parameters(values)).await?;
            rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect::<Result<_, _>>().map(Row)).collect()
        })
    }

    fn execute(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, Error> {
        check(values)?;
        self.run(async |connection| {
            let statement = connection.statement(sql).await?;
            connection.client.execute(&statement, &parameters(values)).await
        })
    }

    fn next_number(&self) -> Result<i64, Error> {
        self.run(async |connection| {
            let statement = connection.statement("SELECT nextval('given')").await?;
            Ok(connection.client.query_one(&statement, &[]).await?.get(0))
        })
    }
}

impl Connection {
    async fn statement(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(sql).cloned();
        if let Some(found) = found {
            return Ok(found);
        }
        let statement = self.client.prepare(&sql.replace('?', "$")).await?;
        known().insert(sql, statement.clone());
        Ok(statement)
    }
}

/// PostgreSQL has no text with a zero in it.
fn check(values: &[Value<'_>]) -> Result<(), Error> {
    let has_zero = |value: &Value<'_>| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
    if values.iter().any(has_zero) { Err(Error::Unfit("a text with a NUL".into())) } else { Ok(()) }
}

fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    let parameter = |value: &'a Value<'_>| -> &'a (dyn ToSql + Sync) {
        match value {
            Value::Text(text) => text,
            Value::Number(number) => number,
            Value::Octets(octets) => octets,
        }
    };
    values.iter().map(parameter).collect()
}

fn cell(row: &tokio_postgres::Row, at: usize) -> Result<Option<super::Cell>, tokio_postgres::Error> {
    Ok(match *row.columns()[at].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(super::Cell::Number),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at)?.map(super::Cell::Octets),
        _ => row.try_get::<_, Option<String>>(at)?.map(super::Cell::Text),
    })
}
