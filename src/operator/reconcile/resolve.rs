//! Stage 2: what is wished for. The spec, with the task lists it names, as a plan; or why it cannot be one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::Api;
use sha2::{Digest, Sha256};

use super::observe::Observed;
use crate::core::plan::{Fault, Plan, Reason, describe};
use crate::crd::resolve::{self as source, Fetched};
use crate::crd::{ConfigMapKey, IgorJob, IgorJobSpec, JobLayer};
use crate::operator::Error;
use crate::operator::term::Term;

/// Longest message of a condition, in bytes.
const MESSAGE_BYTES: usize = 16_000;

/// What came of looking at the spec.
pub(super) enum Resolution {
    /// The ledger has this generation already, or the job has ended.
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

    fn of(faults: &[Fault]) -> Self {
        let reason = faults.first().map_or(Reason::InvalidSpec, |fault| fault.reason);
        Self { reason, message: describe(faults, MESSAGE_BYTES) }
    }
}

/// Reads the spec anew when there is something to accept.
pub(super) async fn resolve(term: &Term, observed: &Observed) -> Result<Resolution, Error> {
    if let Some(known) = &observed.known
        && (known.job.finished || known.deleted || known.job.accepted && known.generation == observed.generation)
    {
        return Ok(Resolution::Settled);
    }
    if let Some((generation, refusal)) = term.context.memory(&observed.uid).refused
        && generation == observed.generation
    {
        return Ok(Resolution::Refused(refusal));
    }
    if term.context.config.tasks.queue(&observed.namespace, &observed.object.spec.queue).is_none() {
        let message = format!("spec.queue: the queue {} is not shared with namespace {}", observed.object.spec.queue, observed.namespace);
        return Ok(Resolution::Refused(Refusal::new(Reason::QueueForbidden, message)));
    }
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    let object = match api.get_opt(&observed.name).await.map_err(|source| Error::Kube { act: "read the job", source })? {
        Some(object) if object.uid().as_deref() == Some(&observed.uid) => object,
        // It is gone, or another by now: the watch tells.
        _ => return Ok(Resolution::Settled),
    };
    let accepted = observed.known.as_ref().is_some_and(|known| known.job.accepted);
    let plan = if accepted { plan_of_spec(&object.spec) } else { whole_plan(term, observed, &object.spec).await? };
    Ok(match plan {
        Ok(plan) => Resolution::Plan(Box::new(plan), Box::new(object)),
        Err(refusal) => Resolution::Refused(refusal),
    })
}

/// The plan with every task list. Lists in ConfigMaps are read once, at acceptance: what identifies the plan later is what the
/// spec itself says.
async fn whole_plan(term: &Term, observed: &Observed, spec: &IgorJobSpec) -> Result<Result<Plan, Refusal>, Error> {
    let lists = fetch(term, observed, spec).await?;
    // Lists of many megabytes take seconds to read: other jobs must not wait for that.
    Ok(tokio::task::block_in_place(|| {
        let mut plan = source::plan(spec, &lists).map_err(|faults| Refusal::of(&faults))?;
        for (layer, of_spec) in plan.layers.iter_mut().zip(plan_of_spec(spec)?.layers) {
            layer.spec_hash = of_spec.spec_hash;
        }
        Ok(plan)
    }))
}

/// The plan as far as the spec itself says it.
fn plan_of_spec(spec: &IgorJobSpec) -> Result<Plan, Refusal> {
    let mut bare = spec.clone();
    for layer in &mut bare.layers {
        layer.tasks_from.clear();
    }
    let mut plan = source::plan(&bare, &BTreeMap::new()).map_err(|faults| Refusal::of(&faults))?;
    for (layer, written) in plan.layers.iter_mut().zip(&spec.layers) {
        layer.spec_hash = with_sources(layer.spec_hash, written);
    }
    Ok(plan)
}

/// What identifies a layer's part of the plan: its inline tasks as resolved, and the lists that it names.
fn with_sources(spec_hash: [u8; 32], layer: &JobLayer) -> [u8; 32] {
    if layer.tasks_from.is_empty() {
        return spec_hash;
    }
    let mut hash = Sha256::new_with_prefix(spec_hash);
    for source in &layer.tasks_from {
        if let Some(list) = &source.config_map_key_ref {
            hash.update(format!("{}/{}\n", list.name, list.key));
        }
    }
    hash.finalize().into()
}

/// The task lists that the spec names.
async fn fetch(term: &Term, observed: &Observed, spec: &IgorJobSpec) -> Result<BTreeMap<ConfigMapKey, Fetched>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    let mut lists = BTreeMap::new();
    let mut last: Option<(String, Option<ConfigMap>)> = None;
    for wanted in source::sources(spec) {
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
