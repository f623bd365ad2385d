//! The pools of connections, and the frame of every transaction: the epoch first, the failed act named.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use metrics::histogram;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection, Postgres};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::dispatch::Turns;
use super::error::Error;
use super::facts::Epoch;
use super::migrate;
use super::plans::Plans;
use super::settings::Settings;
use crate::proof::{self, Safeguard, is_left_out};

/// How long a whole transaction may take before its connection is given up: above the server's own limits.
const GIVE_UP: Duration = Duration::from_secs(25);
/// How long a look at a job may take, by the same measure.
const READ_GIVE_UP: Duration = Duration::from_secs(8);
/// How long a connection is waited for: three tries in a row, after which a status says that the ledger is away, take a quarter
/// of a minute.
const ACQUIRE: Duration = Duration::from_secs(4);
/// How long a connection that comes back to its pool gets to say that it is alive. One whose other end is gone without a word would
/// be waited for until the kernel gives it up, a quarter of an hour, and its place with it.
const ALIVE: Duration = Duration::from_secs(4);

/// The ledger. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) writer: PgPool,
    pub(super) reader: PgPool,
    /// One large acceptance at a time, or small ones would wait behind several.
    pub(super) large_accept: Arc<Semaphore>,
    pub(super) plans: Plans,
    pub(super) dispatches: Arc<Turns>,
    settings: Settings,
}

impl Store {
    /// Connects, and refuses a schema that is older than this program.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let options = settings.options()?.application_name("igor");
        let plans = Plans::for_ledger(&options).await?;
        let writer = pool(settings.connections)
            .after_connect(|connection, _| Box::pin(refuse_standby(connection)))
            .connect_with(options.clone().options(WRITER))
            .await
            .map_err(Error::connect)?;
        let reader = pool(settings.connections).connect_with(options.options(READER)).await.map_err(Error::connect)?;
        migrate::check(&writer).await?;
        Ok(Self::new(writer, reader, plans, settings))
    }

    fn new(writer: PgPool, reader: PgPool, plans: Plans, settings: &Settings) -> Self {
        let (large_accept, dispatches) = (Arc::new(Semaphore::new(1)), Arc::default());
        Self { writer, reader, large_accept, plans, dispatches, settings: settings.clone() }
    }

    /// Reads the file with the address again: new connections use what it says now. Those that are open stay.
    pub fn renew(&self) -> Result<(), Error> {
        if self.settings.url_file.is_some() {
            let options = self.settings.options()?.application_name("igor");
            self.writer.set_connect_options(options.clone().options(WRITER));
            self.reader.set_connect_options(options.options(READER));
        }
        Ok(())
    }

    /// Connects to look only: a standby will do, and whatever writes is refused.
    pub async fn connect_to_read(settings: &Settings) -> Result<Self, Error> {
        let options = settings.options()?.application_name("igor");
        let reader = pool(settings.connections).connect_with(options.options(READER)).await.map_err(Error::connect)?;
        migrate::check(&reader).await?;
        Ok(Self::new(reader.clone(), reader, Plans::EachTime, settings))
    }

    /// Whether the ledger answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let read = sqlx::query("SELECT 1").execute(&self.writer);
        within("reach the ledger", async { read.await.map(drop).act("reach the ledger") }).await
    }

    /// Closes every connection, after what is under way.
    pub async fn close(&self) {
        self.writer.close().await;
        self.reader.close().await;
    }

    /// A connection to read with.
    pub(super) async fn reading(&self, act: &'static str) -> Result<Reading, Error> {
        Ok(Reading(Some(self.reader.acquire().await.act(act)?)))
    }

    /// Begins a transaction: of the leader of `epoch`, or (`None`) of anybody.
    pub(super) async fn begin(&self, act: &'static str, epoch: Option<Epoch>) -> Result<Transaction, Error> {
        Box::pin(self.begin_with("BEGIN", act, epoch)).await
    }

    /// The same of one whose statements reach every row by its key; they are planned once.
    pub(super) async fn begin_by_key(&self, act: &'static str, epoch: Option<Epoch>) -> Result<Transaction, Error> {
        Box::pin(self.begin_with(self.plans.by_key(), act, epoch)).await
    }

    async fn begin_with(&self, begin: &'static str, act: &'static str, epoch: Option<Epoch>) -> Result<Transaction, Error> {
        let mut transaction = Transaction { open: self.writer.begin_with(begin).await.act(act)?, act };
        if let Some(ours) = epoch {
            let current = sqlx::query_scalar!("SELECT number FROM igor.epoch").fetch_one(&mut *transaction).await.act(act)?;
            if current != ours.0 && !is_left_out(Safeguard::EpochCheck) {
                return Err(Error::Fenced { ours, current: Epoch(current) });
            }
        }
        Ok(transaction)
    }
}

/// Server-side limits of a connection that writes: a stopped process must not keep its locks. Every row is reached by its key:
/// the bounds of a day look so narrow to the planner, whose statistics are older than the newest jobs, that it would rather read the
/// whole day once and compare. Tables are joined in the order in which a statement names them.
const WRITER: [(&str, &str); 12] = [
    ("statement_timeout", "20s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_material", "off"),
    ("enable_memoize", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
    ("join_collapse_limit", "1"),
];

/// Those of one that reads: plans are made for the filters at hand, nothing is compiled for a page, and whoever went away is noticed.
/// Pages are read in the order of an index: without statistics of a day, the planner would rather gather a whole layer and sort it.
const READER: [(&str, &str); 6] = [
    ("statement_timeout", "5s"),
    ("default_transaction_read_only", "on"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
    ("enable_bitmapscan", "off"),
    ("client_connection_check_interval", "500ms"),
];

fn pool(connections: u32) -> PgPoolOptions {
    let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE);
    pool.after_release(|connection, _| Box::pin(is_alive(connection)))
}

async fn is_alive(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let silent = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(ALIVE, connection.ping()).await.unwrap_or_else(|_| Err(silent())).map(|()| true)
}

async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    if standby { Err(sqlx::Error::Configuration("the database is a standby, it takes no writes".into())) } else { Ok(()) }
}

/// Runs a whole transaction, or gives up when the database has stopped answering. Dropping it drops its connection's transaction.
pub(super) async fn within<T>(act: &'static str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    give_up_after(GIVE_UP, act, work).await
}

/// The same for what only reads one job.
pub(super) async fn within_reading<T>(act: &'static str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    give_up_after(READ_GIVE_UP, act, work).await
}

async fn give_up_after<T>(limit: Duration, act: &'static str, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let began = Instant::now();
    let done = tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::TimedOut { act, seconds: limit.as_secs() }));
    histogram!("igor_store_seconds", "transaction" => act).record(began.elapsed());
    done
}

/// A connection that reads. Dropped before [`Reading::done`] it is closed, and the database gives up what it was asked.
pub(super) struct Reading(Option<PoolConnection<Postgres>>);

impl Reading {
    /// Gives it back.
    pub(super) fn done(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

impl Deref for Reading {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("there until it is done")
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("there until it is done")
    }
}

/// A transaction under way. Dropped without a commit it never was.
pub(super) struct Transaction {
    open: sqlx::Transaction<'static, Postgres>,
    act: &'static str,
}

impl Transaction {
    /// What follows looks through a layer: it is planned for the layer at hand.
    pub(super) async fn plan_each_time(&mut self) -> Result<(), Error> {
        let act = self.act;
        sqlx::query("SET LOCAL plan_cache_mode = auto").execute(&mut *self.open).await.map(drop).act(act)
    }

    /// Makes it last.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        lasting(self.act, self.open.commit()).await
    }
}

impl Deref for Transaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.open
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.open
    }
}

/// What changes the ledger: a commit, or a statement that is a transaction by itself.
pub(super) async fn lasting<T>(act: &'static str, change: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let effect = proof::before("store", act);
    let changed = change.await;
    proof::after(effect);
    changed
}

/// Names the act that a statement was part of.
pub(super) trait Act<T> {
    /// The same, with the failure named.
    fn act(self, act: &'static str) -> Result<T, Error>;
}

impl<T> Act<T> for Result<T, sqlx::Error> {
    fn act(self, act: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::act(act, source))
    }
}
