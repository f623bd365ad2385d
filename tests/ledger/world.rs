//! A ledger of one test, and plans in the words of the tests.

use igor::core::command::{Object, Verb, read};
use igor::core::fold::{Report, Said};
use igor::core::id;
use igor::core::job::OnFailure;
use igor::core::plan::{Backoff, LayerPlan, Plan, TaskPlan};
use igor::core::status::Status;
use igor::store::{Accepted, Collected, Command, Dispatch, Dispatched, Epoch, Identity, JobChange, Outcome, Settings, Store, Want};
use std::time::Duration;
use uuid::Uuid;

use tokio::sync::OnceCell;

use crate::support::stores::{Database, copy, database};

/// A migrated ledger that the other tests of this run are copies of: migrating each would take most of their time.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A migrated database of one test.
pub(crate) async fn ledger() -> Database {
    let template = TEMPLATE
        .get_or_init(|| async {
            let made = database().await;
            let name = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&made.pool).await.expect("its name");
            made.pool.close().await;
            name
        })
        .await;
    copy(template).await
}

/// A ledger with a leader.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) epoch: Epoch,
    pub(crate) database: Database,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = ledger().await;
        let store = Store::connect(&Settings::new(&database.url)).await.expect("the ledger");
        let epoch = store.bump_epoch().await.expect("an epoch");
        Self { store, epoch, database }
    }

    pub(crate) async fn accept(&self, identity: &Identity, plan: &Plan) -> Accepted {
        Box::pin(self.store.accept(self.epoch, identity, plan)).await.expect("accepted")
    }

    /// Dispatches everything that is open in a job, as far as limits allow.
    pub(crate) async fn dispatch_all(&self, job_id: Uuid) -> Dispatch {
        let open = self.store.open_types_of(&[job_id]).await.expect("open types");
        let wants: Vec<Want> =
            open.into_iter().map(|open| Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 1000 }).collect();
        self.store.dispatch(self.epoch, &wants).await.expect("dispatched")
    }

    /// Says the same of each of these attempts.
    pub(crate) async fn say(&self, tasks: &[Dispatched], said: Said) -> Collected {
        let outcomes = tasks.iter().map(|task| outcome(task, said)).collect();
        self.store.collect(self.epoch, outcomes).await.expect("collected")
    }

    /// Dispatches and completes until nothing is open; gives the names of the tasks in the order in which they ran.
    pub(crate) async fn run_to_the_end(&self, job_id: Uuid) -> Vec<String> {
        let mut ran = Vec::new();
        loop {
            let tasks = self.dispatch_all(job_id).await.tasks;
            if tasks.is_empty() {
                return ran;
            }
            ran.extend(tasks.iter().map(|task| format!("{}/{}", task.layer, task.name)));
            self.say(&tasks, Said::Completed).await;
        }
    }

    pub(crate) async fn status(&self, job_id: Uuid) -> (Status, bool) {
        let snapshot = self.store.snapshot(job_id).await.expect("a snapshot");
        (snapshot.job.status, snapshot.job.finished)
    }

    /// Layers by name with their status.
    pub(crate) async fn layers(&self, job_id: Uuid) -> Vec<(String, Status)> {
        let snapshot = self.store.snapshot(job_id).await.expect("a snapshot");
        snapshot.job.layers.into_iter().map(|layer| (layer.name, layer.status)).collect()
    }

    /// Makes every task that waits for its next attempt due now.
    pub(crate) async fn end_backoff(&self) {
        sqlx::query("UPDATE igor.requeue SET not_before = statement_timestamp()").execute(&self.database.pool).await.expect("due");
    }

    pub(crate) async fn count(&self, question: &'static str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&self.database.pool).await.expect("a number")
    }
}

pub(crate) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    i64::try_from(now.as_millis()).expect("a time")
}

/// An object of that name, made now.
pub(crate) fn object(name: &str) -> Identity {
    Identity {
        uid: crate::support::unique("uid"),
        namespace: "film".to_owned(),
        name: name.to_owned(),
        created_ms: now_ms(),
        generation: 1,
        origin: "kubectl".to_owned(),
        levels: Vec::new(),
        restored: false,
    }
}

pub(crate) fn job_id(identity: &Identity) -> Uuid {
    id::job(identity.created_ms, &identity.uid)
}

pub(crate) fn plan(layers: Vec<LayerPlan>) -> Plan {
    Plan {
        title: None,
        queue: "default".to_owned(),
        priority: 0,
        max_in_flight: None,
        on_failure: OnFailure::Hold,
        deadline_seconds: None,
        paused: false,
        backoff: Backoff { initial: Duration::from_secs(10), max: Duration::from_mins(1) },
        layers,
    }
}

pub(crate) fn layer(name: &str, priority: i32, tasks: Vec<TaskPlan>) -> LayerPlan {
    let mut layer = LayerPlan {
        name: name.to_owned(),
        title: None,
        priority,
        paused: false,
        max_in_flight: None,
        inline: tasks.len(),
        tasks,
        spec_hash: [0; 32],
        sources_hash: None,
    };
    layer.spec_hash = layer.hash_of_first(usize::MAX);
    layer
}

/// The layer with more tasks, from a list that its spec names.
pub(crate) fn from_list(layer: LayerPlan, tasks: Vec<TaskPlan>) -> LayerPlan {
    LayerPlan { tasks: [layer.tasks, tasks].concat(), sources_hash: Some([7; 32]), ..layer }
}

pub(crate) fn task(name: &str) -> TaskPlan {
    TaskPlan {
        name: name.to_owned(),
        title: None,
        kind: "render".to_owned(),
        args: Some(name.as_bytes().to_vec()),
        count: None,
        max_failures: 1,
        timeout_ms: None,
        paused: false,
    }
}

pub(crate) fn array(name: &str, count: u32) -> TaskPlan {
    TaskPlan { count: Some(count), args: Some(b"shared".to_vec()), ..task(name) }
}

pub(crate) fn outcome(task: &Dispatched, said: Said) -> Outcome {
    let (message, worker) = (Some(format!("{} said {said:?}", task.name)), Some("w-1".to_owned()));
    let report = Report { message, worker, ..Report::new(task.task_id, task.attempt, said) };
    Outcome { report, queue: format!("{}.{}", task.namespace, task.queue), kind: task.kind.clone(), job_id: Some(task.job_id), jitter: 0 }
}

pub(crate) fn command(job_id: Uuid, verb: &str, token: &str) -> Command {
    asked(job_id, &Object::Job, verb, if verb == "retry" { "failed" } else { "true" }, token)
}

/// Somebody asks something of an object.
pub(crate) fn asked(job_id: Uuid, object: &Object, verb: &str, selector: &str, token: &str) -> Command {
    let verb = Verb::parse(verb).expect("a verb");
    Command {
        id: id::command(id::created_ms(job_id), &job_id.to_string(), &object.to_string(), verb.as_str(), token),
        job_id,
        object: object.clone(),
        verb,
        selector: read(verb, object, selector).expect("a selector"),
        actor: "ann".to_owned(),
        reason: None,
    }
}

/// The names of what a change opened.
pub(crate) fn moved_layers(change: &JobChange) -> Vec<(&str, Status)> {
    change.layers.iter().map(|(name, status)| (name.as_str(), *status)).collect()
}
