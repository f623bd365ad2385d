use std::fs;
use std::path::PathBuf;

use igor::crd::{self, crdgen};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds")
}

#[test]
fn the_files_are_what_the_sources_generate() {
    let files = crd::yaml().expect("the definitions");
    for (name, text) in &files {
        let kept = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(kept == *text, "crds/{name} is not up to date: run `make generate`");
    }
    let mut kept: Vec<String> =
        fs::read_dir(folder()).expect("crds").map(|entry| entry.expect("a file").file_name().into_string().unwrap()).collect();
    kept.sort();
    assert_eq!(kept, ["igorjobs.yaml", "igorlayers.yaml", "igortasks.yaml"]);
}

#[test]
fn the_reference_is_what_the_sources_generate() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/job-spec.md");
    let kept = fs::read_to_string(page).unwrap_or_default();
    assert!(kept == crd::reference::markdown().expect("the reference"), "docs/job-spec.md is not up to date: run `make generate`");
}

#[test]
fn generating_twice_gives_the_same() {
    assert_eq!(crd::yaml().expect("once"), crd::yaml().expect("twice"));
}

/// Every schema below `schema`, with its path.
fn walk<'a>(schema: &'a Value, path: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &format!("{path}.{name}"), visit);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), visit);
    }
}

#[test]
fn nothing_is_checked_below_tasks_but_fields() {
    let definitions = crdgen::definitions().expect("the definitions");
    let mut rules = Vec::new();
    for (kind, definition) in &definitions {
        walk(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind, &mut |path, schema| {
            if schema.get("x-kubernetes-validations").is_some() {
                rules.push(path.to_owned());
            }
        });
    }
    assert_eq!(rules, ["IgorJob", "IgorJob.spec", "IgorJob.spec.layers[]", "IgorLayer.spec", "IgorTask.spec"]);
}

#[test]
fn the_server_fills_in_these_defaults_and_no_others() {
    let definitions = crdgen::definitions().expect("the definitions");
    let mut defaults = Vec::new();
    for (kind, definition) in &definitions {
        walk(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind, &mut |path, schema| {
            if let Some(value) = schema.get("default") {
                defaults.push(format!("{path}={value}"));
            }
        });
    }
    let expected = [
        "IgorJob.spec.layers[].priority=0",
        "IgorJob.spec.onFailure=\"Hold\"",
        "IgorJob.spec.paused=false",
        "IgorJob.spec.priority=0",
        "IgorJob.spec.queue=\"default\"",
        "IgorJob.spec.taskObjects=\"Failed\"",
    ];
    assert_eq!(defaults, expected);
}
