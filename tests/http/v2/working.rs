//! Types, queues and workers.

use serde_json::json;

use super::{Hand, array, each, layer};
use crate::served::served;
use crate::support::until;
use crate::world::{SOON, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn who_works_and_what_waits_is_shown_by_namespace() {
    let setup = Setup { operators: 0, workers: 1, task_lease: 30.0 };
    served("who_works_and_what_waits_is_shown_by_namespace", setup, async |api, _running| {
        let hand = Hand::of(&api).await;
        let object = hand.accept("j", 0, vec![layer("a", 0, vec![array("t", 30)])]).await;
        let namespace = &object.namespace;
        let types = api.get(&format!("/api/v2/namespaces/{namespace}/types")).await.ok();
        let render = types["items"].as_array().expect("types").iter().find(|kind| kind["type"] == "render").expect("the job's type").clone();
        let expected = json!({
            "namespace": namespace, "queue": "default", "type": "render", "openLayers": 1, "ahead": 30, "waiting": 0, "queued": 0, "held": 0,
            "workers": 0
        });
        assert_eq!(render, expected);
        let queues = api.get("/api/v2/queues?fields=namespace,queue,openLayers").await.ok();
        assert_eq!(queues["items"], json!([{"namespace": namespace, "queue": "default", "openLayers": 1}]));
        // A worker's card is there once it has begun.
        let worker = until("the worker is shown", SOON, || async {
            let workers = api.get(&format!("/api/v2/namespaces/{namespace}/workers")).await.ok();
            workers["items"].as_array().and_then(|all| all.first().cloned()).ok_or(workers)
        })
        .await;
        assert_eq!((&worker["alive"], &worker["slots"], &worker["language"]), (&json!(true), &json!(8), &json!("rust")), "{worker}");
        let served = worker["types"].as_array().expect("types");
        assert!(served.contains(&json!(format!("{namespace}.default/noop"))), "{worker}");
        let names = each(&api.get("/api/v2/types?limit=2").await.ok(), "type");
        assert_eq!(names.len(), 2);
    })
    .await;
}
