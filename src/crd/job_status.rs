//! The status of an `IgorJob`: a small projection of the ledger.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::schema;

/// How the job stands, as the ledger has it. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgorJobStatus {
    /// The generation of the spec that this status takes into account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// How it stands, in a word for people; programs read the conditions. Pending: not begun. Running. Failing: runs, and some
    /// tasks have failed. Errored: failed tasks hold it, or it ended with them. Paused. Completed. Rejected: the spec was never
    /// accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JobPhase")]
    pub phase: Option<JobPhase>,
    /// Tasks completed or skipped, of all, as 8131/60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub progress: Option<String>,
    /// The layers at work or next in turn, and their place in the order, as render (2/4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub layer: Option<String>,
    /// How many tasks of all layers stand where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskCounts>,
    /// Each layer in short, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub layers: Vec<LayerSummary>,
    /// When its first layer began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub finished_at: Option<Time>,
    /// When it may be done, at the pace so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub eta: Option<Time>,
    /// What it waits for first, in words with the numbers; of a job that ended with errors, why it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub why: Option<String>,
    /// The id of the command last handled, by verb.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::handled")]
    pub last_handled: BTreeMap<String, String>,
    /// Accepted: the plan is valid and in the ledger. Progressing: work moves. Paused: nothing new is handed out. Stalled: Igor
    /// itself cannot act. Complete: every layer is done. Failed: failed tasks hold the job, or it ended with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum JobPhase {
    /// Not begun.
    Pending,
    /// At work.
    Running,
    /// At work, and some tasks have failed.
    Failing,
    /// Held by failed tasks, or ended with them.
    Errored,
    /// Paused.
    Paused,
    /// Done.
    Completed,
    /// Its spec was never accepted.
    Rejected,
}

impl JobPhase {
    /// The word that a status has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Failing => "Failing",
            Self::Errored => "Errored",
            Self::Paused => "Paused",
            Self::Completed => "Completed",
            Self::Rejected => "Rejected",
        }
    }
}

/// How a layer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LayerPhase {
    /// Not begun.
    Pending,
    /// Its tasks are not all in the ledger yet.
    Loading,
    /// At work.
    Running,
    /// At work, and some tasks have failed.
    Failing,
    /// Ended with failed tasks.
    Errored,
    /// Paused.
    Paused,
    /// Done.
    Completed,
    /// Left out.
    Skipped,
}

/// How many tasks stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCounts {
    /// All tasks of the plan.
    pub total: u32,
    /// Not begun, or waiting for another attempt.
    pub pending: u32,
    /// In the queue, on their way to a worker.
    pub queued: u32,
    /// Known to run.
    pub running: u32,
    /// Done.
    pub completed: u32,
    /// Failed for good, until a person retries or skips them.
    pub errored: u32,
    /// Left out on purpose.
    pub skipped: u32,
    /// Attempts that failed and were followed by another; not part of the total.
    pub retried: u32,
}

/// A layer in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerSummary {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its place in the order.
    pub priority: i32,
    /// How it stands: Pending, Loading, Running, Failing, Errored, Paused, Completed or Skipped.
    pub phase: LayerPhase,
    /// All its tasks.
    pub total: u32,
    /// Those completed or skipped.
    pub done: u32,
    /// Those failed for good.
    pub errored: u32,
}
