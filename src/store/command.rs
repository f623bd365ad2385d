//! Commands: what people ask for, each applied once, large ones in steps.
//!
//! A step is one transaction: the first writes the command's row, shuts the gate (nothing is dispatched, nothing completes) and, for a
//! kill, stops what is in flight; each goes through some thousand tasks behind the command's cursor; the last opens the gate and lets
//! the job advance. A small job takes one step. A command that was cut off is taken up where it was by asking again.

mod delete;
mod expire;
mod kill;
mod pause;
mod retry;
mod sweep;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Command, Done, Epoch, JobChange};
use super::live::mark_dirty;
use super::rows::{LayerRow, LockedJob, count, int, layers_of, lock_job};
use super::time::Time;
use crate::core::command::Verb;
use sweep::{Effect, Stretch};

const ACT: &str = "carry out a command";

/// Tasks that one step looks at.
const STEP: u32 = 5_000;

/// A command's row.
struct Progress {
    verb: String,
    done: bool,
    next_ordinal: u32,
    changed: u32,
}

impl Store {
    /// Carries a command out, step by step to its end. The command that holds the job's gate is finished first.
    async fn carry_out(&self, epoch: Option<Epoch>, command: &Command, effect: &Effect) -> Result<Done, Error> {
        loop {
            if let Some(done) = within(ACT, self.step(epoch, command, effect)).await? {
                return Ok(done);
            }
        }
    }

    /// One step, of this command or of the one before it: `None` = there is more to do.
    async fn step(&self, epoch: Option<Epoch>, command: &Command, effect: &Effect) -> Result<Option<Done>, Error> {
        let mut transaction = self.begin(ACT, epoch).await?;
        let mut job = lock_job(&mut transaction, command.job_id, ACT).await?;
        let before = gate_holder(&mut transaction, &job, command.id).await?;
        let (current, effect) = before.as_ref().map_or((command, effect), |(holder, effect)| (holder, effect));
        let done = step_of(&mut transaction, &mut job, current, effect).await?;
        if epoch.is_none() && done.as_ref().is_none_or(|done| !done.refused) {
            mark_dirty(&mut transaction, &job).await?;
        }
        transaction.commit().await.act(ACT)?;
        Ok(done.filter(|_| before.is_none()))
    }
}

/// One step of one command, in a transaction that holds the job's lock.
async fn step_of(connection: &mut PgConnection, job: &mut LockedJob, command: &Command, effect: &Effect) -> Result<Option<Done>, Error> {
    let Some(progress) = open_command(connection, job, command, effect).await? else {
        return Ok(Some(Done { matched: 0, changed: 0, refused: true, change: job.unchanged() }));
    };
    let mut changed = progress.changed;
    if progress.done {
        return Ok(Some(Done { matched: changed, changed, refused: false, change: job.unchanged() }));
    }
    let layers = layers_of(connection, &[job.id], ACT).await?;
    if effect.kills() && job.gate.is_none() {
        changed += sweep::in_flight(connection, job, &layers, command, effect).await?;
    }
    let (stretches, next) = stretches(&layers, progress.next_ordinal, effect);
    changed += sweep::stretches(connection, job, &stretches, command, effect).await?;
    if let Some(next) = next {
        keep_going(connection, job, command, next, changed).await?;
        return Ok(None);
    }
    let change = finish(connection, job, command, effect, &layers, changed).await?;
    Ok(Some(Done { matched: changed, changed, refused: false, change }))
}

/// The unfinished command that holds the gate, when it is not this one: commands of a job run one after another.
async fn gate_holder(connection: &mut PgConnection, job: &LockedJob, ours: Uuid) -> Result<Option<(Command, Effect)>, Error> {
    let Some(holder) = job.gate.as_deref().and_then(|gate| Uuid::try_parse(gate).ok()).filter(|holder| *holder != ours) else {
        return Ok(None);
    };
    let row = sqlx::query!(
        "SELECT verb, actor, reason FROM igor.commands WHERE id = $1 AND created_at = $2 AND done_at IS NULL",
        holder,
        job.created() as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    Ok(row.and_then(|row| {
        let effect = Effect::of(&row.verb, row.reason.as_deref())?;
        Some((Command { id: holder, job_id: job.id, actor: row.actor, reason: row.reason }, effect))
    }))
}

/// Writes the command's row unless it is there, and reads it. `None` = refused: the job is deleted, expired, or was never whole.
async fn open_command(
    connection: &mut PgConnection,
    job: &LockedJob,
    command: &Command,
    effect: &Effect,
) -> Result<Option<Progress>, Error> {
    let created = job.created();
    let gone = job.deleted || job.expired && effect.verb != Verb::Delete;
    // What ended before it was loaded has half of its tasks at most: there is nothing that could go on.
    let gone = gone || effect.verb == Verb::Retry && job.finished && !job.loaded;
    if !gone {
        sqlx::query!(
            r#"INSERT INTO igor.commands (created_at, id, job_id, verb, selector, actor, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT DO NOTHING"#,
            created as _,
            command.id,
            job.id,
            effect.verb.as_str(),
            effect.selector,
            command.actor,
            command.reason
        )
        .execute(&mut *connection)
        .await
        .act(ACT)?;
    }
    let row = sqlx::query!(
        r#"SELECT verb, done_at IS NOT NULL AS "done!", next_ordinal, changed FROM igor.commands WHERE id = $1 AND created_at = $2"#,
        command.id,
        created as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    let progress =
        row.map(|row| Progress { verb: row.verb, done: row.done, next_ordinal: count(row.next_ordinal), changed: count(row.changed) });
    Ok(progress.filter(|progress| progress.verb == effect.verb.as_str()))
}

/// What the next step goes through, and the cursor behind it; no cursor = this was the last.
fn stretches(layers: &[LayerRow], from: u32, effect: &Effect) -> (Vec<Stretch>, Option<u32>) {
    let mut stretches = Vec::new();
    let (mut start, mut left) = (0, STEP);
    for row in layers {
        let loaded = row.layer.loaded;
        let end = start + loaded;
        if from < end && effect.affected(&row.layer) > 0 {
            let first = from.max(start) - start;
            let last = loaded.min(first + left);
            stretches.push(Stretch { layer_id: row.id, first, last });
            left -= last - first;
            if last < loaded {
                return (stretches, Some(start + last));
            }
        }
        start = end;
    }
    (stretches, None)
}

/// Shuts the gate and moves the cursor.
async fn keep_going(connection: &mut PgConnection, job: &LockedJob, command: &Command, next: u32, changed: u32) -> Result<(), Error> {
    if job.gate.is_none() {
        set_gate(connection, job, Some(command.id)).await?;
    }
    write_progress(connection, job, command, next, changed, false).await
}

/// The last step: the job's end, or its next advance.
async fn finish(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    command: &Command,
    effect: &Effect,
    layers: &[LayerRow],
    changed: u32,
) -> Result<JobChange, Error> {
    if job.gate.take().is_some() {
        set_gate(connection, job, None).await?;
    }
    let total = layers.iter().map(|row| row.layer.loaded).sum();
    write_progress(connection, job, command, total, changed, true).await?;
    match effect.verb {
        Verb::Kill | Verb::Delete => kill::end_job(connection, job, layers, command, effect).await,
        Verb::Retry | Verb::Skip | Verb::Pause | Verb::Unpause => retry::go_on(connection, job).await,
    }
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

async fn write_progress(
    connection: &mut PgConnection,
    job: &LockedJob,
    command: &Command,
    next: u32,
    changed: u32,
    done: bool,
) -> Result<(), Error> {
    sqlx::query!(
        r#"UPDATE igor.commands SET next_ordinal = $3, matched = $4, changed = $4, done_at = CASE WHEN $5 THEN statement_timestamp() END
           WHERE id = $1 AND created_at = $2"#,
        command.id,
        Time::of(job.id) as _,
        int(next),
        int(changed),
        done
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
