//! What the ledger takes and gives, as plain values.
//!
//! Every id is a uuid whose first 48 bits are its job's creation time, so no value here carries a day beside an id. All times are
//! unix milliseconds by the database's clock. Nothing here knows SQL, Kubernetes or Redis.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::core::fold::Report;
use crate::core::job::{Counters, Job};
use crate::core::status::Status;
use crate::core::wait::Standstill;

/// A leader's number. Writes of an earlier leader are refused with [`super::Error::Fenced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(super) i64);

impl Epoch {
    /// The number itself: the owner's token in Redis.
    pub fn number(self) -> i64 {
        self.0
    }
}

/// Which object a plan belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The object's uid: the idempotency key.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its creation, unix milliseconds: the day of the whole job.
    pub created_ms: i64,
    /// Its generation: live fields of a later one are taken over.
    pub generation: i64,
    /// Where it was made: `kubectl`, `api` …
    pub origin: String,
    /// The pause levels seen on it, taken inside the first transaction.
    pub levels: Vec<Sighting>,
    /// The object was known before to a ledger that is gone: it begins paused by `restore`.
    pub restored: bool,
}

/// Where a pause level is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `spec.paused` or `spec.layers[].paused`.
    Spec,
    /// The annotation `igor/pause`.
    Annotation,
}

/// A pause level as it was seen on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The layer it is about; `None` = the job.
    pub layer: Option<String>,
    /// Where it stands.
    pub source: Source,
    /// What it says; `None` = the annotation is not there, so the spec counts.
    pub paused: Option<bool>,
    /// The object's resourceVersion: older sightings than the last one change nothing.
    pub version: u64,
}

/// What accepting a plan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The job.
    pub job_id: Uuid,
    /// How the ledger knows it.
    pub standing: Standing,
    /// Layers whose accepted plan is another than the one given, by name; the job runs on with the accepted one.
    pub differs: Vec<String>,
    /// What began with it.
    pub change: JobChange,
}

/// How the ledger knows a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Made, or loaded to its end, by this call.
    Fresh,
    /// Loaded before; at work or held.
    Known,
    /// Ended.
    Ended,
    /// Its object is being deleted because its time to live is over.
    Expired,
    /// Its object was deleted.
    Deleted,
}

/// What a transaction changed in a job beyond its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobChange {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Types of layers that may now be dispatched.
    pub opened: Vec<OpenType>,
    /// Layers with nothing left to dispatch.
    pub closed: Vec<Uuid>,
    /// Layers that moved, and where to.
    pub layers: Vec<(String, Status)>,
    /// Where the job moved to, if it did.
    pub status: Option<Status>,
    /// Whether it ended with this transaction.
    pub finished: bool,
}

/// A job that is accepted and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveJob {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it is to be killed; `None` = never, or not while it is paused.
    pub deadline_ms: Option<i64>,
    /// Another process changed it and nobody looked yet.
    pub dirty: bool,
}

/// The tasks of one type in a layer that is open, with what the dispatcher weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenType {
    /// The layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// The job's namespace.
    pub namespace: String,
    /// The job's queue, as its spec names it.
    pub queue: String,
    /// The type.
    pub kind: String,
    /// 0 high, 1 normal, 2 low.
    pub lane: u8,
    /// Most tasks of the layer queued and running at once.
    pub layer_limit: Option<u32>,
    /// Those of the layer that are.
    pub layer_in_flight: u32,
    /// Most tasks of the job queued and running at once.
    pub job_limit: Option<u32>,
    /// Those of the job that are.
    pub job_in_flight: u32,
    /// The next ordinal to look at.
    pub next_ordinal: u32,
    /// One past the last ordinal of this type.
    pub end: u32,
    /// When the first task that waits out of order is due.
    pub due_ms: Option<i64>,
}

/// Room for tasks of one type in a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// The type.
    pub kind: String,
    /// How many at most.
    pub room: u32,
}

/// A task's attempt on its way to the queue: all that a push needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatched {
    /// Its outbox row: relayed in this order, deleted after the push.
    pub seq: i64,
    /// The task.
    pub task_id: Uuid,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The layer.
    pub layer_id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// The job's namespace.
    pub namespace: String,
    /// The job's name.
    pub job: String,
    /// The layer's name.
    pub layer: String,
    /// The task's name.
    pub name: String,
    /// Its index, when it belongs to an array.
    pub ix: Option<u32>,
    /// The job's queue, as its spec names it.
    pub queue: String,
    /// Its type.
    pub kind: String,
    /// 0 high, 1 normal, 2 low.
    pub lane: u8,
    /// Its arguments; shared between the tasks of an array.
    pub args: Arc<[u8]>,
    /// How long its handler may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// When the job is killed, unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// Attempts after this one.
    pub retries_left: u32,
    /// To be run alone: a worker was lost with it before.
    pub solo: bool,
}

/// What came of one [`Want`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The layer.
    pub layer_id: Uuid,
    /// The type.
    pub kind: String,
    /// How many tasks were dispatched.
    pub tasks: u32,
    /// Nothing may be dispatched now: the layer is not open, or it or its job is paused or gated or at its limit.
    pub blocked: bool,
    /// The next ordinal to look at.
    pub next_ordinal: u32,
    /// One past the last ordinal of this type; `next_ordinal >= end` = only due tasks are left.
    pub end: u32,
    /// When the first task that waits out of order is due.
    pub due_ms: Option<i64>,
}

/// What a dispatch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// The tasks, in the order of their outbox rows.
    pub tasks: Vec<Dispatched>,
    /// One for each want.
    pub filled: Vec<Filled>,
}

/// A committed change that Redis does not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its place in the order of relaying.
    pub seq: i64,
    /// What is to be done.
    pub change: Change,
}

/// What is to be done in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Push this attempt.
    Enqueue(Box<Dispatched>),
    /// Take this attempt away from the queue and its worker.
    Revoke(Attempt),
    /// Take back what is not delivered of a task, a layer or a whole job.
    Recall(Scope),
    /// Overtaken by a later change: only to be deleted.
    Stale,
}

/// What a recall is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A whole job.
    Job(Uuid),
    /// A layer.
    Layer(Uuid),
    /// One task.
    Task(Uuid),
}

/// An attempt and where it is queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The task.
    pub task_id: Uuid,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The layer.
    pub layer_id: Uuid,
    /// The job.
    pub job_id: Uuid,
    /// The job's namespace.
    pub namespace: String,
    /// The job's queue, as its spec names it.
    pub queue: String,
    /// The task's type.
    pub kind: String,
}

/// What is said of an attempt, and in which stream it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The folded report.
    pub report: Report,
    /// The queue's name in Redis: the spec's, or `<namespace>.<the spec's>`. A task of another one is not touched.
    pub queue: String,
    /// The type. A task of another one is not touched.
    pub kind: String,
    /// The task's job, when it is known; else it is looked up.
    pub job_id: Option<Uuid>,
    /// Any bits: the jitter of the backoff.
    pub jitter: u16,
}

/// What became of a task whose outcome was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The task.
    pub task_id: Uuid,
    /// The attempt that the outcome was about.
    pub attempt: u32,
    /// Its layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its type.
    pub kind: String,
    /// Where it stood.
    pub from: Status,
    /// Where it stands.
    pub to: Status,
    /// When its next attempt is due, if it has one.
    pub due_ms: Option<i64>,
}

/// A layer's counters after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerCount {
    /// The layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its tasks by status.
    pub tasks: Counters,
}

/// What collecting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Outcomes that counted.
    pub applied: Vec<Applied>,
    /// How many changed nothing: stale, repeated, or not of their stream.
    pub stale: usize,
    /// Layers whose counters moved.
    pub counts: Vec<LayerCount>,
    /// Jobs in which a layer or the job itself moved.
    pub jobs: Vec<JobChange>,
    /// Outcomes that the database refuses, each with why: to be logged and dropped.
    pub refused: Vec<(Outcome, String)>,
}

/// An attempt that was taken back from the queue before anybody got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// The job.
    pub job_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// The task's type.
    pub kind: String,
}

/// A one-shot command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id, from `core::id::command`: it acts once.
    pub id: Uuid,
    /// The job it is about.
    pub job_id: Uuid,
    /// Who asks.
    pub actor: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

/// What a command did, the first time or any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Tasks that it was about.
    pub matched: u32,
    /// Tasks that it moved.
    pub changed: u32,
    /// The job is deleted or expired: nothing was done.
    pub refused: bool,
    /// What moved with it. Dispatch of the job may have changed: read its open types again.
    pub change: JobChange,
}

/// What a job's pause levels changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// The job and layers (by name) that are paused or unpaused now, with whether they are.
    pub moved: Vec<(Option<String>, bool)>,
    /// What moved with it. Dispatch of the job may have changed when `moved` is not empty: read its open types again.
    pub change: JobChange,
}

/// A job as it stands: all that its status needs but what the queue knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its queue, as its spec names it.
    pub queue: String,
    /// The generation of its object that was taken over.
    pub generation: i64,
    /// The job, in the shape in which the core decides.
    pub job: Job,
    /// What the core does not need to know of its layers, in the order of `job.layers`.
    pub layers: Vec<LayerFacts>,
    /// Why it stands as it does.
    pub reason: Option<String>,
    /// When its first layer opened.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// When it is to be killed.
    pub deadline_ms: Option<i64>,
    /// Its object was deleted.
    pub deleted: bool,
    /// Its object is being deleted because its time to live is over.
    pub expired: bool,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// What stands still, by layer name; what no worker serves is for the queue to add.
    pub standstills: BTreeMap<String, Standstill>,
}

/// What the core does not need to know of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// The layer.
    pub layer_id: Uuid,
    /// Its title for people.
    pub title: String,
    /// Why it stands as it does.
    pub reason: Option<String>,
    /// When it first opened.
    pub started_ms: Option<i64>,
    /// When it last ended.
    pub finished_ms: Option<i64>,
    /// The types of its tasks that may be dispatched; empty unless it is open.
    pub kinds: Vec<String>,
}

/// A task that errored, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The task.
    pub task_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its index, when it belongs to an array.
    pub ix: Option<u32>,
    /// Its last attempt.
    pub attempt: u32,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said.
    pub message: Option<String>,
}

/// A running attempt that is past its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The attempt and where it is queued.
    pub attempt: Attempt,
    /// How long it runs.
    pub for_time: Duration,
}

/// An attempt that is queued or running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// The attempt and where it is queued.
    pub attempt: Attempt,
    /// A worker said that it runs.
    pub running: bool,
    /// It, its layer or its job is paused: were it not queued, it would not be dispatched.
    pub paused: bool,
}
