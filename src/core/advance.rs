//! Which layers open, finish or hold, and when the job is done.
//!
//! One function from a job to the steps that are due. The ledger writes them in the transaction that holds the job's row, so that
//! no two decisions are taken on the same state.

use std::collections::BTreeSet;

use super::job::{Job, Layer};
use super::status::Status;

/// A step that is due. Layers are named by their place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The job begins: `PENDING` to `RUNNING`.
    StartJob,
    /// A job that had ended has work again.
    ReopenJob,
    /// A layer that was ended before it began waits for its turn again.
    ResetLayer(usize),
    /// A layer begins, or begins again: `RUNNING`, `run + 1`.
    OpenLayer(usize),
    /// A layer ends.
    FinishLayer(usize, Status),
    /// An errored layer stops the job until a person decides: `ERRORED`, not finished.
    HoldJob,
    /// A held job goes on: `RUNNING`.
    ResumeJob,
    /// The job ends.
    FinishJob(Status),
}

/// The steps that are due for `job`, in the order in which they are written.
///
/// Asking again after the steps were written gives none, unless tasks have moved meanwhile.
pub fn advance(job: &Job) -> Vec<Step> {
    advance_after(job, &Cause::Nothing)
}

/// What a command decided about layers, beyond what their tasks now say. Layers are named by their place in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Only tasks have moved.
    Nothing,
    /// Tasks were skipped: of whole layers, and of others.
    Skipped {
        /// Layers that are done with, also if they have not begun or are paused.
        whole: Vec<usize>,
        /// Layers of which tasks were skipped.
        part: Vec<usize>,
    },
    /// What ended in these layers is to go on.
    Retried(Vec<usize>),
}

/// The steps that are due for `job` after a command.
pub fn advance_after(job: &Job, cause: &Cause) -> Vec<Step> {
    let mut planner = Planner { job: job.clone(), steps: Vec::new() };
    if job.accepted && !job.gated {
        planner.follow(cause);
        planner.run();
    }
    planner.steps
}

/// Plans on a copy of the job, applying each step to it, until nothing more is due.
struct Planner {
    job: Job,
    steps: Vec<Step>,
}

impl Planner {
    /// Takes the steps that a command asks for, whatever is paused: a person has decided.
    fn follow(&mut self, cause: &Cause) {
        match cause {
            Cause::Nothing => {}
            Cause::Skipped { whole, part } => {
                let part = if self.job.finished { part.as_slice() } else { &[] };
                for index in whole.iter().chain(part) {
                    self.end(*index);
                }
                if self.job.finished && self.job.status != Status::Completed && self.job.layers.iter().all(|layer| layer.status.is_done()) {
                    self.take(Step::FinishJob(Status::Completed));
                }
            }
            Cause::Retried(layers) => {
                let emptied =
                    |index: &usize| self.job.layers[*index].status == Status::Errored && self.job.layers[*index].tasks.errored == 0;
                if self.job.finished && layers.iter().any(emptied) {
                    self.take(Step::ReopenJob);
                }
            }
        }
    }

    /// Ends a layer that was skipped, if nothing of it is left to do and it is not done already.
    fn end(&mut self, index: usize) {
        let layer = &self.job.layers[index];
        let to = if layer.tasks.completed == 0 && layer.tasks.errored == 0 { Status::Skipped } else { ended_as(layer) };
        if layer.tasks.unfinished() == 0 && !layer.is_loading() && !layer.status.is_done() && layer.status != to {
            self.take(Step::FinishLayer(index, to));
        }
    }

    fn run(&mut self) {
        if self.job.finished {
            if self.job.tasks().unfinished() == 0 {
                return;
            }
            self.take(Step::ReopenJob);
        }
        while let Some(step) = self.reset().or_else(|| self.finish()).or_else(|| self.open()) {
            if matches!(step, Step::OpenLayer(_)) && self.job.status == Status::Pending {
                self.take(Step::StartJob);
            }
            self.take(step);
        }
        self.settle();
    }

    /// A layer that ended without having begun (its job was killed, or it was skipped) and is to go on.
    fn reset(&self) -> Option<Step> {
        let is_wanted = |layer: &Layer| layer.status == Status::Errored || layer.status == Status::Skipped && layer.tasks.unfinished() > 0;
        let index = self.job.layers.iter().position(|layer| layer.run == 0 && is_wanted(layer))?;
        Some(Step::ResetLayer(index))
    }

    /// A layer that has nothing left to do, or whose last error was skipped.
    fn finish(&self) -> Option<Step> {
        self.job.layers.iter().enumerate().find_map(|(index, layer)| {
            let begun = matches!(layer.status, Status::Running | Status::Errored);
            let idle = layer.tasks.unfinished() == 0 && !layer.is_loading();
            let to = ended_as(layer);
            (begun && idle && may_move(layer) && layer.status != to).then_some(Step::FinishLayer(index, to))
        })
    }

    /// A layer whose turn it is: one that waits, or one that ended and has work again.
    fn open(&self) -> Option<Step> {
        if self.job.paused_by.is_some() {
            return None;
        }
        self.job.layers.iter().enumerate().find_map(|(index, layer)| {
            let again = layer.status.is_finished() && layer.run > 0 && layer.tasks.unfinished() > 0;
            let fresh = layer.status == Status::Pending;
            let turn = again || fresh && self.turn_has_come(layer.priority);
            (turn && may_move(layer) && !layer.is_loading()).then_some(Step::OpenLayer(index))
        })
    }

    /// Whether every layer of an earlier priority is out of the way.
    fn turn_has_come(&self, priority: i32) -> bool {
        self.job.layers.iter().filter(|layer| layer.priority < priority).all(|layer| self.is_passed(layer))
    }

    fn is_passed(&self, layer: &Layer) -> bool {
        self.job.is_passed(layer)
    }

    /// What the layers, now at rest, make of the job.
    fn settle(&mut self) {
        let step = if self.job.layers.iter().all(|layer| self.is_passed(layer)) {
            let failed = self.job.layers.iter().any(|layer| layer.status == Status::Errored);
            if self.job.status == Status::Pending {
                self.take(Step::StartJob);
            }
            Some(Step::FinishJob(if failed { Status::Errored } else { Status::Completed }))
        } else {
            match (self.is_held(), self.job.status) {
                (true, Status::Running) => Some(Step::HoldJob),
                (false, Status::Errored) => Some(Step::ResumeJob),
                _ => None,
            }
        };
        if let Some(step) = step {
            self.take(step);
        }
    }

    /// Whether an errored layer is what the job waits for, and nothing beside it can still run.
    fn is_held(&self) -> bool {
        let frontier = self.frontier();
        let mut errored = false;
        for layer in self.job.layers.iter().filter(|layer| frontier.contains(&layer.priority)) {
            match layer.status {
                Status::Errored if layer.tasks.unfinished() == 0 => errored = true,
                Status::Completed | Status::Skipped if layer.tasks.unfinished() == 0 => {}
                _ => return false,
            }
        }
        errored
    }

    /// The priorities at work: the lowest that is not passed, and those that have begun (a re-opened layer runs beside later ones).
    fn frontier(&self) -> BTreeSet<i32> {
        let waiting = self.job.layers.iter().filter(|layer| !self.is_passed(layer));
        let lowest = waiting.clone().map(|layer| layer.priority).min();
        waiting.filter(|layer| layer.status == Status::Running).map(|layer| layer.priority).chain(lowest).collect()
    }

    fn take(&mut self, step: Step) {
        apply(&mut self.job, step);
        self.steps.push(step);
    }
}

fn may_move(layer: &Layer) -> bool {
    layer.paused_by.is_none() && !layer.gated
}

fn ended_as(layer: &Layer) -> Status {
    let tasks = &layer.tasks;
    if tasks.errored > 0 {
        Status::Errored
    } else if tasks.skipped > 0 && tasks.completed == 0 {
        Status::Skipped
    } else {
        Status::Completed
    }
}

/// What `step` does to a job. The ledger's writes and this function say the same.
pub fn apply(job: &mut Job, step: Step) {
    match step {
        Step::StartJob | Step::ResumeJob => job.status = Status::Running,
        Step::ReopenJob => {
            job.status = Status::Running;
            job.finished = false;
        }
        Step::ResetLayer(index) => job.layers[index].status = Status::Pending,
        Step::OpenLayer(index) => {
            let layer = &mut job.layers[index];
            layer.status = Status::Running;
            layer.run += 1;
        }
        Step::FinishLayer(index, to) => job.layers[index].status = to,
        Step::HoldJob => job.status = Status::Errored,
        Step::FinishJob(to) => {
            job.status = to;
            job.finished = true;
        }
    }
}

#[cfg(test)]
mod tests;
