//! The one statement that moves tasks, each from a given attempt: tasks, audit, requeue and counters in one go.
//!
//! Collect and recall both end here. The caller holds the jobs' locks; the guard of legal moves comes from the core.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::Act;
use super::error::Error;
use super::facts::{Applied, LayerCount};
use super::rows::{count, guards, int, read_status};
use super::time::{Days, Time};
use crate::core::job::Counters;
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
    let (from_guard, to_guard) = guards(moves);
    let moved = sqlx::query!(
        r#"WITH r AS (
               SELECT u.task_id, u.created_at, u.attempt, u.type, u."to"::igor.status AS "to", u.failures, u.lost, u.retried,
                      statement_timestamp() + u.wait_ms * interval '1 millisecond' AS due, u.reason, u.message, u.actor
               FROM unnest($1::uuid[], $2::timestamptz[], $3::int4[], $4::text[], $5::text[], $6::int4[], $7::int4[], $8::bool[],
                           $9::int8[], $10::text[], $11::text[], $12::text[])
                    AS u(task_id, created_at, attempt, type, "to", failures, lost, retried, wait_ms, reason, message, actor)
           ), upd AS (
               UPDATE igor.tasks t
               SET prev_status = t.status, status = r."to", failures = coalesce(r.failures, t.failures), lost = coalesce(r.lost, t.lost),
                   reason = r.reason, message = coalesce(r.message, t.message), version = t.version + 1, updated_at = statement_timestamp()
               FROM r
               WHERE t.id = r.task_id AND t.created_at = r.created_at AND t.created_at BETWEEN $13 AND $14
                 AND t.attempt = r.attempt AND t.type = r.type
                 AND (t.status, r."to") IN (SELECT * FROM unnest($15::text[]::igor.status[], $16::text[]::igor.status[]))
               RETURNING t.id, t.created_at, t.layer_id, t.job_id, t.type, t.prev_status, t.status, t.attempt, t.version,
                         r.retried, r.due, r.reason, r.actor
           ), hist AS (
               INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor, reason)
               SELECT u.created_at, u.id, u.layer_id, u.prev_status, u.status, u.attempt, u.version, u.actor, u.reason FROM upd u
           ), rq AS (
               INSERT INTO igor.requeue AS q (task_id, created_at, layer_id, type, not_before)
               SELECT u.id, u.created_at, u.layer_id, u.type, u.due FROM upd u WHERE u.status = 'PENDING'
               ON CONFLICT (task_id) DO UPDATE SET not_before = excluded.not_before
           ), d AS (
               SELECT u.layer_id, u.created_at,
                      (count(*) FILTER (WHERE u.status = 'PENDING'))::int4 AS p, (count(*) FILTER (WHERE u.prev_status = 'QUEUED'))::int4 AS from_q,
                      (count(*) FILTER (WHERE u.status = 'RUNNING') - count(*) FILTER (WHERE u.prev_status = 'RUNNING'))::int4 AS r,
                      (count(*) FILTER (WHERE u.status = 'COMPLETED'))::int4 AS c, (count(*) FILTER (WHERE u.status = 'ERRORED'))::int4 AS e,
                      (count(*) FILTER (WHERE u.status = 'SKIPPED'))::int4 AS s, (count(*) FILTER (WHERE u.retried))::int4 AS again
               FROM upd u GROUP BY 1, 2
           ), lay AS (
               UPDATE igor.layers l
               SET n_pending = l.n_pending + d.p, n_queued = l.n_queued - d.from_q, n_running = l.n_running + d.r, n_completed = l.n_completed + d.c,
                   n_errored = l.n_errored + d.e, n_skipped = l.n_skipped + d.s, n_retried = l.n_retried + d.again, updated_at = statement_timestamp()
               FROM d WHERE l.id = d.layer_id AND l.created_at = d.created_at AND l.created_at BETWEEN $13 AND $14
               RETURNING l.*
           )
           SELECT u.id AS "id!", u.attempt AS "attempt!", u.layer_id AS "layer_id!", u.job_id AS "job_id!", u.type AS "kind!",
                  u.prev_status::text AS "from!", u.status::text AS "to!", CASE WHEN u.status = 'PENDING' THEN u.due END AS "due: Time",
                  l.n_pending AS "n_pending!", l.n_queued AS "n_queued!", l.n_running AS "n_running!", l.n_completed AS "n_completed!",
                  l.n_errored AS "n_errored!", l.n_skipped AS "n_skipped!", l.n_retried AS "n_retried!"
           FROM upd u JOIN lay l ON l.id = u.layer_id"#,
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
        &from_guard,
        &to_guard
    )
    .fetch_all(connection)
    .await
    .act(act)?;
    let mut counts: Vec<LayerCount> = Vec::new();
    let mut applied = Vec::with_capacity(moved.len());
    for row in moved {
        if !counts.iter().any(|known| known.layer_id == row.layer_id) {
            let tasks = Counters {
                pending: count(row.n_pending),
                queued: count(row.n_queued),
                running: count(row.n_running),
                completed: count(row.n_completed),
                errored: count(row.n_errored),
                skipped: count(row.n_skipped),
                retried: count(row.n_retried),
            };
            counts.push(LayerCount { layer_id: row.layer_id, job_id: row.job_id, tasks });
        }
        applied.push(Applied {
            task_id: row.id,
            attempt: count(row.attempt),
            layer_id: row.layer_id,
            job_id: row.job_id,
            kind: row.kind,
            from: read_status("tasks", row.id, &row.from)?,
            to: read_status("tasks", row.id, &row.to)?,
            due_ms: row.due.map(|due| due.0),
        });
    }
    Ok((applied, counts))
}
