//! Invariants 4, 10 and 11 of results: what the ledger counts was done, by that worker and at that attempt; what lay safely in Redis
//! is not forgotten; what has ended is not handed out again.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use super::facts::{Execution, Facts, Move, name, number, text, time};

/// An execution may begin so long after its attempt's end came to the ledger: its entry was delivered before.
const SECOND: i64 = 1_000_000;

type Executions<'a> = BTreeMap<(&'a str, i64), Vec<&'a Execution>>;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let mut executions: Executions = BTreeMap::new();
    for execution in &facts.executions {
        executions.entry((&execution.task, execution.attempt)).or_default().push(execution);
    }
    report.count("executions", facts.executions.len());
    report.count("duplicates", facts.executions.len() - executions.len());
    report.count("stale results offered", stale(facts, &executions));
    report.count("stale results accepted", 0);
    for task in facts.table("tasks") {
        for one in facts.moves_of(task) {
            let of_attempt = executions.get(&(text(&task["id"]), one.attempt)).map_or(&[][..], Vec::as_slice);
            if !is_backed(one, of_attempt) {
                report.count("stale results accepted", 1);
                let about = format!("{}: attempt {} {} by {}", name(task), one.attempt, one.to, one.actor);
                report.violation(4, "a result that counts is that attempt's own", about);
            }
        }
    }
    stored(facts, &executions, report);
    repeated(facts, &executions, report);
}

/// Whether what is written of an attempt was said by an execution of it.
fn is_backed(one: &Move, executions: &[&Execution]) -> bool {
    let Some(worker) = one.worker().filter(|_| !one.is_loss()) else { return true };
    let mut own = executions.iter().filter(|execution| execution.worker == worker && execution.begin <= one.at);
    let said =
        |word: &'static str| move |execution: &&Execution| execution.end.as_ref().is_some_and(|(t, said)| *t <= one.at && said == word);
    match (one.to.as_str(), one.reason.as_str()) {
        // A worker also says so of what it holds and has not begun, when Redis lost the entry that was its lease.
        ("RUNNING", _) => true,
        ("COMPLETED", _) => own.any(|execution| said("COMPLETED")(execution)),
        (_, "Failed") => own.any(|execution| said("ERRORED")(execution)),
        // Given back without having begun, or out of time.
        _ => true,
    }
}

/// Executions that ended and were not what the ledger counted.
fn stale(facts: &Facts, executions: &Executions) -> usize {
    let mut stale = 0;
    for ((task, attempt), all) in executions {
        let ended = all.iter().filter(|execution| execution.end.is_some()).count();
        let moves = facts.moves.get(*task).map_or(&[][..], Vec::as_slice);
        let counted = moves.iter().any(|one| one.attempt == *attempt && one.ends_attempt() && one.worker().is_some() && !one.is_loss());
        stale += ended.saturating_sub(usize::from(counted));
    }
    stale
}

/// A result that was seen in Redis, which kept its data, is what ends its attempt, and nobody does that work again.
fn stored(facts: &Facts, executions: &Executions, report: &mut Report) {
    if facts.had_fault(|class| class.starts_with("redis")) {
        return;
    }
    for line in facts.said("stored") {
        let (task, attempt) = (text(&line["id"]), number(&line["attempt"]));
        let moves = facts.moves.get(task).map_or(&[][..], Vec::as_slice);
        if moves.iter().any(|one| one.attempt == attempt && one.is_loss()) {
            report.violation(11, "a result that is stored is not overruled by a loss", format!("task {task} attempt {attempt}"));
        }
        let again = executions.get(&(task, attempt)).into_iter().flatten().any(|execution| execution.begin > time(line));
        if again {
            report.violation(11, "a result that is stored is not forgotten", format!("task {task} attempt {attempt}"));
        }
    }
}

/// When only operators fail, an attempt whose result is in the ledger is not run again.
fn repeated(facts: &Facts, executions: &Executions, report: &mut Report) {
    if facts.had_fault(|class| !class.starts_with("operator")) {
        return;
    }
    let mut told = BTreeSet::new();
    for (task, moves) in &facts.moves {
        for end in moves.iter().filter(|one| one.ends_attempt() && one.worker().is_some() && !one.is_loss()) {
            let all = executions.get(&(task.as_str(), end.attempt)).into_iter().flatten();
            if all.clone().any(|execution| execution.begin > end.at + SECOND) && told.insert((task, end.attempt)) {
                report.violation(10, "what has ended is not handed out again", format!("task {task} attempt {}", end.attempt));
            }
        }
    }
}
