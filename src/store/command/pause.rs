//! Pause of a job, a layer or a task: the flag, its audit, and the recall of what is not delivered.
//!
//! Nothing new is dispatched from then on; letting it go lets the job advance. Paused time moves the deadline.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::{Audit, By, advance_by, list_live, write_audit};
use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::{Command, JobChange};
use super::super::rows::{LayerRow, LockedJob, int};
use super::super::time::Time;
use super::{ACT, tasks};
use crate::core::advance::Cause;
use crate::core::command::{Meant, Object, Selector, Verb};

/// Pauses what a command names, or lets it go: the job, its layers, single tasks. Gives how many objects changed.
pub(super) async fn by_command(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    command: &Command,
) -> Result<(u32, JobChange), Error> {
    let pause = command.verb == Verb::Pause;
    let mut changed = 0;
    match (&command.object, &command.selector) {
        // A task was dealt with as one that is named.
        (Object::Task { .. }, _) => {}
        (Object::Job, Selector::All) => changed += u32::from(flag_job(connection, job, pause, command).await?),
        _ => {
            for row in layers.iter().filter(|row| super::selection::may_mean(command, &row.layer.name)) {
                changed += u32::from(flag_layer(connection, job, row, pause, command).await?);
            }
        }
    }
    let change = if pause { job.unchanged() } else { advance_by(connection, job, &Cause::Nothing, By::command(command), ACT).await? };
    Ok((changed, change))
}

/// Pauses the job or lets it go; whether that changed anything.
pub(super) async fn flag_job(connection: &mut PgConnection, job: &mut LockedJob, pause: bool, command: &Command) -> Result<bool, Error> {
    let was = job.paused_by.is_some();
    job.paused_by = pause.then(|| command.actor.clone());
    job.version += i64::from(was != pause);
    sqlx::query!(
        r#"UPDATE igor.jobs
           SET version = $3, paused_by = $4::text, updated_at = statement_timestamp(),
               paused_s = paused_s + CASE WHEN $4::text IS NULL AND paused_at IS NOT NULL AND started_at IS NOT NULL
                                          THEN extract(epoch FROM statement_timestamp() - greatest(paused_at, started_at))::int8 ELSE 0 END,
               paused_at = CASE WHEN $4::text IS NOT NULL THEN coalesce(paused_at, statement_timestamp()) END
           WHERE id = $1 AND created_at = $2"#,
        job.id,
        job.created() as _,
        job.version,
        job.paused_by
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    if was == pause {
        return Ok(false);
    }
    let reason = Some(command.verb.reason().to_owned());
    let row = Audit { id: job.id, layer_id: None, from: job.status, to: job.status, version: job.version, run: None, reason };
    write_audit(connection, &[row], By::command(command), ACT).await?;
    if !job.finished {
        list_live(connection, &[job.id], ACT).await?;
    }
    if pause {
        recall(connection, None, Some(job.id)).await?;
    }
    Ok(true)
}

/// Pauses a layer or lets it go; whether that changed anything.
pub(super) async fn flag_layer(
    connection: &mut PgConnection,
    job: &LockedJob,
    row: &LayerRow,
    pause: bool,
    command: &Command,
) -> Result<bool, Error> {
    let was = row.layer.paused_by.is_some();
    let version = row.version + i64::from(was != pause);
    sqlx::query!(
        r#"UPDATE igor.layers
           SET version = $3, paused_by = $4::text, updated_at = statement_timestamp(),
               paused_at = CASE WHEN $4::text IS NOT NULL THEN coalesce(paused_at, statement_timestamp()) END
           WHERE id = $1 AND created_at = $2"#,
        row.id,
        job.created() as _,
        version,
        pause.then_some(command.actor.as_str())
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    if was == pause {
        return Ok(false);
    }
    let (status, run, reason) = (row.layer.status, Some(int(row.layer.run)), Some(command.verb.reason().to_owned()));
    let audit = Audit { id: row.id, layer_id: Some(row.id), from: status, to: status, version, run, reason };
    write_audit(connection, &[audit], By::command(command), ACT).await?;
    if pause {
        recall(connection, Some(row.id), None).await?;
    }
    Ok(true)
}

/// Pauses a task or lets it go; whether that changed anything.
pub(super) async fn flag_task(
    connection: &mut PgConnection,
    job: &LockedJob,
    task: Uuid,
    pause: bool,
    command: &Command,
) -> Result<bool, Error> {
    Ok(tasks::pause(connection, job, command, &BTreeMap::from([(task, Meant::Named)]), pause).await? > 0)
}

/// Asks the relay to take back what is not delivered of a layer or a job.
async fn recall(connection: &mut PgConnection, layer: Option<Uuid>, job: Option<Uuid>) -> Result<(), Error> {
    let created = Time::of(layer.or(job).unwrap_or_default());
    sqlx::query!("INSERT INTO igor.outbox (kind, layer_id, job_id, created_at) VALUES ('R', $1, $2, $3)", layer, job, created as _)
        .execute(connection)
        .await
        .act(ACT)?;
    Ok(())
}
