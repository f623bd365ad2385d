//! What stays the same while a world runs: its jobs as the core has resolved them, and which safeguard is left out, if any.

use std::ops::Range;

use igor::core::job::OnFailure;
use igor::core::plan::{JobSpec, Plan};
use igor::core::retry::Backoff;

/// What keeps a promise. A world that runs without one must be seen to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// A result counts only for the attempt that it is about.
    AttemptFence,
    /// An earlier leader's transactions are refused.
    EpochCheck,
    /// An advance sees what the transactions before it have written: the job's row is locked.
    JobMutex,
    /// Layers whose rows are not all there neither open nor end.
    LoadingGate,
    /// Changes that Redis does not know yet are kept in the ledger.
    Outbox,
    /// An earlier leader deletes nothing from the outbox.
    OutboxFence,
    /// What stands earlier in the outbox is done earlier, pushes from memory too.
    OutboxOrder,
    /// What is told in another type's stream leaves the table alone.
    StreamCheck,
    /// Results that were written before a lease was seen to be old are taken before the lease is given up.
    DrainBeforeSweep,
    /// The table is held against the ledger and the streams from time to time.
    Diff,
    /// While a large command is at work nothing of its job is dispatched.
    Gate,
    /// What is skipped while it is queued or running is taken from its worker.
    SkipRevokes,
    /// A paused task is passed over.
    TaskPause,
}

impl Safeguard {
    pub(crate) const ALL: [Self; 13] = [
        Self::AttemptFence,
        Self::EpochCheck,
        Self::JobMutex,
        Self::LoadingGate,
        Self::Outbox,
        Self::OutboxFence,
        Self::OutboxOrder,
        Self::StreamCheck,
        Self::DrainBeforeSweep,
        Self::Diff,
        Self::Gate,
        Self::SkipRevokes,
        Self::TaskPause,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AttemptFence => "attempt fence",
            Self::EpochCheck => "epoch check",
            Self::JobMutex => "job mutex",
            Self::LoadingGate => "loading gate",
            Self::Outbox => "outbox",
            Self::OutboxFence => "outbox fence",
            Self::OutboxOrder => "outbox order",
            Self::StreamCheck => "stream check",
            Self::DrainBeforeSweep => "drain before sweep",
            Self::Diff => "diff",
            Self::Gate => "gate",
            Self::SkipRevokes => "skip revokes",
            Self::TaskPause => "task pause",
        }
    }
}

/// A job's part in the rules.
#[derive(Clone, Debug)]
pub(crate) struct JobRule {
    pub(crate) layers: Range<usize>,
    pub(crate) on_failure: OnFailure,
    pub(crate) backoff: Backoff,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) deadline_ms: Option<i64>,
}

/// A layer's part in the rules.
#[derive(Clone, Debug)]
pub(crate) struct LayerRule {
    pub(crate) job: usize,
    pub(crate) name: String,
    pub(crate) priority: i32,
    pub(crate) max_in_flight: Option<u32>,
    /// Its tasks; a task's ordinal is its place in this range.
    pub(crate) tasks: Range<usize>,
}

/// A task's part in the rules.
#[derive(Clone, Debug)]
pub(crate) struct TaskRule {
    pub(crate) job: usize,
    pub(crate) layer: usize,
    pub(crate) kind: usize,
    pub(crate) max_failures: u32,
}

/// The rules of a world. Jobs, layers, tasks and kinds are known by their places.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) jobs: Vec<JobRule>,
    pub(crate) layers: Vec<LayerRule>,
    pub(crate) tasks: Vec<TaskRule>,
    pub(crate) kinds: Vec<String>,
    /// Most tasks of a kind in the operator's table.
    pub(crate) window: usize,
    /// Rows of one transaction of an acceptance.
    pub(crate) chunk: usize,
    /// Tasks that one step of a command goes through; more make it a large one.
    pub(crate) step: usize,
    /// Tasks that a worker holds at once.
    pub(crate) slots: usize,
    pub(crate) without: Option<Safeguard>,
}

impl Rules {
    /// The rules for these jobs, which must be faultless.
    pub(crate) fn of(specs: Vec<JobSpec>) -> Self {
        let (jobs, layers, tasks, kinds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut rules = Self { jobs, layers, tasks, kinds, window: 200, chunk: 10_000, step: usize::MAX, slots: 1, without: None };
        for spec in specs {
            rules.add(&Plan::resolve(spec).expect("a plan without faults"));
        }
        rules
    }

    fn add(&mut self, plan: &Plan) {
        let (job, first) = (self.jobs.len(), self.layers.len());
        for layer in &plan.layers {
            let begin = self.tasks.len();
            for task in &layer.tasks {
                let kind = self.kind(&task.kind);
                let rule = TaskRule { job, layer: self.layers.len(), kind, max_failures: task.max_failures };
                self.tasks.extend((0..task.rows()).map(|_| rule.clone()));
            }
            self.layers.push(LayerRule {
                job,
                name: layer.name.clone(),
                priority: layer.priority,
                max_in_flight: layer.max_in_flight,
                tasks: begin..self.tasks.len(),
            });
        }
        self.jobs.push(JobRule {
            layers: first..self.layers.len(),
            on_failure: plan.on_failure,
            backoff: plan.backoff,
            max_in_flight: plan.max_in_flight,
            deadline_ms: plan.deadline_seconds.map(|seconds| i64::from(seconds) * 1000),
        });
    }

    fn kind(&mut self, name: &str) -> usize {
        if let Some(known) = self.kinds.iter().position(|kind| kind == name) {
            return known;
        }
        self.kinds.push(name.to_owned());
        self.kinds.len() - 1
    }

    pub(crate) fn has(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    /// The tasks of a job, layer by layer.
    pub(crate) fn tasks_of(&self, job: usize) -> Range<usize> {
        let layers = &self.layers[self.jobs[job].layers.clone()];
        match (layers.first(), layers.last()) {
            (Some(first), Some(last)) => first.tasks.start..last.tasks.end,
            _ => 0..0,
        }
    }
}
