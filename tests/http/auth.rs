//! Who may ask, and for what.

use reqwest::Method;
use serde_json::{Value, json};

use crate::served::{Served, person, served};
use crate::support::until;
use crate::world::SOON;
use crate::world::Setup;

const ALONE: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_or_with_a_false_one_nothing_is_shown() {
    served("without_a_token_or_with_a_false_one_nothing_is_shown", ALONE, async |api, _| {
        let list = async |token| api.ask(Method::GET, "/api/v1/jobs", None, token).await;
        assert!(list(None).await.error(401).starts_with("send the token"));
        assert!(list(Some("made-up")).await.error(401).starts_with("the token is not valid here"));
        assert_eq!(list(Some(&api.token)).await.ok(), json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_list_nothing_sees_an_empty_list() {
    served("who_may_list_nothing_sees_an_empty_list", ALONE, async |api, _| {
        let nobody = person(&api.world, "nobody", &["get"]);
        assert_eq!(api.ask(Method::GET, "/api/v1/jobs", None, Some(&nobody)).await.ok(), json!([]));
    })
    .await;
}

/// The status of an answer to a request with these headers.
async fn status(api: &Served, headers: &[(&str, &str)]) -> u16 {
    let mut request = api.http.get(format!("{}/api/v1/jobs", api.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_proxy_the_token_comes_in_a_header_of_its_own() {
    served("through_a_proxy_the_token_comes_in_a_header_of_its_own", ALONE, async |api, _| {
        let ours = format!("Bearer {}", api.token);
        assert_eq!(status(&api, &[("x-igor-authorization", &ours), ("authorization", "Bearer of-the-proxy")]).await, 200);
        assert_eq!(status(&api, &[("x-igor-authorization", "Bearer no"), ("authorization", &ours)]).await, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_taken_for_the_audiences_that_were_set_and_no_other() {
    served("a_token_is_taken_for_the_audiences_that_were_set", ALONE, async |api, _| {
        let token = |audience: &str| {
            let args = ["create", "token", "everything", "--audience", audience];
            api.world.kubectl(&args, None).expect("a token").trim().to_owned()
        };
        let (igor, farm) = (token("igor"), token("farm"));
        let list = async |api: &Served, token: &str| api.ask(Method::GET, "/api/v1/jobs", None, Some(token)).await.status.as_u16();
        assert_eq!((list(&api, &igor).await, list(&api, &farm).await, list(&api, &api.token).await), (200, 401, 200));
        let strict = Served::start(api.world.clone(), &farm, |command| command.args(["--audience", "farm"])).await;
        assert_eq!((list(&strict, &igor).await, list(&strict, &farm).await, list(&strict, &api.token).await), (401, 200, 401));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_ends_soon() {
    served("a_right_that_is_taken_away_ends_soon", ALONE, async |api, _| {
        let body = json!({"layers": [{}]}).to_string();
        let leaver = person(&api.world, "leaver", &["create"]);
        let submit = async || api.ask(Method::POST, "/api/v1/jobs", Some(body.clone()), Some(&leaver)).await.status.as_u16();
        assert_eq!(submit().await, 200);
        api.world.kubectl(&["delete", "rolebinding", "leaver"], None).expect("deleted");
        until("the right is gone", SOON, || async { if submit().await == 403 { Ok(()) } else { Err(()) } }).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_auth_this_machine_is_served_and_no_page_of_elsewhere() {
    served("without_auth_this_machine_is_served", ALONE, async |api, _| {
        let open = Served::start(api.world.clone(), "", |command| command.args(["--auth", "none"])).await;
        assert_eq!(open.ask(Method::GET, "/api/v1/jobs", None, None).await.ok(), json!([]));
        assert_eq!(status(&open, &[("origin", "https://evil.example")]).await, 403);
        assert_eq!(status(&open, &[("host", "evil.example")]).await, 403);
        assert!(open.process.printed().contains("EVERYBODY"), "it shouts");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_to_one_object_is_a_right_to_no_other() {
    served("a_right_to_one_object_is_a_right_to_no_other", ALONE, async |api, _| {
        let make = async |name: &str| api.post("/api/v1/jobs", &json!({"name": name, "layers": [{"paused_at": 1}]})).await.ok();
        let (mine, theirs) = (make("mine").await, make("theirs").await);
        let names = api.world.job_names().await;
        let own = names.iter().find(|name| name.starts_with("mine-")).expect("the object");
        let token = person(&api.world, "owner", &["watch"]);
        let role = ["create", "role", "owner-of-one", "--verb=patch,get", "--resource=igorjobs.igor.dev", "--resource-name", own];
        api.world.kubectl(&role, None).expect("a role");
        let account = format!("--serviceaccount={}:owner", api.world.namespace());
        api.world.kubectl(&["create", "rolebinding", "owner-of-one", "--role=owner-of-one", &account], None).expect("bound");
        let kill = async |job: &Value| {
            let body = json!([{"kind": "Job", "id": job["id"], "etag": job["etag"]}]).to_string();
            api.ask(Method::PATCH, "/api/v1/kill", Some(body), Some(&token)).await.ok()
        };
        assert_eq!((kill(&theirs).await, kill(&mine).await), (json!({"updated": 0}), json!({"updated": 1})));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_are_not_served_are_not_there() {
    served("namespaces_that_are_not_served_are_not_there", ALONE, async |api, _| {
        api.post("/api/v1/jobs", &json!({"layers": [{}]})).await.ok();
        let elsewhere = Served::start(api.world.clone(), &api.token, |command| command.args(["--watch-namespace", "elsewhere"])).await;
        assert_eq!(elsewhere.get("/api/v1/jobs").await.ok(), json!([]));
        assert!(elsewhere.post("/api/v1/jobs", &json!({"layers": [{}]})).await.error(403).contains("may not create"));
    })
    .await;
}
