//! `IgorJob`: a workflow, as its author writes it.

#![expect(clippy::duplicated_attributes, reason = "every column repeats the words of the others")]
#![expect(clippy::doc_markdown, reason = "what kubectl explain prints has no markup")]

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job_status::IgorJobStatus;
use super::schema;

/// What to run: layers of tasks, in order, and how.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "igor.dev",
    version = "v1alpha1",
    kind = "IgorJob",
    namespaced,
    shortname = "ij",
    category = "igor",
    status = "IgorJobStatus",
    derive = "PartialEq",
    doc = "A batch workflow: layers of tasks that run in order, and that people watch and steer while they run. Deleting it stops its work and keeps its history.",
    scale(spec_replicas_path = ".spec.maxInFlight", status_replicas_path = ".status.tasks.running"),
    selectable = ".spec.queue",
    selectable = ".status.phase",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "How it stands"),
    printcolumn(
        name = "Layer",
        type_ = "string",
        json_path = ".status.layer",
        description = "The layer at work, and its place in the order"
    ),
    printcolumn(name = "Done", type_ = "string", json_path = ".status.progress", description = "Tasks completed or skipped, of all"),
    printcolumn(name = "Run", type_ = "integer", json_path = ".status.tasks.running", description = "Tasks that run"),
    printcolumn(name = "Err", type_ = "integer", json_path = ".status.tasks.errored", description = "Tasks that failed for good"),
    printcolumn(name = "ETA", type_ = "string", json_path = ".status.eta", description = "When it may be done, at the pace so far"),
    printcolumn(name = "Queue", type_ = "string", json_path = ".spec.queue", description = "Which workers take its tasks", priority = "1"),
    printcolumn(
        name = "Priority",
        type_ = "integer",
        json_path = ".spec.priority",
        description = "Higher ones are served first",
        priority = "1"
    ),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.why", description = "What it waits for", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since it was made")
)]
#[serde(rename_all = "camelCase")]
pub struct IgorJobSpec {
    /// What people call the job, on pages and in lists. The job's name if unset. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Pauses the job: nothing new is handed to workers, what runs goes on to its end. May be changed at any time; the annotation
    /// igor/pause does the same.
    #[serde(default)]
    pub paused: bool,
    /// Which workers take the tasks: those that serve this queue of the job's namespace. Cannot be changed.
    #[serde(default = "default_queue")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub queue: String,
    /// Tasks of jobs above 0 are served before those of jobs at 0, these before those below. May be changed at any time; holds for
    /// what is handed to workers next.
    #[serde(default)]
    #[schemars(range(min = -100, max = 100))]
    pub priority: i32,
    /// How many tasks may be queued and running at the same time. No limit if unset; 0 lets what runs end and hands out nothing
    /// more. May be changed at any time, also by kubectl scale once it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_in_flight: Option<i32>,
    /// What happens when a layer ends with failed tasks. Hold: the job waits for a person, who retries or skips them. Continue: the
    /// layers behind it run, and the job ends as Errored. Cannot be changed.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Seconds from the first start after which everything unfinished is killed, with reason DeadlineExceeded. Time spent paused
    /// does not count. No deadline if unset. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub active_deadline_seconds: Option<i32>,
    /// Seconds after its end at which this object is deleted; the history stays. Kept if unset. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ttl_seconds_after_finished: Option<i32>,
    /// For which tasks objects are made to see and steer them with kubectl. Failed: for the newest failed tasks of each layer.
    /// None: for none. May be changed at any time.
    #[serde(default)]
    pub task_objects: TaskObjects,
    /// What holds for tasks that do not say. A change that makes an accepted task another one, or a change of backoff, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<TaskDefaults>,
    /// The layers. Those of one priority run together, and the next begin when all of them are done. Layers may be added behind
    /// every priority that has begun.
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub layers: Vec<JobLayer>,
}

/// What happens when a layer ends with failed tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// The job waits for a person.
    #[default]
    Hold,
    /// The layers behind it run.
    Continue,
}

/// For which tasks objects are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaskObjects {
    /// For the newest failed ones.
    #[default]
    Failed,
    /// For none.
    None,
}

/// What holds for tasks that do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefaults {
    /// The type of tasks that name none: which handler of a worker runs them.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]
    pub kind: Option<String>,
    /// How often a failed task is tried again: 3 retries are 4 attempts in all. 0 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: Option<i32>,
    /// Seconds that one attempt may take; then it is stopped and counts as failed. No limit if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_000_000))]
    pub timeout_seconds: Option<i32>,
    /// How long a failed task waits for its next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<BackoffLimits>,
}

/// How long a failed task waits: doubling, each time 50 to 100 % of it at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackoffLimits {
    /// Seconds after the first failure; twice as many after each further one. 10 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub initial_seconds: Option<i32>,
    /// Never more seconds than this. 3600 if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub max_seconds: Option<i32>,
}

/// A layer: tasks that may all run at the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobLayer {
    /// Its name, unique in the job. Cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What people call the layer. Its name if unset. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Its place in the order: lower ones run first, equal ones together. Cannot be changed.
    #[serde(default)]
    pub priority: i32,
    /// Pauses the layer: it hands out nothing new and does not end. May be changed at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// How many of its tasks may be queued and running at the same time. No limit if unset. May be changed at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_in_flight: Option<i32>,
    /// Its tasks, at most 1,000 a layer and 2,000 a job: for more use an array (count) or tasksFrom. Tasks may be appended while the
    /// layer has not begun, or while it or its job is paused and it has not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), extend("x-kubernetes-list-type" = "atomic"))]
    pub tasks: Vec<LayerTask>,
    /// Where more of its tasks stand, in this order behind those of tasks. Read once, when the layer is
    /// accepted. Cannot be changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub tasks_from: Vec<TasksFrom>,
}

/// A task, or with count an array of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerTask {
    /// Its name, unique in the layer: letters, digits, dot, underscore, hyphen. Of an array the beginning of its tasks' names.
    /// Unset: t and its place in the layer, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub name: Option<String>,
    /// What people call the task. Its name if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Its type: which handler of a worker runs it. That of defaults if unset.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]
    pub kind: Option<String>,
    /// What its handler gets, as text of at most 10,000 bytes. At most one of args, argsBase64 and payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_000))]
    pub args: Option<String>,
    /// What its handler gets, as at most 10,000 bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::base64_args")]
    pub args_base64: Option<String>,
    /// What its handler gets, as a JSON object of at most 10,000 bytes when written without blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object")]
    pub payload: Option<Map<String, Value>>,
    /// Makes it an array of so many tasks, named name-0, name-1 and so on, each told its index. A job has at most 1,000,000 tasks
    /// in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: Option<i32>,
    /// How often it is tried again when it fails. As defaults say if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: Option<i32>,
    /// Seconds that one attempt may take. As defaults say if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_000_000))]
    pub timeout_seconds: Option<i32>,
    /// Whether it is paused when it is created. Afterwards igor/unpause-tasks lets it go; a change here is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// Where tasks stand: exactly one of its fields is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TasksFrom {
    /// In a ConfigMap of the job's namespace that carries the label igor.dev/tasks: one task a line, each a JSON object with the
    /// fields of a task. May be gzipped; all of a job's inflate to at most 64 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKey>,
    /// They are uploaded through Igor's API; the layer waits until all are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<Upload>,
}

/// An entry of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The entry's key, in data or binaryData.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Tasks that are uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upload {
    /// How many there will be.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: i32,
}

impl IgorJobSpec {
    /// A job of these layers, everything else as it is when nobody says.
    pub fn of(layers: Vec<JobLayer>) -> Self {
        Self {
            title: None,
            paused: false,
            queue: default_queue(),
            priority: 0,
            max_in_flight: None,
            on_failure: OnFailure::default(),
            active_deadline_seconds: None,
            ttl_seconds_after_finished: None,
            task_objects: TaskObjects::default(),
            defaults: None,
            layers,
        }
    }
}

fn default_queue() -> String {
    "default".to_owned()
}
