//! `PATCH /pause`, `/unpause`, `/skip`, `/kill`, `/retry`.

use serde_json::{Value, json};

use super::{STILL, each, job, reference};
use crate::served::{person, served};
use crate::world::Setup;

/// The layer and the tasks of a job that was made.
fn parts(made: &Value) -> (&Value, &Value) {
    (&made["layers"][0], &made["layers"][0]["tasks"])
}

#[tokio::test(flavor = "multi_thread")]
async fn pause_pauses_and_unpause_lets_go_jobs_layers_and_tasks() {
    served("pause_pauses_and_unpause_lets_go", STILL, async |api, _| {
        let made = api.make(&job("noop", 2)).await;
        let (layer, tasks) = parts(&made);
        let refs = [reference("Job", &made), reference("Layer", layer), reference("Task", &tasks[0])];
        assert_eq!(api.verb("pause", &refs).await, 3);
        let paused = async |path: &str| api.one(path).await["paused_at"].as_i64().expect("a time") > 0;
        let task = format!("/api/v1/tasks?task_ids={}", tasks[0]["id"].as_str().expect("an id"));
        assert!(paused("/api/v1/layers").await && paused(&task).await);
        assert_eq!(api.world.count("SELECT count(*) FROM igor.jobs WHERE paused_at IS NOT NULL").await, 1);
        let refs = [
            reference("Job", &api.one("/api/v1/jobs").await),
            reference("Layer", &api.one("/api/v1/layers").await),
            reference("Task", &api.one(&task).await),
        ];
        assert_eq!(api.verb("unpause", &refs).await, 3);
        assert!(!paused("/api/v1/layers").await && !paused(&task).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_is_not_counted_and_changes_nothing() {
    served("a_stale_etag_is_not_counted", STILL, async |api, _| {
        let made = api.make(&job("noop", 3)).await;
        let (layer, tasks) = parts(&made);
        assert_eq!(api.verb("kill", &[reference("Task", &tasks[0])]).await, 1);
        let all: Vec<Value> = tasks.as_array().expect("tasks").iter().map(|task| reference("Task", task)).collect();
        assert_eq!(api.verb("skip", &all).await, 2);
        let wrong = json!({"kind": "Layer", "id": layer["id"], "etag": made["etag"]});
        assert_eq!(api.verb("pause", &[wrong]).await, 0);
        let statuses = each(&api.get("/api/v1/tasks?statuses=errored").await.ok(), "id");
        assert_eq!(statuses, [tasks[0]["id"].clone()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_state_does_not_allow_is_not_counted() {
    served("what_a_state_does_not_allow_is_not_counted", STILL, async |api, _| {
        let made = api.make(&job("noop", 2)).await;
        assert_eq!(api.verb("skip", &[reference("Job", &made)]).await, 0);
        assert_eq!(api.verb("unpause", &[reference("Job", &made)]).await, 0);
        assert_eq!(api.verb("retry", &[reference("Task", &parts(&made).1[0])]).await, 0);
        assert_eq!(api.verb("kill", &[reference("Job", &made)]).await, 1);
        let ended = api.one("/api/v1/jobs").await;
        assert_eq!(ended["status"], "ERRORED");
        assert_eq!(api.verb("kill", &[reference("Job", &ended)]).await, 0);
        assert_eq!(each(&api.get("/api/v1/tasks").await.ok(), "status"), ["ERRORED", "ERRORED"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skip_kill_and_retry_reach_layers_and_tasks() {
    served("skip_kill_and_retry_reach_layers_and_tasks", STILL, async |api, _| {
        let made = api.make(&job("noop", 2)).await;
        let (layer, _) = parts(&made);
        assert_eq!(api.verb("kill", &[reference("Layer", layer)]).await, 1);
        assert_eq!(api.one("/api/v1/layers").await["status"], "ERRORED");
        assert_eq!(api.one("/api/v1/jobs").await["status"], "ERRORED", "a held job is errored");
        assert_eq!(api.verb("retry", &[reference("Layer", &api.one("/api/v1/layers").await)]).await, 1);
        assert_eq!(api.one("/api/v1/layers").await["status"], "RUNNING");
        assert_eq!(api.verb("skip", &[reference("Layer", &api.one("/api/v1/layers").await)]).await, 1);
        assert_eq!(each(&api.get("/api/v1/tasks").await.ok(), "status"), ["SKIPPED", "SKIPPED"]);
        assert_eq!(api.one("/api/v1/jobs").await["status"], "COMPLETED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_malformed_reference_is_400_and_nothing_is_done() {
    served("one_malformed_reference_is_400", STILL, async |api, _| {
        let made = api.make(&job("noop", 1)).await;
        let good = reference("Layer", parts(&made).0);
        for bad in [
            json!({"kind": "layer", "id": good["id"], "etag": good["etag"]}),
            json!({"id": good["id"], "etag": good["etag"]}),
            json!({"kind": "Layer", "id": "7", "etag": good["etag"]}),
            json!({"kind": "Layer", "id": good["id"], "etag": good["etag"].as_str().expect("text").to_uppercase()}),
            json!({"kind": "Layer", "id": good["id"]}),
        ] {
            assert!(api.patch("/api/v1/pause", &json!([good, bad])).await.error(400).starts_with("invalid arg"), "{bad}");
        }
        assert!(api.patch("/api/v1/pause", &json!([good, {"knd": "Layer"}])).await.error(400).contains("unknown field"));
        assert_eq!(api.one("/api/v1/layers").await["paused_at"], 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_asked_is_nothing_done() {
    served("nothing_asked_is_nothing_done", STILL, async |api, _| {
        assert_eq!(api.verb("kill", &[]).await, 0);
        assert_eq!(api.patch("/api/v1/kill", &Value::Null).await.ok(), json!({"updated": 0}));
        let nowhere = json!({"kind": "Task", "id": "01234567-89ab-7def-8123-456789abcdef", "etag": "01234567-89ab-7def-8123-456789abcdef"});
        assert_eq!(api.verb("kill", &[nowhere]).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_may_not_steer_and_who_may_not_look_finds_nothing() {
    served("who_may_only_look_may_not_steer", STILL, async |api, _| {
        let made = api.make(&job("noop", 1)).await;
        let (reader, stranger) = (person(&api.world, "reader", &["get", "list"]), person(&api.world, "stranger", &["create"]));
        let body = json!([reference("Job", &made)]).to_string();
        let kill = async |token: &str| api.ask(reqwest::Method::PATCH, "/api/v1/kill", Some(body.clone()), Some(token)).await;
        assert!(kill(&reader).await.error(403).contains("may not patch igorjobs/night-"));
        assert_eq!(kill(&stranger).await.ok(), json!({"updated": 0}));
        assert_eq!(api.one("/api/v1/jobs").await["status"], "RUNNING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_stands_in_the_audit() {
    served("who_asked_stands_in_the_audit", STILL, async |api, _| {
        let made = api.make(&job("noop", 1)).await;
        api.verb("pause", &[reference("Job", &made)]).await;
        let asked = "SELECT count(*) FROM igor.commands WHERE verb = 'pause' AND actor LIKE 'system:serviceaccount:%:everything'";
        assert_eq!(api.world.count(asked).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_stops_the_running_handler() {
    served("kill_stops_the_running_handler", Setup::default(), async |api, _| {
        let worker = api.world.timed_worker(1);
        api.make(&json!({"layers": [{"tasks": [{"type": "timed", "name": "long", "args": "NjAw"}]}]})).await;
        api.world.until_timed("begin t0").await;
        let running = api.until("/api/v1/tasks", |task| task["status"] == "RUNNING").await;
        assert_eq!(api.verb("kill", &[reference("Task", &running)]).await, 1);
        api.world.until_timed("stopped t0").await;
        drop(worker);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unpausing_a_running_task_loses_nothing() {
    served("unpausing_a_running_task_loses_nothing", Setup::default(), async |api, _| {
        let worker = api.world.timed_worker(1);
        api.make(&json!({"layers": [{"tasks": [{"type": "timed", "args": "NQ=="}]}]})).await;
        let running = api.until("/api/v1/tasks", |task| task["status"] == "RUNNING").await;
        assert_eq!(api.verb("pause", &[reference("Task", &running)]).await, 1);
        assert_eq!(api.verb("unpause", &[reference("Task", &api.one("/api/v1/tasks").await)]).await, 1);
        api.until("/api/v1/jobs", |job| job["status"] == "COMPLETED").await;
        assert_eq!(api.world.timed().get("begin t0"), Some(&1));
        drop(worker);
    })
    .await;
}
