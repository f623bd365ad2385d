//! Everything that the ledger says of a job, as plain values.

use std::collections::BTreeMap;

use igor::core::status::Status;
use serde::Deserialize;
use sqlx::PgPool;
use uuid::Uuid;

/// A job, its layers in the order of the plan, and what waits in the outbox for it to be stopped or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column that is set or null")]
pub(crate) struct Job {
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) version: i64,
    pub(crate) paused_by: Option<String>,
    pub(crate) accepted: bool,
    pub(crate) finished: bool,
    pub(crate) expired: bool,
    pub(crate) deleted: bool,
    pub(crate) gated: bool,
    pub(crate) tolerant: bool,
    pub(crate) layers: Vec<Layer>,
    /// `K` with an attempt, `R` with what is to be taken back.
    #[serde(default)]
    pub(crate) outbox: Vec<String>,
}

/// A layer and its tasks in their order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) version: i64,
    pub(crate) run: i32,
    pub(crate) paused_by: Option<String>,
    pub(crate) loading: bool,
    pub(crate) tasks: Vec<Task>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Its index in its array, else its place in the layer.
    pub(crate) number: i32,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) version: i32,
    pub(crate) attempt: i32,
    pub(crate) failures: i32,
    pub(crate) lost: i32,
    pub(crate) paused: bool,
    /// It waits for its next attempt to be due.
    pub(crate) waits: bool,
}

const JOBS: &str = r"
    SELECT j.id, json_build_object(
        'status', j.status, 'reason', j.reason, 'version', j.version, 'paused_by', CASE WHEN j.paused_at IS NOT NULL THEN j.paused_by END,
        'accepted', j.loaded_at IS NOT NULL, 'finished', j.finished_at IS NOT NULL, 'expired', j.expired_at IS NOT NULL,
        'deleted', j.deleted_at IS NOT NULL, 'gated', j.gate IS NOT NULL, 'tolerant', j.on_failure = 'Continue',
        'layers', (
            SELECT json_agg(json_build_object(
                'name', l.name, 'priority', l.priority, 'status', l.status, 'reason', l.reason, 'version', l.version, 'run', l.run,
                'paused_by', CASE WHEN l.paused_at IS NOT NULL THEN l.paused_by END, 'loading', l.n_loaded < l.n_expected,
                'tasks', coalesce((
                    SELECT json_agg(json_build_object(
                        'name', t.name, 'number', coalesce(t.ix, t.ordinal), 'status', t.status, 'reason', t.reason, 'version', t.version,
                        'attempt', t.attempt, 'failures', t.failures, 'lost', t.lost, 'paused', t.paused_at IS NOT NULL,
                        'waits', t.status = 'PENDING' AND EXISTS (
                            SELECT FROM igor.requeue r WHERE r.task_id = t.id AND r.not_before > statement_timestamp())
                    ) ORDER BY t.ordinal) FROM igor.tasks t WHERE t.layer_id = l.id AND t.created_at = l.created_at), '[]')
            ) ORDER BY l.ordinal) FROM igor.layers l WHERE l.job_id = j.id AND l.created_at = j.created_at))
    FROM igor.jobs j WHERE $1::uuid IS NULL OR j.id = $1";

const OUTBOX: &str = r"
    SELECT coalesce(t.job_id, l.job_id, o.job_id),
           o.kind::text || CASE WHEN t.id IS NOT NULL THEN ' ' || k.name || '/' || t.name || coalesce('#' || o.attempt, '')
                          WHEN l.id IS NOT NULL THEN ' ' || l.name ELSE '' END
    FROM igor.outbox o
    LEFT JOIN igor.tasks t ON t.id = o.task_id AND t.created_at = o.created_at
    LEFT JOIN igor.layers k ON k.id = t.layer_id AND k.created_at = t.created_at
    LEFT JOIN igor.layers l ON l.id = o.layer_id AND l.created_at = o.created_at
    WHERE o.kind IN ('K', 'R') ORDER BY 1, 2";

/// Every job of a ledger.
pub(crate) async fn everything(pool: &PgPool) -> BTreeMap<Uuid, Job> {
    read(pool, None).await
}

/// One job.
pub(crate) async fn one(pool: &PgPool, job: Uuid) -> Job {
    read(pool, Some(job)).await.remove(&job).expect("the job")
}

async fn read(pool: &PgPool, job: Option<Uuid>) -> BTreeMap<Uuid, Job> {
    let rows: Vec<(Uuid, serde_json::Value)> = sqlx::query_as(JOBS).bind(job).fetch_all(pool).await.expect("the jobs");
    let mut jobs: BTreeMap<Uuid, Job> =
        rows.into_iter().map(|(id, job)| (id, serde_json::from_value(job).expect("a job as it is written"))).collect();
    let outbox: Vec<(Uuid, String)> = sqlx::query_as(OUTBOX).fetch_all(pool).await.expect("the outbox");
    for (job, row) in outbox {
        if let Some(job) = jobs.get_mut(&job) {
            job.outbox.push(row);
        }
    }
    jobs
}

/// Where two readings of a job differ, a line each.
pub(crate) fn differences(expected: &Job, found: &Job) -> Vec<String> {
    let lines = |job: &Job| -> Vec<String> {
        let mut lines = vec![format!("{:?}", Job { layers: Vec::new(), ..job.clone() })];
        for layer in &job.layers {
            lines.push(format!("{:?}", Layer { tasks: Vec::new(), ..layer.clone() }));
            lines.extend(layer.tasks.iter().map(|task| format!("{}: {task:?}", layer.name)));
        }
        lines
    };
    let (expected, found) = (lines(expected), lines(found));
    let pairs = expected.iter().zip(&found).filter(|(expected, found)| expected != found);
    let mut said: Vec<String> = pairs.map(|(expected, found)| format!("  expected {expected}\n  found    {found}")).collect();
    if expected.len() != found.len() {
        said.push(format!("  expected {} rows, found {}", expected.len(), found.len()));
    }
    said
}
