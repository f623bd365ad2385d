//! The command that ends a wait, to be copied into a shell.

use crate::core::status::Status;
use crate::core::wait::Wait;
use crate::store::{Snapshot, TaskView};

/// Commands that would end this wait; none when it ends by itself, or only by what igor cannot do.
pub(super) fn mend(job: &Snapshot, wait: &Wait) -> Vec<String> {
    let kubectl = Kubectl(job);
    match wait {
        Wait::Paused { layer: None, by, .. } if by == "spec" => vec![kubectl.patch(r#"{"spec":{"paused":false}}"#)],
        Wait::Paused { layer, by, .. } if by == "annotation" => vec![kubectl.annotate(layer.as_deref(), "igor/pause-")],
        Wait::Paused { layer, .. } => vec![kubectl.annotate(layer.as_deref(), "--overwrite igor/pause=false")],
        Wait::Held { layer, .. } => ["igor/retry=failed", "igor/skip=failed"].map(|what| kubectl.annotate(Some(layer), what)).to_vec(),
        Wait::NoWorkers { kind, .. } => {
            vec![format!("igor worker --namespace {} --queue {} --type {kind} --exec …", job.namespace, job.queue)]
        }
        Wait::TasksPaused { layer, .. } => vec![kubectl.annotate(Some(layer), "igor/unpause-tasks=true")],
        Wait::Limit { layer: None, .. } => vec![format!("kubectl -n {} scale ij/{} --replicas=NUMBER", job.namespace, job.name)],
        Wait::Limit { layer: Some(_), .. } => {
            vec![format!("kubectl -n {} edit ij {}   # maxInFlight of the layer", job.namespace, job.name)]
        }
        Wait::Queued { .. } => vec![format!(
            "kubectl -n {} get ij {} -o 'jsonpath={{.status.why}}'   # says whether workers are there",
            job.namespace, job.name
        )],
        Wait::Command(_)
        | Wait::Loading { .. }
        | Wait::Silent { .. }
        | Wait::Backoff { .. }
        | Wait::Room { .. }
        | Wait::Next { .. }
        | Wait::Ahead { .. } => Vec::new(),
    }
}

/// Commands that would move a task on.
pub(super) fn mend_task(job: &Snapshot, layer: &str, task: &TaskView) -> Vec<String> {
    let one = |verb: &str| Kubectl(job).annotate(None, &format!("igor/{verb}={layer}/{}", task.name));
    match task.status {
        Status::Errored => vec![one("retry"), one("skip")],
        Status::Pending if task.paused => vec![one("unpause-tasks")],
        Status::Pending if task.due_ms.is_some() => vec![one("retry")],
        Status::Skipped => vec![one("retry")],
        Status::Pending | Status::Queued | Status::Running | Status::Completed => Vec::new(),
    }
}

/// The command that runs an ended job's failed tasks again.
pub(super) fn reopen(job: &Snapshot) -> String {
    Kubectl(job).annotate(None, "igor/retry=failed")
}

struct Kubectl<'a>(&'a Snapshot);

impl Kubectl<'_> {
    fn annotate(&self, layer: Option<&str>, what: &str) -> String {
        let Snapshot { namespace, name, .. } = self.0;
        let object = layer.map_or_else(|| format!("ij {name}"), |layer| format!("il {name}.{layer}"));
        match what.strip_prefix("--overwrite ") {
            Some(what) => format!("kubectl -n {namespace} annotate --overwrite {object} {what}"),
            None => format!("kubectl -n {namespace} annotate {object} {what}"),
        }
    }

    fn patch(&self, patch: &str) -> String {
        format!("kubectl -n {} patch ij {} --type merge -p '{patch}'", self.0.namespace, self.0.name)
    }
}
