//! What each example of values renders to, in full; and that kustomize installs what the chart installs.

use std::collections::BTreeMap;
use std::process::Command;

use serde_yaml::Value;

use super::tools::{at, documents, example, examples, id, run, template, tool};

/// The definitions and the dashboard are files of their own: who changes them need not accept them here again.
fn is_a_file(document: &str) -> bool {
    document.contains("kind: CustomResourceDefinition") || document.contains("igor.json: |")
}

#[test]
fn each_example_renders_to_what_it_did() {
    for (name, values) in examples() {
        let rendered = template(&values, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let parts: Vec<&str> = rendered.split("\n---\n").filter(|document| !is_a_file(document)).collect();
        insta::assert_snapshot!(name, parts.join("\n---\n"));
    }
}

/// What only says who installed it.
const SIGNATURES: [&str; 4] = ["app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy"];

fn unsigned(value: &mut Value) {
    match value {
        Value::Mapping(map) => {
            map.retain(|key, _| !key.as_str().is_some_and(|key| SIGNATURES.contains(&key)));
            map.values_mut().for_each(unsigned);
            map.retain(|key, value| key != "annotations" || value.as_mapping().is_some_and(|left| !left.is_empty()));
        }
        Value::Sequence(items) => items.iter_mut().for_each(unsigned),
        _ => {}
    }
}

fn comparable(documents: Vec<Value>) -> BTreeMap<String, Value> {
    let mut comparable = BTreeMap::new();
    let installed = |document: &Value| document["kind"] != "Namespace" && document["metadata"]["annotations"]["helm.sh/hook"].is_null();
    for mut document in documents.into_iter().filter(installed) {
        unsigned(&mut document);
        if let Some(container) = document["spec"]["template"]["spec"]["containers"].get_mut(0) {
            container["image"] = "igor".into();
        }
        comparable.insert(id(&document), document);
    }
    comparable
}

#[test]
fn kustomize_installs_what_the_chart_does() {
    let built = run(Command::new(tool("kubectl")).args(["kustomize", "config/default"]).current_dir(at(""))).expect("kustomize");
    let (config, chart) = (comparable(documents(&built)), comparable(example("default")));
    assert!(config.keys().eq(chart.keys()), "{:?}\n{:?}", config.keys(), chart.keys());
    for (id, ours) in &chart {
        assert_eq!(&config[id], ours, "{id}");
    }
}

#[test]
fn kustomize_installs_the_api_that_the_chart_does() {
    let built = run(Command::new(tool("kubectl")).args(["kustomize", "config/api"]).current_dir(at(""))).expect("kustomize");
    let (config, chart) = (comparable(documents(&built)), comparable(example("api")));
    assert!(config.len() >= 6, "{:?}", config.keys());
    for (id, theirs) in &config {
        assert_eq!(Some(theirs), chart.get(id), "{id}");
    }
}
