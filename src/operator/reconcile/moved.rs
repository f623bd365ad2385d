//! Events of what a new status tells: layers and the job that moved, and standstills that begin.
//!
//! Their number is bounded: a few for each run of a layer, and one for each kind of standstill in some minutes.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::runtime::events::EventType;
use tokio::time::Instant;

use super::accept::Acceptance;
use super::observe::Observed;
use super::tell;
use crate::core::words::{number, tasks};
use crate::crd::{ConditionStatus, IgorJobStatus, JobPhase, LayerPhase, LayerSummary};
use crate::operator::term::Term;

/// A standstill that comes and goes is told again after so long.
const AGAIN: Duration = Duration::from_secs(600);

/// Tells what the status says beyond the one before; of a refused spec once a generation.
pub(super) fn tell(term: &Term, observed: &Observed, acceptance: &Acceptance, before: Option<&IgorJobStatus>, status: &IgorJobStatus) {
    if let Some(refusal) = &acceptance.refusal {
        tell::once(term, &observed.object, EventType::Warning, refusal.reason.as_str(), &refusal.message);
        return;
    }
    for (reason, note) in of_layers(before, status) {
        tell::tell(term, &observed.object, type_of(reason), reason, &note);
    }
    if let Some((reason, note)) = of_job(before, status) {
        tell::tell(term, &observed.object, type_of(reason), reason, &note);
    }
    if let Some((reason, note)) = standstill(before, status)
        && is_due(term, observed, reason)
    {
        tell::tell(term, &observed.object, type_of(reason), reason, &note);
    }
}

fn type_of(reason: &str) -> EventType {
    match reason {
        "LayerFailing" | "LayerErrored" | "JobErrored" | "HeldOnFailure" | "NoWorkers" => EventType::Warning,
        _ => EventType::Normal,
    }
}

/// Layers that began, failed or ended. Of a job that ended before it had a status the end says it all, but for what went wrong.
fn of_layers(before: Option<&IgorJobStatus>, status: &IgorJobStatus) -> Vec<(&'static str, String)> {
    let brief = before.is_none() && status.finished_at.is_some();
    let layers = before.map(|before| &before.layers).into_iter().flatten();
    let before: BTreeMap<&str, LayerPhase> = layers.map(|layer| (layer.name.as_str(), layer.phase)).collect();
    let moved = |layer: &&LayerSummary| before.get(layer.name.as_str()).copied().unwrap_or(LayerPhase::Pending) != layer.phase;
    let is_news = |layer: &&LayerSummary| moved(layer) && !(brief && layer.phase == LayerPhase::Completed);
    status.layers.iter().filter(is_news).filter_map(of_layer).collect()
}

fn of_layer(layer: &LayerSummary) -> Option<(&'static str, String)> {
    let LayerSummary { name, total, done, errored, .. } = layer;
    let done = format!("{} of {} done", number(*done), tasks(*total));
    let errors = format!("{} of {} errored", number(*errored), tasks(*total));
    Some(match layer.phase {
        LayerPhase::Running => ("LayerRunning", format!("layer {name} runs, {done}")),
        LayerPhase::Failing => ("LayerFailing", format!("layer {name} goes on, {errors}")),
        LayerPhase::Errored => ("LayerErrored", format!("layer {name} ended, {errors}")),
        LayerPhase::Completed => ("LayerCompleted", format!("layer {name} is done, {done}")),
        LayerPhase::Skipped => ("LayerSkipped", format!("layer {name} is skipped")),
        LayerPhase::Pending | LayerPhase::Loading | LayerPhase::Paused => return None,
    })
}

/// The job, when it ended.
fn of_job(before: Option<&IgorJobStatus>, status: &IgorJobStatus) -> Option<(&'static str, String)> {
    let ended = |status: &IgorJobStatus| status.finished_at.is_some();
    if !ended(status) || before.is_some_and(ended) {
        return None;
    }
    let counts = status.tasks.unwrap_or_default();
    let done = format!("{} of {} done", number(counts.completed + counts.skipped), tasks(counts.total));
    match status.phase {
        Some(JobPhase::Completed) => Some(("JobCompleted", done)),
        _ => Some(("JobErrored", status.why.as_ref().map_or(done.clone(), |why| format!("{why}; {done}")))),
    }
}

/// The standstill that begins with this status, unless a person just asked for it.
fn standstill(before: Option<&IgorJobStatus>, status: &IgorJobStatus) -> Option<(&'static str, String)> {
    let reason = stands(status)?;
    let known = ["HeldOnFailure", "NoWorkers", "LimitReached"].into_iter().find(|known| *known == reason)?;
    let begins = before.and_then(stands) != Some(reason);
    begins.then(|| (known, status.why.clone().unwrap_or_default()))
}

/// Why the job does not move, if it does not.
fn stands(status: &IgorJobStatus) -> Option<&str> {
    let progressing = status.conditions.iter().find(|condition| condition.type_ == "Progressing")?;
    (progressing.status == ConditionStatus::False).then_some(progressing.reason.as_str())
}

/// Whether this kind of standstill was not told of the job lately. A hold is always told: somebody acted between two of them.
fn is_due(term: &Term, observed: &Observed, reason: &'static str) -> bool {
    if reason == "HeldOnFailure" {
        return true;
    }
    let mut due = false;
    term.context.remember(&observed.uid, |memory| {
        due = memory.stood.get(reason).is_none_or(|told| told.elapsed() >= AGAIN);
        if due {
            memory.stood.insert(reason, Instant::now());
        }
    });
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::{Condition, TaskCounts};

    fn layer(phase: LayerPhase, done: u32, errored: u32) -> LayerSummary {
        LayerSummary { name: "render".to_owned(), priority: 0, phase, total: 3, done, errored }
    }

    fn status(layers: Vec<LayerSummary>) -> IgorJobStatus {
        IgorJobStatus { layers, ..IgorJobStatus::default() }
    }

    fn standing(reason: &str, is: ConditionStatus) -> IgorJobStatus {
        let progressing = Condition { type_: "Progressing".to_owned(), status: is, reason: reason.to_owned(), ..at_rest() };
        IgorJobStatus { conditions: vec![progressing], why: Some("why".to_owned()), ..IgorJobStatus::default() }
    }

    fn at_rest() -> Condition {
        let facts = None;
        let status = crate::crd::status::job_status(facts, None, None, 1, 0);
        status.conditions.into_iter().next().expect("a condition")
    }

    #[test]
    fn a_layer_is_told_of_when_its_phase_moves_and_not_when_it_counts() {
        let before = status(vec![layer(LayerPhase::Running, 0, 0)]);
        let told = |now: LayerSummary| of_layers(Some(&before), &status(vec![now]));
        assert_eq!(told(layer(LayerPhase::Running, 2, 0)), []);
        assert_eq!(told(layer(LayerPhase::Failing, 1, 1)), [("LayerFailing", "layer render goes on, 1 of 3 tasks errored".to_owned())]);
        assert_eq!(told(layer(LayerPhase::Completed, 3, 0)), [("LayerCompleted", "layer render is done, 3 of 3 tasks done".to_owned())]);
        assert_eq!(told(layer(LayerPhase::Paused, 0, 0)), []);
    }

    #[test]
    fn of_a_job_that_ended_before_its_first_status_only_layers_that_went_wrong_are_told() {
        let layers = vec![layer(LayerPhase::Completed, 3, 0), layer(LayerPhase::Errored, 1, 2)];
        let ended = IgorJobStatus { finished_at: Some(at_rest().last_transition_time), ..status(layers.clone()) };
        assert_eq!(of_layers(None, &ended), [("LayerErrored", "layer render ended, 2 of 3 tasks errored".to_owned())]);
        assert_eq!(of_layers(None, &status(layers.clone())).len(), 2);
        assert_eq!(of_layers(Some(&status(Vec::new())), &ended).len(), 2);
    }

    #[test]
    fn the_end_of_a_job_is_told_once_with_its_reason_also_after_a_hold() {
        let counts = TaskCounts { total: 3, completed: 2, errored: 1, ..TaskCounts::default() };
        let held = IgorJobStatus {
            phase: Some(JobPhase::Errored),
            tasks: Some(counts),
            why: Some("killed by mara".to_owned()),
            ..status(Vec::new())
        };
        let ended = IgorJobStatus { finished_at: Some(at_rest().last_transition_time), ..held.clone() };
        assert_eq!(of_job(None, &held), None);
        assert_eq!(of_job(Some(&held), &ended), Some(("JobErrored", "killed by mara; 2 of 3 tasks done".to_owned())));
        assert_eq!(of_job(Some(&ended), &ended), None);
    }

    #[test]
    fn a_standstill_is_told_when_it_begins_and_a_persons_own_pause_is_not() {
        let (no, yes) = (ConditionStatus::False, ConditionStatus::True);
        let moving = standing("LayerRunning", yes);
        assert_eq!(standstill(Some(&moving), &standing("NoWorkers", no)), Some(("NoWorkers", "why".to_owned())));
        assert_eq!(standstill(Some(&standing("NoWorkers", no)), &standing("NoWorkers", no)), None);
        assert_eq!(standstill(Some(&standing("NoWorkers", no)), &standing("HeldOnFailure", no)), Some(("HeldOnFailure", "why".to_owned())));
        assert_eq!(standstill(Some(&moving), &standing("Paused", no)), None);
        assert_eq!(standstill(None, &moving), None);
    }
}
