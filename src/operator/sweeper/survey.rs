//! A look each second: who serves each type, whether Redis holds what it should, what another process changed.

use std::sync::Arc;
use std::time::Duration;

use super::differences::Differences;
use super::{followed, isolate};
use crate::operator::Error;
use crate::operator::pokes::Moved;
use crate::operator::term::Term;
use crate::operator::types::Staff;
use crate::queue::TypeKey;

/// How often the workers of each type are looked for, and jobs that another process changed.
const SURVEY: Duration = Duration::from_secs(1);
/// How often it is asked which types have workers at all, while one has none.
const SEARCH: u32 = 10;
/// Most slots that are believed of one worker: a claim must not open the windows without bound.
const SLOTS_MAX: u64 = 1024;

/// Looks for the workers of each type, and takes up what another process changed, until the term is over.
pub(in crate::operator) async fn survey(term: Arc<Term>) -> Result<(), Error> {
    let mut differences = Differences::default();
    let mut server = None;
    let mut until_search = 0;
    let mut ticks = tokio::time::interval(SURVEY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        term.types.rate();
        let taken = take_up(&term).await;
        let looked = look(&term, &mut differences, &mut server).await;
        let searched = search(&term, &mut until_search).await;
        match taken.and(looked).and(searched) {
            Ok(()) => term.fine("survey"),
            Err(error) => {
                term.failed("survey", &error);
                isolate(&term, "look at Redis and at what others changed", Err(error))?;
            }
        }
    }
}

async fn look(term: &Term, differences: &mut Differences, server: &mut Option<String>) -> Result<(), Error> {
    let now = term.context.queue.server_id().await?;
    let before = std::mem::replace(server, now);
    if before.is_some() && before != *server {
        tracing::warn!("Redis is another server than before: everything is compared anew");
        term.wakes.moved();
        return Ok(());
    }
    let mut first = Ok(());
    for key in followed(term) {
        let looked = look_at(term, &key, differences).await;
        if first.is_ok() {
            first = looked;
        }
    }
    differences.hold_against_ledger(term).await?;
    first
}

/// Which types have workers, when there is one that has none: its name may be mistyped.
async fn search(term: &Term, until: &mut u32) -> Result<(), Error> {
    if !term.types.any_unserved() {
        *until = 0;
        return Ok(());
    }
    if *until == 0 {
        *until = SEARCH;
        if term.types.found(term.context.queue.served().await?) {
            for key in followed(term) {
                term.in_flight.jobs_of(&key).into_iter().for_each(|job| term.poke(job, Moved::Change));
            }
        }
    }
    *until -= 1;
    Ok(())
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

async fn look_at(term: &Term, key: &TypeKey, differences: &mut Differences) -> Result<(), Error> {
    if is_whole(term, key).await? {
        differences.hold_against_streams(term, key).await?;
    }
    let workers = term.context.queue.workers(key).await?;
    let cards: Vec<_> = workers.iter().filter_map(|worker| worker.card.as_ref()).collect();
    let silent = workers.iter().filter(|worker| worker.card.is_none() && worker.pending > 0).map(|worker| worker.id.clone()).collect();
    let slots: u64 = cards.iter().map(|card| card.slots.clamp(1, SLOTS_MAX)).sum();
    let batch = cards.iter().map(|card| card.batch.clamp(1, u64::from(term.context.config.tasks.batch_max))).max().unwrap_or(1);
    let sized = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let staff = Staff { workers: cards.len(), slots: sized(slots), batch: sized(batch), silent };
    if term.types.surveyed(key, staff) {
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

/// Whether the type's meta is as we left it. While it is being restored nobody asks.
async fn is_whole(term: &Term, key: &TypeKey) -> Result<bool, Error> {
    let Some(generation) = term.types.generation(key) else { return Ok(false) };
    let meta = term.context.queue.meta(key).await?;
    let is = |field: &str, value: &str| meta.get(field).is_some_and(|found| found == value);
    let is_whole = is("owner", &term.owner.to_string()) && is("gen", &generation);
    if !is_whole && term.types.generation(key) == Some(generation) {
        tracing::warn!(%key, "Redis lost what it held of a type: everything is compared anew");
        term.wakes.doubt();
    }
    Ok(is_whole)
}
