//! An object that this version cannot read: it is told so, in its status and in an Event, and nobody else has to wait for it.

use kube::api::{Api, Patch, PatchParams};
use kube::core::error_boundary::InvalidObject;
use kube::runtime::events::EventType;
use kube::{Resource, ResourceExt};

use super::facts::gather;
use super::publish::status_patch;
use super::tell;
use crate::core::plan::Reason;
use crate::crd;
use crate::operator::dispatcher::now_ms;
use crate::operator::term::Term;
use crate::operator::{Error, Job};

/// Says so, once in the life of this process. A job that was accepted runs on as it was.
pub(super) async fn refuse(term: &Term, job: &Job, invalid: &InvalidObject) -> Result<(), Error> {
    let note = format!("this version of igor cannot read the object: {}", invalid.error);
    if tell::is_told(term, job, &note) || job.meta().deletion_timestamp.is_some() {
        return Ok(());
    }
    let (uid, generation) = (job.uid().unwrap_or_default(), job.meta().generation.unwrap_or(0));
    let created_ms = job.creation_timestamp().map_or(0, |time| time.0.as_millisecond());
    let known = match term.context.store.job_by_uid(created_ms, &uid).await? {
        Some(job_id) => Some(gather(term, &term.context.store.snapshot(job_id).await?).await),
        None => None,
    };
    let status = crd::status::job_status(known.as_ref(), Some((Reason::InvalidSpec, &note)), None, generation, now_ms());
    let patch = status_patch(job, &status);
    term.context.writes.turn().await;
    // The answer is as unreadable as the object.
    let api: Api<Job> = Api::namespaced(term.context.client.clone(), &job.namespace().unwrap_or_default());
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "status").increment(1);
    match api.patch_status(&job.name_any(), &PatchParams::apply(crd::FIELD_MANAGER).force(), &Patch::Apply(&patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        written => drop(written.map_err(|source| Error::Kube { act: "write the job's status", source })?),
    }
    tell::once(term, job, EventType::Warning, "InvalidSpec", &note);
    Ok(())
}
