//! Answers: every field always there, none `null` but `args`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use uuid::Uuid;

use crate::core::id;
use crate::store::{PlainJob, PlainLayer, PlainTask};

/// A job.
#[derive(Debug, Serialize)]
pub(super) struct Job {
    id: Uuid,
    name: String,
    status: String,
    etag: Uuid,
    created_at: i64,
    updated_at: i64,
}

/// A job that was just made, with all that it holds.
#[derive(Debug, Serialize)]
pub(super) struct WholeJob {
    #[serde(flatten)]
    pub(super) job: Job,
    pub(super) layers: Vec<WholeLayer>,
}

/// A layer with its tasks.
#[derive(Debug, Serialize)]
pub(super) struct WholeLayer {
    #[serde(flatten)]
    pub(super) layer: Layer,
    pub(super) tasks: Vec<Task>,
}

/// A layer.
#[derive(Debug, Serialize)]
pub(super) struct Layer {
    id: Uuid,
    name: String,
    status: String,
    etag: Uuid,
    created_at: i64,
    updated_at: i64,
    paused_at: i64,
    priority: i32,
    job_id: Uuid,
}

/// A task.
#[derive(Debug, Serialize)]
pub(super) struct Task {
    id: Uuid,
    name: String,
    status: String,
    etag: Uuid,
    created_at: i64,
    updated_at: i64,
    #[serde(rename = "type")]
    kind: String,
    args: Option<String>,
    paused_at: i64,
    retries: u32,
    job_id: Uuid,
    layer_id: Uuid,
    queue_task_id: String,
    message: String,
}

fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

impl From<PlainJob> for Job {
    fn from(job: PlainJob) -> Self {
        Self {
            etag: id::etag(job.id, job.version),
            id: job.id,
            name: job.title,
            status: job.status.to_string(),
            created_at: seconds(job.created_ms),
            updated_at: seconds(job.updated_ms),
        }
    }
}

impl From<PlainLayer> for Layer {
    fn from(layer: PlainLayer) -> Self {
        Self {
            etag: id::etag(layer.id, layer.version),
            id: layer.id,
            name: layer.title,
            status: layer.status.to_string(),
            created_at: seconds(layer.created_ms),
            updated_at: seconds(layer.updated_ms),
            paused_at: layer.paused_ms.map_or(0, seconds),
            priority: layer.priority,
            job_id: layer.job_id,
        }
    }
}

impl From<PlainTask> for Task {
    fn from(task: PlainTask) -> Self {
        Self {
            etag: id::etag(task.id, task.version),
            queue_task_id: if task.attempt == 0 { String::new() } else { format!("{}.{}", task.id, task.attempt) },
            id: task.id,
            name: task.title,
            status: task.status.to_string(),
            created_at: seconds(task.created_ms),
            updated_at: seconds(task.updated_ms),
            kind: task.kind,
            args: task.args.map(|args| BASE64_STANDARD.encode(args)),
            paused_at: task.paused_ms.map_or(0, seconds),
            retries: task.max_failures.saturating_sub(1),
            job_id: task.job_id,
            layer_id: task.layer_id,
            message: task.message.unwrap_or_default(),
        }
    }
}
