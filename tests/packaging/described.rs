//! Every value is told of: in the schema, which editors show, and in the chart's README with its default. And what the chart says of
//! itself to a catalogue is so.

use std::collections::BTreeMap;

use serde_yaml::Value;

use super::tools::{documents, text};

fn schema() -> serde_json::Value {
    serde_json::from_str(&text("charts/igor/values.schema.json")).expect("JSON")
}

/// Each value below a place of the schema, as `api.service.port`.
fn each_value(schema: &serde_json::Value, path: &str, all: &mut BTreeMap<String, serde_json::Value>) {
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        all.insert(path.clone(), below.clone());
        each_value(below, &path, all);
        each_value(&below["items"], &format!("{path}[]"), all);
    }
}

#[test]
fn each_value_is_described_in_the_schema() {
    let mut all = BTreeMap::new();
    each_value(&schema(), "", &mut all);
    assert!(all.len() > 150, "{} values", all.len());
    let silent: Vec<&String> = all.iter().filter(|(_, value)| !value["description"].is_string()).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "write a comment in values.yaml, or a description in the schema: {silent:?}");
}

/// The lines of the README's table: a value and its default, which a section has not.
fn table() -> BTreeMap<String, Option<Value>> {
    let page = text("charts/igor/README.md");
    let lines = page.lines().filter(|line| line.starts_with("| `") || line.starts_with("| **"));
    let cells = lines.map(|line| line.split('|').map(|cell| cell.trim().trim_matches(['`', '*'])).collect::<Vec<_>>());
    let read = |default: &str| serde_yaml::from_str(default).unwrap_or_else(|error| panic!("{default}: {error}"));
    cells.map(|cells| (cells[1].to_owned(), (!cells[2].is_empty()).then(|| read(cells[2])))).collect()
}

/// The value that stands in values.yaml at this path, when one does.
fn default_of<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, key| value.get(key))
}

#[test]
fn each_value_is_in_the_readme_with_its_default() {
    let (table, values) = (table(), documents(&text("charts/igor/values.yaml")).remove(0));
    let mut all = BTreeMap::new();
    each_value(&schema(), "", &mut all);
    // What lies within a list's or a map's own value is told there.
    let within = ["imagePullSecrets[]", "extraEnv[]", "sharedQueues[]", ".hpa.", ".keda.", "parentRefs[]", ".tls[]", "timeouts.", ".keys."];
    let expected = all.keys().filter(|path| *path != "global" && !within.iter().any(|within| path.contains(within)));
    assert_eq!(table.keys().collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "make generate");
    for (path, told) in &table {
        if let (Some(told), Some(default)) = (told, default_of(&values, path)) {
            assert_eq!(told, default, "{path}: make generate");
        }
    }
    assert_eq!(table["operator.replicas"], Some(Value::from(2)));
}

#[test]
fn the_chart_tells_a_catalogue_of_its_kinds() {
    let chart = documents(&text("charts/igor/Chart.yaml")).remove(0);
    let listed = documents(chart["annotations"]["artifacthub.io/crds"].as_str().expect("kinds")).remove(0);
    let listed = listed.as_sequence().expect("a list").iter().map(|kind| ["kind", "version", "name"].map(|key| kind[key].clone()));
    let ours = ["igorjobs", "igorlayers", "igortasks"].map(|file| {
        let definition = documents(&text(&format!("crds/{file}.yaml"))).remove(0);
        let spec = &definition["spec"];
        [spec["names"]["kind"].clone(), spec["versions"][0]["name"].clone(), definition["metadata"]["name"].clone()]
    });
    assert_eq!(listed.collect::<Vec<_>>(), ours);
    let (version, written) = (env!("CARGO_PKG_VERSION"), [&chart["version"], &chart["appVersion"]]);
    assert_eq!(written, [version, version]);
    assert_eq!(chart["annotations"]["artifacthub.io/prerelease"] == "true", version.starts_with("0."));
}
