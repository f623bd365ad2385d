//! Work on its way to the queue: what is open, what is dispatched, what the outbox holds.

use std::sync::Arc;

use uuid::Uuid;

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
    /// The outbox row of its dispatch: relayed in this order, deleted after the push.
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
    /// The tasks, in the order of their push.
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
    /// Push these attempts of one dispatch, as far as they still hold: none when all are overtaken.
    Enqueue(Vec<Dispatched>),
    /// Take this attempt away from the queue and its worker.
    Revoke(Attempt),
    /// Take back what is not delivered of a task, a layer or a whole job.
    Recall(Scope),
    /// Says nothing any more: only to be deleted.
    Stale,
}

/// What a recall is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Outstanding {
    /// The task and the number of its attempt.
    pub fn pair(&self) -> (Uuid, u32) {
        (self.attempt.task_id, self.attempt.attempt)
    }
}
