//! A command that is carried out only while its object is as somebody saw it, and a look at what one would do.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::{Act, Store, within, within_reading};
use super::super::error::Error;
use super::super::facts::{Command, Guarded, Progress, Would};
use super::super::live::mark_dirty;
use super::super::rows::{LayerRow, LockedJob, count, layers_of, lock_job};
use super::selection::{Scan, Selection};
use super::tasks::{Stretch, Work, select};
use super::{ACT, note, progress, refusal, step_of};
use crate::core::command::{Meant, Object, Verb};
use crate::core::id;

/// Most tasks that a look counts.
const COUNTED: usize = 10_000;
/// Tasks that it names.
const NAMED: usize = 20;

impl Store {
    /// The first step of a command, if the version of its object is this one. One that was given before is not measured again.
    pub async fn command_if(&self, command: &Command, version: i64) -> Result<Guarded, Error> {
        loop {
            if let Some(guarded) = within(ACT, self.first_if(command, version)).await? {
                return Ok(guarded);
            }
            self.resume(None, command.job_id).await?;
        }
    }

    /// `None` = another command holds the job's gate, and is to be finished first.
    async fn first_if(&self, command: &Command, version: i64) -> Result<Option<Guarded>, Error> {
        let mut transaction = self.begin(ACT, None).await?;
        let mut job = lock_job(&mut transaction, command.job_id, ACT).await?;
        if progress::gate_holder(&mut transaction, &job).await?.is_some_and(|holder| holder.id != command.id) {
            return Ok(None);
        }
        let current = version_of(&mut transaction, &job, &command.object).await?;
        if current != Some(version) && !is_given(&mut transaction, &job, command).await? {
            return Ok(Some(Guarded::Moved(current)));
        }
        let progress = step_of(&mut transaction, &mut job, command).await?;
        if !matches!(&progress, Progress::Done(done) if done.refused.is_some()) {
            mark_dirty(&mut transaction, &job).await?;
        }
        transaction.commit().await.act(ACT)?;
        note(command, &progress);
        Ok(Some(Guarded::Step(progress)))
    }

    /// What a command would do as things stand; nothing is written, and nobody waits for it.
    pub async fn would(&self, command: &Command) -> Result<Would, Error> {
        within_reading(ACT, async {
            let mut transaction = self.begin(ACT, None).await?;
            let job = lock_job(&mut transaction, command.job_id, ACT).await?;
            let layers = layers_of(&mut transaction, &[job.id], ACT).await?;
            // The lock's only use is here that the rows of job and layers are of one moment.
            drop(transaction);
            let refused = refusal(&job, &layers, command);
            if refused.is_some() {
                return Ok(Would { refused, ..Would::default() });
            }
            let mut connection = self.reader.acquire().await.act(ACT)?;
            let selection = Selection::resolve(&mut connection, &job, &layers, command, true).await?;
            let work = Work { job: &job, layers: &layers, command, selection: &selection, requeue: false };
            let mut tasks = work.would(&mut connection).await?;
            tasks.sort_unstable();
            tasks.dedup();
            let matched = u32::try_from(tasks.len().min(COUNTED)).unwrap_or(u32::MAX);
            // Which of them are paused already is not looked at.
            let exact = tasks.len() <= COUNTED && !matches!(command.verb, Verb::PauseTasks | Verb::UnpauseTasks);
            tasks.truncate(NAMED);
            Ok(Would { refused: None, matched, exact, sample: tasks })
        })
        .await
    }
}

impl Work<'_> {
    /// The tasks that the command would move, up to one more than are counted.
    async fn would(&self, connection: &mut PgConnection) -> Result<Vec<Uuid>, Error> {
        let mut tasks = Vec::new();
        if matches!(self.command.verb, Verb::Pause | Verb::Unpause) {
            return Ok(tasks);
        }
        for meant in Meant::ALL {
            let statuses = self.statuses(meant);
            let named: Vec<Uuid> = self.selection.tasks.iter().filter(|(_, known)| **known == meant).map(|(id, _)| *id).collect();
            if !named.is_empty() && !statuses.is_empty() {
                let words: Vec<String> = statuses.iter().map(ToString::to_string).collect();
                let found = sqlx::query_scalar!(
                    "SELECT id FROM igor.tasks WHERE id = ANY($1) AND created_at = $2 AND status = ANY($3::text[]::igor.status[])",
                    &named,
                    self.job.created() as _,
                    &words
                )
                .fetch_all(&mut *connection)
                .await
                .act(ACT)?;
                tasks.extend(found);
            }
            let scans: Vec<&Scan> = self.selection.scans.iter().filter(|scan| scan.meant == meant).collect();
            let stretches: Vec<Stretch> = scans.into_iter().map(|scan| Stretch::whole(scan, &self.layers[scan.layer])).collect();
            tasks.extend(select(connection, &stretches, &statuses, COUNTED + 1).await?.into_keys());
        }
        Ok(tasks)
    }
}

/// The version of what a command is asked of.
async fn version_of(connection: &mut PgConnection, job: &LockedJob, object: &Object) -> Result<Option<i64>, Error> {
    match object {
        Object::Job => Ok(Some(job.version)),
        Object::Layer(layer) => {
            let layers: Vec<LayerRow> = layers_of(connection, &[job.id], ACT).await?;
            Ok(layers.iter().find(|row| row.layer.name == *layer).map(|row| row.version))
        }
        Object::Task { layer, task } => {
            let id = id::task(job.created().0, &job.uid, layer, task);
            let version = sqlx::query_scalar!("SELECT version FROM igor.tasks WHERE id = $1 AND created_at = $2", id, job.created() as _)
                .fetch_optional(connection)
                .await
                .act(ACT)?;
            Ok(version.map(|version| i64::from(count(version))))
        }
    }
}

async fn is_given(connection: &mut PgConnection, job: &LockedJob, command: &Command) -> Result<bool, Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM igor.commands WHERE id = $1 AND created_at = $2) AS "given!""#,
        command.id,
        job.created() as _
    )
    .fetch_one(connection)
    .await
    .act(ACT)
}
