//! What runs on GitHub is pinned: a tag of an action may be moved, its commit may not.

use std::fs;

use super::tools::{at, text};

#[test]
fn each_action_is_pinned_by_commit_and_says_its_version() {
    let mut seen = 0;
    for file in fs::read_dir(at(".github/workflows")).expect("workflows") {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        for line in text(&format!(".github/workflows/{name}")).lines() {
            let Some((_, action)) = line.split_once("uses: ").filter(|(_, action)| !action.starts_with("./")) else { continue };
            seen += 1;
            let (_, pin) = action.split_once('@').unwrap_or_else(|| panic!("{name}: {line}"));
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{name}: {line}"));
            assert!(commit.len() == 40 && commit.chars().all(|digit| digit.is_ascii_hexdigit()), "{name}: {line}");
            assert!(version.starts_with(|digit: char| digit.is_ascii_digit()), "{name}: {line}");
        }
    }
    assert!(seen > 5, "only {seen} actions were seen");
}
