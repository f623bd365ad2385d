//! `POST /jobs`.

use serde_json::{Value, json};

use super::{STILL, each, job};
use crate::served::served;
use crate::world::Setup;

/// The fields of an object, sorted.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_job_with_layers_and_tasks_in_the_order_of_the_request() {
    served("the_answer_is_the_job_with_layers_and_tasks", STILL, async |api, _| {
        let wish = json!({"name": "Nightly render", "layers": [
            {"name": "late", "priority": 9, "tasks": [{"type": "b", "name": "second"}, {"type": "a", "name": "first"}]},
            {"name": "early", "priority": -1, "tasks": [{"type": "noop", "name": "x", "args": "aGk=", "retries": 3}]},
            {"name": "early too", "priority": -1, "paused_at": 1_700_000_000, "tasks": [{"type": "noop", "paused_at": 1_600_000_000}]},
        ]});
        let made = api.make(&wish).await;
        assert_eq!(fields(&made), ["created_at", "etag", "id", "layers", "name", "status", "updated_at"]);
        assert_eq!((&made["name"], &made["status"]), (&json!("Nightly render"), &json!("RUNNING")));
        let layers = &made["layers"];
        assert_eq!(
            fields(&layers[0]),
            ["created_at", "etag", "id", "job_id", "name", "paused_at", "priority", "status", "tasks", "updated_at"]
        );
        assert_eq!(each(layers, "name"), ["late", "early", "early too"]);
        assert_eq!(each(layers, "status"), ["PENDING", "RUNNING", "RUNNING"]);
        assert_eq!(each(layers, "paused_at"), [0, 0, 1_700_000_000]);
        assert_eq!(each(layers, "priority"), [9, -1, -1]);
        assert_eq!(each(&layers[0]["tasks"], "name"), ["second", "first"]);
        let task = &layers[1]["tasks"][0];
        let (id, etag) = (&task["id"], &task["etag"]);
        let (job_id, layer_id, created, updated) = (&made["id"], &layers[1]["id"], &task["created_at"], &task["updated_at"]);
        let expected = json!({
            "id": id, "etag": etag, "job_id": job_id, "layer_id": layer_id, "created_at": created, "updated_at": updated, "name": "x",
            "type": "noop", "args": "aGk=", "paused_at": 0, "retries": 3, "status": "PENDING", "queue_task_id": "", "message": "",
        });
        assert_eq!(task, &expected);
        assert_eq!(layers[2]["tasks"][0]["paused_at"], 1_600_000_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_what_the_lists_then_show() {
    served("what_was_answered_is_what_the_lists_then_show", STILL, async |api, _| {
        let wish = json!({"name": "same", "layers": [
            {"name": "a", "paused_at": 5, "tasks": [{"type": "noop", "name": "one", "args": "", "paused_at": 7}, {"type": "noop"}]},
        ]});
        let mut made = api.make(&wish).await;
        let mut layers = made.as_object_mut().and_then(|job| job.remove("layers")).expect("layers");
        let tasks = layers[0].as_object_mut().and_then(|layer| layer.remove("tasks")).expect("tasks");
        assert_eq!(api.get("/api/v1/jobs").await.ok(), json!([made]));
        assert_eq!(api.get("/api/v1/layers").await.ok(), layers);
        let listed = api.get("/api/v1/tasks").await.ok();
        for task in tasks.as_array().expect("tasks") {
            assert!(listed.as_array().expect("a list").contains(task), "{task} is not in {listed}");
        }
        assert_eq!(each(&tasks, "args"), [json!(""), Value::Null]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_igorjob_is_made_whose_title_is_the_given_name() {
    served("an_igorjob_is_made_whose_title_is_the_given_name", STILL, async |api, _| {
        api.make(&json!({"name": "Ünder the Sea!", "layers": [{"name": "Same"}, {"name": "same"}, {}]})).await;
        let names = api.world.job_names().await;
        let [name] = names.as_slice() else { panic!("{names:?}") };
        assert!(name.starts_with("nder-the-sea-"), "{name}");
        let object = api.world.job(name).await;
        assert_eq!(object["spec"]["title"], "Ünder the Sea!");
        assert_eq!(each(&object["spec"]["layers"], "name"), ["same", "same-1", "layer-2"]);
        assert_eq!(each(&object["spec"]["layers"], "title"), [json!("Same"), json!("same"), Value::Null]);
        assert_eq!(object["metadata"]["labels"]["igor.dev/origin"], "api");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_need_not_be_unique() {
    served("names_need_not_be_unique", STILL, async |api, _| {
        let twice = json!([{"type": "noop", "name": "same name"}, {"type": "noop", "name": "same name"}]);
        let wish = json!({"name": "twin", "layers": [{"name": "l", "tasks": twice}, {"name": "l", "tasks": twice}]});
        let (first, second) = (api.make(&wish).await, api.make(&wish).await);
        assert_ne!(first["id"], second["id"]);
        assert_eq!(each(&api.get("/api/v1/tasks").await.ok(), "name"), vec!["same name"; 8]);
        assert_eq!(each(&api.get("/api/v1/jobs").await.ok(), "name"), ["twin", "twin"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_namespace_is_that_of_the_query_or_the_one_that_was_set() {
    served("the_namespace_is_that_of_the_query", STILL, async |api, _| {
        api.make(&job("noop", 1)).await;
        assert_eq!(api.world.job_names().await.len(), 1);
        let here = format!("/api/v1/jobs?namespace={}", api.world.namespace());
        api.post(&here, &job("noop", 1)).await.ok();
        assert_eq!(api.world.job_names().await.len(), 2);
        assert!(api.post("/api/v1/jobs?namespace=kube-system", &job("noop", 1)).await.error(403).contains("may not create igorjobs"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_made_over_http_runs_to_its_end() {
    served("a_job_made_over_http_runs_to_its_end", Setup::default(), async |api, _| {
        let wish = json!({"name": "run", "layers": [
            {"name": "a", "tasks": [{"type": "echo", "args": "aGVsbG8="}]}, {"name": "b", "priority": 1, "tasks": [{"type": "noop"}]},
        ]});
        let made = api.make(&wish).await;
        let path = format!("/api/v1/jobs?job_ids={}", made["id"].as_str().expect("an id"));
        api.until(&path, |job| job["status"] == "COMPLETED").await;
        assert_eq!(each(&api.get("/api/v1/tasks").await.ok(), "status"), ["COMPLETED", "COMPLETED"]);
        let origin = api.world.count("SELECT count(*) FROM igor.jobs WHERE origin = 'api'").await;
        assert_eq!(origin, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_only_empty_layers_completes() {
    served("a_job_of_only_empty_layers_completes", Setup { workers: 0, ..Setup::default() }, async |api, _| {
        api.make(&json!({"layers": [{"name": "a"}, {"name": "b", "priority": 3, "tasks": null}]})).await;
        api.until("/api/v1/jobs", |job| job["status"] == "COMPLETED").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_honoured() {
    served("retries_are_honoured", Setup::default(), async |api, _| {
        let tasks = json!([{"type": "flaky", "name": "again", "retries": 1}, {"type": "flaky", "name": "once"}]);
        api.make(&json!({"layers": [{"tasks": tasks}]})).await;
        api.until("/api/v1/layers", |layer| layer["status"] == "ERRORED").await;
        let of = async |status: &str| each(&api.get(&format!("/api/v1/tasks?statuses={status}")).await.ok(), "name");
        assert_eq!((of("COMPLETED").await, of("ERRORED").await), (vec![json!("again")], vec![json!("once")]));
    })
    .await;
}
