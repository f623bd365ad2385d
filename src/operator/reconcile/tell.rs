//! Events: what happened to a job, for `kubectl describe`.
//!
//! Each is an object of its own: the library's recorder joins events of one reason whatever they say, and would tell of the first
//! layer only.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::runtime::events::EventType;

use crate::operator::term::Term;

/// Longest note of an event, by the API's rule.
const NOTE_BYTES: usize = 1024;

/// Has an event about an object written. One that cannot be written is lost, and nothing waits for it.
pub(super) fn tell<Kind>(term: &Term, object: &Kind, type_: EventType, reason: &str, note: &str)
where
    Kind: Resource<DynamicType = ()>,
{
    about(term, &object.object_ref(&()), type_, reason, note);
}

/// The same, of an object that is known by reference.
pub(super) fn about(term: &Term, object: &ObjectReference, type_: EventType, reason: &str, note: &str) {
    term.context.events.tell(event(term, object.clone(), type_, reason, cut(note)));
}

fn event(term: &Term, about: ObjectReference, type_: EventType, reason: &str, note: &str) -> Event {
    let now = Timestamp::now();
    // kubectl shows events in the order of their names.
    let name = format!("{}.{:016x}{:04x}", about.name.as_deref().unwrap_or("igor"), now.as_nanosecond(), rand::random::<u16>());
    let type_ = match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: about.namespace.clone(), ..ObjectMeta::default() },
        action: Some("Reconcile".to_owned()),
        reason: Some(reason.to_owned()),
        note: Some(note.to_owned()),
        type_: Some(type_.to_owned()),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some("igor.dev/operator".to_owned()),
        reporting_instance: Some(term.context.identity.clone()),
        regarding: Some(about),
        ..Event::default()
    }
}

/// Whether this process has told that of this object already.
pub(super) fn is_told<Kind>(term: &Term, object: &Kind, note: &str) -> bool
where
    Kind: Resource<DynamicType = ()>,
{
    let uid = object.meta().uid.as_deref().unwrap_or_default();
    term.context.memory(uid, |memory| memory.told.iter().any(|told| told == note))
}

/// Has an event written unless this process has told the same of this object already.
pub(super) fn once<Kind>(term: &Term, object: &Kind, type_: EventType, reason: &str, note: &str)
where
    Kind: Resource<DynamicType = ()>,
{
    let uid = object.meta().uid.clone().unwrap_or_default();
    once_about(term, &uid, &object.object_ref(&()), type_, reason, note);
}

/// The same, of an object that is known by reference.
pub(super) fn once_about(term: &Term, uid: &str, object: &ObjectReference, type_: EventType, reason: &str, note: &str) {
    if term.context.memory(uid, |memory| memory.told.iter().any(|told| told == note)) {
        return;
    }
    about(term, object, type_, reason, note);
    term.context.remember(uid, |memory| memory.tell(note.to_owned()));
}

fn cut(note: &str) -> &str {
    let mut end = note.len().min(NOTE_BYTES);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}
