//! The status of a task's object.

use super::{cut, moment};
use crate::core::status::Status;
use crate::crd::task::{IgorTaskStatus, TaskPhase};

/// Longest message.
const MAX_MESSAGE: usize = 1_024;
/// Longest name of a worker.
const MAX_WORKER: usize = 253;

/// What is shown of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView<'a> {
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<&'a str>,
    /// What its handler said last.
    pub message: Option<&'a str>,
    /// Its last attempt; 0 = none yet.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// The worker that ran it last.
    pub worker: Option<&'a str>,
    /// When it first was with a worker, unix milliseconds.
    pub started_ms: Option<i64>,
    /// When it last moved, unix milliseconds.
    pub moved_ms: i64,
}

/// The status of a task's object, on whose `previous` status what was acknowledged lives on.
pub fn task_status(view: &TaskView<'_>, previous: Option<&IgorTaskStatus>) -> IgorTaskStatus {
    IgorTaskStatus {
        phase: Some(phase(view.status)),
        reason: view.reason.map(str::to_owned),
        attempt: (view.attempt > 0).then_some(view.attempt),
        failures: (view.failures > 0).then_some(view.failures),
        message: view.message.map(|message| cut(message, MAX_MESSAGE)),
        last_handled: previous.map(|previous| previous.last_handled.clone()).unwrap_or_default(),
        worker: view.worker.map(|worker| cut(worker, MAX_WORKER)),
        started_at: view.started_ms.map(moment),
        finished_at: view.status.is_finished().then(|| moment(view.moved_ms)),
    }
}

/// The status of an object whose task was not taken into its job.
pub fn rejected(reason: &str, message: &str) -> IgorTaskStatus {
    IgorTaskStatus {
        phase: Some(TaskPhase::Rejected),
        reason: Some(reason.to_owned()),
        message: Some(cut(message, MAX_MESSAGE)),
        ..IgorTaskStatus::default()
    }
}

fn phase(status: Status) -> TaskPhase {
    match status {
        Status::Pending => TaskPhase::Pending,
        Status::Queued => TaskPhase::Queued,
        Status::Running => TaskPhase::Running,
        Status::Completed => TaskPhase::Completed,
        Status::Errored => TaskPhase::Errored,
        Status::Skipped => TaskPhase::Skipped,
    }
}
