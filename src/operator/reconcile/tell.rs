//! Events: what happened to a job, for `kubectl describe`.

use kube::Resource;
use kube::runtime::events::{Event, EventType};

use crate::operator::term::Term;

/// Longest note of an event, by the API's rule.
const NOTE_BYTES: usize = 1024;

/// Writes an event about an object. One that cannot be written is lost, and nothing waits for it.
pub(super) async fn tell<Kind>(term: &Term, object: &Kind, type_: EventType, reason: &str, note: &str)
where
    Kind: Resource<DynamicType = ()>,
{
    let event =
        Event { type_, reason: reason.to_owned(), note: Some(cut(note).to_owned()), action: "Reconcile".to_owned(), secondary: None };
    metrics::counter!("igor_api_writes_total", "kind" => "Event", "verb" => "create").increment(1);
    if let Err(error) = term.context.recorder.publish(&event, &object.object_ref(&())).await {
        tracing::warn!(reason, note, error = &error as &dyn std::error::Error, "an event is lost");
    }
}

/// Writes an event unless this process has told the same of this object already.
pub(super) async fn once<Kind>(term: &Term, object: &Kind, type_: EventType, reason: &str, note: &str)
where
    Kind: Resource<DynamicType = ()>,
{
    let uid = object.meta().uid.clone().unwrap_or_default();
    if term.context.memory(&uid).told.iter().any(|told| told == note) {
        return;
    }
    tell(term, object, type_, reason, note).await;
    term.context.remember(&uid, |memory| {
        memory.told.push(note.to_owned());
        // Only the last few matter: the same mistake made again much later may be told again.
        if memory.told.len() > 8 {
            memory.told.remove(0);
        }
    });
}

fn cut(note: &str) -> &str {
    let mut end = note.len().min(NOTE_BYTES);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}
