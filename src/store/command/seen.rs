//! Commands about objects in the state in which somebody saw them: what has moved since is left alone.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::{Command, Done, JobChange, Progress, Seen};
use super::super::live::mark_dirty;
use super::super::rows::{LockedJob, count, layers_of, lock_job};
use super::{ACT, note, nothing, progress, step_of};
use crate::core::command::{Object, Pattern, Pick, Selector, Tasks};
use crate::core::id;

impl Store {
    /// Carries a command out on those of the objects that still are as they were seen: one job, one layer, or tasks of one layer, which
    /// the command's object is. Nothing is written when there are none.
    pub async fn command_seen(&self, command: &Command, seen: &[Seen]) -> Result<Done, Error> {
        loop {
            match within(ACT, self.first_step(command, seen)).await? {
                (None, _) => drop(self.resume(None, command.job_id).await?),
                (Some(_), Progress::Done(done)) => return Ok(done),
                (Some(narrowed), Progress::More(_)) => return self.command(None, &narrowed).await,
            }
        }
    }

    /// The first step; with `None` another command holds the gate, and is to be finished first.
    async fn first_step(&self, command: &Command, seen: &[Seen]) -> Result<(Option<Command>, Progress), Error> {
        let mut transaction = self.begin(ACT, None).await?;
        let mut job = lock_job(&mut transaction, command.job_id, ACT).await?;
        if progress::gate_holder(&mut transaction, &job).await?.is_some() {
            return Ok((None, Progress::More(JobChange::default())));
        }
        let fresh = fresh(&mut transaction, &job, seen).await?;
        let narrowed = Command { selector: selector(&fresh), ..command.clone() };
        if fresh.is_empty() {
            return Ok((Some(narrowed), Progress::Done(nothing(None, job.unchanged()))));
        }
        let progress = step_of(&mut transaction, &mut job, &narrowed).await?;
        if !matches!(&progress, Progress::Done(done) if done.refused.is_some()) {
            mark_dirty(&mut transaction, &job).await?;
        }
        transaction.commit().await.act(ACT)?;
        note(&narrowed, &progress);
        Ok((Some(narrowed), progress))
    }
}

/// Those that are as they were seen.
async fn fresh<'a>(connection: &mut PgConnection, job: &LockedJob, seen: &'a [Seen]) -> Result<Vec<&'a Seen>, Error> {
    let mut versions = BTreeMap::from([(job.id, job.version.unsigned_abs())]);
    versions.extend(layers_of(connection, &[job.id], ACT).await?.into_iter().map(|row| (row.id, row.version.unsigned_abs())));
    let is_task = |seen: &&Seen| matches!(seen.object, Object::Task { .. });
    let tasks: Vec<Uuid> = seen.iter().filter(is_task).map(|seen| seen.id).collect();
    if !tasks.is_empty() {
        let rows = sqlx::query!("SELECT id, version FROM igor.tasks WHERE id = ANY($1) AND created_at = $2", &tasks, job.created() as _)
            .fetch_all(connection)
            .await
            .act(ACT)?;
        versions.extend(rows.into_iter().map(|row| (row.id, u64::from(count(row.version)))));
    }
    let is_fresh = |seen: &&Seen| versions.get(&seen.id).is_some_and(|version| id::etag(seen.id, *version) == seen.etag);
    Ok(seen.iter().filter(is_fresh).collect())
}

/// The tasks by name, or all of the object.
fn selector(fresh: &[&Seen]) -> Selector {
    let picks = fresh.iter().filter_map(|seen| match &seen.object {
        Object::Task { layer, task } => Some(Pick { layer: Pattern::exactly(layer), tasks: Tasks::Names(Pattern::exactly(task)) }),
        Object::Job | Object::Layer(_) => None,
    });
    let picks: Vec<Pick> = picks.collect();
    if picks.is_empty() { Selector::All } else { Selector::Picks(picks) }
}
