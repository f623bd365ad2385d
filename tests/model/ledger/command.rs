//! `store/command`: what people ask for, in one step or, when it is large, in several behind a shut gate.

use igor::core::advance::Cause;
use igor::core::status::{KILL, Move, RETRY, RETRY_NAMED, SKIP, Status};

use super::{Change, Ledger, Scope, Trouble};
use crate::rules::{Rules, Safeguard};

/// What people ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Kill(Scope),
    Skip(Scope),
    Retry(Scope),
}

/// A large command at work, and how many of its tasks it has gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gate {
    ask: Ask,
    next: usize,
}

impl Ask {
    const fn scope(self) -> Scope {
        match self {
            Self::Kill(scope) | Self::Skip(scope) | Self::Retry(scope) => scope,
        }
    }

    fn moves(self) -> Vec<Move> {
        match self {
            Self::Kill(_) => KILL.to_vec(),
            Self::Skip(_) => SKIP.to_vec(),
            Self::Retry(Scope::Task(_)) => RETRY_NAMED.to_vec(),
            Self::Retry(_) => RETRY.iter().copied().filter(|(from, _)| *from == Status::Errored).collect(),
        }
    }
}

impl Gate {
    /// Whether a command at work stops a task.
    pub(crate) fn stops(&self, rules: &Rules, task: usize) -> bool {
        !matches!(self.ask, Ask::Retry(_)) && self.ask.scope().holds(rules, task)
    }
}

impl Ledger {
    /// `Store::command_step`, the first: all of a small command. A large one stops what is in flight, and shuts the gate.
    pub(crate) fn command(&mut self, rules: &Rules, ask: Ask) {
        let meant = self.meant(rules, ask);
        if meant.len() <= rules.step {
            for task in meant {
                self.touch(rules, task, ask, true);
            }
            return self.finish(rules, ask, true);
        }
        let in_flight = |ledger: &Self, task: usize| matches!(ledger.tasks[task].status, Status::Queued | Status::Running);
        for task in &meant {
            if in_flight(self, *task) {
                self.touch(rules, *task, ask, false);
            }
        }
        self.jobs[ask.scope().job(rules)].gate = Some(Gate { ask, next: 0 });
        self.go_on(rules, ask.scope().job(rules));
    }

    /// `Store::resume`: the next step of the command that holds a job's gate, by whoever leads.
    pub(crate) fn resume(&mut self, rules: &Rules, epoch: u32, job: usize) -> Result<(), Trouble> {
        self.begin(rules, epoch)?;
        self.go_on(rules, job);
        Ok(())
    }

    fn go_on(&mut self, rules: &Rules, job: usize) {
        let Some(Gate { ask, next }) = self.jobs[job].gate else { return };
        let meant = self.meant(rules, ask);
        for task in meant.iter().skip(next).take(rules.step) {
            self.touch(rules, *task, ask, false);
        }
        if next + rules.step < meant.len() {
            self.jobs[job].gate = Some(Gate { ask, next: next + rules.step });
        } else {
            self.jobs[job].gate = None;
            self.finish(rules, ask, false);
        }
    }

    /// What follows. `small`: the whole command was one step.
    fn finish(&mut self, rules: &Rules, ask: Ask, small: bool) {
        let job = ask.scope().job(rules);
        let first = rules.jobs[job].layers.start;
        let touched: Vec<usize> = match ask.scope() {
            Scope::Job(job) => rules.jobs[job].layers.clone().collect(),
            Scope::Layer(layer) => vec![layer],
            Scope::Task(task) => vec![rules.tasks[task].layer],
        };
        let places: Vec<usize> = touched.iter().map(|layer| layer - first).collect();
        let cause = match ask {
            Ask::Kill(Scope::Job(job)) => return self.end_job(rules, job),
            Ask::Kill(_) => Cause::Nothing,
            Ask::Skip(Scope::Task(_)) => Cause::Skipped { whole: Vec::new(), part: places },
            Ask::Skip(_) => Cause::Skipped { whole: places.clone(), part: places },
            Ask::Retry(_) => Cause::Retried(places),
        };
        if matches!(ask, Ask::Retry(_)) {
            self.make_due(rules, ask);
        }
        self.advance_after(rules, job, None, &cause);
        if matches!(ask, Ask::Retry(_)) && !small {
            for layer in touched {
                self.layers[layer].cursors.iter_mut().flatten().for_each(|cursor| *cursor = 0);
            }
        }
    }

    /// Every layer that is not done is errored, and the job ended.
    fn end_job(&mut self, rules: &Rules, job: usize) {
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

    /// `sql/due.sql`.
    fn make_due(&mut self, rules: &Rules, ask: Ask) {
        for task in self.meant(rules, ask) {
            let row = &mut self.tasks[task];
            if row.status == Status::Pending && row.due_ms.is_some_and(|due| due > self.now_ms) {
                (row.failures, row.lost, row.due_ms) = (0, 0, Some(self.now_ms));
            }
        }
    }

    /// `Store::observe`, an edge that pauses: what is not delivered is recalled.
    pub(crate) fn pause(&mut self, rules: &Rules, scope: Scope) {
        *self.pause_of(scope) = true;
        let waits = !matches!(scope, Scope::Task(task) if self.tasks[task].status != Status::Queued);
        if rules.has(Safeguard::Outbox) && waits {
            self.outbox.push(Change::Recall(scope));
        }
    }

    /// `Store::observe`, an edge that unpauses: the job goes on. A task that the cursor has passed is due now.
    pub(crate) fn unpause(&mut self, rules: &Rules, scope: Scope) {
        *self.pause_of(scope) = false;
        if let Scope::Task(task) = scope {
            let rule = &rules.tasks[task];
            let place = task - rules.layers[rule.layer].tasks.start;
            let passed = self.layers[rule.layer].cursors[rule.kind].is_some_and(|next| place < next);
            let row = &mut self.tasks[task];
            if passed && row.status == Status::Pending {
                row.due_ms = row.due_ms.or(Some(self.now_ms));
            }
        }
        self.advance(rules, scope.job(rules), None);
    }

    fn pause_of(&mut self, scope: Scope) -> &mut bool {
        match scope {
            Scope::Job(job) => &mut self.jobs[job].paused,
            Scope::Layer(layer) => &mut self.layers[layer].paused,
            Scope::Task(task) => &mut self.tasks[task].paused,
        }
    }

    /// The tasks that a command is about, those that are loaded, in the order of the plan.
    fn meant(&self, rules: &Rules, ask: Ask) -> Vec<usize> {
        let is_loaded = |task: &usize| {
            let layer = rules.tasks[*task].layer;
            *task - rules.layers[layer].tasks.start < self.layers[layer].loaded
        };
        rules.tasks_of(ask.scope().job(rules)).filter(|task| ask.scope().holds(rules, *task)).filter(is_loaded).collect()
    }

    /// `sql/move.sql`: moves a task that stands where a move begins, whatever its attempt.
    fn touch(&mut self, rules: &Rules, task: usize, ask: Ask, requeue: bool) {
        let (moves, from) = (ask.moves(), self.tasks[task].status);
        let Some((_, to)) = moves.iter().copied().find(|(start, _)| *start == from) else { return };
        self.move_task(rules, task, to, &moves);
        let row = &mut self.tasks[task];
        if to == Status::Pending {
            (row.failures, row.lost) = (0, 0);
            row.due_ms = if requeue { Some(self.now_ms) } else { row.due_ms };
        }
        let told = rules.has(Safeguard::Outbox) && (rules.has(Safeguard::SkipRevokes) || !matches!(ask, Ask::Skip(_)));
        if matches!(from, Status::Queued | Status::Running) && told {
            self.outbox.push(Change::Revoke(task, self.tasks[task].attempt));
        }
    }
}
