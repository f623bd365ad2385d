//! Steering by kubectl: annotations on objects of all kinds, and what comes of them.

use serde_json::Value;

use crate::support::until;
use crate::world::{SOON, World};

/// An Event of the namespace.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) type_: String,
    pub(crate) reason: String,
    pub(crate) note: String,
}

/// The object as the API server has it, if it is there.
pub(crate) fn object(world: &World, kind: &str, name: &str) -> Option<Value> {
    let text = world.kubectl(&["get", kind, name, "-o", "json"], None).ok()?;
    Some(serde_json::from_str(&text).expect("json"))
}

/// The names of all objects of a kind.
pub(crate) fn names(world: &World, kind: &str) -> Vec<String> {
    let text = world.kubectl(&["get", kind, "-o", "name"], None).expect("listed");
    text.lines().filter_map(|line| line.split_once('/')).map(|(_, name)| name.to_owned()).collect()
}

/// Waits until an object is there and as `holds` wants it.
pub(crate) async fn until_object(world: &World, kind: &str, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(&format!("{kind} {name}: {what}"), SOON, || async {
        match object(world, kind, name) {
            Some(object) if holds(&object) => Ok(object),
            seen => Err(seen),
        }
    })
    .await
}

/// Waits until an object is gone.
pub(crate) async fn until_gone(world: &World, kind: &str, name: &str) {
    until(&format!("{kind} {name} is gone"), SOON, || async {
        match object(world, kind, name) {
            None => Ok(()),
            Some(object) => Err(object["status"].clone()),
        }
    })
    .await;
}

/// Annotates an object as soon as it is there, all at once.
pub(crate) async fn annotate(world: &World, kind: &str, name: &str, annotations: &[&str]) {
    until(&format!("{kind} {name} takes {annotations:?}"), SOON, || async {
        let args = [&["annotate", "--overwrite", kind, name][..], annotations].concat();
        world.kubectl(&args, None)
    })
    .await;
}

/// The same, and waits until the one-shots among the annotations are handled: removed again.
pub(crate) async fn steer(world: &World, kind: &str, name: &str, annotations: &[&str]) {
    annotate(world, kind, name, annotations).await;
    until_handled(world, kind, name).await;
}

/// Waits until an object carries no one-shot that Igor is to remove.
pub(crate) async fn until_handled(world: &World, kind: &str, name: &str) {
    until_object(world, kind, name, "has no one-shot left", |object| {
        ONE_SHOTS.iter().all(|annotation| match object["metadata"]["annotations"][annotation].as_str() {
            None => true,
            Some(value) => value.contains('#') && !value.contains("#~"),
        })
    })
    .await;
}

const ONE_SHOTS: [&str; 5] = ["igor/pause-tasks", "igor/kill", "igor/skip", "igor/retry", "igor/unpause-tasks"];

/// All Events of the namespace.
pub(crate) fn events(world: &World) -> Vec<Event> {
    let list: Value = serde_json::from_str(&world.kubectl(&["get", "events", "-o", "json"], None).expect("events")).expect("json");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let event = |event: &Value| Event {
        kind: text(&event["involvedObject"]["kind"]),
        name: text(&event["involvedObject"]["name"]),
        type_: text(&event["type"]),
        reason: text(&event["reason"]),
        note: text(&event["message"]),
    };
    list["items"].as_array().map(|events| events.iter().map(event).collect()).unwrap_or_default()
}

/// Waits until such an Event about an object says so.
pub(crate) async fn until_told(world: &World, (kind, name): (&str, &str), (type_, reason): (&str, &str), fragment: &str) {
    until(&format!("{type_} {reason} of {kind} {name} says {fragment}"), SOON, || async {
        let events = events(world);
        let is_it = |event: &Event| {
            (event.kind.as_str(), event.name.as_str(), event.type_.as_str(), event.reason.as_str()) == (kind, name, type_, reason)
                && event.note.contains(fragment)
        };
        if events.iter().any(is_it) { Ok(()) } else { Err(events) }
    })
    .await;
}

/// Where the tasks of a layer stand, in the order of the plan, with their attempts: `frame-0 COMPLETED 1`.
pub(crate) async fn tasks(world: &World, layer: &str) -> Vec<String> {
    let sql = "SELECT t.name || ' ' || t.status::text || ' ' || t.attempt FROM igor.tasks t JOIN igor.layers l ON l.id = t.layer_id
               WHERE l.name = $1 ORDER BY t.ordinal";
    sqlx::query_scalar(sql).bind(layer).fetch_all(&world.database.pool).await.expect("tasks")
}

/// Waits until the tasks of a layer stand so.
pub(crate) async fn until_tasks(world: &World, layer: &str, wanted: &[&str]) {
    until(&format!("the tasks of {layer} are {wanted:?}"), SOON, || async {
        let seen = tasks(world, layer).await;
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}
