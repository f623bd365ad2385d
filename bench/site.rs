//! Igor at work: a database, a namespace, an operator and workers of its own, on the rig's servers.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use igor::crd::IgorJob;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::{Value, json};
use sqlx::Executor;

use crate::processes;
use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::stores::{self, Database};
use crate::support::{from_rig, unique, until};

/// Only a broken run waits so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(600);

/// The rig's servers.
pub(crate) struct Pids {
    pub(crate) postgres: u32,
    pub(crate) redis: u32,
    /// The API server and its store, where they are this machine's.
    pub(crate) api: Vec<u32>,
}

/// A site. Its processes end with it.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) database: Database,
    pub(crate) pids: Pids,
    pub(crate) folder: PathBuf,
    metrics_port: u16,
    operator: Process,
    workers: Vec<Process>,
    redis: redis::Client,
}

impl Site {
    /// With an operator and no worker.
    pub(crate) async fn new(row: &str) -> Self {
        let cluster = Cluster::new(&format!("bench-{row}")).await;
        let database = stores::database().await;
        database.pool.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public").await.expect("pg_stat_statements");
        let redis = redis::Client::open(stores::redis_url()).expect("a URL");
        let pids = pids(&database, &redis).await;
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench/logs").join(row);
        std::fs::remove_dir_all(&folder).ok();
        let metrics_port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let operator = operator(&cluster, &database, &folder, metrics_port);
        let site = Self { cluster, database, pids, folder, metrics_port, operator, workers: Vec::new(), redis };
        until("the operator leads", Duration::from_secs(60), || async {
            site.metric("igor_leader ").await.filter(|leads| *leads > 0.0).ok_or("no")
        })
        .await;
        site
    }

    /// The queue of its namespace.
    pub(crate) fn queue(&self) -> String {
        format!("{}.default", self.cluster.namespace)
    }

    /// Starts a worker of a built-in type.
    pub(crate) fn work(&mut self, kind: &str, slots: u32, batch: u32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command.args(["worker", "--namespace", &self.cluster.namespace, "--type", kind]);
        command.args(["--slots", &slots.to_string(), "--batch", &batch.to_string()]);
        self.start_worker(&mut command);
    }

    /// Starts a worker that is another program.
    pub(crate) fn start_worker(&mut self, command: &mut Command) {
        command.env("REDIS_URL", stores::redis_url()).env("IGOR_PREFIX", &self.cluster.namespace).env("IGOR_LOG", "warn");
        let name = format!("worker-{}", self.workers.len());
        self.workers.push(Process::start(&self.folder, &name, command));
    }

    pub(crate) fn operator_pid(&self) -> u32 {
        self.operator.id()
    }

    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        self.workers.iter().map(Process::id).collect()
    }

    pub(crate) fn jobs(&self) -> Api<IgorJob> {
        Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace)
    }

    /// Creates a job of these layers.
    pub(crate) async fn submit(&self, name: &str, spec: &Value) {
        self.jobs().create(&PostParams::default(), &object(name, spec)).await.expect("the job is created");
    }

    /// Waits until so many jobs have ended; asks the ledger every few milliseconds.
    pub(crate) async fn until_finished(&self, jobs: i64) {
        let began = Instant::now();
        loop {
            let finished: i64 = self.number("SELECT count(*) FROM igor.jobs WHERE finished_at IS NOT NULL AND status = 'COMPLETED'").await;
            if finished >= jobs {
                return;
            }
            assert!(began.elapsed() < LIMIT, "{finished} of {jobs} jobs are done after {LIMIT:?}; see {}", self.folder.display());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// The same, of the jobs whose names are like that.
    pub(crate) async fn until_finished_named(&self, names: &str, jobs: i64) {
        let sql = "SELECT count(*) FROM igor.jobs WHERE finished_at IS NOT NULL AND name LIKE $1";
        let began = Instant::now();
        loop {
            let finished: i64 = sqlx::query_scalar(sql).bind(names).fetch_one(&self.database.pool).await.expect("the jobs");
            if finished >= jobs {
                return;
            }
            assert!(began.elapsed() < LIMIT, "{finished} of {jobs} jobs {names} are done after {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// Waits until a number of the ledger is at least that.
    pub(crate) async fn until_number(&self, sql: &'static str, least: i64) {
        let began = Instant::now();
        while self.number(sql).await < least {
            assert!(began.elapsed() < LIMIT, "{sql} is not {least} after {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until workers have something to do.
    pub(crate) async fn until_dispatched(&self) {
        self.until_number("SELECT coalesce(sum(n_completed), 0)::int8 FROM igor.layers", 1).await;
    }

    /// Waits until the last statuses are written: a second and a half without an API write.
    pub(crate) async fn until_settled(&self) {
        self.until_still(Duration::from_millis(1500)).await;
    }

    /// Waits until nothing is written to the API for ten seconds.
    pub(crate) async fn until_quiet(&self) {
        self.until_still(Duration::from_secs(10)).await;
    }

    async fn until_still(&self, still: Duration) {
        let mut seen = self.api_writes().await;
        let mut since = Instant::now();
        let began = Instant::now();
        while since.elapsed() < still {
            assert!(began.elapsed() < LIMIT, "API writes go on after {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.api_writes().await;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// One whole number of the ledger.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One number of the ledger.
    pub(crate) async fn float(&self, sql: &'static str) -> f64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub(crate) async fn redis_info(&self, section: &str) -> String {
        info(&self.redis, section).await
    }

    /// Writes to the API on jobs, layers and tasks; and Events.
    pub(crate) async fn api_writes(&self) -> (f64, f64) {
        let text = self.metrics().await;
        let sum = |is_event: bool| {
            let lines = text.lines().filter(|line| line.starts_with("igor_api_writes_total{") && line.contains("\"Event\"") == is_event);
            lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
        };
        (sum(false), sum(true))
    }

    async fn metric(&self, start: &str) -> Option<f64> {
        self.metrics().await.lines().find_map(|line| line.strip_prefix(start)?.trim().parse().ok())
    }

    async fn metrics(&self) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let Ok(mut stream) = tokio::net::TcpStream::connect(("127.0.0.1", self.metrics_port)).await else { return String::new() };
        stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: localhost\r\n\r\n").await.ok();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok();
        text
    }

    /// The statements that took the most time, for a profile beside the figures.
    pub(crate) async fn write_statements(&self) {
        let rows: Vec<(i64, f64, f64, f64, String)> = sqlx::query_as(
            "SELECT calls, total_exec_time, total_plan_time, rows::float8, regexp_replace(query, '\\s+', ' ', 'g') FROM public.pg_stat_statements s
             JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() ORDER BY total_exec_time DESC LIMIT 40",
        )
        .fetch_all(&self.database.pool)
        .await
        .expect("the statements");
        let lines = rows.iter().map(|(calls, ms, planned, rows, query)| {
            format!("{ms:10.1} ms {planned:9.1} ms planning {calls:8} calls {rows:9} rows  {query}\n")
        });
        std::fs::write(self.folder.join("statements.txt"), lines.collect::<String>()).expect("a file");
    }

    /// Ends the processes, and drops the database.
    pub(crate) async fn close(mut self) {
        self.write_statements().await;
        self.workers.clear();
        self.operator.kill();
        self.database.remove().await;
    }
}

fn operator(cluster: &Cluster, database: &Database, folder: &std::path::Path, metrics_port: u16) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
    command
        .args(["operator", "--identity", &unique("operator"), "--watch-namespace", &cluster.namespace, "--lease-name", &cluster.namespace])
        .args(["--metrics-addr", &format!("127.0.0.1:{metrics_port}")])
        .env("KUBECONFIG", from_rig("IGOR_TEST_OPERATOR_KUBECONFIG"))
        .env("DATABASE_URL", &database.url)
        .env("REDIS_URL", stores::redis_url())
        .env("IGOR_PREFIX", &cluster.namespace)
        .env("IGOR_LOG", std::env::var("IGOR_LOG").unwrap_or_else(|_| "info".to_owned()));
    Process::start(folder, "operator", &mut command)
}

/// A job object.
pub(crate) fn object(name: &str, spec: &Value) -> IgorJob {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    serde_json::from_value(json!({"apiVersion": "igor.dev/v1alpha1", "kind": "IgorJob", "metadata": metadata, "spec": spec}))
        .expect("a job")
}

/// Layers of one array each, one behind the other.
pub(crate) fn layers(kind: &str, layers: u32, tasks: u32) -> Value {
    let layer = |index| json!({"name": format!("l{index}"), "priority": index, "tasks": [{"name": "t", "type": kind, "count": tasks}]});
    json!({"layers": (0..layers).map(layer).collect::<Vec<_>>()})
}

async fn info(client: &redis::Client, section: &str) -> String {
    let mut connection = client.get_multiplexed_async_connection().await.expect("the rig's Redis");
    redis::cmd("INFO").arg(section).query_async(&mut connection).await.expect("INFO")
}

async fn pids(database: &Database, redis: &redis::Client) -> Pids {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&database.pool).await.expect("a backend");
    let postgres = u32::try_from(backend).ok().and_then(processes::parent).expect("the rig's Postgres runs on this machine");
    let server = info(redis, "server").await;
    let redis = server.lines().find_map(|line| line.strip_prefix("process_id:")?.trim().parse().ok()).expect("a process");
    let kubeconfig = std::fs::read_to_string(from_rig("IGOR_TEST_KUBECONFIG")).unwrap_or_default();
    let port: String = kubeconfig.split("https://127.0.0.1:").nth(1).unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
    let api = processes::find("kube-apiserver", &format!("--secure-port={port}"));
    Pids { postgres, redis, api: api.into_iter().collect() }
}
