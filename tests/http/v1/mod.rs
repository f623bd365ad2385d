//! `/api/v1`, sentence by sentence of what the Go igor's clients rely on.

mod add;
mod births;
mod large;
mod lists;
mod verbs;
mod wire;

use serde_json::{Value, json};

use crate::served::Served;
use crate::support::until;
use crate::world::{SOON, Setup};

/// Nothing runs: what is made stays as it was born.
pub(crate) const STILL: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

/// A job of one layer of so many tasks of a type.
pub(crate) fn job(kind: &str, tasks: usize) -> Value {
    json!({"name": "night", "layers": [{"name": "only", "tasks": vec![json!({"type": kind}); tasks]}]})
}

/// What PATCH takes of an object that was shown.
pub(crate) fn reference(kind: &str, shown: &Value) -> Value {
    json!({"kind": kind, "id": shown["id"], "etag": shown["etag"]})
}

impl Served {
    /// Makes a job.
    pub(crate) async fn make(&self, job: &Value) -> Value {
        self.post("/api/v1/jobs", job).await.ok()
    }

    /// The only element of a list.
    pub(crate) async fn one(&self, path: &str) -> Value {
        let Value::Array(list) = self.get(path).await.ok() else { panic!("{path} is no list") };
        let [one] = list.as_slice() else { panic!("{path} has {} elements", list.len()) };
        one.clone()
    }

    /// Waits until the only element of a list is as `holds` wants it.
    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(path, SOON, || async {
            let one = self.one(path).await;
            if holds(&one) { Ok(one) } else { Err(one) }
        })
        .await
    }

    /// A verb on references; how many it followed.
    pub(crate) async fn verb(&self, verb: &str, refs: &[Value]) -> u64 {
        self.patch(&format!("/api/v1/{verb}"), &json!(refs)).await.ok()["updated"].as_u64().expect("a number")
    }
}

/// One field of each element of a list.
pub(crate) fn each(list: &Value, field: &str) -> Vec<Value> {
    list.as_array().expect("a list").iter().map(|element| element[field].clone()).collect()
}
