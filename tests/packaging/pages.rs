//! What the pages for operators say of the chart is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tools::text;

/// The pages that name values of the chart.
const PAGES: [&str; 3] = ["docs/install.md", "docs/operations.md", "docs/security.md"];

/// What stands between backticks, code blocks left out.
fn quoted(page: &str) -> Vec<String> {
    let prose: Vec<String> = text(page).split("\n```").step_by(2).map(str::to_owned).collect();
    prose.iter().flat_map(|part| part.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn each_alert_has_its_row_and_each_row_its_alert() {
    let rules: serde_yaml::Value = serde_yaml::from_str(&text("charts/igor/files/rules.yaml")).expect("YAML");
    let groups = rules["groups"].as_sequence().expect("groups").iter();
    let all = groups.flat_map(|group| group["rules"].as_sequence().expect("rules"));
    let alerts: BTreeSet<String> = all.filter_map(|rule| rule["alert"].as_str()).map(str::to_owned).collect();
    let page = text("docs/operations.md");
    let of_row = |line: &str| line.strip_prefix("| `Igor").and_then(|rest| rest.split_once("` |")).map(|(name, _)| format!("Igor{name}"));
    let rows: BTreeSet<String> = page.lines().filter_map(of_row).collect();
    assert!(alerts.len() >= 5, "{alerts:?}");
    assert_eq!(rows, alerts, "docs/operations.md, When an alert fires");
}

/// Whether `path`, as in `operator.pdb`, is a value; what lies below an object that takes any key is.
fn is_value(schema: &Value, path: &str) -> bool {
    let mut below = schema;
    for word in path.split('.') {
        let (word, of_list) = word.strip_suffix("[]").map_or((word, false), |word| (word, true));
        let Some(found) = below["properties"].get(word) else { return !below["properties"].is_object() };
        below = if of_list { &found["items"] } else { found };
    }
    true
}

#[test]
fn each_value_that_a_page_names_is_one() {
    let schema: Value = serde_json::from_str(&text("charts/igor/values.schema.json")).expect("JSON");
    let is_path = |word: &str| word.contains('.') && word.chars().all(|c| c.is_ascii_alphanumeric() || ".[]".contains(c));
    let begins = |word: &str| word.split(['.', '[']).next().is_some_and(|first| schema["properties"].get(first).is_some());
    for page in PAGES {
        // A sentence names a value with a setting too: `postgres.tls.mode: verify-full`.
        let words = quoted(page).into_iter().map(|words| words.split(':').next().unwrap_or_default().to_owned());
        let named: BTreeSet<String> = words.filter(|word| is_path(word) && begins(word)).collect();
        assert!(named.len() >= 5, "{page}: {named:?}");
        let none: Vec<_> = named.iter().filter(|path| !is_value(&schema, path)).collect();
        assert!(none.is_empty(), "{page} names {none:?}, which are no values");
    }
}

#[test]
fn what_is_no_value_is_noticed() {
    let schema: Value = serde_json::from_str(&text("charts/igor/values.schema.json")).expect("JSON");
    let of = |path| is_value(&schema, path);
    assert!(of("operator.pdb.enabled") && of("workers[].namespace") && of("metrics.serviceMonitor.labels"));
    assert!(!of("operator.replica") && !of("workers[].space") && !of("metrics.serviceMonitor.label"));
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let prose: Vec<String> = text(page).split("\n```").step_by(2).map(str::to_owned).collect();
    let headings = prose.iter().flat_map(|part| part.lines()).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn each_link_from_these_pages_leads_somewhere() {
    for page in PAGES {
        let all = text(page);
        let links = all.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        let links: BTreeSet<&str> = links.filter(|link| !link.starts_with("http")).collect();
        assert!(links.len() >= 4, "{page}: {links:?}");
        for link in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.to_owned() } else { format!("docs/{file}") };
            let found = anchors(&target);
            assert!(heading.is_empty() || found.contains(heading), "{page} links to {link}; {target} has {found:?}");
        }
    }
}
