//! How things stand, told to Prometheus now and then from what the loops know already: jobs by phase, backlog and workers of each
//! type, the outbox. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::Store as Cache;
use metrics::gauge;
use tokio::time::{Instant, MissedTickBehavior};

use super::controller::Watched;
use super::dispatcher::now_ms;
use super::term::Term;
use super::types::Standing;
use super::{Error, Job};
use crate::crd::JobPhase;
use crate::queue::{EntryId, TypeKey};

/// How often.
const TELL: Duration = Duration::from_secs(5);
/// Most types that have series of their own; the others are told as one. Types are what people write into specs.
const SERIES: usize = 200;
/// How the others are labelled.
const OTHERS: &str = "(others)";

/// Tells until the term is over; what nobody tells any more is forgotten by itself.
pub(super) async fn run(term: Arc<Term>, watched: Vec<Watched>) -> Result<(), Error> {
    let (mut series, mut first) = (BTreeSet::new(), None);
    let mut ticks = tokio::time::interval(TELL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        jobs(watched.iter().map(|part| &part.cache));
        types(&term, &mut series);
        // The answer is for the next time.
        term.types.ask();
        term.wakes.room();
        outbox(&term, &mut first).await?;
    }
}

/// Jobs by phase, as their objects say.
fn jobs<'a>(caches: impl Iterator<Item = &'a Cache<Job>>) {
    let phases = [
        JobPhase::Pending,
        JobPhase::Running,
        JobPhase::Failing,
        JobPhase::Errored,
        JobPhase::Paused,
        JobPhase::Completed,
        JobPhase::Rejected,
    ];
    let mut counts: BTreeMap<&str, u32> = phases.map(|phase| (phase.as_str(), 0)).into();
    counts.extend([("New", 0), ("Unreadable", 0)]);
    for job in caches.flat_map(Cache::state) {
        let phase = match &job.0 {
            Ok(job) => job.status.as_ref().and_then(|status| status.phase).map_or("New", JobPhase::as_str),
            Err(_) => "Unreadable",
        };
        *counts.entry(phase).or_default() += 1;
    }
    for (phase, count) in counts {
        gauge!("igor_jobs", "phase" => phase).set(count);
    }
}

/// What is told of a type.
#[derive(Clone, Copy, Default)]
struct Told {
    depth: u64,
    oldest: Duration,
    workers: usize,
}

/// Backlog and workers of the types that have any. One that has neither any more is told so once, and then no more.
fn types(term: &Term, series: &mut BTreeSet<TypeKey>) {
    let mut others = Told::default();
    let mut hidden = false;
    let standings = term.types.standings();
    let behind = standings.iter().filter(|(_, standing)| standing.undelivered > 0);
    let oldest = term.in_flight.oldest_undelivered(&behind.map(|(key, standing)| (key, standing.delivered)).collect());
    for (key, standing) in standings {
        let told = told(&standing, oldest.get(&key).copied());
        let is_idle = told.depth == 0 && told.workers == 0;
        if is_idle && !series.remove(&key) {
            continue;
        }
        if is_idle || series.contains(&key) || series.len() < SERIES {
            set(&key.queue, &key.kind, told);
            if !is_idle {
                series.insert(key);
            }
            continue;
        }
        hidden = true;
        others.depth += told.depth;
        others.workers += told.workers;
        others.oldest = others.oldest.max(told.oldest);
    }
    if hidden {
        set(OTHERS, OTHERS, others);
    }
}

fn told(standing: &Standing, first: Option<EntryId>) -> Told {
    // Redis's clock against ours.
    let age = |ms: u64| u64::try_from(now_ms()).unwrap_or(0).saturating_sub(ms);
    let oldest = first.map_or(Duration::ZERO, |entry| Duration::from_millis(age(entry.ms)));
    Told { depth: standing.undelivered + standing.ready, oldest, workers: standing.workers }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and no count comes near 2^52")]
fn set(queue: &str, kind: &str, told: Told) {
    let labels = [("queue", queue.to_owned()), ("type", kind.to_owned())];
    gauge!("igor_queue_depth", &labels).set(told.depth as f64);
    gauge!("igor_queue_oldest_seconds", &labels).set(told.oldest.as_secs_f64());
    gauge!("igor_workers", &labels).set(told.workers as f64);
}

/// For how long the first row of the outbox has been the first: rows do not know when they were written.
async fn outbox(term: &Term, first: &mut Option<(i64, Instant)>) -> Result<(), Error> {
    let now = term.context.store.outbox_first().await?;
    *first = now.map(|now| match *first {
        Some((seq, since)) if seq == now => (seq, since),
        _ => (now, Instant::now()),
    });
    gauge!("igor_outbox_lag_seconds").set(first.map_or(0.0, |(_, since)| since.elapsed().as_secs_f64()));
    Ok(())
}
