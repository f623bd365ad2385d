//! Types, queues and workers, with an operator and a worker that work.

use serde_json::{Value, json};

use super::each;
use crate::served::served;
use crate::support::until;
use crate::world::{SOON, Setup};

const JOB: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: j}
spec:
  layers:
  - name: a
    tasks: [{name: done, type: noop}, {name: frame, type: render, count: 3}]
";

#[tokio::test(flavor = "multi_thread")]
async fn who_works_and_what_waits_is_shown_by_namespace() {
    served("who_works_and_what_waits_is_shown_by_namespace", Setup::default(), async |api, _running| {
        let namespace = api.world.namespace().to_owned();
        api.world.apply(JOB);
        api.world.until("j", "the task that somebody serves is done", |job| job["status"]["tasks"]["completed"] == 1).await;
        let render = until("the others wait in the queue", SOON, || async {
            let types = api.get(&format!("/api/v2/namespaces/{namespace}/types")).await.ok();
            let all = types["items"].as_array().expect("types").clone();
            let queued = |kind: &&Value| kind["type"] == "render" && kind["queued"] == 3;
            all.iter().find(queued).cloned().ok_or(types)
        })
        .await;
        let expected = json!({
            "namespace": namespace, "queue": "default", "type": "render", "openLayers": 1, "ahead": 0, "waiting": 0, "queued": 3, "held": 0,
            "workers": 0
        });
        assert_eq!(render, expected);
        let queues = api.get("/api/v2/queues?fields=namespace,queue,queued").await.ok();
        assert_eq!(queues["items"], json!([{"namespace": namespace, "queue": "default", "queued": 3}]));
        let worker = until("the worker has told what it did", SOON, || async {
            let workers = api.get(&format!("/api/v2/namespaces/{namespace}/workers")).await.ok();
            workers["items"].as_array().and_then(|all| all.iter().find(|worker| worker["done"] == 1).cloned()).ok_or(workers)
        })
        .await;
        assert_eq!((&worker["alive"], &worker["slots"]), (&json!(true), &json!(8)), "{worker}");
        assert!(worker["types"].as_array().is_some_and(|types| types.contains(&json!(format!("{namespace}.default/noop")))), "{worker}");
        let first = api.get("/api/v2/types?limit=2").await.ok();
        let rest = api.get(&format!("/api/v2/types?limit=1000&after={}", first["next"].as_str().expect("more"))).await.ok();
        let all = [each(&first, "type"), each(&rest, "type")].concat();
        assert!(["noop", "render", "sleep"].iter().all(|kind| all.iter().filter(|known| known == kind).count() == 1), "{all:?}");
    })
    .await;
}
