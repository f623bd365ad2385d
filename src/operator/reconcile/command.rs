//! Stage 4: what people ask for. Pause levels, the deadline, and one-shot commands by annotation.
//!
//! A one-shot is stamped with an id, applied by the ledger once, acknowledged in the status, and removed; each step may be repeated.

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch as JsonPatch, PatchOperation, RemoveOperation, TestOperation};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::EventType;
use serde_json::json;
use uuid::Uuid;

use super::accept::{Acceptance, levels, levels_of_handles};
use super::observe::Observed;
use super::tell;
use crate::core::command::{Object, OneShot, Selector, Token, Verb, parse_level, read};
use crate::core::id;
use crate::crd::{self, IgorJob};
use crate::operator::Error;
use crate::operator::dispatcher::now_ms;
use crate::operator::term::Term;
use crate::store::Command;

/// The one-shot annotations of a job, and what this version can do of them.
const ONE_SHOTS: [(&str, Verb); 5] = [
    ("igor/pause-tasks", Verb::PauseTasks),
    ("igor/kill", Verb::Kill),
    ("igor/skip", Verb::Skip),
    (crd::ANNOTATION_RETRY, Verb::Retry),
    ("igor/unpause-tasks", Verb::UnpauseTasks),
];

/// Commands that the ledger has applied: to be acknowledged, then removed.
#[derive(Debug, Default)]
pub(super) struct Handled {
    pub(super) commands: Vec<Acknowledged>,
    /// A command was given its id: the change comes back by the watch, and is handled then.
    pub(super) stamped: bool,
    /// Redis does not know yet what a command stopped: it is acknowledged later.
    pub(super) unrelayed: bool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Acknowledged {
    pub(super) verb: Verb,
    pub(super) token: String,
    /// The annotation and its value, unless it is the user's to keep.
    remove: Option<(&'static str, String)>,
}

/// Does what is asked for and not done yet.
pub(super) async fn command(term: &Term, observed: &Observed, acceptance: &Acceptance) -> Result<Handled, Error> {
    warn_of_odd_level(term, observed);
    let Some(job_id) = acceptance.job_id else { return Ok(Handled::default()) };
    let seen = [levels(&observed.object), levels_of_handles(term, observed)].concat();
    let paused = term.context.store.observe(Some(term.epoch), job_id, &seen, reason(observed)).await?;
    if !paused.moved.is_empty() {
        // The dispatcher first, people afterwards.
        term.carried_out(job_id, &paused.change);
        for (what, is_paused) in &paused.moved {
            let what = match what {
                Object::Job => "the job".to_owned(),
                Object::Layer(layer) => format!("layer {layer}"),
                Object::Task { layer, task } => format!("task {layer}/{task}"),
            };
            let (reason, word) = if *is_paused { ("Paused", "paused") } else { ("Unpaused", "goes on") };
            tell::tell(term, &observed.object, EventType::Normal, reason, &format!("{what} {word}"));
        }
    }
    keep_deadline(term, observed, job_id).await?;
    let mut handled = Handled::default();
    for (annotation, verb) in ONE_SHOTS {
        if let Some(value) = observed.object.annotations().get(annotation) {
            match one_shot(term, observed, job_id, (annotation, verb), value).await? {
                Shot::Handled(command) => handled.commands.push(command),
                Shot::Stamped => handled.stamped = true,
                Shot::Unrelayed => handled.unrelayed = true,
                Shot::Nothing => {}
            }
        }
    }
    Ok(handled)
}

fn warn_of_odd_level(term: &Term, observed: &Observed) {
    match observed.object.annotations().get(crd::ANNOTATION_PAUSE) {
        Some(value) if parse_level(value).is_none() => {
            let note = format!("{}: {value:?} is neither true nor false; nothing was paused", crd::ANNOTATION_PAUSE);
            tell::once(term, &observed.object, EventType::Warning, "UnknownLevel", &note);
        }
        _ => {}
    }
}

/// Kills a job whose time is over.
async fn keep_deadline(term: &Term, observed: &Observed, job_id: Uuid) -> Result<(), Error> {
    let due = observed.known.as_ref().filter(|known| !known.job.finished).and_then(|known| known.deadline_ms);
    if due.is_none_or(|due| due > now_ms()) {
        return Ok(());
    }
    let command = Command {
        id: id::command(observed.created_ms, &observed.uid, "job", "deadline", &due.unwrap_or(0).to_string()),
        job_id,
        object: Object::Job,
        verb: Verb::Deadline,
        selector: Selector::All,
        actor: "igor-operator".to_owned(),
        reason: None,
    };
    let done = term.carry_out(&command).await?;
    let note = format!("activeDeadlineSeconds is over: {} tasks stopped", done.changed);
    tell::tell(term, &observed.object, EventType::Warning, "DeadlineExceeded", &note);
    Ok(())
}

/// What came of a one-shot annotation.
enum Shot {
    Handled(Acknowledged),
    Stamped,
    Unrelayed,
    /// It was refused, or done long ago and is the user's to keep.
    Nothing,
}

async fn one_shot(
    term: &Term,
    observed: &Observed,
    job_id: Uuid,
    (annotation, verb): (&'static str, Verb),
    value: &str,
) -> Result<Shot, Error> {
    let shot = OneShot::parse(value);
    let selector = match read(verb, &Object::Job, &shot.selector) {
        Ok(selector) => selector,
        Err(fault) => {
            let note = format!("{annotation}: {fault}");
            tell::tell(term, &observed.object, EventType::Warning, "CommandRefused", &note);
            remove(term, observed, annotation, value).await?;
            return Ok(Shot::Nothing);
        }
    };
    let (token, remove) = match shot.token.clone() {
        Token::Unstamped => {
            stamp(term, observed, annotation, &shot).await?;
            return Ok(Shot::Stamped);
        }
        Token::Stamped(token) => (token, Some((annotation, value.to_owned()))),
        Token::Own(token) => (token, None),
    };
    if is_acknowledged(observed, verb, &token) {
        return Ok(if remove.is_some() { Shot::Handled(Acknowledged { verb, token, remove }) } else { Shot::Nothing });
    }
    let command = Command {
        id: id::command(observed.created_ms, &observed.uid, "job", verb.as_str(), &token),
        job_id,
        object: Object::Job,
        verb,
        selector,
        actor: "annotation".to_owned(),
        reason: reason(observed).map(str::to_owned),
    };
    let done = term.carry_out(&command).await?;
    // Once it is acknowledged nothing of it runs: not before Redis was told.
    if !term.wakes.is_relayed(term.wakes.outbox()).await {
        return Ok(Shot::Unrelayed);
    }
    let note = done.refused.map_or_else(|| format!("{verb}: {} tasks", done.matched), |why| format!("{verb}: nothing was done: {why}"));
    tell::tell(term, &observed.object, EventType::Normal, "CommandHandled", &note);
    metrics::counter!("igor_commands_total", "verb" => verb.as_str(), "result" => if done.refused.is_some() { "refused" } else { "done" })
        .increment(1);
    Ok(Shot::Handled(Acknowledged { verb, token, remove }))
}

/// What a person said about the commands on the job.
fn reason(observed: &Observed) -> Option<&str> {
    observed.object.annotations().get(crd::ANNOTATION_REASON).map(String::as_str)
}

fn is_acknowledged(observed: &Observed, verb: Verb, token: &str) -> bool {
    let handled = observed.object.status.as_ref().map(|status| &status.last_handled);
    handled.and_then(|handled| handled.get(verb.as_str())).is_some_and(|known| known == token)
}

/// Gives a command its id. The change comes back by the watch, and is handled then.
async fn stamp(term: &Term, observed: &Observed, annotation: &str, shot: &OneShot) -> Result<(), Error> {
    let stamp = Uuid::from_u128(rand::random()).simple().to_string();
    let patch = json!({"metadata": {
        "resourceVersion": observed.object.resource_version(),
        "annotations": {annotation: shot.stamped(&stamp)},
    }});
    patch_job(term, observed, &Patch::Merge(&patch)).await
}

/// Takes the annotation away, unless it has changed meanwhile: then it is a newer command.
async fn remove(term: &Term, observed: &Observed, annotation: &str, value: &str) -> Result<(), Error> {
    let path = PointerBuf::from_tokens(["metadata", "annotations", annotation]);
    let patch = JsonPatch(vec![
        PatchOperation::Test(TestOperation { path: path.clone(), value: value.into() }),
        PatchOperation::Remove(RemoveOperation { path }),
    ]);
    match patch_job(term, observed, &Patch::<()>::Json(patch)).await {
        Err(Error::Kube { source: kube::Error::Api(status), .. }) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        done => done,
    }
}

async fn patch_job<Body>(term: &Term, observed: &Observed, patch: &Patch<Body>) -> Result<(), Error>
where
    Body: serde::Serialize + std::fmt::Debug,
{
    let api: Api<IgorJob> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "patch").increment(1);
    let patched = api.patch_metadata(&observed.name, &PatchParams::default(), patch).await;
    patched.map(drop).map_err(|source| Error::Kube { act: "patch the job's annotations", source })
}

/// Takes `igor/pause` away when the spec was changed later and the ledger followed that: what it says is not true any more, and
/// saying it again would change nothing.
async fn drop_untrue_level(term: &Term, observed: &Observed, job_id: Uuid) -> Result<(), Error> {
    let Some(value) = observed.object.annotations().get(crd::ANNOTATION_PAUSE) else { return Ok(()) };
    let Some(level) = parse_level(value).filter(|level| *level != observed.object.spec.paused) else { return Ok(()) };
    let known = term.context.store.snapshot(job_id).await?;
    if known.job.paused_by.is_some() == level {
        return Ok(());
    }
    remove(term, observed, crd::ANNOTATION_PAUSE, value).await
}

/// Removes the annotations of commands that the status acknowledges by now, and a level that has become untrue.
pub(super) async fn clear(term: &Term, observed: &Observed, acceptance: &Acceptance, handled: Handled) -> Result<(), Error> {
    if let Some(job_id) = acceptance.job_id {
        drop_untrue_level(term, observed, job_id).await?;
    }
    for command in handled.commands {
        if let Some((annotation, value)) = command.remove {
            remove(term, observed, annotation, &value).await?;
            if let Some(reason) = observed.object.annotations().get(crd::ANNOTATION_REASON) {
                remove(term, observed, crd::ANNOTATION_REASON, reason).await?;
            }
        }
    }
    Ok(())
}
