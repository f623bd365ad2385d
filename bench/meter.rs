//! What a stretch of work cost: CPU by process, statements, transactions, WAL, round trips to Redis, writes to the API.

use serde::Serialize;
use sqlx::Row;

use crate::figure::Figure;
use crate::processes;
use crate::site::Site;

/// Counters that only rise, at a moment or between two.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Meter {
    pub(crate) postgres_cpu: f64,
    pub(crate) redis_cpu: f64,
    pub(crate) operator_cpu: f64,
    pub(crate) worker_cpu: f64,
    pub(crate) api_cpu: f64,
    /// Of this program, which asks and measures on the same processors.
    pub(crate) own_cpu: f64,
    pub(crate) statements: f64,
    pub(crate) transactions: f64,
    pub(crate) wal_bytes: f64,
    pub(crate) redis_reads: f64,
    pub(crate) redis_commands: f64,
    pub(crate) api_writes: f64,
    pub(crate) events: f64,
}

impl Meter {
    pub(crate) async fn read(site: &Site) -> Self {
        let (statements, transactions, wal_bytes) = ledger(site).await;
        let info = site.redis_info("stats").await;
        let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok());
        let (api_writes, events) = site.api_writes().await;
        Self {
            postgres_cpu: processes::cpu(site.pids.postgres),
            redis_cpu: processes::cpu(site.pids.redis),
            operator_cpu: processes::cpu(site.operator_pid()),
            worker_cpu: site.worker_pids().into_iter().map(processes::cpu).sum(),
            api_cpu: site.pids.api.iter().copied().map(processes::cpu).sum(),
            own_cpu: processes::own_cpu(),
            statements,
            transactions,
            wal_bytes,
            redis_reads: of("total_reads_processed").unwrap_or(f64::NAN),
            redis_commands: of("total_commands_processed").unwrap_or(f64::NAN),
            api_writes,
            events,
        }
    }

    /// What was added since.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            postgres_cpu: self.postgres_cpu - before.postgres_cpu,
            redis_cpu: self.redis_cpu - before.redis_cpu,
            operator_cpu: self.operator_cpu - before.operator_cpu,
            worker_cpu: self.worker_cpu - before.worker_cpu,
            api_cpu: self.api_cpu - before.api_cpu,
            own_cpu: self.own_cpu - before.own_cpu,
            statements: self.statements - before.statements,
            transactions: self.transactions - before.transactions,
            wal_bytes: self.wal_bytes - before.wal_bytes,
            redis_reads: self.redis_reads - before.redis_reads,
            redis_commands: self.redis_commands - before.redis_commands,
            api_writes: self.api_writes - before.api_writes,
            events: self.events - before.events,
        }
    }
}

/// The cost of one task, over some runs of `tasks` each.
pub(crate) fn per_task(runs: &[Meter], tasks: f64, with_reach: bool) -> Vec<Figure> {
    let micros = |name: &str, of: fn(&Meter) -> f64| Figure::of(name, "us/task", runs.iter().map(|run| of(run) * 1e6 / tasks).collect());
    let per_thousand =
        |name: &str, of: fn(&Meter) -> f64| Figure::of(name, "per 1,000", runs.iter().map(|run| of(run) * 1e3 / tasks).collect());
    let wal = Figure::of("WAL", "bytes/task", runs.iter().map(|run| run.wal_bytes / tasks).collect()).by_batch();
    let reach = |figure: Figure, most: f64| if with_reach { figure.at_most(most) } else { figure };
    vec![
        reach(micros("Postgres CPU", |run| run.postgres_cpu), 50.0),
        reach(micros("Redis CPU", |run| run.redis_cpu), 15.0),
        reach(micros("operator CPU", |run| run.operator_cpu), 15.0),
        reach(micros("worker CPU", |run| run.worker_cpu), 10.0),
        reach(wal, 2048.0),
        per_thousand("SQL statements", |run| run.statements).by_batch(),
        per_thousand("transactions", |run| run.transactions).by_batch(),
        per_thousand("Redis reads", |run| run.redis_reads).by_batch(),
        per_thousand("Redis commands", |run| run.redis_commands).fixed(),
    ]
}

/// Statements of the ledger's database, transactions and WAL of the server.
async fn ledger(site: &Site) -> (f64, f64, f64) {
    // The counters of a session are published when it is idle for a moment; those of statements at once.
    let row = sqlx::query(
        "SELECT coalesce((SELECT sum(s.calls) FROM public.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
                          WHERE d.datname = current_database()), 0)::float8,
                (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())::float8,
                (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8",
    )
    .fetch_one(&site.database.pool)
    .await
    .expect("the server's counters");
    (row.get(0), row.get(1), row.get(2))
}
