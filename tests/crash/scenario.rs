//! The reference run: three jobs that people steer while they run. Each step waits for the one before in the ledger or the status, so
//! that the end is the same however long a process was dead.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support;
use crate::world::World;

/// Long enough for a machine that does other things too; only a run that fails waits so long.
const SOON: Duration = Duration::from_secs(45);

/// Two layers of one priority, a task that fails once, a layer with what runs, what has failed and what nobody takes yet, and an array.
const FILM: &str = "
layers:
- {name: prepare, tasks: [{name: plate, type: steady, count: 2}, {name: light, type: stumble, retries: 1}]}
- {name: check, tasks: [{name: frame, type: steady, count: 3}]}
- name: render
  priority: 1
  tasks:
  - {name: shot, type: patient, args: render, count: 2}
  - {name: smoke, type: stubborn, args: heal}
  - {name: print, type: late}
- {name: join, priority: 2, tasks: [{name: reel, type: steady, count: 2}]}
defaults: {backoff: {initialSeconds: 0, maxSeconds: 0}}
";

/// More tasks than are loaded in one transaction; it is killed while some run.
const DOOMED: &str = "
maxInFlight: 3
layers:
- {name: many, tasks: [{name: one, type: patient, args: never, count: 10100}]}
- {name: behind, priority: 1, tasks: [{name: two, type: steady}]}
";

/// Its object is deleted while some of it runs.
const GONE: &str = "
layers:
- {name: some, tasks: [{name: one, type: patient, args: never, count: 2}]}
- {name: behind, priority: 1, tasks: [{name: two, type: steady}]}
";

/// Does all of it, to the end.
pub(crate) async fn play(world: &World<'_>) {
    tokio::join!(film(world), doomed(world), gone(world));
    until("nothing is left to do", || async {
        let left = left(world).await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// A retry by itself, a pause and its end while tasks run and wait, a layer that is held, and a person who lets it go on.
async fn film(world: &World<'_>) {
    create(world, "film", FILM).await;
    // After the death of its worker a task runs alone: the other one waits behind it.
    until_true(
        world,
        "SELECT count(*) = 2 FROM igor.tasks WHERE (status = 'RUNNING' OR status = 'QUEUED' AND lost > 0) AND name LIKE 'shot%'",
    )
    .await;
    until_true(world, "SELECT count(*) = 1 FROM igor.tasks WHERE status = 'QUEUED' AND name = 'print'").await;
    until_true(world, "SELECT count(*) = 1 FROM igor.tasks WHERE status = 'ERRORED' AND name = 'smoke'").await;
    annotate(world, "film", &json!({"igor/pause": "true"})).await;
    until_phase(world, "film", "Paused").await;
    // What no worker has taken is taken back.
    until_true(world, "SELECT count(*) = 1 FROM igor.tasks WHERE status = 'PENDING' AND name = 'print'").await;
    world.give_sign("render");
    until_true(
        world,
        "SELECT count(*) = 2 FROM igor.tasks WHERE (status = 'COMPLETED' OR status = 'PENDING' AND lost > 0) AND name LIKE 'shot%'",
    )
    .await;
    annotate(world, "film", &json!({"igor/pause": null})).await;
    world.start_other("late");
    until_phase(world, "film", "Errored").await;
    world.give_sign("heal");
    annotate(world, "film", &json!({"igor/retry": "failed"})).await;
    until_phase(world, "film", "Completed").await;
    until_done(world, "film", "igor/retry").await;
}

async fn doomed(world: &World<'_>) {
    create(world, "doomed", DOOMED).await;
    until_true(world, &is_under_way("doomed", 3)).await;
    annotate(world, "doomed", &json!({"igor/kill": "true"})).await;
    until_phase(world, "doomed", "Errored").await;
    until_done(world, "doomed", "igor/kill").await;
}

async fn gone(world: &World<'_>) {
    create(world, "gone", GONE).await;
    until_true(world, &is_under_way("gone", 2)).await;
    world.objects("IgorJob").delete("gone", &DeleteParams::default()).await.expect("deleted");
    until_true(world, "SELECT deleted_at IS NOT NULL FROM igor.jobs WHERE name = 'gone'").await;
}

/// So many tasks of the job run, or have run when a worker died.
fn is_under_way(job: &str, tasks: u32) -> String {
    format!(
        "SELECT count(*) = {tasks} FROM igor.tasks t JOIN igor.jobs j ON j.id = t.job_id
         WHERE j.name = '{job}' AND (t.status = 'RUNNING' OR t.lost > 0 OR t.attempt > 1)"
    )
}

/// What is still to be done: of the ledger, then of Redis.
async fn left(world: &World<'_>) -> Vec<String> {
    let tables = "SELECT name FROM (SELECT 'live_jobs' AS name FROM igor.live_jobs UNION ALL SELECT 'outbox' FROM igor.outbox
        UNION ALL SELECT 'requeue' FROM igor.requeue UNION ALL SELECT 'layer_types' FROM igor.layer_types) AS rows";
    let rows: Vec<String> = sqlx::query_scalar(tables).fetch_all(world.ledger()).await.expect("rows");
    let streams = world.streams().await;
    let streams = streams.into_iter().map(|(stream, length)| format!("{stream}: {length}"));
    rows.into_iter().chain(streams).chain(untrue_handles(world).await).collect()
}

/// Handles of layers that say other than the job's object does.
async fn untrue_handles(world: &World<'_>) -> Vec<String> {
    let jobs = world.objects("IgorJob").list(&ListParams::default()).await.expect("jobs");
    let handles = world.objects("IgorLayer").list(&ListParams::default()).await.expect("handles");
    let phases = jobs.iter().flat_map(|job| {
        let layers = job.data["status"]["layers"].as_array().cloned().unwrap_or_default();
        layers
            .into_iter()
            .map(|layer| (format!("{}.{}", job.name_any(), layer["name"].as_str().unwrap_or_default()), layer["phase"].clone()))
    });
    let phases: BTreeMap<String, Value> = phases.collect();
    let is_untrue = |handle: &DynamicObject| phases.get(&handle.name_any()).is_some_and(|phase| *phase != handle.data["status"]["phase"]);
    handles.iter().filter(|handle| is_untrue(handle)).map(|handle| format!("handle {}", handle.name_any())).collect()
}

async fn create(world: &World<'_>, name: &str, spec: &str) {
    let spec: Value = serde_yaml::from_str(spec).expect("a spec");
    let object = json!({"apiVersion": "igor.dev/v1alpha1", "kind": "IgorJob", "metadata": {"name": name}, "spec": spec});
    let object = serde_json::from_value(object).expect("an object");
    world.objects("IgorJob").create(&PostParams::default(), &object).await.expect("a job");
}

async fn annotate(world: &World<'_>, job: &str, annotations: &Value) {
    let patch = json!({"metadata": {"annotations": annotations}});
    world.objects("IgorJob").patch(job, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("annotated");
}

async fn status(world: &World<'_>, job: &str) -> Value {
    let object = world.objects("IgorJob").get(job).await.expect("the job");
    serde_json::to_value(object).expect("json")
}

async fn until_phase(world: &World<'_>, job: &str, phase: &str) {
    until(&format!("{job} is {phase}"), || async {
        let object = status(world, job).await;
        let status = &object["status"];
        if status["phase"] == phase { Ok(()) } else { Err(format!("{}, {}: {}", status["phase"], status["progress"], status["why"])) }
    })
    .await;
}

/// Waits until a command was acknowledged and its annotation is gone.
async fn until_done(world: &World<'_>, job: &str, annotation: &str) {
    until(&format!("{annotation} of {job} is gone"), || async {
        let object = status(world, job).await;
        if object["metadata"]["annotations"].get(annotation).is_none() { Ok(()) } else { Err(object["metadata"].clone()) }
    })
    .await;
}

async fn until_true(world: &World<'_>, sql: &str) {
    until(sql, || async {
        let is_so: Option<bool> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_optional(world.ledger()).await.expect("an answer");
        if is_so == Some(true) { Ok(()) } else { Err(is_so) }
    })
    .await;
}

async fn until<Probe, Run, Seen>(what: &str, probe: Probe)
where
    Probe: FnMut() -> Run,
    Run: Future<Output = Result<(), Seen>>,
    Seen: Debug,
{
    support::until(what, SOON, probe).await;
}
