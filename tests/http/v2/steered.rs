//! Verbs on jobs, layers and tasks.

use igor::core::fold::Said;
use reqwest::Method;
use serde_json::{Value, json};

use super::{array, each, layer, problem, still, task};
use crate::served::{Answer, Served};

/// Asks for a verb with more headers than usual.
async fn with_headers(api: &Served, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
    let mut request = api.http.request(Method::POST, format!("{}{path}", api.url)).bearer_auth(&api.token).body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.json().await.expect("json") }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_what_failed_is_looked_at_first_then_done_once_and_stands_in_the_audit() {
    still("a_retry_of_what_failed_is_looked_at_first_then_done_once_and_stands_in_the_audit", async |api, hand| {
        let object = hand.accept("nightly", 0, vec![layer("a", 0, vec![array("t", 3), task("ok")])]).await;
        let tasks = hand.dispatch(&object).await;
        let (ok, failed): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.name == "ok");
        hand.say(&ok, Said::Completed).await;
        hand.say(&failed, Said::Errored).await;
        let job = format!("/api/v2/namespaces/{}/jobs/nightly", object.namespace);
        let dry = api.post(&format!("{job}:retry"), &json!({"select": "failed", "dryRun": true})).await.ok();
        let mut sample: Vec<&str> = dry["sample"].as_array().expect("a sample").iter().filter_map(Value::as_str).collect();
        sample.sort_unstable();
        assert_eq!((&dry["matched"], &dry["exact"], sample), (&json!(3), &json!(true), vec!["a/t-0", "a/t-1", "a/t-2"]));
        let errored = format!("{job}/layers/a/tasks?status=ERRORED");
        assert_eq!(each(&api.get(&errored).await.ok(), "name").len(), 3, "nothing was done");
        let body = json!({"select": "failed", "reason": "licence server is back"});
        let done = with_headers(&api, &format!("{job}:retry"), &body, &[("Idempotency-Key", "friday")]).await.ok();
        assert_eq!((&done["done"], &done["again"], &done["changed"]), (&json!(true), &json!(false), &json!(3)));
        let again = with_headers(&api, &format!("{job}:retry"), &body, &[("Idempotency-Key", "friday")]).await.ok();
        assert_eq!((&again["id"], &again["again"]), (&done["id"], &json!(true)));
        assert_eq!(each(&api.get(&errored).await.ok(), "name").len(), 0);
        let audit = api.get(&format!("{job}/commands?fields=id,verb,select,actor,reason,changed")).await.ok();
        let actor = format!("system:serviceaccount:{}:everything", object.namespace);
        let expected = json!({"id": done["id"], "verb": "retry", "select": "failed", "actor": actor, "reason": "licence server is back", "changed": 3});
        assert_eq!(audit["items"], json!([expected]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_reaches_what_it_is_asked_of() {
    still("each_verb_reaches_what_it_is_asked_of", async |api, hand| {
        let object = hand.accept("j", 0, vec![layer("a", 0, vec![array("t", 4)]), layer("b", 1, vec![task("x")])]).await;
        let job = format!("/api/v2/namespaces/{}/jobs/j", object.namespace);
        let post = async |path: &str, body: Value| api.post(&format!("{job}{path}"), &body).await.ok();
        let is = async |path: &str, field: &str| api.get(&format!("{job}{path}")).await.ok()[field].clone();
        assert_eq!(post(":pause", json!({})).await["done"], true);
        assert_eq!(is("", "pausedBy").await, format!("system:serviceaccount:{}:everything", object.namespace));
        assert_eq!(api.post(&format!("{job}:unpause"), &Value::Null).await.ok()["done"], true, "a body is not needed");
        assert_eq!(is("", "paused").await, false);
        post("/layers/b:pause", json!({})).await;
        assert_eq!((is("/layers/b", "paused").await, is("/layers/a", "paused").await), (json!(true), json!(false)));
        assert_eq!(post("/layers/a:pause", json!({"select": "0-1"})).await["changed"], 2, "a pause of tasks");
        assert_eq!(is("/layers/a", "pausedTasks").await, 2);
        assert_eq!(post("/layers/a:unpause", json!({"select": "t-0"})).await["changed"], 1);
        assert_eq!(post("/layers/a/tasks/t-3:skip", json!({})).await["object"], "task/a/t-3");
        assert_eq!(is("/layers/a/tasks/t-3", "status").await, "SKIPPED");
        assert_eq!(post(":kill", json!({"select": "a/t-2", "reason": "wrong scene"})).await["changed"], 1);
        assert_eq!(is("/layers/a/tasks/t-2", "reason").await, "Killed");
        assert_eq!(post(":kill", json!({})).await["changed"], 3);
        assert_eq!((is("", "status").await, is("", "reason").await), (json!("ERRORED"), json!("Killed")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_since_it_was_seen_is_left_alone() {
    still("what_moved_since_it_was_seen_is_left_alone", async |api, hand| {
        let object = hand.accept("j", 0, vec![layer("a", 0, vec![task("x")])]).await;
        let job = format!("/api/v2/namespaces/{}/jobs/j", object.namespace);
        let etag = api.get(&job).await.ok()["etag"].as_str().map(|etag| format!("\"{etag}\"")).expect("an etag");
        let pause = async |headers: &[(&str, &str)]| with_headers(&api, &format!("{job}:pause"), &Value::Null, headers).await;
        for stale in [&[("If-Match", "\"7\"")][..], &[("If-Match", "\"colour\"")], &[("If-Match", "W/\"2\"")]] {
            assert_eq!(problem(&pause(stale).await).0, 412);
        }
        assert_eq!(api.get(&job).await.ok()["paused"], false);
        let fresh = [("If-Match", etag.as_str()), ("Idempotency-Key", "1")];
        assert_eq!(with_headers(&api, &format!("{job}:pause"), &Value::Null, &fresh).await.ok()["again"], false);
        let again = with_headers(&api, &format!("{job}:pause"), &Value::Null, &fresh).await.ok();
        assert_eq!(again["again"], true, "the same command is not measured by what it did itself");
        assert_eq!(problem(&with_headers(&api, &format!("{job}:unpause"), &Value::Null, &[("If-Match", &etag)]).await).0, 412);
        assert_eq!(pause(&[("If-Match", "*")]).await.status, 200);
        for path in ["/layers/a:kill", "/layers/a/tasks/x:kill"] {
            assert_eq!(
                problem(&with_headers(&api, &format!("{job}{path}"), &Value::Null, &[("If-Match", "\"99\"")]).await).0,
                412,
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why() {
    still("what_cannot_be_done_says_why", async |api, hand| {
        let object = hand.accept("j", 0, vec![layer("a", 0, vec![task("x")])]).await;
        let job = format!("/api/v2/namespaces/{}/jobs/j", object.namespace);
        let long = "x".repeat(501);
        let cases = [
            (":kill", json!({"select": "a/"}), 400, "select: item 1"),
            (":skip", json!({}), 400, "select: a job is not skipped as a whole"),
            (":kill", json!({"reason": long}), 400, "reason: has at most 500"),
            (":kill", json!({"colour": "red"}), 400, "the body: unknown field"),
            (":kill", json!([1, 2, 3, 4]), 400, "the body:"),
            (":paint", json!({}), 404, "there is no such verb"),
            ("/layers/b:kill", json!({}), 404, "job j has no such layer"),
            ("/layers/a/tasks/y:kill", json!({}), 404, "layer a has no such task"),
            ("", json!({}), 405, "this address does not take this method"),
        ];
        for (path, body, status, said) in cases {
            let answer = api.post(&format!("{job}{path}"), &body).await;
            let (found, detail) = problem(&answer);
            assert_eq!(found, status, "{path} {body}: {detail}");
            assert!(detail.starts_with(said), "{path} {body}: {detail}");
        }
        assert_eq!(problem(&with_headers(&api, &format!("{job}:kill"), &json!({}), &[("Idempotency-Key", "")]).await).0, 400);
        hand.delete(&object).await;
        assert_eq!(problem(&api.post(&format!("{job}:retry"), &json!({})).await), (409, "the job was deleted".to_owned()));
        assert_eq!(problem(&api.post(&format!("{job}:retry"), &json!({"dryRun": true})).await).0, 409);
    })
    .await;
}
