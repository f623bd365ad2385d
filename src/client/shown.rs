//! What the API shows. Fields that a newer server adds are ignored.

use jiff::Timestamp;
use serde::Deserialize;

use crate::core::status::Status;

/// Tasks by status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the words of statuses")]
pub struct Counts {
    pub total: u32,
    pub pending: u32,
    pub queued: u32,
    pub running: u32,
    pub completed: u32,
    pub errored: u32,
    pub skipped: u32,
    pub retried: u32,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Igor's id of it.
    pub id: String,
    /// The uid of its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name; later jobs may have the same.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// Moves with status and pause.
    pub etag: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Whether all its tasks are in the ledger.
    pub accepted: bool,
    /// When its object was made.
    pub created_at: Timestamp,
    /// When its first layer opened.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its object was found gone.
    pub deleted_at: Option<Timestamp>,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// Its queue.
    pub queue: String,
    /// How many layers it has.
    pub layers: u32,
    /// Its tasks.
    pub tasks: Counts,
}

/// A layer of a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Igor's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// Lower ones run first, equal ones together.
    pub priority: i32,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// Moves with status and pause.
    pub etag: String,
    /// Whether it is paused.
    pub paused: bool,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// How often it was opened.
    pub run: u32,
    /// When it first opened.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// How many of its tasks are paused one by one.
    pub paused_tasks: u32,
    /// Its tasks.
    pub tasks: Counts,
}

/// A task of a layer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Igor's id of it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its title for people.
    pub title: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its place in the layer, from 0.
    pub ordinal: u32,
    /// Its index, when it belongs to an array.
    pub index: Option<u32>,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said last.
    pub message: Option<String>,
    /// Moves with every change.
    pub etag: String,
    /// Whether it is paused by itself.
    pub paused: bool,
    /// Its last attempt; 0 = none yet.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Attempts whose worker was lost.
    pub lost: u32,
    /// Attempts that may fail after the first one that did.
    pub retries: u32,
    /// How long an attempt may take.
    pub timeout_seconds: Option<f64>,
    /// When its next attempt is due.
    pub due_at: Option<Timestamp>,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// Its arguments in base64; lists leave them out.
    pub args_base64: Option<String>,
}

/// An attempt of a task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it was handed to the queue.
    pub queued_at: Timestamp,
    /// When a worker said that it runs.
    pub running_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where the task stood then; pending = it was given back, or has another attempt.
    pub ended_as: Option<Status>,
    /// Why.
    pub reason: Option<String>,
    /// Who ended it.
    pub actor: Option<String>,
}

/// A change of a job, a layer or a task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// What moved: `job`, `layer/NAME` or `task/LAYER/NAME`.
    pub object: String,
    /// From where.
    pub from: Status,
    /// To where; the same for a pause.
    pub to: Status,
    /// Its etag from then on.
    pub etag: String,
    /// The attempt of a task.
    pub attempt: Option<u32>,
    /// Who or what did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// What somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Its id.
    pub id: String,
    /// When it was asked.
    pub at: Timestamp,
    /// When it was done.
    pub done_at: Option<Timestamp>,
    /// The verb.
    pub verb: String,
    /// Of what: `job`, `layer/NAME` or `task/LAYER/NAME`.
    pub object: String,
    /// Of which of its tasks.
    pub select: String,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Tasks that it was about.
    pub matched: u32,
    /// Tasks that it moved.
    pub changed: u32,
}

/// Why something stands as it does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Why {
    /// How it stands.
    pub stands: String,
    /// The causes, the weightiest first.
    pub why: Vec<Cause>,
}

/// A cause.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cause {
    /// In words.
    pub says: String,
    /// As one word.
    pub reason: String,
    /// Commands that would change it; none when it ends by itself.
    pub mend: Vec<String>,
}

/// What a verb did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The command, to be found in the audit; none of a dry run.
    pub id: Option<String>,
    /// Of what it was asked: `job`, `layer/NAME` or `task/LAYER/NAME`.
    pub object: String,
    /// Of which of its tasks.
    pub select: String,
    /// Whether it is done; a large command goes on by itself.
    pub done: bool,
    /// Tasks that it is about.
    pub matched: u32,
    /// Whether `matched` is their number, and not only as far as they were counted.
    pub exact: bool,
    /// Tasks that it moved.
    pub changed: u32,
    /// Some of the tasks that a dry run found, as `LAYER/TASK`.
    pub sample: Vec<String>,
}

/// What came of adding tasks.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Added {
    /// Tasks that were sent.
    pub received: u64,
    /// Those of them that are new.
    pub added: u64,
    /// Those that were there already: of an earlier try, or of the same names.
    pub already: u64,
}
