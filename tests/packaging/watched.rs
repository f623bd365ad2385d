//! The dashboard and the alerts ask for metrics that the program has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::tools::{at, text};

/// Words that begin like a metric, with what Prometheus adds to a histogram's name left out.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| word.starts_with("igor_"));
    words.map(|word| word.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count").to_owned()).collect()
}

fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() { sources(&entry, all) } else { all.push_str(&fs::read_to_string(entry).unwrap_or_default()) }
    }
}

/// What the program counts: the names in its calls of `metrics`.
fn counted() -> BTreeSet<String> {
    let mut all = String::new();
    sources(&at("src"), &mut all);
    let calls = ["counter!(", "gauge!(", "histogram!("];
    let named = calls.iter().flat_map(|call| all.split(call).skip(1)).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    named.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_is_shown_and_alerted_on_is_counted() {
    let counted = counted();
    assert!(counted.len() > 10, "{counted:?}");
    for file in ["charts/igor/files/dashboard.json", "charts/igor/files/rules.yaml"] {
        let asked = metrics_in(&text(file));
        assert!(asked.len() >= 4, "{file}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&counted).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}, there are {counted:?}");
    }
}

#[test]
fn the_rules_of_both_are_the_same() {
    let ours: serde_yaml::Value = serde_yaml::from_str(&text("charts/igor/files/rules.yaml")).expect("YAML");
    let theirs: serde_yaml::Value = serde_yaml::from_str(&text("config/prometheus/rules.yaml")).expect("YAML");
    assert_eq!(theirs["spec"], ours);
}
