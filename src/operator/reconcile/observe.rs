//! Stage 1: what is there. The object as the cache has it, and the job as the ledger has it.

use std::time::Duration;

use kube::ResourceExt;
use uuid::Uuid;

use super::unreadable;
use crate::core::id;
use crate::crd::IgorJob;
use crate::operator::term::Term;
use crate::operator::{Error, Job};
use crate::store::{self, Snapshot};

/// How soon a stale cache is looked at again.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the cache may lag behind our own writes before it is believed again.
const STALE_FOR: Duration = Duration::from_secs(5);

/// What a reconcile starts from.
pub(super) struct Observed {
    /// The object; its inline tasks only if they are few and it is new.
    pub(super) object: IgorJob,
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// Its creation, unix milliseconds.
    pub(super) created_ms: i64,
    pub(super) generation: i64,
    /// The job in the ledger, if it is known there; not looked for when the object is new.
    pub(super) known: Option<Snapshot>,
    /// The ledger was not asked, because nobody seems to have handled the object yet.
    is_new: bool,
}

/// What the cache shows.
pub(super) enum Seen {
    /// A job to work on.
    Present(Box<Observed>),
    /// An older state than the one we wrote.
    Stale,
    /// Somebody deletes it, or it cannot be read.
    Leaving,
}

/// Looks at the object and the ledger.
pub(super) async fn observe(term: &Term, job: &Job) -> Result<Seen, Error> {
    let object = match &job.0 {
        Ok(object) => object.clone(),
        Err(invalid) => {
            Box::pin(unreadable::refuse(term, job, invalid)).await?;
            return Ok(Seen::Leaving);
        }
    };
    let uid = object.uid().unwrap_or_default();
    let version = version(&object);
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Seen::Leaving);
    }
    if term.context.memory(&uid, |memory| memory.version).is_some_and(|(ours, at)| ours > version && at.elapsed() < STALE_FOR) {
        return Ok(Seen::Stale);
    }
    let created_ms = object.metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_millisecond());
    let is_new = is_new(term, &uid, &object);
    let known = if is_new { None } else { look(term, id::job(created_ms, &uid)).await? };
    let namespace = object.namespace().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or(0);
    Ok(Seen::Present(Box::new(Observed { uid, namespace, name: object.name_any(), created_ms, generation, known, is_new, object })))
}

/// Whether nobody has handled the object yet, as far as can be told. Accepting it finds out: what the ledger knows is not accepted twice.
fn is_new(term: &Term, uid: &str, object: &IgorJob) -> bool {
    let is_first = term.context.memory(uid, |memory| memory.seen.is_none());
    term.context.first_seen(uid);
    is_first && object.status.is_none()
}

/// Asks the ledger after all, if that was left out; whether it knows the job.
pub(super) async fn look_after_all(term: &Term, observed: &mut Observed) -> Result<bool, Error> {
    if !std::mem::take(&mut observed.is_new) {
        return Ok(false);
    }
    observed.known = look(term, id::job(observed.created_ms, &observed.uid)).await?;
    Ok(observed.known.is_some())
}

async fn look(term: &Term, job_id: Uuid) -> Result<Option<Snapshot>, Error> {
    match term.context.store.snapshot(job_id).await {
        Err(store::Error::UnknownJob(_)) => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// The resourceVersion as a number; the API promises that it is one and rises.
pub(super) fn version(object: &IgorJob) -> u64 {
    object.resource_version().and_then(|version| version.parse().ok()).unwrap_or(0)
}
