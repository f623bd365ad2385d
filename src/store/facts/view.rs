//! A job as it stands, for its status and for people.

use uuid::Uuid;

use crate::core::end::End;
use crate::core::job::{Facts, Job};
use crate::core::status::Status;
use crate::core::wait::{Known, waits};

/// A job as it stands: all that its status needs but what the queue knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its queue, as its spec names it.
    pub queue: String,
    /// The generation of its object that was taken over.
    pub generation: i64,
    /// The job, in the shape in which the core decides.
    pub job: Job,
    /// What the core does not need to know of its layers, in the order of `job.layers`.
    pub layers: Vec<LayerFacts>,
    /// Why it stands as it does.
    pub reason: Option<String>,
    /// When its first layer opened.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// When it is to be killed.
    pub deadline_ms: Option<i64>,
    /// Its object was deleted.
    pub deleted: bool,
    /// Its object is being deleted because its time to live is over.
    pub expired: bool,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// How long it was paused since it started, without a pause that lasts.
    pub paused_ms: i64,
    /// The command that ended it, if one did.
    pub end: Option<End>,
    /// What stands still; what no worker serves is for the queue to add, and what failed tasks said for `commonest_failure`.
    pub known: Known,
}

impl Snapshot {
    /// All that its status shows, when so much is known of what stands still.
    pub fn facts(&self, known: &Known) -> Facts {
        Facts {
            waits: waits(&self.job, known),
            job: self.job.clone(),
            reason: self.reason.clone(),
            started_ms: self.started_ms,
            finished_ms: self.finished_ms,
            paused_ms: self.paused_ms,
            end: self.end.clone(),
        }
    }
}

/// What the core does not need to know of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// The layer.
    pub layer_id: Uuid,
    /// Its title for people.
    pub title: String,
    /// More tasks of an edit are being loaded into it, and its own are in.
    pub growing: bool,
    /// Why it stands as it does.
    pub reason: Option<String>,
    /// When it first opened.
    pub started_ms: Option<i64>,
    /// When it last ended.
    pub finished_ms: Option<i64>,
    /// The types of its tasks that may be dispatched; empty unless it is open.
    pub kinds: Vec<String>,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
}

/// A task that errored, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The task.
    pub task_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its index, when it belongs to an array.
    pub ix: Option<u32>,
    /// Its last attempt.
    pub attempt: u32,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said.
    pub message: Option<String>,
}

/// A task that failed for good, of which a handle is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedTask {
    /// The task.
    pub task_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
}

/// A task as its object shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFacts {
    /// The task.
    pub task_id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said last.
    pub message: Option<String>,
    /// Its last attempt; 0 = none yet.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// The worker that ran it last.
    pub worker: Option<String>,
    /// When it first was with a worker.
    pub started_ms: Option<i64>,
    /// When it last moved.
    pub moved_ms: i64,
}
