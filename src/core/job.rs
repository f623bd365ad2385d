//! A job as values: what the ledger knows of it, in the shape in which the core decides.

use serde::{Deserialize, Serialize};

use super::status::Status;

/// What happens when a layer ends with errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The job waits for a person.
    #[default]
    Hold,
    /// Later layers run, and the job ends errored.
    Continue,
}

/// How many tasks of a layer stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Not begun, or given back.
    pub pending: u32,
    /// In the queue.
    pub queued: u32,
    /// Known to run.
    pub running: u32,
    /// Done.
    pub completed: u32,
    /// Ended without success.
    pub errored: u32,
    /// Left out on purpose.
    pub skipped: u32,
    /// Attempts that failed and were given another; not part of the total.
    pub retried: u32,
}

impl Counters {
    /// Tasks that have not ended.
    pub const fn unfinished(&self) -> u32 {
        self.pending + self.queued + self.running
    }

    /// Tasks that count as done.
    pub const fn done(&self) -> u32 {
        self.completed + self.skipped
    }

    /// All tasks.
    pub const fn total(&self) -> u32 {
        self.unfinished() + self.done() + self.errored
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.pending += other.pending;
        self.queued += other.queued;
        self.running += other.running;
        self.completed += other.completed;
        self.errored += other.errored;
        self.skipped += other.skipped;
        self.retried += other.retried;
    }
}

/// A layer as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Lower ones run first, equal ones together.
    pub priority: i32,
    /// Where it stands.
    pub status: Status,
    /// How often it was opened.
    pub run: u32,
    /// Who paused it, if anybody.
    pub paused_by: Option<String>,
    /// A large command is at work on it: nothing is dispatched, nothing completes.
    pub gated: bool,
    /// Its tasks that the plan announces.
    pub expected: u32,
    /// Those of them that are in the ledger.
    pub loaded: u32,
    /// Its tasks by status.
    pub tasks: Counters,
}

impl Layer {
    /// Whether rows are still missing: not empty, not opened, not done.
    pub const fn is_loading(&self) -> bool {
        self.loaded < self.expected
    }
}

/// A job as the ledger has it, layers in the order of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Where it stands; a held job is errored and not finished.
    pub status: Status,
    /// Whether the whole plan is in the ledger.
    pub accepted: bool,
    /// Whether it ended.
    pub finished: bool,
    /// Who paused it, if anybody.
    pub paused_by: Option<String>,
    /// A large command is at work on it.
    pub gated: bool,
    /// What an errored layer does to those behind it.
    pub on_failure: OnFailure,
    /// Its layers.
    pub layers: Vec<Layer>,
}

impl Job {
    /// Whether a layer is out of the way of those behind it.
    pub fn is_passed(&self, layer: &Layer) -> bool {
        let tolerated = layer.status == Status::Errored && self.on_failure == OnFailure::Continue;
        (layer.status.is_done() || tolerated) && layer.tasks.unfinished() == 0
    }

    /// The tasks of all layers by status.
    pub fn tasks(&self) -> Counters {
        let mut sum = Counters::default();
        for layer in &self.layers {
            sum += layer.tasks;
        }
        sum
    }
}

/// A job and what else is known of it: all that its status shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The job.
    pub job: Job,
    /// Why it stands as it does: `Killed`, `DeadlineExceeded`, `TaskFailures` …
    pub reason: Option<String>,
    /// When its first layer opened, unix milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, unix milliseconds.
    pub finished_ms: Option<i64>,
    /// How long it was paused since it started, in milliseconds, without a pause that lasts.
    pub paused_ms: i64,
    /// The command that ended it, if one did.
    pub end: Option<super::end::End>,
    /// What it waits for, the weightiest first; empty while work moves freely.
    pub waits: Vec<super::wait::Wait>,
}
