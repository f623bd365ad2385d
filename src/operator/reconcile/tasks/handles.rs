//! Handles on failed tasks: which there are to be, made and removed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{ObjectMeta, PostParams};
use kube::{Resource, ResourceExt};
use tokio::time::Instant;

use super::super::command::is_ours;
use super::super::layers::{RECENT_MS, delete};
use super::super::observe::Observed;
use super::api;
use crate::crd::{self, IgorTask, IgorTaskSpec, TaskObjects, handle_name};
use crate::operator::Error;
use crate::operator::children::is_handle;
use crate::operator::dispatcher::now_ms;
use crate::operator::term::Term;
use crate::store::{FailedTask, Snapshot, TaskFacts};

/// Newest failures of a layer that have handles.
const OF_LAYER: u32 = 50;
/// Handles of a namespace.
const OF_NAMESPACE: usize = 500;
/// The failures of a layer are read anew so often at most.
const EVERY: Duration = Duration::from_secs(5);
/// A task that has ended well after a retry keeps its handle so long.
const ENDED_WELL_MS: i64 = 60_000;

/// Whether the job's handles have had their time.
fn is_over(snapshot: &Snapshot) -> bool {
    snapshot.finished_ms.is_some_and(|finished| finished < now_ms() - RECENT_MS)
}

/// Makes the handles that are missing; says when to look again if it is too soon now.
pub(super) async fn make(term: &Term, observed: &Observed, snapshot: &Snapshot) -> Result<Option<Duration>, Error> {
    if observed.object.spec.task_objects == TaskObjects::None || is_over(snapshot) || snapshot.job.gated {
        return Ok(None);
    }
    let mut again = None;
    for (layer, facts) in snapshot.job.layers.iter().zip(&snapshot.layers) {
        let seen = (layer.run, layer.tasks.errored);
        let shown = term.context.memory(&observed.uid, |memory| memory.failures_shown.get(&layer.name).copied());
        if layer.tasks.errored == 0 || shown.is_some_and(|(known, _)| known == seen) {
            continue;
        }
        if let Some(wait) = shown.and_then(|(_, at)| EVERY.checked_sub(at.elapsed())).filter(|_| !layer.status.is_finished()) {
            again = again.into_iter().chain([wait]).min();
            continue;
        }
        let failed = term.context.store.newest_failures(facts.layer_id, OF_LAYER).await?;
        make_missing(term, observed, &layer.name, &failed).await?;
        let names = failed.into_iter().map(|task| task.name).collect();
        term.context.remember(&observed.uid, |memory| {
            memory.failures_shown.insert(layer.name.clone(), (seen, Instant::now()));
            memory.newest_failures.insert(layer.name.clone(), names);
        });
    }
    Ok(again)
}

async fn make_missing(term: &Term, observed: &Observed, layer: &str, failed: &[FailedTask]) -> Result<(), Error> {
    let there: BTreeSet<String> = term
        .children
        .of(&observed.namespace, &observed.name)
        .iter()
        .filter(|task| is_ours(observed, task.as_ref()) && task.spec.layer_name == layer)
        .map(|task| crd::name_of_task(task))
        .collect();
    let room = OF_NAMESPACE.saturating_sub(term.children.handles_in(&observed.namespace));
    for task in failed.iter().filter(|task| !there.contains(&task.name)).take(room) {
        create(term, observed, layer, task).await?;
    }
    Ok(())
}

async fn create(term: &Term, observed: &Observed, layer: &str, task: &FailedTask) -> Result<(), Error> {
    let spec = IgorTaskSpec {
        job_name: observed.name.clone(),
        layer_name: layer.to_owned(),
        name: Some(task.name.clone()),
        kind: task.kind.clone(),
        ..IgorTaskSpec::default()
    };
    let mut handle = IgorTask::new(&handle_name(&observed.name, layer, &task.name), spec);
    let labels = [(crd::LABEL_JOB, observed.name.as_str()), (crd::LABEL_LAYER, layer), (crd::LABEL_ORIGIN, crd::ORIGIN_HANDLE)];
    handle.metadata = ObjectMeta {
        labels: Some(labels.into_iter().map(|(label, value)| (label.to_owned(), value.to_owned())).collect()),
        owner_references: observed.object.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..handle.metadata
    };
    term.context.writes.turn().await;
    metrics::counter!("igor_api_writes_total", "kind" => "IgorTask", "verb" => "create").increment(1);
    let params = PostParams { field_manager: Some(crd::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api(term, &observed.namespace).create(&params, &handle).await {
        // One that is there already, somebody else's too; the job or its namespace is going.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404 | 409) => Ok(()),
        done => done.map(drop).map_err(|source| Error::Kube { act: "make a task's handle", source }),
    }
}

/// Removes handles that nobody needs any more. `facts` knows how a task stands.
pub(super) async fn remove<'a>(
    term: &Term,
    observed: &Observed,
    snapshot: &Snapshot,
    objects: &[Arc<IgorTask>],
    facts: impl Fn(&IgorTask) -> Option<&'a TaskFacts>,
) -> Result<(), Error> {
    let newest = term.context.memory(&observed.uid, |memory| memory.newest_failures.clone());
    let none = observed.object.spec.task_objects == TaskObjects::None;
    for handle in objects.iter().filter(|task| is_handle(task) && task.metadata.deletion_timestamp.is_none()) {
        let of_layer = newest.get(&handle.spec.layer_name);
        let pushed_out = of_layer.is_some_and(|names| names.len() >= OF_LAYER as usize && !names.contains(&crd::name_of_task(handle)));
        let ended_well = facts(handle).is_none_or(|facts| facts.status.is_done() && facts.moved_ms < now_ms() - ENDED_WELL_MS);
        if none || pushed_out || ended_well || is_over(snapshot) {
            delete(&api(term, &observed.namespace), term, &handle.metadata).await?;
            term.context.remember(&observed.uid, |memory| drop(memory.tasks.remove(&handle.name_any())));
        }
    }
    Ok(())
}
