//! Invariants 2, 3 and 6 of layers: none begins while an earlier one is at work, each is opened once a run, counters are right.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Report;
use super::facts::{Facts, is_ended, moment, number, size, text};

pub(super) fn check(facts: &Facts, report: &mut Report) {
    report.count("double advances", 0);
    for job in facts.table("jobs") {
        let layers: Vec<&Value> = facts.table("layers").iter().filter(|layer| layer["job_id"] == job["id"]).collect();
        for layer in &layers {
            runs(facts, job, layer, report);
            counters(facts, layer, report);
        }
        order(facts, job, &layers, report);
    }
}

/// The audit rows of a layer or a job.
pub(super) fn own_moves<'a>(facts: &'a Facts, row: &'a Value) -> Vec<&'a Value> {
    let mut moves: Vec<&Value> = facts.table("transitions").iter().filter(|one| one["task_id"] == row["id"]).collect();
    moves.sort_by_key(|one| number(&one["version"]));
    moves
}

fn runs(facts: &Facts, job: &Value, layer: &Value, report: &mut Report) {
    let about = || format!("job {} layer {}", text(&job["name"]), text(&layer["name"]));
    let moves = own_moves(facts, layer);
    let opened: Vec<i64> =
        moves.iter().filter(|one| one["to"] == "RUNNING" && one["from"] != "RUNNING").map(|one| number(&one["run"])).collect();
    let once: Vec<i64> = (1..).take(opened.len()).collect();
    if opened != once || number(&layer["run"]) != size(opened.len()) {
        report.count("double advances", 1);
        report.violation(3, "a layer is opened once a run", format!("{}: {opened:?}", about()));
    }
    let retries = facts.said("ask").filter(|line| line["act"] == "retry" && line["job"] == job["name"]).count();
    if opened.len() > 1 + retries {
        report.count("double advances", 1);
        report.violation(3, "only a retry opens a layer again", format!("{}: {} times", about(), opened.len()));
    }
    if number(&layer["version"]) != 1 + size(moves.len()) {
        report.violation(6, "version = 1 + audit rows", about());
    }
}

fn counters(facts: &Facts, layer: &Value, report: &mut Report) {
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    for task in facts.table("tasks").iter().filter(|task| task["layer_id"] == layer["id"]) {
        *counted.entry(text(&task["status"])).or_default() += 1;
    }
    for status in ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "ERRORED", "SKIPPED"] {
        let (says, counts) = (number(&layer[format!("n_{}", status.to_lowercase())]), counted.get(status).copied().unwrap_or(0));
        if says != counts {
            report.violation(6, "counters equal a recount", format!("layer {}: {says} {status}, not {counts}", text(&layer["name"])));
        }
    }
}

/// For each layer, nothing of it is opened or begun before everything of earlier priorities ended for the first time.
fn order(facts: &Facts, job: &Value, layers: &[&Value], report: &mut Report) {
    let mut first_ends: BTreeMap<i64, i64> = BTreeMap::new();
    let mut begins: BTreeMap<i64, i64> = BTreeMap::new();
    let mut sooner = |priority: i64, at: i64| {
        let known = begins.entry(priority).or_insert(at);
        *known = at.min(*known);
    };
    for layer in layers {
        let priority = number(&layer["priority"]);
        let opened = own_moves(facts, layer).into_iter().find(|one| one["to"] == "RUNNING").map(|one| moment(&one["at"]));
        if opened.is_some_and(|at| job["loaded_at"].is_null() || at < moment(&job["loaded_at"])) {
            report.violation(2, "no layer opens before all of its job is loaded", format!("job {}", text(&job["name"])));
        }
        for one in own_moves(facts, layer).iter().filter(|one| one["to"] == "RUNNING") {
            sooner(priority, moment(&one["at"]));
        }
        for task in facts.table("tasks").iter().filter(|task| task["layer_id"] == layer["id"]) {
            let ended = facts.moves_of(task).iter().find(|one| is_ended(&one.to)).map_or(i64::MAX, |one| one.at);
            let known = first_ends.entry(priority).or_insert(ended);
            *known = ended.max(*known);
            for execution in facts.executions.iter().filter(|execution| execution.task == text(&task["id"])) {
                sooner(priority, execution.begin);
            }
        }
    }
    for (priority, begin) in &begins {
        for (earlier, end) in first_ends.range(..priority) {
            if end > begin {
                report.count("double advances", 1);
                let about = format!("job {}: priority {priority} began before {earlier} ended", text(&job["name"]));
                report.violation(2, "no layer begins before those of earlier priorities ended", about);
            }
        }
    }
}
