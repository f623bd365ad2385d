//! What programs that nobody here wrote say of the rendered manifests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::tools::{at, examples, python, run, template, tool};

/// The oldest Kubernetes that is supported and the newest whose schemas there are.
const VERSIONS: [&str; 2] = ["1.33", "1.37"];

/// Kinds of others, whose schemas Kubernetes does not have.
const FOREIGN: [&str; 5] = ["HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject", "ServiceMonitor"];

/// What checkov finds and is meant to be so, and why.
const MEANT: [(&str, &str); 7] = [
    ("CKV_K8S_8", "a worker serves nothing that could be asked: one that hangs loses its leases"),
    ("CKV_K8S_9", "a worker has no clients that would have to wait for it"),
    ("CKV_K8S_11", "a limit of CPU throttles below it; requests are set, and memory has a limit"),
    ("CKV_K8S_15", "versions are pinned: pulling them at each start would need the image's registry to be up"),
    ("CKV_K8S_35", "the clients of people's own workers do not all read files; Igor's own do"),
    ("CKV_K8S_38", "the operator talks to the API server; no other pod has a token"),
    ("CKV_K8S_43", "image.digest is there to be set; which one, only who builds the image knows"),
];

fn render_all(folder: &Path) {
    for (name, values) in examples() {
        fs::write(folder.join(format!("{name}.yaml")), template(&values, &[]).expect("a rendering")).expect("a file");
    }
}

fn validate(version: &str, file: &Path) -> Result<String, String> {
    run(python("validate", "kubernetes_validate").args(["-k", version, "--strict", "--no-warn", "--quiet"]).arg(file))
}

#[test]
fn every_object_is_of_its_kind_in_the_oldest_and_the_newest_kubernetes() {
    let folder = tempfile::tempdir().expect("a folder");
    render_all(folder.path());
    for version in VERSIONS {
        for name in examples().keys() {
            let said = validate(version, &folder.path().join(format!("{name}.yaml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
            for line in said.lines() {
                assert!(FOREIGN.iter().any(|kind| line.contains(&format!("schema for kind {kind} "))), "{name}: {line}");
            }
        }
    }
}

#[test]
fn the_validator_notices_a_word_that_is_none() {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    let rendered = template(&examples()["default"], &[]).expect("a rendering").replace("maxUnavailable: 1", "maxUnavailabel: 1");
    fs::write(file.path(), rendered).expect("written");
    assert!(validate(VERSIONS[0], file.path()).expect_err("a fault").contains("'maxUnavailabel' was unexpected"));
}

#[test]
fn checkov_finds_only_what_is_meant() {
    // checkov passes by folders whose names begin with a dot.
    let folder = tempfile::Builder::new().prefix("chart").tempdir().expect("a folder");
    render_all(folder.path());
    let mut checkov = python("checkov", "checkov.main");
    checkov.args(["--framework", "kubernetes", "--skip-download", "--soft-fail", "--compact", "--output", "json", "--directory"]);
    let report: Value = serde_json::from_str(&run(checkov.arg(folder.path()).current_dir(at(""))).expect("a report")).expect("JSON");
    assert!(report["summary"]["passed"].as_u64().is_some_and(|passed| passed > 1000), "{}", report["summary"]);
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for failed in report["results"]["failed_checks"].as_array().expect("checks") {
        let (check, place) = (failed["check_id"].as_str().expect("an id"), format!("{}{}", failed["file_path"], failed["resource"]));
        found.entry(check).or_default().push(place);
    }
    // A check that nothing fails any more does not belong on the list.
    let meant: Vec<&str> = MEANT.iter().map(|(check, _)| *check).collect();
    let mut checks: Vec<&str> = found.keys().copied().collect();
    checks.sort_by_key(|check| meant.iter().position(|known| known == check));
    assert_eq!(checks, meant, "{found:#?}");
}

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let hadolint = at(tool("hadolint")).join("bin/hadolint");
    let said = run(Command::new(hadolint).args(["--failure-threshold", "style", "Dockerfile"]).current_dir(at("")));
    assert_eq!(said, Ok(String::new()));
}
