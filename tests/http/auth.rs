//! Who may ask, and for what.

use reqwest::Method;
use serde_json::json;

use crate::served::{person, served};
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
