//! Every route of the document, asked by nobody, by somebody unknown, by another tenant, and by one who may only read.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use super::{array, each, layer, problem, still};
use crate::served::{Answer, Served, person};
use crate::support::from_rig;
use crate::support::unique;

/// The methods and addresses of the document, of this job.
fn routes(document: &Value, names: &BTreeMap<&str, String>) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let mut address = path.clone();
        for (part, name) in names {
            address = address.replace(&format!("{{{part}}}"), name);
        }
        assert!(!address.contains('{'), "{path} has a part that this test does not know");
        routes.extend(
            operations
                .as_object()
                .expect("operations")
                .keys()
                .map(|method| (method.to_uppercase().parse().expect("a method"), address.clone())),
        );
    }
    routes
}

/// A token of somebody who may do everything in a namespace of his own, which holds nothing.
fn other_tenant(api: &Served) -> String {
    let namespace = unique("tenant");
    let kubectl = |args: &[&str]| {
        let output = std::process::Command::new(from_rig("IGOR_TEST_KUBECTL"))
            .env("KUBECONFIG", from_rig("IGOR_TEST_KUBECONFIG"))
            .arg(format!("--cache-dir={}/kubectl-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id()))
            .args(args)
            .output()
            .expect("kubectl runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let _ = api;
    kubectl(&["create", "namespace", &namespace]);
    kubectl(&["-n", &namespace, "create", "serviceaccount", "tenant"]);
    kubectl(&["-n", &namespace, "create", "role", "tenant", "--verb=get,list,create,patch,delete", "--resource=igorjobs.igor.dev"]);
    kubectl(&["-n", &namespace, "create", "rolebinding", "tenant", "--role=tenant", &format!("--serviceaccount={namespace}:tenant")]);
    kubectl(&["-n", &namespace, "create", "token", "tenant"]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_knows_who_may_ask_and_lists_leak_nothing() {
    still("every_route_knows_who_may_ask_and_lists_leak_nothing", async |api, hand| {
        let object = hand.accept_object(&api, "j", vec![layer("a", 0, vec![array("t", 2)])]).await;
        let document = api.ask(Method::GET, "/api/openapi.json", None, None).await.ok();
        let names = BTreeMap::from([
            ("namespace", object.namespace.clone()),
            ("job", "j".to_owned()),
            ("uid", object.uid.clone()),
            ("layer", "a".to_owned()),
            ("task", "t-0".to_owned()),
            ("verb", "pause".to_owned()),
        ]);
        let routes: Vec<_> = routes(&document, &names).into_iter().filter(|(_, path)| path.starts_with("/api/v2/")).collect();
        assert!(routes.len() > 30, "{routes:?}");
        let (reader, tenant) = (person(&api.world, "reader", &["get", "list"]), other_tenant(&api));
        for (method, path) in &routes {
            let ask = async |token| api.ask(method.clone(), path, None, token).await;
            let what = |answer: &Answer| format!("{method} {path}: {answer:?}");
            for token in [None, Some("made-up")] {
                let answer = ask(token).await;
                assert_eq!(answer.status, 401, "{}", what(&answer));
            }
            let reads = *method == Method::GET;
            let of_one = path.contains("/jobs/");
            let answer = ask(Some(&tenant)).await;
            match (reads, of_one, path.contains("/namespaces/")) {
                // What one may not know of is not there.
                (_, true, _) => assert_eq!(problem(&answer), (404, "there is no such object".to_owned()), "{}", what(&answer)),
                (true, false, false) => {
                    assert_eq!((answer.status.as_u16(), each(&answer.body, "name").len()), (200, 0), "{}", what(&answer));
                }
                (true, false, true) | (false, false, _) => assert_eq!(problem(&answer).0, 403, "{}", what(&answer)),
            }
            let answer = ask(Some(&reader)).await;
            let expected = if reads { 200 } else { 403 };
            assert_eq!(answer.status.as_u16(), expected, "{}", what(&answer));
        }
        assert_eq!(api.get(&format!("/api/v2/namespaces/{}/jobs/j", object.namespace)).await.ok()["paused"], false, "nobody did anything");
    })
    .await;
}

/// What one may ask of the first version, of this job: a body where one is needed.
fn first_version(document: &Value, namespace: &str, refs: &Value, layer: &Value) -> Vec<(Method, String, Option<String>)> {
    let job = json!({"name": "theirs", "layers": [{"tasks": [{"type": "noop"}]}]});
    let task = json!([{"type": "noop", "layer_id": layer}]);
    let routes = routes(document, &BTreeMap::from(["namespace", "job", "uid", "layer", "task", "verb"].map(|part| (part, "x".to_owned()))));
    let first = routes.into_iter().filter(|(_, path)| path.starts_with("/api/v1/"));
    let asked = first.map(|(method, path)| match (method.as_str(), path.as_str()) {
        ("POST", "/api/v1/jobs") => (method, format!("{path}?namespace={namespace}"), Some(job.to_string())),
        ("POST", _) => (method, path, Some(task.to_string())),
        ("PATCH", _) => (method, path, Some(refs.to_string())),
        _ => (method, path, None),
    });
    asked.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_knows_who_may_ask_and_its_lists_leak_nothing() {
    still("the_first_version_knows_who_may_ask_and_its_lists_leak_nothing", async |api, hand| {
        let object = hand.accept_object(&api, "j", vec![layer("a", 0, vec![array("t", 2)]), layer("b", 1, vec![])]).await;
        let document = api.ask(Method::GET, "/api/openapi.json", None, None).await.ok();
        let (jobs, layers) = (api.get("/api/v1/jobs").await.ok(), api.get("/api/v1/layers").await.ok());
        let refs = json!([{"kind": "Job", "id": jobs[0]["id"], "etag": jobs[0]["etag"]}]);
        let waiting = layers.as_array().expect("layers").iter().find(|layer| layer["name"] == "b").expect("a layer")["id"].clone();
        let asked = first_version(&document, &object.namespace, &refs, &waiting);
        assert_eq!(asked.len(), 11, "{asked:?}");
        let (reader, tenant) = (person(&api.world, "reader", &["get", "list"]), other_tenant(&api));
        for (method, path, body) in &asked {
            let ask = async |token| api.ask(method.clone(), path, body.clone(), token).await;
            for token in [None, Some("made-up")] {
                ask(token).await.error(401);
            }
            let (stranger, read) = (ask(Some(&tenant)).await, ask(Some(&reader)).await);
            if *method == Method::GET {
                assert_eq!(stranger.ok(), json!([]), "{path}");
                assert!(!read.ok().as_array().expect("a list").is_empty(), "{path}");
            } else {
                let nothing = stranger.status == 200 && stranger.body == json!({"updated": 0});
                assert!(nothing || [400, 403, 404].contains(&stranger.status.as_u16()), "{method} {path}: {stranger:?}");
                read.error(403);
            }
        }
        assert_eq!(api.get("/api/v1/jobs").await.ok(), jobs, "nobody did anything");
        assert_eq!(api.get("/api/v1/layers").await.ok(), layers, "nobody did anything");
    })
    .await;
}
