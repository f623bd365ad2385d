//! One-shot commands: stamp, carry out, acknowledge, remove. Any step may be cut off and done again.

use kube::runtime::events::EventType;
use uuid::Uuid;

use super::{Acknowledged, Carrier, words};
use crate::core::command::{Object, OneShot, Selector, Token, Verb, read};
use crate::core::id;
use crate::crd;
use crate::operator::Error;
use crate::operator::reconcile::observe::Observed;
use crate::operator::reconcile::tell;
use crate::operator::term::Term;
use crate::store::{Command, Done, Progress, Refusal};

/// What came of a one-shot annotation.
pub(super) enum Shot {
    /// The ledger has applied it.
    Handled(Acknowledged),
    /// It is large, and its first steps are done.
    More,
    /// Its tasks are still being loaded, or Redis was not told yet.
    Waits,
    /// There is none, it was refused, or it was done long ago and is the user's to keep.
    Nothing,
}

/// The annotation of a verb.
pub(super) fn annotation(verb: Verb) -> String {
    format!("{}{verb}", crd::ANNOTATION_PREFIX)
}

/// Whether an object carries any.
pub(super) fn is_asked(carrier: &Carrier) -> bool {
    Verb::ONE_SHOTS.into_iter().any(|verb| carrier.annotations.contains_key(&annotation(verb)))
}

/// Gives what was not carried out yet its ids; what cannot be read is refused. Whether the object changes by it.
pub(super) async fn stamp_all(term: &Term, observed: &Observed, carrier: &Carrier) -> Result<bool, Error> {
    let mut stamps = Vec::new();
    for verb in Verb::ONE_SHOTS {
        let Some(value) = carrier.annotations.get(&annotation(verb)) else { continue };
        let shot = OneShot::parse(value);
        match read(verb, &carrier.object, &shot.selector) {
            Ok(_) if shot.token == Token::Unstamped => stamps.push((annotation(verb), shot)),
            Ok(_) => {}
            Err(fault) => refuse(term, observed, carrier, (verb, value, &shot), &fault.to_string()).await?,
        }
    }
    if stamps.is_empty() {
        return Ok(false);
    }
    carrier.stamp(term, observed, &stamps).await?;
    Ok(true)
}

/// Says what is wrong, and removes what is not the user's to keep.
async fn refuse(
    term: &Term,
    observed: &Observed,
    carrier: &Carrier,
    (verb, value, shot): (Verb, &str, &OneShot),
    fault: &str,
) -> Result<(), Error> {
    let note = format!("{}: {fault}", annotation(verb));
    if matches!(shot.token, Token::Own(_)) {
        tell::once_about(term, carrier.uid(), &carrier.reference, EventType::Warning, "CommandRefused", &note);
        return Ok(());
    }
    tell_both(term, observed, carrier, EventType::Warning, "CommandRefused", &note);
    carrier.remove(term, observed, &annotation(verb), value).await.map(drop)
}

/// On the object that carries it, and on the job, where people look first.
fn tell_both(term: &Term, observed: &Observed, carrier: &Carrier, type_: EventType, reason: &str, note: &str) {
    tell::about(term, &carrier.reference, type_, reason, note);
    if carrier.object != Object::Job {
        tell::tell(term, &observed.object, type_, reason, note);
    }
}

/// Carries out what is stamped, and not acknowledged yet.
pub(super) async fn carry_out(term: &Term, observed: &Observed, job_id: Uuid, carrier: &Carrier, verb: Verb) -> Result<Shot, Error> {
    let Some(value) = carrier.annotations.get(&annotation(verb)) else { return Ok(Shot::Nothing) };
    let shot = OneShot::parse(value);
    let Ok(selector) = read(verb, &carrier.object, &shot.selector) else { return Ok(Shot::Nothing) };
    let (token, remove) = match shot.token {
        Token::Unstamped => return Ok(Shot::Nothing),
        Token::Stamped(token) => (token, Some(value.clone())),
        Token::Own(token) => (token, None),
    };
    let acknowledged = Acknowledged { object: carrier.object.clone(), verb, token, remove };
    if carrier.acknowledged.get(verb.as_str()) == Some(&acknowledged.token) {
        return Ok(if acknowledged.remove.is_some() { Shot::Handled(acknowledged) } else { Shot::Nothing });
    }
    let command = command_of(observed, job_id, carrier, (verb, selector), &acknowledged.token);
    match term.context.store.command_step(Some(term.epoch), &command).await? {
        Progress::More(change) => {
            term.carried_out(job_id, &change);
            Ok(Shot::More)
        }
        Progress::Done(Done { refused: Some(Refusal::Loading), .. }) => {
            let note = format!("{} waits: its tasks are still being loaded", words::asked(verb, &carrier.object, &command.selector));
            tell::once(term, &observed.object, EventType::Normal, "CommandWaits", &note);
            Ok(Shot::Waits)
        }
        Progress::Done(done) => {
            let ticket = term.carried_out(job_id, &done.change);
            // Once it is acknowledged nothing of it runs: not before Redis was told.
            if !term.wakes.is_relayed(ticket).await {
                return Ok(Shot::Waits);
            }
            // One that the user keeps is found done after each restart.
            if !done.again || acknowledged.remove.is_some() {
                tell_done(term, observed, carrier, &command, &done);
            }
            Ok(Shot::Handled(acknowledged))
        }
    }
}

fn command_of(observed: &Observed, job_id: Uuid, carrier: &Carrier, (verb, selector): (Verb, Selector), token: &str) -> Command {
    Command {
        id: id::command(observed.created_ms, &observed.uid, &carrier.object.to_string(), verb.as_str(), token),
        job_id,
        object: carrier.object.clone(),
        verb,
        selector,
        actor: "annotation".to_owned(),
        reason: carrier.reason().map(|reason| reason.chars().take(500).collect()),
    }
}

/// Says once what became of a command, whichever call carried it out.
fn tell_done(term: &Term, observed: &Observed, carrier: &Carrier, command: &Command, done: &Done) {
    let told = command.id.to_string();
    if term.context.memory(&observed.uid, |memory| memory.told.contains(&told)) {
        return;
    }
    term.context.remember(&observed.uid, |memory| memory.tell(told));
    let note = words::done(command.verb, &carrier.object, &command.selector, command.reason.as_deref(), done);
    let (type_, reason) = match done.refused {
        None => (EventType::Normal, "CommandHandled"),
        Some(_) => (EventType::Warning, "CommandRefused"),
    };
    tell_both(term, observed, carrier, type_, reason, &note);
}
