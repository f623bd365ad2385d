//! Pause levels: what is seen on a job, its layers and tasks becomes edges, and an edge pauses or lets go.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::{By, advance_by};
use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::{Command, Epoch, Paused, Sighting};
use super::super::levels::{Edge, Levels};
use super::super::live::mark_dirty;
use super::super::rows::{LayerRow, LockedJob, layers_of, lock_job};
use super::super::time::Time;
use super::{count, pause, progress};
use crate::core::advance::Cause;
use crate::core::command::{Object, Selector, Verb};
use crate::core::id;

const ACT: &str = "pause or unpause";

impl Store {
    /// Takes in the pause levels seen on a job, its layers and tasks; only an edge, newer than what was seen before, changes anything.
    /// `reason` is what a person said about it.
    ///
    /// Without one this is a read.
    pub async fn observe(&self, epoch: Option<Epoch>, job_id: Uuid, seen: &[Sighting], reason: Option<&str>) -> Result<Paused, Error> {
        within(ACT, async {
            let (is_news, settled) = self.look(job_id, seen).await?;
            if !is_news {
                return Ok(Paused { settled, ..Paused::default() });
            }
            let mut transaction = self.begin(ACT, epoch).await?;
            let mut job = lock_job(&mut transaction, job_id, ACT).await?;
            let mut paused = Paused { change: job.unchanged(), ..Paused::default() };
            if !job.deleted && !job.expired {
                let edges = take_in(&mut transaction, &mut job, seen, reason, &mut paused).await?;
                if paused.moved.iter().any(|(_, is_paused)| !is_paused)
                    && let Some(last) = edges.last()
                {
                    paused.change = advance_by(&mut transaction, &mut job, &Cause::Nothing, By::command(last), ACT).await?;
                }
            }
            if epoch.is_none() && !paused.moved.is_empty() {
                mark_dirty(&mut transaction, &job).await?;
            }
            transaction.commit().await.act(ACT)?;
            for (_, is_paused) in &paused.moved {
                count(if *is_paused { Verb::Pause } else { Verb::Unpause }, "done");
            }
            Ok(paused)
        })
        .await
    }

    /// Whether any object's levels would change, and whether all are as they were seen; without a lock.
    async fn look(&self, job_id: Uuid, seen: &[Sighting]) -> Result<(bool, bool), Error> {
        let created = Time::of(job_id);
        let mut connection = self.writer.acquire().await.act(ACT)?;
        let own = sqlx::query!("SELECT uid, level FROM igor.jobs WHERE id = $1 AND created_at = $2", job_id, created as _)
            .fetch_optional(&mut *connection)
            .await
            .act(ACT)?;
        let own = own.ok_or(Error::UnknownJob(job_id))?;
        let mut known = vec![(Object::Job, own.level)];
        if !is_news(&known, seen) && seen.iter().any(|sighting| sighting.object != Object::Job) {
            let rows = sqlx::query!("SELECT name, level FROM igor.layers WHERE job_id = $1 AND created_at = $2", job_id, created as _)
                .fetch_all(&mut *connection)
                .await
                .act(ACT)?;
            known.extend(rows.into_iter().map(|row| (Object::Layer(row.name), row.level)));
            known.extend(tasks_of(&mut connection, job_id, &own.uid, seen).await?.into_iter().map(|task| (task.object, task.level)));
        }
        Ok((is_news(&known, seen), is_settled(&known, seen)))
    }
}

fn is_news(known: &[(Object, Value)], seen: &[Sighting]) -> bool {
    known.iter().any(|(object, level)| sees(level, object, seen).0 != Levels::read(level))
}

/// Whether everything that was seen is known just so.
fn is_settled(known: &[(Object, Value)], seen: &[Sighting]) -> bool {
    seen.iter().all(|sighting| {
        let level = known.iter().find(|(object, _)| *object == sighting.object);
        level.is_some_and(|(_, level)| Levels::read(level).says(sighting))
    })
}

/// The levels of one object after what was seen of it, and its edge.
fn sees(column: &Value, object: &Object, seen: &[Sighting]) -> (Levels, Option<Edge>) {
    let mut levels = Levels::read(column);
    let edge = levels.see(&seen.iter().filter(|sighting| sighting.object == *object));
    (levels, edge)
}

/// A task with an object of its own.
struct TaskLevel {
    id: Uuid,
    object: Object,
    level: Value,
}

async fn tasks_of(connection: &mut PgConnection, job_id: Uuid, uid: &str, seen: &[Sighting]) -> Result<Vec<TaskLevel>, Error> {
    let created = Time::of(job_id);
    let objects: BTreeSet<&Object> = seen.iter().map(|sighting| &sighting.object).collect();
    let named = objects.into_iter().filter_map(|object| match object {
        Object::Task { layer, task } => Some((id::task(created.0, uid, layer, task), object)),
        Object::Job | Object::Layer(_) => None,
    });
    let (ids, objects): (Vec<Uuid>, Vec<&Object>) = named.unzip();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!("SELECT id, level FROM igor.tasks WHERE id = ANY($1) AND created_at = $2", &ids, created as _)
        .fetch_all(connection)
        .await
        .act(ACT)?;
    let found = rows.into_iter().filter_map(|row| {
        let place = ids.iter().position(|id| *id == row.id)?;
        Some(TaskLevel { id: row.id, object: objects[place].clone(), level: row.level.unwrap_or(Value::Null) })
    });
    Ok(found.collect())
}

/// Writes down what was seen, and follows the edges; gives them as commands.
async fn take_in(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    seen: &[Sighting],
    reason: Option<&str>,
    paused: &mut Paused,
) -> Result<Vec<Command>, Error> {
    let mut edges = Vec::new();
    if let Some(command) = job_edge(connection, job, seen, reason).await? {
        if pause::flag_job(connection, job, command.verb == Verb::Pause, &command).await? {
            paused.moved.push((Object::Job, command.verb == Verb::Pause));
        }
        edges.push(command);
    }
    for row in layers_of(connection, &[job.id], ACT).await? {
        let Some(command) = layer_edge(connection, job, &row, seen, reason).await? else { continue };
        if pause::flag_layer(connection, job, &row, command.verb == Verb::Pause, &command).await? {
            paused.moved.push((command.object.clone(), command.verb == Verb::Pause));
        }
        edges.push(command);
    }
    for task in tasks_of(connection, job.id, &job.uid, seen).await? {
        let Some(command) = task_edge(connection, job, &task, seen, reason).await? else { continue };
        if pause::flag_task(connection, job, task.id, command.verb == Verb::Pause, &command).await? {
            paused.moved.push((command.object.clone(), command.verb == Verb::Pause));
        }
        edges.push(command);
    }
    for edge in &edges {
        progress::record(connection, job, edge).await?;
    }
    Ok(edges)
}

async fn job_edge(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    seen: &[Sighting],
    reason: Option<&str>,
) -> Result<Option<Command>, Error> {
    let (levels, edge) = sees(&job.level, &Object::Job, seen);
    if levels != Levels::read(&job.level) {
        job.level = levels.to_json();
        sqlx::query!("UPDATE igor.jobs SET level = $3 WHERE id = $1 AND created_at = $2", job.id, job.created() as _, job.level)
            .execute(connection)
            .await
            .act(ACT)?;
    }
    Ok(edge.map(|edge| command_of(job, Object::Job, edge, reason)))
}

async fn layer_edge(
    connection: &mut PgConnection,
    job: &LockedJob,
    row: &LayerRow,
    seen: &[Sighting],
    reason: Option<&str>,
) -> Result<Option<Command>, Error> {
    let object = Object::Layer(row.layer.name.clone());
    let (levels, edge) = sees(&row.level, &object, seen);
    if levels != Levels::read(&row.level) {
        sqlx::query!("UPDATE igor.layers SET level = $3 WHERE id = $1 AND created_at = $2", row.id, job.created() as _, levels.to_json())
            .execute(connection)
            .await
            .act(ACT)?;
    }
    Ok(edge.map(|edge| command_of(job, object, edge, reason)))
}

async fn task_edge(
    connection: &mut PgConnection,
    job: &LockedJob,
    task: &TaskLevel,
    seen: &[Sighting],
    reason: Option<&str>,
) -> Result<Option<Command>, Error> {
    let (levels, edge) = sees(&task.level, &task.object, seen);
    if levels != Levels::read(&task.level) {
        sqlx::query!("UPDATE igor.tasks SET level = $3 WHERE id = $1 AND created_at = $2", task.id, job.created() as _, levels.to_json())
            .execute(connection)
            .await
            .act(ACT)?;
    }
    Ok(edge.map(|edge| command_of(job, task.object.clone(), edge, reason)))
}

/// An edge in the form of a command: the same for each sighting of it.
fn command_of(job: &LockedJob, object: Object, edge: Edge, reason: Option<&str>) -> Command {
    let verb = if edge.paused { Verb::Pause } else { Verb::Unpause };
    let token = format!("{}-{}", edge.source.as_str(), edge.version);
    Command {
        id: id::command(job.created().0, &job.uid, &object.to_string(), verb.as_str(), &token),
        job_id: job.id,
        object,
        verb,
        selector: Selector::All,
        actor: edge.source.as_str().to_owned(),
        reason: reason.map(str::to_owned),
    }
}
