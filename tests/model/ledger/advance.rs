//! `store/advance.rs`: writes what `core::advance` says is due, and holds each step against the rows.

use std::collections::BTreeSet;

use igor::core::advance::{Cause, Step, advance_after, apply};
use igor::core::job::OnFailure;
use igor::core::status::Status;

use super::{Ledger, Snapshot, as_core};
use crate::promises::Broken;
use crate::rules::Rules;

impl Ledger {
    /// Takes every step that is due in a job. `seen`: the rows that the decision is taken on, where that is not the present ones.
    pub(super) fn advance(&mut self, rules: &Rules, job: usize, seen: Option<&Snapshot>) {
        self.advance_after(rules, job, seen, &Cause::Nothing);
    }

    /// The same after a command.
    pub(super) fn advance_after(&mut self, rules: &Rules, job: usize, seen: Option<&Snapshot>, cause: &Cause) {
        let mut core = match seen {
            Some(seen) => as_core(rules, job, &seen.jobs, &seen.layers),
            None => self.as_core(rules, job),
        };
        let first = rules.jobs[job].layers.start;
        let mut moved = BTreeSet::new();
        for step in advance_after(&core, cause) {
            apply(&mut core, step);
            match step {
                Step::ResetLayer(index) | Step::OpenLayer(index) | Step::FinishLayer(index, _) => {
                    let layer = first + index;
                    moved.insert(layer);
                    self.hold_against_rows(rules, layer, step);
                    self.layers[layer].status = core.layers[index].status;
                    self.layers[layer].run = core.layers[index].run;
                    if matches!(step, Step::OpenLayer(_)) {
                        self.open(rules, layer);
                    }
                }
                Step::StartJob | Step::ReopenJob => self.set_deadline(rules, job),
                Step::FinishJob(_) => {
                    if rules.tasks_of(job).any(|task| !self.tasks[task].status.is_finished()) {
                        self.note(Broken::EndedEarly);
                    }
                }
                Step::HoldJob | Step::ResumeJob => {}
            }
        }
        self.jobs[job].status = core.status;
        self.jobs[job].finished = core.finished;
        for layer in moved {
            if self.layers[layer].status.is_finished() {
                self.close(rules, layer);
            }
        }
    }

    fn set_deadline(&mut self, rules: &Rules, job: usize) {
        self.jobs[job].deadline_ms = rules.jobs[job].deadline_ms.map(|after| self.now_ms + after);
    }

    /// `sql/open.sql`: the cursors of a layer, at the end when it opens again and all that is pending waits out of order; those that are
    /// there stay.
    fn open(&mut self, rules: &Rules, layer: usize) {
        let tasks = &rules.tasks[rules.layers[layer].tasks.clone()];
        let rows = &self.tasks[rules.layers[layer].tasks.clone()];
        let unseen = rows.iter().any(|task| task.status == Status::Pending && task.due_ms.is_none());
        let row = &mut self.layers[layer];
        row.opened += 1;
        for (kind, cursor) in row.cursors.iter_mut().enumerate() {
            let end = tasks.iter().rposition(|task| task.kind == kind).map(|last| last + 1);
            *cursor = cursor.or(if row.run > 1 && !unseen { end } else { end.map(|_| 0) });
        }
        if row.run != row.opened {
            self.note(Broken::OpenedTwice);
        }
    }

    /// `open::close_layers`: no cursors, nothing waits out of order.
    pub(super) fn close(&mut self, rules: &Rules, layer: usize) {
        self.layers[layer].cursors.fill(None);
        for task in rules.layers[layer].tasks.clone() {
            self.tasks[task].due_ms = None;
        }
    }

    fn hold_against_rows(&mut self, rules: &Rules, layer: usize, step: Step) {
        let broken = match step {
            Step::OpenLayer(_) if self.layers[layer].status == Status::Running => Some(Broken::OpenedTwice),
            Step::OpenLayer(_) if self.layers[layer].run == 0 && !self.turn_has_come(rules, layer) => Some(Broken::Order),
            Step::FinishLayer(..) if !self.has_ended(rules, layer) => Some(Broken::EndedEarly),
            _ => None,
        };
        if let Some(broken) = broken {
            self.note(broken);
        }
    }

    fn turn_has_come(&self, rules: &Rules, layer: usize) -> bool {
        let rule = &rules.layers[layer];
        let job = &rules.jobs[rule.job];
        job.layers.clone().filter(|other| rules.layers[*other].priority < rule.priority).all(|earlier| {
            let failed = rules.layers[earlier].tasks.clone().any(|task| self.tasks[task].status == Status::Errored);
            self.has_ended(rules, earlier) && (!failed || job.on_failure == OnFailure::Continue)
        })
    }

    /// Whether every task of the plan is there and ended.
    fn has_ended(&self, rules: &Rules, layer: usize) -> bool {
        let tasks = &rules.layers[layer].tasks;
        self.layers[layer].loaded == tasks.len() && tasks.clone().all(|task| self.tasks[task].status.is_finished())
    }
}
