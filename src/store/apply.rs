//! The one statement that moves tasks, each from a given attempt: tasks, audit, requeue and counters in one go.
//!
//! Collect and recall both end here. The caller holds the jobs' locks; the guard of legal moves comes from the core.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::Act;
use super::error::Error;
use super::facts::{Applied, LayerCount};
use super::rows::{count, counters, guards, int, read_status};
use super::time::{Days, Time};
use crate::core::status::{Move, Status};

/// What is to be written of a task, if it stands where the moves allow and its attempt is this one.
#[derive(Clone, Debug)]
pub(super) struct TaskMove {
    pub(super) task_id: Uuid,
    pub(super) attempt: u32,
    pub(super) kind: String,
    pub(super) to: Status,
    /// `None` = as it is.
    pub(super) failures: Option<u32>,
    /// `None` = as it is.
    pub(super) lost: Option<u32>,
    /// A failed attempt that gets another.
    pub(super) retried: bool,
    pub(super) wait_ms: i64,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) actor: String,
}

/// Writes these moves; gives what moved, and the counters of the layers they belong to.
pub(super) async fn apply_moves(
    connection: &mut PgConnection,
    rows: &[TaskMove],
    moves: &[Move],
    act: &'static str,
) -> Result<(Vec<Applied>, Vec<LayerCount>), Error> {
    if rows.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.task_id).collect();
    let days = Days::of(&ids);
    let attempts: Vec<i32> = rows.iter().map(|row| int(row.attempt)).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
    let to: Vec<&str> = rows.iter().map(|row| row.to.as_str()).collect();
    let failures: Vec<Option<i32>> = rows.iter().map(|row| row.failures.map(int)).collect();
    let lost: Vec<Option<i32>> = rows.iter().map(|row| row.lost.map(int)).collect();
    let retried: Vec<bool> = rows.iter().map(|row| row.retried).collect();
    let waits: Vec<i64> = rows.iter().map(|row| row.wait_ms).collect();
    let reasons: Vec<Option<&str>> = rows.iter().map(|row| row.reason.as_deref()).collect();
    let messages: Vec<Option<&str>> = rows.iter().map(|row| row.message.as_deref()).collect();
    let actors: Vec<&str> = rows.iter().map(|row| row.actor.as_str()).collect();
    let layers = sqlx::query_file!(
        "src/store/sql/apply.sql",
        &ids,
        days.each as _,
        &attempts,
        &kinds as _,
        &to as _,
        &failures as _,
        &lost as _,
        &retried,
        &waits,
        &reasons as _,
        &messages as _,
        &actors as _,
        days.lo as _,
        days.hi as _,
        &guards(moves)
    )
    .fetch_all(connection)
    .await
    .act(act)?;
    let mut counts: Vec<LayerCount> = Vec::with_capacity(layers.len());
    let mut applied = Vec::with_capacity(rows.len());
    for row in layers {
        counts.push(LayerCount { layer_id: row.id, job_id: row.job_id, tasks: counters!(row) });
        let tasks = row.ids.into_iter().zip(row.attempts).zip(row.kinds).zip(row.was.iter().zip(&row.is_now)).zip(row.due);
        for ((((task_id, attempt), kind), (was, is_now)), due) in tasks {
            let to = read_status("tasks", task_id, is_now)?;
            applied.push(Applied {
                task_id,
                attempt: count(attempt),
                layer_id: row.id,
                job_id: row.job_id,
                kind,
                from: read_status("tasks", task_id, was)?,
                to,
                due_ms: (to == Status::Pending).then_some(due.0),
            });
        }
    }
    Ok((applied, counts))
}
