//! The checker: reads what processes noted and what the stores held at the end, and holds the invariants of ARCHITECTURE.md against
//! it. It runs as a program of its own, knows files only, and uses nothing of Igor to decide.
//!
//! What a client did not get an answer to is unknown, never failed: it may have happened or not.

mod commands;
mod facts;
mod layers;
mod leaders;
mod rest;
mod results;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::facts::Facts;

/// What the checker found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Numbers to be printed, by name.
    pub(crate) counts: BTreeMap<String, u64>,
    /// What does not hold.
    pub(crate) violations: Vec<Violation>,
}

/// A place where an invariant does not hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Violation {
    /// Its number in ARCHITECTURE.md.
    pub(crate) invariant: u8,
    /// In words.
    pub(crate) check: String,
    /// Where.
    pub(crate) about: String,
}

impl Report {
    fn count(&mut self, name: &str, number: usize) {
        *self.counts.entry(name.to_owned()).or_default() += number as u64;
    }

    fn violation(&mut self, invariant: u8, check: &str, about: impl Into<String>) {
        self.violations.push(Violation { invariant, check: check.to_owned(), about: about.into() });
    }

    /// The invariants that do not hold, each with the first check that says so.
    pub(crate) fn broken(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let first = self.violations.iter().filter(|violation| seen.insert((violation.invariant, violation.check.clone())));
        first.map(|violation| format!("invariant {}: {}", violation.invariant, violation.check)).collect()
    }
}

/// Checks everything in a folder.
pub(crate) fn check(folder: &Path) -> Report {
    let facts = Facts::read(folder);
    let mut report = Report::default();
    tasks::check(&facts, &mut report);
    results::check(&facts, &mut report);
    layers::check(&facts, &mut report);
    commands::check(&facts, &mut report);
    leaders::check(&facts, &mut report);
    rest::check(&facts, &mut report);
    report
}

/// The program: prints the report as JSON; fails when something does not hold.
pub(crate) fn run(folder: &Path) -> std::process::ExitCode {
    let report = check(folder);
    crate::say(&serde_json::to_string_pretty(&report).expect("json"));
    if report.violations.is_empty() { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
}
