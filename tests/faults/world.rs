//! A namespace with a ledger, a Redis and processes of its own, each of which can be killed, stopped and cut off.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DynamicObject};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::history::History;
use crate::slot::{Operator, Worker};
use crate::stores::{Ledger, Redis};
use crate::support::cluster::Cluster;

/// Seconds of a task's lease: short, so that bounds that are formulas of it can be tested quickly.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// How long it took until work went on after a fault, and how long it may take.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub(crate) class: &'static str,
    pub(crate) took: Duration,
    pub(crate) bound: Duration,
}

pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) cluster: Cluster,
    pub(crate) ledger: Ledger,
    pub(crate) redis: Mutex<Redis>,
    pub(crate) redis_port: u16,
    pub(crate) folder: PathBuf,
    pub(crate) lease: Duration,
    pub(crate) history: History,
    recoveries: std::sync::Mutex<Vec<Recovery>>,
    processes: AtomicU32,
}

impl World {
    pub(crate) async fn new(name: &str, lease: Duration) -> Arc<Self> {
        Self::with(name, lease, Ledger::new().await).await
    }

    pub(crate) async fn with(name: &str, lease: Duration, ledger: Ledger) -> Arc<Self> {
        let cluster = Cluster::new(&name.replace('_', "-").chars().take(30).collect::<String>()).await;
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/failures").join(format!("faults_{name}"));
        std::fs::remove_dir_all(&folder).ok();
        let history = History::open(&folder.join("history"), "harness");
        let redis = Redis::start(&folder).await;
        Arc::new(Self {
            name: name.to_owned(),
            cluster,
            ledger,
            redis_port: redis.port,
            redis: Mutex::new(redis),
            folder,
            lease,
            history,
            recoveries: std::sync::Mutex::default(),
            processes: AtomicU32::new(0),
        })
    }

    /// The next process's number.
    pub(crate) fn next_process(&self) -> u32 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Operators that take turns; `linger` slows their effects down (`IGOR_LINGER`), `sabotage` leaves a safeguard out.
    pub(crate) async fn operator(self: &Arc<Self>, name: &str) -> Operator {
        Operator::new(self, name).await
    }

    pub(crate) async fn worker(self: &Arc<Self>, name: &str, slots: usize) -> Worker {
        Worker::new(self, name, slots).await
    }

    pub(crate) fn jobs(&self) -> Api<DynamicObject> {
        self.objects("IgorJob", "igorjobs")
    }

    pub(crate) fn objects(&self, kind: &str, plural: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: "igor.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "igor.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        };
        Api::namespaced_with(self.cluster.client.clone(), &self.cluster.namespace, &resource)
    }

    /// Notes a fault of a class, and begins to measure.
    pub(crate) fn fault(&self, class: &str, at: &str) -> Instant {
        self.history.note("fault", json!({"class": class, "at": at}));
        Instant::now()
    }

    /// Notes that what a fault broke is whole again.
    pub(crate) fn healed(&self, class: &str, at: &str) -> Instant {
        self.history.note("healed", json!({"class": class, "at": at}));
        Instant::now()
    }

    /// Notes how long recovery from a fault took, which must be within its bound.
    pub(crate) fn recovered(&self, class: &'static str, took: Duration, bound: Duration) {
        self.history.note("recovered", json!({"class": class, "seconds": took.as_secs_f64(), "bound": bound.as_secs_f64()}));
        self.recoveries.lock().expect("not poisoned").push(Recovery { class, took, bound });
        assert!(took <= bound, "{class}: recovered after {took:?}, the bound is {bound:?}");
    }

    pub(crate) fn recoveries(&self) -> Vec<Recovery> {
        self.recoveries.lock().expect("not poisoned").clone()
    }

    /// One number of the ledger, waited for.
    pub(crate) async fn until_count(&self, sql: &str, limit: Duration, holds: impl Fn(i64) -> bool) -> i64 {
        crate::support::until(sql, limit, || async {
            match self.ledger.count(sql).await {
                Ok(count) if holds(count) => Ok(count),
                seen => Err(seen),
            }
        })
        .await
    }

    /// The lines of all workers' histories that say `what`.
    pub(crate) fn said(&self, what: &str) -> Vec<Value> {
        let files = std::fs::read_dir(self.folder.join("history")).expect("the history").flatten();
        let workers = files.filter(|file| file.file_name().to_string_lossy().starts_with("worker"));
        let text: String = workers.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| line["what"] == what).collect()
    }

    /// Waits until workers have said `what` so often.
    pub(crate) async fn until_said(&self, what: &str, times: usize) {
        let probe = || async {
            let said = self.said(what).len();
            if said >= times { Ok(()) } else { Err(said) }
        };
        crate::support::until(&format!("{times} times {what}"), Duration::from_secs(60), probe).await;
    }

    /// The ledger's epoch, which rises with each term of leadership.
    pub(crate) async fn epoch(&self) -> i64 {
        self.ledger.count("SELECT number FROM igor.epoch").await.expect("the epoch")
    }

    /// Waits until a leader of a term behind `epoch` dispatches a task; how long that was.
    pub(crate) async fn until_led(&self, epoch: i64, since: Instant, limit: Duration) -> Duration {
        self.until_count("SELECT number FROM igor.epoch", limit, |number| number > epoch).await;
        let dispatched = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'QUEUED' AND at > (SELECT e.since FROM igor.epoch e)";
        self.until_count(dispatched, limit, |count| count > 0).await;
        since.elapsed()
    }

    /// Waits until a task is dispatched after now; how long that was since then.
    pub(crate) async fn until_dispatch(&self, since: Instant, limit: Duration) -> Duration {
        let dispatched = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'QUEUED'";
        let before = crate::support::until("the ledger answers", limit, || self.ledger.count(dispatched)).await;
        self.until_count(dispatched, limit, |count| count > before).await;
        since.elapsed()
    }

    /// The job as the API server has it now.
    pub(crate) async fn job(&self, name: &str) -> Result<Value, String> {
        let job = tokio::time::timeout(Duration::from_secs(5), self.jobs().get(name)).await.map_err(|late| late.to_string())?;
        Ok(serde_json::to_value(job.map_err(|error| error.to_string())?).expect("json"))
    }
}
