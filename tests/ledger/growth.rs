//! Jobs that grow after they were accepted.

mod add;
mod edit;
mod refused;

use igor::core::command::Object;
use uuid::Uuid;

use crate::world::{World, asked};

/// Pauses a layer, or lets it go.
async fn steer(world: &World, job: Uuid, layer: &str, verb: &str, token: &str) {
    let command = asked(job, &Object::Layer(layer.to_owned()), verb, "true", token);
    world.store.command(Some(world.epoch), &command).await.expect("done");
}
