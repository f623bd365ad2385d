//! A look each second: who serves each type, whether Redis holds what it should, what another process changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{followed, isolate};
use crate::operator::Error;
use crate::operator::pokes::Moved;
use crate::operator::term::Term;
use crate::queue::TypeKey;

/// How often the workers of each type are looked for, and jobs that another process changed.
const SURVEY: Duration = Duration::from_secs(1);
/// Most slots that are believed of one worker: a claim must not open the windows without bound.
const SLOTS_MAX: u64 = 1024;

/// Looks for the workers of each type, and takes up what another process changed, until the term is over.
pub(in crate::operator) async fn survey(term: Arc<Term>) -> Result<(), Error> {
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
