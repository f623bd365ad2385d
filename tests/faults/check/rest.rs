//! Invariants 6, 7 and 8 at the end: objects say what the ledger says, what does not move says why, and nothing is written any more.

use serde_json::Value;

use super::Report;
use super::facts::{Facts, Rows, number, size, text};
use super::layers::own_moves;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    for job in facts.table("jobs") {
        if number(&job["version"]) != 1 + size(own_moves(facts, job).len()) {
            report.violation(6, "version = 1 + audit rows", format!("job {}", text(&job["name"])));
        }
        object(facts, job, report);
    }
    quiet(facts, report);
    for stream in facts.table("redis").iter().filter(|stream| number(&stream["length"]) > 0) {
        let about = format!("{}: {}", text(&stream["key"]), stream["length"]);
        report.violation(8, "nothing lies in Redis when all is done", about);
    }
    if !facts.table("outbox").is_empty() {
        report.violation(8, "the outbox is empty when all is done", facts.table("outbox").len().to_string());
    }
}

/// What the job's object says, if it is there.
fn object(facts: &Facts, job: &Value, report: &mut Report) {
    let about = || format!("job {}", text(&job["name"]));
    let Some(object) = facts.table("igorjobs").iter().find(|object| object["metadata"]["uid"] == job["uid"]) else { return };
    let status = &object["status"];
    for (field, column) in [("completed", "n_completed"), ("errored", "n_errored"), ("skipped", "n_skipped"), ("total", "n_loaded")] {
        let layers = facts.table("layers").iter().filter(|layer| layer["job_id"] == job["id"]);
        let counts: i64 = layers.map(|layer| number(&layer[column])).sum();
        if number(&status["tasks"][field]) != counts {
            let says = number(&status["tasks"][field]);
            report.violation(6, "the object's counts are the ledger's", format!("{}: {says} {field}, not {counts}", about()));
        }
    }
    let stalled = |one: &Value| one["type"] == "Stalled" && one["status"] != "False";
    if status["conditions"].as_array().into_iter().flatten().any(stalled) {
        report.violation(7, "nothing is stalled when all is well", about());
    }
    let ended = text(&status["phase"]) == "Completed" || !status["finishedAt"].is_null();
    if ended == job["finished_at"].is_null() {
        report.violation(6, "the object ends when the job does", about());
    }
    if job["finished_at"].is_null() && text(&status["why"]).is_empty() {
        report.violation(7, "an unfinished job that does nothing says why", about());
    }
}

/// The same again some seconds later: no write to an object, no row of audit, no push.
fn quiet(facts: &Facts, report: &mut Report) {
    let versions = |rows: &Rows| {
        let mut versions: Vec<String> = rows
            .iter()
            .map(|object| format!("{} {}", text(&object["metadata"]["uid"]), text(&object["metadata"]["resourceVersion"])))
            .collect();
        versions.sort();
        versions
    };
    let none = Rows::new();
    for kind in ["igorjobs", "igorlayers"] {
        let (before, after) = (facts.dump.get(kind).unwrap_or(&none), facts.later.get(kind).unwrap_or(&none));
        if versions(before) != versions(after) {
            report.violation(8, "no object is written when nothing changes", kind);
        }
    }
    for (name, what) in [("redis", "nothing is pushed when nothing changes"), ("transitions", "no audit is written when nothing changes")] {
        let (before, after) = (facts.dump.get(name).unwrap_or(&none), facts.later.get(name).unwrap_or(&none));
        if before.len() != after.len() || name == "redis" && before != after {
            report.violation(8, what, name);
        }
    }
}
