//! Why nothing moves, in words with the numbers.
//!
//! An unfinished job that does nothing always has at least one [`Wait`]; the status shows the first.

mod commonest;
mod kinds;
mod nearest;
mod words;

use std::collections::BTreeMap;

pub use commonest::{Commonest, commonest};
pub use kinds::{AtWork, Limit, Wait};
pub use nearest::nearest;

use super::job::{Counters, Job, Layer};
use super::status::Status;

/// What ledger and queue know of a job beyond its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// By the name of the layer; one that is not here stands freely.
    pub layers: BTreeMap<String, Standstill>,
    /// The job's limit, when it is reached.
    pub limit: Option<Limit>,
    /// The command that holds the gate.
    pub command: Option<AtWork>,
    /// Why the job is paused, in the words of whoever did.
    pub pause_words: Option<String>,
}

/// What the queue and the ledger know of an open layer's tasks that do not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standstill {
    /// By type that no worker serves: its queued tasks, and the type that may have been meant.
    pub unserved: BTreeMap<String, (u32, Option<String>)>,
    /// Workers that have tasks of its types and are not heard of, and in how many seconds at most others get those.
    pub silent: BTreeMap<String, u32>,
    /// Tasks waiting for their next attempt, and when the first is due (unix milliseconds).
    pub backoff: Option<(u32, i64)>,
    /// The layer's own limit, when it is reached.
    pub limit: Option<Limit>,
    /// Pending tasks that are paused one by one.
    pub paused: u32,
    /// What most of its errored tasks said.
    pub said: Option<Commonest>,
    /// Why it is paused, in the words of whoever did.
    pub pause_words: Option<String>,
}

/// What `job` waits for, the weightiest first. Layers whose turn has not come are told last: they are no answer while work moves.
pub fn waits(job: &Job, known: &Known) -> Vec<Wait> {
    if job.finished {
        return Vec::new();
    }
    let mut waits = Vec::new();
    waits.extend(job.paused_by.iter().map(|by| Wait::Paused { layer: None, by: by.clone(), words: known.pause_words.clone() }));
    if job.gated || job.layers.iter().any(|layer| layer.gated) {
        waits.push(Wait::Command(known.command.clone()));
    }
    let free = Standstill::default();
    for layer in frontier(job) {
        of_layer(job, layer, known.layers.get(&layer.name).unwrap_or(&free), known.limit.is_some(), &mut waits);
    }
    waits.extend(of_loading(job));
    waits.extend(of_limit(job, known));
    if waits.is_empty() && job.tasks().running == 0 {
        let next = frontier(job).find(|layer| layer.status == Status::Pending);
        waits.push(Wait::Next { layer: next.map(|layer| layer.name.clone()) });
    }
    waits.extend(job.layers.iter().filter_map(|layer| behind(job, layer)));
    waits.sort_by_key(Wait::rank);
    waits
}

/// Whether something runs, or is on its way to a worker in a layer that nothing stops. What only slows a layer down (a limit, paused
/// tasks) stops it when nothing of it is in flight: else that goes on.
pub fn moves(job: &Job, waits: &[Wait]) -> bool {
    let tasks = job.tasks();
    let stops = |wait: &&Wait| match wait {
        Wait::Limit { .. } | Wait::TasksPaused { .. } => tasks.queued == 0,
        wait => wait.stops(),
    };
    let stopped: Vec<Option<&str>> = waits.iter().filter(stops).map(Wait::layer).collect();
    let free = |wait: &Wait| wait.is_moving() && !stopped.contains(&wait.layer()) && !stopped.contains(&None);
    tasks.running > 0 || waits.iter().any(free)
}

/// The wait that answers why a job stands still, if it waits for anything but the order of its layers.
pub fn first(waits: &[Wait]) -> Option<&Wait> {
    waits.iter().find(|wait| !matches!(wait, Wait::Ahead { .. }))
}

/// The layers that are at work or next in turn.
fn frontier(job: &Job) -> impl Iterator<Item = &Layer> {
    let open = |layer: &&Layer| !job.is_passed(layer);
    let first = job.layers.iter().filter(open).map(|layer| layer.priority).min();
    job.layers.iter().filter(open).filter(move |layer| Some(layer.priority) == first || layer.status == Status::Running)
}

fn of_loading(job: &Job) -> impl Iterator<Item = Wait> {
    job.layers.iter().filter(|layer| layer.is_loading()).map(|layer| Wait::Loading {
        layer: layer.name.clone(),
        loaded: layer.loaded,
        expected: layer.expected,
    })
}

fn of_layer(job: &Job, layer: &Layer, still: &Standstill, job_limited: bool, waits: &mut Vec<Wait>) {
    let name = || layer.name.clone();
    let Counters { pending, queued, running, errored, .. } = layer.tasks;
    waits.extend(layer.paused_by.iter().map(|by| Wait::Paused { layer: Some(name()), by: by.clone(), words: still.pause_words.clone() }));
    if layer.status == Status::Errored {
        waits.push(Wait::Held { layer: name(), errored, total: layer.tasks.total(), said: still.said.clone() });
    }
    waits.extend(still.unserved.iter().map(|(kind, (tasks, meant))| Wait::NoWorkers {
        layer: name(),
        kind: kind.clone(),
        tasks: *tasks,
        meant: meant.clone(),
    }));
    waits.extend(still.silent.iter().map(|(worker, seconds)| Wait::Silent { layer: name(), worker: worker.clone(), seconds: *seconds }));
    if still.paused > 0 {
        waits.push(Wait::TasksPaused { layer: name(), paused: still.paused, left: layer.tasks.unfinished() });
    }
    let waiting = still.backoff.map_or(0, |(tasks, _)| tasks);
    if let Some((tasks, until_ms)) = still.backoff
        && tasks + still.paused >= layer.tasks.unfinished()
    {
        waits.push(Wait::Backoff { layer: name(), tasks, until_ms });
    }
    if layer.status != Status::Running {
        return;
    }
    let ready = pending.saturating_sub(still.paused).saturating_sub(waiting);
    if let Some(limit) = still.limit.filter(|_| ready > 0) {
        waits.push(Wait::Limit { layer: Some(name()), limit, waiting: ready });
    }
    let free = job.paused_by.is_none() && layer.paused_by.is_none() && !job_limited && still.limit.is_none();
    if running == 0 && queued > 0 {
        waits.push(Wait::Queued { layer: name(), tasks: queued });
    } else if running == 0 && ready > 0 && free {
        waits.push(Wait::Room { layer: name(), tasks: ready });
    }
}

/// The job's limit, when it keeps tasks of an open layer waiting.
fn of_limit(job: &Job, known: &Known) -> Option<Wait> {
    let ready = |layer: &Layer| {
        let still = known.layers.get(&layer.name);
        let later = still.map_or(0, |still| still.paused + still.backoff.map_or(0, |(tasks, _)| tasks));
        layer.tasks.pending.saturating_sub(later)
    };
    let waiting = frontier(job).filter(|layer| layer.status == Status::Running).map(ready).sum();
    let limit = known.limit.filter(|_| waiting > 0)?;
    Some(Wait::Limit { layer: None, limit, waiting })
}

/// What a layer that has not begun waits for: the nearest priority before its own that is not passed.
fn behind(job: &Job, layer: &Layer) -> Option<Wait> {
    if layer.status != Status::Pending {
        return None;
    }
    let open = |other: &&Layer| other.priority < layer.priority && !job.is_passed(other);
    let nearest = job.layers.iter().filter(open).map(|other| other.priority).max()?;
    let ahead: Vec<&Layer> = job.layers.iter().filter(open).filter(|other| other.priority == nearest).collect();
    let total = |other: &&Layer| other.expected.max(other.tasks.total());
    Some(Wait::Ahead {
        layer: layer.name.clone(),
        ahead: ahead.first()?.name.clone(),
        more: u32::try_from(ahead.len() - 1).unwrap_or(u32::MAX),
        left: ahead.iter().map(|other| total(other) - other.tasks.done()).sum(),
        total: ahead.iter().map(total).sum(),
    })
}

#[cfg(test)]
mod tests;
