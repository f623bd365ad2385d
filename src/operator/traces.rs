//! The spans of jobs, layers and attempts, as their ends are seen here. How many attempts of a layer are traced is bounded; where no
//! spans are sent, all of this costs a look at a flag.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::time::Instant;
use uuid::Uuid;

use super::in_flight::{Flight, InFlight};
use crate::core::id;
use crate::core::status::Status;
use crate::crd::{IgorJobStatus, LayerPhase};
use crate::store::{Applied, Dispatched, JobChange, Snapshot};
use crate::trace::{self, Context, Kind, Span};

/// Of a layer so many first attempts are traced,
const FIRST: u32 = 10;
/// so many later ones,
const LATER: u32 = 10;
/// and so many that ended badly without having been chosen before.
const FAILED: u32 = 10;

/// How many attempts of each open layer are traced so far.
#[derive(Debug, Default)]
pub(super) struct Traces(Mutex<HashMap<Uuid, Spent>>);

#[derive(Debug, Default)]
struct Spent {
    first: u32,
    later: u32,
    failed: u32,
}

impl Traces {
    fn spend(&self, layer: Uuid, most: u32, of: impl FnOnce(&mut Spent) -> &mut u32) -> bool {
        let mut layers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let spent = of(layers.entry(layer).or_default());
        let is_left = *spent < most;
        *spent += u32::from(is_left);
        is_left
    }

    /// Whether an attempt that is handed out is to be traced: then its name, for when its end is seen.
    pub(super) fn choose(&self, task: &Dispatched) -> Option<Arc<str>> {
        let is_chosen = trace::is_sampled(task.job_id)
            && match task.attempt {
                1 => self.spend(task.layer_id, FIRST, |spent| &mut spent.first),
                _ => self.spend(task.layer_id, LATER, |spent| &mut spent.later),
            };
        is_chosen.then(|| task.name.as_str().into())
    }

    /// Layers that ended begin anew, should they run again.
    pub(super) fn forget(&self, change: &JobChange) {
        if trace::is_on() && !change.closed.is_empty() {
            let mut layers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            layers.retain(|layer, _| !change.closed.contains(layer));
        }
    }

    /// Results that were taken in at that moment are in the ledger.
    pub(super) fn collected(&self, in_flight: &InFlight, applied: &[Applied], taken_in: Instant) {
        if !trace::is_on() {
            return;
        }
        for applied in applied.iter().filter(|applied| applied.to != Status::Running && trace::is_sampled(applied.job_id)) {
            let Some(flight) = in_flight.get(applied.task_id).filter(|flight| flight.attempt == applied.attempt) else { continue };
            let went_well = matches!(applied.to, Status::Completed | Status::Skipped);
            let shown = flight.traced.is_some() || !went_well && self.spend(applied.layer_id, FAILED, |spent| &mut spent.failed);
            if shown {
                let attempt = attempt(applied.task_id, &flight, applied.to.as_str(), applied.to == Status::Errored);
                trace::send(Span::step("collect", attempt.context, trace::at(taken_in.into_std())));
                trace::send(attempt);
            }
        }
    }
}

/// Attempts that were chosen are in the queue.
pub(super) fn dispatched(task: &Dispatched, began: SystemTime) {
    let attempt = Context::attempt(task.job_id, task.task_id, task.attempt);
    trace::send(Span { kind: Kind::Producer, ..Span::step("dispatch", attempt, began) });
}

/// An attempt was taken away from the queue and from its worker.
pub(super) fn revoked(task: Uuid, flight: &Flight) {
    if flight.traced.is_some() {
        trace::send(attempt(task, flight, "REVOKED", true));
    }
}

fn attempt(task: Uuid, flight: &Flight, outcome: &'static str, failed: bool) -> Span {
    let layer = Context::layer(flight.job, flight.layer);
    let mut attributes = vec![
        ("igor.task.id", task.to_string()),
        ("igor.attempt", flight.attempt.to_string()),
        ("igor.queue", flight.key.queue.clone()),
        ("igor.type", flight.key.kind.clone()),
        ("igor.outcome", outcome.to_owned()),
    ];
    attributes.extend(flight.traced.as_deref().map(|name| ("igor.task", name.to_owned())));
    Span {
        context: Context::attempt(flight.job, task, flight.attempt),
        failed: failed.then(|| outcome.into()),
        attributes,
        ..Span::step("attempt", layer, trace::at(flight.since.into_std()))
    }
}

/// The plan of a job is in the ledger, which this process has looked at since then.
pub(super) fn accepted(job: Uuid, seen: Instant, attributes: Vec<(&'static str, String)>) {
    if trace::is_sampled(job) {
        trace::send(Span { attributes, ..Span::step("accept", Context::job(job), trace::at(seen.into_std())) });
    }
}

/// Layers and a job of which a new status tells that they ended. `cause` is what the object says of whoever wanted the job.
pub(super) fn ended(snapshot: &Snapshot, cause: Option<&str>, before: Option<&IgorJobStatus>) {
    if !trace::is_sampled(snapshot.job_id) {
        return;
    }
    let root = Context::job(snapshot.job_id);
    let attributes = vec![
        ("igor.namespace", snapshot.namespace.clone()),
        ("igor.job", snapshot.name.clone()),
        ("igor.job.uid", snapshot.uid.clone()),
        ("igor.queue", snapshot.queue.clone()),
    ];
    let over = |phase| matches!(phase, LayerPhase::Completed | LayerPhase::Errored | LayerPhase::Skipped);
    let was_over = |name: &str| before.is_some_and(|before| before.layers.iter().any(|layer| layer.name == name && over(layer.phase)));
    for (layer, facts) in snapshot.job.layers.iter().zip(&snapshot.layers) {
        let (Some(began), Some(ended)) = (facts.started_ms, facts.finished_ms) else { continue };
        if !was_over(&layer.name) {
            let mut attributes = attributes.clone();
            attributes.push(("igor.layer", layer.name.clone()));
            let context = Context::layer(snapshot.job_id, facts.layer_id);
            let failed = layer.status == Status::Errored;
            trace::send(whole("layer", context, Some(root), (began, ended), failed, attributes));
        }
    }
    let Some(ended) = snapshot.finished_ms.filter(|_| before.is_none_or(|before| before.finished_at.is_none())) else { return };
    let failed = snapshot.job.status == Status::Errored;
    let span = whole("job", root, None, (id::created_ms(snapshot.job_id), ended), failed, attributes);
    trace::send(Span { link: cause.and_then(Context::parse), ..span });
}

fn whole(
    name: &'static str,
    context: Context,
    parent: Option<Context>,
    (began, ended): (i64, i64),
    failed: bool,
    attributes: Vec<(&'static str, String)>,
) -> Span {
    let (began, ended) = (trace::at_ms(began), trace::at_ms(ended));
    let failed = failed.then(|| Status::Errored.as_str().into());
    Span { name: name.into(), context, parent, link: None, kind: Kind::Internal, began, ended, failed, attributes }
}
