//! Invariants 1, 4 and 6 of tasks: none is lost, attempts only rise, the audit is whole and ends where the task stands.

use super::Report;
use super::facts::{Facts, Move, is_ended, name, number, size, text};

pub(super) fn check(facts: &Facts, report: &mut Report) {
    report.count("tasks accepted", facts.table("tasks").len());
    report.count("jobs accepted", facts.table("jobs").iter().filter(|job| !job["loaded_at"].is_null()).count());
    report.count("lost", 0);
    for job in facts.table("jobs") {
        let held = text(&job["status"]) == "ERRORED" || !job["paused_at"].is_null();
        for task in facts.tasks_of(job) {
            let status = text(&task["status"]);
            if !(is_ended(status) || status == "PENDING" && held && job["finished_at"].is_null()) {
                report.count("lost", 1);
                report.violation(1, "a task did not end", format!("{} is {status}", name(task)));
            }
        }
    }
    for task in facts.table("tasks") {
        let moves = facts.moves_of(task);
        audit(task, moves, report);
        attempts(task, moves, report);
    }
}

fn audit(task: &serde_json::Value, moves: &[Move], report: &mut Report) {
    if number(&task["version"]) != 1 + size(moves.len()) {
        report.violation(6, "version = 1 + audit rows", name(task));
    }
    let last = moves.last().map_or("PENDING", |last| &last.to);
    if last != text(&task["status"]) {
        report.violation(6, "the audit's last word is the state", format!("{}: {last}", name(task)));
    }
    let mut status = "PENDING";
    for (index, one) in moves.iter().enumerate() {
        if one.from != status || one.version != 2 + size(index) {
            report.violation(6, "the audit is a chain", format!("{} at version {}", name(task), one.version));
        }
        status = &one.to;
    }
}

fn attempts(task: &serde_json::Value, moves: &[Move], report: &mut Report) {
    let mut current = 0;
    let mut ended = false;
    // A pause of one task moves it nowhere.
    for one in moves.iter().filter(|one| one.from != one.to) {
        if one.to == "QUEUED" {
            if one.attempt != current + 1 {
                report.violation(4, "an attempt number only rises", format!("{}: {} after {current}", name(task), one.attempt));
            }
            (current, ended) = (one.attempt, false);
            continue;
        }
        if one.attempt != current {
            report.violation(4, "what moves a task is its last attempt", format!("{}: {} is not {current}", name(task), one.attempt));
        }
        if one.ends_attempt() && std::mem::replace(&mut ended, true) {
            report.violation(4, "an attempt ends once", format!("{}: {current}", name(task)));
        }
        if is_ended(&one.from) && !one.by_command {
            report.violation(5, "only a command moves what has ended", format!("{} at version {}", name(task), one.version));
        }
    }
}
