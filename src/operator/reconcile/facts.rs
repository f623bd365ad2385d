//! All that a job's status shows: what the ledger knows of it, and what the queue knows of its workers.

use uuid::Uuid;

use crate::core::job::Facts;
use crate::core::status::Status;
use crate::core::wait::{Commonest, Known};
use crate::operator::term::Term;
use crate::store::{LayerFacts, Snapshot};

/// What most failed tasks of a layer said, read once for each run and number of errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::operator) struct Read {
    layer: Uuid,
    run: u32,
    errored: u32,
    said: Option<Commonest>,
}

/// The job with all that it waits for.
pub(super) async fn gather(term: &Term, snapshot: &Snapshot) -> Facts {
    let mut known = snapshot.known.clone();
    for (layer, of_layer) in snapshot.job.layers.iter().zip(&snapshot.layers) {
        ask_workers(term, snapshot, &layer.name, of_layer, &mut known);
    }
    add_failures(term, snapshot, &mut known).await;
    snapshot.facts(&known)
}

/// Which types of an open layer nobody serves, and which of their workers are not heard of.
fn ask_workers(term: &Term, snapshot: &Snapshot, layer: &str, of_layer: &LayerFacts, known: &mut Known) {
    let lease = u32::try_from(term.context.config.tasks.lease.as_secs()).unwrap_or(u32::MAX).max(1);
    for kind in &of_layer.kinds {
        let Some(key) = term.key(&snapshot.namespace, &snapshot.queue, kind) else { continue };
        let tasks = term.in_flight.of_layer_and_type(of_layer.layer_id, &key);
        if term.types.is_unserved(&key) {
            let queued = (u32::try_from(tasks).unwrap_or(u32::MAX), term.types.meant(&key));
            known.layers.entry(layer.to_owned()).or_default().unserved.insert(kind.clone(), queued);
        }
        let silent = term.types.silent(&key);
        if tasks > 0 && !silent.is_empty() {
            known.layers.entry(layer.to_owned()).or_default().silent.extend(silent.into_iter().map(|worker| (worker, lease)));
        }
    }
}

/// What most failed tasks of held layers said. It is no reason to hold a status up: without an answer the status goes without.
async fn add_failures(term: &Term, snapshot: &Snapshot, known: &mut Known) {
    if snapshot.job.finished {
        return;
    }
    let before = term.context.memory(&snapshot.uid, |memory| memory.failures_read.clone());
    let mut read = Vec::new();
    for (layer, of_layer) in snapshot.job.layers.iter().zip(&snapshot.layers) {
        if layer.status != Status::Errored || layer.tasks.errored == 0 {
            continue;
        }
        let (id, run, errored) = (of_layer.layer_id, layer.run, layer.tasks.errored);
        let same = before.iter().find(|read| (read.layer, read.run, read.errored) == (id, run, errored));
        let said = match same {
            Some(same) => same.said.clone(),
            None => term.context.store.commonest_failure(id).await.unwrap_or_else(|error| {
                tracing::debug!(layer = layer.name, error = &error as &dyn std::error::Error, "what failed is not told");
                None
            }),
        };
        known.layers.entry(layer.name.clone()).or_default().said.clone_from(&said);
        read.push(Read { layer: id, run, errored, said });
    }
    if read != before {
        term.context.remember(&snapshot.uid, |memory| memory.failures_read = read);
    }
}
