//! `/healthz`, and addresses that are none.

use reqwest::Method;
use serde_json::json;

use crate::served::served;
use crate::world::Setup;

const ALONE: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_api_says_so_to_anybody() {
    served("a_healthy_api_says_so_to_anybody", ALONE, async |api, _| {
        assert_eq!(api.ask(Method::GET, "/healthz", None, None).await.ok(), json!({"ok": true}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404_and_what_takes_no_such_method_405() {
    served("what_is_not_there_is_404_and_what_takes_no_such_method_405", ALONE, async |api, _| {
        assert_eq!(api.get("/nothing").await.error(404), "there is nothing at this address");
        assert_eq!(api.post("/healthz", &json!({})).await.error(405), "this address does not take this method");
    })
    .await;
}
