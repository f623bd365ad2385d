//! A job's reconcile, stage by stage: observe, resolve, accept, command, publish; one file each.
//!
//! Level-based and idempotent: it may run at any time and end anywhere. It dispatches nothing and takes no results.

mod accept;
mod command;
mod facts;
mod layers;
mod moved;
mod observe;
mod publish;
mod resolve;
mod tasks;
mod tell;
mod unreadable;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;

pub(super) use self::command::Level;
pub(super) use self::facts::Read;
pub(super) use self::layers::Shown;
use self::observe::Seen;
pub(super) use self::resolve::Refused;
use self::resolve::Resolution;
pub(super) use self::tasks::{JOB_NOT_FOUND, write as write_task};
use super::term::Term;
use super::{Error, Job};

/// Brings what is wished for into the ledger, and what the ledger says into the status.
pub(super) async fn reconcile(object: Arc<Job>, term: Arc<Term>) -> Result<Action, Error> {
    let uid = object.uid().unwrap_or_default();
    let done = Box::pin(stages(&object, &term)).await;
    match &done {
        Ok(_) => term.context.remember(&uid, |memory| memory.failures = 0),
        Err(error) => failed(&object, &term, error).await,
    }
    done
}

/// Says in the status of an object that igor cannot act on it, after enough failures in a row, here or of what all jobs need.
pub(super) async fn failed(object: &Job, term: &Term, error: &Error) {
    let passes = error.is_fenced() || error.is_conflict();
    let failures = || term.context.memory(&object.uid().unwrap_or_default(), |memory| memory.failures) + 1;
    if !passes && (failures() >= Backoff::STALLED || term.troubles.shown().is_some()) {
        publish::stalled(term, object, error).await;
    }
}

async fn stages(object: &Job, term: &Term) -> Result<Action, Error> {
    let mut observed = match timed("observe", observe::observe(term, object)).await? {
        Seen::Present(observed) => observed,
        Seen::Stale => return Ok(Action::requeue(observe::LOOK_AGAIN)),
        Seen::Leaving => return Ok(Action::await_change()),
    };
    let mut resolution = timed("resolve", resolve::resolve(term, &observed)).await?;
    // Accepting finds out whether the ledger has the job; where nothing is accepted, it is asked.
    if !matches!(resolution, Resolution::Plan(..)) && observe::look_after_all(term, &mut observed).await? {
        resolution = timed("resolve", resolve::resolve(term, &observed)).await?;
    }
    let acceptance = timed("accept", accept::accept(term, &observed, resolution)).await?;
    let more_to_take = tasks::take_in(term, &observed, &acceptance).await?;
    let mut handled = timed("command", command::command(term, &observed, &acceptance)).await?;
    if let Some(soon) = more_to_take {
        handled.again(soon);
    }
    if handled.stamped {
        return Ok(Action::await_change());
    }
    let action = timed("publish", publish::publish(term, &observed, &acceptance, &handled)).await?;
    command::clear(term, &observed, &acceptance, handled).await?;
    Ok(action)
}

/// Does a stage, and counts how long it took.
fn timed<Done>(stage: &'static str, work: impl Future<Output = Done>) -> Pin<Box<impl Future<Output = Done>>> {
    Box::pin(async move {
        let began = Instant::now();
        let done = work.await;
        metrics::histogram!("igor_reconcile_seconds", "stage" => stage).record(began.elapsed());
        done
    })
}

/// How long to wait after failures in a row.
pub(super) struct Backoff;

impl Backoff {
    /// Failures in a row after which the status says so.
    const STALLED: u32 = 3;

    /// What a store that is away holds up is tried again so soon: its status is to be right ten seconds after the store is back.
    const AWAY: Duration = Duration::from_secs(8);
    const LONGEST: Duration = Duration::from_secs(300);

    /// 1 s doubling to 5 min, or less far when only a store is away; 50-100 % of it.
    pub(super) fn after(failures: u32, error: &Error) -> Duration {
        let max = if error.is_transient() || error.is_forbidden() { Self::AWAY } else { Self::LONGEST };
        crate::core::retry::Backoff { initial: Duration::from_secs(1), max }.delay(failures, rand::random())
    }
}
