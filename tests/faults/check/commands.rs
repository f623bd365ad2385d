//! Invariants 5, 9 and 11 of what clients did: what was acknowledged holds.

use serde_json::Value;

use super::Report;
use super::facts::{Facts, is_ended, number, size, text, time};

/// What was delivered before an acknowledgement begins within this time behind it.
const DELIVERED: i64 = 1_000_000;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    submissions(facts, report);
    for line in facts.said("acknowledged") {
        let Some(job) = facts.job_of_uid(&line["uid"]) else { continue };
        match text(&line["act"]) {
            "pause" => {
                let until = facts.said("ask").filter(|ask| ask["act"] == "unpause" && ask["job"] == line["job"]).map(time);
                nothing_starts(facts, job, (time(line), until.filter(|at| *at > time(line)).min()), "pause", report);
            }
            "kill" => {
                let until = facts.said("ask").filter(|ask| ask["act"] == "retry" && ask["job"] == line["job"]).map(time);
                nothing_starts(facts, job, (time(line), until.filter(|at| *at > time(line)).min()), "kill", report);
                done(facts, job, "kill", report);
            }
            "retry" => done(facts, job, "retry", report),
            // One that had ended by itself is history, with or without its object.
            "delete" if job["finished_at"].is_null() => {
                report.violation(11, "a deleted job is ended", text(&job["name"]));
            }
            _ => {}
        }
    }
}

/// What was submitted is in the ledger, with every task, once.
fn submissions(facts: &Facts, report: &mut Report) {
    for line in facts.said("submitted") {
        let about = || format!("job {} uid {}", text(&line["job"]), text(&line["uid"]));
        let was_deleted = || facts.said("ask").any(|ask| ask["act"] == "delete" && ask["job"] == line["job"]);
        let Some(job) = facts.job_of_uid(&line["uid"]) else {
            // Deleted before anybody saw it.
            if !was_deleted() || facts.said("accepted").any(|accepted| accepted["uid"] == line["uid"]) {
                report.violation(1, "a job that was created is in the ledger", about());
            }
            continue;
        };
        if job["loaded_at"].is_null() {
            if job["deleted_at"].is_null() {
                report.violation(1, "a job that was created is accepted", about());
            }
            continue;
        }
        let layers: Vec<&Value> = facts.table("layers").iter().filter(|layer| layer["job_id"] == job["id"]).collect();
        for wanted in line["layers"].as_array().into_iter().flatten() {
            let layer = layers.iter().find(|layer| layer["name"] == wanted["name"]);
            let tasks = layer.map_or(0, |layer| facts.tasks_of(job).filter(|task| task["layer_id"] == layer["id"]).count());
            if size(tasks) != number(&wanted["tasks"]) {
                let wants = number(&wanted["tasks"]);
                report.violation(11, "an accepted job has all its tasks", format!("{}: {tasks} of {wants}", about()));
            }
        }
    }
    for line in facts.said("accepted") {
        if facts.job_of_uid(&line["uid"]).is_none_or(|job| job["loaded_at"].is_null()) {
            report.violation(11, "accepted means durable", text(&line["job"]));
        }
    }
}

/// No attempt of the job starts in the window.
fn nothing_starts(facts: &Facts, job: &Value, (from, until): (i64, Option<i64>), act: &str, report: &mut Report) {
    let until = until.unwrap_or(i64::MAX);
    // A worker that was stopped or cut off may begin what it got long before.
    let calm = !facts.had_fault(|class| class.starts_with("worker") || class.starts_with("redis") || class.starts_with("link worker"));
    for task in facts.tasks_of(job) {
        for one in facts.moves_of(task).iter().filter(|one| one.at > from && one.at < until) {
            let dead = act == "kill" && one.worker().is_some();
            if one.to == "QUEUED" || dead {
                let about = format!("{} of {}: {}", one.to, text(&job["name"]), one.actor);
                report.violation(5, &format!("nothing starts after an acknowledged {act}"), about);
            }
        }
        let begun = facts.executions.iter().filter(|execution| execution.task == text(&task["id"]));
        for execution in begun.filter(|execution| calm && execution.begin > from + DELIVERED && execution.begin < until) {
            let about = format!("task {} attempt {}", execution.task, execution.attempt);
            report.violation(5, &format!("nothing begins after an acknowledged {act}"), about);
        }
    }
    if act == "kill" && until == i64::MAX && facts.tasks_of(job).any(|task| !is_ended(text(&task["status"]))) {
        report.violation(5, "a killed job has no work left", text(&job["name"]));
    }
}

fn done(facts: &Facts, job: &Value, verb: &str, report: &mut Report) {
    let commands = facts.table("commands").iter().filter(|row| row["job_id"] == job["id"] && row["verb"] == verb);
    if !commands.into_iter().any(|row| !row["done_at"].is_null()) {
        report.violation(11, "an acknowledged command is in the ledger", format!("{verb} of {}", text(&job["name"])));
    }
}
