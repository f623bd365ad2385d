//! Rows as lists show them, and how a list is asked for.

use uuid::Uuid;

use crate::core::job::{Counters, OnFailure};
use crate::core::status::Status;

/// A part of a list. It may be shorter than asked for, even empty, while more follows: one call looks at a bounded number of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Item, Place> {
    /// What was found.
    pub items: Vec<Item>,
    /// Behind what the next part begins; `None` = this was the last.
    pub next: Option<Place>,
}

/// Which way a list runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Jobs: the newest first. Tasks: in the order of the plan, type by type.
    #[default]
    Usual,
    /// The other way round.
    Reversed,
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of these namespaces; `None` = of all.
    pub namespaces: Option<Vec<String>>,
    /// In one of these statuses; empty = in any.
    pub statuses: Vec<Status>,
    /// With this text in the name or the title, in any case.
    pub contains: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Of this queue, as specs name it.
    pub queue: Option<String>,
    /// Paused or not.
    pub paused: Option<bool>,
    /// Ended or not.
    pub finished: Option<bool>,
    /// Their objects deleted or not.
    pub deleted: Option<bool>,
    /// Not created before, unix milliseconds.
    pub from_ms: Option<i64>,
    /// Not created after, unix milliseconds.
    pub to_ms: Option<i64>,
}

/// Which tasks of a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In one of these statuses; empty = in any.
    pub statuses: Vec<Status>,
    /// Of this type.
    pub kind: Option<String>,
    /// With this text in the name or the title, in any case.
    pub contains: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// Paused one by one or not.
    pub paused: Option<bool>,
}

/// A job as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// Moves with status and pause.
    pub version: i64,
    /// Who paused it, if it is paused.
    pub paused_by: Option<String>,
    /// The large command that is at work on it.
    pub command: Option<String>,
    /// When the object was created.
    pub created_ms: i64,
    /// When the first layer opened.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// When its object was found gone.
    pub deleted_ms: Option<i64>,
    /// When its time to live was over.
    pub expired_ms: Option<i64>,
    /// When its last row was written.
    pub updated_ms: i64,
    /// Whether all its tasks are in.
    pub accepted: bool,
    /// Its queue, as its spec names it.
    pub queue: String,
    /// 0 high, 1 normal, 2 low.
    pub lane: u8,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// What an errored layer does to those behind it.
    pub on_failure: OnFailure,
    /// Seconds from the first start after which it is killed.
    pub deadline_seconds: Option<u32>,
    /// Where it was made.
    pub origin: String,
    /// How many layers it has.
    pub layers: u32,
    /// How many tasks its plan announces.
    pub expected: u32,
    /// Its tasks by status.
    pub tasks: Counters,
}

/// A layer as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerView {
    /// The layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// Lower ones run first.
    pub priority: i32,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// How often it was opened.
    pub run: u32,
    /// Moves with status and pause.
    pub version: i64,
    /// Who paused it, if it is paused.
    pub paused_by: Option<String>,
    /// When it first opened.
    pub started_ms: Option<i64>,
    /// When it last ended.
    pub finished_ms: Option<i64>,
    /// When its row was last written.
    pub updated_ms: i64,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// How many tasks its plan announces.
    pub expected: u32,
    /// How many of them are in.
    pub loaded: u32,
    /// How many are paused one by one.
    pub paused_tasks: u32,
    /// Its tasks by status.
    pub tasks: Counters,
}

/// A task as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The task.
    pub task_id: Uuid,
    /// Its layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its title for people; `None` = the name.
    pub title: Option<String>,
    /// Its place in the layer, from 0.
    pub ordinal: u32,
    /// Its index, when it belongs to an array.
    pub ix: Option<u32>,
    /// Its type.
    pub kind: String,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said last.
    pub message: Option<String>,
    /// Moves with every change.
    pub version: u32,
    /// Its last attempt; 0 = none yet.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Attempts whose worker was lost.
    pub lost: u32,
    /// The failure that ends it.
    pub max_failures: u32,
    /// How long an attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Whether it is paused by itself.
    pub paused: bool,
    /// When its next attempt is due, if it waits for that.
    pub due_ms: Option<i64>,
    /// When it last moved.
    pub updated_ms: i64,
}

/// An attempt of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it was handed to the queue.
    pub queued_ms: i64,
    /// When a worker said that it runs.
    pub running_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// How it ended.
    pub ended_as: Option<Status>,
    /// Why.
    pub reason: Option<String>,
    /// Who ended it: `worker ID`, the operator, or a person.
    pub actor: Option<String>,
}

/// A change of a job, a layer or a task, by the moved thing's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionRow {
    /// What moved.
    pub id: Uuid,
    /// When, unix microseconds.
    pub at_us: i64,
    /// From where.
    pub from: Status,
    /// To where; the same for a pause.
    pub to: Status,
    /// Its version from then on.
    pub version: i64,
    /// How often the layer was opened.
    pub run: Option<u32>,
    /// The attempt of a task.
    pub attempt: Option<u32>,
    /// Who or what did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// The command that it came from.
    pub command: Option<Uuid>,
}

/// The place of a change among those of several things: its moment in unix microseconds, what moved, its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Unix microseconds.
    pub us: i64,
    /// What moved, or the command.
    pub id: Uuid,
    /// Its version from then on; 0 for commands.
    pub version: i64,
}

/// The open work of one type, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWork {
    /// The namespace.
    pub namespace: String,
    /// The queue, as specs name it.
    pub queue: String,
    /// The type.
    pub kind: String,
    /// Layers with tasks of that type that are open.
    pub layers: u32,
    /// Places behind the cursors: tasks of these layers that dispatch has not come to, those of other types between them counted too.
    pub ahead: u64,
    /// Tasks that wait out of order: retries and what was given back.
    pub waiting: u64,
}
