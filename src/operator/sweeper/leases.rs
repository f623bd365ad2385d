//! Leases that ran out, and tasks past their timeout.
//!
//! A worker is believed to be gone only when two sweeps find its entry idle for longer than a lease, its card is gone too, and all
//! results that were written until then are in the ledger. Where Redis lost the entry, the worker's announcements stand for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{followed, isolate};
use crate::core::fold::{Report, Said};
use crate::operator::in_flight::{Flight, Place};
use crate::operator::term::Term;
use crate::operator::{Error, collector, dispatcher, relay};
use crate::proof::{Safeguard, is_left_out};
use crate::queue::{EntryId, EntryRef, Lane, Settled, TypeKey, WorkerInfo};

/// Entries that were idle too long in the last sweep.
type Suspects = HashSet<(TypeKey, Lane, EntryId)>;

/// An attempt that nobody works on any more, its entry if there is one, and who had it.
struct Abandoned {
    task: Uuid,
    attempt: u32,
    entry: Option<EntryRef>,
    worker: Option<String>,
}

/// Finds leases that their workers no longer renew, until the term is over.
pub(in crate::operator) async fn leases(term: Arc<Term>) -> Result<(), Error> {
    let lease = term.context.config.tasks.lease;
    let mut ticks = tokio::time::interval((lease / 6).max(Duration::from_millis(50)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut suspects = Suspects::new();
    let mut connections = term.context.queue.connections_made().await;
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let now = term.context.queue.connections_made().await;
        if now != connections {
            // Our own round trips were broken: idle times of that while prove nothing.
            suspects.clear();
            term.in_flight.excuse_announcements();
            connections = now;
        }
        let mut next = Suspects::new();
        for key in followed(&term) {
            let swept = sweep_type(&term, &key, &suspects, &mut next).await;
            isolate(&term, "sweep the leases of a type", swept)?;
        }
        suspects = next;
        let silent = sweep_announced(&term, lease).await;
        isolate(&term, "look for workers that announce nothing any more", silent)?;
        if term.in_flight.has_overdue(lease * 2) {
            let ended = overdue(&term, lease * 2).await;
            isolate(&term, "end what is past its timeout", ended)?;
        }
    }
}

async fn sweep_type(term: &Term, key: &TypeKey, before: &Suspects, next: &mut Suspects) -> Result<(), Error> {
    let lease_ms = u64::try_from(term.context.config.tasks.lease.as_millis()).unwrap_or(u64::MAX);
    let mut idle = Vec::new();
    for lane in Lane::ALL {
        idle.extend(term.context.queue.pending_idle(key, lane, lease_ms).await?.into_iter().map(|pending| (lane, pending)));
    }
    if idle.is_empty() {
        return Ok(());
    }
    let workers: HashMap<String, WorkerInfo> =
        term.context.queue.workers(key).await?.into_iter().map(|worker| (worker.id.clone(), worker)).collect();
    // When most of a type is idle at once the fault may be ours or the network's: one more lease, unless other workers get through.
    let holds_idle: HashSet<&String> = idle.iter().map(|(_, pending)| &pending.consumer).collect();
    let others_renew = workers.values().any(|worker| worker.card.is_some() && !holds_idle.contains(&worker.id));
    let most = 2 * idle.len() > term.in_flight.of_type(key).tasks;
    let enough_ms = if most && !others_renew { 2 * lease_ms } else { lease_ms };
    let mut found = Vec::new();
    for (lane, pending) in idle {
        let place = (key.clone(), lane, pending.id);
        let seen_before = before.contains(&place);
        next.insert(place);
        let has_card = workers.get(&pending.consumer).is_some_and(|worker| worker.card.is_some());
        if seen_before && pending.idle_ms >= enough_ms && (!has_card || pending.idle_ms > 3 * lease_ms) {
            found.push((lane, pending));
        }
    }
    if found.is_empty() || !is_drained(term, key).await? {
        return Ok(());
    }
    let abandoned = found.into_iter().filter_map(|(lane, pending)| {
        // What the results told of meanwhile is not there any more.
        let (task, attempt) = term.in_flight.at(key, lane, pending.id)?;
        Some(Abandoned { task, attempt, entry: Some(EntryRef { lane, id: pending.id }), worker: Some(pending.consumer) })
    });
    declare_lost(term, key, abandoned.collect()).await
}

/// Whether all results of the type that were written until now are in the ledger; waits a little for them.
async fn is_drained(term: &Term, key: &TypeKey) -> Result<bool, Error> {
    if is_left_out(Safeguard::DrainBeforeSweep) {
        return Ok(true);
    }
    let newest = term.context.queue.last_result(key).await?;
    Ok(term.types.drained(key, newest, term.context.config.tasks.lease / 6).await)
}

/// Attempts that live by announcements, and were not announced for a lease.
async fn sweep_announced(term: &Term, lease: Duration) -> Result<(), Error> {
    let is_silent = |flight: &Flight| matches!(flight.place, Place::Announced(at) if at.elapsed() > lease);
    let silent = term.in_flight.matching(|_, flight| is_silent(flight));
    let keys: BTreeSet<TypeKey> = silent.iter().map(|(_, flight)| TypeKey::clone(&flight.key)).collect();
    for key in keys {
        if is_drained(term, &key).await? {
            let abandoned = term.in_flight.matching(|_, flight| *flight.key == key && is_silent(flight));
            let abandoned =
                abandoned.into_iter().map(|(task, flight)| Abandoned { task, attempt: flight.attempt, entry: None, worker: None });
            declare_lost(term, &key, abandoned.collect()).await?;
        }
    }
    Ok(())
}

async fn declare_lost(term: &Term, key: &TypeKey, lost: Vec<Abandoned>) -> Result<(), Error> {
    if lost.is_empty() {
        return Ok(());
    }
    tracing::warn!(%key, tasks = lost.len(), "leases ran out: their workers are gone");
    metrics::counter!("igor_leases_expired_total").increment(lost.len() as u64);
    let outcomes = lost
        .iter()
        .map(|Abandoned { task, attempt, worker, .. }| {
            let message = format!("worker {} was lost", worker.as_deref().unwrap_or("of an earlier Redis"));
            collector::outcome(term, key, Report { worker: worker.clone(), ..said(*task, *attempt, Said::Lost, message) })
        })
        .collect();
    collector::commit(term, outcomes).await?;
    let entries: Vec<EntryRef> = lost.iter().filter_map(|abandoned| abandoned.entry).collect();
    term.context.queue.settle(&[Settled { key: key.clone(), entries, results: Vec::new() }], term.owner).await?;
    for Abandoned { task, attempt, .. } in lost {
        term.in_flight.remove(task, attempt);
    }
    term.wakes.room();
    Ok(())
}

fn said(task: Uuid, attempt: u32, said: Said, message: String) -> Report {
    Report { message: Some(message), at_ms: dispatcher::now_ms(), ..Report::new(task, attempt, said) }
}

/// The backstop of timeouts: a worker that does not keep them.
async fn overdue(term: &Term, slack: Duration) -> Result<(), Error> {
    let found = term.context.store.overdue(slack, 1000).await?;
    let mut by_key: BTreeMap<TypeKey, Vec<(Uuid, u32)>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for late in found {
        let attempt = late.attempt;
        let Some(key) = term.key(&attempt.namespace, &attempt.queue, &attempt.kind) else { continue };
        let message = format!("still running after {} s", late.for_time.as_secs());
        let report = Report { why: Some("Timeout".to_owned()), ..said(attempt.task_id, attempt.attempt, Said::Errored, message) };
        outcomes.push(collector::outcome(term, &key, report));
        by_key.entry(key).or_default().push((attempt.task_id, attempt.attempt));
    }
    collector::commit(term, outcomes).await?;
    for (key, attempts) in by_key {
        relay::revoke(term, &key, &attempts).await?;
    }
    Ok(())
}
