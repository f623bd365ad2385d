//! Conditions: what is or is not so about an object, with reasons that are API.

use super::{cut, moment};
use crate::core::end::{ended, errors};
use crate::core::job::{Facts, Layer};
use crate::core::plan::Reason;
use crate::core::status::Status;
use crate::core::wait::{Wait, first, moves};
use crate::core::words::{counted, number, tasks};
use crate::crd::condition::{Condition, ConditionStatus};

/// Longest message, as Kubernetes bounds it.
const MAX_MESSAGE: usize = 32_768;
/// Waits that a message tells.
const WAITS: usize = 5;

/// A condition before it has a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    type_: &'static str,
    is: bool,
    reason: String,
    message: String,
}

impl Said {
    pub(super) fn yes(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { type_, is: true, reason: reason.to_owned(), message: message.into() }
    }

    pub(super) fn no(type_: &'static str, reason: &str, message: impl Into<String>) -> Self {
        Self { is: false, ..Self::yes(type_, reason, message) }
    }
}

/// Conditions as said; the time of one moves only with its status.
pub(super) fn conditions(said: Vec<Said>, before: &[Condition], generation: i64, now_ms: i64) -> Vec<Condition> {
    let condition = |said: Said| {
        let status = if said.is { ConditionStatus::True } else { ConditionStatus::False };
        let same = before.iter().find(|before| before.type_ == said.type_ && before.status == status);
        Condition {
            type_: said.type_.to_owned(),
            status,
            observed_generation: Some(generation),
            last_transition_time: same.map_or_else(|| moment(now_ms), |same| same.last_transition_time.clone()),
            reason: said.reason,
            message: cut(&said.message, MAX_MESSAGE),
        }
    };
    said.into_iter().map(condition).collect()
}

/// The six of a job.
pub(super) fn of_job(facts: Option<&Facts>, refusal: Option<(Reason, &str)>) -> Vec<Said> {
    let (complete, failed) = facts.map_or_else(|| (Said::no("Complete", "NotFinished", ""), Said::no("Failed", "NotFinished", "")), end);
    vec![
        accepted(facts, refusal),
        facts.map_or_else(|| Said::no("Progressing", "Loading", "the spec is not accepted yet"), progressing),
        facts.map_or_else(|| paused(None, None, false), |facts| paused(facts.job.paused_by.as_deref(), words(facts), is_drained(facts))),
        Said::no("Stalled", "Working", ""),
        complete,
        failed,
    ]
}

fn accepted(facts: Option<&Facts>, refusal: Option<(Reason, &str)>) -> Said {
    if let Some((reason, message)) = refusal {
        return Said::no("Accepted", reason.as_str(), message);
    }
    let Some(facts) = facts else { return Said::no("Accepted", "Loading", "the spec is not in the ledger yet") };
    let layers = &facts.job.layers;
    let expected: u32 = layers.iter().map(|layer| layer.expected).sum();
    let loaded: u32 = layers.iter().map(|layer| layer.loaded).sum();
    if facts.job.accepted && loaded >= expected {
        return Said::yes(
            "Accepted",
            "Accepted",
            format!("{} in {}", tasks(expected), counted(layers.len().try_into().unwrap_or(u32::MAX), "layer")),
        );
    }
    Said::no("Accepted", "Loading", format!("{} of {} are in the ledger", number(loaded), tasks(expected)))
}

fn progressing(facts: &Facts) -> Said {
    let job = &facts.job;
    let waits: Vec<String> = facts.waits.iter().filter(|wait| wait.stops()).take(WAITS).map(ToString::to_string).collect();
    let waits = waits.join("; ");
    if job.finished {
        return Said::no("Progressing", "Finished", "");
    }
    if job.status == Status::Errored {
        return Said::no("Progressing", "HeldOnFailure", waits);
    }
    if job.paused_by.is_some() {
        return Said::no("Progressing", "Paused", waits);
    }
    match first(&facts.waits) {
        Some(wait) if !moves(job, &facts.waits) => Said::no("Progressing", wait.reason(), waits),
        _ => Said::yes("Progressing", "LayerRunning", ""),
    }
}

/// Whether a limit of none keeps anything from being dispatched.
fn is_drained(facts: &Facts) -> bool {
    facts.waits.iter().any(|wait| matches!(wait, Wait::Limit { layer: None, limit, .. } if limit.most == 0))
}

/// What was said when the job was paused.
fn words(facts: &Facts) -> Option<&str> {
    facts.waits.iter().find_map(|wait| match wait {
        Wait::Paused { layer: None, words, .. } => words.as_deref(),
        _ => None,
    })
}

/// Of a job or a layer that is paused by somebody who may have said why, or drained by a limit of none.
fn paused(by: Option<&str>, words: Option<&str>, drained: bool) -> Said {
    let said = pauser(by, drained);
    Said { message: words.map_or_else(|| said.message.clone(), |words| format!("{}: {words}", said.message)), ..said }
}

fn pauser(by: Option<&str>, drained: bool) -> Said {
    match by {
        Some("spec") => Said::yes("Paused", "PausedBySpec", "the spec says so"),
        Some("annotation") => Said::yes("Paused", "PausedByAnnotation", "the annotation igor/pause says so"),
        Some("restore") => {
            let message = "the ledger is younger than this object, so its tasks may have run already; unpause it to run them";
            Said::yes("Paused", "PausedByRestore", message)
        }
        Some(who) => Said::yes("Paused", "PausedByCommand", format!("paused by {who}")),
        None if drained => Said::yes("Paused", "Draining", "maxInFlight is 0"),
        None => Said::no("Paused", "NotPaused", ""),
    }
}

/// Complete and Failed.
fn end(facts: &Facts) -> (Said, Said) {
    let Facts { job, reason, end, .. } = facts;
    let reason = reason.as_deref();
    let skipped = job.tasks().skipped > 0 || job.layers.iter().any(|layer| layer.status == Status::Skipped);
    let (why_done, done) = if skipped { ("SomeSkipped", "some tasks were skipped") } else { ("AllLayersFinished", "") };
    let why_failed = reason.filter(|reason| ["Killed", "DeadlineExceeded"].contains(reason)).unwrap_or("TaskFailures");
    match job.status {
        Status::Completed | Status::Skipped => (Said::yes("Complete", why_done, done), Said::no("Failed", why_done, "")),
        Status::Errored => {
            let complete = if job.finished { Said::no("Complete", why_failed, "") } else { Said::no("Complete", "Held", "") };
            let message = ended(job, reason, end.as_ref()).unwrap_or_else(|| errors(&job.layers));
            (complete, Said::yes("Failed", why_failed, message))
        }
        Status::Pending | Status::Queued | Status::Running => {
            (Said::no("Complete", "NotFinished", ""), Said::no("Failed", "NotFinished", ""))
        }
    }
}

/// The four of a layer.
pub(super) fn of_layer(layer: &Layer, max_in_flight: Option<u32>) -> Vec<Said> {
    let started = if layer.run > 0 { Said::yes("Started", "Started", "") } else { Said::no("Started", "NotStarted", "") };
    let (complete, failed) = match layer.status {
        Status::Completed if layer.tasks.skipped > 0 => {
            (Said::yes("Complete", "SomeSkipped", "some tasks were skipped"), Said::no("Failed", "SomeSkipped", ""))
        }
        Status::Completed => (Said::yes("Complete", "AllTasksFinished", ""), Said::no("Failed", "AllTasksFinished", "")),
        Status::Skipped => (Said::yes("Complete", "Skipped", "the layer was skipped"), Said::no("Failed", "Skipped", "")),
        Status::Errored => {
            let message = errors(std::slice::from_ref(layer));
            (Said::no("Complete", "TaskFailures", ""), Said::yes("Failed", "TaskFailures", message))
        }
        Status::Pending | Status::Queued | Status::Running => {
            (Said::no("Complete", "NotFinished", ""), Said::no("Failed", "NotFinished", ""))
        }
    };
    vec![started, paused(layer.paused_by.as_deref(), None, max_in_flight == Some(0) && !layer.status.is_finished()), complete, failed]
}
