//! Objects of single tasks: those by which users add one, and handles on tasks that failed.
//!
//! A user's object is taken once and belongs to the job from then on. Handles are made for the newest failures of each layer, and
//! removed when others push them out, when their task has ended well, and an hour after the job's end.

mod added;
mod handles;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::Api;
use tokio::time::Instant;
use uuid::Uuid;

pub(in crate::operator) use self::added::JOB_NOT_FOUND;
pub(super) use self::added::take_in;
use super::command::{Handled, is_ours};
use super::observe::Observed;
use super::publish::{COUNTERS, write_status};
use crate::core::command::Object;
use crate::core::id;
use crate::crd::status::{TaskView, task_status};
use crate::crd::{self, IgorTask, IgorTaskStatus, TaskPhase};
use crate::operator::Error;
use crate::operator::term::Term;
use crate::store::{Snapshot, TaskFacts};

fn api(term: &Term, namespace: &str) -> Api<IgorTask> {
    Api::namespaced(term.context.client.clone(), namespace)
}

/// Makes and removes handles, and writes what has moved; says when something is due that was held back.
pub(super) async fn show(term: &Term, observed: &Observed, snapshot: &Snapshot, handled: &Handled) -> Result<Option<Duration>, Error> {
    let made = handles::make(term, observed, snapshot).await?;
    let objects: Vec<Arc<IgorTask>> =
        term.children.of(&observed.namespace, &observed.name).into_iter().filter(|task| is_ours(observed, task.as_ref())).collect();
    if objects.is_empty() {
        return Ok(made);
    }
    let task_id = |task: &IgorTask| id::task(observed.created_ms, &observed.uid, &task.spec.layer_name, &crd::name_of_task(task));
    let ids: Vec<Uuid> = objects.iter().map(|task| task_id(task)).collect();
    let facts = term.context.store.task_facts(snapshot.job_id, &ids).await?;
    let facts: BTreeMap<Uuid, TaskFacts> = facts.into_iter().map(|facts| (facts.task_id, facts)).collect();
    let mut held_back = made;
    for (object, id) in objects.iter().zip(&ids) {
        let Some(facts) = facts.get(id) else { continue };
        let wait = show_one(term, observed, object, facts, handled).await?;
        held_back = held_back.into_iter().chain(wait).min();
    }
    handles::remove(term, observed, snapshot, &objects, |task| facts.get(&task_id(task))).await?;
    Ok(held_back)
}

/// Writes the status of one object if it says something new: ends and acknowledgements at once, the way there every few seconds.
async fn show_one(
    term: &Term,
    observed: &Observed,
    object: &IgorTask,
    facts: &TaskFacts,
    handled: &Handled,
) -> Result<Option<Duration>, Error> {
    let name = object.name_any();
    let written = term.context.memory(&observed.uid, |memory| memory.tasks.get(&name).cloned());
    let previous = written.as_ref().map(|(status, _)| status).or(object.status.as_ref());
    let view = TaskView {
        status: facts.status,
        reason: facts.reason.as_deref(),
        message: facts.message.as_deref(),
        attempt: facts.attempt,
        failures: facts.failures,
        worker: facts.worker.as_deref(),
        started_ms: facts.started_ms,
        moved_ms: facts.moved_ms,
    };
    let mut status = task_status(&view, previous);
    let own = Object::Task { layer: object.spec.layer_name.clone(), task: crd::name_of_task(object) };
    status.last_handled.extend(handled.on(&own));
    if previous == Some(&status) {
        return Ok(None);
    }
    let is_urgent = facts.status.is_finished()
        || previous.is_none_or(|previous| previous.phase.is_none_or(|phase| phase == TaskPhase::Rejected))
        || previous.is_some_and(|previous| previous.last_handled != status.last_handled);
    let wait = written.as_ref().and_then(|(_, at)| COUNTERS.checked_sub(at.elapsed()));
    if wait.is_some() && !is_urgent {
        return Ok(wait);
    }
    write(term, &observed.namespace, &name, &status).await?;
    term.context.remember(&observed.uid, |memory| {
        memory.tasks.insert(name, (status, Instant::now()));
    });
    Ok(None)
}

/// Writes an object's status; one that somebody deleted needs none.
pub(in crate::operator) async fn write(term: &Term, namespace: &str, name: &str, status: &IgorTaskStatus) -> Result<(), Error> {
    write_status(term, &api(term, namespace), name, status, "write a task's status").await.map(drop)
}
