//! Invariants 5, 9 and 11 of what clients did: what was acknowledged holds.

use serde_json::Value;

use super::Report;
use super::facts::{Facts, is_ended, number, size, text, time};

/// What was delivered before an acknowledgement begins within this time behind it: a batch of ten begins one after the other.
const DELIVERED: i64 = 2_500_000;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    submissions(facts, report);
    report.count("commands acknowledged", facts.said("acknowledged").count());
    report.count("commands on parts of jobs acknowledged", facts.said("acknowledged").filter(|line| line["part"] == true).count());
    for line in facts.said("acknowledged") {
        let Some(job) = facts.job_of_uid(&line["uid"]) else { continue };
        if line["part"] == true {
            part(facts, job, line, report);
            continue;
        }
        match text(&line["act"]) {
            "pause" => {
                let tasks: Vec<&Value> = facts.tasks_of(job).collect();
                nothing_starts(facts, &tasks, (time(line), undone_at(facts, line, "unpause")), "pause", report);
            }
            "kill" => {
                let tasks: Vec<&Value> = facts.tasks_of(job).collect();
                let until = undone_at(facts, line, "retry");
                nothing_starts(facts, &tasks, (time(line), until), "kill", report);
                if until.is_none() && tasks.iter().any(|task| !is_ended(text(&task["status"]))) {
                    report.violation(5, "a killed job has no work left", text(&job["name"]));
                }
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

/// When that was next asked for, behind what this line acknowledges, on the same job.
fn undone_at(facts: &Facts, line: &Value, by: &str) -> Option<i64> {
    let asked = facts.said("ask").filter(|ask| ask["act"] == by && ask["job"] == line["job"]).map(time);
    asked.filter(|at| *at > time(line)).min()
}

/// A command on a part of a job.
fn part(facts: &Facts, job: &Value, line: &Value, report: &mut Report) {
    let act = text(&line["act"]);
    let Some(layer) = facts.table("layers").iter().find(|layer| layer["job_id"] == job["id"] && layer["name"] == line["layer"]) else {
        return report.violation(11, "a layer that was acknowledged is in the ledger", format!("{act} of {}", text(&job["name"])));
    };
    if act == "grow" {
        if layer["n_loaded"] != line["tasks"] {
            report.violation(11, "a layer that was added has all its tasks", format!("{} has {}", text(&job["name"]), layer["n_loaded"]));
        }
        return;
    }
    done(facts, job, act, report);
    let is_meant = |task: &&Value| {
        let ordinal = number(&task["ordinal"]);
        task["layer_id"] == layer["id"]
            && ordinal >= number(&line["first"])
            && line["last"].as_u64().is_none_or(|last| ordinal.unsigned_abs() <= last)
    };
    let meant: Vec<&Value> = facts.tasks_of(job).filter(is_meant).collect();
    if matches!(act, "kill" | "skip" | "pause-tasks") {
        let until = undone_at(facts, line, if act == "pause-tasks" { "unpause-tasks" } else { "retry" });
        nothing_starts(facts, &meant, (time(line), until), act, report);
    }
    if act == "skip" && meant.iter().any(|task| !matches!(text(&task["status"]), "SKIPPED" | "COMPLETED")) {
        report.violation(5, "a skipped layer has nothing left to do", format!("{} of {}", text(&layer["name"]), text(&job["name"])));
    }
    if act == "unpause-tasks" && meant.iter().any(|task| !task["paused_at"].is_null()) {
        report.violation(11, "what was let go is not paused", format!("{} of {}", text(&layer["name"]), text(&job["name"])));
    }
}

/// No attempt of these tasks starts in the window.
fn nothing_starts(facts: &Facts, tasks: &[&Value], (from, until): (i64, Option<i64>), act: &str, report: &mut Report) {
    let until = until.unwrap_or(i64::MAX);
    // A worker that was stopped or cut off may begin what it got long before.
    let calm = !facts.had_fault(|class| class.starts_with("worker") || class.starts_with("redis") || class.starts_with("link worker"));
    for task in tasks {
        for one in facts.moves_of(task).iter().filter(|one| one.at > from && one.at < until && one.from != one.to) {
            let dead = matches!(act, "kill" | "skip") && one.worker().is_some();
            if one.to == "QUEUED" || dead {
                let about = format!("{} of {}: {}", one.to, text(&task["name"]), one.actor);
                report.violation(5, &format!("nothing starts after an acknowledged {act}"), about);
            }
        }
        let begun = facts.executions.iter().filter(|execution| execution.task == text(&task["id"]));
        for execution in begun.filter(|execution| calm && execution.begin > from + DELIVERED && execution.begin < until) {
            let about = format!("task {} attempt {}", execution.task, execution.attempt);
            report.violation(5, &format!("nothing begins after an acknowledged {act}"), about);
        }
    }
}

fn done(facts: &Facts, job: &Value, verb: &str, report: &mut Report) {
    let commands = facts.table("commands").iter().filter(|row| row["job_id"] == job["id"] && row["verb"] == verb);
    if !commands.into_iter().any(|row| !row["done_at"].is_null()) {
        report.violation(11, "an acknowledged command is in the ledger", format!("{verb} of {}", text(&job["name"])));
    }
}
