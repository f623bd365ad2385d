//! Carries what the ledger has committed into Redis: pushes, revokes, recalls, in the order of the outbox.
//!
//! Dispatch's own rows are pushed straight from memory; the table is read for revokes and recalls, and for what a crash left.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use uuid::Uuid;

use super::Error;
use super::dispatcher::Dispatcher;
use super::in_flight::{Flight, Place};
use super::term::Term;
use super::traces;
use crate::proof::{Safeguard, is_left_out, linger};
use crate::queue::{Entry, EntryId, EntryRef, Header, Lane, TypeKey};
use crate::store::{Attempt, Change, Dispatched, OutboxRow, Recalled, Scope};
use crate::trace::Context;

/// Tasks whose rows are read at once.
const PAGE: u32 = 1000;

/// Pushes attempts that the ledger has just committed, and forgets their outbox rows.
pub(super) async fn push(dispatcher: &mut Dispatcher, tasks: Vec<Dispatched>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let mut seqs = BTreeSet::new();
    let mut groups: BTreeMap<(TypeKey, u8), Vec<Dispatched>> = BTreeMap::new();
    for task in tasks {
        seqs.insert(task.seq);
        // A queue that is no longer shared with the namespace: the task stays queued in the ledger, and the status says why.
        let Some(key) = term.key(&task.namespace, &task.queue, &task.kind) else { continue };
        groups.entry((key, task.lane)).or_default().push(task);
    }
    for ((key, lane), tasks) in groups {
        let key = dispatcher.ready(key).await?;
        admit(&term, &key, lane_of(lane), tasks).await?;
    }
    dispatcher.relayed.delete(&term, seqs.into_iter().collect());
    Ok(())
}

async fn admit(term: &Term, key: &Arc<TypeKey>, lane: Lane, tasks: Vec<Dispatched>) -> Result<(), Error> {
    let began = SystemTime::now();
    let chosen: Vec<Option<Arc<str>>> = tasks.iter().map(|task| term.traces.choose(task)).collect();
    let entries: Vec<Entry> = tasks.iter().zip(&chosen).map(|(task, chosen)| entry(task, chosen.is_some())).collect();
    // Before the push: a quick worker's result may be collected before the push's own reply is read.
    let flights = tasks.iter().zip(&chosen).map(|(task, chosen)| (task.task_id, flight(key, lane, task, chosen.clone())));
    let older = flights.filter_map(|(task, flight)| term.in_flight.insert(task, flight));
    // After a kill and a retry in one breath the revoke of the attempt before is still to be relayed, and would find nothing.
    for Flight { key, lane, place, .. } in older.collect::<Vec<_>>() {
        if let Place::Entry(id) = place {
            term.context.queue.remove(&key, &[EntryRef { lane, id }], term.owner).await?;
        }
    }
    let ids = term.context.queue.admit(key, lane, &entries, term.owner).await?;
    tasks.iter().zip(&chosen).filter(|(_, chosen)| chosen.is_some()).for_each(|(task, _)| traces::dispatched(task, began));
    for (task, entry) in tasks.into_iter().zip(ids) {
        term.in_flight.pushed(task.task_id, task.attempt, entry);
    }
    Ok(())
}

fn flight(key: &Arc<TypeKey>, lane: Lane, task: &Dispatched, traced: Option<Arc<str>>) -> Flight {
    Flight {
        key: key.clone(),
        lane,
        place: Place::Pushing,
        attempt: task.attempt,
        layer: task.layer_id,
        job: task.job_id,
        timeout: task.timeout_ms.map(Duration::from_millis),
        since: Instant::now(),
        bytes: task.args.len(),
        traced,
    }
}

fn entry(task: &Dispatched, traced: bool) -> Entry {
    let header = Header {
        job: format!("{}/{}", task.namespace, task.job),
        layer: task.layer.clone(),
        name: task.name.clone(),
        index: task.ix.unwrap_or(0),
        timeout_ms: task.timeout_ms.unwrap_or(0),
        deadline_ms: task.deadline_ms.unwrap_or(0),
        retries_left: task.retries_left,
        solo: task.solo,
        traceparent: traced.then(|| Context::attempt(task.job_id, task.task_id, task.attempt).traceparent()),
        ..Header::new(task.task_id, task.attempt)
    };
    Entry { header, args: task.args.to_vec() }
}

fn lane_of(number: u8) -> Lane {
    match number {
        0 => Lane::High,
        1 => Lane::Normal,
        _ => Lane::Low,
    }
}

/// Outbox rows that are done in Redis. They are deleted beside the loop; until then whoever reads the table must know them.
#[derive(Clone, Default)]
pub(super) struct Relayed(Arc<Mutex<HashSet<i64>>>);

impl Relayed {
    /// Those of now: taken before the table is read, for what is deleted after that reading is not known here any more.
    fn known(&self) -> HashSet<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Deletes rows beside the loop. Should that fail, the next reading of the table does it.
    fn delete(&self, term: &Arc<Term>, seqs: Vec<i64>) {
        if seqs.is_empty() {
            return;
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(&seqs);
        let (term, rows) = (term.clone(), self.0.clone());
        tokio::spawn(async move {
            linger("forget").await;
            match term.context.store.outbox_delete(term.epoch, &seqs).await {
                Ok(()) => {
                    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                    for seq in &seqs {
                        rows.remove(seq);
                    }
                }
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "outbox rows are left for later"),
            }
        });
    }
}

/// Does everything that the outbox holds.
pub(super) async fn relay(dispatcher: &mut Dispatcher) -> Result<(), Error> {
    linger("relay").await;
    let mut after = 0;
    loop {
        let relayed = dispatcher.relayed.known();
        let rows = dispatcher.term().context.store.outbox_read(after, PAGE).await?;
        linger("relay-read").await;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.seq;
        page(dispatcher, rows, &relayed).await?;
    }
}

/// What of a page is to be done next, of one kind, so that it can be done together.
#[derive(Default)]
struct Run {
    pushes: Vec<Dispatched>,
    revokes: Vec<Attempt>,
    recalls: BTreeSet<Scope>,
}

async fn page(dispatcher: &mut Dispatcher, rows: Vec<OutboxRow>, relayed: &HashSet<i64>) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let mut run = Run::default();
    let mut done = Vec::new();
    for row in rows {
        match if is_left_out(Safeguard::Outbox) { Change::Stale } else { row.change } {
            Change::Stale => done.push(row.seq),
            Change::Enqueue(mut tasks) => {
                finish_recalls(&term, &mut run).await?;
                finish_revokes(dispatcher, &mut run).await?;
                let is_known = |task: &Dispatched| term.in_flight.get(task.task_id).is_some_and(|flight| flight.attempt == task.attempt);
                tasks.retain(|task| !is_known(task));
                if tasks.is_empty() || relayed.contains(&row.seq) { done.push(row.seq) } else { run.pushes.extend(tasks) }
            }
            Change::Revoke(attempt) => {
                finish_pushes(dispatcher, &mut run).await?;
                finish_recalls(&term, &mut run).await?;
                done.push(row.seq);
                run.revokes.push(attempt);
            }
            Change::Recall(scope) => {
                finish_pushes(dispatcher, &mut run).await?;
                finish_revokes(dispatcher, &mut run).await?;
                done.push(row.seq);
                run.recalls.insert(scope);
            }
        }
    }
    finish_pushes(dispatcher, &mut run).await?;
    finish_revokes(dispatcher, &mut run).await?;
    finish_recalls(&term, &mut run).await?;
    dispatcher.relayed.delete(&term, done);
    Ok(())
}

async fn finish_pushes(dispatcher: &mut Dispatcher, run: &mut Run) -> Result<(), Error> {
    if run.pushes.is_empty() {
        return Ok(());
    }
    push_late(dispatcher, std::mem::take(&mut run.pushes)).await
}

/// Pushes attempts that were read from the ledger a while ago. What has ended since then, nobody would take away again: it is now.
pub(super) async fn push_late(dispatcher: &mut Dispatcher, tasks: Vec<Dispatched>) -> Result<(), Error> {
    let ids: Vec<Uuid> = tasks.iter().map(|task| task.task_id).collect();
    let pushed: BTreeSet<(Uuid, u32)> = tasks.iter().map(|task| (task.task_id, task.attempt)).collect();
    push(dispatcher, tasks).await?;
    let term = dispatcher.term().clone();
    let alive = term.context.store.attempts_among(&ids).await?;
    let mut ended: BTreeMap<Arc<TypeKey>, Vec<(Uuid, u32)>> = BTreeMap::new();
    for (task, attempt) in pushed.difference(&alive) {
        if let Some(flight) = term.in_flight.get(*task).filter(|flight| flight.attempt == *attempt) {
            ended.entry(flight.key).or_default().push((*task, *attempt));
        }
    }
    for (key, attempts) in ended {
        revoke(&term, &key, &attempts).await?;
    }
    Ok(())
}

/// Deletes the entries, which ends the leases of who runs them, and tells the workers.
async fn finish_revokes(dispatcher: &mut Dispatcher, run: &mut Run) -> Result<(), Error> {
    let term = dispatcher.term().clone();
    let mut by_key: BTreeMap<TypeKey, Vec<(Uuid, u32)>> = BTreeMap::new();
    for attempt in std::mem::take(&mut run.revokes) {
        if let Some(key) = term.key(&attempt.namespace, &attempt.queue, &attempt.kind) {
            by_key.entry(key).or_default().push((attempt.task_id, attempt.attempt));
        }
    }
    for (key, attempts) in by_key {
        let key = dispatcher.ready(key).await?;
        revoke(&term, &key, &attempts).await?;
    }
    Ok(())
}

/// Takes attempts away from the queue and from their workers.
pub(super) async fn revoke(term: &Term, key: &TypeKey, attempts: &[(Uuid, u32)]) -> Result<(), Error> {
    let flight_of = |(task, attempt): &(Uuid, u32)| term.in_flight.get(*task).filter(|flight| flight.attempt == *attempt);
    let entry_of = |flight: Flight| Some(EntryRef { lane: flight.lane, id: flight.entry()? });
    let entries: Vec<EntryRef> = attempts.iter().filter_map(flight_of).filter_map(entry_of).collect();
    term.context.queue.remove(key, &entries, term.owner).await?;
    term.context.queue.publish_kill(key, attempts).await?;
    for (task, attempt) in attempts {
        if let Some(flight) = term.in_flight.remove(*task, *attempt) {
            traces::revoked(*task, &flight);
        }
    }
    term.wakes.room();
    Ok(())
}

/// Takes back what no worker has got: those tasks are pending again.
async fn finish_recalls(term: &Term, run: &mut Run) -> Result<(), Error> {
    let scopes = std::mem::take(&mut run.recalls);
    if scopes.is_empty() {
        return Ok(());
    }
    let flights = term.in_flight.matching(|task, flight| {
        [Scope::Job(flight.job), Scope::Layer(flight.layer), Scope::Task(task)].iter().any(|scope| scopes.contains(scope))
    });
    let mut lanes: BTreeMap<(Arc<TypeKey>, Lane), BTreeMap<EntryId, (Uuid, Flight)>> = BTreeMap::new();
    for (task, flight) in flights {
        let Some(entry) = flight.entry() else { continue };
        lanes.entry((flight.key.clone(), flight.lane)).or_default().insert(entry, (task, flight));
    }
    for ((key, lane), flights) in lanes {
        let ids: Vec<EntryId> = flights.keys().copied().collect();
        let taken = term.context.queue.recall(&key, lane, &ids, term.owner).await?;
        let back: Vec<Recalled> = taken.iter().filter_map(|id| flights.get(id)).map(|(task, flight)| recalled(*task, flight)).collect();
        for recalled in &back {
            term.in_flight.remove(recalled.task_id, recalled.attempt);
        }
        term.context.store.recall_done(term.epoch, &back).await?;
    }
    Ok(())
}

fn recalled(task_id: Uuid, flight: &Flight) -> Recalled {
    Recalled { job_id: flight.job, task_id, attempt: flight.attempt, kind: flight.key.kind.clone() }
}
