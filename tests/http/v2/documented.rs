//! The OpenAPI document.

use reqwest::Method;

use super::still;

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_as_it_is_kept() {
    still("the_document_is_served_as_it_is_kept", async |api, _| {
        let mut document = api.ask(Method::GET, "/api/openapi.json", None, None).await.ok();
        document["info"]["version"] = "VERSION".into();
        insta::assert_json_snapshot!("openapi", document);
    })
    .await;
}
