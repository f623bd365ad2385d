//! What `charts/igor` and `config/` repeat of each other and of `crds/` is the same everywhere. No cluster, no Helm: YAML is compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_yaml::Value;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(yaml: &str, path: &str) -> Vec<Value> {
    let parsed = serde_yaml::Deserializer::from_str(yaml).map(Value::deserialize).collect::<Result<Vec<_>, _>>();
    parsed.unwrap_or_else(|error| panic!("{path}: {error}")).into_iter().filter(|document| !document.is_null()).collect()
}

/// A template as release `igor` renders it, as far as these tests look: lines of nothing but template are left out, and what stands
/// between other words is the name.
fn plain(template: &str) -> String {
    let lines = template.lines().filter(|line| !line.trim_start().starts_with("{{"));
    lines.map(|line| named(line) + "\n").collect()
}

fn named(line: &str) -> String {
    match line.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?.1))) {
        Some((before, after)) => format!("{before}igor{}", named(after)),
        None => line.to_owned(),
    }
}

fn chart(file: &str) -> Vec<Value> {
    let path = format!("charts/igor/templates/{file}");
    documents(&plain(&text(&path)), &path)
}

fn config(path: &str) -> Vec<Value> {
    documents(&text(path), path)
}

/// The files of a folder that hold kinds, by name.
fn kinds(folder: &str) -> BTreeMap<String, Vec<Value>> {
    let names = fs::read_dir(at(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = names.map(|entry| entry.expect("a file").file_name().into_string().expect("a name"));
    names.filter(|name| name != "kustomization.yaml").map(|name| (name.clone(), config(&format!("{folder}/{name}")))).collect()
}

type Role = (String, String);

/// What each role allows, and the well-known role that it is part of.
fn roles(documents: &[Value]) -> BTreeMap<Role, (Value, Vec<String>)> {
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    let roles = documents.iter().filter(|document| !document["rules"].is_null());
    roles
        .map(|role| {
            let labels = role["metadata"]["labels"].as_mapping();
            let aggregated = labels.into_iter().flat_map(serde_yaml::Mapping::keys).map(word);
            let aggregated = aggregated.filter(|label| label.starts_with("rbac.authorization.k8s.io/")).collect();
            ((word(&role["kind"]), word(&role["metadata"]["name"])), (role["rules"].clone(), aggregated))
        })
        .collect()
}

/// Which role each binding gives.
fn bindings(documents: &[Value]) -> BTreeMap<String, Value> {
    let bindings = documents.iter().filter(|document| !document["roleRef"].is_null());
    bindings.map(|binding| (binding["metadata"]["name"].as_str().expect("a name").to_owned(), binding["roleRef"].clone())).collect()
}

#[test]
fn copies_of_the_definitions_are_the_definitions() {
    let ours = kinds("crds");
    assert!(ours.len() >= 3, "crds/ holds {} files", ours.len());
    for folder in ["charts/igor/files/crds", "config/crd"] {
        let copies = kinds(folder);
        assert!(copies.keys().eq(ours.keys()), "{folder} holds {:?}: cp crds/*.yaml {folder}/", copies.keys());
        for (name, copy) in &copies {
            assert!(copy == &ours[name], "{folder}/{name} is not crds/{name}: cp crds/*.yaml {folder}/");
        }
    }
    let listed: Vec<String> = serde_yaml::from_value(config("config/crd/kustomization.yaml")[0]["resources"].clone()).expect("names");
    assert!(listed.iter().eq(ours.keys()), "config/crd/kustomization.yaml lists {listed:?}");
}

/// The chart writes labels and Helm's policy in the place of this line.
#[test]
fn each_definition_has_the_line_that_the_chart_extends_once() {
    for name in kinds("crds").keys() {
        assert_eq!(text(&format!("crds/{name}")).matches("\nmetadata:\n").count(), 1, "crds/{name}");
    }
    assert!(text("charts/igor/templates/crds.yaml").contains(r#"replace "\nmetadata:\n" $head"#));
}

#[test]
fn the_chart_allows_what_config_allows() {
    let (operator, users) = (roles(&config("config/rbac/role.yaml")), roles(&config("config/rbac/users.yaml")));
    assert_eq!((operator.len(), users.len()), (2, 2));
    assert_eq!(roles(&chart("rbac.yaml")), operator);
    assert_eq!(roles(&chart("users.yaml")), users);
    assert_eq!(bindings(&chart("rbac.yaml")), bindings(&config("config/rbac/binding.yaml")));
}

#[test]
fn no_role_reaches_secrets_or_pods_or_everything() {
    for file in ["role.yaml", "users.yaml"] {
        for ((_, name), (rules, _)) in roles(&config(&format!("config/rbac/{file}"))) {
            for rule in rules.as_sequence().expect("rules") {
                let words = ["apiGroups", "resources", "verbs"].map(|key| rule[key].as_sequence().expect("words").clone()).concat();
                for word in ["*", "secrets", "pods", "customresourcedefinitions", "escalate", "bind", "impersonate"] {
                    assert!(!words.contains(&Value::from(word)), "{name} holds {word}: {words:?}");
                }
            }
        }
    }
}

#[test]
fn the_operator_is_started_alike() {
    let (chart, config) = (chart("operator.yaml"), config("config/manager/deployment.yaml"));
    let container = |documents: &[Value]| documents[0]["spec"]["template"]["spec"]["containers"][0].clone();
    let (ours, theirs) = (container(&chart), container(&config));
    for key in ["command", "args", "ports", "livenessProbe", "readinessProbe"] {
        assert!(!theirs[key].is_null(), "{key}");
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    let template = text("charts/igor/templates/operator.yaml");
    for variable in theirs["env"].as_sequence().expect("variables") {
        let name = variable["name"].as_str().expect("a name");
        assert!(template.contains(&format!("- name: {name}\n")) || template.contains(&format!("\"env\" \"{name}\"")), "{name}");
    }
}
