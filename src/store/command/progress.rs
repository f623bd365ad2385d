//! A command's row: that it was given, how far it has come, and the gate that it holds meanwhile.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::list_live;
use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::{Command, Refusal};
use super::super::rows::{LockedJob, count, int};
use super::super::time::Time;
use super::ACT;
use crate::core::command::{Object, Selector, Verb};

/// How far a command has come.
pub(super) struct SoFar {
    pub(super) done: bool,
    pub(super) next_ordinal: u32,
    pub(super) matched: u32,
    pub(super) changed: u32,
}

/// What is written down after a step.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) next: u32,
    pub(super) matched: u32,
    pub(super) changed: u32,
}

/// The unfinished command that holds the job's gate: commands of a job run one after another.
pub(super) async fn gate_holder(connection: &mut PgConnection, job: &LockedJob) -> Result<Option<Command>, Error> {
    let Some(holder) = job.gate.as_deref().and_then(|gate| Uuid::try_parse(gate).ok()) else { return Ok(None) };
    let row = sqlx::query!(
        "SELECT verb, object, selector, actor, reason FROM igor.commands WHERE id = $1 AND created_at = $2 AND done_at IS NULL",
        holder,
        job.created() as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    let Some(row) = row else { return Ok(None) };
    let unreadable = |column, value: &str| Error::Unreadable { table: "commands", column, id: holder, value: value.to_owned() };
    Ok(Some(Command {
        id: holder,
        job_id: job.id,
        object: Object::parse(&row.object).ok_or_else(|| unreadable("object", &row.object))?,
        verb: Verb::parse(&row.verb).ok_or_else(|| unreadable("verb", &row.verb))?,
        selector: Selector::parse(&row.selector, &Object::Job).map_err(|_| unreadable("selector", &row.selector))?,
        actor: row.actor,
        reason: row.reason,
    }))
}

/// Writes the command's row unless it is there or refused, and reads it; `None` = it is not there.
pub(super) async fn open(
    connection: &mut PgConnection,
    job: &LockedJob,
    command: &Command,
    refused: Option<Refusal>,
) -> Result<Option<SoFar>, Error> {
    let created = job.created();
    if refused.is_none() {
        sqlx::query!(
            r#"INSERT INTO igor.commands (created_at, id, job_id, object, verb, selector, actor, reason)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING"#,
            created as _,
            command.id,
            job.id,
            command.object.to_string(),
            command.verb.as_str(),
            command.selector.to_string(),
            command.actor,
            command.reason
        )
        .execute(&mut *connection)
        .await
        .act(ACT)?;
    }
    let row = sqlx::query!(
        r#"SELECT done_at IS NOT NULL AS "done!", next_ordinal, matched, changed FROM igor.commands WHERE id = $1 AND created_at = $2"#,
        command.id,
        created as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    Ok(row.map(|row| SoFar {
        done: row.done,
        next_ordinal: count(row.next_ordinal),
        matched: count(row.matched),
        changed: count(row.changed),
    }))
}

/// Writes the row of a command that is done already.
pub(super) async fn record(connection: &mut PgConnection, job: &LockedJob, command: &Command) -> Result<(), Error> {
    open(connection, job, command, None).await?;
    write(connection, command, Counted { next: 0, matched: 0, changed: 0 }, true).await
}

/// Shuts the gate and moves the cursor. A job with a shut gate is live, whether it had ended or not: whoever leads goes on with it.
pub(super) async fn keep_going(connection: &mut PgConnection, job: &LockedJob, command: &Command, counted: Counted) -> Result<(), Error> {
    if job.gate.is_none() {
        set_gate(connection, job, Some(command.id)).await?;
        list_live(connection, &[job.id], ACT).await?;
    }
    write(connection, command, counted, false).await
}

/// Opens the gate, if it is shut.
pub(super) async fn open_gate(connection: &mut PgConnection, job: &mut LockedJob) -> Result<(), Error> {
    if job.gate.take().is_none() {
        return Ok(());
    }
    set_gate(connection, job, None).await?;
    if job.finished {
        sqlx::query!("DELETE FROM igor.live_jobs WHERE job_id = $1 AND NOT dirty", job.id).execute(connection).await.act(ACT)?;
    }
    Ok(())
}

async fn set_gate(connection: &mut PgConnection, job: &LockedJob, command: Option<Uuid>) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE igor.jobs SET gate = $3, updated_at = statement_timestamp() WHERE id = $1 AND created_at = $2",
        job.id,
        job.created() as _,
        command.map(|id| id.to_string())
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}

/// Writes down how far the command has come.
pub(super) async fn write(connection: &mut PgConnection, command: &Command, counted: Counted, done: bool) -> Result<(), Error> {
    sqlx::query!(
        r#"UPDATE igor.commands SET next_ordinal = $3, matched = $4, changed = $5, done_at = CASE WHEN $6 THEN statement_timestamp() END
           WHERE id = $1 AND created_at = $2"#,
        command.id,
        Time::of(command.job_id) as _,
        int(counted.next),
        int(counted.matched),
        int(counted.changed),
        done
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
