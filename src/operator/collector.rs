//! Brings results into the ledger: read, fold, commit together, then clear away in Redis.
//!
//! The next transaction starts when the last one is done and at least one result waits, so batches grow with the load by
//! themselves. Redis is cleared beside it. A crash between commit and clearing away only repeats what changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use metrics::{Histogram, histogram};
use uuid::Uuid;

use super::Error;
use super::pokes::Moved;
use super::term::Term;
use crate::core::fold::{Report, Said, fold};
use crate::core::status::Status;
use crate::proof::{Safeguard, is_left_out, linger};
use crate::queue::{self, EntryId, EntryRef, ResultBatch, ResultStream, Settled, TypeKey};
use crate::store::{Collected, Outcome};

/// Most reports of one transaction, unless a single result entry holds more.
const BATCH: usize = 1000;

/// Looked up once: it is told of every task.
static WAITED: LazyLock<Histogram> = LazyLock::new(|| histogram!("igor_task_wait_seconds"));

/// Runs until the term is over.
pub(super) async fn run(term: Arc<Term>) -> Result<(), Error> {
    let mut results = ResultStream::open(&term.context.queue);
    let mut followed = term.followed.subscribe();
    followed.mark_changed();
    let mut committed = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = term.stop.cancelled() => return clear_away(&term, committed).await,
            changed = followed.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                for key in followed.borrow_and_update().iter() {
                    results.follow(key.clone());
                }
            }
            read = results.next() => {
                let mut waiting = read.unwrap_or_else(|error| not_read(&error));
                while reports_in(&waiting) < BATCH && let Some(more) = results.try_next() {
                    waiting.extend(more.unwrap_or_else(|error| not_read(&error)));
                }
                for chunk in chunks(waiting) {
                    // Redis is cleared of what one transaction has committed while the next one is under way.
                    let before = std::mem::take(&mut committed);
                    let (cleared, done) = tokio::join!(clear_away(&term, before), commit_entries(&term, chunk));
                    cleared?;
                    committed = done?;
                }
            }
            () = std::future::ready(()), if !committed.is_empty() => clear_away(&term, std::mem::take(&mut committed)).await?,
        }
    }
}

/// The stream tries again by itself, from the beginning.
fn not_read(error: &queue::Error) -> Vec<ResultBatch> {
    tracing::warn!(error = error as &dyn std::error::Error, "results cannot be read, will be tried again");
    Vec::new()
}

fn reports_in(batches: &[ResultBatch]) -> usize {
    batches.iter().map(|batch| batch.reports.as_ref().map_or(0, Vec::len)).sum()
}

/// Result entries in the order in which they were read, a transaction's worth at a time.
fn chunks(batches: Vec<ResultBatch>) -> Vec<Vec<ResultBatch>> {
    let mut chunks: Vec<Vec<ResultBatch>> = Vec::new();
    for batch in batches {
        let reports = batch.reports.as_ref().map_or(0, Vec::len);
        match chunks.last_mut().filter(|chunk| reports_in(chunk) + reports <= BATCH) {
            Some(chunk) => chunk.push(batch),
            None => chunks.push(vec![batch]),
        }
    }
    chunks
}

/// Commits what these entries say; gives what Redis may be cleared of.
async fn commit_entries(term: &Arc<Term>, batches: Vec<ResultBatch>) -> Result<Vec<Settled>, Error> {
    let mut of_types: BTreeMap<TypeKey, OfType> = BTreeMap::new();
    for batch in batches {
        if let Err(why) = &batch.reports {
            tracing::warn!(worker = %batch.worker, key = %batch.key, %why, "a result that cannot be read is dropped");
            metrics::counter!("igor_unreadable_results_total").increment(1);
        }
        let reports = batch.reports.unwrap_or_default().into_iter().map(|report| known(term, &batch.key, report)).collect();
        of_types.entry(batch.key).or_default().add(term, batch.id, reports);
    }
    let outcomes = of_types.iter_mut().flat_map(|(key, of_type)| of_type.outcomes(term, key)).collect();
    let ended: Vec<_> = of_types.iter_mut().map(|(key, of_type)| (key.clone(), std::mem::take(&mut of_type.attempts))).collect();
    let strangers: Vec<_> = of_types.iter_mut().map(|(key, of_type)| (key.clone(), std::mem::take(&mut of_type.strangers))).collect();
    let settled: Vec<Settled> =
        of_types.into_iter().map(|(key, of_type)| Settled { key, entries: of_type.entries, results: of_type.results }).collect();
    if is_left_out(Safeguard::AckAfterCommit) {
        term.context.queue.settle(&settled, term.owner).await?;
    }
    linger("collect").await;
    commit(term, outcomes).await?;
    term.fine("collector");
    stop_strangers(term, strangers).await?;
    for (key, attempts) in ended {
        term.in_flight.remove_of(&key, &attempts);
    }
    for of_type in &settled {
        let newest = of_type.results.iter().copied().max().unwrap_or(EntryId::ZERO);
        term.types.committed(&of_type.key, newest, u32::try_from(of_type.entries.len()).unwrap_or(u32::MAX));
    }
    term.wakes.room();
    Ok(settled)
}

/// Deletes in Redis what is committed.
async fn clear_away(term: &Term, committed: Vec<Settled>) -> Result<(), Error> {
    if committed.is_empty() {
        return Ok(());
    }
    let cleared = term.context.queue.settle(&committed, term.owner).await;
    if matches!(cleared, Err(queue::Error::NoMeta(_))) {
        term.wakes.doubt();
    }
    Ok(cleared?)
}

/// What one commit has of a type.
#[derive(Default)]
struct OfType {
    reports: Vec<Report>,
    /// Attempts that have ended, their entries, and the results that said so.
    attempts: Vec<(Uuid, u32)>,
    entries: Vec<EntryRef>,
    results: Vec<EntryId>,
    /// Attempts that are said to run and are not known to be out.
    strangers: BTreeSet<(Uuid, u32)>,
}

/// A report with its task: where the worker could not read the header, the entry tells whose it was.
fn known(term: &Term, key: &TypeKey, (entry, report): (EntryRef, Report)) -> (EntryRef, Report) {
    if !report.task.is_nil() {
        return (entry, report);
    }
    match term.in_flight.at(key, entry.lane, entry.id) {
        Some((task, attempt)) => (entry, Report { task, attempt, ..report }),
        None => (entry, report),
    }
}

impl OfType {
    fn add(&mut self, term: &Term, result: EntryId, reports: Vec<(EntryRef, Report)>) {
        self.results.push(result);
        for (entry, report) in reports {
            if report.task.is_nil() {
                // Nobody's any more: only the entry is cleared away.
                self.entries.push(entry);
                continue;
            }
            if report.said != Said::Running {
                self.entries.push(entry);
                self.attempts.push((report.task, report.attempt));
            } else if !term.in_flight.announced(report.task, report.attempt) {
                self.strangers.insert((report.task, report.attempt));
            }
            self.reports.push(report);
        }
    }

    fn outcomes(&mut self, term: &Term, key: &TypeKey) -> Vec<Outcome> {
        let reports = std::mem::take(&mut self.reports);
        let reports = if is_left_out(Safeguard::Fold) { reports } else { fold(reports) };
        reports.into_iter().map(|report| outcome(term, key, report)).collect()
    }
}

/// Tells workers again to stop what they announce although it has ended: of what Redis lost no entry can be deleted, and a kill
/// that is only published may be missed.
async fn stop_strangers(term: &Term, strangers: Vec<(TypeKey, BTreeSet<(Uuid, u32)>)>) -> Result<(), Error> {
    for (key, attempts) in strangers.into_iter().filter(|(_, attempts)| !attempts.is_empty()) {
        let tasks: Vec<Uuid> = attempts.iter().map(|(task, _)| *task).collect();
        let alive = term.context.store.attempts_among(&tasks).await?;
        let dead: Vec<(Uuid, u32)> = attempts.difference(&alive).copied().collect();
        term.context.queue.publish_kill(&key, &dead).await?;
    }
    Ok(())
}

/// What the ledger is told of a report from the stream of that type.
pub(super) fn outcome(term: &Term, key: &TypeKey, report: Report) -> Outcome {
    let flight = term.in_flight.get(report.task);
    if let (Some(flight), Some(run_ms)) = (flight.as_ref().filter(|flight| flight.attempt == report.attempt), report.run_ms) {
        WAITED.record(flight.since.elapsed().saturating_sub(Duration::from_millis(run_ms)));
    }
    let unfenced = flight.as_ref().filter(|_| is_left_out(Safeguard::AttemptFence));
    let report = Report { attempt: unfenced.map_or(report.attempt, |flight| flight.attempt), ..report };
    let job_id = flight.map(|flight| flight.job);
    Outcome { report, queue: key.queue.clone(), kind: key.kind.clone(), job_id, jitter: rand::random() }
}

/// Commits outcomes and tells everybody what came of them.
pub(super) async fn commit(term: &Term, outcomes: Vec<Outcome>) -> Result<(), Error> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let began = tokio::time::Instant::now();
    let run_times: Vec<u64> = outcomes.iter().filter_map(|outcome| outcome.report.run_ms).collect();
    let jobs: BTreeSet<Uuid> = outcomes.iter().filter_map(|outcome| outcome.job_id).collect();
    let collected = match term.context.store.collect(term.epoch, outcomes).await {
        Ok(collected) => collected,
        Err(error) => {
            // Part of it may be committed: whoever shows or dispatches these jobs looks for himself.
            for job in &jobs {
                term.poke(*job, Moved::Change);
            }
            term.wakes.jobs(jobs);
            return Err(error.into());
        }
    };
    let run = histogram!("igor_task_run_seconds");
    for ms in run_times {
        run.record(Duration::from_millis(ms));
    }
    count(&collected);
    term.traces.collected(&term.in_flight, &collected.applied, began);
    let mut moved: BTreeMap<Uuid, Moved> = collected.counts.iter().map(|count| (count.job_id, Moved::Count)).collect();
    for change in &collected.jobs {
        term.wakes.advanced(change, began);
        term.announce(change);
        moved.remove(&change.job_id);
    }
    // A task that waits out of order: the dispatcher must know until when.
    term.wakes.jobs(collected.applied.iter().filter(|applied| applied.to == Status::Pending).map(|applied| applied.job_id));
    for (job, moved) in moved {
        term.poke(job, moved);
    }
    Ok(())
}

/// Tells what came of the results, to Prometheus and of refused ones to the log.
fn count(collected: &Collected) {
    metrics::counter!("igor_stale_results_total").increment(collected.stale as u64);
    for (outcome, why) in &collected.refused {
        tracing::error!(task = %outcome.report.task, attempt = outcome.report.attempt, %why, "the ledger refuses a result: it is set aside");
        metrics::counter!("igor_refused_results_total").increment(1);
    }
    for status in [Status::Completed, Status::Errored, Status::Skipped] {
        let count = collected.applied.iter().filter(|applied| applied.to == status).count();
        if count > 0 {
            metrics::counter!("igor_tasks_total", "outcome" => status.as_str()).increment(count as u64);
        }
    }
}
