//! Jobs whose object is gone: there is no finalizer, so the ledger is held against the cache.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;

use super::{filled, isolate};
use crate::core::id;
use crate::crd::IgorJob;
use crate::operator::controller::{Deleted, Gone, Watched};
use crate::operator::term::Term;
use crate::operator::{Error, Job};
use crate::store::{Command, LiveJob};

/// How often all unfinished jobs are compared with the cache.
const GONE: Duration = Duration::from_secs(30);

/// Kills what is left of jobs whose object is gone, until the term is over. `deleted` tells of deletions as they happen; a look at
/// all unfinished jobs finds those that nobody told of.
pub(in crate::operator) async fn gone(term: Arc<Term>, watched: Vec<Watched>, deleted: Deleted) -> Result<(), Error> {
    let mut deleted = deleted.lock().await;
    if !filled(&term, &watched).await? {
        return Ok(());
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
        term.fine("gone");
    }
}

async fn end_if_gone(term: &Term, job: &LiveJob) -> Result<(), Error> {
    if !is_gone(term, job).await? {
        return Ok(());
    }
    let done = term.carry_out(&Command::deletion(job.job_id, "igor-operator")).await?;
    tracing::info!(job = %job.name, namespace = %job.namespace, tasks = done.changed, "its object is gone: stopped");
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
