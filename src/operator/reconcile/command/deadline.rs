//! The deadline: a job whose time is over is killed.

use kube::runtime::events::EventType;
use uuid::Uuid;

use crate::core::command::{Object, Selector, Verb};
use crate::core::id;
use crate::core::words::tasks;
use crate::operator::Error;
use crate::operator::dispatcher::now_ms;
use crate::operator::reconcile::observe::Observed;
use crate::operator::reconcile::tell;
use crate::operator::term::Term;
use crate::store::Command;

/// Kills a job whose time is over; whether it did.
pub(super) async fn keep(term: &Term, observed: &Observed, job_id: Uuid) -> Result<bool, Error> {
    let due = observed.known.as_ref().filter(|known| !known.job.finished).and_then(|known| known.deadline_ms);
    let Some(due) = due.filter(|due| *due <= now_ms()) else { return Ok(false) };
    let command = Command {
        id: id::command(observed.created_ms, &observed.uid, &Object::Job.to_string(), Verb::Deadline.as_str(), &due.to_string()),
        job_id,
        object: Object::Job,
        verb: Verb::Deadline,
        selector: Selector::All,
        actor: "igor-operator".to_owned(),
        reason: None,
    };
    let done = term.carry_out(&command).await?;
    if !done.again {
        let note = format!("activeDeadlineSeconds is over: {} stopped", tasks(done.changed));
        tell::tell(term, &observed.object, EventType::Warning, "DeadlineExceeded", &note);
    }
    Ok(true)
}
