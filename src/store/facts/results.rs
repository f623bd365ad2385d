//! Work on its way back: outcomes, and what became of them.

use std::time::Duration;

use uuid::Uuid;

use super::{Attempt, JobChange};
use crate::core::fold::Report;
use crate::core::job::Counters;
use crate::core::status::Status;

/// What is said of an attempt, and in which stream it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The folded report.
    pub report: Report,
    /// The queue's name in Redis: the spec's, or `<namespace>.<the spec's>`. A task of another one is not touched.
    pub queue: String,
    /// The type. A task of another one is not touched.
    pub kind: String,
    /// The task's job, when it is known; else it is looked up.
    pub job_id: Option<Uuid>,
    /// Any bits: the jitter of the backoff.
    pub jitter: u16,
}

/// What became of a task whose outcome was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The task.
    pub task_id: Uuid,
    /// The attempt that the outcome was about.
    pub attempt: u32,
    /// Its layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its type.
    pub kind: String,
    /// Where it stood.
    pub from: Status,
    /// Where it stands.
    pub to: Status,
    /// When its next attempt is due, if it has one.
    pub due_ms: Option<i64>,
}

/// A layer's counters after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerCount {
    /// The layer.
    pub layer_id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its tasks by status.
    pub tasks: Counters,
}

/// What collecting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Outcomes that counted.
    pub applied: Vec<Applied>,
    /// How many changed nothing: stale, repeated, or not of their stream.
    pub stale: usize,
    /// Layers whose counters moved.
    pub counts: Vec<LayerCount>,
    /// Jobs in which a layer or the job itself moved.
    pub jobs: Vec<JobChange>,
    /// Outcomes that the database refuses, each with why. Their tasks ended as `Unstorable`.
    pub refused: Vec<(Outcome, String)>,
}

/// A running attempt that is past its timeout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The attempt and where it is queued.
    pub attempt: Attempt,
    /// How long it runs.
    pub for_time: Duration,
}
