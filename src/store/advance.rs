//! Writes what `core::advance` says is due, in the transaction that holds the jobs' locks.
//!
//! Decides nothing itself: layers and jobs move as the steps say, each move with its row in the audit.

mod write;

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::Error;
use super::facts::JobChange;
use super::rows::{LayerRow, LockedJob, int, layers_of};
use crate::core::advance::{Cause, Step, advance_after, apply};
use crate::core::job::Job;
use crate::core::status::Status;

pub(super) use write::{Audit, By, list_live, write_audit};

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
    advance_all(connection, jobs, &layers, &Cause::Nothing, By::OPERATOR, act).await
}

/// The same of a job whose layers the caller has just written.
pub(super) async fn advance_known(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    act: &'static str,
) -> Result<JobChange, Error> {
    advance_one(connection, job, layers, &Cause::Nothing, By::OPERATOR, act).await
}

/// Takes every step that is due in a job after a command, or another act by somebody.
pub(super) async fn advance_by(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    cause: &Cause,
    by: By<'_>,
    act: &'static str,
) -> Result<JobChange, Error> {
    let layers = layers_of(connection, &[job.id], act).await?;
    advance_one(connection, job, &layers, cause, by, act).await
}

async fn advance_one(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    cause: &Cause,
    by: By<'_>,
    act: &'static str,
) -> Result<JobChange, Error> {
    let changes = advance_all(connection, std::slice::from_mut(job), layers, cause, by, act).await?;
    Ok(changes.into_iter().next().unwrap_or_else(|| job.unchanged()))
}

async fn advance_all(
    connection: &mut PgConnection,
    jobs: &mut [LockedJob],
    layers: &[LayerRow],
    cause: &Cause,
    by: By<'_>,
    act: &'static str,
) -> Result<Vec<JobChange>, Error> {
    let mut moves = Moves::default();
    let mut changes: Vec<JobChange> = Vec::new();
    for job in jobs.iter_mut() {
        let own: Vec<&LayerRow> = layers.iter().filter(|layer| layer.job_id == job.id).collect();
        changes.extend(moves.plan(job, &own, cause));
    }
    for cursor in moves.write(connection, by, act).await? {
        let job = jobs.iter().find(|job| job.id == cursor.job_id);
        let change = changes.iter_mut().find(|change| change.job_id == cursor.job_id);
        if let (Some(job), Some(change)) = (job, change) {
            change.opened.extend(cursor.of(job, layers));
        }
    }
    for change in &mut changes {
        // As the plan has them.
        change.opened.sort_by_cached_key(|open| (layers.iter().position(|row| row.id == open.layer_id), open.kind.clone()));
    }
    Ok(changes)
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
    fn plan(&mut self, locked: &mut LockedJob, rows: &[&LayerRow], cause: &Cause) -> Option<JobChange> {
        let mut job: Job = locked.as_core(rows.iter().copied());
        let steps = advance_after(&job, cause);
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
}
