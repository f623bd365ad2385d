//! The tables of the page of concepts are those of the code.

use std::collections::BTreeSet;

use igor::core::command::{Meant, Verb};
use igor::core::status::{DISPATCH, Move, RECALL, RESULT, Status};
use igor::crd::crdgen::definitions;
use igor::crd::reference::words::CONDITIONS;
use serde_json::Value;

use super::{from_root, page};

fn concepts() -> String {
    std::fs::read_to_string(from_root("docs/concepts.md")).expect("the page")
}

/// What moves a task, as the page says it, and the moves.
fn movers() -> Vec<(&'static str, Vec<Move>)> {
    let retry = |meant| Verb::Retry.moves(meant, false);
    vec![
        ("handed out", DISPATCH.to_vec()),
        ("called back", RECALL.to_vec()),
        ("report", RESULT.to_vec()),
        ("kill", Verb::Kill.moves(Meant::Among, false)),
        ("skip", Verb::Skip.moves(Meant::Among, false)),
        ("retry", retry(Meant::Among)),
        ("retry by pattern", retry(Meant::Matched)),
        ("retry by name", retry(Meant::Named)),
    ]
}

/// What may move a task from one status to another; of the retries the one that asks least.
fn cell(from: Status, to: Status) -> String {
    let mut words: Vec<&str> = movers().into_iter().filter(|(_, moves)| moves.contains(&(from, to))).map(|(word, _)| word).collect();
    let first_retry = words.iter().position(|word| word.starts_with("retry")).map_or(words.len(), |at| at + 1);
    words.truncate(first_retry);
    words.join(", ")
}

fn title(status: Status) -> String {
    let word = status.as_str();
    word[..1].to_owned() + &word[1..].to_lowercase()
}

#[test]
fn the_table_of_moves_is_that_of_the_code() {
    let names: Vec<String> = Status::ALL.map(title).to_vec();
    let mut table = format!("| from \\ to | {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len() + 1));
    for from in Status::ALL {
        let cells: Vec<String> = Status::ALL.map(|to| cell(from, to)).to_vec();
        table.extend([format!("| **{}** | {} |\n", title(from), cells.join(" | "))]);
    }
    assert!(concepts().contains(&table), "docs/concepts.md has another table of moves than:\n{table}");
}

#[test]
fn the_picture_of_moves_draws_each_legal_one() {
    let page = concepts();
    let blocks = page::blocks(&page);
    let picture = blocks.iter().find(|block| block.language == "mermaid").expect("a picture");
    let arrow = |line: &str| {
        let (from, rest) = line.split_once(" --> ")?;
        let to = rest.split(':').next()?;
        Some((Status::parse(from.trim())?, Status::parse(to.trim())?))
    };
    let drawn: BTreeSet<Move> = picture.text.lines().filter_map(arrow).collect();
    assert_eq!(drawn, movers().into_iter().flat_map(|(_, moves)| moves).collect());
}

/// The first words in code marks of the rows of the tables below a heading.
fn rows(page: &str, heading: &str) -> Vec<String> {
    let section = page.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let lines = section.lines().take_while(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect()
}

#[test]
fn the_phases_are_those_of_the_kinds() {
    let page = concepts();
    for (kind, definition) in definitions().expect("the definitions") {
        let phase = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["phase"];
        let mut known: Vec<&str> = phase["enum"].as_array().expect("phases").iter().filter_map(Value::as_str).collect();
        known.sort_unstable();
        let mut told = rows(&page, &format!("### Phases of an {kind}"));
        told.sort_unstable();
        assert_eq!(told, known, "{kind}");
    }
}

#[test]
fn the_reasons_of_a_jobs_conditions_are_all_told() {
    let mut told = rows(&concepts(), "### Reasons of an IgorJob's conditions");
    told.sort_unstable();
    told.dedup();
    let of_job = CONDITIONS.iter().filter(|condition| condition.kind == "IgorJob");
    let known: BTreeSet<&str> = of_job.flat_map(|condition| condition.when_true.iter().chain(condition.when_false)).copied().collect();
    assert_eq!(told, known.into_iter().collect::<Vec<_>>());
}

/// What a heading is called in a link: lower case, hyphens for blanks, no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

/// The targets of a page's links to other pages, and to its own headings. In code there are none.
fn links(page: &str) -> Vec<String> {
    let text: String = page.split('`').step_by(2).collect();
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = ["concepts", "steering", "job-spec", "workers", "migrating-from-go-igor"].map(|page| format!("docs/{page}.md"));
    for name in pages.into_iter().chain(["README.md".to_owned()]) {
        let path = from_root(&name);
        let text = std::fs::read_to_string(&path).expect("the page");
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            let target = std::fs::read_to_string(&target).unwrap_or_else(|_| panic!("{name}: {link} is no page"));
            let mut headings = target.lines().filter(|line| line.starts_with('#')).map(anchor);
            assert!(heading.is_empty() || headings.any(|known| known == heading), "{name}: {link} has no such heading");
        }
    }
}
