//! Why a job, a layer or a task stands as it does, with the commands that would change it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{Api, Fault};
use super::found::{OfJob, OfLayer, OfTask};
use crate::core::status::Status;
use crate::store::{JobRow, Snapshot, TaskView};
use crate::why::{Answer, answer};

/// Why something stands as it does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Why {
    namespace: String,
    job: String,
    uid: String,
    /// How what was asked about stands.
    stands: String,
    /// The causes, the weightiest first.
    #[serde(rename = "why")]
    causes: Vec<Cause>,
}

/// A cause.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cause {
    /// In words.
    says: String,
    /// As one word.
    reason: String,
    /// Commands that would change it; none when it ends by itself.
    mend: Vec<String>,
}

impl From<Answer> for Why {
    fn from(answer: Answer) -> Self {
        let Answer { namespace, job, uid, stands, why } = answer;
        let causes = why.into_iter().map(|cause| Cause { says: cause.says, reason: cause.reason, mend: cause.mend }).collect();
        Self { namespace, job, uid, stands, causes }
    }
}

/// Why a job stands as it does.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/why", operation_id = "whyJob", tag = "why",
    params(("namespace" = String, Path), ("job" = String, Path)), responses((status = 200, body = Why)))]
pub(super) async fn of_job(State(api): State<Api>, OfJob { job }: OfJob) -> Result<Json<Why>, Fault> {
    told(&api, &job, None, None).await
}

/// Why a layer stands as it does.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/why", operation_id = "whyLayer", tag = "why",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path)), responses((status = 200, body = Why)))]
pub(super) async fn of_layer(State(api): State<Api>, of: OfLayer) -> Result<Json<Why>, Fault> {
    told(&api, &of.of.job, Some(&of.layer.name), None).await
}

/// Why a task stands as it does.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}/why", operation_id = "whyTask", tag = "why",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("task" = String, Path)),
    responses((status = 200, body = Why)))]
pub(super) async fn of_task(State(api): State<Api>, of: OfTask) -> Result<Json<Why>, Fault> {
    let row = of.task;
    let task = TaskView {
        task_id: row.task_id,
        name: row.name,
        kind: row.kind,
        status: row.status,
        reason: row.reason,
        message: row.message,
        attempt: row.attempt,
        failures: row.failures,
        max_failures: row.max_failures,
        paused: row.paused,
        due_ms: row.due_ms,
        moved_ms: row.updated_ms,
    };
    told(&api, &of.of.of.job, Some(&of.of.layer.name), Some(&task)).await
}

async fn told(api: &Api, job: &JobRow, layer: Option<&str>, task: Option<&TaskView>) -> Result<Json<Why>, Fault> {
    let snapshot: Snapshot = api.ledger.snapshot(job.job_id).await?;
    let mut known = snapshot.known.clone();
    for (layer, facts) in snapshot.job.layers.iter().zip(&snapshot.layers) {
        if layer.status == Status::Errored && layer.tasks.errored > 0 && !snapshot.job.finished {
            known.layers.entry(layer.name.clone()).or_default().said = api.ledger.commonest_failure(facts.layer_id).await?;
        }
    }
    let facts = snapshot.facts(&known);
    Ok(Json(answer(&snapshot, &facts, layer, task).into()))
}
