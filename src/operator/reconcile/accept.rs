//! Stage 3: the plan goes into the ledger, once; and what a later one adds to it.

use super::command::{bare, levels};
use super::observe::Observed;
use super::resolve::{Refusal, Refused, Resolution};
use crate::core::id;
use crate::core::job::Layer;
use crate::core::plan::{Plan, Reason};
use crate::crd::{self, IgorJob};
use crate::operator::Error;
use crate::operator::term::Term;
use crate::operator::traces;
use crate::store::{self, Identity, Standing};
use uuid::Uuid;

/// Where the job stands with the ledger.
pub(super) struct Acceptance {
    /// The accepted job, also when an edit of it was refused.
    pub(super) job_id: Option<Uuid>,
    /// What is wrong with the spec as it is now.
    pub(super) refusal: Option<Refusal>,
    /// Part of the plan is in: the next reconcile goes on at once.
    pub(super) loading: bool,
    /// The ledger may have changed since it was looked at.
    pub(super) wrote: bool,
    /// It was accepted just now, and goes on.
    pub(super) begun: bool,
}

/// Writes the plan, or finds that it is there.
pub(super) async fn accept(term: &Term, observed: &Observed, resolution: Resolution) -> Result<Acceptance, Error> {
    let known = observed.known.as_ref().map(|known| known.job_id);
    if let Some(job_id) = known {
        term.know(job_id, &observed.namespace, &observed.name);
    }
    match resolution {
        Resolution::Settled => Ok(Acceptance { job_id: known, refusal: None, loading: false, wrote: false, begun: false }),
        Resolution::Refused(refusal) => {
            if let Some(known) =
                observed.known.as_ref().filter(|known| known.job.accepted && known.job.layers.iter().any(Layer::is_loading))
            {
                // The rest of an edit that was being loaded will not come.
                term.context.store.take_back(term.epoch, known.job_id).await?;
            }
            Ok(Acceptance { job_id: known, refusal: Some(refusal), loading: false, wrote: true, begun: false })
        }
        Resolution::Plan(plan, object) => Box::pin(write(term, observed, &plan, &object)).await,
    }
}

async fn write(term: &Term, observed: &Observed, plan: &Plan, object: &IgorJob) -> Result<Acceptance, Error> {
    let identity = Identity {
        uid: observed.uid.clone(),
        namespace: observed.namespace.clone(),
        name: observed.name.clone(),
        created_ms: observed.created_ms,
        generation: object.metadata.generation.unwrap_or(0),
        origin: origin(object),
        levels: levels(object),
        restored: observed.known.is_none() && observed.object.status.as_ref().is_some_and(accepted_before),
    };
    let accepted = match term.context.store.accept_step(term.epoch, &identity, plan).await {
        Ok(Some(accepted)) => accepted,
        Ok(None) => {
            let job_id = id::job(identity.created_ms, &identity.uid);
            return Ok(Acceptance { job_id: Some(job_id), refusal: None, loading: true, wrote: true, begun: false });
        }
        Err(error @ store::Error::HistoryArchived { .. }) => {
            let refusal = Refusal::new(Reason::HistoryArchived, error.to_string());
            return Ok(Acceptance { job_id: None, refusal: Some(refusal), loading: false, wrote: true, begun: false });
        }
        Err(error) => return Err(error.into()),
    };
    term.know(accepted.job_id, &observed.namespace, &observed.name);
    if accepted.standing == Standing::Fresh {
        begin(term, observed, &identity, &accepted);
    } else {
        term.announce(&accepted.change);
        // What an earlier try of this did may never have been told.
        term.wakes.jobs([accepted.job_id]);
    }
    let refusal = (!accepted.refused.is_empty()).then(|| {
        let Refusal { reason, message } = Refusal::of(&accepted.refused);
        let refusal = Refusal::new(reason, format!("{message}\nthe job runs on with the accepted plan"));
        let refused = Refused::new(observed, identity.generation, refusal.clone());
        term.context.remember(&observed.uid, |memory| memory.refused = Some(refused));
        refusal
    });
    let begun = accepted.standing == Standing::Fresh && !accepted.change.finished;
    Ok(Acceptance { job_id: Some(accepted.job_id), refusal, loading: false, wrote: true, begun })
}

/// What follows from an acceptance that was just now.
fn begin(term: &Term, observed: &Observed, identity: &Identity, accepted: &store::Accepted) {
    term.begin(&accepted.change);
    // What was seen since a longer load began, the ledger has not been told.
    if accepted.inserted && !identity.restored {
        term.context.remember(&observed.uid, |memory| memory.levels = Some(bare(&identity.levels)));
    }
    // Of what is made over HTTP, the API tells.
    if identity.origin != crd::ORIGIN_API {
        let names = vec![("igor.namespace", observed.namespace.clone()), ("igor.job", observed.name.clone())];
        traces::accepted(accepted.job_id, term.context.first_seen(&observed.uid), names);
    }
}

fn origin(object: &IgorJob) -> String {
    let labels = object.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(crd::LABEL_ORIGIN)).cloned().unwrap_or_else(|| "kubectl".to_owned())
}

/// Of an object that the ledger does not know: the status says that the job was accepted, so the ledger is younger than the object.
/// A status alone proves nothing: a spec that was refused has one too.
fn accepted_before(status: &crd::IgorJobStatus) -> bool {
    let is_accepted = |condition: &crd::Condition| {
        condition.type_ == "Accepted"
            && (condition.status == crd::ConditionStatus::True || condition.reason == Reason::ImmutablePlan.as_str())
    };
    status.started_at.is_some() || status.conditions.iter().any(is_accepted)
}
