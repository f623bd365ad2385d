//! The kinds of waits, and what each means for the job.

use super::Commonest;

/// Something that an unfinished job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A person paused the job, or one of its layers.
    Paused {
        /// The layer, or the whole job.
        layer: Option<String>,
        /// Who did.
        by: String,
        /// Why, in his words.
        words: Option<String>,
    },
    /// A large command is at work.
    Command(Option<AtWork>),
    /// Its plan is not yet wholly in the ledger.
    Loading {
        /// The layer that is loading.
        layer: String,
        /// Rows that are in.
        loaded: u32,
        /// Rows that the plan announces.
        expected: u32,
    },
    /// An errored layer holds the job until a person decides.
    Held {
        /// The errored layer.
        layer: String,
        /// Its errored tasks.
        errored: u32,
        /// All its tasks.
        total: u32,
        /// What most of them said.
        said: Option<Commonest>,
    },
    /// Tasks are queued and nobody takes them.
    NoWorkers {
        /// Their layer.
        layer: String,
        /// Their type.
        kind: String,
        /// How many there are.
        tasks: u32,
        /// The type that has workers and nearly the same name.
        meant: Option<String>,
    },
    /// A worker is not heard of, and what it runs not yet given to others.
    Silent {
        /// A layer of which it has tasks.
        layer: String,
        /// The worker.
        worker: String,
        /// How long that takes at most.
        seconds: u32,
    },
    /// Single tasks are paused.
    TasksPaused {
        /// Their layer.
        layer: String,
        /// How many there are.
        paused: u32,
        /// Unfinished tasks of the layer, with them.
        left: u32,
    },
    /// No more tasks may be in flight.
    Limit {
        /// The layer whose limit it is, or the whole job.
        layer: Option<String>,
        /// The limit.
        limit: Limit,
        /// Tasks that could go out without it.
        waiting: u32,
    },
    /// Everything left waits for its next attempt.
    Backoff {
        /// The layer.
        layer: String,
        /// Tasks that wait.
        tasks: u32,
        /// When the first is due, unix milliseconds.
        until_ms: i64,
    },
    /// Tasks are on their way to a worker.
    Queued {
        /// Their layer.
        layer: String,
        /// How many there are.
        tasks: u32,
    },
    /// Tasks are not yet handed to the queue.
    Room {
        /// Their layer.
        layer: String,
        /// How many there are.
        tasks: u32,
    },
    /// The next step is due: a layer begins, or a layer or the job ends.
    Next {
        /// The layer that begins.
        layer: Option<String>,
    },
    /// A layer's turn has not come.
    Ahead {
        /// The layer that waits.
        layer: String,
        /// The layer that it waits for, the first of them.
        ahead: String,
        /// Further layers of the same priority that it waits for.
        more: u32,
        /// Tasks of all of these that are not done.
        left: u32,
        /// All their tasks.
        total: u32,
    },
}

/// A limit of tasks in flight that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many may be queued or running.
    pub most: u32,
    /// So many are.
    pub in_flight: u32,
}

/// How far a large command is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtWork {
    /// What it does.
    pub verb: String,
    /// Tasks that it has looked at.
    pub done: u32,
    /// All that it has to look at.
    pub all: u32,
}

impl Wait {
    /// Whether work moves all the same: this is on its way, not stopped.
    pub const fn is_moving(&self) -> bool {
        matches!(self, Self::Command(_) | Self::Silent { .. } | Self::Queued { .. } | Self::Room { .. } | Self::Next { .. })
    }

    /// Whether this stops work: neither on its way nor only behind others.
    pub const fn stops(&self) -> bool {
        !self.is_moving() && !matches!(self, Self::Ahead { .. })
    }

    /// The layer that it is about; `None` for the whole job.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::Paused { layer, .. } | Self::Limit { layer, .. } | Self::Next { layer } => layer.as_deref(),
            Self::Loading { layer, .. }
            | Self::Held { layer, .. }
            | Self::NoWorkers { layer, .. }
            | Self::Silent { layer, .. }
            | Self::TasksPaused { layer, .. }
            | Self::Backoff { layer, .. }
            | Self::Queued { layer, .. }
            | Self::Room { layer, .. }
            | Self::Ahead { layer, .. } => Some(layer),
            Self::Command(_) => None,
        }
    }

    /// Its place among others: what concerns more, or needs a person, comes first.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Paused { layer: None, .. } => 0,
            Self::Command(_) => 1,
            Self::Loading { .. } => 2,
            Self::Paused { layer: Some(_), .. } => 3,
            Self::Held { .. } => 4,
            Self::NoWorkers { .. } => 5,
            Self::Silent { .. } => 6,
            Self::TasksPaused { .. } => 7,
            Self::Limit { .. } => 8,
            Self::Backoff { .. } => 9,
            Self::Queued { .. } | Self::Room { .. } | Self::Next { .. } => 10,
            Self::Ahead { .. } => 11,
        }
    }
}
