//! Stage 2: what is wished for. The spec, with the task lists it names, as a plan; or why it cannot be one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::Api;

use super::observe::Observed;
use crate::core::job::Layer;
use crate::core::plan::{Fault, Plan, Reason, describe};
use crate::core::status::Status;
use crate::crd::resolve::{self as source, Fetched};
use crate::crd::{ConfigMapKey, IgorJob, IgorJobSpec};
use crate::operator::Error;
use crate::operator::term::Term;
use crate::store::Snapshot;

/// Longest message of a condition, in bytes.
const MESSAGE_BYTES: usize = 16_000;

/// What came of looking at the spec.
pub(super) enum Resolution {
    /// The ledger has this generation already, or the job has ended, or the API is about to bring it in.
    Settled,
    /// A plan to be accepted, or to be compared with the accepted one; and the object that it was read from.
    Plan(Box<Plan>, Box<IgorJob>),
    /// It cannot be a plan.
    Refused(Refusal),
}

/// Why a spec is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(super) fn of(faults: &[Fault]) -> Self {
        let reason = faults.first().map_or(Reason::InvalidSpec, |fault| fault.reason);
        Self { reason, message: describe(faults, MESSAGE_BYTES) }
    }
}

/// A refused edit of an accepted plan. It is judged anew when it changes, and when the job does: what cannot be appended to an open layer
/// can be once that is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Refused {
    generation: i64,
    stands: Vec<(Status, bool)>,
    refusal: Refusal,
}

impl Refused {
    pub(super) fn new(observed: &Observed, generation: i64, refusal: Refusal) -> Self {
        Self { generation, stands: stands(observed), refusal }
    }

    fn still_holds(&self, observed: &Observed) -> bool {
        self.generation == observed.generation && self.stands == stands(observed)
    }
}

/// How the job and its layers stand, and whether they are paused.
fn stands(observed: &Observed) -> Vec<(Status, bool)> {
    let of_job = |known: &Snapshot| {
        let layers = known.job.layers.iter().map(|layer| (layer.status, layer.paused_by.is_some()));
        let ended = if known.job.finished { known.job.status } else { Status::Running };
        std::iter::once((ended, known.job.paused_by.is_some())).chain(layers).collect()
    };
    observed.known.as_ref().map(of_job).unwrap_or_default()
}

/// Reads the spec anew when there is something to accept.
pub(super) async fn resolve(term: &Term, observed: &Observed) -> Result<Resolution, Error> {
    if observed.known.as_ref().is_some_and(|known| is_settled(known, observed.generation)) {
        return Ok(Resolution::Settled);
    }
    if let Some(refused) = term.context.memory(&observed.uid, |memory| memory.refused.clone())
        && refused.still_holds(observed)
    {
        return Ok(Resolution::Refused(refused.refusal));
    }
    if term.context.config.tasks.queue(&observed.namespace, &observed.object.spec.queue).is_none() {
        let message = format!("spec.queue: the queue {} is not shared with namespace {}", observed.object.spec.queue, observed.namespace);
        return Ok(Resolution::Refused(Refusal::new(Reason::QueueForbidden, message)));
    }
    // It is gone, or another by now: the watch tells.
    let Some(object) = whole(term, observed).await? else { return Ok(Resolution::Settled) };
    let read = observed.known.as_ref().filter(|known| known.job.accepted).map(lists_read).unwrap_or_default();
    if source::waits_for_upload(&object.spec, &read) {
        // Whoever uploads the tasks accepts them too, and marks the job as changed.
        return Ok(Resolution::Settled);
    }
    let lists = fetch(term, observed, &object.spec, &read).await?;
    // Lists of many megabytes take seconds to read: other jobs must not wait for that.
    Ok(match tokio::task::block_in_place(|| source::plan(&object.spec, &lists, &read)) {
        Ok(plan) => Resolution::Plan(Box::new(plan), Box::new(object)),
        Err(faults) => Resolution::Refused(Refusal::of(&faults)),
    })
}

/// The object with its tasks; of a few new ones the cache has them, and of no other any.
async fn whole(term: &Term, observed: &Observed) -> Result<Option<IgorJob>, Error> {
    if observed.object.spec.layers.iter().any(|layer| !layer.tasks.is_empty()) {
        return Ok(Some(observed.object.clone()));
    }
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    let object = api.get_opt(&observed.name).await.map_err(|source| Error::Kube { act: "read the job", source })?;
    Ok(object.filter(|object| object.uid().as_deref() == Some(&observed.uid)))
}

/// Whether the ledger has this generation, whole, or wants nothing more of the job.
fn is_settled(known: &Snapshot, generation: i64) -> bool {
    let is_over = known.deleted || known.expired || known.job.finished && !known.job.accepted;
    let is_in = known.job.accepted && !known.job.layers.iter().any(Layer::is_loading);
    is_over || is_in && known.generation == generation
}

/// The layers whose lists are not read again: they were, when the layer was accepted.
fn lists_read(known: &Snapshot) -> BTreeSet<String> {
    let layers = known.job.layers.iter().zip(&known.layers).filter(|(layer, facts)| !layer.is_loading() || facts.growing);
    layers.map(|(layer, _)| layer.name.clone()).collect()
}

/// The task lists that the spec names.
async fn fetch(
    term: &Term,
    observed: &Observed,
    spec: &IgorJobSpec,
    read: &BTreeSet<String>,
) -> Result<BTreeMap<ConfigMapKey, Fetched>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    let mut lists = BTreeMap::new();
    let mut last: Option<(String, Option<ConfigMap>)> = None;
    for wanted in source::sources(spec, read) {
        // In order of names: a map that holds several lists is read once.
        if last.as_ref().is_none_or(|(name, _)| *name != wanted.name) {
            let map = api.get_opt(&wanted.name).await.map_err(|source| Error::Kube { act: "read a ConfigMap of tasks", source })?;
            last = Some((wanted.name.clone(), map));
        }
        let fetched = source::of_config_map(last.as_ref().and_then(|(_, map)| map.clone()), &wanted.key);
        lists.insert(wanted, fetched);
    }
    Ok(lists)
}
