//! Stage 4: what people ask for, by annotations on the job, on its layers' handles and on objects of its tasks; and the deadline.
//!
//! A one-shot is stamped with an id, applied by the ledger once, acknowledged in the status of the object that carries it, and removed;
//! each step may be repeated. `igor/pause` is a level: its edges act.

mod carrier;
mod deadline;
mod levels;
mod one_shot;
mod words;

use std::time::Duration;

use kube::ResourceExt;

pub(super) use self::carrier::Carrier;
pub(in crate::operator) use self::levels::Level;
use self::levels::Which;
pub(super) use self::levels::{bare, levels};
use self::one_shot::Shot;
use super::accept::Acceptance;
use super::layers;
use super::observe::Observed;
use crate::core::command::{Object, Verb};
use crate::crd;
use crate::operator::Error;
use crate::operator::term::Term;
use crate::store::Progress;

/// What the ledger is not through with is looked at again so soon.
const SOON: Duration = Duration::from_secs(1);

/// What was done of all that is asked for.
#[derive(Debug, Default)]
pub(super) struct Handled {
    /// To be acknowledged, then removed.
    pub(super) commands: Vec<Acknowledged>,
    /// Commands were given their ids: the changes come back by the watch, and are handled then.
    pub(super) stamped: bool,
    /// Something is not done yet and to be looked at again so soon.
    pub(super) again: Option<Duration>,
    /// A large command is not through: what acts behind it has not acted.
    under_way: bool,
    /// The ledger may have changed since it was looked at.
    wrote: bool,
    carriers: Vec<Carrier>,
}

/// A command that the ledger has applied.
#[derive(Debug)]
pub(super) struct Acknowledged {
    pub(super) object: Object,
    pub(super) verb: Verb,
    pub(super) token: String,
    /// The annotation's value, unless it is the user's to keep.
    remove: Option<String>,
}

impl Handled {
    /// What is to be acknowledged on an object: its verbs with their tokens.
    pub(super) fn on(&self, object: &Object) -> impl Iterator<Item = (String, String)> {
        let own = self.commands.iter().filter(move |command| command.object == *object);
        own.map(|command| (command.verb.as_str().to_owned(), command.token.clone()))
    }

    /// Whether the ledger may have changed since it was looked at.
    pub(super) fn wrote(&self) -> bool {
        self.wrote || self.under_way || self.again.is_some() || !self.commands.is_empty()
    }

    /// Looks again after so long, or sooner.
    pub(super) fn again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |known| known.min(after)));
    }
}

/// Does what is asked for and not done yet.
pub(super) async fn command(term: &Term, observed: &Observed, acceptance: &Acceptance) -> Result<Handled, Error> {
    let carriers = carriers(term, observed).await?;
    levels::warn_of_odd(term, observed, &carriers);
    let mut handled = Handled::default();
    let Some(job_id) = acceptance.job_id else { return Ok(handled) };
    let alone = !carriers.iter().any(one_shot::is_asked);
    handled.wrote |= levels::follow(term, observed, job_id, &carriers, if alone { Which::All } else { Which::Paused }).await?;
    handled.wrote |= deadline::keep(term, observed, job_id).await?;
    for carrier in &carriers {
        handled.stamped |= one_shot::stamp_all(term, observed, carrier).await?;
    }
    if handled.stamped {
        return Ok(handled);
    }
    one_shots(term, observed, job_id, &carriers, &mut handled).await?;
    if !alone && !handled.under_way {
        handled.wrote |= levels::follow(term, observed, job_id, &carriers, Which::All).await?;
    }
    handled.carriers = carriers;
    Ok(handled)
}

/// All objects that may carry annotations, with what is acknowledged on them.
async fn carriers(term: &Term, observed: &Observed) -> Result<Vec<Carrier>, Error> {
    let carriers = carrier::of_job(term, observed);
    let asks_a_layer = |carrier: &Carrier| matches!(carrier.object, Object::Layer(_)) && one_shot::is_asked(carrier);
    if !carriers.iter().any(asks_a_layer) {
        return Ok(carriers);
    }
    layers::look(term, observed).await?;
    Ok(carrier::of_job(term, observed))
}

/// Several at once act in the order of the verbs, between what pauses and what goes on. A large command goes on with the next reconcile, and those behind it wait.
async fn one_shots(term: &Term, observed: &Observed, job_id: uuid::Uuid, carriers: &[Carrier], handled: &mut Handled) -> Result<(), Error> {
    for verb in Verb::ONE_SHOTS {
        for carrier in carriers {
            match one_shot::carry_out(term, observed, job_id, carrier, verb).await? {
                Shot::Handled(command) => handled.commands.push(command),
                Shot::Waits => handled.again(SOON),
                Shot::Nothing => {}
                Shot::More => {
                    handled.under_way = true;
                    handled.again(Duration::ZERO);
                    return Ok(());
                }
            }
        }
    }
    if handled.commands.is_empty() && observed.known.as_ref().is_some_and(|known| known.job.gated) {
        // A command that nobody gives any more, or that another process began.
        match term.context.store.resume(Some(term.epoch), job_id).await? {
            Some(Progress::More(change)) => {
                term.carried_out(job_id, &change);
                handled.again(Duration::ZERO);
            }
            Some(Progress::Done(done)) => {
                term.carried_out(job_id, &done.change);
                handled.wrote = true;
            }
            None => {}
        }
    }
    Ok(())
}

/// Removes the annotations of commands that are acknowledged by now, and levels that have become untrue.
pub(super) async fn clear(term: &Term, observed: &Observed, acceptance: &Acceptance, handled: Handled) -> Result<(), Error> {
    if let Some(job_id) = acceptance.job_id.filter(|_| !handled.under_way) {
        levels::drop_untrue(term, observed, job_id, &handled.carriers).await?;
    }
    for command in &handled.commands {
        let carrier = handled.carriers.iter().find(|carrier| carrier.object == command.object);
        let (Some(value), Some(carrier)) = (&command.remove, carrier) else { continue };
        carrier.remove(term, observed, &one_shot::annotation(command.verb), value).await?;
        let rest = |other: &Acknowledged| other.object == command.object && other.remove.is_some();
        let is_last = handled.commands.iter().rfind(|other| rest(other)).is_some_and(|last| std::ptr::eq(last, command));
        if let Some(reason) = carrier.annotations.get(crd::ANNOTATION_REASON).filter(|_| is_last) {
            carrier.remove(term, observed, crd::ANNOTATION_REASON, reason).await?;
        }
    }
    Ok(())
}

/// A child belongs to a job by the uid of its owner only.
pub(super) fn is_ours(observed: &Observed, child: &impl ResourceExt) -> bool {
    child.owner_references().iter().any(|owner| owner.uid == observed.uid)
}
