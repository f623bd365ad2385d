//! The chain of reasons why a job, a layer or a task stands as it does, each with the command that would change it.

mod mend;

use std::fmt::Write;

use serde::Serialize;

use self::mend::{mend, mend_task, reopen};
use crate::core::end::ended;
use crate::core::job::{Facts, Layer};
use crate::core::status::Status;
use crate::core::wait::{Wait, moves};
use crate::core::words::{Moment, number, tasks};
use crate::store::{Snapshot, TaskView};

/// The whole answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The job's namespace.
    pub namespace: String,
    /// Its name.
    pub job: String,
    /// Its object.
    pub uid: String,
    /// How what was asked about stands.
    pub stands: String,
    /// Why, the weightiest first.
    pub why: Vec<Cause>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// In words.
    pub says: String,
    /// As the condition has it; of a task, its status.
    pub reason: String,
    /// What would change it; empty when it ends by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

/// A text on one line: control characters would steer the terminal of whoever reads it.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn moment(unix_ms: i64) -> String {
    Moment(unix_ms).to_string()
}

/// Why `job` stands as it does, or a layer of it, or a task of that layer.
pub fn answer(job: &Snapshot, facts: &Facts, layer: Option<&str>, task: Option<&TaskView>) -> Answer {
    let mut why = Vec::new();
    if let (Some(layer), Some(task)) = (layer, task) {
        why.push(Cause { says: of_task(task), reason: task.status.to_string(), mend: mend_task(job, layer, task) });
    }
    let own = task.is_none_or(|task| task.status == Status::Pending && !task.paused && task.due_ms.is_none());
    if own && let Some(said) = ended(&facts.job, facts.reason.as_deref(), facts.end.as_ref()) {
        let reason = facts.reason.clone().unwrap_or_else(|| "TaskFailures".to_owned());
        why.push(Cause { says: clean(&said), reason, mend: vec![reopen(job)] });
    }
    let layer = layer.and_then(|name| facts.job.layers.iter().find(|known| known.name == name));
    if own {
        let concerned = facts.waits.iter().filter(|wait| layer.is_none_or(|layer| concerns(facts, wait, layer)));
        why.extend(concerned.map(|wait| Cause {
            says: clean(&wait.to_string()),
            reason: if wait.is_moving() || wait.stops() { wait.reason() } else { "LayerAhead" }.to_owned(),
            mend: mend(job, wait),
        }));
    }
    Answer {
        namespace: job.namespace.clone(),
        job: job.name.clone(),
        uid: job.uid.clone(),
        stands: layer.map_or_else(|| stands(job, facts), layer_stands),
        why,
    }
}

/// Whether a wait is about this layer, about the whole job, or about a layer that this one comes behind.
fn concerns(facts: &Facts, wait: &Wait, layer: &Layer) -> bool {
    let Some(name) = wait.layer() else { return !layer.status.is_done() };
    let waits_for = |other: &Layer| layer.status == Status::Pending && other.priority < layer.priority;
    name == layer.name || facts.job.layers.iter().any(|other| other.name == name && waits_for(other))
}

fn stands(job: &Snapshot, facts: &Facts) -> String {
    let counters = facts.job.tasks();
    let total = facts.job.layers.iter().map(|layer| layer.expected.max(layer.tasks.total())).sum();
    let word = match facts.job.status {
        _ if job.deleted => "deleted",
        Status::Completed | Status::Skipped => "completed",
        Status::Errored if facts.job.finished => "ended with errors",
        Status::Errored => "held",
        _ if facts.job.paused_by.is_some() => "paused",
        Status::Pending | Status::Queued => "not begun",
        Status::Running if moves(&facts.job, &facts.waits) => "running",
        Status::Running => "standing still",
    };
    format!("{word}, {} of {} done, {} running", number(counters.done()), tasks(total), number(counters.running))
}

fn layer_stands(layer: &Layer) -> String {
    let total = layer.expected.max(layer.tasks.total());
    let status = layer.status.as_str().to_lowercase();
    format!(
        "layer {} {status}, {} of {} done, {} running",
        layer.name,
        number(layer.tasks.done()),
        tasks(total),
        number(layer.tasks.running)
    )
}

fn of_task(task: &TaskView) -> String {
    let TaskView { name, attempt, .. } = task;
    let (since, said) = (moment(task.moved_ms), task.message.as_deref().or(task.reason.as_deref()));
    let said = said.map(|said| format!(": {}", clean(said))).unwrap_or_default();
    match task.status {
        Status::Completed => format!("{name} is done since {since}, attempt {attempt}"),
        Status::Skipped => format!("{name} was skipped at {since}"),
        Status::Errored => format!("{name} errored at {since} in attempt {attempt}{said}"),
        Status::Running => format!("{name} runs since {since}, attempt {attempt}"),
        Status::Queued => format!("{name} is on the way to a worker since {since}, attempt {attempt}"),
        Status::Pending if task.paused => format!("{name} is paused"),
        Status::Pending => match task.due_ms {
            Some(due) => format!("{name} waits until {} for attempt {}{said}", moment(due), attempt + 1),
            None => format!("{name} has not begun"),
        },
    }
}

/// As people read it.
pub fn text(answer: &Answer) -> String {
    let mut text = format!("{} ({}): {}\n", answer.job, answer.namespace, answer.stands);
    for Cause { says, mend, .. } in &answer.why {
        writeln!(text, "  {says}").ok();
        for command in mend {
            writeln!(text, "      {command}").ok();
        }
    }
    text
}
