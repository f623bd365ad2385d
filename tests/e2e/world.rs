//! A namespace with its own ledger, Redis prefix, operators and workers.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use futures::FutureExt;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject};
use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::process::Process;
use crate::support::stores::{self, Database};
use crate::support::{from_rig, unique, until};

/// Long enough for a machine that does other things too; only a failing test waits so long.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct World {
    cluster: Cluster,
    pub(crate) database: Database,
    pub(crate) folder: PathBuf,
    /// How programs are told where the stores are.
    stores: Vec<(&'static str, String)>,
    task_lease: f64,
    processes: std::sync::atomic::AtomicU32,
}

/// How a world differs from the usual one.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) operators: usize,
    pub(crate) workers: usize,
    /// Seconds.
    pub(crate) task_lease: f64,
}

impl Default for Setup {
    fn default() -> Self {
        Self { operators: 1, workers: 1, task_lease: 30.0 }
    }
}

/// What runs in a world; each ends with it.
pub(crate) type Shared = std::sync::Arc<tokio::sync::Mutex<Running>>;

/// The processes of a world.
pub(crate) struct Running {
    pub(crate) operators: Vec<Process>,
    pub(crate) workers: Vec<Process>,
}

/// Runs a test in a world of its own. When it fails, logs, objects and ledger rows stay under `target/failures/<test>/`.
pub(crate) async fn world<Test, Run>(name: &str, setup: Setup, test: Test)
where
    Test: FnOnce(std::sync::Arc<World>, Shared) -> Run,
    Run: Future<Output = ()>,
{
    let database = stores::database().await;
    let told = vec![("DATABASE_URL", database.url.clone()), ("REDIS_URL", stores::redis_url())];
    world_of(name, setup, database, told, test).await;
}

/// The same with stores of which programs are told by these variables.
pub(crate) async fn world_of<Test, Run>(name: &str, setup: Setup, database: Database, stores: Vec<(&'static str, String)>, test: Test)
where
    Test: FnOnce(std::sync::Arc<World>, Shared) -> Run,
    Run: Future<Output = ()>,
{
    let world = std::sync::Arc::new(World::new(name, setup.task_lease, database, stores).await);
    let operators = (0..setup.operators).map(|_| world.operator()).collect();
    let workers = (0..setup.workers).map(|_| world.worker(&[])).collect();
    let running = Shared::new(Running { operators, workers }.into());
    let result = AssertUnwindSafe(test(world.clone(), running.clone())).catch_unwind().await;
    if let Err(panic) = result {
        world.keep_evidence().await;
        std::panic::resume_unwind(panic);
    }
    std::fs::remove_dir_all(&world.folder).ok();
}

impl World {
    async fn new(name: &str, task_lease: f64, database: Database, stores: Vec<(&'static str, String)>) -> Self {
        let cluster = Cluster::new(&name.replace('_', "-").chars().take(30).collect::<String>()).await;
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/failures").join(name);
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).expect("a folder for logs");
        Self { cluster, database, folder, stores, task_lease, processes: 0.into() }
    }

    /// The program, told where the stores are; and a name for its log.
    pub(crate) fn igor(&self, subcommand: &str) -> (Command, String) {
        let number = self.processes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command
            .arg(subcommand)
            .envs(self.stores.iter().map(|(name, value)| (name, value)))
            .env("IGOR_PREFIX", &self.cluster.namespace)
            .env("IGOR_LOG", "info,igor=debug")
            .env("RUST_BACKTRACE", "1");
        (command, format!("{subcommand}-{number}"))
    }

    /// Runs `igor` with the rights of a person. Returns what it printed, or what it said in refusing.
    pub(crate) fn by_hand(&self, args: &[&str]) -> Result<String, String> {
        let (mut command, _) = self.igor(args[0]);
        let output = command.env("KUBECONFIG", from_rig("IGOR_TEST_KUBECONFIG")).args(&args[1..]).output().expect("igor runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
    }

    /// Starts an operator, as the role it ships with.
    pub(crate) fn operator(&self) -> Process {
        self.operator_named(&unique("operator"))
    }

    /// Starts an operator under a name in the lease; with the name of one that died it takes over at once.
    pub(crate) fn operator_named(&self, identity: &str) -> Process {
        self.operator_adapted(identity, |command| command)
    }

    /// The same, with other flags or another environment.
    pub(crate) fn operator_adapted(&self, identity: &str, adapt: impl FnOnce(&mut Command) -> &mut Command) -> Process {
        let (mut command, name) = self.igor("operator");
        command.args(["--identity", identity]);
        command
            .env("KUBECONFIG", from_rig("IGOR_TEST_OPERATOR_KUBECONFIG"))
            .args(["--watch-namespace", &self.cluster.namespace, "--lease-name", &self.cluster.namespace, "--metrics-addr", "127.0.0.1:0"])
            .args(["--task-lease-seconds", &self.task_lease.to_string()]);
        Process::start(&self.folder, &name, adapt(&mut command))
    }

    /// Starts a worker of the built-in types with 8 slots.
    pub(crate) fn worker(&self, more: &[&str]) -> Process {
        let (mut command, name) = self.igor("worker");
        command.args(["--namespace", &self.cluster.namespace]).args(more);
        if !more.contains(&"--type") {
            command.args(["noop", "sleep", "echo", "fail", "flaky", "sha256"].iter().flat_map(|kind| ["--type", *kind]));
        }
        if !more.contains(&"--slots") {
            command.args(["--slots", "8"]);
        }
        Process::start(&self.folder, &name, &mut command)
    }

    /// Starts a worker of type `timed`: each task writes `begin NAME` and `end NAME` to a file, and runs for so many seconds as its
    /// arguments say.
    pub(crate) fn timed_worker(&self, slots: usize) -> Process {
        let script = self.folder.join("timed");
        let text = format!(
            "#!/bin/sh\necho \"begin $IGOR_NAME\" >> {0}\ntrap 'echo \"stopped $IGOR_NAME\" >> {0}; exit 1' TERM\n\
             seconds=$(cat)\nsleep \"$seconds\" & wait $!\necho \"end $IGOR_NAME\" >> {0}\n",
            self.folder.join("timed.log").display()
        );
        if !script.exists() {
            std::fs::write(&script, text).expect("a script");
            std::process::Command::new("chmod").arg("+x").arg(&script).status().expect("chmod runs");
        }
        self.worker(&["--type", "timed", "--slots", &slots.to_string(), "--exec", script.to_str().expect("a path")])
    }

    /// How often each line was written by [`timed_worker`](Self::timed_worker)s.
    pub(crate) fn timed(&self) -> BTreeMap<String, usize> {
        let mut lines = BTreeMap::new();
        for line in std::fs::read_to_string(self.folder.join("timed.log")).unwrap_or_default().lines() {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
        lines
    }

    /// Waits until that line was written.
    pub(crate) async fn until_timed(&self, line: &str) {
        until(line, SOON, || async { if self.timed().contains_key(line) { Ok(()) } else { Err(self.timed()) } }).await;
    }

    /// `kubectl`, in the world's namespace. Returns what it printed, or what it said in refusing.
    pub(crate) fn kubectl(&self, args: &[&str], input: Option<&str>) -> Result<String, String> {
        self.cluster.kubectl(args, input.unwrap_or_default())
    }

    /// `kubectl apply --server-side -f -`.
    pub(crate) fn apply(&self, yaml: &str) {
        self.cluster.apply(yaml);
    }

    /// `kubectl annotate --overwrite ij <job> <annotation>`.
    pub(crate) fn annotate(&self, job: &str, annotation: &str) {
        self.kubectl(&["annotate", "--overwrite", "ij", job, annotation], None).expect("annotated");
    }

    pub(crate) fn jobs(&self) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "igor.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "igor.dev/v1alpha1".to_owned(),
            kind: "IgorJob".to_owned(),
            plural: "igorjobs".to_owned(),
        };
        Api::namespaced_with(self.cluster.client.clone(), &self.cluster.namespace, &resource)
    }

    /// The job as the API server has it now.
    pub(crate) async fn job(&self, name: &str) -> Value {
        serde_json::to_value(self.jobs().get(name).await.expect("the job")).expect("json")
    }

    /// Its namespace, which is also the name of its leader's lease.
    pub(crate) fn namespace(&self) -> &str {
        &self.cluster.namespace
    }

    /// Waits until the job's phase is one of `phases`, and returns the job.
    pub(crate) async fn until_phase(&self, name: &str, phases: &[&str]) -> Value {
        self.until(name, &format!("{name} is one of {phases:?}"), |job| {
            job["status"]["phase"].as_str().is_some_and(|phase| phases.contains(&phase))
        })
        .await
    }

    /// Waits until the job is as `holds` wants it.
    pub(crate) async fn until(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, SOON, || async {
            let job = self.job(name).await;
            if holds(&job) { Ok(job) } else { Err(job["status"].clone()) }
        })
        .await
    }

    /// Waits until an Event of the namespace says so.
    pub(crate) async fn until_event(&self, type_: &str, fragment: &str) {
        until(&format!("a {type_} event that says {fragment}"), SOON, || async {
            let path = "jsonpath={range .items[*]}{.type}: {.message}{'\\n'}{end}";
            let events = self.kubectl(&["get", "events", "-o", path], None).unwrap_or_else(|error| error);
            let is_it = |line: &str| line.starts_with(type_) && line.contains(fragment);
            if events.lines().any(is_it) { Ok(()) } else { Err(events) }
        })
        .await;
    }

    /// One number from the ledger.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.database.pool).await.expect("a number")
    }

    /// Waits until a number of the ledger is as wanted.
    pub(crate) async fn until_count(&self, sql: &'static str, holds: impl Fn(i64) -> bool) -> i64 {
        until(sql, SOON, || async {
            let count = self.count(sql).await;
            if holds(count) { Ok(count) } else { Err(count) }
        })
        .await
    }

    /// A connection to Redis, past the operator.
    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(stores::redis_url()).expect("the test rig's Redis");
        client.get_multiplexed_async_connection().await.expect("a connection")
    }

    /// The stream of the normal lane of a type.
    pub(crate) fn lane(&self, kind: &str) -> String {
        let namespace = &self.cluster.namespace;
        format!("{namespace}:{{{namespace}.default/{kind}}}:q1")
    }

    /// Where Redis says whose it is.
    pub(crate) fn install_key(&self) -> String {
        format!("{}:install", self.cluster.namespace)
    }

    /// Deletes everything of this world in Redis, as a FLUSHALL would; how many keys there were.
    pub(crate) async fn forget_in_redis(&self) -> usize {
        let mut connection = self.redis().await;
        let pattern = format!("{}:*", self.cluster.namespace);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.expect("keys");
        redis::cmd("DEL").arg(&keys).query_async::<()>(&mut connection).await.expect("deleted");
        keys.len()
    }

    async fn keep_evidence(&self) {
        for (file, args) in [("jobs.yaml", &["get", "ij,il,it", "-o", "yaml"][..]), ("events.txt", &["events"])] {
            let text = self.kubectl(args, None).unwrap_or_else(|error| error);
            std::fs::write(self.folder.join(file), text).ok();
        }
        for table in ["jobs", "layers", "tasks", "transitions", "live_jobs", "layer_types", "requeue", "outbox", "commands"] {
            let sql = sqlx::AssertSqlSafe(format!("SELECT to_jsonb(t)::text FROM igor.{table} t LIMIT 500"));
            let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&self.database.pool).await.unwrap_or_default();
            std::fs::write(self.folder.join(format!("{table}.ndjson")), rows.join("\n")).ok();
        }
    }

    /// The names of all jobs.
    pub(crate) async fn job_names(&self) -> Vec<String> {
        self.jobs().list(&Default::default()).await.expect("jobs").into_iter().map(|job| job.name_any()).collect()
    }
}

/// A condition's status and reason.
pub(crate) fn condition(job: &Value, kind: &str) -> (String, String) {
    let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    let text = |field: &str| found.and_then(|condition| condition[field].as_str()).unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}
