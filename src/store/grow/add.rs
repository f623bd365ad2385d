//! Single tasks, added to a layer by an object or through the API: all of a call or none.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::accept::rows::{Batch, Target};
use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::{Added, Adding, Addition, Epoch, NotAdded};
use super::super::live::mark_dirty;
use super::super::open;
use super::super::rows::{Hold, LayerRow, LockedJob, int, layers_of, lock_jobs};
use super::there::{self, There};
use crate::core::id;
use crate::core::plan::{MAX_TASKS, TaskPlan, closed};
use crate::core::status::Status;

const ACT: &str = "add tasks";

/// Most tasks of one call: they are one transaction.
pub const MAX_ADDED: usize = 10_000;

impl Store {
    /// Adds single tasks to a layer, behind those that are there: all of them or none.
    ///
    /// A task is known by its name: one that is there and says the same is not added again, so that a call may be repeated, also when
    /// the layer has begun meanwhile.
    pub async fn add_tasks(&self, epoch: Option<Epoch>, job_id: Uuid, layer: &str, tasks: &[TaskPlan]) -> Result<Adding, Error> {
        within(ACT, async {
            let mut transaction = self.begin(ACT, epoch).await?;
            let Some(job) = lock_jobs(&mut transaction, [job_id], Hold::Alone, ACT).await?.pop() else {
                return Ok(Adding::Refused(NotAdded::JobNotFound("the ledger does not know the job".to_owned())));
            };
            let adding = add(&mut transaction, &job, layer, tasks).await?;
            if matches!(&adding, Adding::Added(added) if added.written > 0) {
                if epoch.is_none() {
                    mark_dirty(&mut transaction, &job).await?;
                }
                transaction.commit().await.act(ACT)?;
            }
            Ok(adding)
        })
        .await
    }
}

impl Store {
    /// The same for several layers, of several jobs: all of it or nothing. `Added` holds the tasks of all, in the order given.
    pub async fn add_all(&self, epoch: Option<Epoch>, additions: &[Addition]) -> Result<Adding, Error> {
        within(ACT, async {
            let mut transaction = self.begin(ACT, epoch).await?;
            let ids: BTreeSet<Uuid> = additions.iter().map(|addition| addition.job_id).collect();
            let jobs = lock_jobs(&mut transaction, ids, Hold::Alone, ACT).await?;
            let mut all = Added { tasks: Vec::new(), written: 0 };
            for Addition { job_id, layer, tasks } in additions {
                let Some(job) = jobs.iter().find(|job| job.id == *job_id) else {
                    return Ok(Adding::Refused(NotAdded::JobNotFound("the ledger does not know the job".to_owned())));
                };
                match add(&mut transaction, job, layer, tasks).await? {
                    Adding::Added(added) => {
                        all.tasks.extend(added.tasks);
                        all.written += added.written;
                    }
                    other => return Ok(other),
                }
            }
            if epoch.is_none() {
                for job in &jobs {
                    mark_dirty(&mut transaction, job).await?;
                }
            }
            transaction.commit().await.act(ACT)?;
            Ok(Adding::Added(all))
        })
        .await
    }
}

async fn add(connection: &mut PgConnection, job: &LockedJob, layer: &str, tasks: &[TaskPlan]) -> Result<Adding, Error> {
    if job.deleted || job.expired {
        return Ok(Adding::Refused(NotAdded::JobNotFound("the job was deleted".to_owned())));
    }
    if !job.loaded && !job.finished {
        return Ok(Adding::Later);
    }
    let layers = layers_of(connection, &[job.id], ACT).await?;
    let Some(row) = layers.iter().find(|row| row.layer.name == layer) else {
        return Ok(Adding::Refused(NotAdded::LayerNotFound(format!("the job has no layer {layer}"))));
    };
    if let Some(why) = unfit(tasks) {
        return Ok(Adding::Refused(why));
    }
    let ids: Vec<Uuid> = tasks.iter().map(|task| id::task(job.created().0, &job.uid, layer, &task.name)).collect();
    let there = there::find(connection, job, &ids, ACT).await?;
    let new: Vec<&TaskPlan> = match ids.iter().zip(tasks).filter_map(|(id, task)| is_new(&there, *id, task).transpose()).collect() {
        Ok(new) => new,
        Err(why) => return Ok(Adding::Refused(why)),
    };
    let written = u32::try_from(new.len()).unwrap_or(u32::MAX);
    if written > 0 {
        if job.gate.is_some() || row.layer.is_loading() {
            return Ok(Adding::Later);
        }
        if let Some(why) = no_room(job, &layers, row, written) {
            return Ok(Adding::Refused(why));
        }
        write(connection, job, row, &new, written).await?;
    }
    Ok(Adding::Added(Added { tasks: ids, written }))
}

/// What is wrong with tasks, wherever they are to go.
fn unfit(tasks: &[TaskPlan]) -> Option<NotAdded> {
    if tasks.len() > MAX_ADDED {
        return Some(NotAdded::TooLarge(format!("{} tasks at once, at most {MAX_ADDED}", tasks.len())));
    }
    if let Some(array) = tasks.iter().find(|task| task.count.is_some()) {
        return Some(NotAdded::InvalidSpec(format!("{}: an array is added by an edit of the job", array.name)));
    }
    let mut names = BTreeSet::new();
    let twice = tasks.iter().find(|task| !names.insert(&task.name))?;
    Some(NotAdded::DuplicateTaskName(format!("{} is given twice", twice.name)))
}

/// The task, unless it is there already.
fn is_new<'a>(there: &BTreeMap<Uuid, There>, id: Uuid, task: &'a TaskPlan) -> Result<Option<&'a TaskPlan>, NotAdded> {
    let Some(known) = there.get(&id) else { return Ok(Some(task)) };
    let field = if known.ix.is_some() { Some("count") } else { known.task.differs_in(task) };
    match field {
        None => Ok(None),
        Some(field) => Err(NotAdded::DuplicateTaskName(format!("the layer has a task {} already, with another {field}", task.name))),
    }
}

/// Why a layer takes no more tasks, if so.
fn no_room(job: &LockedJob, layers: &[LayerRow], row: &LayerRow, more: u32) -> Option<NotAdded> {
    if let Some(why) = closed(&job.as_core(layers.iter()), &row.layer) {
        return Some(NotAdded::LayerStarted(why.to_string()));
    }
    let total = layers.iter().map(|row| row.layer.expected).sum::<u32>() + more;
    (total > MAX_TASKS).then(|| NotAdded::TooLarge(format!("the job would have {total} tasks, at most {MAX_TASKS}")))
}

async fn write(connection: &mut PgConnection, job: &LockedJob, row: &LayerRow, tasks: &[&TaskPlan], written: u32) -> Result<(), Error> {
    let mut batch = Batch::default();
    batch.add_singles(Target { job, layer_id: row.id, layer: &row.layer.name }, row.layer.expected, tasks);
    batch.write(connection, job).await?;
    let paused = u32::try_from(tasks.iter().filter(|task| task.paused).count()).unwrap_or(u32::MAX);
    sqlx::query!(
        "UPDATE igor.layers SET n_expected = n_expected + $3, n_loaded = n_loaded + $3, n_pending = n_pending + $3, n_paused = n_paused + $4,
                                updated_at = statement_timestamp()
         WHERE id = $1 AND created_at = $2",
        row.id,
        job.created() as _,
        int(written),
        int(paused)
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    if row.layer.status == Status::Running { open::extend(connection, job, &[row.id], ACT).await } else { Ok(()) }
}
