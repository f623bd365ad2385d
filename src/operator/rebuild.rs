//! The table of entries, made anew from the streams and the ledger: when a term begins, and after any doubt about a push.
//!
//! The ledger says which attempts are queued or running; the streams say which of them lie there. What is only in a stream is
//! stale and deleted. What is only in the ledger is pushed again at the same attempt (the first result of it counts), or becomes
//! pending again when it is paused.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::Error;
use super::dispatcher::Dispatcher;
use super::in_flight::Flight;
use super::relay;
use crate::queue::{EntryId, EntryRef, Lane, TypeKey};
use crate::store::{Attempt, Dispatched, Outstanding, Recalled};

/// Entries read at once.
const PAGE: usize = 1000;
/// Tasks written at once.
const CHUNK: usize = 1000;

/// Rebuilds the table, then relays what the outbox holds and pushes what is missing.
pub(super) async fn rebuild(dispatcher: &mut Dispatcher) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    term.in_flight.clear();
    let outstanding = by_task(term.context.store.outstanding().await?);
    let keys: BTreeSet<TypeKey> = outstanding.values().filter_map(|known| key_of(dispatcher, known)).collect();
    for key in keys {
        let key = dispatcher.ready(key).await?;
        for lane in Lane::ALL {
            read_lane(dispatcher, &key, lane, &outstanding).await?;
        }
    }
    relay::relay(dispatcher).await?;
    push_missing(dispatcher, &outstanding).await
}

fn by_task(outstanding: Vec<Outstanding>) -> HashMap<Uuid, Outstanding> {
    outstanding.into_iter().map(|known| (known.attempt.task_id, known)).collect()
}

fn key_of(dispatcher: &Dispatcher, known: &Outstanding) -> Option<TypeKey> {
    dispatcher.term().key(&known.attempt.namespace, &known.attempt.queue, &known.attempt.kind)
}

/// Enters what lies in a lane, and deletes what is stale or double.
async fn read_lane(dispatcher: &Dispatcher, key: &Arc<TypeKey>, lane: Lane, outstanding: &HashMap<Uuid, Outstanding>) -> Result<(), Error> {
    let term = dispatcher.term();
    let mut after = EntryId::ZERO;
    loop {
        let page = term.context.queue.entries(key, lane, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id;
        let whole = page.len() < PAGE;
        let mut stale = Vec::new();
        for stored in page {
            let known = stored.header.ok().and_then(|header| {
                let known = outstanding.get(&header.id)?;
                (known.attempt.attempt == header.attempt
                    && term.in_flight.get(header.id).is_none_or(|flight| flight.entry == Some(stored.id)))
                .then_some(known)
            });
            let Some(known) = known else {
                stale.push(EntryRef { lane, id: stored.id });
                continue;
            };
            let task = &known.attempt;
            let flight =
                Flight { key: key.clone(), lane, entry: Some(stored.id), attempt: task.attempt, layer: task.layer_id, job: task.job_id };
            term.in_flight.insert(task.task_id, flight);
        }
        if !stale.is_empty() {
            term.context.queue.remove(key, &stale, term.owner).await?;
        }
        if whole {
            return Ok(());
        }
    }
}

/// What the ledger calls queued or running and Redis does not have. Asked twice: results may have ended it meanwhile.
async fn push_missing(dispatcher: &mut Dispatcher, outstanding: &HashMap<Uuid, Outstanding>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let is_missing = |known: &Attempt| term.in_flight.get(known.task_id).is_none_or(|flight| flight.attempt != known.attempt);
    if !outstanding.values().any(|known| is_missing(&known.attempt)) {
        return Ok(());
    }
    let mut back = Vec::new();
    let mut push = Vec::new();
    for known in term.context.store.outstanding().await? {
        let attempt = known.attempt;
        let same = outstanding.get(&attempt.task_id).is_some_and(|before| before.attempt == attempt);
        match (same && is_missing(&attempt), known.paused && !known.running) {
            (false, _) => {}
            (true, true) => {
                back.push(Recalled { job_id: attempt.job_id, task_id: attempt.task_id, attempt: attempt.attempt, kind: attempt.kind });
            }
            (true, false) => push.push(attempt.task_id),
        }
    }
    tracing::info!(pushed = push.len(), pending = back.len(), "tasks that Redis did not have");
    for chunk in back.chunks(CHUNK) {
        term.context.store.recall_done(term.epoch, chunk).await?;
    }
    for chunk in push.chunks(CHUNK) {
        let tasks = term.context.store.pushable(chunk).await?;
        relay::push(dispatcher, tasks.into_iter().filter(|task| is_same(outstanding, task)).collect()).await?;
    }
    Ok(())
}

fn is_same(outstanding: &HashMap<Uuid, Outstanding>, task: &Dispatched) -> bool {
    outstanding.get(&task.task_id).is_some_and(|before| before.attempt.attempt == task.attempt)
}
