//! What was done, in words for Events.

use crate::core::command::{Object, Selector, Verb};
use crate::core::words::{number, tasks};
use crate::store::Done;

/// An object as people call it.
pub(super) fn named(object: &Object) -> String {
    match object {
        Object::Job => "the job".to_owned(),
        Object::Layer(layer) => format!("layer {layer}"),
        Object::Task { layer, task } => format!("task {layer}/{task}"),
    }
}

/// What became of a command.
pub(super) fn done(verb: Verb, object: &Object, selector: &Selector, reason: Option<&str>, done: &Done) -> String {
    let past = match verb {
        Verb::Kill | Verb::Deadline | Verb::Delete => "killed",
        Verb::Skip => "skipped",
        Verb::Retry => "to run again",
        Verb::Pause | Verb::PauseTasks => "paused",
        Verb::Unpause | Verb::UnpauseTasks => "let go",
    };
    let asked = asked(verb, object, selector);
    let said = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    if let Some(why) = done.refused {
        return format!("{asked}: nothing was done, {why}{said}");
    }
    let of = if done.matched > done.changed { format!("{} of ", number(done.changed)) } else { String::new() };
    format!("{asked}: {of}{} {past}{said}", tasks(done.matched.max(done.changed)))
}

/// What was asked for, as it would be written.
pub(super) fn asked(verb: Verb, object: &Object, selector: &Selector) -> String {
    match object {
        Object::Job => format!("{verb} {selector}"),
        Object::Layer(_) | Object::Task { .. } if matches!(selector, Selector::Picks(_)) => format!("{verb} {selector}"),
        Object::Layer(_) | Object::Task { .. } => format!("{verb} {selector} of {}", named(object)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{JobChange, Refusal};

    fn said(verb: Verb, object: &Object, selector: &str, (changed, matched): (u32, u32), refused: Option<Refusal>) -> String {
        let selector = Selector::parse(selector, object).expect("a selector");
        done(verb, object, &selector, Some("no licence"), &Done { matched, changed, refused, again: false, change: JobChange::default() })
    }

    #[test]
    fn an_event_says_what_was_asked_and_how_many_tasks_it_was() {
        let layer = Object::Layer("render".to_owned());
        assert_eq!(said(Verb::Kill, &Object::Job, "true", (1, 1), None), "kill true: 1 task killed (no licence)");
        assert_eq!(said(Verb::Skip, &layer, "true", (2_400, 2_400), None), "skip true of layer render: 2,400 tasks skipped (no licence)");
        assert_eq!(said(Verb::Retry, &layer, "3-9", (5, 7), None), "retry render/3-9: 5 of 7 tasks to run again (no licence)");
        assert_eq!(said(Verb::Retry, &Object::Job, "ghost", (0, 0), None), "retry ghost: 0 tasks to run again (no licence)");
        let deleted = said(Verb::Kill, &Object::Job, "failed", (0, 0), Some(Refusal::Deleted));
        assert_eq!(deleted, "kill failed: nothing was done, the job was deleted (no licence)");
    }
}
