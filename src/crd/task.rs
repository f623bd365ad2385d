//! `IgorTask`: a task that a user adds to a layer, or a handle on a failed one.

#![expect(clippy::duplicated_attributes, reason = "every column repeats the words of the others")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::schema;

/// The task, and where it belongs.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "igor.dev",
    version = "v1alpha1",
    kind = "IgorTask",
    namespaced,
    shortname = "it",
    category = "igor",
    status = "IgorTaskStatus",
    derive = "PartialEq",
    doc = "One task of an IgorJob. Made by a user it adds a task to a layer that has not begun; made by the operator it is a handle to see and steer a failed task.",
    selectable = ".spec.jobName",
    selectable = ".spec.layerName",
    selectable = ".status.phase",
    printcolumn(name = "Job", type_ = "string", json_path = ".spec.jobName", description = "The job's name"),
    printcolumn(name = "Layer", type_ = "string", json_path = ".spec.layerName", description = "The layer's name"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type", description = "Which handler runs it"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "How it stands"),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".status.attempt", description = "The last attempt, from 1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message", description = "What its worker said last"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Since it was made")
)]
#[serde(rename_all = "camelCase")]
pub struct IgorTaskSpec {
    /// The job's name.
    #[schemars(length(min = 1, max = 63))]
    pub job_name: String,
    /// The layer's name.
    #[schemars(length(min = 1, max = 63))]
    pub layer_name: String,
    /// Its name, unique in the layer: letters, digits, dot, underscore, hyphen. The name of this object if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub name: Option<String>,
    /// What people call the task. Its name if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// Its type: which handler of a worker runs it.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"))]
    pub kind: String,
    /// What its handler gets, as text of at most 10,000 bytes. At most one of args, argsBase64 and payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_000))]
    pub args: Option<String>,
    /// What its handler gets, as at most 10,000 bytes in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::base64_args")]
    pub args_base64: Option<String>,
    /// What its handler gets, as a JSON object of at most 10,000 bytes when written without blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object")]
    pub payload: Option<Map<String, Value>>,
    /// How often it is tried again when it fails. As the job's defaults say if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub retries: Option<i32>,
    /// Seconds that one attempt may take. As the job's defaults say if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_000_000))]
    pub timeout_seconds: Option<i32>,
    /// Pauses the task: it is not handed out. The only field that may be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

/// How the task stands, as the ledger has it. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IgorTaskStatus {
    /// How it stands: Pending, Queued, Running, Completed, Errored, Skipped, or Rejected when it was not taken into its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TaskPhase")]
    pub phase: Option<TaskPhase>,
    /// Why it stands so, as one word in CamelCase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,
    /// The last attempt, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Attempts that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// What its worker said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1_024))]
    pub message: Option<String>,
    /// The id of the command last handled, by verb.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::handled")]
    pub last_handled: BTreeMap<String, String>,
    /// The worker that ran it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub worker: Option<String>,
    /// When it first ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::time")]
    pub finished_at: Option<Time>,
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaskPhase {
    /// Not begun, or waiting for another attempt.
    Pending,
    /// In the queue.
    Queued,
    /// Known to run.
    Running,
    /// Done.
    Completed,
    /// Failed for good.
    Errored,
    /// Left out on purpose.
    Skipped,
    /// Not taken into its job.
    Rejected,
}

/// The name of the task that an object stands for.
pub fn name_of_task(object: &IgorTask) -> String {
    object.spec.name.clone().or_else(|| object.metadata.name.clone()).unwrap_or_default()
}

/// What the handle on a task is called: `<job>.<layer>.<task>`, or where that is no name of an object, what comes nearest with five
/// letters of a hash.
pub fn handle_name(job: &str, layer: &str, task: &str) -> String {
    let fit = |character: char| match character.to_ascii_lowercase() {
        kept @ ('a'..='z' | '0'..='9' | '-' | '.') => kept,
        _ => '-',
    };
    let slug: String = task.chars().map(fit).collect();
    let parts = slug.split('.').map(|part| part.trim_matches('-')).filter(|part| !part.is_empty());
    let slug = parts.collect::<Vec<_>>().join(".");
    if slug == task {
        return format!("{job}.{layer}.{task}");
    }
    let digits = Sha256::digest(task).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hash: String = digits.take(5).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    let slug = if slug.is_empty() { String::new() } else { format!("{slug}-") };
    format!("{job}.{layer}.{slug}{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_called_like_its_task_as_far_as_objects_may_be() {
        assert_eq!(handle_name("nightly", "render", "frame-17"), "nightly.render.frame-17");
        assert_eq!(handle_name("nightly", "render", "v1.2"), "nightly.render.v1.2");
        let names = ["Frame_17", "frame-17-", "..", "frame_17"].map(|task| handle_name("j", "l", task));
        for name in &names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')), "{name}");
            assert!(name.split('.').all(|part| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')), "{name}");
        }
        assert!(names[0].starts_with("j.l.frame-17-") && names[0] != names[3], "{names:?}");
    }
}
