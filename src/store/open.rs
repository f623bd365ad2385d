//! The layers that are open, by type: what the dispatcher weighs.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::OpenType;
use super::rows::{LayerRow, LockedJob, count, lane};
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

/// A layer that opens, or that is open and has grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened<'a> {
    pub(super) layer_id: Uuid,
    pub(super) job_id: Uuid,
    pub(super) queue: &'a str,
    pub(super) again: bool,
}

/// Where dispatch of one type of an open layer stands.
pub(super) struct Cursor {
    pub(super) job_id: Uuid,
    layer_id: Uuid,
    kind: String,
    next_ordinal: i32,
    total: i32,
    due: Option<Time>,
}

impl Cursor {
    /// What may be dispatched there, if anything may: `layers` are rows of before the layer opened.
    pub(super) fn of(self, job: &LockedJob, layers: &[LayerRow]) -> Option<OpenType> {
        let own = || layers.iter().filter(|row| row.job_id == job.id);
        let row = own().find(|row| row.id == self.layer_id)?;
        let held =
            row.layer.paused_by.is_some() || row.layer.gated || row.layer.is_loading() || job.paused_by.is_some() || job.gate.is_some();
        let in_flight = |row: &LayerRow| row.layer.tasks.queued + row.layer.tasks.running;
        (!held).then(|| OpenType {
            layer_id: self.layer_id,
            job_id: job.id,
            namespace: job.namespace.clone(),
            queue: job.queue.clone(),
            kind: self.kind,
            lane: job.lane,
            layer_limit: row.max_in_flight,
            layer_in_flight: in_flight(row),
            job_limit: job.max_in_flight,
            job_in_flight: own().map(in_flight).sum(),
            next_ordinal: count(self.next_ordinal),
            end: count(self.total),
            due_ms: self.due.map(|due| due.0),
        })
    }
}

/// Makes the cursors of layers, or moves the ends of those that are there: one for each type.
pub(super) async fn open_layers(connection: &mut PgConnection, opened: &[Opened<'_>], act: &'static str) -> Result<Vec<Cursor>, Error> {
    if opened.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = opened.iter().map(|layer| layer.layer_id).collect();
    let days = Days::of(&ids);
    let jobs: Vec<Uuid> = opened.iter().map(|layer| layer.job_id).collect();
    let queues: Vec<&str> = opened.iter().map(|layer| layer.queue).collect();
    let again: Vec<bool> = opened.iter().map(|layer| layer.again).collect();
    sqlx::query_file_as!(Cursor, "src/store/sql/open.sql", &ids, days.each as _, &jobs, &queues as _, &again, days.lo as _, days.hi as _)
        .fetch_all(connection)
        .await
        .act(act)
}

/// Lets the cursors of open layers of a job know of tasks that were added behind their ends.
pub(super) async fn extend(connection: &mut PgConnection, job: &LockedJob, layers: &[Uuid], act: &'static str) -> Result<(), Error> {
    let opened = layers.iter().map(|id| Opened { layer_id: *id, job_id: job.id, queue: &job.queue, again: false });
    open_layers(connection, &opened.collect::<Vec<Opened<'_>>>(), act).await.map(drop)
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
