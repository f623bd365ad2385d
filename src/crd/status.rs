//! From facts of the ledger to what people see.
//!
//! The same facts give the same status, whenever they are asked: what a program would write again and again (an estimate that moves
//! with the clock) stands still while nothing else moves.

mod conditions;
mod layer;
mod task;
mod words;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::condition::Condition;
use super::job_status::{IgorJobStatus, JobPhase, LayerPhase, LayerSummary, TaskCounts};
use crate::core::end::ended;
use crate::core::job::{Counters, Facts, Job, Layer};
use crate::core::plan::Reason;
use crate::core::status::Status;
use crate::core::wait::first;

use conditions::{Said, conditions};
pub use layer::{LayerView, layer_status};
pub use task::{TaskView, rejected, task_status};
use words::cut;

/// Longest text of `why`.
const MAX_WHY: usize = 1_024;
/// A pace over less than this is no pace, in milliseconds.
const ETA_AFTER: i64 = 5_000;

/// The status of a job: from `facts`, `None` while the ledger does not know it; from `refusal`, why the spec as it is now is not
/// accepted; and from the `previous` status, of which what was handled and the times of conditions live on.
pub fn job_status(
    facts: Option<&Facts>,
    refusal: Option<(Reason, &str)>,
    previous: Option<&IgorJobStatus>,
    generation: i64,
    now_ms: i64,
) -> IgorJobStatus {
    // A list of tasks that is missing may come: that job waits.
    let waits = matches!(refusal, None | Some((Reason::TasksFromNotFound | Reason::TasksFromForbidden, _)));
    let unknown = if waits { JobPhase::Pending } else { JobPhase::Rejected };
    let mut status =
        facts.map_or_else(|| IgorJobStatus { phase: Some(unknown), ..IgorJobStatus::default() }, |facts| of_facts(facts, previous, now_ms));
    if let Some((_, message)) = refusal
        && status.why.is_none()
    {
        status.why = message.lines().next().map(|line| cut(line, MAX_WHY));
    }
    status.observed_generation = Some(generation);
    status.last_handled = previous.map(|previous| previous.last_handled.clone()).unwrap_or_default();
    let before = previous.map_or(&[][..], |previous| &previous.conditions);
    status.conditions = conditions(conditions::of_job(facts, refusal), before, generation, now_ms);
    status
}

/// `status`, but igor itself cannot act on the job; `before` are the conditions that the object has.
pub fn stalled(
    mut status: IgorJobStatus,
    before: &[Condition],
    reason: &str,
    message: &str,
    generation: i64,
    now_ms: i64,
) -> IgorJobStatus {
    let stalled = conditions(vec![Said::yes("Stalled", reason, message)], before, generation, now_ms);
    status.conditions.retain(|condition| condition.type_ != "Stalled");
    status.conditions.extend(stalled);
    status
}

fn of_facts(facts: &Facts, previous: Option<&IgorJobStatus>, now_ms: i64) -> IgorJobStatus {
    let job = &facts.job;
    let tasks = counts(job.tasks(), job.layers.iter().map(total).sum());
    let progress = Some(words::progress(&tasks));
    IgorJobStatus {
        phase: Some(phase(job)),
        layer: Some(words::place(job)),
        layers: job.layers.iter().map(summary).collect(),
        started_at: facts.started_ms.map(moment),
        finished_at: facts.finished_ms.map(moment),
        eta: eta(facts, &tasks, previous.filter(|previous| previous.progress == progress), now_ms),
        why: why(facts).map(|why| cut(&why, MAX_WHY)),
        tasks: Some(tasks),
        progress,
        ..IgorJobStatus::default()
    }
}

/// What it waits for, or why it ended without being done.
fn why(facts: &Facts) -> Option<String> {
    let ended = ended(&facts.job, facts.reason.as_deref(), facts.end.as_ref());
    ended.or_else(|| first(&facts.waits).map(ToString::to_string))
}

fn phase(job: &Job) -> JobPhase {
    match job.status {
        Status::Completed | Status::Skipped => JobPhase::Completed,
        Status::Errored => JobPhase::Errored,
        Status::Pending | Status::Queued | Status::Running if job.paused_by.is_some() => JobPhase::Paused,
        Status::Pending | Status::Queued => JobPhase::Pending,
        Status::Running if job.tasks().errored > 0 => JobPhase::Failing,
        Status::Running => JobPhase::Running,
    }
}

fn layer_phase(layer: &Layer) -> LayerPhase {
    match layer.status {
        Status::Completed => LayerPhase::Completed,
        Status::Skipped => LayerPhase::Skipped,
        Status::Errored => LayerPhase::Errored,
        Status::Pending | Status::Queued | Status::Running if layer.is_loading() => LayerPhase::Loading,
        Status::Pending | Status::Queued | Status::Running if layer.paused_by.is_some() => LayerPhase::Paused,
        Status::Pending | Status::Queued => LayerPhase::Pending,
        Status::Running if layer.tasks.errored > 0 => LayerPhase::Failing,
        Status::Running => LayerPhase::Running,
    }
}

fn summary(layer: &Layer) -> LayerSummary {
    LayerSummary {
        name: layer.name.clone(),
        priority: layer.priority,
        phase: layer_phase(layer),
        total: total(layer),
        done: layer.tasks.done(),
        errored: layer.tasks.errored,
    }
}

/// Its tasks, also those that are still being loaded.
fn total(layer: &Layer) -> u32 {
    layer.expected.max(layer.tasks.total())
}

fn counts(tasks: Counters, total: u32) -> TaskCounts {
    let Counters { pending, queued, running, completed, errored, skipped, retried } = tasks;
    TaskCounts { total, pending, queued, running, completed, errored, skipped, retried }
}

/// When a running job may be done, if what is left takes as long as what is done did, pauses not counted. The estimate of a status that counts the same
/// is kept, so that it does not move with the clock alone.
fn eta(facts: &Facts, tasks: &TaskCounts, same: Option<&IgorJobStatus>, now_ms: i64) -> Option<Time> {
    let (job, done) = (&facts.job, i64::from(tasks.completed));
    let elapsed = now_ms - facts.started_ms? - facts.paused_ms;
    if job.status != Status::Running || job.paused_by.is_some() || done == 0 || elapsed < ETA_AFTER {
        return None;
    }
    if let Some(known) = same.and_then(|same| same.eta.clone()) {
        return Some(known);
    }
    let left = i64::from(tasks.total) - done - i64::from(tasks.skipped) - i64::from(tasks.errored);
    Some(moment(now_ms.saturating_add(elapsed.saturating_mul(left) / done)))
}

/// A moment in whole seconds, as Kubernetes keeps them.
fn moment(unix_ms: i64) -> Time {
    Time(Timestamp::from_second(unix_ms.div_euclid(1_000)).unwrap_or_default())
}

#[cfg(test)]
mod tests;
