//! The three kinds as Kubernetes sees them: fields, columns, rules; specs to plans, facts to statuses.
//!
//! Pure: no client, no clock. Knows neither ledger nor queue; what it is given of a job are the values of `core`.

mod condition;
pub mod crdgen;
mod job;
mod job_status;
mod layer;
pub mod reference;
pub mod resolve;
mod rules;
mod schema;
pub mod status;
mod task;

pub use condition::{Condition, ConditionStatus};
pub use crdgen::yaml;
pub use job::{
    BackoffLimits, ConfigMapKey, IgorJob, IgorJobSpec, JobLayer, LayerTask, OnFailure, TaskDefaults, TaskObjects, TasksFrom, Upload,
};
pub use job_status::{IgorJobStatus, JobPhase, LayerPhase, LayerSummary, TaskCounts};
pub use layer::{FailedTask, IgorLayer, IgorLayerSpec, IgorLayerStatus};
pub use task::{IgorTask, IgorTaskSpec, IgorTaskStatus, TaskPhase, handle_name, name_of_task};

/// The API group of all kinds.
pub const GROUP: &str = "igor.dev";
/// The only version so far.
pub const VERSION: &str = "v1alpha1";
/// The field manager of what the operator writes.
pub const FIELD_MANAGER: &str = "igor-operator";

/// On layers and tasks: the name of their job.
pub const LABEL_JOB: &str = "igor.dev/job";
/// On tasks: the name of their layer.
pub const LABEL_LAYER: &str = "igor.dev/layer";
/// On a job: `api` when it was made over HTTP. On a task object: `handle` when the operator made it for a task that is there anyway.
pub const LABEL_ORIGIN: &str = "igor.dev/origin";
/// The value of that label on a handle.
pub const ORIGIN_HANDLE: &str = "handle";
/// The value of that label on what was made over HTTP.
pub const ORIGIN_API: &str = "api";
/// On a `ConfigMap`: tasks may be read from it, whatever the value.
pub const LABEL_TASKS: &str = "igor.dev/tasks";

/// A level: `true` pauses, `false` does not.
pub const ANNOTATION_PAUSE: &str = "igor/pause";
/// The one-shots are called `igor/` and their verb.
pub const ANNOTATION_PREFIX: &str = "igor/";
/// Free text that goes to the audit with the next command.
pub const ANNOTATION_REASON: &str = "igor/reason";
/// On a job: the W3C trace context of whoever wanted it. Its trace is linked to that one.
pub const ANNOTATION_TRACEPARENT: &str = "igor.dev/traceparent";
