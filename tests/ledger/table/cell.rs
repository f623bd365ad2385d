//! The cells of the truth table: what is asked of what, and where the task, its layer and its job stand meanwhile.

use igor::core::command::{Object, Verb};
use igor::core::status::Status;

use super::seen::Job;

/// What people ask for.
const VERBS: [Verb; 7] = [Verb::Pause, Verb::Unpause, Verb::Kill, Verb::Skip, Verb::Retry, Verb::PauseTasks, Verb::UnpauseTasks];

/// Where the task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskStands {
    Pending,
    /// Pending until its next attempt is due, in an hour.
    Backoff,
    Queued,
    Running,
    Completed,
    Errored,
    Skipped,
}

/// Where its layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerStands {
    /// Not all of it is in the ledger.
    Loading,
    /// It has not begun.
    NotOpen,
    /// It is at work.
    Open,
    /// It was paused before it began, and is not the next.
    PausedBehind,
    /// It was paused before it began, and nothing else keeps it from it.
    PausedAtTurn,
    /// It was paused while it was at work.
    PausedOpen,
    /// Its tasks are done.
    Finished,
    /// It was paused after that.
    PausedFinished,
}

/// Where its job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobStands {
    Running,
    /// An errored layer holds it.
    Held,
    Paused,
    /// It ended by itself.
    Ended,
    /// It was ended by a kill.
    Killed,
    /// It ended, and its time to live is over.
    Expired,
    /// Its object is gone.
    Deleted,
}

use JobStands as J;
use LayerStands as L;
use TaskStands as T;

const TASKS: [T; 7] = [T::Pending, T::Backoff, T::Queued, T::Running, T::Completed, T::Errored, T::Skipped];
const LAYERS: [L; 8] = [L::Loading, L::NotOpen, L::Open, L::PausedBehind, L::PausedAtTurn, L::PausedOpen, L::Finished, L::PausedFinished];
const JOBS: [J; 7] = [J::Running, J::Held, J::Paused, J::Ended, J::Killed, J::Expired, J::Deleted];

/// A question of the table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) verb: Verb,
    /// The job, the layer `stage`, or its task `t`.
    pub(super) object: Object,
    pub(super) task: TaskStands,
    /// The task is paused itself.
    pub(super) task_paused: bool,
    pub(super) layer: LayerStands,
    pub(super) job: JobStands,
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paused = if self.task_paused { " (paused)" } else { "" };
        let (task, layer, job) = (self.task, self.layer, self.job);
        write!(f, "{} of {}, task {task:?}{paused}, layer {layer:?}, job {job:?}", self.verb, self.object)
    }
}

impl Cell {
    /// Every combination, those that cannot be too.
    pub(super) fn all() -> Vec<Self> {
        let task = Object::Task { layer: "stage".to_owned(), task: "t".to_owned() };
        let objects = [Object::Job, Object::Layer("stage".to_owned()), task];
        let mut cells = Vec::new();
        for (verb, object) in VERBS.iter().flat_map(|verb| objects.iter().map(move |object| (*verb, object))) {
            for (task, task_paused) in TASKS.iter().flat_map(|task| [(*task, false), (*task, true)]) {
                for (layer, job) in LAYERS.iter().flat_map(|layer| JOBS.iter().map(move |job| (*layer, *job))) {
                    cells.push(Self { verb, object: object.clone(), task, task_paused, layer, job });
                }
            }
        }
        cells
    }

    /// What is written as the selector. A job is not skipped as a whole, so there the layer is named.
    pub(super) fn selector(&self) -> &'static str {
        if self.verb == Verb::Skip && self.object == Object::Job { "stage" } else { "true" }
    }

    /// Why there is no such cell.
    pub(super) fn impossible(&self) -> Option<&'static str> {
        self.impossible_state().or_else(|| self.not_told_apart())
    }

    /// Why the three never stand so together.
    fn impossible_state(&self) -> Option<&'static str> {
        let over = matches!(self.job, J::Ended | J::Killed | J::Expired | J::Deleted);
        let done = matches!(self.task, T::Completed | T::Errored | T::Skipped);
        let ran = matches!(self.task, T::Backoff | T::Queued | T::Running | T::Completed);
        match self.layer {
            _ if over && !done => Some("a job that is over has no unfinished task"),
            L::Loading if self.job == J::Held => Some("what is being loaded has not failed"),
            L::Loading if self.job == J::Ended => Some("what is being loaded ends by a kill only"),
            L::Loading if over && self.task != T::Errored => Some("what is being loaded ends by a kill only"),
            L::Loading if !over && self.task != T::Pending => Some("commands on the tasks of what is being loaded wait"),
            L::NotOpen | L::PausedBehind | L::PausedAtTurn if ran => Some("a layer that has not begun has run nothing"),
            L::NotOpen | L::PausedBehind | L::PausedAtTurn if self.job == J::Ended => Some("a job ends by itself after all of its layers"),
            L::PausedAtTurn if self.job == J::Held => Some("a job whose next layer is paused waits for that"),
            L::Open | L::PausedOpen if self.job == J::Held => Some("a job is held when nothing of it is at work"),
            L::Open if over => Some("a job that is over has no layer at work"),
            L::PausedOpen if self.job == J::Ended => Some("a paused layer does not complete, so its job does not end"),
            L::Finished | L::PausedFinished if !done => Some("a layer that is done has no unfinished task"),
            _ => None,
        }
    }

    /// The pause of a task matters where single tasks are meant, and for what becomes of it.
    fn not_told_apart(&self) -> Option<&'static str> {
        let single = matches!(self.object, Object::Task { .. }) || matches!(self.verb, Verb::PauseTasks | Verb::UnpauseTasks);
        (self.task_paused && !single).then_some("a paused task is asked about one by one")
    }
}

impl Cell {
    /// Whether a job stands as the cell says.
    pub(super) fn is_stood_by(&self, job: &Job) -> bool {
        let stage = job.layers.iter().find(|layer| layer.name == "stage");
        let Some((layer, task)) = stage.and_then(|layer| Some((layer, layer.tasks.first()?))) else { return false };
        let of_task = (task.status, task.waits, task.paused) == (self.task.status(), self.task == T::Backoff, self.task_paused);
        let paused = matches!(self.layer, L::PausedBehind | L::PausedAtTurn | L::PausedOpen | L::PausedFinished);
        let over = job.finished;
        let begun = (layer.run > 0) == self.layer.has_begun() && layer.loading == (self.layer == L::Loading);
        let ended = self.layer.is_finished() || over;
        let of_layer = begun && ended == is_over(layer.status) && paused == layer.paused_by.is_some();
        let flags = (job.finished, job.expired, job.deleted, job.paused_by.is_some());
        let of_job = match self.job {
            J::Running => flags == (false, false, false, false) && job.status != Status::Errored,
            J::Held => flags == (false, false, false, false) && job.status == Status::Errored,
            J::Paused => flags == (false, false, false, true),
            J::Ended | J::Killed => flags == (true, false, false, false),
            J::Expired => flags == (true, true, false, false),
            J::Deleted => flags == (true, false, true, false),
        };
        of_task && of_layer && of_job
    }
}

fn is_over(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Errored | Status::Skipped)
}

impl TaskStands {
    fn status(self) -> Status {
        match self {
            T::Pending | T::Backoff => Status::Pending,
            T::Queued => Status::Queued,
            T::Running => Status::Running,
            T::Completed => Status::Completed,
            T::Errored => Status::Errored,
            T::Skipped => Status::Skipped,
        }
    }
}

impl LayerStands {
    pub(super) fn has_begun(self) -> bool {
        matches!(self, L::Open | L::PausedOpen | L::Finished | L::PausedFinished)
    }

    pub(super) fn is_finished(self) -> bool {
        matches!(self, L::Finished | L::PausedFinished)
    }
}
