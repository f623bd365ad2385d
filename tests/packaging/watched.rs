//! Each metric is described, shown and written down, and nobody asks for one that is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use igor::telemetry::{METRICS, Metric};

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

fn described() -> BTreeSet<String> {
    METRICS.iter().map(|metric| metric.name.to_owned()).collect()
}

#[test]
fn what_is_counted_is_described_and_the_other_way_round() {
    assert_eq!(counted(), described());
}

#[test]
fn what_is_shown_and_alerted_on_is_counted() {
    for file in ["charts/igor/files/dashboard.json", "charts/igor/files/rules.yaml"] {
        let asked = metrics_in(&text(file));
        assert!(asked.len() >= 4, "{file}: {asked:?}");
        let unknown: Vec<_> = asked.difference(&described()).cloned().collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}");
    }
    let shown = metrics_in(&text("charts/igor/files/dashboard.json"));
    let hidden: Vec<_> = described().difference(&shown).cloned().collect();
    assert!(hidden.is_empty(), "the dashboard does not show {hidden:?}");
}

#[test]
fn the_page_of_metrics_has_each_as_it_is_described() {
    let row = |metric: &Metric| {
        let kind = format!("{:?}", metric.kind).to_lowercase();
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {kind} | {} | {} | {} |", metric.name, labels.join(", "), metric.unit().as_str(), metric.help)
    };
    let rows: Vec<String> = METRICS.iter().map(row).collect();
    let page = text("docs/metrics.md");
    assert!(page.contains(&rows.join("\n")), "docs/metrics.md is to hold:\n{}", rows.join("\n"));
    let unknown: Vec<_> = metrics_in(&page).difference(&described()).cloned().collect();
    assert!(unknown.is_empty(), "docs/metrics.md speaks of {unknown:?}");
}

#[test]
fn the_rules_of_both_are_the_same() {
    let ours: serde_yaml::Value = serde_yaml::from_str(&text("charts/igor/files/rules.yaml")).expect("YAML");
    let theirs: serde_yaml::Value = serde_yaml::from_str(&text("config/prometheus/rules.yaml")).expect("YAML");
    assert_eq!(theirs["spec"], ours);
}
