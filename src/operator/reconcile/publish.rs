//! Stage 5: what people see. Facts of the ledger and the queue as status, Events of what moved, and the end of the object's time.
//!
//! A status is written whole, by server-side apply, and only when it says something new: phases and conditions at once (a job
//! younger than a quarter second waits for its first), counters every five seconds at most.

use std::time::Duration;

use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::accept::Acceptance;
use super::command::Handled;
use super::observe::{Observed, version};
use super::{facts, layers, moved, tasks};
use crate::core::command::Object;
use crate::core::job::Facts;
use crate::core::plan::Reason;
use crate::crd::{self, IgorJob, IgorJobStatus};
use crate::operator::dispatcher::now_ms;
use crate::operator::term::Term;
use crate::operator::traces;
use crate::operator::troubles::Trouble;
use crate::operator::{Error, Job};
use crate::store::Snapshot;

/// A job that ends sooner needs one status only.
const FIRST_STATUS: Duration = Duration::from_millis(250);
/// Between two writes that only count.
pub(super) const COUNTERS: Duration = Duration::from_secs(5);
/// Active jobs are looked at so often, whatever happens; ended ones more rarely.
const ACTIVE: Duration = Duration::from_secs(300);
const ENDED: Duration = Duration::from_secs(3600);
/// A ConfigMap that is missing is looked for so often.
const MISSING_LIST: Duration = Duration::from_secs(15);

/// Writes the status when it is due, and says when to look again.
pub(super) async fn publish(term: &Term, observed: &Observed, acceptance: &Acceptance, handled: &Handled) -> Result<Action, Error> {
    if let Some(wait) = first_status(term, observed).filter(|_| acceptance.begun && !handled.wrote()) {
        return Ok(Action::requeue(wait));
    }
    let snapshot = match acceptance.job_id {
        Some(job_id) if acceptance.wrote || handled.wrote() => Some(term.context.store.snapshot(job_id).await?),
        Some(_) => observed.known.clone(),
        None => None,
    };
    let previous = previous(term, observed);
    let known = match &snapshot {
        Some(snapshot) => Some(facts::gather(term, snapshot).await),
        None => None,
    };
    let status = status(term, observed, acceptance, handled, known.as_ref(), previous.as_ref());
    let held_back = not_yet(term, observed, snapshot.as_ref(), previous.as_ref(), &status).filter(|_| handled.commands.is_empty());
    if held_back.is_none() && previous.as_ref() != Some(&status) {
        write(term, observed, &status).await?;
        moved::tell(term, observed, acceptance, previous.as_ref(), &status);
        if let Some(snapshot) = &snapshot {
            let cause = observed.object.annotations().get(crd::ANNOTATION_TRACEPARENT).map(String::as_str);
            traces::ended(snapshot, cause, previous.as_ref());
        }
    }
    let Some(snapshot) = &snapshot else { return Ok(held_back.map_or_else(|| unaccepted(acceptance), Action::requeue)) };
    let layers_held_back = layers::show(term, observed, snapshot, handled).await?;
    let tasks_held_back = tasks::show(term, observed, snapshot, handled).await?;
    let expires = expire(term, observed, snapshot).await?;
    let at_once = acceptance.loading.then_some(Duration::ZERO);
    let looks = [
        at_once,
        handled.again,
        Some(next_look(snapshot)),
        held_back,
        layers_held_back,
        tasks_held_back,
        expires,
        missing_list(acceptance),
    ];
    Ok(Action::requeue(looks.into_iter().flatten().min().unwrap_or(ENDED)))
}

/// The status that people see now.
fn previous(term: &Term, observed: &Observed) -> Option<IgorJobStatus> {
    let written = term.context.memory(&observed.uid, |memory| memory.written.as_ref().map(|(status, _)| status.clone()));
    written.or_else(|| observed.object.status.clone())
}

fn status(
    term: &Term,
    observed: &Observed,
    acceptance: &Acceptance,
    handled: &Handled,
    facts: Option<&Facts>,
    previous: Option<&IgorJobStatus>,
) -> IgorJobStatus {
    let refusal = acceptance.refusal.as_ref().map(|refusal| (refusal.reason, refusal.message.as_str()));
    let mut status = crd::status::job_status(facts, refusal, previous, observed.generation, now_ms());
    status.last_handled.extend(handled.on(&Object::Job));
    if facts.is_none_or(|facts| !facts.job.finished)
        && let Some(Trouble { reason, message }) = term.troubles.shown()
    {
        let before = previous.map_or(&[][..], |previous| &previous.conditions);
        return crd::status::stalled(status, before, reason, &message, observed.generation, now_ms());
    }
    status
}

/// How long to hold a status back, if at all.
fn not_yet(
    term: &Term,
    observed: &Observed,
    snapshot: Option<&Snapshot>,
    previous: Option<&IgorJobStatus>,
    status: &IgorJobStatus,
) -> Option<Duration> {
    let finished = snapshot.is_some_and(|snapshot| snapshot.job.finished);
    let Some(previous) = previous else { return first_status(term, observed).filter(|_| !finished) };
    if previous == status || !only_counts(previous, status) {
        return None;
    }
    let since = term.context.memory(&observed.uid, |memory| memory.written.as_ref().map(|(_, at)| at.elapsed()));
    since.and_then(|since| COUNTERS.checked_sub(since)).filter(|left| !left.is_zero())
}

/// How long until the first status is due, from this process's first look on: the API server's clock may be another.
fn first_status(term: &Term, observed: &Observed) -> Option<Duration> {
    let seen = term.context.first_seen(&observed.uid).elapsed();
    FIRST_STATUS.checked_sub(seen).filter(|left| !left.is_zero())
}

/// Whether nothing but numbers tells two statuses apart.
fn only_counts(previous: &IgorJobStatus, status: &IgorJobStatus) -> bool {
    let phases = |status: &IgorJobStatus| status.layers.iter().map(|layer| layer.phase).collect::<Vec<_>>();
    let conditions = |status: &IgorJobStatus| {
        status.conditions.iter().map(|condition| (condition.type_.clone(), condition.status, condition.reason.clone())).collect::<Vec<_>>()
    };
    previous.phase == status.phase
        && previous.observed_generation == status.observed_generation
        && previous.last_handled == status.last_handled
        && previous.finished_at == status.finished_at
        && phases(previous) == phases(status)
        && conditions(previous) == conditions(status)
}

async fn write(term: &Term, observed: &Observed, status: &IgorJobStatus) -> Result<(), Error> {
    term.context.writes.turn().await;
    let patch = status_patch(&observed.object, status);
    let params =
        PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..PatchParams::apply(crd::FIELD_MANAGER).force() };
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "status").increment(1);
    let written = api.patch_status(&observed.name, &params, &Patch::Apply(&patch)).await;
    let written = match written {
        // It was deleted meanwhile: the watch tells.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        written => written.map_err(|source| Error::Kube { act: "write the job's status", source })?,
    };
    tracing::debug!(job = %observed.name, namespace = %observed.namespace, phase = ?status.phase, progress = status.progress, "wrote status");
    term.context.remember(&observed.uid, |memory| {
        memory.written = Some((status.clone(), Instant::now()));
        memory.version = Some((version(&written), Instant::now()));
    });
    Ok(())
}

/// Deletes the object of a job that ended long enough ago; else how long until then, if that is soon.
async fn expire(term: &Term, observed: &Observed, snapshot: &Snapshot) -> Result<Option<Duration>, Error> {
    let ttl = observed.object.spec.ttl_seconds_after_finished;
    let (true, Some(ttl), Some(finished)) = (snapshot.job.finished, ttl, snapshot.finished_ms) else { return Ok(None) };
    let left = finished + i64::from(ttl) * 1000 - now_ms();
    if let Ok(left) = u64::try_from(left)
        && left > 0
    {
        return Ok(Some(Duration::from_millis(left).min(ENDED)));
    }
    if !term.context.store.mark_expired(Some(term.epoch), snapshot.job_id).await? {
        return Ok(None);
    }
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    // Not the version: our own status write has moved it. The ledger refuses every later verb, so the uid is enough.
    let params = DeleteParams::default().preconditions(Preconditions { uid: Some(observed.uid.clone()), resource_version: None });
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "delete").increment(1);
    match api.delete(&observed.name, &params).await {
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => {}
        done => drop(done.map_err(|source| Error::Kube { act: "delete a job whose time is over", source })?),
    }
    tracing::info!(job = %observed.name, namespace = %observed.namespace, "deleted: its time to live is over");
    term.forget(snapshot.job_id);
    Ok(Some(ENDED))
}

/// A missing list of tasks is looked for again; anything else is for the author to mend.
fn unaccepted(acceptance: &Acceptance) -> Action {
    missing_list(acceptance).map_or_else(Action::await_change, Action::requeue)
}

fn missing_list(acceptance: &Acceptance) -> Option<Duration> {
    let reason = acceptance.refusal.as_ref().map(|refusal| refusal.reason);
    matches!(reason, Some(Reason::TasksFromNotFound | Reason::TasksFromForbidden)).then_some(MISSING_LIST)
}

fn next_look(snapshot: &Snapshot) -> Duration {
    let wait = if snapshot.job.finished { ENDED } else { ACTIVE };
    // Not all at once after a restart.
    let mut look = wait.mul_f64(0.8 + 0.2 * rand::random::<f64>());
    if !snapshot.job.finished {
        let deadline = snapshot.deadline_ms.map(|due| Duration::from_millis(u64::try_from(due - now_ms()).unwrap_or(0) + 1));
        look = look.min(deadline.unwrap_or(look));
    }
    look
}

/// Says in the status that igor itself cannot act; as good as it can.
pub(super) async fn stalled(term: &Term, object: &Job, error: &Error) {
    let (Ok(job), Some(uid), Some(namespace)) = (&object.0, object.uid(), object.namespace()) else { return };
    let before = job.status.clone().unwrap_or_default();
    let Trouble { reason, message } = Trouble::of(error);
    let generation = job.metadata.generation.unwrap_or(0);
    let status = crd::status::stalled(before.clone(), &before.conditions, reason, &message, generation, now_ms());
    if before == status {
        return;
    }
    let patch = status_patch(object, &status);
    term.context.writes.turn().await;
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &namespace);
    let params = PatchParams::apply(crd::FIELD_MANAGER).force();
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "status").increment(1);
    if let Ok(written) = api.patch_status(&object.name_any(), &params, &Patch::Apply(&patch)).await {
        term.context.remember(&uid, |memory| {
            memory.written = None;
            memory.version = Some((version(&written), Instant::now()));
        });
    }
}

/// The status of a job as it is applied: complete, and of this very object in this very version.
pub(super) fn status_patch(object: &impl ResourceExt, status: &IgorJobStatus) -> serde_json::Value {
    json!({
        "apiVersion": api_version(),
        "kind": "IgorJob",
        "metadata": {"name": object.name_any(), "uid": object.uid(), "resourceVersion": object.resource_version()},
        "status": status,
    })
}

/// Writes the status of a child, complete; `false` = somebody deleted it, or the job with it.
pub(super) async fn write_status<Kind>(
    term: &Term,
    api: &Api<Kind>,
    name: &str,
    status: &impl serde::Serialize,
    act: &'static str,
) -> Result<bool, Error>
where
    Kind: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let kind = Kind::kind(&()).into_owned();
    let patch = json!({"apiVersion": api_version(), "kind": kind, "metadata": {"name": name}, "status": status});
    term.context.writes.turn().await;
    metrics::counter!("igor_api_writes_total", "kind" => kind, "verb" => "status").increment(1);
    match api.patch_status(name, &PatchParams::apply(crd::FIELD_MANAGER).force(), &Patch::Apply(&patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(source) => Err(Error::Kube { act, source }),
    }
}

fn api_version() -> String {
    format!("{}/{}", crd::GROUP, crd::VERSION)
}
