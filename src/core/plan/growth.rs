//! Whether something that was accepted takes more tasks, and in what a task differs from the accepted one.

use super::{Defaults, Fault, JobSpec, LayerSpec, Place, Plan, TaskPlan, TaskSpec};
use crate::core::job::{Job, Layer};
use crate::core::status::Status;

/// Why a layer takes no more tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The job is over.
    #[error("the job has ended")]
    JobEnded,
    /// It is open.
    #[error("the layer has begun: pause it first, or add a layer behind it")]
    Begun,
    /// It is over, and may be gone on with by a retry only.
    #[error("the layer has ended: add a layer behind it")]
    Ended,
}

/// Whether a layer takes more tasks: one that has not begun does, and a paused one that has not ended.
pub fn closed(job: &Job, layer: &Layer) -> Option<Closed> {
    let waits = layer.status == Status::Pending && layer.run == 0;
    match layer.status {
        _ if job.finished => Some(Closed::JobEnded),
        Status::Completed | Status::Errored | Status::Skipped => Some(Closed::Ended),
        Status::Pending | Status::Queued | Status::Running if waits || layer.paused_by.is_some() => None,
        Status::Pending | Status::Queued | Status::Running => Some(Closed::Begun),
    }
}

impl TaskPlan {
    /// Checks a task that is added by itself, and fills the job's defaults in. The paths of faults are its fields.
    pub fn resolve(spec: TaskSpec, defaults: &Defaults) -> Result<Self, Vec<Fault>> {
        const OUTER: &str = "layers[0].tasks[0].";
        let alone = TaskSpec { place: Place::default(), ..spec };
        let layer = LayerSpec { name: "alone".to_owned(), tasks: vec![alone], ..LayerSpec::default() };
        let job = JobSpec { queue: "default".to_owned(), defaults: defaults.clone(), layers: vec![layer], ..JobSpec::default() };
        let inner = |fault: Fault| Fault { path: fault.path.strip_prefix(OUTER).unwrap_or(&fault.path).to_owned(), ..fault };
        let plan = Plan::resolve(job).map_err(|faults| faults.into_iter().map(inner).collect::<Vec<Fault>>())?;
        plan.layers.into_iter().flat_map(|layer| layer.tasks).next().ok_or_else(Vec::new)
    }

    /// The first field of the spec in which a task is another than this one. Whether it begins paused is not compared: that may have
    /// changed since.
    pub fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let fields = [
            ("name", self.name == other.name),
            ("title", self.title == other.title),
            ("type", self.kind == other.kind),
            ("args", self.args.as_deref().unwrap_or_default() == other.args.as_deref().unwrap_or_default()),
            ("count", self.count == other.count),
            ("retries", self.max_failures == other.max_failures),
            ("timeoutSeconds", self.timeout_ms == other.timeout_ms),
        ];
        fields.into_iter().find_map(|(field, same)| (!same).then_some(field))
    }
}
