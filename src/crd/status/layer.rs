//! The status of a layer's object.

use super::conditions::{conditions, of_layer};
use super::{counts, cut, layer_phase, moment, total, words};
use crate::core::job::Layer;
use crate::crd::layer::{FailedTask, IgorLayerStatus};

/// Most failed tasks that are named.
const MAX_FAILED: usize = 20;
/// Longest message of one of them.
const MAX_MESSAGE: usize = 256;

/// What is shown of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerView<'a> {
    /// The layer.
    pub layer: &'a Layer,
    /// When it first began, unix milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, unix milliseconds.
    pub finished_ms: Option<i64>,
    /// Most of its tasks queued and running at once.
    pub max_in_flight: Option<u32>,
    /// Some of its failed tasks, the most telling first.
    pub failed: Vec<FailedTask>,
}

/// The status of a layer's object of that `generation`, of whose `previous` status the times of conditions live on.
pub fn layer_status(view: LayerView<'_>, previous: Option<&IgorLayerStatus>, generation: i64, now_ms: i64) -> IgorLayerStatus {
    let LayerView { layer, started_ms, finished_ms, max_in_flight, failed } = view;
    let tasks = counts(layer.tasks, total(layer));
    let before = previous.map_or(&[][..], |previous| &previous.conditions);
    let shortened = |task: FailedTask| FailedTask { message: task.message.map(|message| cut(&message, MAX_MESSAGE)), ..task };
    IgorLayerStatus {
        phase: Some(layer_phase(layer)),
        progress: Some(words::progress(&tasks)),
        tasks: Some(tasks),
        failed_tasks: failed.into_iter().take(MAX_FAILED).map(shortened).collect(),
        started_at: started_ms.map(moment),
        finished_at: finished_ms.map(moment),
        last_handled: previous.map(|previous| previous.last_handled.clone()).unwrap_or_default(),
        conditions: conditions(of_layer(layer, max_in_flight), before, generation, now_ms),
    }
}
