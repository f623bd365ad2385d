//! What a command does, as the promise to users has it; written from the words, not from the code that keeps them.
//!
//! - *pause*: nothing new is dispatched, what is queued and not delivered is recalled, what runs finishes.
//! - *kill*: what is unfinished becomes errored at once. Of a job: its layers that are not done too, and the job ends.
//! - *skip*: what is unfinished or errored counts as done.
//! - *retry*: what is errored or skipped runs again with nothing held against it, completed tasks only when they are named.
//! - Nothing moves a job that was deleted or has expired; what is still being loaded has to be waited for.

use std::collections::{BTreeMap, BTreeSet};

use igor::core::command::Verb;
use igor::core::status::Status::{self, Completed, Errored, Pending, Queued, Running, Skipped};

use super::follow;
use super::seen::{Job, Layer, Task};

/// How closely a task is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Close {
    /// As one of many: the job or the layer was named.
    Among,
    /// By a pattern.
    Matched,
    /// By its name or number.
    Named,
}

/// What somebody asks, with the tasks that it is about.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: Verb,
    pub(crate) actor: String,
    /// The job as a whole.
    pub(crate) job: bool,
    /// Layers as a whole.
    pub(crate) layers: BTreeSet<String>,
    /// Tasks by layer and name.
    pub(crate) tasks: BTreeMap<(String, String), Close>,
    /// Only what is errored.
    pub(crate) failed: bool,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Deleted,
    Expired,
    NeverLoaded,
    Loading,
}

/// What a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) refused: Option<Refused>,
    pub(crate) matched: usize,
    pub(crate) changed: usize,
}

/// What becomes of a job, and what is answered.
pub(crate) fn carried_out(before: &Job, asked: &Asked) -> (Job, Answer) {
    let refused = refusal(before, asked);
    if refused.is_some() {
        return (before.clone(), Answer { refused, matched: 0, changed: 0 });
    }
    let mut job = before.clone();
    let changed = match asked.verb {
        Verb::Pause | Verb::Unpause => pause(&mut job, asked) + pause_tasks(&mut job, asked),
        Verb::PauseTasks | Verb::UnpauseTasks => pause_tasks(&mut job, asked),
        _ => move_tasks(&mut job, asked),
    };
    match asked.verb {
        Verb::Kill if asked.job => follow::end_by_kill(&mut job),
        Verb::Pause => {}
        Verb::Retry => follow::after_retry(&mut job, asked),
        Verb::Skip => follow::after_skip(&mut job, asked),
        _ => follow::follow(&mut job),
    }
    job.outbox.sort();
    let named = asked.tasks.values().filter(|close| **close > Close::Among).count();
    (job, Answer { refused, matched: named.max(changed), changed })
}

fn refusal(job: &Job, asked: &Asked) -> Option<Refused> {
    let flags = matches!(asked.verb, Verb::Pause | Verb::Unpause) && (asked.job || !asked.layers.is_empty());
    let ends = asked.verb == Verb::Kill && asked.job;
    if job.deleted {
        Some(Refused::Deleted)
    } else if job.expired {
        Some(Refused::Expired)
    } else if flags || ends || job.accepted {
        None
    } else if job.finished {
        Some(Refused::NeverLoaded)
    } else {
        Some(Refused::Loading)
    }
}

/// Where a task goes; `None` = the verb does not touch it.
fn goes(asked: &Asked, close: Close, from: Status) -> Option<Status> {
    if asked.failed && from != Errored {
        return None;
    }
    match (asked.verb, from) {
        (Verb::Kill, Pending | Queued | Running) => Some(Errored),
        (Verb::Skip, Pending | Queued | Running | Errored) => Some(Skipped),
        (Verb::Retry, Errored) => Some(Pending),
        (Verb::Retry, Skipped) if close >= Close::Matched => Some(Pending),
        (Verb::Retry, Queued | Running | Completed) if close == Close::Named => Some(Pending),
        _ => None,
    }
}

/// The tasks that are asked about, how closely each.
fn meant<'a>(job: &'a mut Job, asked: &'a Asked) -> impl Iterator<Item = (String, Close, &'a mut Task)> {
    job.layers.iter_mut().flat_map(move |layer| {
        let whole = asked.layers.contains(&layer.name);
        let name = layer.name.clone();
        layer.tasks.iter_mut().filter_map(move |task| {
            let single = asked.tasks.get(&(name.clone(), task.name.clone())).copied();
            let close = single.max(whole.then_some(Close::Among))?;
            Some((name.clone(), close, task))
        })
    })
}

fn move_tasks(job: &mut Job, asked: &Asked) -> usize {
    let (mut moved, mut revoked) = (0, Vec::new());
    for (layer, close, task) in meant(job, asked) {
        let Some(to) = goes(asked, close, task.status) else {
            moved += usize::from(asked.verb == Verb::Retry && make_due(task));
            continue;
        };
        if matches!(task.status, Queued | Running) {
            revoked.push(format!("K {layer}/{}#{}", task.name, task.attempt));
        }
        moved += 1;
        task.version += 1;
        (task.status, task.waits) = (to, false);
        task.reason = Some(asked.verb.reason().to_owned());
        if to == Pending {
            (task.failures, task.lost) = (0, 0);
        }
    }
    job.outbox.extend(revoked);
    moved
}

/// A task that waits for its next attempt has it now.
fn make_due(task: &mut Task) -> bool {
    let waited = task.waits;
    if waited {
        (task.waits, task.failures, task.lost) = (false, 0, 0);
    }
    waited
}

/// Pauses or unpauses the job and layers as a whole.
fn pause(job: &mut Job, asked: &Asked) -> usize {
    let by = (asked.verb == Verb::Pause).then(|| asked.actor.clone());
    let (mut changed, mut recalled) = (0, Vec::new());
    if asked.job {
        changed += usize::from(flag(&mut job.paused_by, &mut job.version, by.as_ref(), "R", &mut recalled));
    } else {
        for layer in job.layers.iter_mut().filter(|layer| asked.layers.contains(&layer.name)) {
            let Layer { name, paused_by, version, .. } = layer;
            changed += usize::from(flag(paused_by, version, by.as_ref(), &format!("R {name}"), &mut recalled));
        }
    }
    job.outbox.extend(recalled);
    changed
}

fn flag(paused_by: &mut Option<String>, version: &mut i64, by: Option<&String>, recall: &str, recalled: &mut Vec<String>) -> bool {
    let changes = paused_by.is_some() != by.is_some();
    *paused_by = by.cloned();
    if changes {
        *version += 1;
        recalled.extend(by.is_some().then(|| recall.to_owned()));
    }
    changes
}

/// Pauses or unpauses single tasks; what is done already is not paused.
fn pause_tasks(job: &mut Job, asked: &Asked) -> usize {
    let pause = matches!(asked.verb, Verb::Pause | Verb::PauseTasks);
    if matches!(asked.verb, Verb::Pause | Verb::Unpause) && asked.tasks.is_empty() {
        return 0;
    }
    let (mut changed, mut recalled) = (0, Vec::new());
    for (layer, _, task) in meant(job, asked) {
        let beyond = pause && matches!(task.status, Completed | Skipped) || asked.failed && task.status != Errored;
        if task.paused == pause || beyond {
            continue;
        }
        changed += 1;
        (task.paused, task.version) = (pause, task.version + 1);
        if pause && task.status == Queued {
            recalled.push(format!("R {layer}/{}", task.name));
        }
    }
    job.outbox.extend(recalled);
    changed
}
