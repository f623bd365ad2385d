//! What a client does to layers and tasks of a job that runs: kills and retries some, skips, pauses, lets go, appends.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::client::condition;
use crate::workload::{Shape, work};
use crate::world::World;

/// How long a client waits for one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries of what must not stay as it is.
const AGAIN: Duration = Duration::from_secs(1);

/// The ways of [`steer`].
pub(crate) const WAYS: usize = 5;

/// Steers a part of a job, one way or another; at its end nothing is left paused.
pub(crate) async fn steer(world: Arc<World>, job: String, shape: Vec<Shape>, way: usize, limit: Duration) {
    let (layer, _, tasks) = &shape[shape.len() / 2];
    let half = tasks / 2;
    match way {
        0 => {
            let about = About { job: &job, layer, first: 0, last: half };
            world.command("kill", &format!("{layer}/*"), &About { last: u64::MAX, ..about }, limit).await;
            // Those that ended well before are named too, and run again.
            world.command("retry", &format!("{layer}/0-{half}"), &about, limit).await;
            world.command("retry", "failed", &About { last: u64::MAX, ..about }, limit).await;
        }
        1 => {
            world.command("skip", layer, &About { job: &job, layer, first: 0, last: u64::MAX }, limit).await;
        }
        2 => {
            let about = About { job: &job, layer, first: 0, last: u64::MAX };
            world.command("pause-tasks", &format!("{layer}/*"), &about, limit).await;
            tokio::time::sleep(AGAIN).await;
            while !world.command("unpause-tasks", &format!("{layer}/*"), &about, limit).await {
                tokio::time::sleep(AGAIN).await;
            }
        }
        3 => {
            world.grow(&job, limit).await;
        }
        _ => {
            let place = shape.len() / 2;
            world.edit(&job, json!([{"op": "add", "path": format!("/spec/layers/{place}/paused"), "value": true}])).await;
            world.pause_handle(&job, layer, Some("true")).await;
            tokio::time::sleep(AGAIN).await;
            while !world.pause_handle(&job, layer, None).await {
                tokio::time::sleep(AGAIN).await;
            }
            while !world.edit(&job, json!([{"op": "add", "path": format!("/spec/layers/{place}/paused"), "value": false}])).await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// What a command is about, as the checker reads it: the tasks of a layer with ordinals from `first` to `last`.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    job: &'a str,
    layer: &'a str,
    first: u64,
    last: u64,
}

impl World {
    /// Gives a one-shot and waits until it is acknowledged.
    async fn command(&self, verb: &str, selector: &str, about: &About<'_>, limit: Duration) -> bool {
        let About { job, layer, first, last } = *about;
        let line = |act: &str| json!({"act": act, "job": job, "layer": layer, "first": first, "last": last, "part": true});
        let before = self.job(job).await.map(|object| object["status"]["lastHandled"][verb].clone()).unwrap_or_default();
        self.history.note("ask", line(verb));
        let patch = Patch::Merge(json!({"metadata": {"annotations": {format!("igor/{verb}"): selector}}}));
        let asked = self.patched(&patch, job).await;
        let handled = |object: &Value| {
            let now = &object["status"]["lastHandled"][verb];
            now.is_string() && *now != before
        };
        let object = if asked { self.wait_for(job, limit, handled).await } else { None };
        let mut said = line(verb);
        said["uid"] = object.as_ref().map_or(Value::Null, |object| object["metadata"]["uid"].clone());
        self.history.note(if object.is_some() { "acknowledged" } else { "unknown" }, said);
        object.is_some()
    }

    /// Appends a layer behind all others, and waits until the job says that it has it, or that it takes none.
    async fn grow(&self, job: &str, limit: Duration) -> bool {
        let tasks = 7;
        let layer =
            json!({"name": "grown", "priority": 1000, "tasks": [{"name": "t", "type": "step", "count": tasks, "payload": work(5, 50, 0)}]});
        let line = json!({"act": "grow", "job": job, "layer": "grown", "tasks": tasks, "part": true});
        self.history.note("ask", line.clone());
        if !self.edit(job, json!([{"op": "add", "path": "/spec/layers/-", "value": layer}])).await {
            self.history.note("unknown", line);
            return false;
        }
        let has_it = |object: &Value| object["status"]["layers"].as_array().into_iter().flatten().any(|layer| layer["name"] == "grown");
        let is_seen = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let is_said = |object: &Value| {
            is_seen(object) && (condition(object, "Accepted") == "True" && has_it(object) || reason(object) == "ImmutablePlan")
        };
        let object = self.wait_for(job, limit, is_said).await.filter(&has_it);
        let mut said = line;
        said["uid"] = object.as_ref().map_or(Value::Null, |object| object["metadata"]["uid"].clone());
        self.history.note(if object.is_some() { "acknowledged" } else { "unknown" }, said);
        object.is_some()
    }

    async fn edit(&self, job: &str, edit: Value) -> bool {
        let patch = Patch::Json::<()>(serde_json::from_value(edit).expect("a patch"));
        let jobs = self.jobs();
        match tokio::time::timeout(PATIENCE, jobs.patch(job, &PatchParams::default(), &patch)).await {
            Ok(Err(kube::Error::Api(status))) => status.code == 404,
            patched => matches!(patched, Ok(Ok(_))),
        }
    }

    async fn patched(&self, patch: &Patch<Value>, job: &str) -> bool {
        let jobs = self.jobs();
        matches!(tokio::time::timeout(PATIENCE, jobs.patch_metadata(job, &PatchParams::default(), patch)).await, Ok(Ok(_)))
    }

    /// Sets or removes `igor/pause` on a layer's handle; a layer without one is as good as let go.
    async fn pause_handle(&self, job: &str, layer: &str, level: Option<&str>) -> bool {
        let handles = self.objects("IgorLayer", "igorlayers");
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"igor/pause": level}}}));
        let name = format!("{job}.{layer}");
        match tokio::time::timeout(PATIENCE, handles.patch_metadata(&name, &PatchParams::default(), &patch)).await {
            Ok(Err(kube::Error::Api(status))) => status.code == 404,
            patched => matches!(patched, Ok(Ok(_))),
        }
    }
}

fn reason(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == "Accepted");
    found.and_then(|condition| condition["reason"].as_str()).unwrap_or_default().to_owned()
}
