//! Many tasks at once, as a stream of lines.

use reqwest::Body;
use serde_json::{Value, json};

use super::{each, layer, problem, still, task};
use crate::served::{Answer, Served};

async fn add(api: &Served, path: &str, key: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = api.http.post(format!("{}{path}", api.url)).bearer_auth(&api.token).body(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.json().await.expect("json") }
}

fn lines(count: u32) -> String {
    (0..count).map(|number| json!({"payload": {"frame": number}}).to_string() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_goes_on_with_the_same_key() {
    still("a_stream_that_broke_off_goes_on_with_the_same_key", async |api, hand| {
        let object = hand.accept_object(&api, "j", vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])]).await;
        let path = format!("/api/v2/namespaces/{}/jobs/j/layers/b/tasks:bulk", object.namespace);
        let whole = lines(2_500);
        // The client goes away in the middle of a line behind the first two chunks.
        let cut = whole.match_indices('\n').nth(2_100).expect("a line").0 - 3;
        let broken = add(&api, &path, Some("once"), whole[..cut].to_owned()).await;
        let (status, said) = problem(&broken);
        assert_eq!(status, 400);
        assert!(said.starts_with("line 2101: EOF") && said.ends_with("the first 2000 tasks are in"), "{said}");
        let done = add(&api, &path, Some("once"), whole.clone()).await.ok();
        assert_eq!(done, json!({"received": 2500, "added": 500, "already": 2000}));
        assert_eq!(add(&api, &path, Some("once"), whole).await.ok(), json!({"received": 2500, "added": 0, "already": 2500}));
        let shown = api.get(&format!("/api/v2/namespaces/{}/jobs/j/layers/b", object.namespace)).await.ok();
        assert_eq!(shown["tasks"]["total"], 2500);
        let first = api.get(&format!("/api/v2/namespaces/{}/jobs/j/layers/b/tasks?limit=1", object.namespace)).await.ok();
        assert_eq!((&first["items"][0]["type"], &first["items"][0]["retries"]), (&json!("render"), &json!(2)), "the job's defaults hold");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_by_line_and_nothing_of_their_chunk_is_taken() {
    still("faults_are_told_by_line_and_nothing_of_their_chunk_is_taken", async |api, hand| {
        let object = hand.accept_object(&api, "j", vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])]).await;
        let tasks = format!("/api/v2/namespaces/{}/jobs/j/layers/b/tasks", object.namespace);
        let path = format!("{tasks}:bulk");
        let wrong = "{\"name\": \"good\"}\n\n{\"name\": \"no good\"}\nnothing\n{\"name\": \"t\", \"colour\": \"red\"}\n{\"args\": \"a\", \"payload\": {}}";
        let answer = add(&api, &path, None, wrong).await;
        assert_eq!(problem(&answer).0, 400);
        let errors: Vec<&str> = answer.body["errors"].as_array().expect("errors").iter().filter_map(Value::as_str).collect();
        assert_eq!(errors.iter().map(|error| error.split(':').next().expect("a word")).collect::<Vec<_>>(), ["line 3", "line 4", "line 5", "line 6"]);
        assert_eq!(each(&api.get(&tasks).await.ok(), "name").len(), 0);
        assert_eq!(add(&api, &path, None, "").await.ok(), json!({"received": 0, "added": 0, "already": 0}));
        assert_eq!(add(&api, &path, None, "{\"name\": \"good\"}").await.ok()["added"], 1);
        let other = add(&api, &path, None, "{\"name\": \"good\", \"type\": \"comp\"}").await;
        assert_eq!(problem(&other), (409, "the layer has a task good already, with another type".to_owned()));
        let begun = add(&api, &path.replace("layers/b", "layers/a"), None, "{\"name\": \"late\"}").await;
        assert_eq!(problem(&begun).0, 409);
        let long = add(&api, &path, None, format!("{{\"args\": \"{}\"}}", "x".repeat(70_000))).await;
        assert!(problem(&long).1.starts_with("line 1: has more than"), "{long:?}");
        api.world.kubectl(&["delete", "ij", "j"], None).expect("deleted");
        assert_eq!(problem(&add(&api, &path, None, "{}").await), (404, "the job's object is gone: it takes no tasks".to_owned()));
    })
    .await;
}
