//! A job as its author wrote it, whatever the format: nothing is checked, and numbers may be out of range.

use super::super::job::OnFailure;

/// A job as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobSpec {
    /// What people call it.
    pub title: Option<String>,
    /// Which workers take its tasks.
    pub queue: String,
    /// -100 to 100.
    pub priority: i64,
    /// Most tasks queued and running at once; absent is no limit, 0 drains.
    pub max_in_flight: Option<i64>,
    /// What an errored layer does to those behind it.
    pub on_failure: OnFailure,
    /// Seconds from the first start after which it is killed.
    pub active_deadline_seconds: Option<i64>,
    /// Whether it is paused.
    pub paused: bool,
    /// For tasks that do not say.
    pub defaults: Defaults,
    /// Its layers.
    pub layers: Vec<LayerSpec>,
}

/// What holds for tasks that do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Their type.
    pub kind: Option<String>,
    /// Attempts after the first one that failed.
    pub retries: Option<i64>,
    /// Seconds an attempt may take.
    pub timeout_seconds: Option<i64>,
    /// How they wait between attempts.
    pub backoff: BackoffSpec,
}

/// How tasks wait between attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackoffSpec {
    /// Seconds after the first failure.
    pub initial_seconds: Option<i64>,
    /// Never more seconds than this.
    pub max_seconds: Option<i64>,
}

/// A layer as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerSpec {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: Option<String>,
    /// Lower ones run first, equal ones together.
    pub priority: i64,
    /// Whether it is paused.
    pub paused: bool,
    /// Most of its tasks queued and running at once.
    pub max_in_flight: Option<i64>,
    /// Its tasks, from all sources, in order.
    pub tasks: Vec<TaskSpec>,
    /// What names the lists that it has tasks from, whether those are among `tasks` or not.
    pub sources: Vec<String>,
}

/// A task as written, or an array of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSpec {
    /// Where it was written.
    pub place: Place,
    /// Its name; of an array the prefix of its tasks' names.
    pub name: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// Its arguments as text; at most one of this, `args_base64` and `payload`.
    pub args: Option<String>,
    /// Its arguments in base64.
    pub args_base64: Option<String>,
    /// Its arguments as the compact text of a JSON object.
    pub payload: Option<String>,
    /// How many tasks the array has.
    pub count: Option<i64>,
    /// Attempts after the first one that failed.
    pub retries: Option<i64>,
    /// Seconds an attempt may take.
    pub timeout_seconds: Option<i64>,
    /// Whether it is paused as created.
    pub paused: bool,
}

/// Where in a layer a task was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the spec: `tasks[i]`.
    Listed(u32),
    /// In a file that the spec names as `tasksFrom[source]`, lines from 1. What stands there is never repeated in a fault.
    Line {
        /// Which of the layer's files.
        source: u32,
        /// Which of its lines.
        line: u32,
    },
}

impl Default for Place {
    fn default() -> Self {
        Self::Listed(0)
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listed(index) => write!(f, "tasks[{index}]"),
            Self::Line { source, line } => write!(f, "tasksFrom[{source}].line {line}"),
        }
    }
}
