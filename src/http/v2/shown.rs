//! Jobs, layers and tasks as they are shown.

pub(super) mod past;
mod words;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use self::words::{Counts, Lane, OnFailureWord};
pub(super) use self::words::{StatusWord, moment};
use crate::core::job::OnFailure;
use crate::core::status::Status;
use crate::store::{JobRow, LayerView, TaskRow};

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    /// Igor's id of it.
    id: Uuid,
    /// The uid of its object.
    uid: String,
    namespace: String,
    /// Its name; later jobs may have the same.
    name: String,
    title: String,
    #[schema(value_type = StatusWord)]
    status: Status,
    /// Why it stands so.
    reason: Option<String>,
    /// Moves with status and pause; for `If-Match`.
    etag: String,
    paused: bool,
    /// Who paused it: `spec`, `annotation`, `restore`, or a name.
    paused_by: Option<String>,
    /// The large command that is at work on it.
    at_work: Option<String>,
    /// Whether all its tasks are in the ledger.
    accepted: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    /// When its object was found gone.
    #[schema(format = DateTime)]
    deleted_at: Option<String>,
    /// When its time to live was over.
    #[schema(format = DateTime)]
    expired_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
    queue: String,
    #[schema(inline)]
    priority: Lane,
    /// Most tasks queued and running at once.
    max_in_flight: Option<u32>,
    #[schema(value_type = OnFailureWord, inline)]
    on_failure: OnFailure,
    /// Seconds from the first start after which it is killed.
    active_deadline_seconds: Option<u32>,
    /// Where it was made.
    origin: String,
    /// How many layers it has.
    layers: u32,
    tasks: Counts,
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        Self {
            id: row.job_id,
            uid: row.uid,
            namespace: row.namespace,
            name: row.name,
            title: row.title,
            status: row.status,
            reason: row.reason,
            etag: row.version.to_string(),
            paused: row.paused_by.is_some(),
            paused_by: row.paused_by,
            at_work: row.command,
            accepted: row.accepted,
            created_at: moment(row.created_ms),
            started_at: row.started_ms.map(moment),
            finished_at: row.finished_ms.map(moment),
            deleted_at: row.deleted_ms.map(moment),
            expired_at: row.expired_ms.map(moment),
            updated_at: moment(row.updated_ms),
            queue: row.queue,
            priority: match row.lane {
                0 => Lane::High,
                1 => Lane::Normal,
                _ => Lane::Low,
            },
            max_in_flight: row.max_in_flight,
            on_failure: row.on_failure,
            active_deadline_seconds: row.deadline_seconds,
            origin: row.origin,
            layers: row.layers,
            tasks: Counts::of(row.expected, &row.tasks),
        }
    }
}

/// A layer of a job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Layer {
    /// Igor's id of it.
    id: Uuid,
    name: String,
    title: String,
    /// Lower ones run first, equal ones together.
    priority: i32,
    #[schema(value_type = StatusWord)]
    status: Status,
    /// Why it stands so.
    reason: Option<String>,
    /// Moves with status and pause; for `If-Match`.
    etag: String,
    paused: bool,
    /// Who paused it.
    paused_by: Option<String>,
    /// How often it was opened.
    run: u32,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Most of its tasks queued and running at once.
    max_in_flight: Option<u32>,
    /// How many of its tasks are in the ledger.
    loaded: u32,
    /// How many are paused one by one.
    paused_tasks: u32,
    tasks: Counts,
}

impl From<LayerView> for Layer {
    fn from(row: LayerView) -> Self {
        Self {
            id: row.layer_id,
            name: row.name,
            title: row.title,
            priority: row.priority,
            status: row.status,
            reason: row.reason,
            etag: row.version.to_string(),
            paused: row.paused_by.is_some(),
            paused_by: row.paused_by,
            run: row.run,
            started_at: row.started_ms.map(moment),
            finished_at: row.finished_ms.map(moment),
            updated_at: moment(row.updated_ms),
            max_in_flight: row.max_in_flight,
            loaded: row.loaded,
            paused_tasks: row.paused_tasks,
            tasks: Counts::of(row.expected, &row.tasks),
        }
    }
}

/// A task of a layer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    /// Igor's id of it.
    id: Uuid,
    name: String,
    title: String,
    #[serde(rename = "type")]
    kind: String,
    /// Its place in the layer, from 0.
    ordinal: u32,
    /// Its index, when it belongs to an array.
    index: Option<u32>,
    #[schema(value_type = StatusWord)]
    status: Status,
    /// Why it stands so.
    reason: Option<String>,
    /// What its handler said last.
    message: Option<String>,
    /// Moves with every change; for `If-Match`.
    etag: String,
    /// Paused by itself.
    paused: bool,
    /// Its last attempt; 0 = none yet.
    attempt: u32,
    /// Attempts that failed.
    failures: u32,
    /// Attempts whose worker was lost.
    lost: u32,
    /// Attempts that may fail after the first one that did.
    retries: u32,
    /// How long an attempt may take.
    timeout_seconds: Option<f64>,
    /// When its next attempt is due, if it waits for that.
    #[schema(format = DateTime)]
    due_at: Option<String>,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<TaskRow> for Task {
    fn from(row: TaskRow) -> Self {
        Self {
            id: row.task_id,
            title: row.title.unwrap_or_else(|| row.name.clone()),
            name: row.name,
            kind: row.kind,
            ordinal: row.ordinal,
            index: row.ix,
            status: row.status,
            reason: row.reason,
            message: row.message,
            etag: row.version.to_string(),
            paused: row.paused,
            attempt: row.attempt,
            failures: row.failures,
            lost: row.lost,
            retries: row.max_failures.saturating_sub(1),
            timeout_seconds: row.timeout_ms.map(|ms| std::time::Duration::from_millis(ms).as_secs_f64()),
            due_at: row.due_ms.map(moment),
            updated_at: moment(row.updated_ms),
        }
    }
}

/// A task with what its handler gets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeTask {
    #[serde(flatten)]
    pub(super) task: Task,
    /// Its arguments in base64.
    pub(super) args_base64: String,
}
