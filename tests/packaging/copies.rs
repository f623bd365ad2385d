//! The copies of `crds/` that Helm and kustomize read are those definitions.

use std::collections::BTreeMap;
use std::fs;

use serde_yaml::Value;

use super::tools::{at, documents, text};

/// The files of a folder that hold kinds, by name.
fn kinds(folder: &str) -> BTreeMap<String, Vec<Value>> {
    let names = fs::read_dir(at(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = names.map(|entry| entry.expect("a file").file_name().into_string().expect("a name"));
    let names = names.filter(|name| name != "kustomization.yaml");
    names.map(|name| (name.clone(), documents(&text(&format!("{folder}/{name}"))))).collect()
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
    let listed: Value = documents(&text("config/crd/kustomization.yaml")).remove(0);
    let listed: Vec<String> = serde_yaml::from_value(listed["resources"].clone()).expect("names");
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
