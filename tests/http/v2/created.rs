//! Jobs that are made.

use reqwest::Method;
use serde_json::{Value, json};

use super::{problem, still};
use crate::served::{Answer, Served};

async fn create(api: &Served, body: &Value, key: &str) -> Answer {
    let path = format!("{}/api/v2/namespaces/{}/jobs", api.url, api.world.namespace());
    let request = api.http.request(Method::POST, path).bearer_auth(&api.token).header("Idempotency-Key", key);
    let response = request.body(body.to_string()).send().await.expect("an answer");
    Answer { status: response.status(), headers: response.headers().clone(), body: response.json().await.expect("JSON") }
}

fn spec() -> Value {
    json!({"layers": [{"name": "a", "tasks": [{"type": "noop", "count": 3}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_in_the_cluster_and_in_the_ledger_when_the_answer_comes() {
    still("a_job_is_in_the_cluster_and_in_the_ledger_when_the_answer_comes", async |api, _| {
        let made = create(&api, &json!({"name": "film", "spec": spec()}), "k").await;
        assert_eq!((made.status.as_u16(), &made.body["name"], &made.body["tasks"]["total"]), (201, &json!("film"), &json!(3)));
        assert_eq!(api.world.job("film").await["metadata"]["uid"], made.body["uid"]);
        let tasks = api.get(&format!("/api/v2/namespaces/{}/jobs/film/layers/a/tasks", api.world.namespace())).await.ok();
        assert_eq!(tasks["items"].as_array().map(Vec::len), Some(3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_made_once_under_a_key_and_its_name_is_taken_for_others() {
    still("a_job_is_made_once_under_a_key_and_its_name_is_taken_for_others", async |api, _| {
        let named = json!({"name": "film", "spec": spec()});
        let uid = async |body: &Value, key| create(&api, body, key).await.body["uid"].as_str().map(str::to_owned);
        let first = uid(&named, "k").await;
        assert!(first.is_some());
        assert_eq!(uid(&named, "k").await, first);
        let taken = create(&api, &named, "another").await;
        let said = format!("there is a job film in {}: choose another name, or delete it", api.world.namespace());
        assert_eq!(problem(&taken), (409, said));
        let unnamed = json!({"spec": spec()});
        let second = uid(&unnamed, "k").await;
        assert!(second.is_some() && second != first);
        assert_eq!(uid(&unnamed, "k").await, second);
        assert_ne!(uid(&unnamed, "l").await, second);
        assert_eq!(api.world.job_names().await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_a_job_is_said_at_once() {
    still("all_that_is_wrong_with_a_job_is_said_at_once", async |api, _| {
        let layers = json!([{"name": "A B", "tasks": []}, {"name": "c", "tasks": [{}]}]);
        let answer = create(&api, &json!({"name": "No", "spec": {"layers": layers}}), "k").await;
        assert_eq!(problem(&answer).0, 400);
        assert!(answer.body["errors"].as_array().is_some_and(|errors| errors.len() >= 3), "{}", answer.body);
        let layers = json!([{"name": "a", "tasksFrom": [{"configMapKeyRef": {"name": "m", "key": "k"}}]}]);
        assert_eq!(problem(&create(&api, &json!({"spec": {"layers": layers}}), "k").await).0, 400);
        assert_eq!(problem(&create(&api, &json!({"colour": "red"}), "k").await).0, 400);
        assert!(api.world.job_names().await.is_empty());
    })
    .await;
}
