//! From a job as Kubernetes has it, and the files of tasks that it names, to a plan.
//!
//! Fetching is somebody else's: [`sources`] says what to fetch, [`of_config_map`] what becomes of it, [`plan`] takes both.

mod lines;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use super::LABEL_TASKS;
use super::job::{ConfigMapKey, IgorJobSpec, JobLayer, LayerTask, OnFailure, TaskDefaults, TasksFrom};
use super::task::IgorTaskSpec;
use crate::core::plan::{self, BackoffSpec, Defaults, Fault, JobSpec, LayerSpec, Place, Plan, Reason, TaskPlan, TaskSpec};

use lines::{Budget, Lines};

/// What came of fetching a file of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// Its content, as stored.
    Bytes(Vec<u8>),
    /// There is no such `ConfigMap`, or it has no such key.
    NotFound,
    /// The `ConfigMap` does not carry the label that lets tasks be read from it: without it, whoever may make jobs could read every
    /// `ConfigMap` of the namespace.
    Forbidden,
}

/// The files that `spec` names, but for those of the layers in `read`: these were read when the layer was accepted.
pub fn sources(spec: &IgorJobSpec, read: &BTreeSet<String>) -> BTreeSet<ConfigMapKey> {
    let unread = spec.layers.iter().filter(|layer| !read.contains(&layer.name));
    unread.flat_map(|layer| &layer.tasks_from).filter_map(|from| from.config_map_key_ref.clone()).collect()
}

/// The entry `key` of a `ConfigMap`, `None` when there is none of that name.
pub fn of_config_map(map: Option<ConfigMap>, key: &str) -> Fetched {
    let Some(map) = map else { return Fetched::NotFound };
    if !map.metadata.labels.is_some_and(|labels| labels.contains_key(LABEL_TASKS)) {
        return Fetched::Forbidden;
    }
    let text = map.data.and_then(|mut data| data.remove(key)).map(String::into_bytes);
    let bytes = text.or_else(|| map.binary_data.and_then(|mut data| data.remove(key)).map(|bytes| bytes.0));
    bytes.map_or(Fetched::NotFound, Fetched::Bytes)
}

/// Whether tasks of `spec` are still to come through the API, but for those of the layers in `read`.
pub fn waits_for_upload(spec: &IgorJobSpec, read: &BTreeSet<String>) -> bool {
    let mut unread = spec.layers.iter().filter(|layer| !read.contains(&layer.name));
    unread.any(|layer| layer.tasks_from.iter().any(|from| from.upload.is_some()))
}

/// The plan of `spec`, whose files are in `files`; or everything that is wrong with both. Of layers in `read` it has the inline tasks.
pub fn plan(spec: &IgorJobSpec, files: &BTreeMap<ConfigMapKey, Fetched>, read: &BTreeSet<String>) -> Result<Plan, Vec<Fault>> {
    let uploads = BTreeMap::new();
    planned(spec, Reader { files, read, uploads: &uploads, budget: Budget::default(), faults: Vec::new() })
}

/// The plan of `spec`, whose uploaded tasks are at hand, by layer; or everything that is wrong with both.
pub fn plan_of_uploads(spec: &IgorJobSpec, uploads: &BTreeMap<String, Vec<LayerTask>>) -> Result<Plan, Vec<Fault>> {
    let (files, read) = (BTreeMap::new(), BTreeSet::new());
    planned(spec, Reader { files: &files, read: &read, uploads, budget: Budget::default(), faults: Vec::new() })
}

fn planned(spec: &IgorJobSpec, mut reader: Reader<'_>) -> Result<Plan, Vec<Fault>> {
    let job = reader.job(spec);
    let mut faults = reader.faults;
    match Plan::resolve(job) {
        Ok(plan) if faults.is_empty() => Ok(plan),
        Ok(_) => Err(faults),
        Err(more) => {
            faults.extend(more);
            faults.truncate(plan::MAX_FAULTS);
            Err(faults)
        }
    }
}

/// Reads a spec; what cannot be read becomes a fault, and all else is read on.
struct Reader<'a> {
    files: &'a BTreeMap<ConfigMapKey, Fetched>,
    read: &'a BTreeSet<String>,
    /// Tasks that were uploaded, by layer.
    uploads: &'a BTreeMap<String, Vec<LayerTask>>,
    budget: Budget,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn job(&mut self, spec: &IgorJobSpec) -> JobSpec {
        JobSpec {
            title: spec.title.clone(),
            queue: spec.queue.clone(),
            priority: spec.priority.into(),
            max_in_flight: spec.max_in_flight.map(i64::from),
            on_failure: match spec.on_failure {
                OnFailure::Hold => plan::OnFailure::Hold,
                OnFailure::Continue => plan::OnFailure::Continue,
            },
            active_deadline_seconds: spec.active_deadline_seconds.map(i64::from),
            paused: spec.paused,
            defaults: spec.defaults.as_ref().map(defaults).unwrap_or_default(),
            layers: spec.layers.iter().enumerate().map(|(index, layer)| self.layer(index, layer)).collect(),
        }
    }

    fn layer(&mut self, index: usize, layer: &JobLayer) -> LayerSpec {
        let mut tasks: Vec<TaskSpec> = (0..).zip(&layer.tasks).map(|(at, task)| written(Place::Listed(at), task)).collect();
        for (source, from) in (0..).zip(&layer.tasks_from).filter(|_| !self.read.contains(&layer.name)) {
            tasks.extend(self.file(index, &layer.name, source, from));
        }
        LayerSpec {
            name: layer.name.clone(),
            title: layer.title.clone(),
            priority: layer.priority.into(),
            paused: layer.paused,
            max_in_flight: layer.max_in_flight.map(i64::from),
            tasks,
            sources: layer.tasks_from.iter().map(named).collect(),
        }
    }

    fn file(&mut self, layer: usize, name: &str, source: u32, from: &TasksFrom) -> Vec<TaskSpec> {
        let path = format!("layers[{layer}].tasksFrom[{source}]");
        if let Some(upload) = from.upload {
            let tasks = self.uploads.get(name).map(Vec::as_slice).unwrap_or_default();
            if usize::try_from(upload.count) != Ok(tasks.len()) {
                self.faults
                    .push(Fault::invalid(format!("{path}.upload"), format!("{} of {} tasks were uploaded", tasks.len(), upload.count)));
            }
            return (1..).zip(tasks).map(|(line, task)| written(Place::Line { source, line }, task)).collect();
        }
        let Some(key) = &from.config_map_key_ref else {
            self.faults.push(Fault::invalid(path, "must have one of configMapKeyRef and upload"));
            return Vec::new();
        };
        let fault = |reason, message| Fault { path: format!("{path}.configMapKeyRef"), reason, message };
        let ConfigMapKey { name, key: entry } = key;
        match self.files.get(key) {
            Some(Fetched::Bytes(bytes)) => {
                let lines = Lines { layer, source, budget: &mut self.budget, faults: &mut self.faults };
                lines.read(bytes)
            }
            Some(Fetched::Forbidden) => {
                let message = format!("ConfigMap {name} does not carry the label {LABEL_TASKS}");
                self.faults.push(fault(Reason::TasksFromForbidden, message));
                Vec::new()
            }
            Some(Fetched::NotFound) | None => {
                self.faults.push(fault(Reason::TasksFromNotFound, format!("there is no ConfigMap {name} with the key {entry}")));
                Vec::new()
            }
        }
    }
}

/// The task that an `IgorTask` of this name adds to its job, with the job's defaults; or all that is wrong with it.
pub fn task(spec: &IgorTaskSpec, object: &str, job: &IgorJobSpec) -> Result<TaskPlan, Vec<Fault>> {
    let written = TaskSpec {
        place: Place::default(),
        name: Some(spec.name.clone().unwrap_or_else(|| object.to_owned())),
        title: spec.title.clone(),
        kind: Some(spec.kind.clone()),
        args: spec.args.clone(),
        args_base64: spec.args_base64.clone(),
        payload: spec.payload.clone().map(|payload| Value::Object(payload).to_string()),
        count: None,
        retries: spec.retries.map(i64::from),
        timeout_seconds: spec.timeout_seconds.map(i64::from),
        paused: spec.paused,
    };
    TaskPlan::resolve(written, &job.defaults.as_ref().map(defaults).unwrap_or_default())
}

fn defaults(defaults: &TaskDefaults) -> Defaults {
    let backoff = defaults.backoff.unwrap_or_default();
    Defaults {
        kind: defaults.kind.clone(),
        retries: defaults.retries.map(i64::from),
        timeout_seconds: defaults.timeout_seconds.map(i64::from),
        backoff: BackoffSpec { initial_seconds: backoff.initial_seconds.map(i64::from), max_seconds: backoff.max_seconds.map(i64::from) },
    }
}

/// What tells one entry of `tasksFrom` from another.
fn named(from: &TasksFrom) -> String {
    let list = from.config_map_key_ref.as_ref().map(|list| format!("{}/{}", list.name, list.key));
    list.unwrap_or_else(|| format!("upload/{}", from.upload.map_or(0, |upload| upload.count)))
}

fn written(place: Place, task: &LayerTask) -> TaskSpec {
    TaskSpec {
        place,
        name: task.name.clone(),
        title: task.title.clone(),
        kind: task.kind.clone(),
        args: task.args.clone(),
        args_base64: task.args_base64.clone(),
        payload: task.payload.clone().map(|payload| Value::Object(payload).to_string()),
        count: task.count.map(i64::from),
        retries: task.retries.map(i64::from),
        timeout_seconds: task.timeout_seconds.map(i64::from),
        paused: task.paused,
    }
}

#[cfg(test)]
mod tests;
