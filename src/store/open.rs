//! The layers that are open, by type: what the dispatcher weighs.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::OpenType;
use super::rows::{LockedJob, count, lane};
use super::time::{Days, Time};

const ACT: &str = "list what is open";

impl Store {
    /// The types of every layer that may be dispatched now: for start-up; afterwards what transactions return keeps it current.
    pub async fn open_types(&self) -> Result<Vec<OpenType>, Error> {
        let list = sqlx::query_scalar!("SELECT DISTINCT job_id FROM igor.layer_types").fetch_all(&self.writer);
        let jobs = within(ACT, async { list.await.act(ACT) }).await?;
        self.open_types_of(&jobs).await
    }

    /// Those of some jobs.
    pub async fn open_types_of(&self, jobs: &[Uuid]) -> Result<Vec<OpenType>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            types_of(&mut connection, jobs, ACT).await
        })
        .await
    }
}

/// The types of the layers of these jobs that may be dispatched.
pub(super) async fn types_of(connection: &mut PgConnection, jobs: &[Uuid], act: &'static str) -> Result<Vec<OpenType>, Error> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let days = Days::of(jobs);
    let rows = sqlx::query!(
        r#"SELECT o.layer_id, o.job_id, j.namespace, o.queue, o.type AS kind, j.lane, l.max_in_flight AS layer_limit,
                  (l.n_queued + l.n_running) AS "layer_in_flight!", j.max_in_flight AS job_limit, f.in_flight AS "job_in_flight!",
                  o.next_ordinal, o.total, q.due AS "due: Time"
           FROM igor.layer_types o
           JOIN igor.layers l ON l.id = o.layer_id AND l.created_at = o.created_at
                             AND l.created_at BETWEEN $2 AND $3
           JOIN igor.jobs j ON j.id = o.job_id AND j.created_at = o.created_at
                           AND j.created_at BETWEEN $2 AND $3
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(s.n_queued + s.n_running), 0)::int4 AS in_flight FROM igor.layers s
               WHERE s.job_id = o.job_id AND s.created_at BETWEEN $2 AND $3
           ) f
           CROSS JOIN LATERAL (SELECT min(r.not_before) AS due FROM igor.requeue r WHERE r.layer_id = o.layer_id AND r.type = o.type) q
           WHERE o.job_id = ANY($1)
             AND l.status = 'RUNNING' AND l.paused_at IS NULL AND l.gate IS NULL AND l.n_loaded >= l.n_expected AND j.paused_at IS NULL AND j.gate IS NULL
           ORDER BY o.job_id, l.ordinal, o.type"#,
        jobs,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(act)?;
    let open = rows.into_iter().map(|row| OpenType {
        layer_id: row.layer_id,
        job_id: row.job_id,
        namespace: row.namespace,
        queue: row.queue,
        kind: row.kind,
        lane: lane(row.lane),
        layer_limit: row.layer_limit.map(count),
        layer_in_flight: count(row.layer_in_flight),
        job_limit: row.job_limit.map(count),
        job_in_flight: count(row.job_in_flight),
        next_ordinal: count(row.next_ordinal),
        end: count(row.total),
        due_ms: row.due.map(|due| due.0),
    });
    Ok(open.collect())
}

/// Lets the cursors of open layers of a job know of tasks that were added behind their ends.
pub(super) async fn extend(connection: &mut PgConnection, job: &LockedJob, layers: &[Uuid], act: &'static str) -> Result<(), Error> {
    let days = Days::of(layers);
    let jobs = vec![job.id; layers.len()];
    let queues = vec![job.queue.as_str(); layers.len()];
    let again = vec![false; layers.len()];
    sqlx::query_file!("src/store/sql/open.sql", layers, days.each as _, &jobs, &queues as _, &again, days.lo as _, days.hi as _)
        .execute(connection)
        .await
        .act(act)?;
    Ok(())
}

/// Drops the cursors of layers that ended, and what was left to dispatch out of order.
pub(super) async fn close_layers(connection: &mut PgConnection, layers: &[Uuid], act: &'static str) -> Result<(), Error> {
    if layers.is_empty() {
        return Ok(());
    }
    sqlx::query!("DELETE FROM igor.layer_types WHERE layer_id = ANY($1)", layers).execute(&mut *connection).await.act(act)?;
    sqlx::query!("DELETE FROM igor.requeue WHERE layer_id = ANY($1)", layers).execute(connection).await.act(act)?;
    Ok(())
}
