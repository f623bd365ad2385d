//! `/api/v2`, asked over real HTTP.

mod bulk;
mod created;
mod documented;
mod fuzzed;
mod guarded;
mod seen;
mod steered;
mod working;

use std::future::Future;

use igor::core::command::{Object, Verb, read};
use igor::core::fold::{Report, Said};
use igor::core::id;
use igor::core::job::OnFailure;
use igor::core::plan::{Backoff, LayerPlan, Plan, TaskPlan};
use igor::store::{Command, Dispatched, Epoch, Identity, Outcome, Settings, Store, Want};
use serde_json::Value;
use uuid::Uuid;

use crate::served::{Served, served};
use crate::support::unique;
use crate::world::Setup;

/// Without an operator nothing moves but what a test moves.
const STILL: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

/// A ledger that the test moves by hand, as its leader.
pub(crate) struct Hand {
    pub(crate) store: Store,
    epoch: Epoch,
    namespace: String,
}

/// Runs a test with an API over a ledger that only the test moves.
pub(crate) async fn still<Test, Run>(name: &str, test: Test)
where
    Test: FnOnce(Served, Hand) -> Run,
    Run: Future<Output = ()>,
{
    served(name, STILL, async |api, _| {
        let hand = Hand::of(&api).await;
        Box::pin(test(api, hand)).await;
    })
    .await;
}

impl Hand {
    pub(crate) async fn of(api: &Served) -> Self {
        let store = Store::connect(&Settings::new(&api.world.database.url)).await.expect("the ledger");
        store.ensure_partitions().await.expect("days");
        let epoch = store.bump_epoch().await.expect("an epoch");
        Self { store, epoch, namespace: api.world.namespace().to_owned() }
    }

    /// A job of that name, made so many milliseconds ago.
    pub(crate) async fn accept_in(&self, namespace: &str, name: &str, back: i64, layers: Vec<LayerPlan>) -> Identity {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
        let identity = Identity {
            uid: uid(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            created_ms: i64::try_from(now).expect("a time") - back,
            generation: 1,
            origin: "test".to_owned(),
            levels: Vec::new(),
            restored: false,
        };
        Box::pin(self.store.accept(self.epoch, &identity, &plan(layers))).await.expect("accepted");
        identity
    }

    /// The same, in the namespace of the test.
    pub(crate) async fn accept(&self, name: &str, back: i64, layers: Vec<LayerPlan>) -> Identity {
        self.accept_in(&self.namespace, name, back, layers).await
    }

    /// The same of a real object, of which the cluster knows too.
    pub(crate) async fn accept_object(&self, api: &Served, name: &str, layers: Vec<LayerPlan>) -> Identity {
        api.world.apply(&format!(
            "apiVersion: igor.dev/v1alpha1\nkind: IgorJob\nmetadata: {{name: {name}}}\n\
             spec: {{defaults: {{type: render, retries: 2}}, layers: [{{name: a, tasks: [{{name: x, type: render}}]}}]}}\n"
        ));
        let object = api.world.job(name).await;
        let created: jiff::Timestamp = object["metadata"]["creationTimestamp"].as_str().expect("a time").parse().expect("a time");
        let identity = Identity {
            uid: object["metadata"]["uid"].as_str().expect("a uid").to_owned(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            created_ms: created.as_millisecond(),
            generation: 1,
            origin: "test".to_owned(),
            levels: Vec::new(),
            restored: false,
        };
        Box::pin(self.store.accept(self.epoch, &identity, &plan(layers))).await.expect("accepted");
        identity
    }

    /// Hands out all that is open.
    pub(crate) async fn dispatch(&self, object: &Identity) -> Vec<Dispatched> {
        let open = self.store.open_types_of(&[job_id(object)]).await.expect("open types");
        let wants: Vec<Want> =
            open.into_iter().map(|open| Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 1000 }).collect();
        self.store.dispatch(self.epoch, &wants).await.expect("dispatched").tasks
    }

    /// A worker says this of each.
    pub(crate) async fn say(&self, tasks: &[Dispatched], said: Said) {
        let outcome = |task: &Dispatched| {
            let (message, worker) = (Some(format!("{} said {said:?}", task.name)), Some("w-1".to_owned()));
            let report = Report { message, worker, ..Report::new(task.task_id, task.attempt, said) };
            let queue = format!("{}.{}", task.namespace, task.queue);
            Outcome { report, queue, kind: task.kind.clone(), job_id: Some(task.job_id), jitter: 0 }
        };
        self.store.collect(self.epoch, tasks.iter().map(outcome).collect()).await.expect("collected");
    }

    /// Somebody asks for something, past the API.
    pub(crate) async fn command(&self, object: &Identity, of: &Object, verb: &str, select: &str) {
        let (job_id, verb) = (job_id(object), Verb::parse(verb).expect("a verb"));
        let command = Command {
            id: id::command(object.created_ms, &object.uid, &of.to_string(), verb.as_str(), &unique("token")),
            job_id,
            object: of.clone(),
            verb,
            selector: read(verb, of, select).expect("a selector"),
            actor: "ann".to_owned(),
            reason: Some("by hand".to_owned()),
        };
        self.store.command(None, &command).await.expect("done");
    }

    pub(crate) async fn delete(&self, object: &Identity) {
        self.store.command(None, &Command::deletion(job_id(object), "operator")).await.expect("deleted");
    }
}

/// A uid that nobody else has.
fn uid() -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(unique("uid"));
    Uuid::from_slice(&hash[..16]).expect("16 bytes").hyphenated().to_string()
}

pub(crate) fn job_id(object: &Identity) -> Uuid {
    id::job(object.created_ms, &object.uid)
}

fn plan(layers: Vec<LayerPlan>) -> Plan {
    Plan {
        title: None,
        queue: "default".to_owned(),
        priority: 0,
        max_in_flight: None,
        on_failure: OnFailure::Hold,
        deadline_seconds: None,
        paused: false,
        backoff: Backoff::default(),
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
    TaskPlan { count: Some(count), ..task(name) }
}

/// That field of each item of a page.
pub(crate) fn each(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("no items: {page}"));
    items.iter().map(|item| item[field].as_str().unwrap_or_else(|| panic!("no {field}: {item}")).to_owned()).collect()
}

/// A problem's status and what it says.
pub(crate) fn problem(answer: &crate::served::Answer) -> (u16, String) {
    let body = &answer.body;
    assert_eq!(body["status"], answer.status.as_u16(), "{body}");
    assert_eq!(body["type"], "about:blank", "{body}");
    (answer.status.as_u16(), body["detail"].as_str().expect("a detail").to_owned())
}
