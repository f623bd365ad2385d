//! Writes what `core::advance` says is due, in the transaction that holds the jobs' locks.
//!
//! Decides nothing itself: layers and jobs move as the steps say, each move with its row in the audit.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::Act;
use super::error::Error;
use super::facts::JobChange;
use super::open;
use super::rows::{LayerRow, LockedJob, int, layers_of};
use super::time::{Days, Time};
use crate::core::advance::{Step, advance, apply};
use crate::core::job::Job;
use crate::core::status::Status;

/// Why a layer or a job is errored by its tasks.
const TASK_FAILURES: &str = "TaskFailures";

/// Takes every step that is due in these jobs, whose locks the caller holds; gives those in which something moved.
pub(super) async fn advance_jobs(
    connection: &mut PgConnection,
    jobs: &mut [LockedJob],
    act: &'static str,
) -> Result<Vec<JobChange>, Error> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
    let layers = layers_of(connection, &ids, act).await?;
    let mut moves = Moves::default();
    let mut changes: Vec<JobChange> = Vec::new();
    for job in jobs.iter_mut() {
        let own: Vec<&LayerRow> = layers.iter().filter(|layer| layer.job_id == job.id).collect();
        changes.extend(moves.plan(job, &own));
    }
    moves.write(connection, act).await?;
    let opened = moves.opened_layers();
    if !opened.is_empty() {
        for open in open::types_of_layers(connection, &opened, act).await? {
            if let Some(change) = changes.iter_mut().find(|change| change.job_id == open.job_id) {
                change.opened.push(open);
            }
        }
    }
    Ok(changes)
}

/// A change of status of a layer or a job, as the audit has it.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    pub(super) id: Uuid,
    pub(super) layer_id: Option<Uuid>,
    pub(super) from: Status,
    pub(super) to: Status,
    pub(super) version: i64,
    pub(super) run: Option<i32>,
    pub(super) reason: Option<String>,
}

/// What is to be written of one layer.
#[derive(Debug)]
struct LayerMove {
    id: Uuid,
    job_id: Uuid,
    queue: String,
    status: Status,
    run: i32,
    version: i64,
    reason: Option<&'static str>,
    /// It was opened for the first time, or again.
    opened: Option<Opening>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    First,
    Again,
}

/// What is to be written of one job.
#[derive(Debug)]
struct JobMove {
    id: Uuid,
    status: Status,
    version: i64,
    reason: Option<&'static str>,
    started: bool,
    reopened: bool,
    finished: bool,
}

/// Everything that is to be written, gathered over all jobs: a handful of statements whatever their number.
#[derive(Debug, Default)]
struct Moves {
    layers: BTreeMap<Uuid, LayerMove>,
    jobs: Vec<JobMove>,
    audit: Vec<Audit>,
}

impl Moves {
    /// Gathers the steps that are due in one job, and takes them on the values at hand.
    fn plan(&mut self, locked: &mut LockedJob, rows: &[&LayerRow]) -> Option<JobChange> {
        let mut job: Job = locked.as_core(rows.iter().copied());
        let steps = advance(&job);
        if steps.is_empty() {
            return None;
        }
        let mut change = locked.unchanged();
        let mut write = JobMove {
            id: locked.id,
            status: job.status,
            version: locked.version,
            reason: None,
            started: false,
            reopened: false,
            finished: job.finished,
        };
        for step in steps {
            let before = job.clone();
            apply(&mut job, step);
            match step {
                Step::ResetLayer(index) | Step::OpenLayer(index) | Step::FinishLayer(index, _) => {
                    self.move_layer(locked, rows[index], step, before.layers[index].status, &job, index);
                }
                Step::StartJob | Step::ReopenJob | Step::HoldJob | Step::ResumeJob | Step::FinishJob(_) => {
                    write.started |= step == Step::StartJob;
                    write.reopened |= step == Step::ReopenJob;
                    write.reason = (job.status == Status::Errored).then_some(TASK_FAILURES);
                    if before.status != job.status {
                        write.version += 1;
                        self.audit.push(Audit {
                            id: locked.id,
                            layer_id: None,
                            from: before.status,
                            to: job.status,
                            version: write.version,
                            run: None,
                            reason: write.reason.map(str::to_owned),
                        });
                    }
                }
            }
        }
        change.status = (job.status != locked.status).then_some(job.status);
        change.finished = job.finished && !locked.finished;
        for (row, after) in rows.iter().zip(&job.layers) {
            if row.layer.status != after.status || row.layer.run != after.run {
                change.layers.push((after.name.clone(), after.status));
            }
            if after.status.is_finished() && self.layers.contains_key(&row.id) {
                change.closed.push(row.id);
            }
        }
        if job.finished != locked.finished || write.version != locked.version {
            locked.version = write.version;
            write.status = job.status;
            write.finished = job.finished;
            self.jobs.push(write);
        }
        locked.status = job.status;
        locked.finished = job.finished;
        Some(change)
    }

    fn move_layer(&mut self, locked: &LockedJob, row: &LayerRow, step: Step, from: Status, job: &Job, index: usize) {
        let after = &job.layers[index];
        let write = self.layers.entry(row.id).or_insert_with(|| LayerMove {
            id: row.id,
            job_id: row.job_id,
            queue: locked.queue.clone(),
            status: from,
            run: int(row.layer.run),
            version: row.version,
            reason: None,
            opened: None,
        });
        write.version += 1;
        write.status = after.status;
        write.run = int(after.run);
        write.reason = (after.status == Status::Errored).then_some(TASK_FAILURES);
        write.opened = match step {
            Step::OpenLayer(_) => Some(if after.run == 1 { Opening::First } else { Opening::Again }),
            _ => write.opened,
        };
        self.audit.push(Audit {
            id: row.id,
            layer_id: Some(row.id),
            from,
            to: after.status,
            version: write.version,
            run: Some(write.run),
            reason: write.reason.map(str::to_owned),
        });
    }

    /// Layers that stand open after all steps.
    fn opened_layers(&self) -> Vec<Uuid> {
        self.layers.values().filter(|layer| layer.opened.is_some() && layer.status == Status::Running).map(|layer| layer.id).collect()
    }

    async fn write(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        if !self.layers.is_empty() {
            self.write_layers(connection, act).await?;
            self.open_layers(connection, act).await?;
            let closed: Vec<Uuid> = self.layers.values().filter(|layer| layer.status.is_finished()).map(|layer| layer.id).collect();
            open::close_layers(connection, &closed, act).await?;
        }
        if !self.jobs.is_empty() {
            self.write_jobs(connection, act).await?;
            self.write_live(connection, act).await?;
        }
        write_audit(connection, &self.audit, "operator", None, act).await
    }

    async fn write_layers(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ids: Vec<Uuid> = self.layers.keys().copied().collect();
        let days = Days::of(&ids);
        let statuses: Vec<String> = self.layers.values().map(|layer| layer.status.to_string()).collect();
        let runs: Vec<i32> = self.layers.values().map(|layer| layer.run).collect();
        let versions: Vec<i64> = self.layers.values().map(|layer| layer.version).collect();
        let reasons: Vec<Option<&str>> = self.layers.values().map(|layer| layer.reason).collect();
        let opened: Vec<bool> = self.layers.values().map(|layer| layer.opened.is_some()).collect();
        sqlx::query!(
            r#"UPDATE igor.layers l
               SET status = r.status::igor.status, run = r.run, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
                   started_at = CASE WHEN r.opened THEN coalesce(l.started_at, statement_timestamp()) ELSE l.started_at END,
                   finished_at = CASE WHEN r.status IN ('COMPLETED', 'ERRORED', 'SKIPPED') THEN statement_timestamp() END
               FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int4[], $5::int8[], $6::text[], $7::bool[])
                    AS r(id, created_at, status, run, version, reason, opened)
               WHERE l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $8 AND $9"#,
            &ids,
            days.each as _,
            &statuses,
            &runs,
            &versions,
            &reasons as _,
            &opened,
            days.lo as _,
            days.hi as _
        )
        .execute(connection)
        .await
        .act(act)?;
        Ok(())
    }

    /// The dispatch cursors of layers that opened: one for each type, found by hopping through the index.
    async fn open_layers(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let opened: Vec<&LayerMove> =
            self.layers.values().filter(|layer| layer.opened.is_some() && layer.status == Status::Running).collect();
        if opened.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = opened.iter().map(|layer| layer.id).collect();
        let days = Days::of(&ids);
        let jobs: Vec<Uuid> = opened.iter().map(|layer| layer.job_id).collect();
        let queues: Vec<&str> = opened.iter().map(|layer| layer.queue.as_str()).collect();
        let again: Vec<bool> = opened.iter().map(|layer| layer.opened == Some(Opening::Again)).collect();
        sqlx::query!(
            r#"WITH RECURSIVE o AS (
                   SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::bool[]) AS o(layer_id, created_at, job_id, queue, again)
               ), k AS (
                   SELECT o.*, (SELECT t.type FROM igor.tasks t
                                WHERE t.layer_id = o.layer_id AND t.created_at = o.created_at AND t.created_at BETWEEN $6 AND $7
                                ORDER BY t.type LIMIT 1) AS type
                   FROM o
                   UNION ALL
                   SELECT k.layer_id, k.created_at, k.job_id, k.queue, k.again,
                          (SELECT t.type FROM igor.tasks t
                           WHERE t.layer_id = k.layer_id AND t.type > k.type AND t.created_at = k.created_at AND t.created_at BETWEEN $6 AND $7
                           ORDER BY t.type LIMIT 1)
                   FROM k WHERE k.type IS NOT NULL
               )
               INSERT INTO igor.layer_types (layer_id, type, job_id, created_at, queue, next_ordinal, total)
               SELECT k.layer_id, k.type, k.job_id, k.created_at, k.queue, CASE WHEN k.again THEN e.total ELSE 0 END, e.total
               FROM k CROSS JOIN LATERAL (
                   SELECT t.ordinal + 1 AS total FROM igor.tasks t
                   WHERE t.layer_id = k.layer_id AND t.type = k.type AND t.created_at = k.created_at AND t.created_at BETWEEN $6 AND $7
                   ORDER BY t.ordinal DESC LIMIT 1
               ) e WHERE k.type IS NOT NULL
               ON CONFLICT (layer_id, type) DO NOTHING"#,
            &ids,
            days.each as _,
            &jobs,
            &queues as _,
            &again,
            days.lo as _,
            days.hi as _
        )
        .execute(connection)
        .await
        .act(act)?;
        Ok(())
    }

    async fn write_jobs(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ids: Vec<Uuid> = self.jobs.iter().map(|job| job.id).collect();
        let days = Days::of(&ids);
        let statuses: Vec<String> = self.jobs.iter().map(|job| job.status.to_string()).collect();
        let versions: Vec<i64> = self.jobs.iter().map(|job| job.version).collect();
        let reasons: Vec<Option<&str>> = self.jobs.iter().map(|job| job.reason).collect();
        let started: Vec<bool> = self.jobs.iter().map(|job| job.started).collect();
        let reopened: Vec<bool> = self.jobs.iter().map(|job| job.reopened).collect();
        let finished: Vec<bool> = self.jobs.iter().map(|job| job.finished).collect();
        // A re-opened job gets a new deadline: the time until now counts as not used.
        sqlx::query!(
            r#"UPDATE igor.jobs j
               SET status = r.status::igor.status, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
                   started_at = CASE WHEN r.started THEN coalesce(j.started_at, statement_timestamp()) ELSE j.started_at END,
                   paused_s = CASE WHEN r.reopened THEN coalesce(extract(epoch FROM statement_timestamp() - j.started_at)::int8, 0) ELSE j.paused_s END,
                   finished_at = CASE WHEN r.finished THEN statement_timestamp() END
               FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int8[], $5::text[], $6::bool[], $7::bool[], $8::bool[])
                    AS r(id, created_at, status, version, reason, started, reopened, finished)
               WHERE j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $9 AND $10"#,
            &ids,
            days.each as _,
            &statuses,
            &versions,
            &reasons as _,
            &started,
            &reopened,
            &finished,
            days.lo as _,
            days.hi as _
        )
        .execute(connection)
        .await
        .act(act)?;
        Ok(())
    }

    /// Ended jobs leave the list of live ones, re-opened ones come back, started ones get their deadline.
    async fn write_live(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ended: Vec<Uuid> = self.jobs.iter().filter(|job| job.finished).map(|job| job.id).collect();
        if !ended.is_empty() {
            sqlx::query!("DELETE FROM igor.live_jobs WHERE job_id = ANY($1)", &ended).execute(&mut *connection).await.act(act)?;
        }
        let begun: Vec<Uuid> = self.jobs.iter().filter(|job| !job.finished && (job.started || job.reopened)).map(|job| job.id).collect();
        if begun.is_empty() { Ok(()) } else { list_live(connection, &begun, act).await }
    }
}

/// Puts jobs on the list of live ones, with the deadline that follows from their rows; none while they are paused.
pub(super) async fn list_live(connection: &mut PgConnection, jobs: &[Uuid], act: &'static str) -> Result<(), Error> {
    let days = Days::of(jobs);
    sqlx::query!(
        r#"INSERT INTO igor.live_jobs AS v (job_id, created_at, uid, namespace, name, deadline_at)
           SELECT j.id, j.created_at, j.uid, j.namespace, j.name,
                  CASE WHEN j.paused_at IS NULL THEN j.started_at + (j.deadline_s + j.paused_s) * interval '1 second' END
           FROM igor.jobs j WHERE j.id = ANY($1) AND j.created_at = ANY($2) AND j.created_at BETWEEN $3 AND $4
           ON CONFLICT (job_id) DO UPDATE SET deadline_at = excluded.deadline_at WHERE v.deadline_at IS DISTINCT FROM excluded.deadline_at"#,
        jobs,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .execute(connection)
    .await
    .act(act)?;
    Ok(())
}

/// Appends rows of layers and jobs to the audit.
pub(super) async fn write_audit(
    connection: &mut PgConnection,
    audit: &[Audit],
    actor: &str,
    command: Option<Uuid>,
    act: &'static str,
) -> Result<(), Error> {
    if audit.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = audit.iter().map(|row| row.id).collect();
    let created: Vec<Time> = Days::of(&ids).each;
    let layers: Vec<Option<Uuid>> = audit.iter().map(|row| row.layer_id).collect();
    let from: Vec<String> = audit.iter().map(|row| row.from.to_string()).collect();
    let to: Vec<String> = audit.iter().map(|row| row.to.to_string()).collect();
    let versions: Vec<i64> = audit.iter().map(|row| row.version).collect();
    let runs: Vec<Option<i32>> = audit.iter().map(|row| row.run).collect();
    let reasons: Vec<Option<&str>> = audit.iter().map(|row| row.reason.as_deref()).collect();
    sqlx::query!(
        r#"INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", version, run, reason, actor, command_id)
           SELECT r.created_at, r.id, r.layer_id, r."from"::igor.status, r."to"::igor.status, r.version, r.run, r.reason, $9, $10
           FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int8[], $7::int4[], $8::text[])
                AS r(created_at, id, layer_id, "from", "to", version, run, reason)"#,
        created as _,
        &ids,
        &layers as _,
        &from,
        &to,
        &versions,
        &runs as _,
        &reasons as _,
        actor,
        command
    )
    .execute(connection)
    .await
    .act(act)?;
    Ok(())
}
