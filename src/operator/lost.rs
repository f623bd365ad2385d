//! Attempts that the ledger calls queued or running while Redis has no entry of them: it lost its data, or part of them.
//!
//! What may be running is waited for: workers that miss an entry announce each task they run, at once and every third of a lease,
//! and the announcement is their lease from then on. What nobody announces within half a lease is pushed again at the same attempt,
//! whose first result counts; what was never delivered is pushed again at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::dispatcher::{Dispatcher, now_ms};
use super::in_flight::{Flight, Place};
use super::term::Term;
use super::{Error, collector, relay};
use crate::core::fold::{Report, Said};
use crate::queue::Lane;
use crate::store::{Attempt, Outstanding, Recalled};

/// Tasks written or pushed at once.
const CHUNK: usize = 1000;

/// Takes care of what is missing in Redis; `flights` is what was known of it before.
pub(super) async fn recover(dispatcher: &mut Dispatcher, missing: Vec<Outstanding>, flights: &HashMap<Uuid, Flight>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let mut gone = Vec::new();
    let mut awaited = 0;
    for known in missing {
        match may_run(&term, &known, flights) {
            Some(place) => awaited += usize::from(wait_for(&term, &known.attempt, place)),
            None => gone.push(known),
        }
    }
    if awaited > 0 || !gone.is_empty() {
        tracing::warn!(awaited, gone = gone.len(), "tasks that Redis did not have");
        metrics::counter!("igor_lost_entries_total").increment((awaited + gone.len()) as u64);
    }
    give_back(dispatcher, gone).await
}

/// Where an attempt is that a worker may have; `None` when nobody has it.
fn may_run(term: &Term, known: &Outstanding, flights: &HashMap<Uuid, Flight>) -> Option<Place> {
    let flight = flights.get(&known.attempt.task_id).filter(|flight| flight.attempt == known.attempt.attempt);
    let awaited = Place::Awaited(Instant::now() + term.context.config.tasks.lease / 2);
    match flight.map(|flight| (flight.place, flight)) {
        Some((place @ (Place::Awaited(_) | Place::Announced(_)), _)) => Some(place),
        Some((Place::Entry(entry), flight)) if term.types.was_delivered(&flight.key, flight.lane, entry) => Some(awaited),
        _ if known.running => Some(awaited),
        _ => None,
    }
}

/// Notes that a worker's word is waited for; nothing when the namespace may not use the queue any more.
fn wait_for(term: &Term, attempt: &Attempt, place: Place) -> bool {
    let Some(key) = term.key(&attempt.namespace, &attempt.queue, &attempt.kind) else { return false };
    // The lane is of no account without an entry; a push names it anew.
    term.in_flight.insert(attempt.task_id, Flight::new(&Arc::new(key), Lane::Normal, place, attempt));
    true
}

/// Gives back what nobody announced in time.
pub(super) async fn stop_waiting(dispatcher: &mut Dispatcher) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let late = term.in_flight.unannounced(Instant::now());
    if late.is_empty() {
        return Ok(());
    }
    tracing::info!(tasks = late.len(), "nobody announced them: they are given back");
    let ids: Vec<Uuid> = late.iter().map(|(task, _)| *task).collect();
    let known = term.context.store.outstanding_among(&ids).await?;
    let alive: HashSet<(Uuid, u32)> = known.iter().map(Outstanding::pair).collect();
    for (task, attempt) in late.into_iter().filter(|late| !alive.contains(late)) {
        term.in_flight.remove(task, attempt);
    }
    // An announcement may have come while the ledger was asked.
    let is_late = |known: &Outstanding| {
        let flight = term.in_flight.get(known.attempt.task_id);
        flight.is_some_and(|flight| flight.attempt == known.attempt.attempt && matches!(flight.place, Place::Awaited(_)))
    };
    give_back(dispatcher, known.into_iter().filter(is_late).collect()).await
}

/// Pushes attempts again that nobody has; paused ones become pending.
async fn give_back(dispatcher: &mut Dispatcher, gone: Vec<Outstanding>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let (paused, free): (Vec<_>, Vec<_>) = gone.into_iter().partition(|known| known.paused);
    let (running, queued): (Vec<_>, Vec<_>) = paused.into_iter().partition(|known| known.running);
    for chunk in queued.chunks(CHUNK) {
        let back: Vec<Recalled> = chunk.iter().map(|known| recalled(&known.attempt)).collect();
        term.context.store.recall_done(term.epoch, &back).await?;
        forget(&term, chunk);
    }
    for chunk in running.chunks(CHUNK) {
        let outcomes = chunk.iter().filter_map(|known| released(&term, &known.attempt)).collect();
        collector::commit(&term, outcomes).await?;
        forget(&term, chunk);
    }
    for chunk in free.chunks(CHUNK) {
        let ids: Vec<Uuid> = chunk.iter().map(|known| known.attempt.task_id).collect();
        let known: HashSet<(Uuid, u32)> = chunk.iter().map(Outstanding::pair).collect();
        let tasks = term.context.store.pushable(&ids).await?;
        let same = tasks.into_iter().filter(|task| known.contains(&(task.task_id, task.attempt))).collect();
        relay::push_late(dispatcher, same).await?;
    }
    Ok(())
}

fn recalled(attempt: &Attempt) -> Recalled {
    let Attempt { job_id, task_id, attempt, kind, .. } = attempt.clone();
    Recalled { job_id, task_id, attempt, kind }
}

fn released(term: &Term, attempt: &Attempt) -> Option<crate::store::Outcome> {
    let key = term.key(&attempt.namespace, &attempt.queue, &attempt.kind)?;
    let report = Report::new(attempt.task_id, attempt.attempt, Said::Released);
    let report = Report { why: Some("Unannounced".to_owned()), at_ms: now_ms(), ..report };
    Some(collector::outcome(term, &key, report))
}

fn forget(term: &Term, tasks: &[Outstanding]) {
    for known in tasks {
        term.in_flight.remove(known.attempt.task_id, known.attempt.attempt);
    }
}
