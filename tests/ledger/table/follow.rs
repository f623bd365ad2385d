//! What follows for layers and jobs once tasks have moved, as the promise to users has it.
//!
//! - Layers begin in the order of their priority, each when all before it are done; skipped counts as done.
//! - A paused layer neither begins nor completes; a paused job begins no layer.
//! - An errored layer holds its job, unless the job tolerates failures.

use igor::core::status::Status::{self, Completed, Errored, Pending, Running, Skipped};

use super::seen::{Job, Layer};
use super::words::Asked;

/// A kill of the whole job: what is not done is errored, layers too, and the job is over.
pub(super) fn end_by_kill(job: &mut Job) {
    if job.finished {
        return;
    }
    for layer in job.layers.iter_mut().filter(|layer| !is_over(layer.status)) {
        go(layer, Errored, Some("Killed"));
    }
    job.version += i64::from(job.status != Errored);
    (job.status, job.finished, job.reason) = (Errored, true, Some("Killed".to_owned()));
}

/// What is retried of a job that is over opens it again.
pub(super) fn after_retry(job: &mut Job, asked: &Asked) {
    let touched: Vec<&Layer> = job.layers.iter().filter(|layer| is_touched(layer, asked)).collect();
    let again = touched.iter().any(|layer| unfinished(layer) > 0 || layer.status == Errored && count(layer, Errored) == 0);
    if job.finished && again {
        job.finished = false;
        become_status(job, Running);
    }
    follow(job);
}

/// A skipped layer is done with, begun or not, paused or not. A job that is over becomes complete once nothing of it is errored.
pub(super) fn after_skip(job: &mut Job, asked: &Asked) {
    let over = job.finished;
    for layer in &mut job.layers {
        let meant = asked.layers.contains(&layer.name) && !asked.failed || over && is_touched(layer, asked);
        let to = ended_as(layer);
        if meant && unfinished(layer) == 0 && !layer.loading && !is_done(layer.status) && layer.status != to {
            go(layer, to, None);
        }
    }
    if over && job.layers.iter().all(|layer| is_done(layer.status)) {
        become_status(job, Completed);
    }
    follow(job);
}

/// Layers begin and end, and the job with them.
pub(super) fn follow(job: &mut Job) {
    if job.finished || !job.accepted {
        return;
    }
    let mut order: Vec<usize> = (0..job.layers.len()).collect();
    order.sort_by_key(|place| job.layers[*place].priority);
    for place in order {
        let priority = job.layers[place].priority;
        let turn = job.layers.iter().filter(|layer| layer.priority < priority).all(|layer| is_passed(job, layer));
        let (paused, layer) = (job.paused_by.is_some(), &mut job.layers[place]);
        let free = layer.paused_by.is_none() && !layer.loading;
        let ended_unbegun = layer.run == 0 && (layer.status == Errored || layer.status == Skipped && unfinished(layer) > 0);
        if ended_unbegun {
            go(layer, Pending, None);
        }
        let goes_on = is_over(layer.status) && layer.run > 0 && unfinished(layer) > 0;
        if free && !paused && (goes_on || layer.status == Pending && turn) {
            layer.run += 1;
            go(layer, Running, None);
        }
        let to = ended_as(layer);
        if free && unfinished(layer) == 0 && matches!(layer.status, Running | Errored) && layer.status != to {
            go(layer, to, None);
        }
    }
    settle(job);
}

fn settle(job: &mut Job) {
    let is_over = job.layers.iter().all(|layer| is_passed(job, layer));
    if is_over {
        let failed = job.layers.iter().any(|layer| layer.status == Errored);
        job.finished = true;
        return become_status(job, if failed { Errored } else { Completed });
    }
    let first = job.layers.iter().filter(|layer| !is_passed(job, layer)).map(|layer| layer.priority).min();
    let at_work =
        |layer: &Layer| layer.status == Running || Some(layer.priority) == first && (unfinished(layer) > 0 || layer.status == Pending);
    let holds = |layer: &Layer| Some(layer.priority) == first && layer.status == Errored;
    let held = job.layers.iter().any(holds) && !job.layers.iter().any(at_work);
    let begun = job.layers.iter().any(|layer| layer.run > 0) || job.status != Pending;
    if held {
        become_status(job, Errored);
    } else if begun {
        become_status(job, Running);
    }
}

fn is_passed(job: &Job, layer: &Layer) -> bool {
    unfinished(layer) == 0 && (is_done(layer.status) || layer.status == Errored && job.tolerant)
}

fn is_touched(layer: &Layer, asked: &Asked) -> bool {
    asked.layers.contains(&layer.name) || asked.tasks.keys().any(|(name, _)| *name == layer.name)
}

fn is_done(status: Status) -> bool {
    matches!(status, Completed | Skipped)
}

fn is_over(status: Status) -> bool {
    is_done(status) || status == Errored
}

fn unfinished(layer: &Layer) -> usize {
    layer.tasks.iter().filter(|task| !is_over(task.status)).count()
}

fn count(layer: &Layer, status: Status) -> usize {
    layer.tasks.iter().filter(|task| task.status == status).count()
}

/// How a layer ends whose tasks all have: errored by any of them, skipped when all of them were.
fn ended_as(layer: &Layer) -> Status {
    match (count(layer, Errored), count(layer, Completed), count(layer, Skipped)) {
        (1.., _, _) => Errored,
        (0, 0, 1..) => Skipped,
        _ => Completed,
    }
}

fn go(layer: &mut Layer, to: Status, why: Option<&str>) {
    layer.version += 1;
    layer.status = to;
    layer.reason = (to == Errored).then(|| why.unwrap_or("TaskFailures").to_owned());
}

fn become_status(job: &mut Job, to: Status) {
    if job.status != to {
        job.version += 1;
        job.status = to;
        job.reason = (to == Errored).then(|| "TaskFailures".to_owned());
    }
}

/// The tasks that may be dispatched now, by layer and name.
pub(crate) fn ready(job: &Job) -> Vec<String> {
    let open = |layer: &&Layer| layer.status == Running && layer.paused_by.is_none() && !layer.loading;
    if job.finished || job.paused_by.is_some() || !job.accepted {
        return Vec::new();
    }
    let tasks = job.layers.iter().filter(open).flat_map(|layer| layer.tasks.iter().map(move |task| (layer, task)));
    let ready = tasks.filter(|(_, task)| task.status == Pending && !task.paused && !task.waits);
    let mut names: Vec<String> = ready.map(|(layer, task)| format!("{}/{}", layer.name, task.name)).collect();
    names.sort();
    names
}
