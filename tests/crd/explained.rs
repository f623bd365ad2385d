use serde_json::Value;

use crate::support::cluster::Cluster;

/// The places below `schema` that say nothing of themselves.
fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if name != "metadata" && inner["description"].as_str().is_none_or(|text| text.len() < 4) {
            found.push(path.clone());
        }
        silent(inner, &path, found);
    }
    if schema["items"].is_object() {
        silent(&schema["items"], path, found);
    }
}

#[tokio::test]
async fn the_server_explains_every_field() {
    let cluster = Cluster::new("crd-openapi").await;
    let document: Value = serde_json::from_str(&cluster.must(&["get", "--raw", "/openapi/v3/apis/igor.dev/v1alpha1"], "")).expect("json");
    for kind in ["IgorJob", "IgorLayer", "IgorTask"] {
        let schema = &document["components"]["schemas"][format!("dev.igor.v1alpha1.{kind}")];
        assert!(schema["description"].as_str().is_some_and(|text| text.len() > 40), "{kind}: {schema}");
        let mut found = Vec::new();
        silent(schema, kind, &mut found);
        assert_eq!(found, [""; 0]);
    }
}

#[tokio::test]
async fn kubectl_explains_each_kind() {
    let cluster = Cluster::new("crd-explain").await;
    // Whatever the width at which lines are broken.
    let explain = |place: &str| cluster.must(&["explain", place], "").split_whitespace().collect::<Vec<_>>().join(" ");
    let tasks = explain("ij.spec.layers.tasks");
    for expected in ["KIND: IgorJob", "FIELD: tasks <[]Object>", "How often it is tried again when it fails"] {
        assert!(tasks.contains(expected), "{expected}\n{tasks}");
    }
    let failed = explain("il.status.failedTasks");
    assert!(failed.contains("The attempt that ended it, from 1."), "{failed}");
    let phase = explain("it.status.phase");
    assert!(phase.contains("ENUM: Pending Queued") && phase.contains("Rejected when it was not taken into its job"), "{phase}");
}
