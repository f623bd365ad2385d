//! Pause levels: `igor/pause` and what specs say of being paused, on all objects of a job.

use kube::runtime::events::EventType;
use uuid::Uuid;

use super::Carrier;
use super::words::named;
use crate::core::command::{Object, parse_level};
use crate::crd::{self, IgorJob};
use crate::operator::Error;
use crate::operator::reconcile::observe::{Observed, version};
use crate::operator::reconcile::tell;
use crate::operator::term::Term;
use crate::store::{Sighting, Source};

/// The pause levels that the job's own object shows, of itself and its layers.
pub(in crate::operator::reconcile) fn levels(job: &IgorJob) -> Vec<Sighting> {
    let (spec, version) = (&job.spec, version(job));
    let by_spec = |object: Object, paused| Sighting { object, source: Source::Spec, paused: Some(paused), version };
    let annotation = job.metadata.annotations.as_ref().and_then(|annotations| annotations.get(crd::ANNOTATION_PAUSE));
    let mut levels = vec![by_spec(Object::Job, spec.paused)];
    levels.extend(by_annotation(annotation, Object::Job, version));
    levels.extend(spec.layers.iter().map(|layer| by_spec(Object::Layer(layer.name.clone()), layer.paused)));
    levels
}

/// What a source says of an object.
pub(in crate::operator) type Level = (Object, Source, Option<bool>);

/// Sightings without their moments.
pub(in crate::operator::reconcile) fn bare(seen: &[Sighting]) -> Vec<Level> {
    seen.iter().map(|sighting| (sighting.object.clone(), sighting.source, sighting.paused)).collect()
}

/// The level of an object's `igor/pause`; `None` when it says neither true nor false: as if it had not been touched.
fn by_annotation(value: Option<&String>, object: Object, version: u64) -> Option<Sighting> {
    let paused = match value {
        None => None,
        Some(value) => Some(parse_level(value)?),
    };
    Some(Sighting { object, source: Source::Annotation, paused, version })
}

/// The levels that a layer's or a task's object shows.
fn of_child(carrier: &Carrier) -> Vec<Sighting> {
    let by_spec =
        |paused| Sighting { object: carrier.object.clone(), source: Source::Spec, paused: Some(paused), version: carrier.version };
    let annotation = by_annotation(carrier.annotations.get(crd::ANNOTATION_PAUSE), carrier.object.clone(), carrier.version);
    carrier.paused.map(by_spec).into_iter().chain(annotation).collect()
}

/// Says of each annotation that is no level that it is none; it is left alone.
pub(super) fn warn_of_odd(term: &Term, observed: &Observed, carriers: &[Carrier]) {
    for carrier in carriers {
        if let Some(value) = carrier.annotations.get(crd::ANNOTATION_PAUSE).filter(|value| parse_level(value).is_none()) {
            let note = format!("{}={value:?} is neither true nor false: {} stays as it is", crd::ANNOTATION_PAUSE, named(&carrier.object));
            tell::once_about(term, carrier.uid(), &carrier.reference, EventType::Warning, "UnknownLevel", &note);
            if carrier.object != Object::Job {
                tell::once(term, &observed.object, EventType::Warning, "UnknownLevel", &note);
            }
        }
    }
}

/// Which levels are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Of objects that are to be paused: they come before other commands.
    Paused,
    /// Those and of what is to go on: that comes behind them.
    All,
}

impl Which {
    fn of(self, seen: Vec<Sighting>) -> Vec<Sighting> {
        let says = |object: &Object, source| {
            let own = seen.iter().find(|sighting| sighting.object == *object && sighting.source == source);
            own.and_then(|sighting| sighting.paused)
        };
        let is_paused = |object: &Object| says(object, Source::Annotation).or_else(|| says(object, Source::Spec)) == Some(true);
        let chosen: Vec<bool> = seen.iter().map(|sighting| self == Self::All || is_paused(&sighting.object)).collect();
        seen.into_iter().zip(chosen).filter_map(|(sighting, chosen)| chosen.then_some(sighting)).collect()
    }
}

/// Lets the ledger act on what has changed; whether it was asked to.
pub(super) async fn follow(term: &Term, observed: &Observed, job_id: Uuid, carriers: &[Carrier], which: Which) -> Result<bool, Error> {
    let mut seen = levels(&observed.object);
    seen.extend(carriers.iter().filter(|carrier| carrier.object != Object::Job).flat_map(of_child));
    let seen = which.of(seen);
    let levels = bare(&seen);
    if term.context.memory(&observed.uid, |memory| memory.levels.as_ref() == Some(&levels)) {
        return Ok(false);
    }
    let reason = carriers.iter().find_map(Carrier::reason);
    let paused = term.context.store.observe(Some(term.epoch), job_id, &seen, reason).await?;
    // What the ledger has and only this process changes need not be told again; what was refused as old has to be.
    term.context.remember(&observed.uid, |memory| memory.levels = paused.settled.then_some(levels));
    // Nothing may have moved, and yet somebody else pauses now: the status says who.
    if paused.moved.is_empty() {
        return Ok(true);
    }
    // The dispatcher first, people afterwards.
    term.carried_out(job_id, &paused.change);
    for (object, is_paused) in &paused.moved {
        let (reason, word) = if *is_paused { ("Paused", "is paused") } else { ("Unpaused", "goes on") };
        tell::tell(term, &observed.object, EventType::Normal, reason, &format!("{} {word}", named(object)));
    }
    Ok(true)
}

/// Takes `igor/pause` away where the spec or a command changed later and the ledger followed that: what it says is not true any more,
/// and saying it again would change nothing.
pub(super) async fn drop_untrue(term: &Term, observed: &Observed, job_id: Uuid, carriers: &[Carrier]) -> Result<(), Error> {
    let by_spec = |carrier: &Carrier| match &carrier.object {
        Object::Layer(layer) => observed.object.spec.layers.iter().any(|known| known.name == *layer && known.paused),
        Object::Job | Object::Task { .. } => carrier.paused.unwrap_or(false),
    };
    let level = |carrier: &Carrier| carrier.annotations.get(crd::ANNOTATION_PAUSE).and_then(|value| parse_level(value));
    let against: Vec<&Carrier> = carriers.iter().filter(|carrier| level(carrier).is_some_and(|level| level != by_spec(carrier))).collect();
    if against.is_empty() {
        return Ok(());
    }
    let known = term.context.store.snapshot(job_id).await?;
    for carrier in against {
        let is_paused = match &carrier.object {
            Object::Job => known.job.paused_by.is_some(),
            Object::Layer(name) => known.job.layers.iter().any(|layer| layer.name == *name && layer.paused_by.is_some()),
            Object::Task { layer, task } => term.context.store.task(&known, layer, task).await?.is_some_and(|(task, _)| task.paused),
        };
        if level(carrier) != Some(is_paused)
            && let Some(value) = carrier.annotations.get(crd::ANNOTATION_PAUSE)
        {
            let Some(version) = carrier.remove(term, observed, crd::ANNOTATION_PAUSE, value).await? else { continue };
            let taken_away = Sighting { object: carrier.object.clone(), source: Source::Untrue, paused: None, version };
            // Before the cache shows it: by then somebody may have asked for something else over HTTP.
            term.context.store.observe(Some(term.epoch), job_id, &[taken_away], None).await?;
        }
    }
    Ok(())
}
