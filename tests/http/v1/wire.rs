//! Bodies, addresses and errors.

use reqwest::Method;
use serde_json::{Value, json};

use super::{STILL, job};
use crate::served::{Served, served};

/// What a request that is wrong is answered with.
async fn said(api: &Served, body: &Value) -> String {
    api.post("/api/v1/jobs", body).await.error(400)
}

fn task(more: Value) -> Value {
    let mut task = json!({"type": "noop"});
    task.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({"layers": [{"tasks": [task]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_match_without_regard_to_case_and_null_is_absent() {
    served("fields_match_without_regard_to_case", STILL, async |api, _| {
        // As the Go client writes its structs.
        let wish = json!({"name": "go", "Layers": [{"name": "", "paused_at": 0, "priority": 0, "Tasks": [
            {"type": "noop", "args": null, "name": "", "paused_at": 0, "retries": 0}]}, {"name": "empty", "Tasks": null}]});
        let made = api.make(&wish).await;
        assert_eq!(made["layers"][0]["tasks"][0]["args"], Value::Null);
        assert_eq!(made["layers"][1]["tasks"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_400_and_unknown_parameters_ignored() {
    served("unknown_fields_are_400", STILL, async |api, _| {
        assert!(said(&api, &json!({"nome": "x", "layers": [{}]})).await.contains("unknown field `nome`"));
        assert!(said(&api, &task(json!({"timeout": 5}))).await.contains("unknown field `timeout`"));
        assert_eq!(api.get("/api/v1/jobs?color=red").await.ok(), json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_slash_is_accepted() {
    served("a_trailing_slash_is_accepted", STILL, async |api, _| {
        assert_eq!(api.get("/api/v1/tasks/?limit=3").await.ok(), json!([]));
        api.post("/api/v1/jobs/", &job("noop", 1)).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_a_request_are_400_with_the_words_of_the_original() {
    served("faults_of_a_request_are_400", STILL, async |api, _| {
        let long = "x".repeat(501);
        let args = "AAAA".repeat(3334);
        for (body, words) in [
            (json!({"name": "x"}), "no layers specified"),
            (json!({"layers": []}), "no layers specified"),
            (Value::Null, "no layers specified"),
            (json!({"layers": [{"tasks": [{"name": "x"}]}]}), "no task type specified"),
            (json!({"name": long, "layers": [{}]}), "max length exceeded job name is 501 chars, max 500"),
            (json!({"layers": [{"name": long}]}), "max length exceeded layer name is 501 chars, max 500"),
            (task(json!({"name": long})), "max length exceeded task name is 501 chars, max 500"),
            (task(json!({"args": args})), "max length exceeded task args is 10002 chars, max 10000"),
            (task(json!({"type": "no blanks"})), "invalid arg: task type \"no blanks\" may hold letters, digits, . _ - begins with a letter or digit, and has 1 to 100 characters"),
            (task(json!({"args": "%"})), "invalid arg: args are not base64 (RFC 4648, with padding)"),
            (task(json!({"retries": 101})), "invalid arg: retries 101 is not between 0 and 100"),
            (task(json!({"paused_at": -1})), "invalid arg: paused_at -1 is no time in unix seconds"),
            (json!({"layers": [{"priority": 5_000_000_000_i64}]}), "invalid arg: priority 5000000000 does not fit 32 bits"),
        ] {
            assert_eq!(said(&api, &body).await, words);
        }
        assert!(said(&api, &json!([1])).await.starts_with("the body cannot be read: "));
        assert_eq!(api.world.job_names().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_400() {
    served("what_is_no_json_is_400", STILL, async |api, _| {
        let send = async |body: &str| api.ask(Method::POST, "/api/v1/jobs", Some(body.to_owned()), Some(&api.token)).await;
        assert_eq!(send("").await.error(400), "there is no body");
        assert!(send("{\"name\":").await.error(400).starts_with("the body cannot be read"));
        // The original reads the first value only.
        send(r#"{"layers": [{}]} and more"#).await.ok();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn args_are_any_bytes_up_to_ten_thousand() {
    served("args_are_any_bytes_up_to_ten_thousand", STILL, async |api, _| {
        let bytes: Vec<u8> = (0..10_000_u32).map(|at| u8::try_from(at % 256).expect("a byte")).collect();
        let args = {
            use base64::Engine;
            base64::prelude::BASE64_STANDARD.encode(bytes)
        };
        api.make(&task(json!({"args": args}))).await;
        assert_eq!(api.one("/api/v1/tasks").await["args"], args);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_405() {
    served("other_methods_are_405", STILL, async |api, _| {
        for (method, path) in [(Method::DELETE, "/api/v1/jobs"), (Method::PUT, "/api/v1/tasks"), (Method::POST, "/api/v1/kill")] {
            assert_eq!(api.ask(method, path, None, Some(&api.token)).await.error(405), "this address does not take this method");
        }
    })
    .await;
}
