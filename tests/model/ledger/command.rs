//! `store/command`: what people ask for, small enough for one step each.

use igor::core::status::{KILL, Move, RETRY, Status};

use super::{Change, Ledger, Scope};
use crate::rules::{Rules, Safeguard};

impl Ledger {
    /// `Store::kill_job`: every unfinished task errored, every layer that is not done too, and the job ended.
    pub(crate) fn kill(&mut self, rules: &Rules, job: usize) {
        self.sweep(rules, job, KILL);
        if self.jobs[job].finished {
            return;
        }
        for layer in rules.jobs[job].layers.clone() {
            if !self.layers[layer].status.is_finished() {
                self.layers[layer].status = Status::Errored;
            }
            self.close(rules, layer);
        }
        self.jobs[job].status = Status::Errored;
        self.jobs[job].finished = true;
    }

    /// `Store::retry_failed`: every errored task is pending again, its failures forgotten, and the job goes on.
    pub(crate) fn retry_failed(&mut self, rules: &Rules, job: usize) {
        let moves: Vec<Move> = RETRY.iter().copied().filter(|(from, _)| *from == Status::Errored).collect();
        self.sweep(rules, job, &moves);
        self.advance(rules, job, None);
    }

    /// `Store::observe`, an edge that pauses: what is not delivered is recalled.
    pub(crate) fn pause(&mut self, rules: &Rules, scope: Scope) {
        *self.pause_of(scope) = true;
        if rules.has(Safeguard::Outbox) {
            self.outbox.push(Change::Recall(scope));
        }
    }

    /// `Store::observe`, an edge that unpauses: the job goes on.
    pub(crate) fn unpause(&mut self, rules: &Rules, scope: Scope) {
        *self.pause_of(scope) = false;
        let job = match scope {
            Scope::Job(job) => job,
            Scope::Layer(layer) => rules.layers[layer].job,
        };
        self.advance(rules, job, None);
    }

    fn pause_of(&mut self, scope: Scope) -> &mut bool {
        match scope {
            Scope::Job(job) => &mut self.jobs[job].paused,
            Scope::Layer(layer) => &mut self.layers[layer].paused,
        }
    }

    /// `sql/sweep.sql`: moves every task of a job that stands where a move begins, whatever its attempt.
    fn sweep(&mut self, rules: &Rules, job: usize, moves: &[Move]) {
        for layer in rules.jobs[job].layers.clone() {
            for task in rules.layers[layer].tasks.clone().take(self.layers[layer].loaded) {
                let from = self.tasks[task].status;
                let Some((_, to)) = moves.iter().find(|(start, _)| *start == from) else { continue };
                self.move_task(rules, task, *to, moves);
                let row = &mut self.tasks[task];
                if *to == Status::Pending {
                    (row.failures, row.lost, row.due_ms) = (0, 0, Some(self.now_ms));
                }
                if matches!(from, Status::Queued | Status::Running) && rules.has(Safeguard::Outbox) {
                    self.outbox.push(Change::Revoke(task, self.tasks[task].attempt));
                }
            }
        }
    }
}
