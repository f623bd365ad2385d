//! Commands by annotation, with kubectl alone: each verb on jobs, layers and tasks, and what becomes of the annotation.

mod cut_off;
mod large;
mod order;
mod refused;
mod stopped;
mod verbs;

use std::io::Write;

use crate::steer::{events, object};
use crate::world::World;

/// A job of that name with these layers, whose tasks run as no-ops unless they say otherwise.
fn job(name: &str, more: &str, layers: &str) -> String {
    format!(
        "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  {more}
  defaults: {{type: noop}}
  layers:
{layers}
"
    )
}

/// Prints what was measured.
fn tell(measured: &str) {
    writeln!(std::io::stderr(), "{measured}").expect("written");
}

/// The Events `CommandHandled` and `CommandRefused` of one object, as `reason: note`.
fn told(world: &World, kind: &str, name: &str) -> Vec<String> {
    let is_told = |reason: &str| matches!(reason, "CommandHandled" | "CommandRefused");
    let of_object = |event: &&crate::steer::Event| event.kind == kind && event.name == name && is_told(&event.reason);
    events(world).iter().filter(of_object).map(|event| format!("{}: {}", event.reason, event.note)).collect()
}

/// The verbs in the order in which they acted.
async fn verbs_in_order(world: &World) -> Vec<String> {
    let sql = "SELECT verb FROM igor.commands ORDER BY done_at, id";
    sqlx::query_scalar(sql).fetch_all(&world.database.pool).await.expect("commands")
}

/// What the status of an object acknowledges of a verb.
fn acknowledged(world: &World, kind: &str, name: &str, verb: &str) -> Option<String> {
    object(world, kind, name)?["status"]["lastHandled"][verb].as_str().map(str::to_owned)
}
