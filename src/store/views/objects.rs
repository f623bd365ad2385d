//! What the objects of single tasks show.

use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{FailedTask, TaskFacts};
use super::super::rows::{count, read_status};
use super::super::time::Time;
use crate::core::command::Verb;

const ACT: &str = "read tasks that have objects";

/// Why a task has ended errored without having failed.
fn by_command() -> Vec<String> {
    [Verb::Kill, Verb::Deadline, Verb::Delete].map(|verb| verb.reason().to_owned()).to_vec()
}

impl Store {
    /// The newest of a layer's tasks that failed by themselves, at most `limit`. What a command ended is no failure.
    ///
    /// Reads every errored task of the layer, and with few of them all tasks: ask once for each number of errors.
    pub async fn newest_failures(&self, layer_id: Uuid, limit: u32) -> Result<Vec<FailedTask>, Error> {
        within_reading(ACT, async {
            let rows = sqlx::query!(
                "SELECT id, name, type AS kind FROM igor.tasks
                 WHERE layer_id = $1 AND created_at = $2 AND status = 'ERRORED' AND coalesce(reason, '') <> ALL ($4)
                 ORDER BY updated_at DESC, id LIMIT $3",
                layer_id,
                Time::of(layer_id) as _,
                i64::from(limit),
                &by_command()
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            Ok(rows.into_iter().map(|row| FailedTask { task_id: row.id, name: row.name, kind: row.kind }).collect())
        })
        .await
    }

    /// These tasks of one job as they stand; what is not there is left out.
    pub async fn task_facts(&self, job_id: Uuid, tasks: &[Uuid]) -> Result<Vec<TaskFacts>, Error> {
        within_reading(ACT, async {
            let rows = sqlx::query!(
                r#"SELECT t.id, t.status::text AS "status!", t.reason, t.message, t.attempt, t.failures, t.updated_at AS "moved: Time",
                          w.actor AS "actor?", b.at AS "began?: Time"
                   FROM igor.tasks t
                   LEFT JOIN LATERAL (
                       SELECT r.actor FROM igor.transitions r
                       WHERE r.task_id = t.id AND r.created_at = $2 AND r.actor LIKE 'worker %' ORDER BY r.version DESC LIMIT 1
                   ) w ON true
                   LEFT JOIN LATERAL (
                       SELECT r.at FROM igor.transitions r
                       WHERE r.task_id = t.id AND r.created_at = $2 AND r.actor LIKE 'worker %' ORDER BY r.version LIMIT 1
                   ) b ON true
                   WHERE t.id = ANY($1) AND t.created_at = $2"#,
                tasks,
                Time::of(job_id) as _
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            rows.into_iter()
                .map(|row| {
                    Ok(TaskFacts {
                        status: read_status("tasks", row.id, &row.status)?,
                        task_id: row.id,
                        reason: row.reason,
                        message: row.message,
                        attempt: count(row.attempt),
                        failures: count(row.failures),
                        worker: row.actor.map(|actor| actor.trim_start_matches("worker ").to_owned()),
                        started_ms: row.began.map(|at| at.0),
                        moved_ms: row.moved.0,
                    })
                })
                .collect()
        })
        .await
    }
}
