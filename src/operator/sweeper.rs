//! Looks for what nobody reports: leases of workers that are gone, tasks past their timeout, jobs whose object is gone, types
//! that nobody serves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use uuid::Uuid;

use super::controller::{Deleted, Gone, Watched};
use super::pokes::Moved;
use super::term::Term;
use super::{Error, Job, collector, dispatcher, relay};
use crate::core::fold::{Report, Said};
use crate::core::id;
use crate::crd::IgorJob;
use crate::queue::{EntryId, EntryRef, Lane, Settled, TypeKey, WorkerInfo};
use crate::store::LiveJob;

/// How often the workers of each type are looked for, and jobs that another process changed.
const SURVEY: Duration = Duration::from_secs(1);
/// How often all unfinished jobs are compared with the cache.
const GONE: Duration = Duration::from_secs(30);
/// Most slots that are believed of one worker: a claim must not open the windows without bound.
const SLOTS_MAX: u64 = 1024;

/// An entry that was idle too long in the last sweep, and the newest result at that moment.
type Suspects = HashMap<(TypeKey, Lane, EntryId), Option<EntryId>>;

/// Finds leases that their workers no longer renew, until the term is over.
pub(super) async fn leases(term: Arc<Term>) -> Result<(), Error> {
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
            connections = now;
        }
        let mut next = Suspects::new();
        for key in followed(&term) {
            let swept = sweep_type(&term, &key, &suspects, &mut next).await;
            isolate(&term, "sweep the leases of a type", swept)?;
        }
        suspects = next;
        if term.in_flight.has_overdue(lease * 2) {
            let ended = overdue(&term, lease * 2).await;
            isolate(&term, "end what is past its timeout", ended)?;
        }
    }
}

/// One type's trouble is not the others'; only a lost fence ends the loop.
fn isolate(term: &Term, act: &'static str, done: Result<(), Error>) -> Result<(), Error> {
    match done {
        Err(error) if error.is_fenced() => Err(error),
        Err(error) => {
            tracing::warn!(act, error = &error as &dyn std::error::Error, "failed, will be tried again");
            if error.is_missing_meta() {
                term.wakes.doubt();
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn followed(term: &Term) -> BTreeSet<TypeKey> {
    term.followed.borrow().clone()
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
    // When most of a type is idle at once the fault may be ours or the network's: one more lease.
    let enough_ms = if 2 * idle.len() > term.in_flight.of_type(key) { 2 * lease_ms } else { lease_ms };
    let newest = term.context.queue.last_result(key).await?;
    let workers: HashMap<String, WorkerInfo> =
        term.context.queue.workers(key).await?.into_iter().map(|worker| (worker.id.clone(), worker)).collect();
    let shared = Arc::new(key.clone());
    let mut lost = Vec::new();
    for (lane, pending) in idle {
        let place = (key.clone(), lane, pending.id);
        let seen_before = before.get(&place).copied();
        next.insert(place, seen_before.unwrap_or(newest));
        let drained = seen_before.is_some_and(|then| then.is_none_or(|last| term.types.is_committed(key, last)));
        let has_card = workers.get(&pending.consumer).is_some_and(|worker| worker.card.is_some());
        if drained
            && pending.idle_ms >= enough_ms
            && (!has_card || pending.idle_ms > 3 * lease_ms)
            && let Some((task, attempt)) = term.in_flight.at(&shared, lane, pending.id)
        {
            lost.push((task, attempt, EntryRef { lane, id: pending.id }, pending.consumer));
        }
    }
    declare_lost(term, key, lost).await
}

async fn declare_lost(term: &Term, key: &TypeKey, lost: Vec<(Uuid, u32, EntryRef, String)>) -> Result<(), Error> {
    if lost.is_empty() {
        return Ok(());
    }
    tracing::warn!(%key, tasks = lost.len(), "leases ran out: their workers are gone");
    metrics::counter!("igor_leases_expired_total").increment(lost.len() as u64);
    let outcomes = lost
        .iter()
        .map(|(task, attempt, _, worker)| {
            let message = format!("worker {worker} was lost");
            collector::outcome(term, key, Report { worker: Some(worker.clone()), ..said(*task, *attempt, Said::Lost, message) })
        })
        .collect();
    collector::commit(term, outcomes).await?;
    let entries: Vec<EntryRef> = lost.iter().map(|(_, _, entry, _)| *entry).collect();
    term.context.queue.settle(&[Settled { key: key.clone(), entries, results: Vec::new() }], term.owner).await?;
    for (task, attempt, _, _) in lost {
        term.in_flight.remove(task, attempt);
    }
    term.wakes.room();
    Ok(())
}

fn said(task: Uuid, attempt: u32, said: Said, message: String) -> Report {
    let at_ms = dispatcher::now_ms();
    Report { task, attempt, said, message: Some(message), why: None, retry_ms: None, last: false, at_ms, run_ms: None, worker: None }
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

/// Looks for the workers of each type, and takes up what another process changed, until the term is over.
pub(super) async fn survey(term: Arc<Term>) -> Result<(), Error> {
    // Types that should have entries and had none in the last look.
    let mut empty = BTreeSet::new();
    let mut ticks = tokio::time::interval(SURVEY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        term.types.rate();
        let taken = take_up(&term).await;
        isolate(&term, "take up what others changed", taken)?;
        for key in followed(&term) {
            let seen = look_at(&term, &key, &mut empty).await;
            isolate(&term, "look for the workers of a type", seen)?;
        }
    }
}

/// Jobs that another process changed, and jobs whose time is over.
async fn take_up(term: &Term) -> Result<(), Error> {
    for job in term.context.store.take_dirty(term.epoch).await? {
        term.know(job.job_id, &job.namespace, &job.name);
        term.wakes.outbox();
        term.wakes.jobs([job.job_id]);
        term.poke(job.job_id, Moved::Change);
    }
    for job in term.context.store.past_deadline().await? {
        term.know(job.job_id, &job.namespace, &job.name);
        term.poke(job.job_id, Moved::Change);
    }
    Ok(())
}

async fn look_at(term: &Term, key: &TypeKey, empty: &mut BTreeSet<TypeKey>) -> Result<(), Error> {
    compare(term, key, empty).await?;
    let workers = term.context.queue.workers(key).await?;
    let cards: Vec<_> = workers.iter().filter_map(|worker| worker.card.as_ref()).collect();
    let slots: u64 = cards.iter().map(|card| card.slots.clamp(1, SLOTS_MAX)).sum();
    let batch = cards.iter().map(|card| card.batch.clamp(1, u64::from(term.context.config.tasks.batch_max))).max().unwrap_or(1);
    let sized = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    if term.types.surveyed(key, cards.len(), sized(slots), sized(batch)) {
        for job in term.in_flight.jobs_of(key) {
            term.poke(job, Moved::Change);
        }
        term.wakes.room();
    }
    for gone in workers.iter().filter(|worker| worker.card.is_none() && worker.pending == 0) {
        term.context.queue.forget(key, &gone.id, term.owner).await?;
    }
    Ok(())
}

/// Whether Redis has what the table says: the type's meta with our name, and entries where there should be some, twice in a row.
async fn compare(term: &Term, key: &TypeKey, empty: &mut BTreeSet<TypeKey>) -> Result<(), Error> {
    let meta = term.context.queue.meta(key).await?;
    let is_ours = meta.get("owner").is_some_and(|owner| *owner == term.owner.to_string()) && meta.contains_key("gen");
    let lie: u64 = term.context.queue.backlog(key).await?.iter().map(|lane| lane.length).sum();
    let was_empty = empty.remove(key);
    let is_empty = lie == 0 && term.in_flight.of_type(key) > 0;
    if is_empty && !was_empty {
        empty.insert(key.clone());
    }
    if !is_ours || is_empty && was_empty {
        tracing::warn!(%key, is_ours, "Redis does not hold what it should: everything is compared anew");
        term.wakes.doubt();
    }
    Ok(())
}

/// Kills what is left of jobs whose object is gone, until the term is over. `deleted` tells of deletions as they happen; a look at
/// all unfinished jobs finds those that nobody told of.
pub(super) async fn gone(term: Arc<Term>, watched: Vec<Watched>, deleted: Deleted) -> Result<(), Error> {
    let mut deleted = deleted.lock().await;
    for part in &watched {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            filled = part.filled() => filled?,
        }
    }
    let mut ticks = tokio::time::interval(GONE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let mut told = HashSet::new();
        let all = tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => true,
            gone = deleted.recv() => {
                let Some(gone) = gone else { return Ok(()) };
                let mut next = Some(gone);
                while let Some(Gone { uid, created_ms }) = next {
                    term.forget(id::job(created_ms, &uid));
                    term.context.forget(&uid);
                    told.insert(uid);
                    next = deleted.try_recv().ok();
                }
                false
            }
        };
        for job in term.context.store.live_jobs().await? {
            let missed = all && is_watched_and_missing(&watched, &job);
            if missed || told.contains(&job.uid) {
                let ended = end_if_gone(&term, &job).await;
                isolate(&term, "end a job whose object is gone", ended)?;
            }
        }
    }
}

async fn end_if_gone(term: &Term, job: &LiveJob) -> Result<(), Error> {
    if !is_gone(term, job).await? {
        return Ok(());
    }
    let done = term.context.store.delete_job(Some(term.epoch), job.job_id, "igor-operator").await?;
    tracing::info!(job = %job.name, namespace = %job.namespace, tasks = done.changed, "its object is gone: stopped");
    term.announce(&done.change);
    term.wakes.outbox();
    term.wakes.jobs([job.job_id]);
    term.forget(job.job_id);
    term.context.forget(&job.uid);
    Ok(())
}

/// Jobs of namespaces that are not watched may be another operator's.
fn is_watched_and_missing(watched: &[Watched], job: &LiveJob) -> bool {
    let reference = ObjectRef::new(&job.name).within(&job.namespace);
    let is_it = |object: &Job| object.uid().as_deref() == Some(&job.uid);
    watched
        .iter()
        .find(|part| part.namespace.as_ref().is_none_or(|namespace| *namespace == job.namespace))
        .is_some_and(|part| !part.cache.get(&reference).is_some_and(|object| is_it(&object)))
}

/// 404 or another uid; every other answer is no proof.
async fn is_gone(term: &Term, job: &LiveJob) -> Result<bool, Error> {
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &job.namespace);
    match api.get_metadata_opt(&job.name).await {
        Ok(None) => Ok(true),
        Ok(Some(PartialObjectMeta { metadata, .. })) => Ok(metadata.uid.as_deref() != Some(&job.uid)),
        Err(source) => Err(Error::Kube { act: "look for a job's object", source }),
    }
}
