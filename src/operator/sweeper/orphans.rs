//! Objects of tasks whose job is not there: told so, and taken when the job comes after all.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::filled;
use crate::crd::IgorTask;
use crate::crd::status::rejected;
use crate::operator::controller::Watched;
use crate::operator::dispatcher::now_ms;
use crate::operator::reconcile::{JOB_NOT_FOUND, write_task};
use crate::operator::term::Term;
use crate::operator::{Error, Job};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// A job may be applied a little later than its tasks.
const PATIENCE_MS: i64 = 30_000;

/// Rejects such objects, until the term is over.
pub(in crate::operator) async fn orphans(term: Arc<Term>, watched: Vec<Watched>) -> Result<(), Error> {
    if !filled(&term, &watched).await? {
        return Ok(());
    }
    loop {
        tokio::select! {
            () = term.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(EVERY) => {}
        }
        for task in term.children.of_users().iter().filter(|task| is_waiting(task) && !has_job(&watched, task)) {
            let message = format!("there is no IgorJob {}: apply it, or delete this object", task.spec.job_name);
            write_task(&term, &task.namespace().unwrap_or_default(), &task.name_any(), &rejected(JOB_NOT_FOUND, &message)).await?;
        }
        term.fine("orphans");
    }
}

/// Whether nothing was said of it for a while.
fn is_waiting(task: &IgorTask) -> bool {
    let since = task.creation_timestamp().map_or(0, |time| time.0.as_millisecond());
    task.status.as_ref().is_none_or(|status| status.phase.is_none()) && since < now_ms() - PATIENCE_MS
}

fn has_job(watched: &[Watched], task: &IgorTask) -> bool {
    let reference = ObjectRef::<Job>::new(&task.spec.job_name).within(&task.namespace().unwrap_or_default());
    watched.iter().any(|part| part.cache.get(&reference).is_some())
}
