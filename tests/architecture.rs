//! Holds the directions of ARCHITECTURE.md: which module may use which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use. What is not listed may be used by nobody but itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("client", &["core"]),
    ("core", &[]),
    ("crd", &["core"]),
    ("store", &["core", "proof", "tls"]),
    ("queue", &["core", "proof", "tls"]),
    ("worker", &["core", "proof", "queue", "trace"]),
    ("http", &["config", "core", "crd", "probes", "queue", "store", "telemetry", "trace", "why"]),
    ("operator", &["config", "core", "crd", "probes", "proof", "queue", "store", "telemetry", "trace"]),
    ("probes", &["telemetry"]),
    ("proof", &[]),
    ("config", &[]),
    ("look", &[]),
    ("partitions", &[]),
    ("proxy", &[]),
    ("selftest", &[]),
    ("standalone", &["Work"]),
    ("telemetry", &[]),
    ("tls", &[]),
    ("trace", &["core"]),
    ("why", &["core", "store"]),
];

/// Crates that the pure core must not know.
const NOT_IN_CORE: &[&str] =
    &["kube", "k8s_openapi", "schemars", "sqlx", "redis", "tokio", "futures", "tracing", "metrics", "rand", "jiff"];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room of a file: the first part of its path below src.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(src()).expect("below src");
    let first = below.components().next().expect("a first part");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names by `crate::room`, comments left out.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            rooms.extend(group.split('}').next().unwrap_or_default().split(',').map(first_word).filter(|word| !word.is_empty()));
        } else {
            rooms.insert(first_word(rest));
        }
    }
    rooms
}

fn first_word(text: &str) -> String {
    text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn modules_use_only_what_the_map_allows() {
    let mut seen = 0;
    for path in sources(&src()) {
        let room = room(&path);
        if room == "lib" || room == "main" {
            continue;
        }
        let (_, allowed) = MAY_USE.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is not on the map"));
        let text = fs::read_to_string(&path).expect("a source file");
        for other in used(&text) {
            seen += 1;
            assert!(other == room || allowed.contains(&other.as_str()), "{} uses crate::{other}", path.display());
        }
    }
    assert!(seen > 10, "only {seen} uses were found: is the reading right?");
}

#[test]
fn the_core_names_no_crate_of_the_shell() {
    for path in sources(&src().join("core")) {
        let text = fs::read_to_string(&path).expect("a source file");
        for name in NOT_IN_CORE {
            for form in [format!("use {name}::"), format!(" {name}::"), format!("({name}::")] {
                assert!(!text.contains(&form), "{} names {name}", path.display());
            }
        }
        for clock in ["SystemTime", "Instant::now", "HashMap", "HashSet", "async fn"] {
            assert!(!text.contains(clock), "{} holds {clock}", path.display());
        }
    }
}

#[test]
fn every_module_says_what_it_owns() {
    for path in sources(&src()) {
        let text = fs::read_to_string(&path).expect("a source file");
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests") || path.components().any(|part| part.as_os_str() == "tests");
        assert!(is_test || text.starts_with("//!"), "{} does not open with //!", path.display());
    }
}
