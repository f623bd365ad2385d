//! What a client does: submits, pauses, kills, retries, deletes; each with its acknowledgement, or `unknown` when none came in time.

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::workload::NewJob;
use crate::world::World;

/// How long a client waits for one answer of the API server.
const PATIENCE: Duration = Duration::from_secs(5);

impl World {
    /// Creates a job; whether the API server said so.
    pub(crate) async fn submit(&self, job: &NewJob) -> bool {
        let object = json!({
            "apiVersion": "igor.dev/v1alpha1",
            "kind": "IgorJob",
            "metadata": {"name": job.name},
            "spec": job.spec,
        });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        self.history.note("submit", json!({"job": job.name}));
        let made = tokio::time::timeout(PATIENCE, self.jobs().create(&PostParams::default(), &object)).await;
        let Ok(Ok(made)) = made else {
            self.history.note("unknown", json!({"act": "submit", "job": job.name}));
            return false;
        };
        let layers: Vec<Value> =
            job.shape.iter().map(|(name, priority, tasks)| json!({"name": name, "priority": priority, "tasks": tasks})).collect();
        self.history.note("submitted", json!({"job": job.name, "uid": made.metadata.uid, "layers": layers}));
        true
    }

    /// Waits until the object says that the job is accepted; whether it did in time.
    pub(crate) async fn accepted(&self, job: &str, limit: Duration) -> bool {
        let found = self.wait_for(job, limit, |object| condition(object, "Accepted") == "True").await;
        if let Some(object) = &found {
            self.history.note("accepted", json!({"job": job, "uid": object["metadata"]["uid"]}));
        }
        found.is_some()
    }

    /// Pauses a job and waits for the acknowledgement: the status says so, and the ledger has nothing to recall any more.
    pub(crate) async fn pause(&self, job: &str, limit: Duration) -> bool {
        let asked = self.annotate(job, json!({"igor/pause": "true"}), "pause").await;
        let shown = asked && self.wait_for(job, limit, |object| condition(object, "Paused") == "True").await.is_some();
        self.acknowledged("pause", job, shown && self.relayed(limit).await).await
    }

    /// Lets a paused job go on, and waits until the ledger says so.
    pub(crate) async fn unpause(&self, job: &str, limit: Duration) -> bool {
        let asked = self.annotate(job, json!({"igor/pause": null}), "unpause").await;
        let goes_on = asked && self.wait_for(job, limit, |object| condition(object, "Paused") == "False").await.is_some();
        self.acknowledged("unpause", job, goes_on).await
    }

    /// Kills a job and waits for the acknowledgement.
    pub(crate) async fn kill_job(&self, job: &str, limit: Duration) -> bool {
        let asked = self.annotate(job, json!({"igor/kill": "true"}), "kill").await;
        let handled = asked && self.wait_for(job, limit, |object| object["status"]["lastHandled"]["kill"].is_string()).await.is_some();
        self.acknowledged("kill", job, handled && self.relayed(limit).await).await
    }

    /// Retries what failed of a job and waits for the acknowledgement.
    pub(crate) async fn retry(&self, job: &str, limit: Duration) -> bool {
        let before = self.job(job).await.map(|object| object["status"]["lastHandled"]["retry"].clone()).unwrap_or_default();
        let asked = self.annotate(job, json!({"igor/retry": "failed"}), "retry").await;
        let handled = |object: &Value| {
            let now = &object["status"]["lastHandled"]["retry"];
            now.is_string() && *now != before
        };
        let handled = asked && self.wait_for(job, limit, handled).await.is_some();
        self.acknowledged("retry", job, handled).await
    }

    /// Deletes a job's object.
    pub(crate) async fn delete(&self, job: &str) -> bool {
        self.history.note("ask", json!({"act": "delete", "job": job}));
        let deleted = tokio::time::timeout(PATIENCE, self.jobs().delete(job, &DeleteParams::default())).await;
        self.acknowledged("delete", job, matches!(deleted, Ok(Ok(_)))).await
    }

    async fn acknowledged(&self, act: &str, job: &str, done: bool) -> bool {
        let uid = self.ledger.rows("igor.v_jobs").await.ok().and_then(|rows| {
            let of_name = rows.into_iter().filter(|row| row["name"] == job);
            of_name.max_by_key(|row| row["created_at"].to_string()).map(|row| row["uid"].clone())
        });
        self.history.note(if done { "acknowledged" } else { "unknown" }, json!({"act": act, "job": job, "uid": uid}));
        done
    }

    async fn annotate(&self, job: &str, annotations: Value, act: &str) -> bool {
        self.history.note("ask", json!({"act": act, "job": job}));
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let jobs = self.jobs();
        let patched = tokio::time::timeout(PATIENCE, jobs.patch_metadata(job, &PatchParams::default(), &patch)).await;
        matches!(patched, Ok(Ok(_)))
    }

    /// The object once it is as wanted; `None` = not in time.
    pub(crate) async fn wait_for(&self, job: &str, limit: Duration, holds: impl Fn(&Value) -> bool) -> Option<Value> {
        let look = async {
            loop {
                match self.job(job).await {
                    Ok(object) if holds(&object) => return object,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(limit, look).await.ok()
    }

    /// Waits until no revoke or recall is left to be done in Redis.
    async fn relayed(&self, limit: Duration) -> bool {
        let look = async {
            while self.ledger.count("SELECT count(*) FROM igor.outbox WHERE kind <> 'E'").await != Ok(0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(limit, look).await.is_ok()
    }
}

/// A condition's status.
pub(crate) fn condition(object: &Value, kind: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default().to_owned()
}
