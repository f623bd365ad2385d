//! Stage 2: what is wished for. The spec, with the task lists it names, as a plan; or why it cannot be one.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::Api;

use super::observe::{Observed, version};
use crate::core::plan::{Fault, Plan, Reason, describe};
use crate::crd::{self, IgorJob, IgorJobSpec};
use crate::operator::Error;
use crate::operator::term::Term;

/// Longest message of a condition, in bytes.
const MESSAGE_BYTES: usize = 16_000;

/// What came of looking at the spec.
pub(super) enum Resolution {
    /// The ledger has this generation already, or the job has ended.
    Settled,
    /// A plan to be accepted, or to be compared with the accepted one; and the version of the object that it was read from.
    Plan(Box<Plan>, u64),
    /// It cannot be a plan.
    Refused(Refusal),
}

/// Why a spec is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
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
        Ok(plan) => Resolution::Plan(Box::new(plan), version(&object)),
        Err(refusal) => Resolution::Refused(refusal),
    })
}

/// The plan with every task list. Lists in ConfigMaps are read once, at acceptance: what identifies the plan later is what the
/// spec itself says.
async fn whole_plan(term: &Term, observed: &Observed, spec: &IgorJobSpec) -> Result<Result<Plan, Refusal>, Error> {
    let lists = match fetch(term, observed, spec).await? {
        Ok(lists) => lists,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let spec_only = match plan_of_spec(spec) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let whole = crd::resolve(spec, &lists).and_then(Plan::resolve);
    Ok(match whole {
        Err(faults) => Err(Refusal::of(&faults)),
        Ok(mut plan) => {
            for (layer, of_spec) in plan.layers.iter_mut().zip(spec_only.layers) {
                layer.spec_hash = of_spec.spec_hash;
            }
            Ok(plan)
        }
    })
}

/// The plan as far as the spec itself says it.
fn plan_of_spec(spec: &IgorJobSpec) -> Result<Plan, Refusal> {
    let mut bare = spec.clone();
    for layer in &mut bare.layers {
        layer.tasks_from = None;
    }
    let mut plan = crd::resolve(&bare, &BTreeMap::new()).and_then(Plan::resolve).map_err(|faults| Refusal::of(&faults))?;
    for (layer, written) in plan.layers.iter_mut().zip(&spec.layers) {
        layer.spec_hash = crd::with_sources(layer.spec_hash, written);
    }
    Ok(plan)
}

type Lists = BTreeMap<crd::ConfigMapKey, Vec<u8>>;

/// The task lists that the spec names.
async fn fetch(term: &Term, observed: &Observed, spec: &IgorJobSpec) -> Result<Result<Lists, Refusal>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    let mut lists = Lists::new();
    let mut maps: BTreeMap<String, Option<ConfigMap>> = BTreeMap::new();
    for wanted in crd::sources(spec) {
        if !maps.contains_key(&wanted.name) {
            let map = api.get_opt(&wanted.name).await.map_err(|source| Error::Kube { act: "read a ConfigMap of tasks", source })?;
            maps.insert(wanted.name.clone(), map);
        }
        match taken(maps.get_mut(&wanted.name).and_then(Option::as_mut), &wanted) {
            Ok(bytes) => drop(lists.insert(wanted, bytes)),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
    Ok(Ok(lists))
}

fn taken(map: Option<&mut ConfigMap>, wanted: &crd::ConfigMapKey) -> Result<Vec<u8>, Refusal> {
    let (name, key) = (&wanted.name, &wanted.key);
    let missing = |what: String| Refusal::new(Reason::TasksFromNotFound, format!("{what}; it is looked for again every 15 s"));
    let Some(map) = map else { return Err(missing(format!("there is no ConfigMap {name}"))) };
    if !map.labels().contains_key(crd::TASKS_LABEL) {
        let message = format!("ConfigMap {name} does not carry the label {}, so its tasks may not be run", crd::TASKS_LABEL);
        return Err(Refusal::new(Reason::TasksFromForbidden, message));
    }
    let text = map.data.as_ref().and_then(|data| data.get(key)).map(|text| text.clone().into_bytes());
    let bytes = text.or_else(|| map.binary_data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone()));
    bytes.ok_or_else(|| missing(format!("ConfigMap {name} has no key {key}")))
}
