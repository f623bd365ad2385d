//! Runs Helm, kustomize and the checkers, and reads what they write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use serde::Deserialize;
use serde_yaml::Value;

pub(crate) fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let parsed = serde_yaml::Deserializer::from_str(yaml).map(Value::deserialize).collect::<Result<Vec<_>, _>>();
    parsed.unwrap_or_else(|error| panic!("{error}:\n{yaml}")).into_iter().filter(|document| !document.is_null()).collect()
}

/// Where the program or package of that name is; the rig makes what is missing.
pub(crate) fn tool(name: &str) -> &'static str {
    static TOOLS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let tools = TOOLS.get_or_init(|| {
        let found = Command::new(at("rig/chart-tools")).stderr(std::process::Stdio::inherit()).output().expect("rig/chart-tools");
        assert!(found.status.success(), "rig/chart-tools failed");
        let lines = String::from_utf8(found.stdout).expect("text");
        lines.lines().filter_map(|line| line.split_once('=')).map(|(name, path)| (name.to_owned(), path.to_owned())).collect()
    });
    &tools[name]
}

/// What a command wrote, or what it complained of.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes| String::from_utf8(bytes).expect("text");
    if done.status.success() { Ok(said(done.stdout)) } else { Err(said(done.stdout) + &said(done.stderr)) }
}

/// A Python module out of one of the rig's folders.
pub(crate) fn python(folder: &str, module: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", tool(folder)).args(["-m", module]);
    command
}

/// Release `igor` in namespace `igor-system`, as an install of these values and settings would apply it.
pub(crate) fn template(values: &Path, settings: &[&str]) -> Result<String, String> {
    let mut helm = Command::new(tool("helm"));
    helm.args(["template", "igor", "charts/igor", "--namespace", "igor-system", "--kube-version", "1.33.0", "--values"]);
    helm.arg(values).args(settings.iter().flat_map(|setting| ["--set-json", setting])).current_dir(at(""));
    run(&mut helm)
}

/// The examples of values, by name.
pub(crate) fn examples() -> BTreeMap<String, PathBuf> {
    let files = fs::read_dir(at("charts/igor/ci")).expect("charts/igor/ci");
    let files = files.map(|entry| entry.expect("a file").path());
    let named = files.map(|path| (path.file_name().expect("a name").to_string_lossy().replace("-values.yaml", ""), path));
    named.collect()
}

pub(crate) fn example(name: &str) -> Vec<Value> {
    documents(&template(&examples()[name], &[]).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// All that each example renders to.
pub(crate) fn every_example() -> BTreeMap<String, Vec<Value>> {
    examples().into_keys().map(|name| (name.clone(), example(&name))).collect()
}

pub(crate) fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a word: {value:?}"))
}

/// `Kind/name`, or `Kind/namespace/name`.
pub(crate) fn id(document: &Value) -> String {
    let metadata = &document["metadata"];
    let namespace = metadata["namespace"].as_str().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{}/{namespace}{}", word(&document["kind"]), word(&metadata["name"]))
}

/// What an object says of its pods, or of itself as one.
pub(crate) fn pods(document: &Value) -> Option<&Value> {
    let spec = &document["spec"];
    [spec, &spec["template"]["spec"]].into_iter().find(|pods| !pods["containers"].is_null())
}
