//! Short texts for the columns that people read.

use crate::core::job::{Job, Layer};
use crate::core::status::Status;
use crate::crd::job_status::TaskCounts;

/// Layers that are named before the rest is counted.
const NAMED: usize = 2;

/// `text`, cut to at most `bytes`.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

/// `8131/60000`.
pub(super) fn progress(tasks: &TaskCounts) -> String {
    format!("{}/{}", tasks.completed + tasks.skipped, tasks.total)
}

/// The layers at work or next in turn and the place of the last of them in the order, as `render (2/4)`; `4/4` when all are done.
pub(super) fn place(job: &Job) -> String {
    let mut order: Vec<&Layer> = job.layers.iter().collect();
    order.sort_by_key(|layer| layer.priority);
    let all = order.len();
    let first = order.iter().find(|layer| !layer.status.is_done()).map(|layer| layer.priority);
    let is_current = |layer: &Layer| !layer.status.is_done() && (Some(layer.priority) == first || layer.status == Status::Running);
    let Some(last) = order.iter().rposition(|layer| is_current(layer)) else { return format!("{all}/{all}") };
    let names: Vec<&str> = order.iter().filter(|layer| is_current(layer)).map(|layer| layer.name.as_str()).collect();
    let more = if names.len() > NAMED { format!(" +{}", names.len() - NAMED) } else { String::new() };
    format!("{}{more} ({}/{all})", names[..names.len().min(NAMED)].join(", "), last + 1)
}
