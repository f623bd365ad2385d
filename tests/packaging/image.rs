//! The image that is built without a container engine: what it says of itself and what lies in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::tools::{at, run};

/// What a file of an archive holds.
fn file(archive: &Path, name: &str) -> String {
    run(Command::new("tar").arg("-xOf").arg(archive).arg(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn build(folder: &Path) {
    let mut image = Command::new(at("rig/image"));
    image.arg("igor").env("IGOR_BIN", env!("CARGO_BIN_EXE_igor")).env("OUT", folder).env_remove("IMAGE");
    run(&mut image).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_image_runs_as_nobody_with_certificates_and_no_shell() {
    let folder = tempfile::tempdir().expect("a folder");
    build(folder.path());
    let archive = folder.path().join("igor.tar");
    let manifest: Value = serde_json::from_str(&file(&archive, "manifest.json")).expect("JSON");
    let config: Value = serde_json::from_str(&file(&archive, manifest[0]["Config"].as_str().expect("a path"))).expect("JSON");
    let (config, label) = (&config["config"], |name: &str| config["config"]["Labels"][format!("org.opencontainers.image.{name}")].clone());
    assert_eq!((&config["User"], &config["Entrypoint"]), (&json!("65532:65532"), &json!(["igor"])));
    assert_eq!(
        (label("title"), label("version"), label("licenses")),
        (json!("igor"), json!(env!("CARGO_PKG_VERSION")), json!("MIT OR Apache-2.0"))
    );
    assert!(label("description").is_string() && label("revision").is_string());

    let layer = manifest[0]["Layers"][0].as_str().expect("a path");
    run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).arg(layer)).expect("the layer");
    let listed = run(Command::new("tar").arg("-tf").arg(folder.path().join(layer))).expect("a list");
    for wanted in ["usr/local/bin/igor", "etc/ssl/certs/ca-certificates.crt", "etc/passwd", "usr/share/doc/igor/LICENSE-MIT"] {
        assert!(listed.lines().any(|line| line == wanted), "{wanted} is missing:\n{listed}");
    }
    let programs: Vec<&str> = listed.lines().filter(|line| line.contains("bin/") && !line.ends_with('/')).collect();
    assert_eq!(programs, ["usr/local/bin/igor"]);
}

#[test]
fn an_image_built_twice_is_the_same() {
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    for folder in &folders {
        build(folder.path());
    }
    let [first, second] = folders.each_ref().map(|folder| fs::read(folder.path().join("igor.tar")).expect("an image"));
    assert!(first == second, "two images of one program differ");
}
