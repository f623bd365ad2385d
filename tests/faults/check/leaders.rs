//! The leader's fence (invariants 3 and 4 rest on it): what an operator writes, it writes while no later term had begun when its
//! transaction did.
//!
//! The ledger's observer notes from which port each transaction came; the proxies note whose port that was.

use serde_json::Value;

use super::Report;
use super::facts::{Facts, number, text, time};

/// Between the moment at which a term's transaction notes itself and its commit.
const COMMIT: i64 = 100_000;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let writes = facts.table("writes");
    let terms: Vec<(i64, &str)> = writes
        .iter()
        .filter(|write| text(&write["what"]).starts_with("epoch"))
        .filter_map(|write| Some((number(&write["at_us"]), process(facts, write)?)))
        .collect();
    report.count("terms", terms.len());
    for write in writes.iter().filter(|write| !text(&write["what"]).starts_with("epoch")) {
        let (Some(writer), began) = (process(facts, write), number(&write["began_us"])) else { continue };
        let own = terms.iter().filter(|(at, leader)| *leader == writer && *at <= began).map(|(at, _)| *at).max();
        let later = terms.iter().find(|(at, leader)| *leader != writer && own.is_none_or(|own| own < *at) && *at + COMMIT < began);
        if let Some((_, leader)) = later {
            report.violation(4, "only the leader of the latest term writes", format!("{writer} wrote in a term of {leader}"));
        }
    }
}

/// The process that had the port when the transaction began.
fn process<'a>(facts: &'a Facts, write: &Value) -> Option<&'a str> {
    let began = number(&write["began_us"]);
    let opened = facts.said("connect").filter(|line| line["port"] == write["port"] && time(line) <= began + COMMIT);
    opened.max_by_key(|line| time(line)).map(|line| text(&line["process"]))
}
