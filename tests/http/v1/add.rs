//! `POST /tasks`, also `/layers`.

use serde_json::{Value, json};

use super::{STILL, each, job, reference};
use crate::served::{Served, person, served};
use crate::world::Setup;

async fn add(api: &Served, tasks: &Value) -> Value {
    api.post("/api/v1/tasks", tasks).await.ok()
}

fn paused() -> Value {
    json!({"name": "grow", "layers": [{"name": "a", "paused_at": 5, "tasks": [{"type": "noop", "name": "first"}]}, {"name": "b", "priority": 4}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_into_a_paused_layer_and_one_that_waits_in_the_order_of_the_request() {
    served("tasks_go_into_a_paused_layer", STILL, async |api, _| {
        let made = api.make(&paused()).await;
        let (a, b) = (&made["layers"][0]["id"], &made["layers"][1]["id"]);
        let more = json!([
            {"layer_id": b, "type": "noop", "name": "later"},
            {"layer_id": a, "type": "noop", "name": "second", "args": "aGk=", "paused_at": 77, "retries": 2},
            {"LayerID": a, "type": "echo"},
        ]);
        let added = add(&api, &more).await;
        assert_eq!(each(&added, "layer_id"), [b.clone(), a.clone(), a.clone()]);
        assert_eq!(each(&added, "status"), ["PENDING", "PENDING", "PENDING"]);
        assert_eq!(each(&added, "paused_at"), [0, 77, 0]);
        assert_eq!((&added[1]["name"], &added[1]["args"], &added[1]["retries"]), (&json!("second"), &json!("aGk="), &json!(2)));
        assert_eq!(api.get("/api/v1/tasks").await.ok().as_array().expect("a list").len(), 4);
        let same = api.post("/api/v1/layers", &json!([{"layer_id": a, "type": "noop"}])).await.ok();
        assert_eq!(each(&same, "job_id"), [made["id"].clone()]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blank_layer_id_makes_a_new_job_and_layer() {
    served("a_blank_layer_id_makes_a_new_job_and_layer", STILL, async |api, _| {
        let made = api.make(&paused()).await;
        let more =
            json!([{"type": "noop", "name": "x"}, {"layer_id": made["layers"][0]["id"], "type": "noop"}, {"layer_id": "", "type": "noop"}]);
        let added = add(&api, &more).await;
        let jobs = each(&added, "job_id");
        assert_eq!(jobs[1], made["id"]);
        assert!(jobs[0] == jobs[2] && jobs[0] != jobs[1]);
        assert_eq!(added[0]["layer_id"], added[2]["layer_id"]);
        assert_eq!(api.get("/api/v1/jobs").await.ok().as_array().expect("a list").len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_is_added() {
    served("all_or_nothing_is_added", STILL, async |api, _| {
        let (open, running) = (api.make(&paused()).await, api.make(&job("noop", 1)).await);
        let (good, shut) = (&open["layers"][0]["id"], &running["layers"][0]["id"]);
        let nowhere = "01234567-89ab-7def-8123-456789abcdef";
        for (tasks, words) in [
            (json!([{"layer_id": good, "type": "noop"}, {"layer_id": shut, "type": "noop"}]), "invalid state"),
            (json!([{"layer_id": good, "type": "noop"}, {"layer_id": nowhere, "type": "noop"}]), "parent not found"),
            (json!([{"layer_id": good, "type": "noop"}, {"layer_id": good}]), "no task type specified"),
            (json!([{"layer_id": "Good", "type": "noop"}]), "bad layer id"),
            (json!([{"type": "noop"}, {"layer_id": shut, "type": "noop"}]), "invalid state"),
            (json!([]), "no tasks specified"),
            (Value::Null, "no tasks specified"),
        ] {
            let said = api.post("/api/v1/tasks", &tasks).await.error(400);
            assert!(said.starts_with(words), "{tasks}: {said}");
        }
        let at_work = "SELECT count(*) FROM igor.tasks t JOIN igor.jobs j ON j.id = t.job_id WHERE j.title IN ('grow', 'night')";
        assert_eq!(api.world.count(at_work).await, 2);
        assert_eq!(api.world.job_names().await.len(), 2, "the new job of a request that failed is gone");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_a_job_adds_nothing_to_it() {
    served("who_may_not_change_a_job_adds_nothing", STILL, async |api, _| {
        let made = api.make(&paused()).await;
        let body = json!([{"layer_id": made["layers"][0]["id"], "type": "noop"}]).to_string();
        let ask =
            async |token: String, body: &str| api.ask(reqwest::Method::POST, "/api/v1/tasks", Some(body.to_owned()), Some(&token)).await;
        assert!(ask(person(&api.world, "reader", &["get", "list"]), &body).await.error(403).contains("may not patch"));
        assert!(ask(person(&api.world, "stranger", &["watch"]), &body).await.error(400).starts_with("parent not found"));
        let patcher = person(&api.world, "patcher", &["patch"]);
        assert!(ask(patcher.clone(), r#"[{"type": "noop"}]"#).await.error(403).contains("may not create"));
        ask(patcher, &body).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_layer_grows_is_let_go_and_all_of_it_runs() {
    served("a_paused_layer_grows_is_let_go", Setup::default(), async |api, _| {
        let made = api.make(&paused()).await;
        let a = &made["layers"][0];
        add(&api, &json!(vec![json!({"layer_id": a["id"], "type": "noop"}); 50])).await;
        let path = format!("/api/v1/layers?layer_ids={}", a["id"].as_str().expect("an id"));
        let shown = api.one(&path).await;
        assert_eq!(api.verb("unpause", &[reference("Layer", &shown)]).await, 1);
        api.until("/api/v1/jobs", |job| job["status"] == "COMPLETED").await;
        assert_eq!(api.get("/api/v1/tasks?statuses=COMPLETED").await.ok().as_array().expect("a list").len(), 51);
    })
    .await;
}
