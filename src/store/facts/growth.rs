//! Tasks that are added to an accepted job.

use uuid::Uuid;

use crate::core::plan::TaskPlan;

/// Tasks that are to be added to a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The job.
    pub job_id: Uuid,
    /// The name of its layer.
    pub layer: String,
    /// What is added, behind what is there.
    pub tasks: Vec<TaskPlan>,
}

/// What came of adding tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adding {
    /// They are in the ledger.
    Added(Added),
    /// None was added, because of this.
    Refused(NotAdded),
    /// The job or the layer is still being loaded, or a large command is at work on it: to be given again soon.
    Later,
}

/// Tasks that are in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// Their ids, in the order in which they were given.
    pub tasks: Vec<Uuid>,
    /// How many of them were not there before.
    pub written: u32,
}

/// Why tasks were not added: the reasons are API, with the words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// There is no such job, or it was deleted.
    #[error("{0}")]
    JobNotFound(String),
    /// The job has no such layer.
    #[error("{0}")]
    LayerNotFound(String),
    /// The layer has begun and is not paused, or it or the job has ended.
    #[error("{0}")]
    LayerStarted(String),
    /// The layer has another task of that name.
    #[error("{0}")]
    DuplicateTaskName(String),
    /// A task does not keep its rules.
    #[error("{0}")]
    InvalidSpec(String),
    /// More than a job, or a call, may have.
    #[error("{0}")]
    TooLarge(String),
}

impl NotAdded {
    /// The word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::JobNotFound(_) => "JobNotFound",
            Self::LayerNotFound(_) => "LayerNotFound",
            Self::LayerStarted(_) => "LayerStarted",
            Self::DuplicateTaskName(_) => "DuplicateTaskName",
            Self::InvalidSpec(_) => "InvalidSpec",
            Self::TooLarge(_) => "TooLarge",
        }
    }
}
