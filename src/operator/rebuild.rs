//! The table of what is out, made anew from the streams and the ledger: when a term begins, and after any doubt about Redis.
//!
//! In this order: take the types over (from then on an earlier leader pushes nothing), read what lies in the streams, read what the
//! ledger calls queued or running, and only then judge. What is only in a stream is stale and deleted. What is only in the ledger
//! is pushed again at the same attempt, or becomes pending again when it is paused. But what may be running is waited for first
//! (`lost`): its worker announces it. Last, the types whose data were not whole are opened under a new generation.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::Error;
use super::dispatcher::Dispatcher;
use super::in_flight::{Flight, Place};
use super::lost;
use super::relay;
use crate::queue::{EntryId, EntryRef, Lane, Stored, TypeKey};
use crate::store::{Change, Outstanding};

/// Tasks of the outbox whose rows are looked at for their types.
const ROWS: u32 = 1000;

/// A type that was taken over.
pub(super) struct Taken {
    pub(super) key: Arc<TypeKey>,
    /// The generation of its data; `None`: they are not whole.
    pub(super) generation: Option<String>,
    pub(super) lying: Vec<Lying>,
}

/// An entry as it lies in a stream; `None` = its header cannot be read.
pub(super) struct Lying {
    lane: Lane,
    entry: EntryId,
    attempt: Option<(Uuid, u32)>,
}

/// What the ledger calls queued or running.
pub(super) type Known = HashMap<Uuid, Outstanding>;

/// Rebuilds the table, then relays what the outbox holds and pushes what is missing. `moved`: Redis is another server than before,
/// so no generation is believed.
pub(super) async fn rebuild(dispatcher: &mut Dispatcher, moved: bool) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    term.context.stamp_redis(false).await?;
    term.types.close();
    dispatcher.forget_types();
    let mut found = Vec::new();
    for key in types_in_use(dispatcher).await? {
        found.push(dispatcher.take_over(key, moved).await?);
    }
    let outstanding = outstanding(dispatcher).await?;
    // Only now: as long as Redis is away, what was known of it must not be lost.
    let before = term.in_flight.take();
    for taken in &mut found {
        judge(dispatcher, &taken.key, std::mem::take(&mut taken.lying), &outstanding).await?;
    }
    relay::relay(dispatcher).await?;
    settle_differences(dispatcher, &outstanding, &before).await?;
    for Taken { key, generation, .. } in found {
        dispatcher.open(&key, generation).await?;
    }
    Ok(())
}

/// Every type that the ledger has something of: in Redis, to be dispatched, or to be revoked; and those that the ledger is done with
/// while something lies in Redis: an earlier leader died between a commit and clearing away.
async fn types_in_use(dispatcher: &Dispatcher) -> Result<BTreeSet<TypeKey>, Error> {
    let term = dispatcher.term();
    let store = &term.context.store;
    let mut keys = BTreeSet::new();
    let mut note = |namespace: &str, queue: &str, kind: &str| keys.extend(term.key(namespace, queue, kind));
    for known in store.outstanding().await? {
        note(&known.attempt.namespace, &known.attempt.queue, &known.attempt.kind);
    }
    for open in store.open_types().await? {
        note(&open.namespace, &open.queue, &open.kind);
    }
    for row in store.outbox_read(0, ROWS).await? {
        match row.change {
            Change::Enqueue(tasks) => tasks.iter().for_each(|task| note(&task.namespace, &task.queue, &task.kind)),
            Change::Revoke(attempt) => note(&attempt.namespace, &attempt.queue, &attempt.kind),
            Change::Recall(_) | Change::Stale => {}
        }
    }
    keys.extend(term.context.queue.types_with_entries().await?);
    Ok(keys)
}

async fn outstanding(dispatcher: &Dispatcher) -> Result<Known, Error> {
    let found = dispatcher.term().context.store.outstanding().await?;
    Ok(found.into_iter().map(|known| (known.attempt.task_id, known)).collect())
}

/// Reads what lies in the streams of a type.
pub(super) async fn read_lanes(dispatcher: &Dispatcher, key: &TypeKey) -> Result<Vec<Lying>, Error> {
    let lying = dispatcher.term().context.queue.lying(key).await?;
    let attempt = |stored: Stored| stored.header.ok().map(|header| (header.id, header.attempt));
    Ok(lying.into_iter().map(|(lane, stored)| Lying { lane, entry: stored.id, attempt: attempt(stored) }).collect())
}

/// Judges what lies in the streams of a type that turned up after the start.
pub(super) async fn judge_alone(dispatcher: &Dispatcher, key: &Arc<TypeKey>, lying: Vec<Lying>) -> Result<(), Error> {
    if lying.is_empty() {
        return Ok(());
    }
    let outstanding = outstanding(dispatcher).await?;
    judge(dispatcher, key, lying, &outstanding).await
}

/// Enters what the ledger knows, and deletes what is stale or double.
async fn judge(dispatcher: &Dispatcher, key: &Arc<TypeKey>, lying: Vec<Lying>, outstanding: &Known) -> Result<(), Error> {
    let term = dispatcher.term();
    let mut stale = Vec::new();
    for Lying { lane, entry, attempt } in lying {
        let known = attempt
            .and_then(|(task, attempt)| outstanding.get(&task).filter(|known| known.attempt.attempt == attempt))
            .filter(|known| term.in_flight.get(known.attempt.task_id).is_none());
        let Some(Outstanding { attempt, .. }) = known else {
            stale.push(EntryRef { lane, id: entry });
            continue;
        };
        term.in_flight.insert(attempt.task_id, Flight::new(key, lane, Place::Entry(entry), attempt));
    }
    if !stale.is_empty() {
        tracing::info!(%key, entries = stale.len(), "stale entries are deleted");
        term.context.queue.remove(key, &stale, term.owner).await?;
    }
    Ok(())
}

/// Compares the table with the ledger once more: what has ended meanwhile is forgotten, and what the ledger has called queued or
/// running all the time while Redis does not have it is taken for lost.
async fn settle_differences(dispatcher: &mut Dispatcher, before: &Known, flights: &HashMap<Uuid, Flight>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let now = outstanding(dispatcher).await?;
    let is_known = |task: Uuid, attempt: u32| now.get(&task).is_some_and(|known| known.attempt.attempt == attempt);
    for (task, flight) in term.in_flight.matching(|task, flight| !is_known(task, flight.attempt)) {
        term.in_flight.remove(task, flight.attempt);
    }
    let is_same = |known: &Outstanding| before.get(&known.attempt.task_id).is_some_and(|before| before.attempt == known.attempt);
    let is_missing = |known: &Outstanding| term.in_flight.get(known.attempt.task_id).is_none();
    let missing: Vec<Outstanding> = now.into_values().filter(|known| is_same(known) && is_missing(known)).collect();
    lost::recover(dispatcher, missing, flights).await
}
