//! Kill of a whole job: every unfinished task errored, every layer that is not done too, and the job ended.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::{Audit, By, write_audit};
use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::{Command, JobChange};
use super::super::open;
use super::super::rows::{LayerRow, LockedJob, int};
use super::ACT;
use crate::core::command::{Object, Selector, Verb};
use crate::core::status::Status;

/// Whether a command ends its job, whatever its tasks are.
pub(super) fn ends_job(command: &Command) -> bool {
    let of_all = command.object == Object::Job && command.selector == Selector::All;
    matches!(command.verb, Verb::Delete | Verb::Deadline) || command.verb == Verb::Kill && of_all
}

/// Ends the layers that are not done, empty ones too, and the job. A deleted job is marked, whether it had ended or not.
pub(super) async fn end_job(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    command: &Command,
) -> Result<JobChange, Error> {
    let mut change = job.unchanged();
    let reason = command.verb.reason();
    if command.verb == Verb::Delete {
        mark_deleted(connection, job).await?;
    }
    if job.finished {
        return Ok(change);
    }
    let ending: Vec<&LayerRow> = layers.iter().filter(|row| !row.layer.status.is_finished()).collect();
    let mut audit: Vec<Audit> = ending.iter().map(|row| ended_layer(row, reason)).collect();
    let ids: Vec<Uuid> = ending.iter().map(|row| row.id).collect();
    sqlx::query!(
        r#"UPDATE igor.layers SET status = 'ERRORED', reason = $3, version = version + 1, finished_at = statement_timestamp(),
                                  updated_at = statement_timestamp()
           WHERE id = ANY($1) AND created_at = $2"#,
        &ids,
        job.created() as _,
        reason
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    audit.extend(end_row(connection, job, reason).await?);
    write_audit(connection, &audit, By::command(command), ACT).await?;
    let all: Vec<Uuid> = layers.iter().map(|row| row.id).collect();
    open::close_layers(connection, &all, ACT).await?;
    sqlx::query!("DELETE FROM igor.live_jobs WHERE job_id = $1", job.id).execute(connection).await.act(ACT)?;
    change.layers = ending.iter().map(|row| (row.layer.name.clone(), Status::Errored)).collect();
    change.closed = all;
    change.status = (job.status != Status::Errored).then_some(Status::Errored);
    change.finished = true;
    job.status = Status::Errored;
    job.finished = true;
    Ok(change)
}

fn ended_layer(row: &LayerRow, reason: &str) -> Audit {
    Audit {
        id: row.id,
        layer_id: Some(row.id),
        from: row.layer.status,
        to: Status::Errored,
        version: row.version + 1,
        run: Some(int(row.layer.run)),
        reason: Some(reason.to_owned()),
    }
}

/// Writes the job's end; a job that was held is errored already, and its version stays.
async fn end_row(connection: &mut PgConnection, job: &LockedJob, reason: &str) -> Result<Option<Audit>, Error> {
    let moved = job.status != Status::Errored;
    let version = job.version + i64::from(moved);
    sqlx::query!(
        r#"UPDATE igor.jobs SET status = 'ERRORED', reason = $3, version = $4, finished_at = statement_timestamp(), updated_at = statement_timestamp()
           WHERE id = $1 AND created_at = $2"#,
        job.id,
        job.created() as _,
        reason,
        version
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(moved.then(|| Audit {
        id: job.id,
        layer_id: None,
        from: job.status,
        to: Status::Errored,
        version,
        run: None,
        reason: Some(reason.to_owned()),
    }))
}

async fn mark_deleted(connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
    sqlx::query!(
        r#"UPDATE igor.jobs SET deleted_at = coalesce(deleted_at, statement_timestamp()), updated_at = statement_timestamp()
           WHERE id = $1 AND created_at = $2"#,
        job.id,
        job.created() as _
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
