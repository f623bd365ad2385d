//! The history of a job: every command and every change of the job and its layers, and of tasks when they are asked for.

use std::fmt::Write;

use igor::core::command::Object;
use igor::core::words::tasks;
use igor::store::{Event, Given, Moved};
use serde_json::json;

use super::lines::{clean, moment};
use super::{Found, Look, Output, named_task, print};

/// Whose history, and how much of it.
#[derive(clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    look: Look,
    /// Also every change of every task, layer by layer and task by task
    #[arg(long)]
    tasks: bool,
}

pub(super) async fn run(audit: Audit) -> anyhow::Result<()> {
    let Audit { look, tasks } = audit;
    let found = look.find().await?;
    let layer = look.reference.layer.as_deref();
    if let (Some(layer), Some(task)) = (layer, &look.reference.task) {
        let (_, moved) = named_task(&found, layer, task).await?;
        return print(&of_events(moved.into_iter().map(Event::Moved), look.output)?);
    }
    let events = found.store.history(&found.job).await?.into_iter().filter(|event| layer.is_none_or(|layer| is_about(event, layer)));
    print(&of_events(events, look.output)?)?;
    if tasks { print_tasks(&found, layer, look.output).await } else { Ok(()) }
}

/// Page by page: a layer may have a million tasks.
async fn print_tasks(found: &Found, only: Option<&str>, output: Output) -> anyhow::Result<()> {
    for (layer, facts) in found.job.job.layers.iter().zip(&found.job.layers) {
        if only.is_some_and(|only| only != layer.name) {
            continue;
        }
        let mut place = None;
        loop {
            let page = found.store.task_history((layer, facts), place.as_ref()).await?;
            print(&of_events(page.moved.into_iter().map(Event::Moved), output)?)?;
            place = page.next;
            if place.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Whether this concerns a layer: its own changes, and what was asked of it or of the whole job.
fn is_about(event: &Event, layer: &str) -> bool {
    match event {
        Event::Moved(moved) => moved.object == Object::Layer(layer.to_owned()),
        Event::Given(given) => match Object::parse(&given.object) {
            Some(Object::Layer(of) | Object::Task { layer: of, .. }) => of == layer,
            Some(Object::Job) | None => true,
        },
    }
}

pub(super) fn of_events(events: impl Iterator<Item = Event>, output: Output) -> anyhow::Result<String> {
    let mut text = String::new();
    for event in events {
        match output {
            Output::Text => text.push_str(&line(&event)),
            Output::Json => text.push_str(&serde_json::to_string(&object(&event))?),
        }
        text.push('\n');
    }
    Ok(text)
}

/// `TIME  ACTOR  WHAT`, one event.
fn line(event: &Event) -> String {
    match event {
        Event::Given(given) => of_command(given),
        Event::Moved(moved) => of_move(moved),
    }
}

fn of_command(given: &Given) -> String {
    let object = clean(&given.object);
    let mut line =
        format!("{}  {:<12}  {} {object} {}", moment(given.at_ms), clean(&given.actor), clean(&given.verb), clean(&given.selector));
    match (is_of_tasks(&given.verb), given.done_ms) {
        (true, Some(_)) => write!(line, ", {}", tasks(given.changed)).ok(),
        (true, None) => write!(line, ", {} so far", tasks(given.changed)).ok(),
        (false, _) => None,
    };
    if let Some(reason) = &given.reason {
        write!(line, ": {}", clean(reason)).ok();
    }
    line + &format!("  [{}]", given.id)
}

/// Whether a verb counts tasks: pause and unpause of a job or layer move none.
fn is_of_tasks(verb: &str) -> bool {
    !matches!(verb, "pause" | "unpause")
}

fn of_move(moved: &Moved) -> String {
    let mut line = format!("{}  {:<12}  {}", moment(moved.at_ms), clean(&moved.actor), moved.object);
    let reason = moved.reason.as_deref().map(clean);
    match (moved.from == moved.to, &reason) {
        (true, Some(reason)) => write!(line, " {}", reason.to_lowercase()).ok(),
        (_, reason) => {
            let why = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            write!(line, " {} -> {}{why}", moved.from, moved.to).ok()
        }
    };
    if let Some(attempt) = moved.attempt.filter(|attempt| *attempt > 0) {
        write!(line, ", attempt {attempt}").ok();
    }
    if let Some(run) = moved.run.filter(|run| *run > 1) {
        write!(line, ", run {run}").ok();
    }
    line + &moved.command.map(|id| format!("  [{id}]")).unwrap_or_default()
}

/// One event for programs.
fn object(event: &Event) -> serde_json::Value {
    match event {
        Event::Given(given) => json!({
            "at": moment(given.at_ms), "event": "command", "id": given.id, "actor": given.actor, "verb": given.verb, "object": given.object,
            "selector": given.selector, "reason": given.reason, "matched": given.matched, "changed": given.changed,
            "doneAt": given.done_ms.map(moment),
        }),
        Event::Moved(moved) => json!({
            "at": moment(moved.at_ms), "event": "change", "object": moved.object.to_string(), "from": moved.from, "to": moved.to,
            "version": moved.version, "run": moved.run, "attempt": moved.attempt, "actor": moved.actor, "reason": moved.reason,
            "command": moved.command,
        }),
    }
}
