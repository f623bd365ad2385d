//! A job's plan: all of its layers and tasks, checked, with every default filled in.
//!
//! [`Plan::resolve`] is the only way to one: it gives a plan, or every fault of the spec at once. A plan is what the ledger accepts.
//! Arrays stay folded here: a million tasks of one array are one [`TaskPlan`]. Knows nothing of where a spec comes from.

mod digest;
mod fault;
mod growth;
mod names;
mod resolve;
mod spec;

pub use fault::{Fault, MAX_FAULTS, Reason, describe};
pub use growth::{AcceptedLayer, AcceptedPlan, Appended, Closed, Edit, closed, edit};
pub use spec::{BackoffSpec, Defaults, JobSpec, LayerSpec, Place, TaskSpec};

pub use super::job::OnFailure;
pub use super::retry::Backoff;

/// Most layers of a job.
pub const MAX_LAYERS: usize = 256;
/// Most tasks of a job, arrays counted by their elements.
pub const MAX_TASKS: u32 = 1_000_000;
/// Longest arguments of a task, in bytes.
pub const MAX_ARGS: usize = 10_000;
/// Priorities of a job lie between this and its opposite.
pub const MAX_PRIORITY: i64 = 100;
/// Most retries of a task.
pub const MAX_RETRIES: i64 = 100;
/// Longest timeout of a task, in seconds: about 23 days, so that its milliseconds fit 31 bits.
pub const MAX_TIMEOUT_SECONDS: i64 = 2_000_000;
/// Longest wait between two attempts, in seconds: a week.
pub const MAX_BACKOFF_SECONDS: i64 = 604_800;

/// A whole job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What people call it, if not by its name.
    pub title: Option<String>,
    /// Which workers take its tasks.
    pub queue: String,
    /// Above 0 the high lane, below 0 the low one.
    pub priority: i32,
    /// Most tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// What an errored layer does to those behind it.
    pub on_failure: OnFailure,
    /// Seconds from its first start after which it is killed.
    pub deadline_seconds: Option<u32>,
    /// Whether its spec pauses it.
    pub paused: bool,
    /// How its tasks wait between attempts.
    pub backoff: Backoff,
    /// Its layers, as the spec orders them.
    pub layers: Vec<LayerPlan>,
}

/// A layer of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlan {
    /// Its name, unique in the job.
    pub name: String,
    /// What people call it, if not by its name.
    pub title: Option<String>,
    /// Lower ones run first, equal ones together.
    pub priority: i32,
    /// Whether the spec pauses it.
    pub paused: bool,
    /// Most of its tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// Its tasks, arrays folded; the place in this list is not the ordinal of a row.
    pub tasks: Vec<TaskPlan>,
    /// How many of its tasks, the first ones, stand in the spec itself; those behind them come from the lists that it names.
    pub inline: usize,
    /// The hash of those as resolved: [`LayerPlan::hash_of_first`] of so many.
    pub spec_hash: [u8; 32],
    /// The hash of the names of its lists, if it has any.
    pub sources_hash: Option<[u8; 32]>,
}

/// A task of a plan, or an array of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPlan {
    /// Its name, unique in the layer; of an array the prefix: its tasks are `name-0`, `name-1` …
    pub name: String,
    /// What people call it, if not by its name.
    pub title: Option<String>,
    /// Its type: which handler runs it.
    pub kind: String,
    /// What its handler gets.
    pub args: Option<Vec<u8>>,
    /// How many tasks the array has; `None` for a single task, which is told no index.
    pub count: Option<u32>,
    /// The failure that ends it: retries + 1.
    pub max_failures: u32,
    /// Milliseconds an attempt may take.
    pub timeout_ms: Option<u32>,
    /// Whether it is paused as created.
    pub paused: bool,
}

impl Plan {
    /// Checks `spec` and fills its defaults in; or says all that is wrong with it, at most [`MAX_FAULTS`] things, in the order of
    /// the spec.
    pub fn resolve(spec: JobSpec) -> Result<Self, Vec<Fault>> {
        resolve::resolve(spec)
    }

    /// Its tasks, arrays counted by their elements.
    pub fn total(&self) -> u32 {
        self.layers.iter().map(LayerPlan::expected).sum()
    }
}

impl LayerPlan {
    /// Its tasks, arrays counted by their elements: the rows that the ledger will hold.
    pub fn expected(&self) -> u32 {
        self.tasks.iter().map(TaskPlan::rows).sum()
    }

    /// The hash of its first `count` tasks (arrays folded), or of all when there are fewer. A longer list is an appended one if and
    /// only if the hash of as many tasks as before is the same as before.
    pub fn hash_of_first(&self, count: usize) -> [u8; 32] {
        digest::tasks(&self.tasks[..count.min(self.tasks.len())])
    }
}

impl TaskPlan {
    /// The rows it takes in the ledger.
    pub fn rows(&self) -> u32 {
        self.count.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests;
