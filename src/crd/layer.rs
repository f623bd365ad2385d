//! `IgorLayer`: a handle by which one layer is seen and steered.

#![expect(clippy::duplicated_attributes, reason = "every column repeats the words of the others")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::job_status::{LayerPhase, TaskCounts};
use super::schema;

/// Which layer it is.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "igor.dev",
    version = "v1alpha1",
    kind = "IgorLayer",
    namespaced,
    shortname = "il",
    category = "igor",
    status = "IgorLayerStatus",
    derive = "PartialEq",
    doc = "A handle on one layer of an IgorJob, to see and steer it. Made by the operator, named JOB.LAYER, and deleted with the job.",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "How it stands"),
    printcolumn(name = "Priority", type_ = "integer", json_path = ".spec.priority", description = "Its place in the order"),
    printcolumn(name = "Done", type_ = "string", json_path = ".status.progress", description = "Tasks completed or skipped, of all"),
    printcolumn(name = "Run", type_ = "integer", json_path = ".status.tasks.running", description = "Tasks that run"),
    printcolumn(name = "Err", type_ = "integer", json_path = ".status.tasks.errored", description = "Tasks that failed for good"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since it was made")
)]
#[serde(rename_all = "camelCase")]
pub struct IgorLayerSpec {
    /// The job's name.
    #[schemars(length(min = 1, max = 63))]
    pub job_name: String,
    /// The layer's name.
    #[schemars(length(min = 1, max = 63))]
    pub layer: String,
    /// The layer's place in the order: lower ones run first, equal ones together.
    pub priority: i32,
}

/// How the layer stands, as the ledger has it. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgorLayerStatus {
    /// How it stands. Pending: not begun. Loading: its tasks are not all in the ledger yet. Running. Failing: runs, and some tasks
    /// have failed. Errored: ended with failed tasks. Paused. Completed. Skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LayerPhase")]
    pub phase: Option<LayerPhase>,
    /// Tasks completed or skipped, of all, as 8131/60000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub progress: Option<String>,
    /// How many of its tasks stand where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TaskCounts>,
    /// Some of its failed tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub failed_tasks: Vec<FailedTask>,
    /// When it first began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub finished_at: Option<Time>,
    /// The id of the command last handled, by verb.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::handled")]
    pub last_handled: BTreeMap<String, String>,
    /// Started: it has begun. Paused: it hands out nothing new. Complete: all its tasks are done. Failed: it ended with failed
    /// tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A task that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedTask {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Its index in its array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// The attempt that ended it, from 1.
    pub attempt: u32,
    /// What its worker said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}
