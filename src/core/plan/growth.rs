//! What an edit adds to an accepted plan, and what of it is refused: what is accepted never changes or goes.

use super::{Backoff, Defaults, Fault, JobSpec, LayerPlan, LayerSpec, Place, Plan, Reason, TaskPlan, TaskSpec};
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

/// Whether a layer takes more tasks: one that has not begun does, and one that has not ended while it or its job is paused.
pub fn closed(job: &Job, layer: &Layer) -> Option<Closed> {
    let waits = layer.status == Status::Pending && layer.run == 0;
    match layer.status {
        _ if job.finished => Some(Closed::JobEnded),
        Status::Completed | Status::Errored | Status::Skipped => Some(Closed::Ended),
        Status::Pending | Status::Queued | Status::Running if waits || layer.paused_by.is_some() || job.paused_by.is_some() => None,
        Status::Pending | Status::Queued | Status::Running => Some(Closed::Begun),
    }
}

/// A plan as it was accepted, as far as an edit is measured against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPlan {
    /// The job as it stands.
    pub job: Job,
    /// Which workers take its tasks.
    pub queue: String,
    /// How its tasks wait between attempts.
    pub backoff: Backoff,
    /// What is known of the specs of its layers, in the order of `job.layers`.
    pub layers: Vec<AcceptedLayer>,
}

/// What is known of the spec of an accepted layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedLayer {
    /// Its inline tasks, arrays folded.
    pub inline: usize,
    /// Their hash.
    pub spec_hash: Vec<u8>,
    /// The hash of the names of its lists.
    pub sources_hash: Option<Vec<u8>>,
}

/// What an edited plan has that the accepted one has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Accepted layers with more inline tasks.
    pub appended: Vec<Appended>,
    /// Layers that are new, by their place in the edited plan.
    pub added: Vec<usize>,
    /// Accepted layers whose accepted inline tasks are not the first ones of the edited plan: not possible either.
    pub changed: Vec<Appended>,
    /// What else is not possible.
    pub faults: Vec<Fault>,
}

/// A layer in both plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place in the accepted plan.
    pub accepted: usize,
    /// Its place in the edited one.
    pub planned: usize,
}

impl Edit {
    /// Whether it adds anything.
    pub const fn grows(&self) -> bool {
        !self.appended.is_empty() || !self.added.is_empty()
    }
}

/// Measures an edited plan by the accepted one. Layers are known by their names, wherever they stand.
pub fn edit(accepted: &AcceptedPlan, plan: &Plan) -> Edit {
    let mut edit = Edit::default();
    let place = |name: &str| plan.layers.iter().position(|planned| planned.name == name);
    edit.of_job(accepted, plan);
    for (index, layer) in accepted.job.layers.iter().enumerate() {
        match place(&layer.name) {
            Some(planned) => edit.of_layer(accepted, plan, Appended { accepted: index, planned }),
            None => edit.refuse(&layer.name, "", "is gone, and an accepted layer stays: put it back, or skip it"),
        }
    }
    let is_new = |planned: &LayerPlan| accepted.job.layers.iter().all(|layer| layer.name != planned.name);
    for (index, planned) in plan.layers.iter().enumerate().filter(|(_, planned)| is_new(planned)) {
        edit.of_new(&accepted.job, planned);
        edit.added.push(index);
    }
    edit
}

impl Edit {
    fn fault(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), reason: Reason::ImmutablePlan, message: message.into() });
    }

    fn refuse(&mut self, layer: &str, field: &str, message: impl Into<String>) {
        self.fault(format!("layers[{layer}]{field}"), message);
    }

    fn of_job(&mut self, accepted: &AcceptedPlan, plan: &Plan) {
        if accepted.queue != plan.queue {
            self.fault("queue", format!("is {} and cannot be changed", accepted.queue));
        }
        if accepted.job.on_failure != plan.on_failure {
            self.fault("onFailure", format!("is {:?} and cannot be changed", accepted.job.on_failure));
        }
        if accepted.backoff != plan.backoff {
            let Backoff { initial, max } = accepted.backoff;
            let message = format!("is {} s, at most {} s, and cannot be changed", initial.as_secs(), max.as_secs());
            self.fault("defaults.backoff", message);
        }
    }

    fn of_layer(&mut self, accepted: &AcceptedPlan, plan: &Plan, place: Appended) {
        let (layer, known) = (&accepted.job.layers[place.accepted], &accepted.layers[place.accepted]);
        let planned = &plan.layers[place.planned];
        if layer.priority != planned.priority {
            self.refuse(&layer.name, ".priority", format!("is {} and cannot be changed", layer.priority));
        }
        if known.sources_hash.as_deref() != planned.sources_hash.as_ref().map(<[u8; 32]>::as_slice) {
            self.refuse(
                &layer.name,
                ".tasksFrom",
                "is read once, when the layer is accepted: put more tasks into tasks, or into a new layer",
            );
        }
        if planned.inline < known.inline || planned.hash_of_first(known.inline)[..] != known.spec_hash[..] {
            self.changed.push(place);
        } else if planned.inline > known.inline {
            if let Some(why) = closed(&accepted.job, layer) {
                self.refuse(&layer.name, &format!(".tasks[{}]", known.inline), format!("cannot be appended: {why}"));
            }
            self.appended.push(place);
        }
    }

    fn of_new(&mut self, job: &Job, planned: &LayerPlan) {
        if job.finished {
            self.refuse(&planned.name, "", format!("cannot be added: {}", Closed::JobEnded));
            return;
        }
        let begun = job.layers.iter().filter(|layer| layer.run > 0).max_by_key(|layer| layer.priority);
        if let Some(begun) = begun.filter(|begun| begun.priority >= planned.priority) {
            let message = format!(
                "must be more than {}, for layer {} of that priority has begun: add it under another name, with a higher one",
                begun.priority, begun.name
            );
            self.refuse(&planned.name, ".priority", message);
        }
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

#[cfg(test)]
mod tests;
