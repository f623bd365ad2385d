//! Commands: what people ask for, each applied once, large ones in steps.
//!
//! A step is one transaction. The first writes the command's row and, when there is more than one step's work, shuts the gate (nothing
//! is dispatched, nothing completes) and stops what is queued or running; each goes through some thousand tasks behind the command's
//! cursor; the last opens the gate and lets the job advance. A command that was cut off is taken up where it was: by giving it again, by
//! the next command of the job, or by [`Store::resume`].

mod expire;
mod guarded;
mod kill;
mod last;
mod observe;
mod pause;
mod progress;
mod seen;
mod selection;
mod tasks;

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Command, Done, Epoch, Progress, Refusal};
use super::grow::take_back;
use super::live::mark_dirty;
use super::rows::{LayerRow, LockedJob, layers_of, lock_job};
use crate::core::command::{Object, Verb};
use selection::Selection;

const ACT: &str = "carry out a command";

/// How long one call works on a large command.
const TURN: Duration = Duration::from_secs(1);

impl Store {
    /// Carries a command out to its end. The command that holds the job's gate is finished first.
    pub async fn command(&self, epoch: Option<Epoch>, command: &Command) -> Result<Done, Error> {
        loop {
            if let Progress::Done(done) = self.command_step(epoch, command).await? {
                return Ok(done);
            }
        }
    }

    /// The same for a large command's first step, or for about a second of its later ones.
    ///
    /// After [`Progress::More`] it is to be called again. What was queued or running is stopped in the ledger by then, and waits in the
    /// outbox to be stopped for real.
    pub async fn command_step(&self, epoch: Option<Epoch>, command: &Command) -> Result<Progress, Error> {
        let began = Instant::now();
        loop {
            let (progress, first) = within(ACT, self.step(epoch, Some(command), command.job_id)).await?;
            if first || began.elapsed() > TURN || matches!(progress, Progress::Done(_)) {
                return Ok(progress);
            }
        }
    }

    /// One transaction of a command: [`Store::command`] repeats it to the end.
    pub async fn command_chunk(&self, epoch: Option<Epoch>, command: &Command) -> Result<Progress, Error> {
        within(ACT, self.step(epoch, Some(command), command.job_id)).await.map(|(progress, _)| progress)
    }

    /// Goes on for about a second with a command that was cut off; `None` when there is none.
    pub async fn resume(&self, epoch: Option<Epoch>, job_id: Uuid) -> Result<Option<Progress>, Error> {
        let began = Instant::now();
        loop {
            let (progress, _) = within(ACT, self.step(epoch, None, job_id)).await?;
            match progress {
                Progress::Done(done) if done.change.job_id.is_nil() => return Ok(None),
                Progress::Done(done) => return Ok(Some(Progress::Done(done))),
                Progress::More(change) if began.elapsed() > TURN => return Ok(Some(Progress::More(change))),
                Progress::More(_) => {}
            }
        }
    }

    /// One step, of the command that holds the gate or else of this one; and whether it was the first of a large one.
    async fn step(&self, epoch: Option<Epoch>, command: Option<&Command>, job_id: Uuid) -> Result<(Progress, bool), Error> {
        let mut transaction = self.begin(ACT, epoch).await?;
        let mut job = lock_job(&mut transaction, job_id, ACT).await?;
        let holder = progress::gate_holder(&mut transaction, &job).await?;
        let Some(current) = holder.as_ref().or(command) else {
            return Ok((Progress::Done(nothing(None, super::facts::JobChange::default())), false));
        };
        let first = job.gate.is_none();
        let progress = step_of(&mut transaction, &mut job, current).await?;
        let refused = matches!(&progress, Progress::Done(done) if done.refused.is_some());
        if epoch.is_none() && !refused {
            mark_dirty(&mut transaction, &job).await?;
        }
        transaction.commit().await.act(ACT)?;
        note(current, &progress);
        let ours = command.is_none_or(|command| command.id == current.id);
        match progress {
            Progress::Done(done) if !ours => Ok((Progress::More(done.change), false)),
            progress => Ok((progress, first)),
        }
    }
}

/// Counts what was carried out, once, or refused; one that waits for its tasks to be loaded is given again.
fn note(command: &Command, progress: &Progress) {
    let Progress::Done(done) = progress else { return };
    let result = match done.refused {
        Some(Refusal::Loading) => return,
        Some(Refusal::Deleted | Refusal::Expired | Refusal::NeverLoaded) => "refused",
        None if done.again => return,
        None => "done",
    };
    count(command.verb, result);
}

fn count(verb: Verb, result: &'static str) {
    metrics::counter!("igor_commands_total", "verb" => verb.as_str(), "result" => result).increment(1);
}

fn nothing(refused: Option<Refusal>, change: super::facts::JobChange) -> Done {
    Done { matched: 0, changed: 0, refused, again: false, change }
}

/// One step of one command, in a transaction that holds the job's lock.
async fn step_of(connection: &mut PgConnection, job: &mut LockedJob, command: &Command) -> Result<Progress, Error> {
    let layers = layers_of(connection, &[job.id], ACT).await?;
    let refused = refusal(job, &layers, command);
    let Some(so_far) = progress::open(connection, job, command, refused).await? else {
        return Ok(Progress::Done(nothing(refused, job.unchanged())));
    };
    if so_far.done {
        return Ok(Progress::Done(Done {
            matched: so_far.matched,
            changed: so_far.changed,
            refused: None,
            again: true,
            change: job.unchanged(),
        }));
    }
    let layers = whole(connection, job, layers, command).await?;
    let selection = Selection::resolve(connection, job, &layers, command, so_far.next_ordinal == 0).await?;
    let mut work = tasks::Work { job, layers: &layers, command, selection: &selection, requeue: true };
    let (mut matched, mut changed) = (so_far.matched.max(selection.named()), so_far.changed);
    let step = work.step(so_far.next_ordinal);
    // What a retry of very many moves is found by the cursor, which begins anew.
    work.requeue = step.next.is_none() && so_far.next_ordinal == 0;
    if step.next.is_some() && so_far.next_ordinal == 0 {
        changed += work.in_flight(connection).await?;
    }
    if so_far.next_ordinal == 0 {
        changed += work.named(connection).await?;
    }
    changed += work.stretches(connection, &step.stretches).await?;
    matched = matched.max(changed);
    if let Some(next) = step.next {
        progress::keep_going(connection, job, command, progress::Counted { next, matched, changed }).await?;
        return Ok(Progress::More(job.unchanged()));
    }
    let whole = so_far.next_ordinal == 0;
    let (more, change) = last::finish(connection, job, &layers, command, &selection, whole).await?;
    let counted = progress::Counted {
        next: layers.iter().map(|row| row.layer.loaded).sum(),
        matched: matched.max(changed + more),
        changed: changed + more,
    };
    progress::write(connection, command, counted, true).await?;
    Ok(Progress::Done(Done { matched: counted.matched, changed: counted.changed, refused: None, again: false, change }))
}

/// A job that is to end without waiting for an edit that is being loaded: the edit is taken back.
async fn whole(connection: &mut PgConnection, job: &LockedJob, layers: Vec<LayerRow>, command: &Command) -> Result<Vec<LayerRow>, Error> {
    if !job.loaded || !kill::ends_job(command) || !layers.iter().any(|row| row.layer.is_loading()) {
        return Ok(layers);
    }
    take_back(connection, job, &layers).await?;
    layers_of(connection, &[job.id], ACT).await
}

/// Why nothing may be done, if so.
fn refusal(job: &LockedJob, layers: &[LayerRow], command: &Command) -> Option<Refusal> {
    let ends_job = kill::ends_job(command);
    let of_flags = matches!(command.verb, Verb::Pause | Verb::Unpause) && !matches!(command.object, Object::Task { .. });
    match command.verb {
        Verb::Delete => None,
        _ if job.deleted => Some(Refusal::Deleted),
        _ if job.expired => Some(Refusal::Expired),
        _ if ends_job || of_flags => None,
        _ if job.finished && !job.loaded => Some(Refusal::NeverLoaded),
        _ if !job.loaded => Some(Refusal::Loading),
        _ if layers.iter().any(|row| row.layer.is_loading() && selection::may_mean(command, &row.layer.name)) => Some(Refusal::Loading),
        _ => None,
    }
}
