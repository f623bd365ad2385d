//! What one run has to itself: its ground, a prefix in Redis, an operator and workers that may die and come back.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams};
use sqlx::PgPool;

use crate::points::{Point, Who};
use crate::support::process::Process;
use crate::support::stores::{self, Database};
use crate::support::{from_rig, unique};
use crate::worker;

/// How often it is looked whether a process has died.
const LOOK: Duration = Duration::from_millis(10);

/// Where runs are done, one after another: a namespace and a database, used again since each takes a second to make.
pub(crate) struct Ground {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) database: Database,
}

impl Ground {
    pub(crate) async fn new(client: Client) -> Self {
        let namespace = unique("crash");
        let metadata = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let object = Namespace { metadata, ..Namespace::default() };
        Api::all(client.clone()).create(&PostParams::default(), &object).await.expect("a namespace");
        Self { client, namespace, database: stores::database().await }
    }

    pub(crate) async fn remove(&self) {
        Api::<Namespace>::all(self.client.clone()).delete(&self.namespace, &DeleteParams::default()).await.ok();
        self.database.remove().await;
    }
}

pub(crate) struct World<'a> {
    ground: &'a Ground,
    /// The prefix of its keys in Redis, and the name of its lease.
    prefix: String,
    pub(crate) folder: PathBuf,
    cut: Option<Point>,
    processes: Mutex<Processes>,
}

struct Processes {
    operator: Process,
    worker: Process,
    others: Vec<Process>,
    /// How often a process had to be started again.
    deaths: u32,
}

impl<'a> World<'a> {
    /// Starts everything; the process that `cut` names will die there.
    pub(crate) fn new(ground: &'a Ground, name: &str, cut: Option<Point>) -> Self {
        let prefix = unique("crash");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/failures").join(name.replace(':', "-"));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(folder.join("signs")).expect("a folder");
        let start = Start { ground, prefix: &prefix, folder: &folder, lease: lease(cut) };
        let processes = Processes {
            operator: start.operator(cut.filter(|cut| cut.who == Who::Operator)),
            worker: start.worker(cut.filter(|cut| cut.who == Who::Worker)),
            // What fails so that a layer can end: it must not wait behind a task that runs alone.
            others: vec![start.other("stubborn")],
            deaths: 0,
        };
        Self { ground, prefix, folder, cut, processes: processes.into() }
    }

    pub(crate) fn ledger(&self) -> &PgPool {
        &self.ground.database.pool
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Start<'_> {
        Start { ground: self.ground, prefix: &self.prefix, folder: &self.folder, lease: lease(self.cut) }
    }

    /// Starts what died again, for ever. Only what was told to die may, once.
    pub(crate) async fn revive(&self) -> ! {
        loop {
            tokio::time::sleep(LOOK).await;
            let mut processes = self.processes();
            let died = if let Some(how) = processes.operator.ended() {
                processes.operator = self.start().operator(None);
                Some((Who::Operator, how))
            } else if let Some(how) = processes.worker.ended() {
                processes.worker = self.start().worker(None);
                Some((Who::Worker, how))
            } else {
                None
            };
            if let Some((who, how)) = died {
                processes.deaths += 1;
                let expected = processes.deaths == 1 && self.cut.is_some_and(|cut| cut.who == who);
                assert!(expected, "the {who} ended by itself: {how}");
            }
        }
    }

    /// Whether the process to die did.
    pub(crate) fn has_died(&self) -> bool {
        self.processes().deaths > 0
    }

    /// Starts another worker, of one type, which lives to the end.
    pub(crate) fn start_other(&self, kind: &str) {
        let other = self.start().other(kind);
        self.processes().others.push(other);
    }

    /// Lets handlers that wait for it go on.
    pub(crate) fn give_sign(&self, name: &str) {
        std::fs::write(self.folder.join("signs").join(name), "").expect("a sign");
    }

    /// How many effects a process had so far, over all its lives, and the last one's name.
    pub(crate) fn effects(&self, who: Who) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.join(format!("{who}.effects"))).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The end of the operator's effects and of what it said, over all its lives.
    pub(crate) fn last_words(&self) -> String {
        let said: Vec<String> = self.processes().operator.printed().lines().map(str::to_owned).collect();
        let last = |lines: &[String], most: usize| lines[lines.len().saturating_sub(most)..].join("\n");
        format!("the operator's last effects:\n{}\nits last words:\n{}", last(&self.effects(Who::Operator), 20), last(&said, 40))
    }

    pub(crate) fn objects(&self, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "igor.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "igor.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
        };
        Api::namespaced_with(self.ground.client.clone(), &self.ground.namespace, &resource)
    }

    /// Keeps what a failed run has left, beside the logs.
    async fn keep_evidence(&self) {
        for kind in ["IgorJob", "IgorLayer"] {
            let objects = self.objects(kind).list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
            std::fs::write(self.folder.join(format!("{kind}.json")), serde_json::to_string_pretty(&objects).expect("json")).ok();
        }
        for table in ["jobs", "layers", "tasks", "transitions", "live_jobs", "layer_types", "requeue", "outbox", "commands"] {
            // Of what was killed only that which ever went out: the rest are thousands.
            let few = "SELECT row::text FROM igor.TABLE t, to_jsonb(t) AS row
                WHERE row->>'reason' IS DISTINCT FROM 'Killed' OR (row->>'attempt')::int4 > 0 LIMIT 500";
            let sql = sqlx::AssertSqlSafe(few.replace("TABLE", table));
            let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.ledger()).await.unwrap_or_default();
            std::fs::write(self.folder.join(format!("{table}.ndjson")), rows.join("\n")).ok();
        }
        let mut connection = redis().await;
        let mut lying = String::new();
        for (stream, _) in self.streams().await {
            let lies = redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").clone();
            let leased = redis::cmd("XPENDING").arg(&stream).arg("igor").arg("-").arg("+").arg(100).clone();
            for command in [lies, leased] {
                let answer: Result<redis::Value, _> = command.query_async(&mut connection).await;
                writeln!(lying, "{stream}: {answer:#?}").expect("written");
            }
        }
        std::fs::write(self.folder.join("redis.txt"), lying).ok();
    }

    /// Ends everything and leaves nothing behind, or of a run that failed only its files.
    pub(crate) async fn end(self, failed: bool) {
        if failed {
            self.keep_evidence().await;
        }
        {
            let mut processes = self.processes();
            processes.operator.kill();
            processes.worker.kill();
            processes.others.clear();
        }
        for kind in ["IgorJob", "IgorLayer"] {
            let all = self.objects(kind).delete_collection(&DeleteParams::default(), &ListParams::default()).await;
            all.map(drop).expect("no objects");
        }
        let leases: Api<Lease> = Api::namespaced(self.ground.client.clone(), "igor-system");
        leases.delete(&self.prefix, &DeleteParams::default()).await.ok();
        self.ground.database.empty().await;
        self.forget_in_redis().await;
        if !failed {
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }

    /// The streams of this run that are not empty, and how long they are.
    pub(crate) async fn streams(&self) -> Vec<(String, u64)> {
        let mut connection = redis().await;
        let mut full = Vec::new();
        for key in self.keys(&mut connection).await {
            if [":q0", ":q1", ":q2", ":r"].iter().any(|end| key.ends_with(end)) {
                let length: u64 = redis::cmd("XLEN").arg(&key).query_async(&mut connection).await.expect("a length");
                full.extend((length > 0).then_some((key, length)));
            }
        }
        full
    }

    async fn keys(&self, connection: &mut redis::aio::MultiplexedConnection) -> Vec<String> {
        redis::cmd("KEYS").arg(format!("{}:*", self.prefix)).query_async(connection).await.expect("keys")
    }

    async fn forget_in_redis(&self) {
        let mut connection = redis().await;
        let keys = self.keys(&mut connection).await;
        if !keys.is_empty() {
            redis::cmd("DEL").arg(&keys).query_async::<()>(&mut connection).await.expect("deleted");
        }
    }
}

async fn redis() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(stores::redis_url()).expect("the test rig's Redis");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

/// Short where a worker dies, for its tasks are waited for; else long enough that a busy machine makes nobody believe that one did.
fn lease(cut: Option<Point>) -> &'static str {
    if cut.is_some_and(|cut| cut.who == Who::Worker) { "1" } else { "10" }
}

/// How the processes of a run are started.
struct Start<'a> {
    ground: &'a Ground,
    prefix: &'a str,
    folder: &'a Path,
    /// Seconds.
    lease: &'static str,
}

impl Start<'_> {
    /// Under one identity, so that it leads again as soon as it is back.
    fn operator(&self, cut: Option<Point>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command
            .args(["operator", "--identity", "same", "--metrics-addr", "127.0.0.1:0", "--task-lease-seconds", self.lease])
            .args(["--watch-namespace", &self.ground.namespace, "--lease-name", self.prefix])
            .env("KUBECONFIG", from_rig("IGOR_TEST_OPERATOR_KUBECONFIG"))
            .env("DATABASE_URL", &self.ground.database.url)
            .env("REDIS_URL", stores::redis_url())
            .env("IGOR_PREFIX", self.prefix);
        self.process(Who::Operator, command, cut)
    }

    fn worker(&self, cut: Option<Point>) -> Process {
        let mut command = self.program();
        command.args([worker::ROLE, "steady", "stumble", "patient"]);
        self.process(Who::Worker, command, cut)
    }

    fn other(&self, kind: &str) -> Process {
        Process::start(self.folder, kind, self.program().args([worker::ROLE, kind]))
    }

    fn process(&self, who: Who, mut command: Command, cut: Option<Point>) -> Process {
        command
            .env("IGOR_CRASH_LOG", self.folder.join(format!("{who}.effects")))
            .env("IGOR_LOG", "info,igor=debug")
            .env("RUST_BACKTRACE", "1")
            .env_remove("IGOR_CRASH_AT")
            .envs(cut.map(|cut| ("IGOR_CRASH_AT", cut.told())));
        Process::start(self.folder, &who.to_string(), &mut command)
    }

    /// This program as a worker.
    fn program(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .env("REDIS_URL", stores::redis_url())
            .env("IGOR_PREFIX", self.prefix)
            .env("QUEUE", format!("{}.default", self.ground.namespace))
            .env("SIGNS", self.folder.join("signs"));
        command
    }
}
