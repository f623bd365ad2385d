//! The abstract ledger: the rows that matter, and the transactions of `src/store` as single steps.
//!
//! A transaction holds the job's lock from its first read to its commit, so to the others it is one step; that is what makes these
//! functions a faithful picture. What is decided, the core decides: `advance`, `fold`, `retry`, the tables of moves.

mod accept;
mod advance;
mod collect;
mod command;
mod dispatch;

use std::hash::{Hash, Hasher};

use igor::core::job::{Counters, Job, Layer};
use igor::core::status::{Move, Status};

use crate::promises::Broken;
use crate::rules::{Rules, Safeguard};

pub(crate) use collect::Outcome;
pub(crate) use command::{Ask, Gate};

/// A transaction of an earlier leader, or a script of one, is refused; or Redis has lost what the script needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Fenced,
    Doubt,
}

/// A layer's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally(pub(crate) Counters);

impl Tally {
    pub(crate) const fn in_flight(&self) -> u32 {
        self.0.queued + self.0.running
    }
}

impl Hash for Tally {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Counters { pending, queued, running, completed, errored, skipped, retried } = self.0;
        [pending, queued, running, completed, errored, skipped, retried].hash(state);
    }
}

/// The counter of a status.
pub(crate) fn counter(counters: &mut Counters, status: Status) -> &mut u32 {
    match status {
        Status::Pending => &mut counters.pending,
        Status::Queued => &mut counters.queued,
        Status::Running => &mut counters.running,
        Status::Completed => &mut counters.completed,
        Status::Errored => &mut counters.errored,
        Status::Skipped => &mut counters.skipped,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobRow {
    pub(crate) status: Status,
    /// `loaded_at` is set.
    pub(crate) accepted: bool,
    pub(crate) finished: bool,
    pub(crate) paused: bool,
    /// The large command at work.
    pub(crate) gate: Option<Gate>,
    /// `live_jobs.deadline_at`.
    pub(crate) deadline_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayerRow {
    pub(crate) status: Status,
    pub(crate) run: u32,
    pub(crate) paused: bool,
    pub(crate) loaded: usize,
    pub(crate) tally: Tally,
    /// `layer_types`: the dispatch cursor by kind, while the layer is open.
    pub(crate) cursors: Vec<Option<usize>>,
    /// How often it was opened, as the audit has it.
    pub(crate) opened: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TaskRow {
    pub(crate) status: Status,
    pub(crate) paused: bool,
    pub(crate) attempt: u32,
    pub(crate) failures: u32,
    pub(crate) lost: u32,
    /// `requeue.not_before`: it is dispatched out of the cursor's order.
    pub(crate) due_ms: Option<i64>,
    /// The last attempt that a worker got; the world notes it, the ledger does not know.
    pub(crate) started: u32,
}

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Change {
    Enqueue(usize, u32),
    Revoke(usize, u32),
    Recall(Scope),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Job(usize),
    Layer(usize),
    Task(usize),
}

impl Scope {
    pub(crate) fn job(self, rules: &Rules) -> usize {
        match self {
            Self::Job(job) => job,
            Self::Layer(layer) => rules.layers[layer].job,
            Self::Task(task) => rules.tasks[task].job,
        }
    }

    pub(crate) fn holds(self, rules: &Rules, task: usize) -> bool {
        match self {
            Self::Job(job) => rules.tasks[task].job == job,
            Self::Layer(layer) => rules.tasks[task].layer == layer,
            Self::Task(one) => one == task,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) epoch: u32,
    pub(crate) now_ms: i64,
    /// The random bits of the next backoff.
    pub(crate) jitter: u16,
    pub(crate) jobs: Vec<JobRow>,
    pub(crate) layers: Vec<LayerRow>,
    pub(crate) tasks: Vec<TaskRow>,
    pub(crate) outbox: Vec<Change>,
    /// The first promise that was seen to be broken.
    pub(crate) broken: Option<Broken>,
}

/// The rows of jobs and layers as some statement saw them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    jobs: Vec<JobRow>,
    layers: Vec<LayerRow>,
}

impl Ledger {
    pub(crate) fn new(rules: &Rules) -> Self {
        let job = JobRow { status: Status::Pending, accepted: false, finished: false, paused: false, gate: None, deadline_ms: None };
        let layer = LayerRow {
            status: Status::Pending,
            run: 0,
            paused: false,
            loaded: 0,
            tally: Tally::default(),
            cursors: vec![None; rules.kinds.len()],
            opened: 0,
        };
        let task = TaskRow { status: Status::Pending, paused: false, attempt: 0, failures: 0, lost: 0, due_ms: None, started: 0 };
        Self {
            epoch: 0,
            now_ms: 0,
            jitter: 0,
            jobs: vec![job; rules.jobs.len()],
            layers: vec![layer; rules.layers.len()],
            tasks: vec![task; rules.tasks.len()],
            outbox: Vec::new(),
            broken: None,
        }
    }

    /// The epoch's check, first statement of every transaction of an operator (`Store::begin`).
    pub(crate) fn begin(&self, rules: &Rules, epoch: u32) -> Result<(), Trouble> {
        if epoch == self.epoch || !rules.has(Safeguard::EpochCheck) { Ok(()) } else { Err(Trouble::Fenced) }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { jobs: self.jobs.clone(), layers: self.layers.clone() }
    }

    /// A job in the shape in which the core decides.
    pub(crate) fn as_core(&self, rules: &Rules, job: usize) -> Job {
        as_core(rules, job, &self.jobs, &self.layers)
    }

    pub(crate) fn note(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }

    pub(crate) fn is_in_flight(&self, task: usize, attempt: u32) -> bool {
        let row = &self.tasks[task];
        row.attempt == attempt && matches!(row.status, Status::Queued | Status::Running)
    }

    /// Whether it, its layer or its job is paused.
    pub(crate) fn is_paused(&self, rules: &Rules, task: usize) -> bool {
        let rule = &rules.tasks[task];
        self.jobs[rule.job].paused || self.layers[rule.layer].paused || self.tasks[task].paused
    }

    /// `Store::outstanding`: every attempt of an unfinished job that is queued or running.
    pub(crate) fn outstanding(&self, rules: &Rules) -> Vec<(usize, u32)> {
        let is_out = |(task, row): &(usize, &TaskRow)| {
            matches!(row.status, Status::Queued | Status::Running) && !self.jobs[rules.tasks[*task].job].finished
        };
        self.tasks.iter().enumerate().filter(is_out).map(|(task, row)| (task, row.attempt)).collect()
    }

    /// `Store::outbox_delete`: an earlier leader, who does not know what a later one has pushed, must not call anything done.
    pub(crate) fn forget(&mut self, rules: &Rules, epoch: u32, done: &[Change]) -> Result<(), Trouble> {
        if rules.has(Safeguard::OutboxFence) {
            self.begin(rules, epoch)?;
        }
        for change in done {
            if let Some(place) = self.outbox.iter().position(|known| known == change) {
                self.outbox.remove(place);
            }
        }
        Ok(())
    }

    /// Moves a task and its layer's counters, if the table of moves allows it.
    fn move_task(&mut self, rules: &Rules, task: usize, to: Status, moves: &[Move]) -> bool {
        let from = self.tasks[task].status;
        if !moves.contains(&(from, to)) {
            return false;
        }
        let counters = &mut self.layers[rules.tasks[task].layer].tally.0;
        *counter(counters, from) -= 1;
        *counter(counters, to) += 1;
        self.tasks[task].status = to;
        true
    }
}

fn as_core(rules: &Rules, job: usize, jobs: &[JobRow], layers: &[LayerRow]) -> Job {
    let gate = rules.has(Safeguard::LoadingGate);
    let by = |paused: bool| paused.then(|| "a person".to_owned());
    let layers = rules.jobs[job].layers.clone().map(|place| {
        let (rule, row) = (&rules.layers[place], &layers[place]);
        let expected = if gate { rule.tasks.len() } else { row.loaded };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Layer {
            name: rule.name.clone(),
            priority: rule.priority,
            status: row.status,
            run: row.run,
            paused_by: by(row.paused),
            gated: false,
            expected: number(expected),
            loaded: number(row.loaded),
            tasks: row.tally.0,
        }
    });
    let row = &jobs[job];
    Job {
        status: row.status,
        accepted: row.accepted || !gate,
        finished: row.finished,
        paused_by: by(row.paused),
        gated: row.gate.is_some(),
        on_failure: rules.jobs[job].on_failure,
        layers: layers.collect(),
    }
}
