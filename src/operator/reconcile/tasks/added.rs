//! Tasks that users add by an object of their own: taken into the ledger once, or rejected with the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::super::accept::Acceptance;
use super::super::command::is_ours;
use super::super::observe::Observed;
use super::{api, write};
use crate::crd::status::rejected;
use crate::crd::{self, IgorJob, IgorTask, TaskPhase};
use crate::operator::Error;
use crate::operator::children::is_handle;
use crate::operator::term::Term;
use crate::store::Adding;

/// Objects that are taken with one reconcile.
const AT_ONCE: usize = 100;
/// What cannot be taken yet is tried again so soon.
const SOON: Duration = Duration::from_secs(1);
/// Why an object of a job that is not there is rejected: the only reason that passes.
pub(in crate::operator) const JOB_NOT_FOUND: &str = "JobNotFound";

/// Takes the objects that are new; says when to look again: there is more to take, or something that was added shows.
pub(in super::super) async fn take_in(term: &Term, observed: &Observed, acceptance: &Acceptance) -> Result<Option<Duration>, Error> {
    let Some(job_id) = acceptance.job_id else { return Ok(None) };
    let mut new: Vec<_> = term.children.of(&observed.namespace, &observed.name).into_iter().filter(|task| is_new(task)).collect();
    // In the order in which they were made, as far as the API server tells.
    new.sort_by_key(|task| (task.creation_timestamp(), task.name_any()));
    let (mut again, mut added) = ((new.len() > AT_ONCE).then_some(Duration::ZERO), false);
    for task in new.iter().take(AT_ONCE) {
        match add(term, observed, job_id, task).await? {
            Taken::Added => added = true,
            Taken::Rejected => {}
            Taken::Later => again = again.or(Some(SOON)),
        }
    }
    if added {
        term.wakes.jobs([job_id]);
        again = Some(Duration::ZERO);
    }
    Ok(again)
}

/// Whether it was neither taken nor rejected for good.
fn is_new(task: &IgorTask) -> bool {
    let status = task.status.as_ref();
    let passes = || status.and_then(|status| status.reason.as_deref()) == Some(JOB_NOT_FOUND);
    let phase = status.and_then(|status| status.phase);
    !is_handle(task) && task.metadata.deletion_timestamp.is_none() && (phase.is_none() || phase == Some(TaskPhase::Rejected) && passes())
}

enum Taken {
    Added,
    Rejected,
    Later,
}

async fn add(term: &Term, observed: &Observed, job_id: uuid::Uuid, task: &IgorTask) -> Result<Taken, Error> {
    let name = task.name_any();
    let plan = match plan_of(&observed.object, task) {
        Ok(plan) => plan,
        Err(message) => return reject(term, observed, &name, "InvalidSpec", &message).await,
    };
    if let Some(other) = claimed_before(term, observed, task) {
        let message = format!("layer {} has a task {} already, from the object {other}", task.spec.layer_name, plan.name);
        return reject(term, observed, &name, "DuplicateTaskName", &message).await;
    }
    match term.context.store.add_tasks(Some(term.epoch), job_id, &task.spec.layer_name, &[plan]).await? {
        Adding::Later => Ok(Taken::Later),
        Adding::Refused(why) => reject(term, observed, &name, why.reason(), &why.to_string()).await,
        Adding::Added(_) => {
            own(term, observed, task).await?;
            Ok(Taken::Added)
        }
    }
}

/// Another object that stands for the same task and was there before.
fn claimed_before(term: &Term, observed: &Observed, task: &IgorTask) -> Option<String> {
    let same = |other: &IgorTask| {
        other.spec.layer_name == task.spec.layer_name
            && crd::name_of_task(other) == crd::name_of_task(task)
            && other.uid() != task.uid()
            && !is_handle(other)
            && is_ours(observed, other)
    };
    let others = term.children.of(&observed.namespace, &observed.name);
    others.iter().find(|other| same(other)).map(|other| other.name_any())
}

async fn reject(term: &Term, observed: &Observed, name: &str, reason: &str, message: &str) -> Result<Taken, Error> {
    write(term, &observed.namespace, name, &rejected(reason, message)).await?;
    Ok(Taken::Rejected)
}

/// The task as it is planned, with the defaults of its job; or what is wrong with it.
fn plan_of(job: &IgorJob, task: &IgorTask) -> Result<crate::core::plan::TaskPlan, String> {
    crd::resolve::task(&task.spec, &task.name_any(), &job.spec).map_err(|faults| crate::core::plan::describe(&faults, 1_000))
}

/// Makes the object the job's: it goes with it.
async fn own(term: &Term, observed: &Observed, task: &IgorTask) -> Result<(), Error> {
    let Some(owner) = observed.object.owner_ref(&()) else { return Ok(()) };
    let mut owners = task.owner_references().to_vec();
    if !owners.iter().any(|known| known.uid == owner.uid) {
        owners.push(owner);
    }
    let labels = BTreeMap::from([(crd::LABEL_JOB, observed.name.as_str()), (crd::LABEL_LAYER, task.spec.layer_name.as_str())]);
    let patch = json!({"metadata": {"uid": task.uid(), "ownerReferences": owners, "labels": labels}});
    metrics::counter!("igor_api_writes_total", "kind" => "IgorTask", "verb" => "patch").increment(1);
    let patched = api(term, &observed.namespace).patch_metadata(&task.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await;
    match patched {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        done => done.map(drop).map_err(|source| Error::Kube { act: "take a task's object into its job", source }),
    }
}
