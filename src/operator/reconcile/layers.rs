//! Handles: an `IgorLayer` for each layer of a job that takes longer than a second, to see it and, later, to steer it.
//!
//! They belong to the job by ownerReference and go with it. A foreign object of such a name is left alone.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Resource;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions};
use tokio::time::Instant;

use super::command::{Handled, is_ours};
use super::observe::Observed;
use super::publish::{COUNTERS, write_status};
use crate::core::command::Object;
use crate::core::job::Layer;
use crate::core::status::Status;
use crate::crd::status::{LayerView, layer_status};
use crate::crd::{self, FailedTask, IgorLayer, IgorLayerSpec, IgorLayerStatus};
use crate::operator::Error;
use crate::operator::dispatcher::now_ms;
use crate::operator::term::Term;
use crate::store::{LayerFacts, Snapshot};

/// A job that ends sooner has no handles.
const AFTER: Duration = Duration::from_secs(1);
/// Handles of a job that ended longer ago are not looked for any more.
pub(super) const RECENT_MS: i64 = 3_600_000;
/// After a foreign object stood in a handle's place, none of the job's is tried for so long.
const FOREIGN: Duration = Duration::from_secs(60);
/// Failed tasks that a handle names.
const FAILED: u32 = 20;

/// What was last written of a layer, and when; `None` for a handle that was only made.
pub(in crate::operator) type Shown = BTreeMap<String, Option<(IgorLayerStatus, Instant)>>;

/// Makes the handles that are due and writes what has moved; says when to look again for what is not due yet.
pub(super) async fn show(term: &Term, observed: &Observed, snapshot: &Snapshot, handled: &Handled) -> Result<Option<Duration>, Error> {
    if snapshot.finished_ms.is_some_and(|finished| finished < now_ms() - RECENT_MS) {
        return clear_away(term, observed).await.map(|()| None);
    }
    let age = term.context.first_seen(&observed.uid).elapsed();
    let mut shown = match term.context.memory(&observed.uid, |memory| memory.layers.clone()) {
        Some(shown) => shown,
        // Handles are made after a status is written.
        None if snapshot.job.finished && observed.object.status.is_none() => return Ok(None),
        None if snapshot.job.finished => find(term, observed).await?,
        None if age >= AFTER => Shown::new(),
        None => return Ok(Some(AFTER.saturating_sub(age))),
    };
    let mut held_back = None;
    for (layer, facts) in in_order(snapshot) {
        if !shown.contains_key(&layer.name) {
            let made = if snapshot.job.finished { None } else { may_make(term, observed, layer).await? };
            let Some(found) = made else { continue };
            shown.insert(layer.name.clone(), as_written(found));
        }
        let written = shown.entry(layer.name.clone()).or_default();
        let previous = written.as_ref().map(|(status, _)| status);
        let mut status = status(term, layer, facts, previous).await?;
        status.last_handled.extend(handled.on(&Object::Layer(layer.name.clone())));
        if previous == Some(&status) {
            continue;
        }
        let wait = written
            .as_ref()
            .filter(|(before, _)| before.phase == status.phase && before.last_handled == status.last_handled)
            .and_then(|(_, at)| COUNTERS.checked_sub(at.elapsed()));
        if wait.is_some() {
            held_back = wait.or(held_back);
        } else if write(term, observed, &layer.name, &status).await? {
            *written = Some((status, Instant::now()));
        } else {
            shown.remove(&layer.name);
        }
    }
    term.context.remember(&observed.uid, |memory| memory.layers = Some(shown));
    Ok(held_back)
}

/// Open, paused and errored layers first: they are what people look for.
fn in_order(snapshot: &Snapshot) -> Vec<(&Layer, &LayerFacts)> {
    let mut layers: Vec<_> = snapshot.job.layers.iter().zip(&snapshot.layers).collect();
    layers.sort_by_key(|(layer, _)| !(matches!(layer.status, Status::Running | Status::Errored) || layer.paused_by.is_some()));
    layers
}

fn api(term: &Term, observed: &Observed) -> Api<IgorLayer> {
    Api::namespaced(term.context.client.clone(), &observed.namespace)
}

/// What a layer's handle is called.
pub(super) fn name(observed: &Observed, layer: &str) -> String {
    format!("{}.{layer}", observed.name)
}

/// Reads what is acknowledged on the handles, when this process has not written them itself.
pub(super) async fn look(term: &Term, observed: &Observed) -> Result<(), Error> {
    if term.context.memory(&observed.uid, |memory| memory.layers.is_none()) {
        let found = find(term, observed).await?;
        term.context.remember(&observed.uid, |memory| memory.layers = Some(found));
    }
    Ok(())
}

/// The handles that there are.
async fn find(term: &Term, observed: &Observed) -> Result<Shown, Error> {
    let selected = ListParams::default().labels(&format!("{}={}", crd::LABEL_JOB, observed.name));
    let handles = api(term, observed).list(&selected).await.map_err(|source| Error::Kube { act: "list the job's layers", source })?;
    Ok(handles
        .into_iter()
        .filter(|handle| is_ours(observed, handle))
        .map(|handle| (handle.spec.layer, as_written(handle.status)))
        .collect())
}

/// What another process has written: acknowledged commands and the times of conditions live on.
fn as_written(status: Option<IgorLayerStatus>) -> Option<(IgorLayerStatus, Instant)> {
    status.map(|status| (status, Instant::now()))
}

/// Removes the handles of a job that ended long ago.
async fn clear_away(term: &Term, observed: &Observed) -> Result<(), Error> {
    for layer in &observed.object.spec.layers {
        let Some(handle) = term.handle(&observed.namespace, &name(observed, &layer.name)) else { continue };
        if is_ours(observed, handle.as_ref()) && handle.metadata.deletion_timestamp.is_none() {
            delete(&api(term, observed), term, &handle.metadata).await?;
        }
    }
    Ok(())
}

/// Deletes a handle, if it still is this object.
pub(super) async fn delete<Kind>(api: &Api<Kind>, term: &Term, handle: &ObjectMeta) -> Result<(), Error>
where
    Kind: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    term.context.writes.turn().await;
    metrics::counter!("igor_api_writes_total", "kind" => Kind::kind(&()).into_owned(), "verb" => "delete").increment(1);
    let params = DeleteParams::default().preconditions(Preconditions { uid: handle.uid.clone(), resource_version: None });
    match api.delete(handle.name.as_deref().unwrap_or_default(), &params).await {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done.map(drop).map_err(|source| Error::Kube { act: "delete a handle", source }),
    }
}

/// Makes a layer's handle unless a foreign object was found in its place a moment ago. Gives what is written on it already.
async fn may_make(term: &Term, observed: &Observed, layer: &Layer) -> Result<Option<Option<IgorLayerStatus>>, Error> {
    if term.context.memory(&observed.uid, |memory| memory.foreign).is_some_and(|at| at.elapsed() < FOREIGN) {
        return Ok(None);
    }
    let made = make(term, observed, layer).await?;
    if made.is_none() {
        term.context.remember(&observed.uid, |memory| memory.foreign = Some(Instant::now()));
    }
    Ok(made)
}

/// Makes a layer's handle; `None` = there is none that is ours.
async fn make(term: &Term, observed: &Observed, layer: &Layer) -> Result<Option<Option<IgorLayerStatus>>, Error> {
    let name = name(observed, &layer.name);
    let spec = IgorLayerSpec { job_name: observed.name.clone(), layer: layer.name.clone(), priority: layer.priority };
    let mut handle = IgorLayer::new(&name, spec);
    let labels = [(crd::LABEL_JOB, &observed.name), (crd::LABEL_LAYER, &layer.name)];
    handle.metadata = ObjectMeta {
        labels: Some(labels.into_iter().map(|(label, value)| (label.to_owned(), value.clone())).collect()),
        owner_references: observed.object.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..handle.metadata
    };
    term.context.writes.turn().await;
    metrics::counter!("igor_api_writes_total", "kind" => "IgorLayer", "verb" => "create").increment(1);
    let params = PostParams { field_manager: Some(crd::FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match api(term, observed).create(&params, &handle).await {
        Ok(_) => Ok(Some(None)),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            let known = api(term, observed).get_opt(&name).await.map_err(|source| Error::Kube { act: "read a layer's handle", source })?;
            Ok(known.filter(|known| is_ours(observed, known)).map(|known| known.status))
        }
        // The job is being deleted, and its namespace with it.
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        Err(source) => Err(Error::Kube { act: "make a layer's handle", source }),
    }
}

async fn status(term: &Term, layer: &Layer, facts: &LayerFacts, previous: Option<&IgorLayerStatus>) -> Result<IgorLayerStatus, Error> {
    let known = previous.filter(|previous| previous.tasks.is_some_and(|tasks| tasks.errored == layer.tasks.errored));
    let failed = match known {
        Some(known) => known.failed_tasks.clone(),
        None if layer.tasks.errored == 0 => Vec::new(),
        None => {
            let failures = term.context.store.failures(facts.layer_id, FAILED).await?;
            let named = |failure: crate::store::Failure| FailedTask {
                name: failure.name,
                index: failure.ix,
                attempt: failure.attempt,
                message: failure.message.or(failure.reason),
            };
            failures.into_iter().map(named).collect()
        }
    };
    let LayerFacts { started_ms, finished_ms, max_in_flight, .. } = *facts;
    let view = LayerView { layer, started_ms, finished_ms, max_in_flight, failed };
    // A handle's spec is never changed: it has one generation.
    Ok(layer_status(view, previous, 1, now_ms()))
}

/// Writes a layer's status; `false` = somebody deleted the handle, or the job with it.
async fn write(term: &Term, observed: &Observed, layer: &str, status: &IgorLayerStatus) -> Result<bool, Error> {
    write_status(term, &api(term, observed), &name(observed, layer), status, "write a layer's status").await
}
